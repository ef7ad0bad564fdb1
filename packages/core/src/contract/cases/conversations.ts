/** Which ends of conversations are normal: those by the socket's own peer, and no others. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type * as Server from "../../Server.js"
import type * as Socket from "../../Socket.js"
import { isEndOfConversation, SocketClosed } from "../../SocketError.js"
import { dial, type DispatcherCase, type Handler, keeping, nothingLeft, serving, test } from "./dispatcherSupport.js"
import { connected, failure, holds, listening, same, until } from "./support.js"

/** Connects to a backend that takes a question, and hangs up. */
const backend = (name: string): Effect.Effect<Socket.Socket, unknown, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const listener = yield* listening()
    const upstream = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, name })
    const server = yield* listener.accept
    yield* server.shutdown("send")
    return upstream
  })

/** A server with such a backend; when `use` is done the server is removed. */
const proxy = (
  handle: (client: Socket.Socket, upstream: Socket.Socket) => Effect.Effect<unknown, unknown>,
  use: (server: Server.Server<Listener.InetListener>, failures: ReturnType<typeof keeping>["seen"]) => Effect.Effect<
    unknown,
    unknown,
    Copas.Copas | Net.Net | Scope.Scope
  >
): Effect.Effect<unknown, unknown, Copas.Copas | Net.Net> =>
  Copas.run(Effect.gen(function*() {
    const failures = keeping()
    const listener = yield* listening({ linger: "1 hours" })
    const server = yield* Copas.addServer(
      listener,
      // Both sockets have the same name.
      (client) => Effect.flatMap(Effect.orDie(backend(client.name)), (upstream) => handle(client, upstream)),
      { onError: failures.handler }
    )
    yield* Effect.scoped(use(server, failures.seen))
    yield* Copas.removeServer(server)
  }))

