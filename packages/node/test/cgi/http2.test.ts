/** CGI scripts over HTTP/2, where bodies need not tell their length, and a client may leave one answer of several. */
import { Copas } from "@copas/core"
import { Cgi, NodeHttpServer, NodeNet } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as Http2 from "node:http2"
import { portOf } from "../portOf.js"
import { plain, processesIn, scripts, sh, until } from "./site.js"

const session = (port: number): Effect.Effect<Http2.ClientHttp2Session, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Http2.ClientHttp2Session>((resume) => {
      const one = Http2.connect(`http://127.0.0.1:${port}`, () => resume(Effect.succeed(one)))
      one.on("error", () => {})
    }),
    (one) =>
      Effect.async<void>((resume) => {
        one.destroy()
        if (one.closed && one.destroyed) setImmediate(() => resume(Effect.void))
        else one.once("close", () => resume(Effect.void))
      })
  )

interface Exchange {
  readonly stream: Http2.ClientHttp2Stream
  readonly received: () => string
  readonly answer: Effect.Effect<string>
}

const exchange = (session: Http2.ClientHttp2Session, head: Http2.OutgoingHttpHeaders, body?: string): Exchange => {
  const stream = session.request(head, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  let [status, text] = ["", ""]
  stream.on("response", (fields) => {
    status = String(fields[":status"])
  })
  stream.setEncoding("latin1")
  stream.on("data", (part: string) => {
    text += part
  })
  stream.on("error", () => {})
  const closed = new Promise<void>((resolve) => stream.on("close", () => resolve()))
  return { stream, received: () => text, answer: Effect.map(Effect.promise(() => closed), () => `${status} ${text}`) }
}

it.scoped("X05 over HTTP/2 a body of unknown length has one for its script, and an empty one has none", () =>
  Effect.gen(function*() {
    const root = yield* scripts({
      "count": sh(
        plain,
        "printf '%s %s %s ' $SERVER_PROTOCOL $REQUEST_METHOD ${CONTENT_LENGTH:-none}",
        "wc -c | tr -d ' \\n'"
      )
    })
    const server = yield* NodeHttpServer.make({ listen: { port: 0 }, http2: "clear" })
    yield* server.serve(yield* Cgi.make({ root }))
    const one = yield* session(portOf(server))
    const post = { ":path": "/count", ":method": "POST" }
    expect(yield* exchange(one, { ":path": "/count" }).answer).toBe("200 HTTP/2.0 GET none 0")
    expect(yield* exchange(one, post).answer).toBe("200 HTTP/2.0 POST none 0")
    expect(yield* exchange(one, post, "").answer).toBe("200 HTTP/2.0 POST 0 0")
    expect(yield* exchange(one, post, "x".repeat(100_000)).answer).toBe("200 HTTP/2.0 POST 100000 100000")
    expect(yield* exchange(one, { ...post, "content-length": "3" }, "abc").answer).toBe("200 HTTP/2.0 POST 3 3")
  }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NodeNet.layer))))

it.scoped("X05 over HTTP/2 a client that leaves an answer ends its script, and no other", () =>
  Effect.gen(function*() {
    const root = yield* scripts({ "long": sh(plain, "echo begun", "exec sleep 1000") })
    const server = yield* NodeHttpServer.make({ listen: { port: 0 }, http2: "clear" })
    yield* server.serve(yield* Cgi.make({ root }))
    const one = yield* session(portOf(server))
    const [first, second] = [exchange(one, { ":path": "/long" }), exchange(one, { ":path": "/long" })]
    yield* until(() => first.received() === "begun\n" && second.received() === "begun\n")
    yield* until(() => processesIn(root).length === 2)
    first.stream.close(Http2.constants.NGHTTP2_CANCEL)
    yield* until(() => processesIn(root).length === 1)
    expect(second.stream.closed).toBe(false)
    second.stream.close(Http2.constants.NGHTTP2_CANCEL)
    yield* until(() => processesIn(root).length === 0)
  }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NodeNet.layer))))
