/** Requests of the smuggling kind have the same answers in clear, over TLS, and on the network in memory; and who is believed. */
import { Net, type Socket } from "@copas/core"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as Fixture from "../tls/fixture.js"
import { answer, type App, connect, everything, get, last, networks, serve, statuses } from "./serving.js"
import { bodies, framing, routing, type Row, versions } from "./smuggling.js"

const second = get("/second", last)

/** What a handler saw. */
interface Seen {
  readonly authority: string | undefined
  readonly path: string
  readonly body: string
}

const recorder = (seen: Array<Seen>): App =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = yield* request.text
    seen.push({ authority: request.headers["host"], path: request.url, body })
    return HttpServerResponse.text("served")
  })

/** What is right and what was answered, where these differ. */
const wrong = (
  table: ReadonlyArray<Row>,
  seen: Array<Seen>,
  isSecure: boolean,
  ask: (text: string) => Effect.Effect<string, unknown>
) =>
  Effect.gen(function*() {
    const problems: Array<unknown> = []
    for (const row of table) {
      seen.length = 0
      const said = statuses(yield* ask(row.bytes + second))
      const { isLast = false, ...shown } = row.seen ?? {}
      // A target of https is right where the connection is secure.
      const status = row.status === 421 && isSecure ? 200 : row.status
      const right = status !== 200 ? [status] : isLast ? [200] : [200, 200]
      const expected = status === 200 ? { ...seen[0], ...shown } : undefined
      const isRight = JSON.stringify(said) === JSON.stringify(right) &&
        JSON.stringify(seen[0]) === JSON.stringify(expected) && seen.length === (status === 200 ? right.length : 0)
      if (!isRight) problems.push([row.name, status, shown, said, [...seen]])
    }
    return problems
  })

for (const [name, network] of networks) {
  for (const isSecure of [false, true]) {
    describe(`${name}, ${isSecure ? "TLS" : "in clear"}`, () => {
      it.scopedLive.each(
        [
          ["a request goes to the host that it names, and to no other", routing],
          ["a request is of HTTP/1.0 or 1.1, and no larger than the limits", versions],
          ["a request ends at one place, or is refused with what comes after it", framing],
          ["a body that breaks is not run on, and what comes after it neither", bodies]
        ] as const
      )("X01 %s", ([, table]) =>
        Effect.gen(function*() {
          const seen: Array<Seen> = []
          const tls = isSecure ? { tls: yield* Fixture.serverContext({ alpn: ["http/1.1"] }) } : {}
          const port = yield* serve(recorder(seen), { listen: { host: "127.0.0.1", port: 0, ...tls } })
          const client = isSecure ? { tls: yield* Fixture.clientContext({}) } : {}
          const net = yield* Net.Net
          const ask = (text: string) =>
            Effect.scoped(Effect.gen(function*() {
              const socket: Socket.Socket = yield* net.connect({
                host: "localhost",
                family: "IPv4",
                port,
                linger: 0,
                ...client
              })
              yield* socket.send(Buffer.from(text, "latin1"))
              return yield* everything(socket)
            }))
          expect(yield* wrong(table, seen, isSecure, ask)).toEqual([])
        }).pipe(Effect.provide(network)))
    })
  }

  describe(name, () => {
    const who: App = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const url = Option.getOrThrow(HttpServerRequest.toURL(request))
      return HttpServerResponse.text(`${Option.getOrElse(request.remoteAddress, () => "-")} ${url.origin}`)
    })
    const forwarded =
      "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n"

    it.scopedLive("X01 handlers see the client that a trusted proxy names, its scheme and its host; otherwise the peer's", () =>
      Effect.gen(function*() {
        const ask = (trustProxy: false | number | ReadonlyArray<string>) =>
          Effect.gen(function*() {
            const port = yield* serve(who, { trustProxy })
            const socket = yield* connect(port)
            yield* socket.send(get("/", forwarded))
            return (yield* answer(socket)).body
          })
        expect(yield* ask(false)).toBe("127.0.0.1 http://a")
        expect(yield* ask(["10.0.0.0/8"])).toBe("127.0.0.1 http://a")
        expect(yield* ask(["127.0.0.1"])).toBe("192.0.2.7 https://b.example")
        expect(yield* ask(1)).toBe("192.0.2.7 https://b.example")
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 behind a trusted proxy a target of https is served in clear", () =>
      Effect.gen(function*() {
        const port = yield* serve(who, { trustProxy: 1 })
        const socket = yield* connect(port)
        yield* socket.send(get("https://c.example/p"))
        expect((yield* answer(socket)).body).toBe("127.0.0.1 http://c.example")
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 over TLS a handler's URL is of https, whatever the client says", () =>
      Effect.gen(function*() {
        const tls = yield* Fixture.serverContext({ alpn: ["http/1.1"] })
        const port = yield* serve(who, { listen: { host: "127.0.0.1", port: 0, tls } })
        const net = yield* Net.Net
        const socket = yield* net.connect({
          host: "localhost",
          family: "IPv4",
          port,
          linger: 0,
          tls: yield* Fixture.clientContext({})
        })
        yield* socket.send(get("/", "X-Forwarded-Proto: http\r\n"))
        expect((yield* answer(socket)).body).toBe("127.0.0.1 https://a")
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a trustProxy that makes no sense fails when the server is made", () =>
      Effect.gen(function*() {
        const failure = yield* Effect.flip(serve(who, { trustProxy: ["everybody"] }))
        expect(failure).toMatchObject({ _tag: "InvalidOption", option: "trustProxy" })
      }).pipe(Effect.provide(network)))
  })
}
