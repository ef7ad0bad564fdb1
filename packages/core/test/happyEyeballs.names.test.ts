/** Addresses that join the race while names are still being looked up (RFC 8305, section 3). */
import type * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { Failure } from "@copas/core/Transport"
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { connecting, hostAddress, left, network, networkOf, settle } from "./happyEyeballsNetwork.js"

/** A network that asks about each family apart; the test answers. */
const asking = Effect.gen(function*() {
  const questions = {
    IPv4: yield* Deferred.make<ReadonlyArray<string>, Failure>(),
    IPv6: yield* Deferred.make<ReadonlyArray<string>, Failure>()
  }
  const asked: Array<string> = []
  const takenBack: Array<string> = []
  const made = networkOf({
    asksByFamily: true,
    lookup: (_host, family) =>
      Effect.suspend(() => {
        asked.push(family!)
        return Effect.map(Deferred.await(questions[family!]), (found) => found.map(hostAddress))
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => takenBack.push(family!))))
  })
  return {
    ...made,
    asked,
    takenBack,
    answer: (family: "IPv4" | "IPv6", ...addresses: ReadonlyArray<string>) =>
      Effect.zipRight(Deferred.succeed(questions[family], addresses), settle),
    fail: (family: "IPv4" | "IPv6", reason: Failure["reason"]) =>
      Effect.zipRight(Deferred.fail(questions[family], { reason, cause: new Error(family) }), settle)
  }
})

it.effect("S01 a silent AAAA holds up a known A by 50 ms, and no more (RFC 8305, section 3)", () =>
  Effect.gen(function*() {
    const { answer, asked, attempts, net, takenBack, tried } = yield* asking
    const fiber = yield* connecting(net)
    expect(asked).toEqual(["IPv6", "IPv4"])
    yield* answer("IPv4", "10.0.0.1")
    yield* TestClock.adjust("49 millis")
    expect(tried()).toEqual([])
    yield* TestClock.adjust("1 millis")
    expect(tried()).toEqual(["10.0.0.1"])
    attempts[0]!.succeed()
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    expect(takenBack).toEqual(["IPv6"])
    yield* settle
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 an AAAA that comes within the 50 ms is tried first", () =>
  Effect.gen(function*() {
    const { answer, net, tried } = yield* asking
    const fiber = yield* connecting(net)
    yield* answer("IPv4", "10.0.0.1")
    yield* TestClock.adjust("30 millis")
    yield* answer("IPv6", "::1")
    expect(tried()).toEqual(["::1"])
    yield* TestClock.adjust("250 millis")
    expect(tried()).toEqual(["::1", "10.0.0.1"])
    yield* Fiber.interrupt(fiber)
  }))

it.effect("S01 an AAAA is tried at once, though A is silent, and a late A joins the race 250 ms after it", () =>
  Effect.gen(function*() {
    const { answer, net, tried } = yield* asking
    const fiber = yield* connecting(net)
    yield* answer("IPv6", "::1", "::2")
    expect(tried()).toEqual(["::1"])
    yield* TestClock.adjust("100 millis")
    yield* answer("IPv4", "10.0.0.1")
    yield* TestClock.adjust("149 millis")
    expect(tried()).toEqual(["::1"])
    yield* TestClock.adjust("1 millis")
    // Families take turns.
    expect(tried()).toEqual(["::1", "10.0.0.1"])
    yield* TestClock.adjust("250 millis")
    expect(tried()).toEqual(["::1", "10.0.0.1", "::2"])
    yield* Fiber.interrupt(fiber)
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 an answer later than 250 ms after the last attempt is tried when it comes", () =>
  Effect.gen(function*() {
    const { answer, attempts, net, tried } = yield* asking
    const fiber = yield* connecting(net)
    yield* answer("IPv4", "10.0.0.1")
    yield* TestClock.adjust("2 seconds")
    expect(tried()).toEqual(["10.0.0.1"])
    yield* answer("IPv6", "::1")
    yield* TestClock.adjust("0 millis")
    expect(tried()).toEqual(["10.0.0.1", "::1"])
    attempts[1]!.succeed()
    const exit = yield* Fiber.join(fiber)
    expect(Exit.isSuccess(exit) && NetAddress.format(exit.value.remoteAddress)).toBe("[::1]:1")
  }))

it.effect("S01 a family that fails, or has no address, does not delay the other one", () =>
  Effect.gen(function*() {
    for (const empty of [false, true]) {
      const { answer, attempts, fail, net, tried } = yield* asking
      const fiber = yield* connecting(net)
      yield* empty ? answer("IPv6") : fail("IPv6", "LookupFailed")
      yield* answer("IPv4", "10.0.0.1")
      expect(tried()).toEqual(["10.0.0.1"])
      attempts[0]!.succeed()
      expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    }
    // The other way round: A first, and then the failure ends the delay.
    const { answer, fail, net, tried } = yield* asking
    const fiber = yield* connecting(net)
    yield* answer("IPv4", "10.0.0.1")
    yield* fail("IPv6", "HostNotFound")
    expect(tried()).toEqual(["10.0.0.1"])
    yield* Fiber.interrupt(fiber)
  }))

it.effect("S01 when all known addresses have failed, the race waits for the slower family, and tries it at once", () =>
  Effect.gen(function*() {
    const { answer, attempts, net, tried } = yield* asking
    const fiber = yield* connecting(net)
    yield* answer("IPv6", "::1")
    attempts[0]!.fail("Unreachable")
    yield* TestClock.adjust("1 seconds")
    expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
    yield* answer("IPv4", "10.0.0.1")
    expect(tried()).toEqual(["::1", "10.0.0.1"])
    attempts[1]!.fail("Refused")
    expect(yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))).toMatchObject({
      reason: "Unreachable",
      attempts: [{ address: "[::1]:1", reason: "Unreachable" }, { address: "10.0.0.1:1", reason: "Refused" }]
    })
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 a name that neither family knows fails by what says more", () =>
  Effect.gen(function*() {
    const cases = [
      ["HostNotFound", "HostNotFound", "HostNotFound"],
      ["LookupFailed", "HostNotFound", "LookupFailed"],
      ["HostNotFound", "LookupFailed", "LookupFailed"]
    ] as const
    for (const [six, four, reason] of cases) {
      const { fail, net } = yield* asking
      const fiber = yield* connecting(net)
      yield* fail("IPv6", six)
      yield* fail("IPv4", four)
      expect(yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))).toMatchObject({ reason, attempts: [] })
    }
  }))

it.effect("C17 the connect time-out bounds both look-ups, and takes them back", () =>
  Effect.gen(function*() {
    const { net, takenBack } = yield* asking
    const fiber = yield* connecting(net, { timeouts: { connect: "5 seconds" } })
    yield* TestClock.adjust("5 seconds")
    expect(yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))).toMatchObject({
      _tag: "ConnectError",
      reason: "TimedOut"
    })
    expect(takenBack).toHaveLength(2)
  }))

