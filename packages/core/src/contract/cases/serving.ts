/** Servers of the dispatcher: accepting, limits, names, and how they end. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import * as Net from "../../Net.js"
import * as NetAddress from "../../NetAddress.js"
import type * as Socket from "../../Socket.js"
import * as Thread from "../../Thread.js"
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
import { failure, holds, listening, pattern, same, turn, until } from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C04 a server's handlers and sockets have names after the server, counted up, and default ones after the address",
    Effect.gen(function*() {
      const names: Array<string> = []
      const handler: Handler = (socket) =>
        Effect.gen(function*() {
          const thread = Option.getOrThrow(yield* Thread.current)
          names.push(`${socket.name} ${thread.name}`)
          yield* socket.send("done\n")
        })
      yield* serving(handler, ({ listener, name }) =>
        Effect.gen(function*() {
          same(name, "echo", "the server's name")
          for (let index = 0; index < 2; index += 1) yield* (yield* dial(listener)).receiveLine()
        }), { name: "echo" })
      yield* serving(handler, ({ listener, name }) =>
        Effect.gen(function*() {
          same(name, NetAddress.format(listener.address), "the server's name")
          yield* (yield* dial(listener)).receiveLine()
          same(names[2], `${name}:client_1 ${name}:handler_1`, "the default names")
        }))
      same(names.slice(0, 2), ["echo:client_1 echo:handler_1", "echo:client_2 echo:handler_2"], "the names")
    })
  ),
  test(
    "C04 accepted sockets inherit the listener's time-outs, and the server's own come first",
    Effect.gen(function*() {
      const seen: Array<ReadonlyArray<number>> = []
      const handler: Handler = (socket) =>
        Effect.sync(() => {
          const { receive, send } = socket.timeouts
          seen.push([send, receive].map((input) => Duration.toMillis(input ?? Duration.infinity)))
        })
      yield* serving(handler, ({ listener }) => Effect.flatMap(dial(listener), (socket) => socket.receiveAll()), {
        timeouts: { receive: "5 seconds" },
        listen: { timeouts: { send: "2 seconds", receive: "3 seconds" } }
      })
      same(seen, [[2000, 5000]], "the time-outs")
    })
  ),
  test(
    "C17 a handler whose client says nothing times out, and its error handler gets the socket",
    Effect.gen(function*() {
      const failures = keeping()
      yield* serving(echo, ({ listener }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* until(Effect.map(Copas.status, ({ counts }) => counts.reading === 1))
          yield* TestClock.adjust("30 seconds")
          const end = yield* Effect.flip(Effect.asVoid(client.receive()))
          holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "the client is told")
        }), { name: "echo", timeouts: { receive: "30 seconds" }, onError: failures.handler })
      same(
        failures.seen.map(({ socket, thread }) => [thread, socket]),
        [["echo:handler_1", "echo:client_1"]],
        "who failed"
      )
    })
  ),
  test(
    "C04 no more than maxConnections are open at once; more wait, and are served in order",
    Effect.gen(function*() {
      let open = 0
      let most = 0
      const handler: Handler = (socket) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            open += 1
            most = Math.max(most, open)
          }),
          () => echo(socket),
          () => Effect.sync(() => (open -= 1))
        )
      yield* serving(handler, ({ listener, stats }) =>
        Effect.gen(function*() {
          const clients = yield* Effect.replicateEffect(dial(listener), 5)
          for (const [index, client] of clients.entries()) {
            same(yield* ask(client, `${index}`), `${index}`, "the answer")
            same((yield* stats).connections, Math.min(2 + index, 5), "how many were handed to a handler")
            yield* client.close
            yield* until(Effect.map(stats, ({ connections }) => connections >= Math.min(3 + index, 5)))
          }
        }), { maxConnections: 2 })
      same(most, 2, "the most at once")
    })
  ),
  test(
    "C04 a wrong option of addServer is InvalidOption",
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const listener = yield* listening()
        for (const options of [{ maxConnections: 0 }, { maxConnections: 1.5 }, { timeouts: { receive: -1 } }]) {
          const error = yield* failure(Copas.addServer(listener, echo, options), "InvalidOption")
          holds(error.message.includes("must be"), error.message)
        }
      }))
      same((yield* Copas.status).servers, [], "the servers")
    })
  ),
  test(
    "C39 a listener that is closed, or whose scope has ended, cannot be added: ListenerClosed",
    Effect.gen(function*() {
      yield* Copas.run(Effect.gen(function*() {
        const ended = yield* Effect.scoped(listening())
        const closed = yield* listening()
        yield* closed.close
        const removed = yield* listening()
        yield* Copas.removeServer(yield* Copas.addServer(removed, echo))
        for (const listener of [ended, closed, removed]) {
          const error = yield* failure(Copas.addServer(listener, echo), "ListenerClosed")
          same(error.address, NetAddress.format(listener.address), "the address")
        }
      }))
      yield* nothingLeft
    })
  ),
  test(
    "C39 a listener that a server has cannot be added again: InvalidOption, and the server continues",
    Copas.run(Effect.gen(function*() {
      const listener = yield* listening()
      const server = yield* Copas.addServer(listener, echo)
      const error = yield* failure(Copas.addServer(listener, () => Effect.void), "InvalidOption")
      holds(error.message.includes("keepOpen"), error.message)
      const client = yield* dial(listener)
      same(yield* ask(client, "hello"), "hello", "the answer")
      yield* client.close
      yield* Copas.removeServer(server)
    }))
  ),
  test(
    "C06 removing a server stops accepting, closes the listener, and lets handlers continue",
    Copas.run(Effect.gen(function*() {
      const listener = yield* listening()
      const server = yield* Copas.addServer(listener, echo)
      const client = yield* dial(listener)
      same(yield* ask(client, "before"), "before", "the answer")
      yield* Copas.removeServer(server)
      same((yield* Copas.status).servers, [], "the servers")
      yield* failure(listener.accept, "ListenerClosed")
      same(yield* ask(client, "after"), "after", "the answer")
      yield* Copas.removeServer(server)
      yield* client.close
    }))
  ),
  test(
    "C06 with keepOpen the listener stays, clients that connect meanwhile wait, and adding it again serves them",
    Copas.run(Effect.gen(function*() {
      const listener = yield* listening()
      const first = yield* Copas.addServer(listener, echo)
      yield* Copas.removeServer(first, { keepOpen: true })
      const client = yield* dial(listener)
      yield* client.send("waited\n")
      yield* until(Effect.map(listener.stats, ({ pending }) => pending === 1))
      const second = yield* Copas.addServer(listener, echo)
      same(yield* client.receiveLine(), "waited", "the answer")
      yield* client.close
      // The first one is gone already: removing it again does not touch the second.
      yield* Copas.removeServer(first, { keepOpen: true })
      const other = yield* dial(listener)
      same(yield* ask(other, "again"), "again", "the answer")
      yield* other.close
      yield* Copas.removeServer(second)
    }))
  ),
  test(
    "C01 a server keeps run going, and so does a connection whose handler has ended but still flushes",
    Effect.gen(function*() {
      const all = pattern(2_000_000)
      const got = yield* Deferred.make<Uint8Array, unknown>()
      const copas = yield* Copas.Copas
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening({ linger: "2 seconds", sendHighWaterMark: 4_000_000 })
        const send: Handler = (socket) =>
          Effect.zipRight(socket.send(all), Effect.provideService(Copas.exit, Copas.Copas, copas))
        yield* Copas.addServer(listener, send)
        yield* Effect.forkDaemon(Effect.scoped(Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* Deferred.complete(got, client.receiveAll())
        })))
        yield* Effect.yieldNow()
      }))
      same(yield* Deferred.await(got), all, "what the client got")
      yield* nothingLeft
    })
  ),
  test(
    "C09 the socket is closed when its handler ends, and left to the caller with autoClose false",
    Effect.gen(function*() {
      const kept: Array<Socket.Socket> = []
      yield* serving(() => Effect.void, ({ listener }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          same((yield* client.receiveAll()).length, 0, "what came before the end")
        }))
      yield* serving((socket) => Effect.sync(() => kept.push(socket)), ({ listener, stats }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* until(Effect.sync(() => kept.length === 1))
          yield* until(Effect.map(stats, ({ active }) => active === 0))
          yield* kept[0]!.send("still open\n")
          same(yield* client.receiveLine(), "still open", "the line")
          yield* kept[0]!.abort
        }), { autoClose: false })
      yield* nothingLeft
    })
  ),
  test(
    "S02 a client that half-closes at once gets every reply of its handler",
    Effect.gen(function*() {
      const handler: Handler = (socket) =>
        Effect.gen(function*() {
          const lines = (yield* socket.receiveAll()).length
          yield* turn
          yield* socket.send(`${lines} bytes\n`)
          yield* turn
          yield* socket.send(pattern(1_000_000))
        })
      yield* serving(handler, ({ listener }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* client.send("question")
          yield* client.shutdown("send")
          same(yield* client.receiveLine(), "8 bytes", "the reply")
          same(yield* client.receiveAll(), pattern(1_000_000), "the rest")
        }))
      yield* nothingLeft
    })
  ),
  test(
    "C10 exit stops accepting, and handlers continue to their end",
    Effect.gen(function*() {
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        yield* Copas.addServer(listener, echo)
        const client = yield* dial(listener)
        same(yield* ask(client, "before"), "before", "the answer")
        yield* Copas.exit
        yield* failure(listener.accept, "ListenerClosed")
        same(yield* ask(client, "after"), "after", "the answer")
        yield* client.close
      }))
      yield* nothingLeft
    })
  ),
  test(
    "C16 a handler that pauses is woken by another thread",
    Effect.gen(function*() {
      const paused = yield* Deferred.make<Thread.Thread>()
      const handler: Handler = (socket) =>
        Effect.gen(function*() {
          yield* Deferred.succeed(paused, Option.getOrThrow(yield* Thread.current))
          const slept = yield* Thread.pauseForever
          yield* socket.send(`slept ${Duration.toMillis(slept)}\n`)
        })
      yield* serving(handler, ({ listener }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          const thread = yield* Deferred.await(paused)
          yield* until(Effect.map(Copas.status, ({ counts }) => counts.inactive === 1))
          yield* TestClock.adjust("7 seconds")
          same(yield* thread.wakeup, true, "it was asleep")
          same(yield* client.receiveLine(), "slept 7000", "the line")
        }))
    })
  ),
  test(
    "C10 a server that listens as a layer ends with the layer",
    Effect.gen(function*() {
      const free = yield* Effect.scoped(Effect.map(listening(), ({ port }) => port))
      const use = Effect.scoped(Effect.gen(function*() {
        const client = yield* Net.connect({ host: "127.0.0.1", port: free, linger: 0 })
        same(yield* ask(client, "hello"), "hello", "the answer")
      }))
      yield* Effect.provide(use, Copas.serve(echo, { host: "127.0.0.1", port: free, linger: 0 }))
      const refused = yield* Effect.either(Effect.scoped(Net.connect({ host: "127.0.0.1", port: free })))
      holds(Either.isLeft(refused), "nothing listens any more")
      yield* until(Effect.map(Copas.status, ({ threads }) => threads.length === 0))
    })
  ),
  test(
    "C01 many clients at once are all served",
    Effect.gen(function*() {
      yield* serving(echo, ({ listener, stats }) =>
        Effect.gen(function*() {
          const answers = yield* Effect.forEach(
            Array.from({ length: 300 }, (_, index) => `client ${index}`),
            (name) => Effect.scoped(Effect.flatMap(dial(listener), (client) => ask(client, name))),
            { concurrency: "unbounded" }
          )
          same(answers, Array.from({ length: 300 }, (_, index) => `client ${index}`), "the answers")
          same((yield* stats).connections, 300, "the connections")
        }))
      yield* nothingLeft
    })
  )
]