const ends: Record<string, Handler> = {
  "in a span": (socket) => Effect.withSpan(Effect.forever(socket.receiveLine()), "lines"),
  "in both directions": (socket) =>
    Effect.all([
      Effect.forever(socket.receiveLine()),
      Effect.forever(Effect.zipRight(Effect.yieldNow(), Effect.sleep(1)))
    ], {
      concurrency: "unbounded"
    }),
  "read by two": (socket) =>
    Effect.all([Effect.forever(socket.receiveLine()), Effect.forever(socket.receiveLine())], {
      concurrency: "unbounded"
    }),
  "after another read": (socket) =>
    Effect.flatMap(
      Effect.flip(Effect.asVoid(socket.receiveLine())),
      (first) => Effect.zipRight(Effect.ignore(socket.receive()), Effect.fail(first))
    )
}

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C11 a handler that fails because another socket's peer hung up has failed: it is reported, and its own peer learns it",
    Effect.gen(function*() {
      yield* proxy(
        (_, upstream) => upstream.receiveLine(),
        ({ listener, stats }, failures) =>
          Effect.gen(function*() {
            const error = yield* Effect.scoped(
              Effect.flatMap(dial(listener), (client) => Effect.flip(Effect.asVoid(client.receive())))
            )
            holds(error._tag === "SocketClosed" || error._tag === "SocketBroken", "the peer is told")
            yield* until(Effect.map(stats, ({ active }) => active === 0))
            same((yield* stats).handlerFailures, 1, "the number of failures")
            same(failures.length, 1, "the failures that the error handler got")
            holds(failures[0]!.text.includes("the peer closed the connection"), failures[0]!.text)
          })
      )
      yield* nothingLeft
    })
  ),
  test(
    "C11 a handler that fails with its own peer's end and another's at once has failed",
    proxy(
      (client, upstream) =>
        Effect.gen(function*() {
          const own = yield* Effect.flip(client.receiveLine())
          const other = yield* Effect.flip(upstream.receiveLine())
          return yield* Effect.failCause(Causes.together(Cause.fail(own), Cause.fail(other)))
        }),
      ({ listener, stats }, failures) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* client.shutdown("send")
          yield* Effect.exit(client.receiveAll())
          yield* until(Effect.map(stats, ({ active }) => active === 0))
          same([(yield* stats).handlerFailures, failures.length], [1, 1], "the failures")
        })
    )
  ),
  test(
    "C11 its own peer's hanging up is a normal end however the handler read: in a span, in several fibers, told late",
    Effect.gen(function*() {
      const failures = keeping()
      for (const [name, handler] of Object.entries(ends)) {
        yield* serving(handler, ({ listener, stats }) =>
          Effect.gen(function*() {
            const client = yield* dial(listener)
            yield* client.shutdown("send")
            yield* client.receiveAll()
            yield* until(Effect.map(stats, ({ active }) => active === 0))
            same((yield* stats).handlerFailures, 0, `the number of failures ${name}`)
          }), { name, onError: failures.handler })
      }
      same(failures.seen, [], "the failures")
    })
  ),
  test(
    "C11 a proxy that ends with its client's hanging up has not failed",
    proxy(
      (client, upstream) =>
        Effect.zipRight(Effect.ignore(upstream.receiveLine()), Effect.forever(client.receiveLine())),
      ({ listener, stats }, failures) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* client.shutdown("send")
          yield* client.receiveAll()
          yield* until(Effect.map(stats, ({ active }) => active === 0))
          same([(yield* stats).handlerFailures, failures.length], [0, 0], "the failures")
        })
    )
  ),
  test(
    "C11 an end with a defect beside it is a failure",
    Effect.gen(function*() {
      const failures = keeping()
      const handler: Handler = (socket) =>
        Effect.ensuring(Effect.forever(socket.receiveLine()), Effect.die("a bad finalizer"))
      yield* serving(handler, ({ listener, stats }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* client.shutdown("send")
          yield* Effect.exit(client.receiveAll())
          yield* until(Effect.map(stats, ({ active }) => active === 0))
        }), { onError: failures.handler })
      same(failures.seen.length, 1, "the number of failures")
    })
  ),
  test(
    "S13 forEachLine ends with its own peer, and passes on the end of what its body reads elsewhere",
    Effect.scoped(Effect.gen(function*() {
      const upstream = yield* backend("")
      const { client, server } = yield* connected()
      yield* client.send("a line\n")
      const ends = [
        server.forEachLine(() => upstream.receiveLine()),
        server.forEachChunk(() => upstream.receiveLine())
      ]
      for (const end of ends) {
        yield* client.send("a line\n")
        const error = yield* failure(end, "SocketClosed")
        same([isEndOfConversation(error), isEndOfConversation(error, upstream)], [true, true], "the backend's end")
        same(isEndOfConversation(error, server), false, "the client's end")
      }
    }))
  ),
  test(
    "C09 a scope that is left with another socket's end cuts, with its own socket's end lingers",
    Effect.scoped(Effect.gen(function*() {
      const listener = yield* listening()
      for (const isOwn of [true, false]) {
        const leaving = yield* Effect.fork(Effect.exit(Effect.scoped(Effect.gen(function*() {
          const upstream = yield* backend("")
          const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: "7 seconds" })
          return yield* (isOwn ? socket : upstream).receiveLine()
        }))))
        const server = yield* listener.accept
        if (isOwn) {
          yield* server.shutdown("send")
          yield* server.receiveAll()
        } else {
          // It is gone without the clock moving.
          yield* Effect.exit(server.receive())
        }
        yield* leaving.await
      }
    }))
  ),
  test(
    "S12 the end of a conversation equals one made by hand, and crosses a boundary: then it is no socket's any more",
    Effect.scoped(Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.shutdown("send")
      const end = yield* failure(server.receiveLine(), "SocketClosed")
      const fields = { operation: end.operation, socket: end.socket, by: end.by, partial: end.partial, bytesSent: 0 }
      const made = new SocketClosed(fields)
      same([Equal.equals(end, made), JSON.stringify(end)], [true, JSON.stringify(made)], "as one made by hand")
      const decoded = yield* Schema.decode(SocketClosed)(yield* Schema.encode(SocketClosed)(end))
      same([isEndOfConversation(end, server), isEndOfConversation(end, client)], [true, false], "the end's socket")
      same([isEndOfConversation(decoded), isEndOfConversation(decoded, server)], [true, false], "the decoded end")
    }))
  )
]
