/** The HTTP transport: exchanges over connections of both networks. */
import { type HttpTransport, Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Scope } from "effect"
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
  whole
} from "./exchanging.js"

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped("C33 an exchange sends a request as it was given, and gives the answer with its fields in order and case", () =>
      Effect.gen(function*() {
        let seen = ""
        const server = yield* serving((head) => {
          seen = head
          return ok("hello", "X-One: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=\xe9\r\n")
        })
        const to = yield* route(server.port)
        const answer = yield* exchange(to, {
          path: "/p?q=1#f",
          fields: [["X-B", "b\xe9"], ["accept", "*/*"], ["X-b", "c"]]
        })
        expect(answer.status).toBe(200)
        expect(answer.statusText).toBe("OK")
        expect(answer.version).toBe("1.1")
        expect(answer.fields).toEqual([["X-One", "1"], ["Set-Cookie", "a=1"], ["set-cookie", "b=\xe9"], [
          "Content-Length",
          "5"
        ]])
        expect(answer.connection).toMatchObject({ isReused: false, tls: undefined })
        expect((yield* whole(answer.read)).toString()).toBe("hello")
        expect(yield* answer.read).toBeUndefined()
        expect(seen.split("\n")).toEqual([
          "GET /p?q=1 HTTP/1.1",
          `host: 127.0.0.1:${server.port}`,
          "connection: keep-alive",
          "X-B: b\xe9",
          "accept: */*",
          "X-b: c",
          ""
        ])
      }).pipe(Effect.provide(network)))

    it.scoped("C33 equal routes share connections, and other routes do not", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        const one = yield* route(server.port)
        expect((yield* fetched(one)).isReused).toBe(false)
        expect((yield* fetched(one)).isReused).toBe(true)
        expect((yield* fetched({ ...one, limits: { ...one.limits } })).isReused).toBe(true)
        expect((yield* fetched({ ...one, limits: { ...one.limits, fields: 7 } })).isReused).toBe(false)
        expect((yield* fetched(yield* route(server.port))).isReused).toBe(false)
        expect(server.connections()).toBe(3)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a request beyond the connections of its route waits for one", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"))
        const to = yield* route(server.port, { limits: { connections: 2 } })
        yield* Effect.forEach(Array.from({ length: 20 }), () => fetched(to), { concurrency: "unbounded" })
        expect(server.connections()).toBe(2)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body of bytes or of a pull is sent whole: with a length, or in chunks", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.forever(Effect.gen(function*() {
            const head = yield* peer.head
            const length = /content-length: (\d+)/i.exec(head)?.[1]
            let body = ""
            if (length !== undefined) body = Buffer.from(yield* peer.socket.receiveExactly(Number(length))).toString()
            else {
              for (;;) {
                const size = parseInt(yield* peer.socket.receiveLine(), 16)
                if (size > 0) body += `[${Buffer.from(yield* peer.socket.receiveExactly(size)).toString()}]`
                yield* peer.socket.receiveLine()
                if (size === 0) break
              }
            }
            yield* peer.send(ok(body))
          }))
        )
        const to = yield* route(server.port)
        const post = (body: HttpTransport.WireBody<never>) =>
          Effect.map(fetched(to, { method: "POST", body }), ({ body }) => body)
        expect(yield* post(Buffer.from("bytes"))).toBe("bytes")
        expect(yield* post(Buffer.alloc(0))).toBe("")
        expect(yield* post({ length: 6, pull: pulled("abc", "def") })).toBe("abcdef")
        expect(yield* post({ length: undefined, pull: pulled("abc", "def") })).toBe("[abc][def]")
        expect(yield* post({ length: 0, pull: pulled() })).toBe("")
        expect(yield* post({ length: undefined, pull: pulled() })).toBe("")
        expect(server.connections()).toBe(1)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 interruption closes the connection of an exchange, at every step of it", () =>
      Effect.gen(function*() {
        const server = yield* stalling()
        const to = yield* route(server.port)
        const scope = yield* Scope.make()
        const fiber = yield* Effect.fork(Scope.extend(exchange(to), scope))
        yield* server.asked
        yield* Fiber.interrupt(fiber)
        yield* server.awaitNone
        expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([])
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a server that closes without an answer has lost the request", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) => peer.head)
        const to = yield* route(server.port)
        const failure = yield* failureOf(fetched(to))
        expect(failure).toMatchObject({ kind: "Lost", phase: "response", received: 0, isReused: false })
        expect(failure.sent).toBeGreaterThan(20)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 the errors of a route's connector are those of the exchange", () =>
      Effect.gen(function*() {
        const to = yield* route(1, { connect: () => Effect.fail("no way") })
        expect(yield* Effect.flip(fetched(to))).toBe("no way")
      }).pipe(Effect.provide(network)))
  })
}
