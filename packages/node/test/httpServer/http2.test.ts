/** The HTTP server's HTTP/2, by ALPN over TLS and by prior knowledge in clear, on both networks. */
import { Copas, Net } from "@copas/core"
import { HttpConnection, NodeSocket, ServerSentEvents } from "@copas/node"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Either, Exit, Fiber, Option, Scope, Stream, TestClock } from "effect"
import * as Http2 from "node:http2"
import * as Certificates from "../certificates.js"
import { turns } from "../http/exchanging.js"
import * as Fixture from "../tls/fixture.js"
import { until } from "../turns.js"
import {
  answer,
  type App,
  connect,
  endless,
  get,
  last,
  networks,
  nothingLeft,
  serve,
  type Services,
  talk
} from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest
const { constants } = Http2

/** A server that speaks HTTP/2, and a session with it. */
const session = (port: number, isSecure: boolean) =>
  Effect.gen(function*() {
    const socket = yield* Net.connect({
      host: "localhost",
      family: "IPv4",
      port,
      linger: 0,
      ...(isSecure ? { tls: yield* Fixture.clientContext({ alpn: ["h2", "http/1.1"] }) } : {})
    })
    const { stream } = yield* NodeSocket.lend(socket)
    const session = Http2.connect(`${isSecure ? "https" : "http"}://localhost:${port}`, {
      createConnection: () => stream
    })
    session.on("error", () => {})
    return session
  })

const listening = (isSecure: boolean) =>
  Effect.map(
    Fixture.TestPki,
    ({ server }) =>
      isSecure ? { listen: { port: 0, tls: { identity: Certificates.identity(server) } } } : { http2: "clear" as const }
  )

interface Got {
  readonly status: number
  readonly fields: Http2.IncomingHttpHeaders
  readonly body: string
}

/** The answer, or the code with which the stream was reset. */
const ask = (
  session: Http2.ClientHttp2Session,
  headers: Http2.OutgoingHttpHeaders,
  body?: string
): Effect.Effect<Got, { readonly code: number | undefined }> =>
  Effect.async((resume) => {
    const stream = session.request({ ":path": "/", ...headers }, { endStream: body === undefined })
    let fields: Http2.IncomingHttpHeaders = {}
    let text = ""
    stream.setEncoding("latin1")
    stream.on("response", (given) => {
      fields = given
    })
    stream.on("data", (chunk: string) => {
      text += chunk
    })
    stream.on("error", () => {})
    // Of a server that needs no more of the body (NO_ERROR), Node's client learns by the end of the answer alone.
    stream.on("end", () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) settle()
    })
    stream.on("close", () => settle())
    const settle = (): void => {
      const { rstCode } = stream
      resume(
        rstCode === constants.NGHTTP2_NO_ERROR && fields[":status"] !== undefined
          ? Effect.succeed({ status: Number(fields[":status"]), fields, body: text })
          : Effect.fail({ code: rstCode })
      )
    }
    if (body !== undefined) stream.end(body)
    return Effect.sync(() => stream.close(constants.NGHTTP2_CANCEL))
  })

const mirror: App = Effect.gen(function*() {
  const request = yield* Request
  const body = yield* request.text
  const { version } = Option.getOrThrow(yield* HttpConnection.current)
  return HttpServerResponse.unsafeJson([version, request.method, request.url, request.headers["host"], body])
})

