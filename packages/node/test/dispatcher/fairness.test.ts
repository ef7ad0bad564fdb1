/** Busy threads leave the event loop its turn. */
import { Copas, Future, Lock, Net, Semaphore, Socket, Thread, Timer, Udp, WorkQueue } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"

/** Works for a millisecond. Under load it takes longer, so that a turn has fewer of them, never more. */
const work = (log: Array<string>) =>
  Effect.sync(() => {
    const end = performance.now() + 1
    while (performance.now() < end);
    log.push("work")
  })

/** The most pieces of work between two turns of the event loop while `body` runs. */
const mostBetweenTurns = <E, R>(body: (log: Array<string>) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    let isWatching = true
    const watch = (): void => {
      log.push("turn")
      if (isWatching) setImmediate(watch)
    }
    setImmediate(watch)
    yield* body(log)
    isWatching = false
    let most = 0
    let now = 0
    for (const entry of log) {
      now = entry === "work" ? now + 1 : 0
      most = Math.max(most, now)
    }
    expect(log.filter((entry) => entry === "work").length).toBeGreaterThan(99)
    return most
  })

// The budget is 2 ms and begins with the second task of a turn: three pieces, and one more before and after.
const bound = 5

it.live("C36 threads that yield leave the event loop its turn after a few milliseconds", () =>
  Effect.gen(function*() {
    const most = yield* mostBetweenTurns((log) =>
      Copas.run(Effect.forEach(
        Array.from({ length: 10 }),
        () => Copas.addThread(Effect.repeatN(Effect.zipLeft(work(log), Effect.yieldNow()), 9))
      )).pipe(Effect.provide(NodeCopas.layer))
    )
    expect(most).toBeLessThanOrEqual(bound)
  }))

it.live("C36 a hundred threads that are ready at once leave the event loop its turn after a few milliseconds", () =>
  Effect.gen(function*() {
    const most = yield* mostBetweenTurns((log) =>
      Copas.run(Effect.forEach(Array.from({ length: 100 }), () => Copas.addThread(work(log)))).pipe(
        Effect.provide(NodeCopas.layer)
      )
    )
    expect(most).toBeLessThanOrEqual(bound)
  }))

it.live("C36 a thread that waits for promises again and again leaves the event loop its turn", () =>
  Effect.gen(function*() {
    const most = yield* mostBetweenTurns((log) =>
      Copas.run(Effect.repeatN(Effect.zipLeft(work(log), Effect.promise(() => Promise.resolve())), 99)).pipe(
        Effect.provide(NodeCopas.layer)
      )
    )
    expect(most).toBeLessThanOrEqual(bound)
  }))

/** Serves one connection, when `data` has arrived whole. */
const served = (
  data: string,
  handler: (socket: Socket.Socket, log: Array<string>) => Effect.Effect<unknown, unknown>
) =>
(log: Array<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const all = yield* Deferred.make<void>()
    const server = yield* Copas.addServer(
      listener,
      (socket) => Effect.zipRight(Deferred.await(all), Effect.ignore(handler(socket, log)))
    )
    const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
    yield* socket.send(data)
    yield* socket.shutdown("send")
    while (
      (yield* Copas.status).sockets.every(({ bytesReceived }) => bytesReceived < data.length)
    ) yield* Thread.pause(1)
    yield* Deferred.succeed(all, undefined)
    yield* Effect.exit(socket.receiveAll())
    yield* Copas.removeServer(server)
  }))

const lines = "line\n".repeat(100)
/** `Effect.repeatN` yields by itself. */
const times = <E, R>(count: number, effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    for (let time = 0; time < count; time += 1) yield* effect
  })
const hundred = <E, R>(effect: Effect.Effect<unknown, E, R>) => times(100, effect)
const fiveThreads = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.replicateEffect(Copas.addThread(times(20, effect)), 5)

/** What threads do without waiting for anything, each time with a millisecond of work. */
const busy: Readonly<
  Record<string, (log: Array<string>) => Effect.Effect<unknown, unknown, Copas.Copas | Net.Net>>
> = {
  "computes, an operation at a time": (log) => hundred(work(log)),
  "forks fibers": (log) => Effect.forEach(Array.from({ length: 100 }), () => work(log), { concurrency: "unbounded" }),
  "reads with forEachLine": served(lines, (socket, log) => socket.forEachLine(() => work(log))),
  "reads with receiveLine": served(lines, (socket, log) => hundred(Effect.zipRight(socket.receiveLine(), work(log)))),
  "reads with receiveExactly": served(
    lines,
    (socket, log) => hundred(Effect.zipRight(socket.receiveExactly(5), work(log)))
  ),
  "reads with receive": served(
    lines,
    (socket, log) => hundred(Effect.zipRight(socket.receive({ maxBytes: 5 }), work(log)))
  ),
  "reads a stream": served(
    lines,
    (socket, log) => Stream.runForEach(Stream.rechunk(Socket.lines(socket), 1), () => work(log))
  ),
  "sends": served("go\n", (socket, log) => hundred(Effect.zipRight(socket.send("x"), work(log)))),
  "offers": served("go\n", (socket, log) => hundred(Effect.zipRight(socket.offer("x"), work(log)))),
  "sends datagrams": (log) =>
    Effect.scoped(
      Effect.flatMap(Udp.bind({ host: "127.0.0.1" }), (socket) =>
        hundred(Effect.zipRight(socket.offerTo("x", socket.localAddress), work(log))))
    ),
  "pushes into a queue": (log) =>
    Effect.flatMap(WorkQueue.make<number>(), (queue) => hundred(Effect.zipRight(queue.push(1), work(log)))),
  "pops from a queue": (log) =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      yield* hundred(queue.push(1))
      yield* hundred(Effect.zipRight(queue.pop(), work(log)))
    }),
  "is a worker of a queue": (log) =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      yield* hundred(queue.push(1))
      yield* queue.addWorker(() => work(log))
      yield* queue.finish()
    }),
  "works in a lock": (log) => Effect.flatMap(Lock.make(), (lock) => fiveThreads(lock.withLock(work(log)))),
  "works with permits": (log) =>
    Effect.flatMap(
      Semaphore.make({ max: 2, start: 2 }),
      (semaphore) => fiveThreads(semaphore.withPermits(work(log)))
    ),
  "is a future": (log) => Effect.replicateEffect(Future.add(work(log)), 100),
  "is a timer": (log) => Effect.replicateEffect(Timer.make({ delay: 1, callback: () => work(log) }), 100),
  "wakes from a pause": (log) =>
    Effect.replicateEffect(Copas.addThread(Effect.zipRight(Thread.pause(1), work(log))), 100)
}

for (const [what, body] of Object.entries(busy)) {
  it.live(`C36 a thread that ${what} leaves the event loop its turn after a few milliseconds`, () =>
    Effect.gen(function*() {
      const most = yield* mostBetweenTurns((log) => Copas.run(body(log)).pipe(Effect.provide(NodeCopas.layer)))
      // At most 16 operations go by before the first look at the clock, and 8 to the next one.
      expect(most).toBeLessThanOrEqual(bound + 15)
    }))
}