it.effect("S01 interruption takes both look-ups back and cuts every attempt, at any step", () =>
  Effect.gen(function*() {
    for (let step = 0; step < 4; step += 1) {
      const { answer, attempts, net, takenBack } = yield* asking
      const fiber = yield* connecting(net)
      if (step > 0) yield* answer("IPv4", "10.0.0.1")
      if (step > 1) yield* TestClock.adjust("50 millis")
      if (step > 2) yield* answer("IPv6", "::1")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("10 seconds")
      expect(takenBack).toHaveLength(step === 0 ? 2 : step > 2 ? 0 : 1)
      expect(attempts.every(({ isCut }) => isCut)).toBe(true)
      expect(attempts).toHaveLength(step > 1 ? 1 : 0)
      expect(yield* left(net)).toBe(0)
    }
  }))

it.effect("S01 a family asked for by name is asked about alone, a literal not at all", () =>
  Effect.gen(function*() {
    const { answer, asked, net, tried } = yield* asking
    const fiber = yield* connecting(net, { family: "IPv4" })
    yield* answer("IPv4", "10.0.0.1")
    expect(asked).toEqual(["IPv4"])
    expect(tried()).toEqual(["10.0.0.1"])
    yield* Fiber.interrupt(fiber)
    const literal = yield* connecting(net, { host: "::1" })
    expect(asked).toEqual(["IPv4"])
    expect(tried()).toEqual(["10.0.0.1", "::1"])
    yield* Fiber.interrupt(literal)
  }))