for (const [name, network] of networks) {
  for (const isSecure of [true, false]) {
    describe(`NodeHttpServer, HTTP/2 ${isSecure ? "by ALPN" : "in clear"}, on ${name}`, () => {
      const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
        it.scopedLive(title, () => Effect.provide(effect, network))

      test(
        "X01 the end of the scope that serves ends a stream of events, whole",
        Effect.gen(function*() {
          const outside = yield* Effect.scope
          const server = yield* Scope.make()
          const began = yield* Deferred.make<void>()
          const events = Stream.concat(
            Stream.fromEffect(Effect.as(Deferred.succeed(began, void 0), "one")),
            Stream.never
          )
          const port = yield* Scope.extend(
            serve(Effect.orDie(ServerSentEvents.response(events)), yield* listening(isSecure)),
            server
          )
          const client = yield* session(port, isSecure)
          const asked = yield* Effect.forkIn(ask(client, {}), outside)
          yield* Deferred.await(began)
          yield* Effect.forkIn(Scope.close(server, Exit.void), outside)
          expect((yield* Fiber.join(asked)).body).toMatch(/^:\n\n(data: one\n\n)?$/)
          client.close()
        })
      )

      test(
        "X01 answers many streams at once, in fibers of one thread",
        Effect.gen(function*() {
          const port = yield* serve(mirror, yield* listening(isSecure))
          const client = yield* session(port, isSecure)
          const one = yield* ask(client, { ":method": "POST", ":path": "/echo?x=1" }, "body")
          expect([one.status, JSON.parse(one.body)]).toEqual([
            200,
            ["2", "POST", "/echo?x=1", `localhost:${port}`, "body"]
          ])
          const all = yield* Effect.forEach(
            Array.from({ length: 50 }, (_, at) => at),
            (at) => ask(client, { ":path": `/${at}` }),
            { concurrency: "unbounded" }
          )
          expect(all.map(({ body }) => JSON.parse(body)[2])).toEqual(Array.from({ length: 50 }, (_, at) => `/${at}`))
          const { threads } = yield* Copas.status
          expect(threads.filter(({ name }) => name.includes("handler")).length).toBe(1)
          client.close()
          yield* nothingLeft
        })
      )

      test(
        "X01 a slow stream holds up no other, and a reset of the client's interrupts its handler alone",
        Effect.gen(function*() {
          const { begun, ended, slow } = yield* endless
          const app = HttpRouter.empty.pipe(
            HttpRouter.get("/slow", slow),
            HttpRouter.get("/quick", HttpServerResponse.text("quick"))
          )
          const port = yield* serve(app, yield* listening(isSecure))
          const client = yield* session(port, isSecure)
          yield* Effect.raceFirst(
            Effect.exit(ask(client, { ":path": "/slow" })),
            Effect.zipRight(Deferred.await(begun), Effect.asVoid(ask(client, { ":path": "/quick" })))
          )
          expect(yield* Deferred.await(ended)).toBe("Failure")
          expect((yield* ask(client, { ":path": "/quick" })).body).toBe("quick")
          client.destroy()
          yield* nothingLeft
        })
      )

      test(
        "X01 a stream that fails, or has another length than it says, is reset, and the others go on",
        Effect.gen(function*() {
          yield* Copas.setErrorHandler(() => Effect.void)
          const half = Stream.make(Buffer.from("half"))
          const answers: Readonly<Record<string, HttpServerResponse.HttpServerResponse>> = {
            "/fails": HttpServerResponse.stream(Stream.concat(half, Stream.fail("broken"))),
            "/short": HttpServerResponse.stream(half, { contentLength: 8 }),
            "/long": HttpServerResponse.stream(half, { contentLength: 2 }),
            "/whole": HttpServerResponse.stream(half, { contentLength: 4 })
          }
          const port = yield* serve(Effect.map(Request, ({ url }) => answers[url]!), yield* listening(isSecure))
          const client = yield* session(port, isSecure)
          for (const path of ["/fails", "/short"]) {
            expect(yield* Effect.flip(ask(client, { ":path": path }))).toEqual({
              code: constants.NGHTTP2_INTERNAL_ERROR
            })
          }
          // Nothing of it had gone out, so that it could still be told.
          expect(yield* Effect.either(ask(client, { ":path": "/long" }))).not.toMatchObject({ right: { status: 200 } })
          expect((yield* ask(client, { ":path": "/whole" })).body).toBe("half")
          client.close()
        })
      )

      test(
        "X01 a body past the limit is 413, one that is not read is not waited for, and a bad answer is 500",
        Effect.gen(function*() {
          yield* Copas.setErrorHandler(() => Effect.void)
          const app = HttpRouter.empty.pipe(
            HttpRouter.post(
              "/read",
              Effect.map(Effect.flatMap(Request, (request) => request.text), HttpServerResponse.text)
            ),
            HttpRouter.post("/unread", HttpServerResponse.text("unread")),
            HttpRouter.get("/crlf", HttpServerResponse.text("x", { headers: { "x-a": "b\r\nx-c: d" } })),
            HttpRouter.get("/name", HttpServerResponse.text("x", { headers: { "x a": "b" } })),
            HttpRouter.get(
              "/old",
              HttpServerResponse.text("x", { headers: { connection: "close", "keep-alive": "5" } })
            )
          )
          const port = yield* serve(app, { ...(yield* listening(isSecure)), limits: { body: 10_000 } })
          const client = yield* session(port, isSecure)
          const large = "x".repeat(1_000_000)
          expect((yield* ask(client, { ":method": "POST", ":path": "/read" }, large)).status).toBe(413)
          expect((yield* ask(client, { ":method": "POST", ":path": "/unread" }, large)).body).toBe("unread")
          expect((yield* ask(client, { ":method": "POST", ":path": "/read" }, "small")).body).toBe("small")
          for (const path of ["/crlf", "/name"]) {
            expect([path, (yield* ask(client, { ":path": path })).status]).toEqual([path, 500])
          }
          const old = yield* ask(client, { ":path": "/old" })
          expect([old.status, old.fields.connection, old.fields["keep-alive"]]).toEqual([200, undefined, undefined])
          client.close()
        })
      )

      test(
        "X01 the rules of heads hold for streams: another Host, CONNECT, a fragment, too many fields, a long target",
        Effect.gen(function*() {
          const port = yield* serve(mirror, yield* listening(isSecure))
          const client = yield* session(port, isSecure)
          const many = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`x-${at}`, "y"]))
          const cases: ReadonlyArray<readonly [headers: Http2.OutgoingHttpHeaders, status: number]> = [
            [{ ":authority": "one", host: "other" }, 400],
            [{ ":path": "/a#b" }, 400],
            [{ ":authority": "a@b" }, 400],
            [many, 431],
            [{ ":path": `/${"x".repeat(9000)}` }, 414],
            [{ expect: "more" }, 417]
          ]
          for (const [headers, status] of cases) {
            const got = yield* Effect.either(ask(client, headers))
            // Newer versions of Node refuse some of them themselves.
            if (Either.isRight(got)) expect(got.right.status).toBe(status)
            else expect(got.left).toEqual({ code: constants.NGHTTP2_PROTOCOL_ERROR })
          }
          client.close()
        })
      )

      test(
        "X01 a client that resets streams without end is sent away",
        Effect.gen(function*() {
          const app = HttpRouter.get(HttpRouter.empty, "/", Effect.never)
          const port = yield* serve(app, { ...(yield* listening(isSecure)), limits: { streamResets: 20 } })
          const client = yield* session(port, isSecure)
          const ended = Effect.async<number>((resume) => {
            client.on("goaway", (code) => resume(Effect.succeed(code)))
          })
          const flood = Effect.forever(Effect.zipRight(
            Effect.sync(() => {
              if (client.destroyed || client.closed) return
              const stream = client.request({ ":path": "/" })
              stream.on("error", () => {})
              stream.close(constants.NGHTTP2_CANCEL)
            }),
            turns
          ))
          expect(yield* Effect.raceFirst(ended, flood)).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
          client.destroy()
          yield* nothingLeft
        })
      )

      test(
        "X01 the end of the scope says GOAWAY twice, the first time for streams to come, and a stream under way is answered",
        Effect.gen(function*() {
          const begun = yield* Deferred.make<void>()
          const go = yield* Deferred.make<void>()
          const app = Effect.as(
            Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go)),
            HttpServerResponse.text("done")
          )
          const outside = yield* Effect.scope
          const goaways: Array<number> = []
          const asking = yield* Effect.scoped(Effect.gen(function*() {
            const port = yield* serve(app, yield* listening(isSecure))
            const client = yield* Scope.extend(session(port, isSecure), outside)
            client.on("goaway", (_code: number, lastStream: number) => {
              goaways.push(lastStream)
              if (goaways.length === 2) Effect.runFork(Deferred.succeed(go, undefined))
            })
            const asking = yield* Effect.forkIn(ask(client, {}), outside)
            yield* Deferred.await(begun)
            return asking
          }))
          expect((yield* asking).body).toBe("done")
          expect(goaways.slice(0, 2)).toEqual([2 ** 31 - 1, 1])
        })
      )
    })
  }

  describe(`NodeHttpServer, both versions, on ${name}`, () => {
    it.scopedLive("X01 with http2: \"clear\", HTTP/1.1 is served as well, however the first bytes are cut", () =>
      Effect.gen(function*() {
        const port = yield* serve(mirror, { http2: "clear" })
        expect(yield* talk(port, get("/one", last))).toMatch(/"1\.1","GET","\/one"/)
        const socket = yield* connect(port)
        for (const byte of "PUT /two HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") {
          yield* socket.send(byte)
          yield* socket.flush
        }
        expect((yield* answer(socket)).body).toMatch(/"1\.1","PUT","\/two"/)
      }).pipe(Effect.provide(network)))

    it.scoped("X01 time-outs of streams: a body that stands still, an answer that the client's window keeps back, idleness", () =>
      Effect.gen(function*() {
        const exits: Array<string> = []
        const long = Stream.repeatEffect(Effect.succeed(Buffer.alloc(65_536)))
        const app = HttpRouter.empty.pipe(
          HttpRouter.post(
            "/body",
            Effect.map(Effect.flatMap(Request, (request) => request.text), HttpServerResponse.text)
          ),
          HttpRouter.get(
            "/long",
            Effect.as(
              Effect.addFinalizer((exit) => Effect.sync(() => exits.push(exit._tag))),
              HttpServerResponse.stream(long)
            )
          )
        )
        const port = yield* serve(app, { http2: "clear" })
        const client = yield* session(port, false)
        const standing = client.request({ ":path": "/body", ":method": "POST" }, { endStream: false })
        let status: number | undefined
        standing.on("response", (fields) => {
          status = fields[":status"]
        })
        standing.on("error", () => {})
        standing.write("x")
        const unread = client.request({ ":path": "/long" })
        unread.on("error", () => {})
        // As much as the window takes.
        yield* Effect.repeatN(turns, 20)
        yield* Effect.replicateEffect(Effect.zipRight(TestClock.adjust("10 seconds"), turns), 5)
        yield* until(Effect.sync(() => status !== undefined && exits.length === 1))
        expect([status, exits]).toEqual([408, ["Failure"]])
        const ended = Effect.async<void>((resume) => {
          client.on("close", () => resume(Effect.void))
        })
        yield* Effect.raceFirst(
          ended,
          Effect.forever(Effect.zipRight(TestClock.adjust("10 seconds"), turns))
        )
        yield* nothingLeft
      }).pipe(Effect.provide(network)))
  })
}
