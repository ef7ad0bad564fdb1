/** Look-ups by the system: time-outs, tries, abandoned calls. */
import { Dns, Net } from "@copas/core"
import { NodeCopas, NodeDns } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import NodeDnsModule from "node:dns"
import { syncBuiltinESMExports } from "node:module"
import { isIP } from "node:net"
import { threadsForLookups } from "../../src/internal/dns/threadCalls.js"

/** Stands in for a system whose name servers say nothing: getaddrinfo does not return until the test has ended. */
const silentSystem = Effect.acquireRelease(
  Effect.sync(() => {
    const original = NodeDnsModule.lookup
    const asked: Array<{ readonly name: string; readonly end: () => void }> = []
    NodeDnsModule.lookup = ((name: string, options: never, done: (error: Error | null) => void) => {
      // node:net looks up what it listens on; Node needs no thread for a literal.
      if (isIP(name) !== 0) {
        original(name, options, done)
        return
      }
      asked.push({ name, end: () => done(Object.assign(new Error("the test is over"), { code: "EAI_AGAIN" })) })
    }) as never
    syncBuiltinESMExports()
    return { asked, names: () => asked.map(({ name }) => name), original }
  }),
  ({ asked, original }) =>
    Effect.sync(() => {
      NodeDnsModule.lookup = original
      syncBuiltinESMExports()
      for (let one = asked.shift(); one !== undefined; one = asked.shift()) one.end()
    })
)

const settle = Effect.repeatN(Effect.yieldNow(), 20)

describe("the system's names", () => {
  it.scoped("S09 timeout and tries bound a look-up by the system, too", () =>
    Effect.gen(function*() {
      const { names } = yield* silentSystem
      for (
        const [options, millis] of [[{ timeout: 100, tries: 3 }, 300], [{ tries: 2 }, 4000], [
          { timeout: 50 },
          200
        ]] as const
      ) {
        const fiber = yield* Effect.fork(
          Effect.provide(Effect.flip(Dns.lookup("slow.example")), NodeDns.layerWith(options))
        )
        yield* settle
        yield* TestClock.adjust(millis - 1)
        expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
        yield* TestClock.adjust(1)
        expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "DnsError", reason: "TimedOut", query: "address" })
      }
      // The next ones joined the first, which the system has not answered yet.
      expect(names()).toEqual(["slow.example"])
    }))

  it.scoped("S09 abandoned look-ups neither pile up in the pool nor hold up localhost and literals", () =>
    Effect.gen(function*() {
      const { names } = yield* silentSystem
      const dns = yield* Effect.provide(Dns.Dns, NodeDns.layer)
      for (const name of ["a", "b", "c", "d", "e", "f"]) {
        const fiber = yield* Effect.fork(dns.lookup(`${name}.example`))
        yield* settle
        yield* Fiber.interrupt(fiber)
      }
      expect(names()).toHaveLength(threadsForLookups())
      expect(yield* dns.lookup("localhost", { family: "IPv4" })).toEqual([{ host: "127.0.0.1", family: "IPv4" }])
      expect(yield* dns.lookup("db.localhost")).toHaveLength(2)
      expect(yield* dns.lookup("192.0.2.1")).toEqual([{ host: "192.0.2.1", family: "IPv4" }])
      const network = Layer.provide(NodeCopas.layerDns, Layer.succeed(Dns.Dns, dns))
      const listening = yield* Effect.provide(
        Effect.scoped(Effect.map(Net.listen({ host: "localhost", port: 0 }), ({ address }) => address)),
        network
      )
      expect(listening).toMatchObject({ host: "127.0.0.1" })
      expect(names()).toHaveLength(threadsForLookups())
    }))
})
