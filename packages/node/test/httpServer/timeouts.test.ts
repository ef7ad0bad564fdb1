/** The HTTP server's time-outs, on the dispatcher's clock, and clients that are slow or vanish at each step. */
import { Copas, Net, type Socket } from "@copas/core"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, type Scope, Stream, TestClock } from "effect"
import { turns } from "../http/exchanging.js"
import { until } from "../turns.js"
import { answer, connect, everything, get, networks, post, serve, type Services, statuses } from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest

/** What a test waits for besides: the exits of handlers, by path. */
const makeApp = Effect.gen(function*() {
  const exits: Array<readonly [url: string, exit: string]> = []
  const begun: Array<string> = []
  const started = (url: string) =>
    Effect.zipRight(
      Effect.sync(() => begun.push(url)),
      Effect.addFinalizer((exit) => Effect.sync(() => exits.push([url, exit._tag])))
    )
  const route = <E>(
    answering: Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>
  ) => Effect.flatMap(Request, ({ url }) => Effect.zipRight(started(url), answering))
  const long = Stream.repeatEffect(Effect.succeed(Buffer.alloc(65_536)))
  const app = HttpRouter.empty.pipe(
    HttpRouter.get("/", route(Effect.succeed(HttpServerResponse.text("here")))),
    HttpRouter.post(
      "/body",
      route(Effect.flatMap(Request, (request) => Effect.map(request.text, HttpServerResponse.text)))
    ),
    HttpRouter.get("/never", route(Effect.never)),
    HttpRouter.get("/long", route(Effect.succeed(HttpServerResponse.stream(long))))
  )
  return { app, exits, begun }
})

/** No connection, thread, or fiber of the server's is left, once those of the clients are closed. */
const nothingLeft = Effect.gen(function*() {
  const net = yield* Net.Net
  const ours = (yield* net.sockets).filter(({ name }) => !name.includes("client_"))
  yield* Effect.forEach(ours, (socket) => socket.abort)
  yield* until(Effect.gen(function*() {
    const { threads } = yield* Copas.status
    return (yield* net.sockets).length === 0 && threads.every(({ name }) => !name.includes("handler"))
  }))
})

/** Sends a byte a second. */
const dribble = (socket: Socket.Socket, text: string, seconds: number) =>
  Effect.forEach(
    text.slice(0, seconds),
    (byte) =>
      Effect.zipRight(
        Effect.ignore(socket.send(byte)),
        Effect.zipRight(turns, Effect.zipRight(TestClock.adjust("1 second"), turns))
      ),
    {
      discard: true
    }
  )

