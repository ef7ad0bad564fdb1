/** Every option that is a duration or a count, with values that are neither. */
import { Copas, Lock, Metrics, Net, Semaphore, Socket, Thread, Timer, Tls, Udp, WorkQueue } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, type Duration, Effect, Exit, Layer, type Scope, Stream } from "effect"

type Services = Copas.Copas | Net.Net | Scope.Scope
type Call<A> = (value: A) => Effect.Effect<unknown, unknown, Services>

const where = { host: "127.0.0.1", port: 0 } as const
const never = () => Effect.never

const socket = Effect.gen(function*() {
  const listener = yield* Net.listen(where)
  return yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
})
const to = <A, E, R>(
  subject: Effect.Effect<A, E, R>,
  call: (subject: A) => Effect.Effect<unknown, unknown, Services>
) => Effect.flatMap(subject, call)
const lock = Lock.make()
const semaphore = Semaphore.make({ max: 2, start: 2 })
const queue = WorkQueue.make<number>()
const timer = Timer.make({ delay: "1 hour", callback: never })

/** Every option and call that takes a duration, by the name that the error gives it. */
const durations: ReadonlyArray<readonly [what: string, option: string, call: Call<Duration.DurationInput>]> = [
  ["Lock.make", "timeout", (timeout) => Lock.make({ timeout })],
  ["lock.acquire", "timeout", (timeout) => to(lock, (one) => one.acquire({ timeout }))],
  ["lock.get", "timeout", (timeout) => to(lock, (one) => one.get({ timeout }))],
  ["lock.withLock", "timeout", (timeout) => to(lock, (one) => one.withLock(Effect.void, { timeout }))],
  ["Semaphore.make", "timeout", (timeout) => Semaphore.make({ max: 1, timeout })],
  ["semaphore.take", "timeout", (timeout) => to(semaphore, (one) => one.take(1, { timeout }))],
  ["semaphore.permits", "timeout", (timeout) => to(semaphore, (one) => one.permits(1, { timeout }))],
  [
    "semaphore.withPermits",
    "timeout",
    (timeout) => to(semaphore, (one) => one.withPermits(Effect.void, 1, { timeout }))
  ],
  ["WorkQueue.make", "timeout", (timeout) => WorkQueue.make({ timeout })],
  ["queue.pop", "timeout", (timeout) => to(queue, (one) => one.pop({ timeout }))],
  ["queue.finish", "timeout", (timeout) => to(queue, (one) => one.finish({ timeout }))],
  ["Timer.make", "delay", (delay) => Timer.make({ delay, callback: never })],
  ["Timer.make", "initialDelay", (initialDelay) => Timer.make({ delay: 1, initialDelay, callback: never })],
  ["timer.arm", "initialDelay", (initialDelay) => to(timer, (one) => one.arm({ initialDelay }))],
  ["Thread.pause", "duration", (duration) => Thread.pause(duration)],
  ["Copas.step", "timeout", (timeout) => Copas.step(timeout)],
  ["Copas.drain", "within", (within) => Copas.drain(within)],
  ["Metrics.layer", "every", (every) => Layer.build(Metrics.layer({ every }))],
  ["Net.listen", "linger", (linger) => Net.listen({ ...where, linger })],
  ["Net.listen", "timeouts.receive", (receive) => Net.listen({ ...where, timeouts: { receive } })],
  ["Net.listen", "keepAlive", (keepAlive) => Net.listen({ ...where, keepAlive })],
  ["Net.listen", "keepAliveInterval", (keepAliveInterval) => Net.listen({ ...where, keepAliveInterval })],
  ["Net.listen", "deferAccept", (deferAccept) => Net.listen({ ...where, deferAccept })],
  ["Net.connect", "timeouts.connect", (connect) => Net.connect({ ...where, port: 1, timeouts: { connect } })],
  ["Net.connect", "timeouts.send", (send) => Net.connect({ ...where, port: 1, timeouts: { send } })],
  ["Net.connect", "linger", (linger) => Net.connect({ ...where, port: 1, linger })],
  ["socket.setTimeouts", "timeouts.send", (send) => to(socket, (one) => one.setTimeouts({ send }))],
  ["socket.setOption", "keepAlive", (value) => to(socket, (one) => one.setOption("keepAlive", value))],
  ["Udp.bind", "timeouts.receive", (receive) => Udp.bind({ host: "127.0.0.1", timeouts: { receive } })],
  ["Udp.connect", "timeouts.connect", (connect) => Udp.connect({ ...where, port: 1, timeouts: { connect } })],
  [
    "datagram.setTimeouts",
    "timeouts.receive",
    (receive) => to(Udp.bind({ host: "127.0.0.1" }), (one) => one.setTimeouts({ receive }))
  ],
  [
    "Copas.addServer",
    "timeouts.receive",
    (receive) => to(Net.listen(where), (one) => Copas.addServer(one, never, { timeouts: { receive } }))
  ],
  [
    "Copas.addServer of a datagram socket",
    "timeouts.send",
    (send) => to(Udp.bind({ host: "127.0.0.1" }), (one) => Copas.addServer(one, never, { timeouts: { send } }))
  ],
  ["Copas.serve", "timeouts.send", (send) => Layer.build(Copas.serve(never, { ...where, timeouts: { send } }))],
  ["Tls.client", "handshakeTimeout", (handshakeTimeout) => Tls.client({ handshakeTimeout })],
  [
    "Tls.server",
    "tickets.lifetime",
    (lifetime) => Tls.server({ tickets: { lifetime } })
  ],
  ["Simulation.run", "maxTime", (maxTime) => Simulation.run(Effect.void, { maxTime })]
]

