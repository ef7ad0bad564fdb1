/** Time-outs of exchanges, one for each phase, on the clock of the fiber. */
import { Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, TestClock } from "effect"
import { until } from "../turns.js"
import {
  exchange,
  failureOf,
  fetched,
  networks,
  ok,
  pulled,
  route,
  serve,
  serving,
  stalling,
  standing,
  turns,
  whole
} from "./exchanging.js"

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped("C33 connect: a connector that takes too long is interrupted, with the time in the failure", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        const asked = yield* Deferred.make<number>()
        const to = yield* route(1, {
          connect: ({ connectTimeout }) =>
            Effect.zipRight(
              Deferred.succeed(asked, connectTimeout),
              Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            )
        })
        const fiber = yield* Effect.fork(failureOf(fetched(to, { timeouts: { connect: 10_000 } })))
        expect(yield* Deferred.await(asked)).toBe(10_000)
        yield* TestClock.adjust(9_999)
        yield* turns
        expect(fiber.unsafePoll()).toBeNull()
        yield* TestClock.adjust(1)
        expect(yield* Fiber.join(fiber)).toMatchObject({
          kind: "TimedOut",
          phase: "connect",
          expected: 10_000,
          sent: 0
        })
        yield* Deferred.await(interrupted)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 connect: waiting for a free connection counts", () =>
      Effect.gen(function*() {
        const server = yield* stalling()
        const to = yield* route(server.port, { limits: { connections: 1 } })
        yield* Effect.forkScoped(fetched(to))
        yield* server.asked
        const fiber = yield* Effect.fork(failureOf(fetched(to, { timeouts: { connect: 500 } })))
        yield* turns
        yield* TestClock.adjust(500)
        expect(yield* Fiber.join(fiber)).toMatchObject({ kind: "TimedOut", phase: "connect", expected: 500 })
        expect(server.connections()).toBe(1)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 response: from the end of the request to the head of the answer", () =>
      Effect.gen(function*() {
        const server = yield* stalling("HTTP/1.1 200 OK\r\nX: y")
        const to = yield* route(server.port)
        const fiber = yield* Effect.fork(failureOf(fetched(to, { timeouts: { connect: 1, response: 60_000 } })))
        yield* server.asked
        yield* turns
        yield* TestClock.adjust(59_999)
        yield* turns
        expect(fiber.unsafePoll()).toBeNull()
        yield* TestClock.adjust(1)
        expect(yield* Fiber.join(fiber)).toMatchObject({ kind: "TimedOut", phase: "response", expected: 60_000 })
        yield* server.awaitNone
      }).pipe(Effect.provide(network)))

    it.scoped("C33 receive: while the answer is read and nothing comes, and not while nobody reads", () =>
      Effect.gen(function*() {
        const more = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            yield* Deferred.await(more)
            yield* peer.send("def")
            yield* peer.head
          })
        )
        const to = yield* route(server.port)
        const { read } = yield* exchange(to, { timeouts: { receive: 1000, response: 1000 } })
        yield* TestClock.adjust(5000)
        expect(Buffer.from((yield* read)!).toString()).toBe("abc")
        // A reader that is interrupted awaits nothing.
        const given = yield* Effect.fork(read)
        yield* turns
        yield* TestClock.adjust(900)
        yield* Fiber.interrupt(given)
        yield* TestClock.adjust(5000)
        const second = yield* Effect.fork(read)
        yield* turns
        yield* TestClock.adjust(900)
        yield* Deferred.succeed(more, undefined)
        expect(Buffer.from((yield* Fiber.join(second))!).toString()).toBe("def")
        const third = yield* Effect.fork(failureOf(read))
        yield* turns
        yield* TestClock.adjust(999)
        yield* turns
        expect(third.unsafePoll()).toBeNull()
        yield* TestClock.adjust(1)
        expect(yield* Fiber.join(third)).toMatchObject({ kind: "TimedOut", phase: "receive", expected: 1000 })
        yield* server.awaitNone
      }).pipe(Effect.provide(network)))

    it.scoped("C33 send: while bytes of the request wait and the server takes none", () =>
      Effect.gen(function*() {
        const connected = yield* Deferred.make<void>()
        const server = yield* serve(() => Effect.zipRight(Deferred.succeed(connected, undefined), Effect.never))
        const to = yield* route(server.port)
        const block = Buffer.alloc(1024 * 1024)
        const bodies = [
          Buffer.alloc(32 * 1024 * 1024),
          { length: undefined, pull: Effect.succeed(block) },
          { length: 1e9, pull: Effect.succeed(block) }
        ]
        for (const body of bodies) {
          const fiber = yield* Effect.fork(
            failureOf(fetched(to, { method: "POST", body, timeouts: { send: 1000, response: 1e6 } }))
          )
          yield* Deferred.await(connected)
          // Until the system takes no more.
          const { bytes } = yield* Net.Net
          yield* standing(Effect.map(bytes, ({ bytesReceived }) => bytesReceived))
          yield* TestClock.adjust(999)
          yield* turns
          expect(fiber.unsafePoll()).toBeNull()
          // The system may have taken some more meanwhile.
          yield* until(Effect.map(
            Effect.zipRight(turns, TestClock.adjust(251)),
            () => fiber.unsafePoll() !== null
          ))
          expect(yield* Fiber.join(fiber)).toMatchObject({ kind: "TimedOut", phase: "send", expected: 1000 })
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 send and response: a pull may take its time", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.socket.receiveExactly(6)
            yield* peer.send(ok("x"))
          })
        )
        const to = yield* route(server.port)
        const asked = yield* Deferred.make<void>()
        const slow = pulled("abc", "def")
        const pull = Effect.zipRight(
          Effect.zipRight(Deferred.succeed(asked, undefined), Effect.sleep("3 seconds")),
          slow
        )
        const fiber = yield* Effect.fork(
          fetched(to, { method: "POST", body: { length: 6, pull }, timeouts: { send: 1000, response: 1000 } })
        )
        yield* Deferred.await(asked)
        for (let times = 0; times < 3; times++) {
          yield* turns
          yield* TestClock.adjust("3 seconds")
        }
        expect((yield* Fiber.join(fiber)).body).toBe("x")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a connection that is idle for the time of its route is closed, and not before", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        const to = yield* route(server.port, { limits: { idle: 4000 } })
        yield* fetched(to)
        yield* TestClock.adjust(3999)
        expect((yield* fetched(to)).isReused).toBe(true)
        yield* TestClock.adjust(3999)
        yield* turns
        expect((yield* fetched(to)).isReused).toBe(true)
        yield* TestClock.adjust(4000)
        yield* server.awaitNone
        expect((yield* fetched(to)).isReused).toBe(false)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 the rest of an answer that nobody reads is awaited for 100 ms, and its reader for none", () =>
      Effect.gen(function*() {
        const server = yield* stalling("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        const to = yield* route(server.port)
        yield* Effect.scoped(exchange(to))
        yield* turns
        expect(yield* Effect.flatMap(Net.Net, ({ sockets }) => sockets)).toHaveLength(2)
        yield* TestClock.adjust(100)
        yield* server.awaitNone
        expect(yield* Effect.flatMap(Net.Net, ({ sockets }) => sockets)).toHaveLength(0)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an answer whose rest is little and comes soon keeps its connection; a long one loses it at once", () =>
      Effect.gen(function*() {
        const server = yield* serving((head) => ok("y".repeat(head.includes("/long") ? 300_000 : 60_000)))
        const to = yield* route(server.port, { limits: { connections: 1 } })
        const left = yield* Effect.scoped(exchange(to))
        expect((yield* failureOf(left.read)).kind).toBe("Lost")
        expect((yield* fetched(to)).isReused).toBe(true)
        const { read } = yield* Effect.scoped(exchange(to, { path: "/long" }))
        expect((yield* failureOf(whole(read))).kind).toBe("Lost")
        expect((yield* fetched(to)).isReused).toBe(false)
      }).pipe(Effect.provide(network)))
  })
}