const adjust = (duration: `${number} seconds`) =>
  Effect.zipRight(turns, Effect.zipRight(TestClock.adjust(duration), turns))

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scoped(title, () => Effect.provide(effect, network))

    test(
      "X01 headers: a head of a byte a second is 408 after ten seconds, and nothing is left",
      Effect.gen(function*() {
        const { app, begun } = yield* makeApp
        const port = yield* serve(app)
        const socket = yield* connect(port)
        yield* dribble(socket, get("/"), 9)
        const saying = yield* Effect.fork(everything(socket))
        yield* dribble(socket, get("/").slice(9), 1)
        expect(statuses(yield* Fiber.join(saying))).toEqual([408])
        expect(begun).toEqual([])
        yield* nothingLeft
      })
    )

    test(
      "X01 headers: a client that sends nothing is let go without a word",
      Effect.gen(function*() {
        const { app } = yield* makeApp
        const port = yield* serve(app)
        const socket = yield* connect(port)
        const saying = yield* Effect.fork(everything(socket))
        yield* adjust("9 seconds")
        expect(saying.unsafePoll()).toBeNull()
        yield* adjust("1 seconds")
        expect(yield* Fiber.join(saying)).toBe("")
        yield* nothingLeft
      })
    )

    test(
      "X01 idle: a kept-alive connection ends after 75 seconds; a further head that stands still is 408",
      Effect.gen(function*() {
        const { app } = yield* makeApp
        const port = yield* serve(app)
        const [idle, slow] = [yield* connect(port), yield* connect(port)]
        for (const socket of [idle, slow]) {
          yield* socket.send(get("/"))
          expect(yield* answer(socket)).toMatchObject({ status: 200 })
        }
        yield* slow.send("GET / HT")
        const [ended, refused] = [yield* Effect.fork(everything(idle)), yield* Effect.fork(everything(slow))]
        yield* adjust("9 seconds")
        expect(refused.unsafePoll()).toBeNull()
        yield* Effect.replicateEffect(adjust("1 seconds"), 4)
        expect(statuses(yield* Fiber.join(refused))).toEqual([408])
        yield* adjust("61 seconds")
        expect(ended.unsafePoll()).toBeNull()
        yield* adjust("1 seconds")
        expect(yield* Fiber.join(ended)).toBe("")
        yield* nothingLeft
      })
    )

    test(
      "X01 body: one that stands still for 30 seconds while it is read is 408, one that moves is not, for five minutes at most",
      Effect.gen(function*() {
        const { app, begun, exits } = yield* makeApp
        const port = yield* serve(app)
        const socket = yield* connect(port)
        yield* socket.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
        const saying = yield* Effect.fork(everything(socket))
        yield* until(Effect.sync(() => begun.length === 1))
        yield* adjust("29 seconds")
        yield* socket.send("x")
        yield* adjust("29 seconds")
        expect(saying.unsafePoll()).toBeNull()
        yield* Effect.replicateEffect(adjust("2 seconds"), 2)
        expect(statuses(yield* Fiber.join(saying))).toEqual([408])
        expect(exits).toEqual([["/body", "Failure"]])
        const second = yield* connect(port)
        yield* second.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        const refused = yield* Effect.fork(everything(second))
        yield* until(Effect.sync(() => begun.length === 2))
        for (let tens = 0; tens < 29; tens++) {
          yield* second.send("x")
          yield* adjust("10 seconds")
        }
        expect(refused.unsafePoll()).toBeNull()
        yield* second.send("x")
        yield* adjust("10 seconds")
        expect(statuses(yield* Fiber.join(refused))).toEqual([408])
        yield* nothingLeft
      })
    )

    test(
      "X01 handler: one that takes too long is interrupted and answered 503, and the connection lives on",
      Effect.gen(function*() {
        const { app, begun, exits } = yield* makeApp
        const port = yield* serve(app, { timeouts: { handler: "20 seconds" } })
        const socket = yield* connect(port)
        yield* socket.send(get("/never"))
        yield* until(Effect.sync(() => begun.length === 1))
        yield* adjust("20 seconds")
        expect(yield* answer(socket)).toMatchObject({ status: 503 })
        expect(exits.map(([url]) => url)).toEqual(["/never"])
        yield* socket.send(get("/"))
        expect(yield* answer(socket)).toMatchObject({ status: 200 })
      })
    )

    test(
      "X01 handler: an app that is no router is interrupted as well",
      Effect.gen(function*() {
        const port = yield* serve(Effect.never, { timeouts: { handler: "20 seconds" } })
        const socket = yield* connect(port)
        yield* socket.send(get("/"))
        yield* turns
        yield* adjust("20 seconds")
        expect(yield* answer(socket)).toMatchObject({ status: 503 })
      })
    )

    test(
      "X01 send: a client that takes nothing of a long answer is cut after 30 seconds, a quarter more at most, and its handler ends",
      Effect.gen(function*() {
        const { app, exits } = yield* makeApp
        const port = yield* serve(app)
        const socket = yield* connect(port)
        yield* socket.send(get("/long"))
        const received = Effect.map(socket.stats, ({ bytesReceived }) => bytesReceived)
        let before = 0
        yield* until(Effect.zipRight(
          Effect.replicateEffect(turns, 5),
          Effect.map(received, (now) => {
            const stands = now > 0 && now === before
            before = now
            return stands
          })
        ))
        yield* adjust("29 seconds")
        expect(exits).toEqual([])
        // Bytes that still moved begin the time anew.
        yield* Effect.repeat(adjust("3 seconds"), { until: () => exits.length === 1 })
        expect(exits).toEqual([["/long", "Failure"]])
        yield* socket.abort
        yield* nothingLeft
      })
    )

    const steps: ReadonlyArray<readonly [step: string, text: string, begins: number]> = [
      ["before the first byte", "", 0],
      ["within the head", "GET / HTTP/1.1\r\nHo", 0],
      ["within the body", "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfour", 1],
      ["within a chunk", "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 1],
      ["while the handler runs", get("/never"), 1],
      ["while the handler runs, with more requests behind", get("/never") + get("/").repeat(20), 1],
      ["while the answer is sent", get("/long"), 1],
      ["when it was answered", post("/body", "text"), 1]
    ]
    for (const [step, text, begins] of steps) {
      for (const how of ["reset", "end"] as const) {
        test(
          `X01 a client that vanishes ${step}, by ${how}, leaves no connection, thread or fiber, and no failure`,
          Effect.gen(function*() {
            const told: Array<unknown> = []
            yield* Copas.setErrorHandler((cause) => Effect.sync(() => told.push(cause)))
            const { app, begun, exits } = yield* makeApp
            const port = yield* serve(app)
            const socket = yield* connect(port)
            if (text !== "") yield* socket.send(text)
            yield* until(Effect.sync(() => begun.length === begins))
            yield* turns
            yield* how === "reset" ? socket.abort : Effect.ignore(socket.close)
            yield* until(Effect.sync(() => exits.length === begins))
            yield* nothingLeft
            expect(told).toEqual([])
          })
        )
      }
    }
  })
}
