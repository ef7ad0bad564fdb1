/** Busy threads leave the event loop its turn. */
import { Copas, Net, Thread } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"

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

it.live("C36 a reader whose lines are all there leaves the event loop its turn after a few milliseconds", () =>
  Effect.gen(function*() {
    const most = yield* mostBetweenTurns((log) =>
      Copas.run(Effect.scoped(Effect.gen(function*() {
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
        const all = yield* Deferred.make<void>()
        const server = yield* Copas.addServer(listener, (socket) =>
          Effect.zipRight(Deferred.await(all), socket.forEachLine(() => work(log))))
        const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
        yield* socket.send("line\n".repeat(100))
        yield* socket.shutdown("send")
        while (
          (yield* Copas.status).sockets.every(({ bytesReceived }) =>
            bytesReceived < 500
          )
        ) yield* Thread.pause(1)
        yield* Deferred.succeed(all, undefined)
        yield* Effect.exit(socket.receiveAll())
        yield* Copas.removeServer(server)
      }))).pipe(Effect.provide(NodeCopas.layer))
    )
    // Every fourth line looks at the clock, and the first look begins the count.
    expect(most).toBeLessThanOrEqual(bound + 8)
  }))
