/** Where exchanges end: interruption at every step, the end of the transport, idle routes, and readers that are slow. */
import { type HttpTransport, Net } from "@copas/core"
import { NodeHttpTransport } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { turn, until } from "../turns.js"
import {
  exchange,
  failureOf,
  fetched,
  networks,
  ok,
  pulled,
  request,
  route,
  serve,
  serving,
  standing,
  turns,
  whole
} from "./exchanging.js"

const noSockets = until(Effect.flatMap(Net.Net, ({ sockets }) => Effect.map(sockets, (all) => all.length === 0)))

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped("C33 an exchange that is interrupted after any number of turns leaves its route as it was", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.forever(Effect.gen(function*() {
            const head = yield* peer.head
            if (head.startsWith("POST")) yield* peer.socket.receiveExactly(10)
            yield* peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for (let parts = 0; parts < 5; parts++) {
              yield* peer.socket.flush
              yield* turn
              yield* peer.send("3\r\nabc\r\n")
            }
            yield* peer.send("0\r\n\r\n")
          }))
        )
        const to = yield* route(server.port, { limits: { connections: 1 } })
        for (let after = 0; after < 40; after++) {
          const pieces = pulled("abcde", "fghij")
          const body = { length: 10, pull: Effect.zipRight(turn, pieces) }
          const fiber = yield* Effect.fork(fetched(to, after % 2 === 0 ? {} : { method: "POST", body }))
          yield* Effect.repeatN(turn, after)
          yield* Fiber.interrupt(fiber)
          expect((yield* fetched(to)).body).toBe("abc".repeat(5))
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 the end of the transport fails what is under way with Closed, and closes every connection", () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            const head = yield* peer.head
            if (head.includes("/half")) {
              yield* peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            }
            if (head.includes("/never")) yield* Deferred.succeed(asked, undefined)
            return yield* Effect.never
          })
        )
        const to = yield* route(server.port, { limits: { connections: 2 } })
        const scope = yield* Scope.make()
        const { prepare } = yield* Scope.extend(NodeHttpTransport.make, scope)
        const start = (path: string) => prepare(request(to, { path }), to)
        const half = yield* start("/half").head
        const awaiting = yield* Effect.fork(failureOf(start("/never").head))
        yield* Deferred.await(asked)
        const queued = yield* Effect.fork(failureOf(start("/queued").head))
        const opening = yield* Effect.fork(
          failureOf(prepare(request(to), { ...to, connect: () => Effect.never }).head)
        )
        yield* turns
        yield* Scope.close(scope, Exit.void)
        for (const fiber of [awaiting, queued, opening]) expect((yield* Fiber.join(fiber)).kind).toBe("Closed")
        expect(Buffer.from((yield* half.read)!).toString()).toBe("abc")
        expect((yield* failureOf(half.read)).kind).toBe("Closed")
        expect((yield* failureOf(start("/").head)).kind).toBe("Closed")
        const { sockets } = yield* Net.Net
        yield* until(
          Effect.map(
            sockets,
            (all) =>
              all.every((socket) =>
                socket.remoteAddress._tag === "InetAddress" && socket.remoteAddress.port !== server.port
              )
          )
        )
      }).pipe(Effect.provide(network)))

    it.scoped("C33 in a scope that has ended no exchange begins, also if it ended while undici was loaded", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        const to = yield* route(server.port)
        const { prepare } = yield* NodeHttpTransport.make
        const prepared = prepare(request(to), to)
        const loading = yield* Effect.fork(failureOf(prepared.head))
        yield* Effect.yieldNow()
        prepared.leave()
        expect(yield* Fiber.join(loading)).toMatchObject({ kind: "Lost", phase: "connect", sent: 0 })
        const ended = yield* Scope.make()
        yield* Scope.close(ended, Exit.void)
        expect((yield* failureOf(Scope.extend(exchange(to), ended))).kind).toBe("Lost")
        expect(server.connections()).toBe(0)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an attempt to connect is interrupted with the last request that waits for it", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        const connecting = yield* Deferred.make<void>()
        const to = yield* route(1, {
          limits: { connections: 1 },
          connect: () =>
            Effect.zipRight(
              Deferred.succeed(connecting, undefined),
              Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            )
        })
        const first = yield* Effect.fork(fetched(to))
        yield* Deferred.await(connecting)
        // Only now: the first exchange of a network waits for undici to be loaded, and which of two would wait first is not said.
        const second = yield* Effect.fork(fetched(to))
        yield* turns
        yield* Fiber.interrupt(first)
        yield* turns
        expect(yield* Deferred.isDone(interrupted)).toBe(false)
        yield* Fiber.interrupt(second)
        yield* Deferred.await(interrupted)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a failed connection fails the request that it was for, and no other one", () =>
      Effect.gen(function*() {
        let attempts = 0
        const server = yield* serve((peer) =>
          Effect.forever(Effect.gen(function*() {
            yield* peer.head
            // Until then no connection is free for those whose own one fails.
            yield* until(Effect.sync(() => attempts === 10))
            yield* turns
            yield* peer.send(ok("x"))
          }))
        )
        const good = yield* route(server.port)
        const to = {
          ...good,
          connect: (target: HttpTransport.RouteTarget) =>
            Effect.zipRight(
              turn,
              Effect.suspend(() => ++attempts % 2 === 0 ? Effect.fail(`attempt ${attempts}`) : good.connect(target))
            )
        }
        const all = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.either(fetched(to)), {
          concurrency: "unbounded"
        })
        expect(all.filter(({ _tag }) => _tag === "Left")).toHaveLength(5)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 connections that the server closed between requests are not used; one that closes under a request tells that it was reused", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send(ok("x"))
            if (peer.number === 2) {
              yield* peer.head
              return
            }
            yield* peer.socket.flush
          })
        )
        const to = yield* route(server.port)
        expect((yield* fetched(to)).isReused).toBe(false)
        yield* noSockets
        expect((yield* fetched(to)).isReused).toBe(false)
        const failure = yield* failureOf(fetched(to))
        expect(failure).toMatchObject({ kind: "Lost", isReused: true, received: 0 })
        expect(failure.sent).toBeGreaterThan(0)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 more routes than are kept end those that are idle, the oldest first", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        const first = yield* route(server.port, { limits: { idle: 1_000_000 } })
        yield* fetched(first)
        const second = yield* route(server.port)
        yield* fetched(second)
        for (let more = 0; more < 255; more++) {
          yield* Effect.exit(fetched(yield* route(server.port, { connect: () => Effect.fail("no") })))
        }
        expect((yield* fetched(second)).isReused).toBe(true)
        expect((yield* fetched(first)).isReused).toBe(false)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a route that came when others had to end is kept as well: equal ones share its connection", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        for (let more = 0; more < 256; more++) {
          yield* Effect.exit(fetched(yield* route(server.port, { connect: () => Effect.fail("no") })))
        }
        const late = yield* route(server.port)
        yield* fetched(late)
        expect((yield* fetched({ ...late })).isReused).toBe(true)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 routes past those that are kept, because all were busy, end when others come and they are idle", () =>
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.forever(Effect.zipRight(peer.head, Effect.zipRight(Deferred.await(go), peer.send(ok("x")))))
        )
        const beginning = Effect.flatMap(route(server.port), (to) => Effect.fork(fetched(to)))
        const early = yield* Effect.replicateEffect(beginning, 3)
        yield* until(Effect.sync(() => server.connections() === 3))
        for (let more = 0; more < 256; more++) {
          yield* Effect.forkScoped(fetched(yield* route(1, { connect: () => Effect.never })))
        }
        yield* turns
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.joinAll(early)
        yield* Effect.exit(fetched(yield* route(1, { connect: () => Effect.fail("no") })))
        yield* server.awaitNone
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a reader that is slow holds 64 KiB and a read of the connection, and stops the server", () =>
      Effect.gen(function*() {
        const block = "x".repeat(65_536)
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${1000 * block.length}\r\n\r\n`)
            for (let sent = 0; sent < 1000; sent++) yield* peer.send(block)
            yield* peer.head
          })
        )
        const answer = yield* exchange(yield* route(server.port))
        const { bytes } = yield* Net.Net
        // What the server could send: the system's buffers on both sides, and ours.
        expect(yield* standing(Effect.map(bytes, ({ bytesSent }) => bytesSent))).toBeLessThan(20 * 1024 * 1024)
        expect((yield* whole(answer.read)).length).toBe(1000 * block.length)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 chunks of one byte are joined for a reader that is slower, and what waits has a bound", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send(
              `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(100_000)}0\r\n\r\n`
            )
            yield* peer.head
          })
        )
        const { read } = yield* exchange(yield* route(server.port))
        yield* turns
        let reads = 0
        let size = 0
        for (let chunk = yield* read; chunk !== undefined; chunk = yield* read) {
          reads += 1
          size += chunk.length
        }
        expect(size).toBe(100_000)
        expect(reads).toBeLessThan(5000)
      }).pipe(Effect.provide(network)))
  })
}
