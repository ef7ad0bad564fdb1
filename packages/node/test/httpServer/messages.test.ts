/** What the HTTP server says and hears beside heads and bodies: "100 Continue", early hints, trailers. */
import { HttpInformational, HttpTrailers } from "@copas/node"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Scope, Stream } from "effect"
import { answer, connect, everything, get, last, networks, serve, type Services, statuses, talk } from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest

const expecting = (target: string, length: number) =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(effect, network))

    test(
      "X06 100 Continue is sent when the body is first read, and not where it is never read or too long",
      Effect.gen(function*() {
        const read = Effect.map(Effect.flatMap(Request, (request) => request.text), HttpServerResponse.text)
        const app = HttpRouter.empty.pipe(
          HttpRouter.post("/read", read),
          HttpRouter.post("/unread", HttpServerResponse.text("no need"))
        )
        const port = yield* serve(app, { limits: { body: 100 } })
        const socket = yield* connect(port)
        yield* socket.send(expecting("/read", 4))
        expect(yield* socket.receiveLine()).toBe("HTTP/1.1 100 Continue")
        expect(yield* socket.receiveLine()).toBe("")
        yield* socket.send("body")
        expect(yield* answer(socket)).toMatchObject({ status: 200, body: "body" })
        // The client may send the body, or not: the connection says nothing about what comes next.
        yield* socket.send(expecting("/unread", 4))
        expect(yield* everything(socket)).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*no need$/)
        expect(statuses(yield* talk(port, expecting("/read", 101)))).toEqual([413])
        const twice = expecting("/read", 4).replace("HTTP/1.1", "HTTP/1.0")
        expect(statuses(yield* talk(port, `${twice}body`))).toEqual([200])
      })
    )

    test(
      "X06 early hints go out before the answer, but not to HTTP/1.0, and not with what is no link or field",
      Effect.gen(function*() {
        const outcomes: Array<unknown> = []
        const images = "</a.png>; rel=preload; as=image; imagesrcset=\"a.png 1x, b.png 2x\""
        const app = Effect.gen(function*() {
          outcomes.push(
            yield* HttpInformational.earlyHints(["</a.css>; rel=preload; as=style", images], { "x-hint": "yes" })
          )
          for (const bad of ["a.css", "</a>; rel=\"x\r\ny: z\"", "</a\r\n>"]) {
            outcomes.push((yield* Effect.flip(HttpInformational.earlyHints([bad]))).option)
          }
          outcomes.push((yield* Effect.flip(HttpInformational.earlyHints(["</a>"], { "x-a": "b\r\nx: y" }))).option)
          return HttpServerResponse.text("page")
        })
        const port = yield* serve(app)
        const said = yield* talk(port, get("/", last))
        expect(statuses(said)).toEqual([103, 200])
        const links = `Link: </a.css>; rel=preload; as=style\r\nLink: ${images}\r\n`
        expect(said.startsWith(`HTTP/1.1 103 Early Hints\r\n${links}x-hint: yes\r\n\r\nHTTP/1.1 200 OK\r\n`)).toBe(true)
        expect(statuses(yield* talk(port, "GET / HTTP/1.0\r\n\r\n"))).toEqual([200])
        const rest = ["links", "links", "links", "x-a"]
        expect(outcomes).toEqual([true, ...rest, false, ...rest])
      })
    )

    test(
      "X06 trailers of a request come behind its body, and those that belong into a head are 400",
      Effect.gen(function*() {
        const app = Effect.gen(function*() {
          const request = yield* Request
          const body = request.url === "/read" ? yield* request.text : ""
          const trailers = yield* HttpTrailers.received
          return HttpServerResponse.text(`${body} ${trailers["x-sum"] ?? "none"}`)
        })
        const port = yield* serve(app)
        const sent = (target: string, trailers: string, fields = "") =>
          `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${fields}\r\n4\r\nbody\r\n0\r\n${trailers}\r\n`
        expect(yield* talk(port, sent("/read", "X-Sum: 42\r\n") + sent("/unread", "X-Sum: 43\r\n", last))).toMatch(
          /body 42HTTP[^]* 43$/
        )
        expect(yield* talk(port, sent("/read", "", last))).toMatch(/body none$/)
        expect(statuses(yield* talk(port, sent("/read", "Host: b\r\n")))).toEqual([400])
      })
    )

    test(
      "X06 trailers of an answer go out behind a body in chunks, and a stream may say them at its end",
      Effect.gen(function*() {
        const app = Effect.map(Request, (request) => {
          const send = Effect.provideService(HttpTrailers.send({ "x-count": "2" }), Request, request)
          return HttpServerResponse.stream(
            Stream.concat(Stream.make(Buffer.from("one"), Buffer.from("two")), Stream.drain(Stream.fromEffect(send)))
          )
        })
        const port = yield* serve(app)
        expect(yield* talk(port, get("/", last))).toMatch(/two\r\n0\r\nx-count: 2\r\n\r\n$/)
        expect(yield* talk(port, "GET / HTTP/1.0\r\n\r\n")).toMatch(/\r\n\r\nonetwo$/)
      })
    )
  })
}