it.effect("S01 a defect of a look-up is the defect of connect, and does not hang", () =>
  Effect.gen(function*() {
    const { net } = networkOf({ asksByFamily: true, lookup: () => Effect.die("broken") })
    const exit = yield* Effect.exit(Effect.scoped(net.connect({ host: "a.test", port: 1 })))
    expect(String(exit)).toContain("broken")
  }))

/** Connects where it cannot be interrupted, as `Effect.acquireRelease` does. */
const acquiring = (net: Net.Service, timeout?: Duration.DurationInput) =>
  Effect.tap(
    Effect.fork(Effect.uninterruptible(Effect.scoped(Effect.exit(net.connect({
      host: "a.test",
      port: 1,
      linger: 0,
      timeouts: { connect: timeout }
    }))))),
    () => settle
  )

it.effect("S01 connecting in an uninterruptible region does not wait for a look-up that the race needs no more", () =>
  Effect.gen(function*() {
    const { answer, attempts, net, takenBack } = yield* asking
    const fiber = yield* acquiring(net)
    yield* answer("IPv6", "::1")
    attempts[0]!.succeed()
    yield* settle
    expect(Option.map(yield* Fiber.poll(fiber), Exit.isSuccess)).toEqual(Option.some(true))
    expect(takenBack).toEqual(["IPv4"])
  }))

it.effect("S01 connecting in an uninterruptible region does not wait for its time-out once the name is known", () =>
  Effect.gen(function*() {
    const { attempts, net } = network("10.0.0.1")
    const fiber = yield* acquiring(net, "10 seconds")
    attempts[0]!.succeed()
    yield* settle
    expect(Option.map(yield* Fiber.poll(fiber), Exit.isSuccess)).toEqual(Option.some(true))
  }))

it.effect("S01 a look-up in an uninterruptible region ends at its time-out", () =>
  Effect.gen(function*() {
    let takenBack = 0
    const { net } = networkOf({
      lookup: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => takenBack += 1))
    })
    const fiber = yield* acquiring(net, "10 seconds")
    yield* TestClock.adjust("10 seconds")
    yield* settle
    expect(Option.map(yield* Fiber.poll(fiber), Exit.isSuccess)).toEqual(Option.some(true))
    expect(takenBack).toBe(1)
  }))

it.effect("C33 a refused IPv6 does not hold up a later IPv4, and the last refusal ends the race", () =>
  Effect.gen(function*() {
    const { answer, attempts, net, tried } = yield* asking
    const fiber = yield* connecting(net, { permit: (address) => NetAddress.format(address) !== "[::1]:1" })
    yield* answer("IPv6", "::1")
    expect(tried()).toEqual([])
    yield* answer("IPv4", "10.0.0.1")
    expect(tried()).toEqual(["10.0.0.1"])
    attempts[0]!.succeed()
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    const second = yield* asking
    const refused = yield* connecting(second.net, { permit: () => false })
    yield* second.answer("IPv6", "::1")
    yield* second.answer("IPv4", "10.0.0.1")
    const error = yield* Effect.flip(Effect.flatten(Fiber.join(refused)))
    expect(error).toMatchObject({
      reason: "NotPermitted",
      attempts: [{ address: "[::1]:1" }, { address: "10.0.0.1:1" }]
    })
    expect(second.tried()).toEqual([])
  }))

it.effect("C33 of a name with a public and a private address only the permitted is tried, and nobody asks for it again", () =>
  Effect.gen(function*() {
    let lookups = 0
    const { attempts, net, tried } = networkOf({
      lookup: () =>
        Effect.sync(() => {
          lookups += 1
          // Another answer to a second question, as of a name server that rebinds.
          return [hostAddress("10.0.0.1"), hostAddress(lookups === 1 ? "192.0.2.1" : "10.0.0.2")]
        })
    })
    const fiber = yield* connecting(net, { permit: (address) => !NetAddress.format(address).startsWith("10.") })
    expect(tried()).toEqual(["192.0.2.1"])
    attempts[0]!.succeed()
    const exit = yield* Fiber.join(fiber)
    expect(Exit.isSuccess(exit) && NetAddress.format(exit.value.remoteAddress)).toBe("192.0.2.1:1")
    expect(lookups).toBe(1)
  }))
