/** The HTTP server on both networks: requests, answers, connections. */
import { Copas, Net } from "@copas/core"
import { HttpConnection } from "@copas/node"
import { HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FiberRef, Option, Scope, Stream } from "effect"
import * as Certificates from "../certificates.js"
import * as Fixture from "../tls/fixture.js"
import { until } from "../turns.js"
import {
  answer,
  type App,
  connect,
  endless,
  everything,
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

const text = (value: string) => HttpServerResponse.text(value)

/** Says what of the request it sees. */
const mirror: App = Effect.gen(function*() {
  const request = yield* HttpServerRequest.HttpServerRequest
  const body = yield* request.text
  return text(`${request.method} ${request.url} ${request.headers["host"]} ${body}`)
})

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(effect, network))

    test(
      "X01 requests of one connection are answered in the order in which they came, also those that came at once",
      Effect.gen(function*() {
        const port = yield* serve(mirror)
        const said = yield* talk(port, post("/one", "body") + get("/two") + post("/three", "") + get("/four", last))
        expect(said.match(/(?:GET|POST) \/\w+ a (?:body|)(?=HTTP|$)/g)).toEqual([
          "POST /one a body",
          "GET /two a ",
          "POST /three a ",
          "GET /four a "
        ])
        expect(statuses(said)).toEqual([200, 200, 200, 200])
      })
    )

    test(
      "X06 a connection is kept alive, and is one thread of the dispatcher with the server's name",
      Effect.gen(function*() {
        const shown: Array<HttpConnection.HttpConnection> = []
        const port = yield* serve(Effect.gen(function*() {
          shown.push(Option.getOrThrow(yield* HttpConnection.current))
          return text("seen")
        }))
        const socket = yield* connect(port)
        for (const target of ["/1", "/2"]) {
          yield* socket.send(get(target))
          expect(yield* answer(socket)).toMatchObject({ status: 200, body: "seen" })
        }
        yield* talk(port, get("/3", last))
        expect(shown.map(({ requestNumber, socketName, version }) => [socketName, version, requestNumber])).toEqual([
          ["http:client_1", "1.1", 1],
          ["http:client_1", "1.1", 2],
          ["http:client_2", "1.1", 1]
        ])
        expect(shown.map(({ thread }) => Option.getOrThrow(thread).name)).toEqual([
          "http:handler_1",
          "http:handler_1",
          "http:handler_2"
        ])
        const threads = (yield* Copas.status).threads.map((thread) => thread.name)
        expect(threads).toContain("http:handler_1")
      })
    )

    test(
      "X01 what a request sets, forks and acquires ends with it, as if it had a fiber of its own",
      Effect.gen(function*() {
        const setting = FiberRef.unsafeMake("none")
        const ends: Array<string> = []
        const app = Effect.gen(function*() {
          const { url } = yield* HttpServerRequest.HttpServerRequest
          const before = yield* FiberRef.get(setting)
          yield* FiberRef.set(setting, url)
          yield* HttpApp.appendPreResponseHandler((_, response) =>
            Effect.succeed(HttpServerResponse.setHeader(response, `x${url.slice(1)}`, "yes"))
          )
          yield* Effect.addFinalizer(() => Effect.sync(() => ends.push(`scope ${url}`)))
          const begun = yield* Deferred.make<void>()
          yield* Effect.fork(Effect.onInterrupt(
            Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never),
            () => Effect.sync(() => ends.push(`fork ${url}`))
          ))
          yield* Deferred.await(begun)
          return text(before)
        })
        const port = yield* serve(HttpRouter.get(HttpRouter.empty, "/:number", app))
        const socket = yield* connect(port)
        for (const target of ["/1", "/2"]) {
          yield* socket.send(get(target))
          const { body, fields } = yield* answer(socket)
          expect(body).toBe("none")
          expect(Object.keys(fields).filter((field) => /^x\d/.test(field))).toEqual([`x${target.slice(1)}`])
        }
        yield* until(Effect.sync(() => ends.length === 4))
        expect(ends.sort()).toEqual(["fork /1", "fork /2", "scope /1", "scope /2"])
      })
    )

    test(
      "X01 a client that goes away interrupts the handler, whose finalizers run",
      Effect.gen(function*() {
        const { begun, ended, slow } = yield* endless
        const port = yield* serve(HttpRouter.get(HttpRouter.empty, "/", slow))
        yield* Effect.scoped(Effect.gen(function*() {
          const socket = yield* connect(port)
          yield* socket.send(get("/"))
          yield* Deferred.await(begun)
        }))
        expect(yield* Deferred.await(ended)).toBe("Failure")
        yield* nothingLeft
      })
    )

    test(
      "X01 a handler that fails is answered 500, its failure goes to the error handler, and the connection lives on",
      Effect.gen(function*() {
        const told: Array<string> = []
        yield* Copas.setErrorHandler((_, { thread }) => Effect.sync(() => told.push(thread.name)))
        const port = yield* serve(
          Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
            url === "/die"
              ? Effect.dieMessage("broken")
              : url === "/fail"
              ? Effect.fail("so")
              : Effect.succeed(text("well")))
        )
        const said = yield* talk(port, get("/die") + get("/fail") + get("/well", last))
        expect(statuses(said)).toEqual([500, 500, 200])
        yield* until(Effect.sync(() => told.length === 2))
        expect(told).toEqual(["http:handler_1", "http:handler_1"])
      })
    )

    test(
      "X06 a path that nothing serves is 404, and no failure of the server",
      Effect.gen(function*() {
        const told: Array<string> = []
        yield* Copas.setErrorHandler((_, { thread }) => Effect.sync(() => told.push(thread.name)))
        const port = yield* serve(HttpRouter.get(HttpRouter.empty, "/there", text("here")))
        const said = yield* talk(port, get("/nothing") + get("/there", last))
        expect(statuses(said)).toEqual([404, 200])
        expect(told).toEqual([])
      })
    )

    test(
      "X06 a stream of unknown length is sent in chunks, in HTTP/1.0 until the end of the connection",
      Effect.gen(function*() {
        const port = yield* serve(
          Effect.succeed(HttpServerResponse.stream(Stream.make(Buffer.from("one"), Buffer.from("two"))))
        )
        expect(yield* talk(port, get("/", last))).toMatch(
          /Transfer-Encoding: chunked\r\n\r\n(?:3\r\none\r\n3\r\ntwo|6\r\nonetwo)\r\n0\r\n\r\n$/
        )
        const old = yield* talk(port, "GET / HTTP/1.0\r\n\r\n")
        expect(old).toMatch(/\r\n\r\nonetwo$/)
        expect(old).not.toMatch(/chunked/i)
      })
    )

    test(
      "X01 HTTPS: the server makes its context of options, and says what was agreed",
      Effect.gen(function*() {
        const { server } = yield* Fixture.TestPki
        const shown: Array<HttpConnection.HttpConnection> = []
        const port = yield* serve(
          Effect.gen(function*() {
            shown.push(Option.getOrThrow(yield* HttpConnection.current))
            return text("secret")
          }),
          { listen: { port: 0, tls: { identity: Certificates.identity(server) } } }
        )
        const socket = yield* Net.connect({
          host: "localhost",
          family: "IPv4",
          port,
          linger: 0,
          tls: yield* Fixture.clientContext({ alpn: ["http/1.1"] })
        })
        yield* socket.send(get("/", last))
        expect(yield* everything(socket)).toMatch(/200 OK[^]*secret$/)
        expect(Option.getOrThrow(shown[0]!.tls).alpn).toEqual(Option.some("http/1.1"))
      })
    )

    test(
      "X01 several addresses are served by one server, and the end of the scope drains: idle connections end, one under way is answered",
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        const app = Effect.as(Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go)), text("done"))
        const outside = yield* Effect.scope
        const saying = yield* Effect.scoped(Effect.gen(function*() {
          const port = yield* serve(app, { listen: [{ port: 0 }, { host: "127.0.0.1", port: 0 }] })
          const idle = yield* Scope.extend(connect(port), outside)
          const busy = yield* Scope.extend(connect(port), outside)
          yield* busy.send(get("/"))
          yield* Deferred.await(begun)
          // The handler goes on when the idle connection was seen to end.
          yield* Effect.forkIn(Effect.zipRight(everything(idle), Deferred.succeed(go, undefined)), outside)
          return yield* Effect.forkIn(everything(busy), outside)
        }))
        const said = yield* Fiber.join(saying)
        expect(said).toMatch(/200 OK[^]*Connection: close[^]*done$/)
      })
    )
  })
}
