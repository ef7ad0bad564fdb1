/** The state of an HTTP server, and its metrics. */
import { Copas } from "@copas/core"
import { HttpMetrics, HttpServerStatus, NodeHttpServer } from "@copas/node"
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Metric, Option, Scope, TestClock } from "effect"
import { portOf } from "../portOf.js"
import { answer, connect, everything, get, last, networks, talk } from "./serving.js"

const status = (server: HttpServer.HttpServer) =>
  Effect.map(Effect.provideService(HttpServerStatus.current, HttpServer.HttpServer, server), Option.getOrThrow)

/** The value of a line of the page. */
const valueOn = (page: string, line: string) =>
  Number(new RegExp(`^${line.replace(/[{}]/g, "\\$&")} (\\S+)$`, "m").exec(page)?.[1] ?? 0)

for (const [name, network] of networks) {
  describe(name, () => {
    it.scoped("X01 the state shows requests under way, and those that ended, with times of Effect's clock", () =>
      Effect.gen(function*() {
        const began = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const app = HttpRouter.empty.pipe(
          HttpRouter.get(
            "/slow",
            Effect.gen(function*() {
              yield* Deferred.succeed(began, void 0)
              yield* Deferred.await(go)
              return HttpServerResponse.empty({ status: 201 })
            })
          )
        )
        const server = yield* NodeHttpServer.make({ listen: { port: 0 }, name: "web" })
        yield* server.serve(app)
        expect(yield* status(server)).toMatchObject({ name: "web", inFlight: 0, requests: 0, recent: [], refused: 0 })

        const socket = yield* connect(portOf(server))
        yield* socket.send(get("/slow?token=secret"))
        yield* Deferred.await(began)
        yield* TestClock.adjust("40 millis")
        const during = yield* status(server)
        expect(during).toMatchObject({ inFlight: 1, requests: 0 })
        expect(during.underWay).toEqual([{
          method: "GET",
          path: "/slow",
          remoteAddress: Option.some("127.0.0.1"),
          socketName: expect.stringMatching(/^web:client_\d+$/),
          requestNumber: 1,
          ageMillis: 40
        }])
        yield* Deferred.succeed(go, void 0)
        yield* answer(socket)
        yield* TestClock.adjust("2 millis")
        yield* socket.send(get("/none", last))
        yield* everything(socket)
        yield* talk(portOf(server), "GET / HTTP/1.1\r\n\r\n")

        const after = yield* status(server)
        expect(after).toMatchObject({ inFlight: 0, underWay: [], requests: 3, refused: 1 })
        expect(after.byClass).toEqual({ aborted: 0, "1xx": 0, "2xx": 1, "3xx": 0, "4xx": 2, "5xx": 0 })
        expect(after.recent.map(({ ageMillis, durationMillis, path, requestNumber, status }) => [
          path,
          requestNumber,
          Option.getOrUndefined(status),
          durationMillis,
          ageMillis
        ])).toEqual([["/none", 2, 404, 0, 0], ["/slow", 1, 201, 40, 42]])
        expect(after.durations).toMatchObject({ count: 2, totalMillis: 40 })
        expect(after.durations.buckets.filter(({ count }) => count > 0)).toEqual([
          { upToMillis: 1, count: 1 },
          { upToMillis: 50, count: 1 }
        ])
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a client that goes away before its answer is counted, and the last requests are bounded", () =>
      Effect.gen(function*() {
        const began = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const app = HttpRouter.empty.pipe(
          HttpRouter.get(
            "/never",
            Effect.onInterrupt(
              Effect.zipRight(Deferred.succeed(began, void 0), Effect.never),
              () => Deferred.succeed(ended, void 0)
            )
          ),
          HttpRouter.get("/*", HttpServerResponse.empty())
        )
        const server = yield* NodeHttpServer.make({ listen: { port: 0 } })
        yield* server.serve(app)
        yield* Effect.scoped(Effect.gen(function*() {
          const socket = yield* connect(portOf(server))
          yield* socket.send(get("/never"))
          yield* Deferred.await(began)
          yield* socket.abort
        }))
        yield* Deferred.await(ended)
        const many = Array.from({ length: 99 }, (_, index) => get(`/${index}/${"x".repeat(300)}`)).join("")
        yield* talk(portOf(server), many + get("/last", last))
        const { byClass, recent } = yield* status(server)
        expect(byClass).toMatchObject({ aborted: 1, "2xx": 100 })
        expect(recent.length).toBe(64)
        expect(recent[0]!.path).toBe("/last")
        expect(recent[1]!.path).toBe(`/98/${"x".repeat(252)}`)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 metrics count each request once, whoever collects, also of a server that has ended", () =>
      Effect.gen(function*() {
        const copas = yield* Copas.Copas
        const scope = yield* Scope.make()
        const server = yield* Scope.extend(NodeHttpServer.make({ listen: { port: 0 }, name: `metered ${name}` }), scope)
        yield* Scope.extend(server.serve(HttpRouter.get(HttpRouter.empty, "/", HttpServerResponse.empty())), scope)
        const before = yield* HttpMetrics.prometheus
        yield* talk(portOf(server), get("/") + get("/none") + get("/", last))
        yield* Effect.all([HttpMetrics.collect, HttpMetrics.collect], { concurrency: 2 })
        yield* talk(portOf(server), get("/", last))
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
        const page = yield* HttpMetrics.prometheus
        const more = (line: string) => valueOn(page, line) - valueOn(before, line)
        expect(more(`copas_http_requests_total{status="2xx"}`)).toBe(3)
        expect(more(`copas_http_requests_total{status="4xx"}`)).toBe(1)
        expect(more(`copas_http_request_duration_seconds_count{server="metered ${name}"}`)).toBe(4)
        expect(page).toContain(`copas_http_requests_in_flight{dispatcher="${copas.name}"} 0`)
      }).pipe(Effect.provide(network)))
  })
}

describe("Another server", () => {
  it.effect("X01 has no state here", () =>
    Effect.gen(function*() {
      const other = HttpServer.make({ serve: () => Effect.void, address: { _tag: "UnixAddress", path: "/x" } })
      const context = Context.make(HttpServer.HttpServer, other)
      expect(yield* Effect.provide(HttpServerStatus.current, context)).toEqual(Option.none())
    }))

  it.scoped("X01 the layer of the metrics collects from time to time, and shows what is under way", () =>
    Effect.gen(function*() {
      const began = yield* Deferred.make<void>()
      const server = yield* NodeHttpServer.make({ listen: { port: 0 } })
      yield* server.serve(
        HttpRouter.get(HttpRouter.empty, "/", Effect.zipRight(Deferred.succeed(began, void 0), Effect.never))
      )
      yield* Layer.build(HttpMetrics.layer({ every: "3 seconds" }))
      const socket = yield* connect(portOf(server))
      yield* socket.send(get("/"))
      yield* Deferred.await(began)
      const { name } = yield* Copas.Copas
      const inFlight = Effect.map(
        Metric.value(Metric.tagged(HttpMetrics.requestsInFlight, "dispatcher", name)),
        ({ value }) => value
      )
      yield* TestClock.adjust("3 seconds")
      expect(yield* inFlight).toBe(1)
      yield* socket.abort
    }).pipe(Effect.provide(networks[1]![1])))
})
