/** What every `Dns` answers without asking its service, and how it checks questions. */
import { Dns, SocketError } from "@copas/core"
import type { NetAddress, NetPlatform } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, TestClock } from "effect"

const { DnsError } = SocketError
type Family = NetAddress.Family
type Addresses = ReadonlyArray<NetPlatform.HostAddress>

/** A service that must not be asked, except for what `asked` gives. */
const service = (given: Partial<Dns.Service>): Dns.Service => {
  const never = () => Effect.die(new Error("the service was asked"))
  return Dns.make({
    lookup: never,
    reverse: never,
    nameInfo: never,
    resolve: never,
    hostName: Effect.succeed("test"),
    ...given
  })
}

/** A service that asks about each family apart; the test answers. */
const byFamily = Effect.gen(function*() {
  const answers = {
    IPv4: yield* Deferred.make<Addresses, SocketError.DnsError>(),
    IPv6: yield* Deferred.make<Addresses, SocketError.DnsError>()
  }
  const takenBack: Array<Family> = []
  const dns = service({
    asksByFamily: true,
    lookup: (_name, options) =>
      Effect.onInterrupt(
        Deferred.await(answers[options!.family!]),
        () => Effect.sync(() => takenBack.push(options!.family!))
      )
  })
  return {
    dns,
    takenBack,
    answer: (family: Family, ...hosts: ReadonlyArray<string>) =>
      Deferred.succeed(answers[family], hosts.map((host) => ({ host, family }))),
    fail: (family: Family, reason: SocketError.DnsError["reason"]) =>
      Deferred.fail(answers[family], new DnsError({ reason, name: "a.test", query: "address" }))
  }
})

const hosts = (found: Addresses): ReadonlyArray<string> => found.map(({ host }) => host)

describe("Dns.make", () => {
  it.effect("S09 localhost and all below it are the loopback, and no service is asked (RFC 6761, section 6.3)", () =>
    Effect.gen(function*() {
      const dns = service({})
      for (const name of ["localhost", "LocalHost", "localhost.", "a.localhost", "b.a.localhost."]) {
        expect(hosts(yield* dns.lookup(name))).toEqual(["127.0.0.1", "::1"])
        expect(hosts(yield* dns.lookup(name, { family: "IPv4" }))).toEqual(["127.0.0.1"])
        expect(hosts(yield* dns.lookup(name, { family: "IPv6" }))).toEqual(["::1"])
        expect(yield* dns.resolve(name, "A")).toEqual([{ address: "127.0.0.1", ttlSeconds: 0 }])
        expect(yield* dns.resolve(name, "AAAA")).toEqual([{ address: "::1", ttlSeconds: 0 }])
        expect(yield* Effect.flip(dns.resolve(name, "MX"))).toMatchObject({ reason: "NoData" })
      }
    }))

  it.effect("S09 names in .invalid and .onion are never there, and no service is asked (RFC 6761, RFC 7686)", () =>
    Effect.gen(function*() {
      const dns = service({})
      for (const name of ["invalid", "a.invalid", "a.INVALID.", "x.onion"]) {
        expect(yield* Effect.flip(dns.lookup(name))).toMatchObject({ reason: "NotFound", query: "address" })
        expect(yield* Effect.flip(dns.resolve(name, "TXT"))).toMatchObject({ reason: "NotFound", query: "TXT" })
      }
    }))

  it.effect("S09 names that only look like reserved ones are asked about", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const dns = service({
        lookup: (name) => {
          asked.push(name)
          return Effect.succeed([])
        }
      })
      const names = ["localhost.example", "mylocalhost", "invalid.example", "onions", "localhosts"]
      yield* Effect.forEach(names, (name) => dns.lookup(name))
      expect(asked).toEqual(names)
    }))

  it.effect("S09 a literal is its own answer, and no service is asked", () =>
    Effect.gen(function*() {
      const dns = service({})
      for (const literal of ["127.0.0.1", "::1", "fe80::1%eth0", "::ffff:192.0.2.1"]) {
        expect(hosts(yield* dns.lookup(literal))).toEqual([literal])
      }
    }))

  for (const [known, silent] of [["IPv4", "IPv6"], ["IPv6", "IPv4"]] as const) {
    it.effect(`S09 a look-up with a known ${known} address waits 50 ms for ${silent}, and takes that back`, () =>
      Effect.gen(function*() {
        const { answer, dns, takenBack } = yield* byFamily
        const fiber = yield* Effect.fork(dns.lookup("a.test"))
        yield* TestClock.adjust("1 second")
        yield* answer(known, "known")
        yield* TestClock.adjust("49 millis")
        expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
        yield* TestClock.adjust("1 millis")
        expect(hosts(yield* Fiber.join(fiber))).toEqual(["known"])
        expect(takenBack).toEqual([silent])
      }))

    it.effect(`S09 ${silent} that answers within the 50 ms is in the result, IPv6 first`, () =>
      Effect.gen(function*() {
        const { answer, dns } = yield* byFamily
        const fiber = yield* Effect.fork(dns.lookup("a.test"))
        yield* answer(known, known)
        yield* TestClock.adjust("30 millis")
        yield* answer(silent, silent)
        expect(hosts(yield* Fiber.join(fiber))).toEqual(["IPv6", "IPv4"])
      }))

    it.effect(`S09 a failure of ${silent} does not hide the addresses of ${known}, whichever comes first`, () =>
      Effect.gen(function*() {
        for (const failsFirst of [true, false]) {
          const { answer, dns, fail } = yield* byFamily
          const fiber = yield* Effect.fork(dns.lookup("a.test"))
          yield* failsFirst ? fail(silent, "TimedOut") : answer(known, "known")
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          yield* failsFirst ? answer(known, "known") : fail(silent, "TimedOut")
          expect(hosts(yield* Fiber.join(fiber))).toEqual(["known"])
        }
      }))

    it.effect(`S09 when both fail, what went wrong with ${known} counts for more than no ${silent} address`, () =>
      Effect.gen(function*() {
        const { dns, fail } = yield* byFamily
        const fiber = yield* Effect.fork(dns.lookup("a.test"))
        yield* fail(silent, "NoData")
        yield* fail(known, "ServerFailure")
        expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ reason: "ServerFailure" })
      }))
  }

  it.effect("S09 interrupting a look-up takes back both questions, or the one that is left", () =>
    Effect.gen(function*() {
      for (const known of [false, true]) {
        const { answer, dns, takenBack } = yield* byFamily
        const fiber = yield* Effect.fork(dns.lookup("a.test"))
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        if (known) yield* Effect.zipRight(answer("IPv4", "x"), Effect.repeatN(Effect.yieldNow(), 20))
        yield* Fiber.interrupt(fiber)
        expect(Array.from(takenBack).sort()).toEqual(known ? ["IPv6"] : ["IPv4", "IPv6"])
      }
    }))
})
