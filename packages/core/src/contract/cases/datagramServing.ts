/** A datagram socket as a server of the dispatcher. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Copas from "../../Copas.js"
import type { DatagramSocket } from "../../DatagramSocket.js"
import { Net } from "../../Net.js"
import * as Thread from "../../Thread.js"
import { bound, connectedTo } from "./datagramSupport.js"
import { type Case, failure, holds, same, test, textOf, until } from "./support.js"

/** A dispatcher on the network at hand. */
const dispatched = <A, E, R>(program: Effect.Effect<A, E, R | Copas.Copas>) =>
  Effect.flatMap(Net, (net) => Effect.provide(program, Layer.provide(Copas.layer, Layer.succeed(Net, net))))

const echo = (socket: DatagramSocket) =>
  socket.receiveFrom.pipe(
    Effect.flatMap(({ data, from }) => socket.sendTo(data, from)),
    Effect.forever
  )

const ask = (server: DatagramSocket, text: string) =>
  Effect.scoped(Effect.gen(function*() {
    const client = yield* connectedTo(server)
    yield* client.send(text)
    return textOf(yield* client.receive())
  }))

export const cases: ReadonlyArray<Case> = [
  test(
    "C05 a datagram socket is served by one thread, name:handler, which gets the socket",
    dispatched(Copas.run(Effect.gen(function*() {
      const socket = yield* bound()
      const names: Array<string> = []
      const server = yield* Copas.addServer(socket, (given) =>
        Effect.gen(function*() {
          holds(given === socket, "the handler gets the socket")
          names.push(Option.match(yield* Thread.current, { onNone: () => "", onSome: ({ name }) => name }))
          return yield* echo(given)
        }), { name: "echo" })
      same(server.name, "echo")
      same(yield* ask(socket, "one"), "one")
      same(yield* ask(socket, "two"), "two")
      same(names, ["echo:handler"])
      yield* Copas.removeServer(server)
    })))
  ),
  test(
    "C05 removing the server closes the socket and ends the handler, and the dispatcher ends with it",
    dispatched(Effect.gen(function*() {
      const failures: Array<unknown> = []
      yield* Copas.setErrorHandler((cause) => Effect.sync(() => failures.push(cause)))
      yield* Copas.run(Effect.gen(function*() {
        const socket = yield* bound()
        const server = yield* Copas.addServer(socket, echo)
        same(yield* ask(socket, "ping"), "ping")
        yield* Copas.removeServer(server)
        yield* failure(socket.receive(), "SocketClosed")
      }))
      same(failures, [])
    }))
  ),
  test(
    "C05 with keepOpen the socket stays, and can be added again",
    dispatched(Copas.run(Effect.gen(function*() {
      const socket = yield* bound()
      const first = yield* Copas.addServer(socket, echo)
      same((yield* failure(Copas.addServer(socket, echo), "InvalidOption")).option, "socket")
      same(yield* ask(socket, "first"), "first")
      yield* Copas.removeServer(first, { keepOpen: true })
      const second = yield* Copas.addServer(socket, echo)
      same(yield* ask(socket, "second"), "second")
      yield* Copas.removeServer(second)
    })))
  ),
  test(
    "C05 a socket is not closed when its handler ends, unless that is asked for",
    dispatched(Copas.run(Effect.gen(function*() {
      const kept = yield* bound()
      yield* Copas.addServer(kept, () => Effect.void)
      const closed = yield* bound()
      yield* Copas.addServer(closed, () => Effect.void, { autoClose: true })
      yield* until(
        Effect.map(
          Effect.flatMap(Net, (net) => net.datagramSockets),
          (open) => !open.some((socket) => socket.id === closed.id)
        )
      )
      const client = yield* connectedTo(kept)
      yield* client.send("still open")
      same(textOf(yield* kept.receive()), "still open")
    })))
  ),
  test(
    "C11 the failure of a datagram handler goes to the error handler with its socket, and ends nothing else",
    dispatched(Copas.run(Effect.gen(function*() {
      const socket = yield* bound({ name: "fragile" })
      const told = yield* Deferred.make<string>()
      yield* Copas.addServer(socket, () => Effect.fail("broken"), {
        onError: (_, { socket, thread }) =>
          Effect.asVoid(Deferred.succeed(
            told,
            `${thread.name} ${Option.match(socket, { onNone: () => "", onSome: ({ name }) => name })}`
          ))
      })
      same(yield* Deferred.await(told), "fragile:handler fragile")
    })))
  ),
  test(
    "C17 a datagram server's time-outs are its socket's",
    dispatched(Copas.run(Effect.gen(function*() {
      const socket = yield* bound()
      const ended = yield* Deferred.make<string>()
      yield* Copas.addServer(
        socket,
        (socket) =>
          Effect.flatMap(failure(socket.receive(), "SocketTimeout"), (error) => Deferred.succeed(ended, error._tag)),
        { timeouts: { receive: 0 } }
      )
      same(yield* Deferred.await(ended), "SocketTimeout")
    })))
  ),
  test(
    "C05 a socket that is closed, or whose scope has ended, cannot be added: SocketClosed",
    dispatched(Effect.gen(function*() {
      const ended = yield* Effect.scoped(bound())
      const closed = yield* bound()
      yield* closed.close
      for (const socket of [ended, closed]) {
        const error = yield* failure(Copas.addServer(socket, echo), "SocketClosed")
        same([error.operation, error.by], ["serve", "here"])
      }
      const { servers, threads } = yield* Copas.status
      same([servers.length, threads.length], [0, 0], "servers, threads")
    }))
  )
]
