/** Bodies that came with their heads, single fields of an answer, and exchanges without a scope. */
import { HttpTransport, Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { until } from "../turns.js"
import { exchange, failureOf, networks, ok, request, route, serve, serving, stalling, whole } from "./exchanging.js"

const chunked = (...chunks: ReadonlyArray<string>): string =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${
    chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("")
  }0\r\nX-After: 1\r\n\r\n`

const bodies: ReadonlyArray<readonly [what: string, said: string, body: string]> = [
  ["a length", ok("hello"), "hello"],
  ["no byte", ok(""), ""],
  ["a status without a body", "HTTP/1.1 204 No Content\r\n\r\n", ""],
  ["chunks", chunked("ab", "c", "def"), "abcdef"],
  ["60 KB", ok("x".repeat(60_000)), "x".repeat(60_000)]
]

/** The body, when all of it is there. */
const taken = (answer: HttpTransport.Exchange<unknown>): Effect.Effect<string> => {
  let body: Uint8Array | undefined
  const take = Effect.sync(() => (body = answer.takeWhole()) !== undefined)
  return Effect.map(until(take), () => Buffer.from(body!).toString("latin1"))
}

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped.each(bodies)(
      "C33 a body that has come whole is taken at once, and is then read to its end: %s",
      ([, said, body]) =>
        Effect.gen(function*() {
          const to = yield* route((yield* serving(() => said)).port)
          for (let time = 0; time < 2; time++) {
            const answer = yield* exchange(to)
            expect(yield* taken(answer)).toBe(body)
            expect(yield* answer.read).toBeUndefined()
            expect(answer.trailers()).toEqual(said.includes("X-After") ? [["X-After", "1"]] : [])
            if (body !== "") expect(answer.takeWhole()).toBeUndefined()
          }
        }).pipe(Effect.provide(network))
    )

    it.scoped("C33 a body of which some lacks is not taken: it is read, and read on", () =>
      Effect.gen(function*() {
        const more = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            yield* Deferred.await(more)
            yield* peer.send("def")
            yield* peer.head
          })
        )
        const answer = yield* exchange(yield* route(server.port))
        expect(answer.takeWhole()).toBeUndefined()
        const first = Buffer.from((yield* answer.read)!).toString()
        expect(answer.takeWhole()).toBeUndefined()
        yield* Deferred.succeed(more, undefined)
        expect(first + (yield* whole(answer.read)).toString()).toBe("abcdef")
        expect(answer.takeWhole()).toBeUndefined()
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body that broke is not taken: what came of it is read, and then the failure", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.zipRight(peer.head, peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"))
        )
        const answer = yield* exchange(yield* route(server.port))
        yield* server.awaitNone
        expect(answer.takeWhole()).toBeUndefined()
        expect((yield* failureOf(whole(answer.read))).kind).toBe("Truncated")
        expect(answer.takeWhole()).toBeUndefined()
      }).pipe(Effect.provide(network)))

    it.scoped("C33 `values` gives the values of the fields of a name, in whatever case, in their order", () =>
      Effect.gen(function*() {
        const fields = "X-One: 1\r\nSet-Cookie: a=1\r\nx-two: 2\r\nset-cookie: b=\xe9\r\nX-ONE:\r\n__proto__: p\r\n"
        const answer = yield* exchange(yield* route((yield* serving(() => ok("", fields))).port))
        const names = ["x-one", "set-cookie", "x-two", "content-length", "__proto__", "constructor", "x-six"]
        expect(names.map((name) => answer.values(name))).toEqual([
          ["1", ""],
          ["a=1", "b=\xe9"],
          ["2"],
          ["0"],
          ["p"],
          [],
          []
        ])
      }).pipe(Effect.provide(network)))

    it.scoped("C33 `use` leaves the exchange when its use has ended: well, with a failure, or interrupted", () =>
      Effect.gen(function*() {
        const server = yield* stalling("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc")
        const to = yield* route(server.port)
        const { prepare } = yield* HttpTransport.HttpTransport
        const sockets = Effect.flatMap(Net.Net, (net) => net.sockets)
        const using = <A, E>(use: (answer: HttpTransport.Exchange<unknown>) => Effect.Effect<A, E>) =>
          Effect.exit(HttpTransport.use(prepare(request(to), to), use))
        expect(yield* using(({ status }) => Effect.succeed(status))).toEqual(Exit.succeed(200))
        yield* server.awaitNone
        expect(yield* using(() => Effect.fail("no use"))).toEqual(Exit.fail("no use"))
        yield* server.awaitNone
        expect(Exit.isFailure(yield* using(() => Effect.die("a defect")))).toBe(true)
        yield* server.awaitNone
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(using(() => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        yield* server.awaitNone
        const silent = yield* stalling()
        const other = yield* route(silent.port)
        const awaiting = yield* Effect.fork(HttpTransport.use(prepare(request(other), other), Effect.succeed))
        yield* silent.asked
        yield* Fiber.interrupt(awaiting)
        yield* silent.awaitNone
        expect(yield* sockets).toEqual([])
      }).pipe(Effect.provide(network)))
  })
}
