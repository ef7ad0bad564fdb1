/** What programs of `@effect/platform` rely on in a server: middleware, spans, forms, cookies, web handlers, routes. */
import { Copas } from "@copas/core"
import {
  Cookies,
  HttpApp,
  HttpMiddleware,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse,
  Multipart
} from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Option, Schema, type Scope, Stream, Tracer } from "effect"
import { until } from "../turns.js"
import {
  type App,
  connect,
  get,
  last,
  networks,
  nothingLeft,
  post,
  serve,
  type Services,
  statuses,
  talk
} from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest
const boundary = "XX"
const part = (name: string, value: string, more = ""): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
const file = `; filename="f.txt"\r\nContent-Type: text/plain`
const end = `--${boundary}--\r\n`
const form = `Content-Type: multipart/form-data; boundary=${boundary}\r\n${last}`

/** A tracer that keeps the spans which it was asked for. */
const keeping = () => {
  const spans: Array<{ readonly name: string; readonly parent: string | undefined; readonly span: Tracer.Span }> = []
  const native = Effect.runSync(Effect.tracer)
  const tracer = Tracer.make({
    span: (name, parent, context, links, start, kind) => {
      const span = native.span(name, parent, context, links, start, kind)
      spans.push({ name, parent: Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId)), span })
      return span
    },
    context: (f) => f()
  })
  return { spans, tracer }
}