/** The same for counts, with the least that each takes. */
const counts: ReadonlyArray<readonly [what: string, option: string, least: number, call: Call<number>]> = [
  ["Semaphore.make", "max", 1, (max) => Semaphore.make({ max })],
  ["Semaphore.make", "start", 0, (start) => Semaphore.make({ max: 10, start })],
  ["semaphore.take", "permits", 0, (permits) => to(semaphore, (one) => one.take(permits))],
  ["semaphore.permits", "permits", 0, (permits) => to(semaphore, (one) => one.permits(permits))],
  ["semaphore.withPermits", "permits", 0, (permits) => to(semaphore, (one) => one.withPermits(Effect.void, permits))],
  ["semaphore.give", "permits", 0, (permits) => to(semaphore, (one) => one.give(permits))],
  ["Net.listen", "backlog", 1, (backlog) => Net.listen({ ...where, backlog })],
  ["Net.listen", "highWaterMark", 1, (highWaterMark) => Net.listen({ ...where, highWaterMark })],
  ["Net.listen", "sendHighWaterMark", 0, (sendHighWaterMark) => Net.listen({ ...where, sendHighWaterMark })],
  ["Net.listen", "keepAliveCount", 1, (keepAliveCount) => Net.listen({ ...where, keepAliveCount })],
  ["Net.connect", "sendBufferSize", 1, (sendBufferSize) => Net.connect({ ...where, port: 1, sendBufferSize })],
  ["Udp.bind", "maxQueued", 1, (maxQueued) => Udp.bind({ host: "127.0.0.1", maxQueued })],
  ["Udp.bind", "maxQueuedBytes", 1, (maxQueuedBytes) => Udp.bind({ host: "127.0.0.1", maxQueuedBytes })],
  [
    "Copas.addServer",
    "maxConnections",
    1,
    (maxConnections) => to(Net.listen(where), (one) => Copas.addServer(one, never, { maxConnections }))
  ],
  ["socket.receive", "maxBytes", 1, (maxBytes) => to(socket, (one) => one.receive({ maxBytes }))],
  [
    "datagram.receive",
    "maxBytes",
    1,
    (maxBytes) => to(Udp.bind({ host: "127.0.0.1" }), (one) => one.receive({ maxBytes }))
  ],
  ["socket.receiveAll", "maxBytes", 0, (maxBytes) => to(socket, (one) => one.receiveAll({ maxBytes }))],
  ["socket.receiveLine", "maxLength", 0, (maxLength) => to(socket, (one) => one.receiveLine({ maxLength }))],
  ["socket.receiveUntil", "maxLength", 0, (maxLength) => to(socket, (one) => one.receiveUntil("x", { maxLength }))],
  ["socket.receiveExactly", "length", 0, (length) => to(socket, (one) => one.receiveExactly(length))],
  ["Socket.stream", "length", 0, (length) => to(socket, (one) => Stream.runDrain(Socket.stream(one, { length })))],
  ["Tls.client", "maxDepth", 0, (maxDepth) => Tls.client({ maxDepth })]
]

const wrongDurations: ReadonlyArray<readonly [value: unknown, shown: string]> = [
  [-1, "-1"],
  [Number.NaN, "NaN"],
  [-Infinity, "-Infinity"],
  [-1n, "-1n"],
  ["-5 seconds", `"-5 seconds"`],
  ["infinity", `"infinity"`],
  ["5 secs", `"5 secs"`],
  ["", `""`],
  [[-1, 0], "[-1,0]"],
  [{}, "{}"],
  [Object.create(null, { toJSON: { value: () => undefined } }), "an object"]
]

const wrongCounts: ReadonlyArray<readonly [value: unknown, shown: string]> = [
  [-1, "-1"],
  [0.5, "0.5"],
  [Number.NaN, "NaN"],
  [-Infinity, "-Infinity"],
  [2 ** 53, "9007199254740992"],
  ["2", `"2"`],
  [1n, "1n"]
]

/** What the effect fails with or dies from. */
const mistake = <A, E>(effect: Effect.Effect<A, E, Services>) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.scoped(effect))
    if (Exit.isSuccess(exit)) return "it succeeded"
    const [error] = [...Cause.failures(exit.cause), ...Chunk.toReadonlyArray(Cause.defects(exit.cause))]
    return error
  }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer)))

describe("an option that is no duration or count is an InvalidOption that shows the value and what is taken", () => {
  for (const [what, option, call] of durations) {
    it.effect(`C17 ${what}: ${option}`, () =>
      Effect.gen(function*() {
        for (const [value, shown] of wrongDurations) {
          // As programs do that were not type-checked.
          const error = yield* mistake(Effect.suspend(() => call(value as Duration.DurationInput)))
          assert.deepInclude(error as object, { _tag: "InvalidOption", option, value: shown }, shown)
          const { message } = error as Error
          assert.match(message, /such as "\d \w+"/, message)
          assert.include(message, `\`${option}\` is ${shown}, but must be `)
        }
      }))
  }

  for (const [what, option, least, call] of counts) {
    it.effect(`C17 ${what}: ${option}, at least ${least}`, () =>
      Effect.gen(function*() {
        const wrong = least === 1 ? [...wrongCounts, [0, "0"] as const] : wrongCounts
        for (const [value, shown] of wrong) {
          const error = yield* mistake(Effect.suspend(() => call(value as number)))
          assert.deepInclude(error as object, { _tag: "InvalidOption", option, value: shown }, shown)
          assert.match((error as Error).message, /whole number/)
        }
      }))
  }
})
