/** Hosts whose clocks are wrong. */
import { Copas, Net, Thread, Tls } from "@copas/core"
import { NetMemory, Simulation, TlsMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, TestClock } from "effect"
import { seeded } from "./support.js"

/** A host with this clock, and the time as the network and as the host have it. */
const hostWith = (clock: NetMemory.ClockOptions) =>
  Effect.gen(function*() {
    const network = yield* NetMemory.make()
    const host = yield* network.addHost("host", { clock })
    const times = Effect.all([Clock.currentTimeMillis, Effect.withClock(Clock.currentTimeMillis, host.clock)])
    return { network, host, times }
  })

const within = (actual: number, wanted: number): void => assert.closeTo(actual, wanted, 1e-6 * Math.abs(wanted) + 1e-3)

describe("NetMemory: a host whose clock is wrong", () => {
  it.effect("a clock with an offset is ahead or behind by it, and keeps the pace", () =>
    seeded(Effect.gen(function*() {
      for (const offsetMillis of [3_600_000, -5000]) {
        const { times } = yield* hostWith({ offsetMillis })
        yield* Effect.sleep("1 hour")
        const [right, wrong] = yield* times
        assert.strictEqual(wrong - right, offsetMillis)
      }
    })))

  it.effect("a clock that drifts gains or loses with the time that passes, and its sleeps end so much sooner or later", () =>
    seeded(Effect.gen(function*() {
      for (const drift of [0.25, -0.2, 0.000_1, 3]) {
        const { host, times } = yield* hostWith({ drift })
        const [begin] = yield* times
        yield* Effect.withClock(Effect.sleep("1 hour"), host.clock)
        const [right, wrong] = yield* times
        within(right - begin, 3_600_000 / (1 + drift))
        within(wrong - begin, 3_600_000)
      }
    })))

  it.effect("C19 sleeps, pauses, time-outs of sockets and of Effect all follow the host's pace", () =>
    seeded(Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const host = yield* network.addHost("slow", { clock: { drift: -0.5 } })
      const ended: Array<readonly [string, number]> = []
      const wait = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
        Effect.zipRight(
          Effect.exit(effect),
          Effect.sync(() => {
            ended.push([name, trueClock.unsafeCurrentTimeMillis()])
          })
        )
      const trueClock = yield* Effect.clock
      const peer = yield* network.addHost("peer")
      yield* peer.net.listen({ host: "0.0.0.0", port: 7 })
      yield* host.start(
        Effect.gen(function*() {
          const socket = yield* Net.connect({ host: "peer", port: 7, linger: 0, timeouts: { receive: "1 second" } })
          yield* Effect.all([
            wait("sleep", Effect.sleep("1 second")),
            wait("timeout", Effect.timeout(Effect.never, "1 second")),
            wait("receive", socket.receive()),
            wait("pause", Copas.run(Effect.flatMap(Copas.addThread(Thread.pause("1 second")), (thread) => thread.join)))
          ], { concurrency: "unbounded", discard: true })
        }).pipe(Effect.provide(Copas.layer))
      )
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(ended.map(([name]) => name).sort(), ["pause", "receive", "sleep", "timeout"])
      for (const [name, at] of ended) assert.closeTo(at, 2000, 1, name)
    })))

  it.effect("setting a clock moves the time of day at once, and no sleep", () =>
    seeded(Effect.gen(function*() {
      const { host, times } = yield* hostWith({ drift: 1 })
      yield* Effect.sleep("10 seconds")
      const sleeping = yield* Effect.fork(
        Effect.zipRight(Effect.withClock(Effect.sleep("10 seconds"), host.clock), Clock.currentTimeMillis)
      )
      yield* Effect.sleep("1 second")
      yield* host.setClock({ offsetMillis: -1_000_000 })
      const [right, wrong] = yield* times
      assert.strictEqual(wrong - right, -1_000_000)
      within(yield* sleeping.await.pipe(Effect.flatten), 15_000)
      yield* host.setClock({})
      const [now, same] = yield* times
      assert.strictEqual(now, same)
    })))

  it.effect("T05 a host judges certificates by its own clock", () =>
    seeded(Effect.gen(function*() {
      const day = Duration.toMillis("1 day")
      const { ca, identity } = TlsMemory.identity({ names: ["server"], notBefore: 0, notAfter: 10 * day })
      const network = yield* NetMemory.make()
      const server = yield* network.addHost("server", { clock: { offsetMillis: 30 * day } })
      const right = yield* network.addHost("right")
      const ahead = yield* network.addHost("ahead", { clock: { offsetMillis: 11 * day } })
      const behind = yield* network.addHost("behind", { clock: { offsetMillis: -2 * day } })
      yield* Effect.sleep("1 day")
      const listening = Effect.gen(function*() {
        const context = yield* Tls.server({ identity })
        const listener = yield* Net.listen({ host: "0.0.0.0", port: 7, tls: context })
        yield* Effect.fork(Effect.forever(Effect.exit(Effect.scoped(listener.accept))))
      })
      yield* Effect.provide(listening, server.layer)
      const connect = Effect.gen(function*() {
        const context = yield* Tls.client({ ca })
        yield* Net.connect({ host: "server", port: 7, tls: context, linger: 0 })
      }).pipe(Effect.scoped, Effect.either)
      const outcome = (host: NetMemory.Host) =>
        Effect.map(
          Effect.provide(connect, host.layer),
          (either) => either._tag === "Right" ? "connected" : "reason" in either.left ? either.left.reason : "other"
        )
      assert.strictEqual(yield* outcome(right), "connected")
      assert.strictEqual(yield* outcome(ahead), "Expired")
      assert.strictEqual(yield* outcome(behind), "NotYetValid")
    })))

  it.effect("a wrong clock makes no difference to what is repeatable", () =>
    Effect.gen(function*() {
      const once = Effect.scoped(Effect.gen(function*() {
        const network = yield* NetMemory.make({ link: { latency: 3, jitter: 7 } })
        const log: Array<string> = []
        for (const [name, drift] of [["a", 0.1], ["b", -0.1], ["c", 0]] as const) {
          const host = yield* network.addHost(name, { clock: { offsetMillis: 7, drift } })
          yield* host.start(Effect.forever(Effect.zipRight(
            Effect.sleep(10),
            Effect.map(Clock.currentTimeMillis, (now) => {
              log.push(`${name} ${now}`)
            })
          )))
        }
        yield* Effect.sleep("2 seconds")
        return log
      }))
      const log = yield* Simulation.run(once, { seed: 1 })
      assert.isAbove(log.length, 500)
      assert.deepStrictEqual(yield* Simulation.run(once, { seed: 1 }), log)
    }))

  it.scoped("TestClock drives a host whose clock drifts", () =>
    Effect.gen(function*() {
      const { host } = yield* hostWith({ drift: 1 })
      let woken = 0
      yield* host.start(Effect.zipRight(
        Effect.sleep("10 seconds"),
        Effect.sync(() => {
          woken += 1
        })
      ))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(woken, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(woken, 1)
    }))

  it.effect("a clock that cannot be is InvalidOption", () =>
    seeded(Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const host = yield* network.addHost("host")
      const wrong: ReadonlyArray<NetMemory.ClockOptions> = [
        { drift: -1 },
        { drift: Number.NaN },
        { drift: Infinity },
        { offsetMillis: Infinity },
        { offsetMillis: Number.NaN }
      ]
      for (const clock of wrong) {
        assert.deepInclude(yield* Effect.flip(host.setClock(clock)), { _tag: "InvalidOption" })
        assert.deepInclude(yield* Effect.flip(network.addHost("another", { clock })), { _tag: "InvalidOption" })
      }
    })))
})
