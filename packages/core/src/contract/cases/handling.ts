/** The handlers of a server: their failures, fairness and end, and how the status shows them. */
import { SocketServer } from "@effect/platform/SocketServer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import * as Net from "../../Net.js"
import * as PlatformSocket from "../../PlatformSocket.js"
import type * as Server from "../../Server.js"
import type * as Socket from "../../Socket.js"
import * as Status from "../../Status.js"
import * as Thread from "../../Thread.js"
import * as Udp from "../../Udp.js"
import {
  ask,
  dial,
  type DispatcherCase,
  echo,
  type Handler,
  keeping,
  nothingLeft,
  serving,
  test
} from "./dispatcherSupport.js"
import { failure, holds, listening, same, turn, until } from "./support.js"

class Used extends Context.Tag("@copas/core/contract/Used")<Used, { isOpen: boolean }>() {}

const where = { host: "127.0.0.1", port: 0, linger: 0, name: "released" } as const

/** A server whose connections each run `around` an echo. */
type Serve = (
  around: (echo: Effect.Effect<unknown, unknown>) => Effect.Effect<unknown, unknown, Used>
) => Layer.Layer<never, unknown, Used | Copas.Copas | Net.Net>

/** What serves as a layer. */
const released: ReadonlyArray<{ readonly how: string; readonly serve: Serve }> = [
  { how: "Copas.serve", serve: (around) => Copas.serve((socket) => around(echo(socket)), where) },
  {
    how: "PlatformSocket.layerServer",
    serve: (around) => {
      const served = Effect.flatMap(
        SocketServer,
        (server) =>
          server.run((socket) =>
            around(Effect.scoped(Effect.flatMap(socket.writer, (write) => socket.run((chunk) => write(chunk)))))
          )
      )
      // A fiber that outlives the layer: what releases the layer ends the handlers.
      return Layer.effectDiscard(Effect.zipRight(Effect.forkDaemon(served), Effect.yieldNow())).pipe(
        Layer.provide(PlatformSocket.layerServer(where))
      )
    }
  }
]

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C26 cancelAll closes the sockets that handlers left open, too",
    Effect.gen(function*() {
      const kept: Array<Socket.Socket> = []
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        yield* Copas.addServer(listener, (socket) => Effect.sync(() => kept.push(socket)), { autoClose: false })
        const client = yield* dial(listener)
        yield* until(Effect.sync(() => kept.length === 1))
        yield* Copas.cancelAll
        yield* Effect.flip(Effect.asVoid(client.receive()))
        same((yield* Copas.status).servers, [], "the servers")
      }))
      yield* failure(kept[0]!.receive(), "SocketClosed")
    })
  ),
  test(
    "C26 after cancelAll nothing is left: no handler, no connection, also none that still flushed",
    Effect.gen(function*() {
      const running = yield* Effect.fork(Copas.run(Effect.gen(function*() {
        const first = yield* listening({ linger: "1 hours" })
        const second = yield* listening({ linger: "1 hours" })
        yield* Copas.addServer(first, echo)
        // Ended with success, and lingers for a client that never ends.
        yield* Copas.addServer(second, (socket) => socket.send("welcome\n"))
        const clients = yield* Effect.forEach([first, first, second], (listener) => dial(listener))
        yield* clients[2]!.receiveLine()
        yield* ask(clients[0]!, "hello")
        return yield* Effect.never
      })))
      yield* until(Effect.map(Copas.status, ({ counts, totals }) => totals.connections === 3 && counts.reading === 2))
      yield* Fiber.interrupt(running)
      yield* nothingLeft
    })
  ),
  test(
    "C11 a handler that fails, dies, throws or is interrupted does not touch others, and its peer learns it",
    Effect.gen(function*() {
      const failures = keeping()
      const ends: Record<string, Effect.Effect<never, string>> = {
        fail: Effect.fail("failed"),
        die: Effect.die("died"),
        throw: Effect.sync(() => {
          throw new Error("thrown")
        }),
        interrupt: Effect.interrupt
      }
      const handler: Handler = (socket) =>
        socket.forEachLine((line): Effect.Effect<void, unknown> => ends[line] ?? socket.send(`${line}\n`))
      yield* serving(handler, ({ listener, stats }) =>
        Effect.gen(function*() {
          const good = yield* dial(listener)
          same(yield* ask(good, "one"), "one", "the answer")
          for (const end of Object.keys(ends)) {
            const error = yield* Effect.scoped(Effect.gen(function*() {
              const bad = yield* dial(listener)
              yield* bad.send(`${end}\n`)
              return yield* Effect.flip(Effect.asVoid(bad.receive()))
            }))
            holds(error._tag === "SocketClosed" || error._tag === "SocketBroken", "the peer is told")
            same(yield* ask(good, `after ${end}`), `after ${end}`, "the other client's answer")
          }
          yield* until(Effect.map(stats, ({ active }) => active === 1))
          same((yield* stats).handlerFailures, 3, "the number of failures")
        }), { name: "echo", onError: failures.handler })
      same(failures.seen.map(({ socket, text }) => `${socket} ${text}`), [
        "echo:client_2 failed",
        "echo:client_3 died",
        "echo:client_4 Error: thrown"
      ], "the failures")
    })
  ),
  test(
    "C11 a handler function that throws before it gives an effect fails like any other",
    Effect.gen(function*() {
      const failures = keeping()
      yield* serving(
        () => {
          throw new Error("no effect")
        },
        ({ listener }) => Effect.flatMap(dial(listener), (client) => Effect.flip(Effect.asVoid(client.receive()))),
        { onError: failures.handler }
      )
      same(failures.seen.map(({ text }) => text), ["Error: no effect"], "the failures")
    })
  ),
  test(
    "C11 a peer that hangs up between two messages is a normal end, one within a message is a failure",
    Effect.gen(function*() {
      const failures = keeping()
      const lines: Handler = (socket) =>
        Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`)))
      yield* serving(lines, ({ listener, stats }) =>
        Effect.gen(function*() {
          const polite = yield* dial(listener)
          same(yield* ask(polite, "hello"), "hello", "the answer")
          yield* polite.shutdown("send")
          same((yield* polite.receiveAll()).length, 0, "what came after")
          const rude = yield* dial(listener)
          yield* rude.send("half a li")
          yield* rude.shutdown("send")
          yield* Effect.exit(rude.receiveAll())
          yield* until(Effect.map(stats, ({ active }) => active === 0))
          same((yield* stats).handlerFailures, 1, "the number of failures")
        }), { onError: failures.handler })
      same(failures.seen.map(({ socket }) => socket?.endsWith(":client_2")), [true], "who failed")
    })
  ),
  test(
    "C25 status counts the threads by what they do, and lists servers, sockets and timers",
    Effect.gen(function*() {
      yield* serving(
        (socket) =>
          Effect.flatMap(
            socket.receiveLine(),
            (line) => line === "write" ? Effect.forever(socket.send(new Uint8Array(100_000))) : Thread.pauseForever
          ),
        ({ listener }) =>
          Effect.gen(function*() {
            const clients = yield* Effect.replicateEffect(dial(listener), 3)
            yield* clients[0]!.send("write\n")
            yield* clients[1]!.send("pause\n")
            const sleeper = yield* Copas.addThread(Thread.pause("1 hours"), { name: "sleeper" })
            const waiter = yield* Copas.addThread(Effect.never, { name: "waiter" })
            yield* until(Effect.map(Copas.status, ({ counts }) =>
              counts.writing === 1 && counts.inactive === 1 && counts.reading === 1 && counts.sleeping === 1 &&
              counts.waiting >= 1))
            const status = yield* Copas.status
            same([status.running, status.exiting], [true, false], "running, exiting")
            same(status.sockets.length, 6, "the sockets")
            same(
              status.servers.map(({ active, name }) =>
                `${name} ${active}`
              ),
              ["busy 3"],
              "the servers"
            )
            holds(status.timers >= 1, "a timer is set")
            same(
              status.threads.filter(({ name }) => name === "sleeper").map(({ state }) => state),
              ["sleeping"],
              "its state"
            )
            yield* sleeper.interrupt
            yield* waiter.interrupt
            for (const client of clients) yield* client.abort
            yield* Copas.cancelAll
          }),
        { name: "busy", onError: () => Effect.void }
      )
      yield* nothingLeft
    })
  ),
  test(
    "C25 durations of the steps are there while statistics are on, and no reader takes them from another",
    Effect.gen(function*() {
      same((yield* Copas.status).durations, Option.none(), "the durations when they are off")
      yield* Copas.setStatistics(true)
      yield* Copas.run(Effect.forEach([1, 2, 3], () => turn))
      const first = Option.getOrThrow((yield* Copas.status).durations)
      holds(first.steps >= 3, "it counted the steps")
      holds(
        first.minMillis <= first.averageMillis && first.averageMillis <= first.maxMillis,
        "the average lies between"
      )
      same((yield* Copas.status).durations, Option.some(first), "the durations for a second reader")
      same(Status.durationsSince(Option.some(first), Option.some(first)), Option.none(), "a difference of nothing")
      yield* Copas.run(Effect.forEach([1, 2, 3], () => turn))
      const second = Option.getOrThrow((yield* Copas.status).durations)
      const since = Option.getOrThrow(Status.durationsSince(Option.some(first), Option.some(second)))
      same(since.steps, second.steps - first.steps, "the steps since")
      same(since.averageMillis, (second.totalMillis - first.totalMillis) / since.steps, "their average")
      holds(second.minMillis <= first.minMillis && second.maxMillis >= first.maxMillis, "least and most are ever")
      yield* Copas.setStatistics(false)
      yield* Copas.run(turn)
      same((yield* Copas.status).durations, Option.none(), "the durations when they are off again")
    })
  ),
  test(
    "C27 a trace shows servers come and go, with their names",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.trace(({ event, name }) => events.push(`${event} ${name}`))
      yield* serving(echo, ({ listener }) => Effect.flatMap(dial(listener), (client) => ask(client, "hello")), {
        name: "echo"
      })
      for (
        const event of [
          "serverAdded echo",
          "threadAdded echo:handler_1",
          "threadEnded echo:handler_1",
          "serverRemoved echo"
        ]
      ) {
        holds(events.includes(event), `${event} was shown`)
      }
    })
  ),
  test(
    "C36 a client that sends without end does not hold the other clients up",
    serving(echo, ({ listener }) =>
      Effect.gen(function*() {
        const fast = yield* dial(listener)
        const line = `${"x".repeat(63)}\n`
        yield* Effect.fork(Effect.ignore(Effect.forever(fast.send(line.repeat(1000)))))
        yield* Effect.fork(Effect.ignore(Effect.forever(fast.receive())))
        yield* until(Effect.map(fast.stats, ({ bytesReceived }) => bytesReceived > 100_000))
        for (const question of ["one", "two", "three"]) {
          const other = yield* dial(listener)
          same(yield* ask(other, question), question, "the answer")
        }
        yield* fast.abort
      }), { onError: () => Effect.void })
  ),
  test(
    "S11 waiting for the first of several sockets is a race, and the others lose no byte",
    serving(echo, ({ listener }) =>
      Effect.gen(function*() {
        const [a, b] = [yield* dial(listener), yield* dial(listener)]
        yield* b.send("second\n")
        const first = yield* Effect.raceFirst(
          Effect.map(a.receiveLine(), (line) => ["a", line]),
          Effect.map(b.receiveLine(), (line) => ["b", line])
        )
        same(first, ["b", "second"], "who was first")
        same(yield* ask(a, "first"), "first", "the answer")
        same(yield* ask(b, "again"), "again", "the answer")
      }))
  ),
  ...released.map(({ how, serve }) =>
    test(
      `C04 ${how} that is released interrupts its handlers and closes their connections before what they use is released`,
      Effect.gen(function*() {
        const events: Array<string> = []
        const log = (text: string) => Effect.sync(() => events.push(text))
        const began = yield* Deferred.make<void>()
        const around = (inner: Effect.Effect<unknown, unknown>) =>
          Effect.scoped(Effect.gen(function*() {
            const used = yield* Used
            yield* Effect.addFinalizer(() => log(used.isOpen ? "handler ends" : "handler ends too late"))
            yield* Deferred.succeed(began, undefined)
            yield* inner
          }))
        const resource = Layer.scoped(
          Used,
          Effect.acquireRelease(Effect.sync((): { isOpen: boolean } => ({ isOpen: true })), (used) =>
            Effect.zipRight(
              log("released"),
              Effect.sync(() => {
                used.isOpen = false
              })
            ))
        )
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(Layer.provide(serve(around), resource), scope)
        const { sockets } = yield* Net.Net
        yield* until(Effect.map(Copas.status, ({ servers }) => servers.length === 1))
        const [server] = (yield* Copas.status).servers
        const port = Number(server!.address.split(":").pop())
        const client = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
        same(yield* ask(client, "hello"), "hello", "the answer")
        yield* Deferred.await(began)
        yield* Scope.close(scope, Exit.void)
        same(events, ["handler ends", "released"], "the order")
        same((yield* sockets).filter((one) => one !== client).length, 0, "connections of the server")
        holds(Exit.isFailure(yield* Effect.exit(ask(client, "again"))), "the connection is closed")
        yield* client.abort
        yield* nothingLeft
      }).pipe(Effect.scoped)
    )
  ),
  test(
    "C06 removing a server can interrupt its handlers, and one that removes its own server so continues",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        const server: Server.Server = yield* Copas.addServer(listener, (socket) =>
          Effect.gen(function*() {
            if ((yield* socket.receiveLine()) !== "end") return yield* Effect.never
            yield* Copas.removeServer(server, { interrupt: true })
            yield* socket.send("ended\n")
          }).pipe(
            Effect.onExit((exit) =>
              Effect.sync(() => events.push(Causes.wasInterrupted(exit) ? "interrupted" : "ended"))
            )
          ))
        const other = yield* dial(listener)
        yield* other.send("wait\n")
        yield* until(Effect.map(server.stats, ({ active }) => active === 1))
        const client = yield* dial(listener)
        same(yield* ask(client, "end"), "ended", "the answer")
      }))
      same(events, ["interrupted", "ended"], "the handlers' ends")
      yield* nothingLeft
    })
  ),
  test(
    "C06 removing a datagram server can interrupt its handler, whatever that waits for, and closes the socket",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const socket = yield* Udp.bind({ host: "127.0.0.1" })
        const server = yield* Copas.addServer(
          socket,
          () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("interrupted")))
        )
        yield* turn
        yield* Copas.removeServer(server, { interrupt: true })
        same(events, ["interrupted"], "the handler's end")
        yield* failure(socket.send("closed"), "SocketClosed")
      }))
      yield* nothingLeft
    })
  )
]
