/** How the HTTP server ends, and how many connections and requests it takes. */
import { Copas, Net } from "@copas/core"
import { NodeHttpServer, ServerSentEvents } from "@copas/node"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope, Stream, TestClock } from "effect"
import { turns } from "../http/exchanging.js"
import { portOf } from "../portOf.js"
import { until } from "../turns.js"
import {
  answer,
  type App,
  connect,
  everything,
  get,
  last,
  networks,
  serve,
  type Services,
  statuses,
  talk
} from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest
/** A stream of events that does not end by itself, for handlers without a dispatcher in their context. */
const endless: App = Effect.mapInputContext(
  Effect.orDie(ServerSentEvents.response(Stream.concat(Stream.make("one"), Stream.never))),
  (context: Context.Context<Scope.Scope>) => Context.omit(Copas.Copas)(context as Context.Context<any>) as never
)

const hello: App = Effect.succeed(HttpServerResponse.text("hello"))

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(effect, network))
    const timed = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scoped(title, () => Effect.provide(effect, network))

    test(
      "X01 the exit of the dispatcher ends idle connections, answers what was on its way, and Copas.run ends",
      Effect.gen(function*() {
        const outside = yield* Effect.scope
        const [idle, late] = yield* Copas.run(Effect.gen(function*() {
          const port = yield* serve(hello)
          const idle = yield* Scope.extend(connect(port), outside)
          const late = yield* Scope.extend(connect(port), outside)
          for (const socket of [idle, late]) {
            yield* socket.send(get("/"))
            expect(yield* answer(socket)).toMatchObject({ status: 200 })
          }
          // On its way when the exit begins.
          yield* late.send(get("/"))
          yield* late.flush
          yield* Copas.exit
          return [idle, late] as const
        }))
        expect(yield* everything(idle)).toBe("")
        expect(statuses(yield* everything(late))).toEqual([200])
      })
    )

    timed(
      "X01 past `drain`, a long download is cut and a handler interrupted with 503; one that waits for the exit ends before",
      Effect.gen(function*() {
        const begun: Array<string> = []
        const started = Effect.flatMap(Request, ({ url }) => Effect.sync(() => begun.push(url)))
        const copas = yield* Copas.Copas
        const ticks = Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
          Stream.map(() => Buffer.from("tick ")),
          Stream.interruptWhen(copas.waitForExit),
          Stream.concat(Stream.make(Buffer.from("bye")))
        )
        const app = HttpRouter.empty.pipe(
          HttpRouter.get("/never", Effect.zipRight(started, Effect.never)),
          HttpRouter.get(
            "/long",
            Effect.as(
              started,
              HttpServerResponse.stream(Stream.concat(
                Stream.make(Buffer.from("begun")),
                Stream.never
              ))
            )
          ),
          HttpRouter.get("/events", Effect.as(started, HttpServerResponse.stream(ticks)))
        )
        const outside = yield* Effect.scope
        const server = yield* Scope.make()
        const port = yield* Scope.extend(serve(app, { drain: "20 seconds" }), server)
        const talks = yield* Effect.forEach(
          ["/never", "/long", "/events"],
          (target) => Effect.forkIn(Effect.exit(talk(port, get(target))), outside)
        )
        yield* until(Effect.sync(() => begun.length === 3))
        yield* turns
        yield* Copas.exit
        const [never, long, events] = talks
        const told = yield* Fiber.join(events!)
        expect(Exit.isSuccess(told) && told.value).toMatch(/\r\nbye\r\n0\r\n\r\n$/)
        yield* TestClock.adjust("19 seconds")
        yield* turns
        expect([never!.unsafePoll(), long!.unsafePoll()]).toEqual([null, null])
        yield* TestClock.adjust("1 seconds")
        const refused = yield* Fiber.join(never!)
        expect(Exit.isSuccess(refused) && statuses(refused.value)).toEqual([503])
        const cut = yield* Fiber.join(long!)
        // No last chunk: nobody takes it for whole.
        expect(Exit.isSuccess(cut) ? cut.value : "").not.toMatch(/\r\n0\r\n\r\n$/)
        yield* Scope.close(server, Exit.void)
      })
    )

    for (const how of ["the exit of the dispatcher", "the end of the scope that serves"]) {
      timed(
        `X01 ${how} ends event streams, also where the handlers' context has no dispatcher`,
        Effect.gen(function*() {
          const outside = yield* Effect.scope
          const server = yield* Scope.make()
          const port = yield* Scope.extend(serve(endless), server)
          const socket = yield* connect(port)
          yield* socket.send(get("/"))
          expect(yield* socket.receiveUntil("data: one\n\n")).toBeDefined()
          yield* Effect.forkIn(how.startsWith("the exit") ? Copas.exit : Scope.close(server, Exit.void), outside)
          expect(yield* everything(socket)).toMatch(/^\r\n0\r\n\r\n$/)
          yield* Scope.close(server, Exit.void)
        })
      )
    }

    timed(
      "X01 an answer that was begun before the drain, and ends during it, is the last of its connection",
      Effect.gen(function*() {
        const outside = yield* Effect.scope
        const gate = yield* Deferred.make<void>()
        const server = yield* Scope.make()
        const pieces = Stream.concat(
          Stream.make(Buffer.from("begun ")),
          Stream.fromEffect(Effect.as(Deferred.await(gate), Buffer.from("ended")))
        )
        const port = yield* Scope.extend(serve(Effect.succeed(HttpServerResponse.stream(pieces))), server)
        const socket = yield* connect(port)
        yield* socket.send(get("/"))
        expect(yield* socket.receiveUntil("begun ")).toBeDefined()
        yield* Copas.exit
        yield* turns
        yield* Deferred.succeed(gate, undefined)
        const rest = yield* Effect.forkIn(everything(socket), outside)
        expect(yield* Fiber.join(rest)).toMatch(/ended\r\n0\r\n\r\n$/)
        yield* Scope.close(server, Exit.void)
      })
    )

    test(
      "X01 the same server serves another app after the first has ended, and its address stays",
      Effect.gen(function*() {
        const server = yield* NodeHttpServer.make({ listen: { port: 0 } })
        for (const word of ["one", "two"]) {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* server.serve(Effect.succeed(HttpServerResponse.text(word)))
            expect(yield* talk(portOf(server), get("/", last))).toMatch(new RegExp(`${word}$`))
          }))
        }
      })
    )

    test(
      "X01 limits: connections at a time, from one address, and requests on one connection",
      Effect.gen(function*() {
        const limited = yield* serve(hello, { limits: { maxRequestsPerConnection: 2 } })
        expect(statuses(yield* talk(limited, get("/") + get("/") + get("/")))).toEqual([200, 200])

        const few = yield* serve(hello, { name: "few", limits: { maxConnections: 1 } })
        const first = yield* connect(few)
        yield* first.send(get("/"))
        yield* answer(first)
        const second = yield* connect(few)
        yield* second.send(get("/", last))
        const saying = yield* Effect.fork(everything(second))
        yield* turns
        expect(saying.unsafePoll()).toBeNull()
        yield* first.close
        expect(statuses(yield* Fiber.join(saying))).toEqual([200])

        const perAddress = yield* serve(hello, { name: "each", limits: { maxConnectionsPerAddress: 1 } })
        const mine = yield* connect(perAddress)
        yield* mine.send(get("/"))
        yield* answer(mine)
        expect((yield* Effect.either(talk(perAddress, get("/", last))))._tag).toBe("Left")
        yield* mine.send(get("/", last))
        yield* everything(mine)
        yield* until(Effect.map(Effect.either(talk(perAddress, get("/", last))), ({ _tag }) => _tag === "Right"))
      })
    )

    test(
      "X01 options that make no sense are refused, each by its name",
      Effect.gen(function*() {
        const wrong: ReadonlyArray<readonly [option: string, given: object]> = [
          ["timeouts.idle", { timeouts: { idle: "-1 seconds" } }],
          ["timeouts.body", { timeouts: { body: 0 } }],
          ["timeouts", { timeouts: { nothing: 1 } }],
          ["limits.body", { limits: { body: 0.5 } }],
          ["limits.headers", { limits: { headers: -1 } }],
          ["limits", { limits: { bodies: 1 } }],
          ["name", { name: "a\nb" }],
          ["serverHeader", { serverHeader: "a\r\nb: c" }],
          ["http2", { http2: "yes" }],
          ["drain", { drain: Number.NaN }]
        ]
        for (const [option, given] of wrong) {
          const error = yield* Effect.flip(NodeHttpServer.make({ listen: { port: 0 }, ...given }))
          expect([error._tag, (error as { readonly option?: string }).option]).toEqual(["InvalidOption", option])
        }
        const error = yield* Effect.flip(NodeHttpServer.make({ listen: [] }))
        expect(error).toMatchObject({ _tag: "InvalidOption", option: "listen" })
      })
    )

    test(
      "X01 serverHeader names the server, unless the answer does",
      Effect.gen(function*() {
        const port = yield* serve(
          Effect.map(
            Request,
            ({ url }) => HttpServerResponse.empty(url === "/own" ? { headers: { server: "own" } } : {})
          ),
          { serverHeader: "Copas" }
        )
        expect(yield* talk(port, get("/") + get("/own", last))).toMatch(/server: Copas[^]*server: own/i)
      })
    )

    it.scopedLive("X01 the layers give a server, and release it", () =>
      Effect.gen(function*() {
        const port = yield* Effect.scoped(Effect.gen(function*() {
          const served = Layer.provideMerge(HttpServer.serve(hello), NodeHttpServer.layer({ listen: { port: 0 } }))
          const context = yield* Layer.build(served)
          const port = yield* Effect.provide(Effect.map(HttpServer.HttpServer, portOf), context)
          expect(statuses(yield* talk(port, get("/", last)))).toEqual([200])
          return port
        }))
        expect((yield* Effect.either(connect(port)))._tag).toBe("Left")
        expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([])
      }).pipe(Effect.provide(network)))
  })
}
