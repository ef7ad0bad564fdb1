/** What makes a simulation the same each time: numbers, names, order. */
import { Copas, Lock, Net, Semaphore, SocketError, Thread, Timer, WorkQueue } from "@copas/core"
import { NetMemory, Sampling, Simulation } from "@copas/core/testing"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer, Option, Random } from "effect"

/** All that a program of 1,500 connections in a row shows of itself. */
const told = Effect.gen(function*() {
  const log: Array<string> = []
  const say = (text: string) => Effect.map(Clock.currentTimeMillis, (now) => void log.push(`${now} ${text}`))
  yield* Copas.run(Effect.gen(function*() {
    yield* Copas.setStatistics(true)
    const lock = yield* Lock.make()
    const semaphore = yield* Semaphore.make({ max: 3, start: 3 })
    const queue = yield* WorkQueue.make<number>()
    const timer = yield* Timer.make({ delay: "5 millis", recurring: true, callback: () => Effect.void })
    yield* say([lock.name, semaphore.name, queue.name, timer.name].join(" "))
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const server = yield* Copas.addServer(listener, (socket) =>
      Effect.gen(function*() {
        yield* say(`${socket.name} ${JSON.stringify(socket)}`)
        const line = yield* socket.receiveLine()
        yield* Thread.pause(yield* Random.nextIntBetween(0, 5))
        yield* socket.send(`${line}\n`)
      }))
    const { port } = listener
    yield* Effect.forEach(
      Array.from({ length: 1500 }),
      (_, index) =>
        Copas.addThread(Effect.scoped(Effect.gen(function*() {
          const socket = yield* Net.connect({ host: "127.0.0.1", port })
          yield* socket.send(`${index}\n`)
          yield* say(yield* socket.receiveLine())
        })))
    )
    while ((yield* server.stats).connections < 1500) yield* Thread.pause(1)
    const { durations, steps } = yield* Copas.status
    yield* say(JSON.stringify([steps, Option.getOrNull(durations)]))
    yield* timer.cancel
    yield* Copas.removeServer(server)
  }))
  return log
}).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer)))

it.effect(
  "C36 a simulation with one seed is the same each time in this process, in all that it shows",
  () =>
    Effect.gen(function*() {
      const first = yield* Simulation.run(told, { seed: 1 })
      assert.isAbove(first.length, 3000)
      for (let round = 0; round < Sampling.size({ short: 1, long: 3 }); round += 1) {
        assert.deepStrictEqual(yield* Simulation.run(told, { seed: 1 }), first)
      }
      assert.notDeepEqual(yield* Simulation.run(told, { seed: 2 }), first)
    })
)

it.effect("C11 the end of a socket is not that of another network's whose sockets are numbered by another clock", () =>
  Effect.gen(function*() {
    const hangUp = Effect.scoped(Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      const client = yield* Net.connect({ port: listener.port })
      const socket = yield* listener.accept
      yield* client.shutdown("send")
      return { socket, end: yield* Effect.flip(socket.receive()) }
    })).pipe(Effect.provide(NetMemory.layer))
    const one = yield* Simulation.run(hangUp)
    const other = yield* Simulation.run(hangUp)
    assert.strictEqual(one.socket.id, other.socket.id)
    assert.isTrue(SocketError.isEndOfConversation(one.end, one.socket))
    assert.isFalse(SocketError.isEndOfConversation(one.end, other.socket))
  }))