class Teapot extends Schema.TaggedError<Teapot>()("Teapot", {}) {
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpServerResponse.empty({ status: 418 }))
  }
}

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(effect, network))

    test(
      "X01 middleware sees the answer of an app, of a failure and of none, may replace it, and may fail",
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.void)
        const seen: Array<number> = []
        const app: App = Effect.flatMap(Request, ({ url }) =>
          url === "/fail"
            ? Effect.fail(new Teapot())
            : url === "/die"
            ? Effect.dieMessage("broken")
            : url === "/thrown"
            ? Effect.die(HttpServerResponse.empty({ status: 202 }))
            : Effect.succeed(HttpServerResponse.text("plain")))
        const watching = HttpMiddleware.make((app) =>
          Effect.onExit(app, (exit) => Effect.sync(() => seen.push(HttpServerError.exitResponse(exit).status)))
        )
        const port = yield* serve(app, { middleware: watching })
        const said = yield* talk(port, get("/") + get("/fail") + get("/die") + get("/thrown", last))
        expect(statuses(said)).toEqual([200, 418, 500, 202])
        expect(seen).toEqual([200, 418, 500, 202])
        const replacing = yield* serve(app, {
          name: "replacing",
          middleware: () => Effect.succeed(HttpServerResponse.text("instead"))
        })
        expect(yield* talk(replacing, get("/", last))).toMatch(/instead$/)
        const failing = yield* serve(app, { name: "failing", middleware: () => Effect.fail("broken") as never })
        expect(statuses(yield* talk(failing, get("/") + get("/", last)))).toEqual([500, 500])
      })
    )

    test(
      "X01 a request makes a span where the program has a tracer, below the client's, and none elsewhere",
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.void)
        const current = Effect.map(
          Effect.option(Effect.currentSpan),
          (span) => HttpServerResponse.text(Option.match(span, { onNone: () => "none", onSome: ({ name }) => name }))
        )
        const app: App = Effect.flatMap(Request, (request) =>
          request.url === "/read"
            ? Effect.map(request.text, HttpServerResponse.text)
            : request.url === "/die"
            ? Effect.dieMessage("broken")
            : current)
        const { spans, tracer } = keeping()
        const traced = yield* Effect.withTracer(serve(app, { limits: { body: 10 } }), tracer)
        const parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        const said = yield* talk(
          traced,
          get("/", parent) + get("/die") + post("/read", "well") + post("/read", "x".repeat(11))
        )
        expect(statuses(said)).toEqual([200, 500, 200, 413])
        expect(said).toMatch(/http\.server GET/)
        const served = spans.filter(({ name }) => name.startsWith("http.server"))
        expect(served.map(({ name }) => name)).toEqual([
          "http.server GET",
          "http.server GET",
          "http.server POST",
          "http.server POST"
        ])
        expect(served[0]!.parent).toBe("b7ad6b7169203331")
        expect(served.map(({ span }) => span.attributes.get("http.response.status_code"))).toEqual([200, 500, 200, 413])
        const plain = yield* serve(app, { name: "plain" })
        expect(yield* talk(plain, get("/", last))).toMatch(/none$/)
      })
    )

    test(
      "X01 forms: fields and files, as a whole and part by part; one that is cut, or is none, is 400, one past a limit 413",
      Effect.gen(function*() {
        const persisted = Effect.gen(function*() {
          const request = yield* Request
          const given = yield* Effect.scoped(request.multipart)
          return HttpServerResponse.unsafeJson(Object.keys(given))
        })
        const parts = Effect.gen(function*() {
          const request = yield* Request
          const all = yield* Stream.runCollect(Stream.mapEffect(request.multipartStream, (part) =>
            part._tag === "Field"
              ? Effect.succeed(`${part.key}=${part.value}`)
              : Effect.map(part.contentEffect, (bytes) => `${part.key}:${part.name}:${Buffer.from(bytes).toString()}`)))
          return HttpServerResponse.text(Array.from(all).join(" "))
        })
        const app = HttpRouter.empty.pipe(
          HttpRouter.post("/whole", persisted),
          HttpRouter.post("/parts", parts),
          HttpRouter.post("/few", Multipart.withMaxParts(parts, Option.some(1)))
        )
        const port = yield* serve(Effect.provide(app, NodeContext.layer) as App)
        const good = part("a", "1") + part("f", "content", file) + end
        expect(yield* talk(port, post("/whole", good, form))).toMatch(/\["a","f"\]$/)
        expect(yield* talk(port, post("/parts", good, form))).toMatch(/a=1 f:f\.txt:content$/)
        const bad: ReadonlyArray<readonly [what: string, body: string, status: number]> = [
          ["within a file", part("f", "content", file).slice(0, -4), 400],
          ["before the last boundary", part("a", "1"), 400],
          ["within the head of a part", `--${boundary}\r\nContent-Dis`, 400],
          ["nothing at all", "", 400],
          ["no form", "just text", 400],
          [
            "a name that cannot be decoded",
            part("f", "x", `; filename*=utf-8''%zz\r\nContent-Type: text/plain`) + end,
            400
          ]
        ]
        for (const target of ["/whole", "/parts"]) {
          for (const [what, body, status] of bad) {
            expect([what, ...statuses(yield* talk(port, post(target, body, form)))]).toEqual([what, status])
          }
        }
        expect(statuses(yield* talk(port, post("/few", good, form)))).toEqual([413])
      })
    )

    test(
      "X01 cookies, in both directions, each in a field of its own",
      Effect.gen(function*() {
        const cookies = Cookies.unsafeSetAll(Cookies.empty, [["a", "1"], ["b", "2", { httpOnly: true }]])
        const port = yield* serve(
          Effect.map(
            Request,
            (request) =>
              HttpServerResponse.text(JSON.stringify(request.cookies), { cookies, headers: { "set-cookie": "c=3" } })
          )
        )
        const said = yield* talk(port, get("/", `Cookie: x=1; y=2\r\n${last}`))
        expect(said).toMatch(/\{"x":"1","y":"2"\}$/)
        expect(said.match(/^set-cookie: .*$/gim)).toEqual([
          "set-cookie: a=1",
          "set-cookie: b=2; HttpOnly",
          "set-cookie: c=3"
        ])
      })
    )

    test(
      "X01 web handlers get a Request with the right URL and body, and their Response is sent, a stream as one",
      Effect.gen(function*() {
        const app = HttpApp.fromWebHandler(async (request) =>
          new Response(`${request.method} ${request.url} ${await request.text()}`, { headers: { "x-a": "b" } })
        )
        const port = yield* serve(app)
        expect(yield* talk(port, post("/p?q=1", "body", last))).toMatch(/x-a: b[^]*POST http:\/\/a\/p\?q=1 body/)
      })
    )

    test(
      "X01 a route that is uninterruptible ends its work when the client has left",
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const done = yield* Deferred.make<void>()
        const port = yield* serve(HttpRouter.get(
          HttpRouter.empty,
          "/",
          Effect.gen(function*() {
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(go)
            yield* Deferred.succeed(done, undefined)
            return HttpServerResponse.empty()
          }),
          { uninterruptible: true }
        ))
        const socket = yield* connect(port)
        yield* socket.send(get("/"))
        yield* Deferred.await(begun)
        yield* socket.abort
        yield* until(
          Effect.map(Copas.status, ({ sockets }) => sockets.every((socket) => !socket.name.includes("client_")))
        )
        yield* Deferred.succeed(go, undefined)
        yield* Deferred.await(done)
      })
    )

    test(
      "X01 a scope that the program ejects is the program's to close",
      Effect.gen(function*() {
        const ends: Array<string> = []
        const port = yield* serve(Effect.gen(function*() {
          const scope = yield* Effect.scope
          yield* Effect.addFinalizer((exit) => Effect.sync(() => ends.push(exit._tag)))
          HttpApp.ejectDefaultScopeClose(scope)
          return HttpServerResponse.text("mine")
        }))
        yield* talk(port, get("/", last))
        yield* nothingLeft
        expect(ends).toEqual([])
      })
    )
  })
}
