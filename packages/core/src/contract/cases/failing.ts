/** What the peer gets of a connection whose handler fails. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import type * as Net from "../../Net.js"
import type { ServerOptions } from "../../Server.js"
import type { Socket } from "../../Socket.js"
import { dial, type DispatcherCase, type Handler, keeping, test } from "./dispatcherSupport.js"
import { failure, holds, listening, outcome, pattern, same, until } from "./support.js"

type ScopedHandler = (socket: Socket) => Effect.Effect<unknown, unknown, Scope.Scope>

/** Every way in which a handler that has answered fails. */
export const failing: Readonly<Record<string, ScopedHandler>> = {
  "fails": (socket) => Effect.zipRight(socket.send("500 sorry\n"), Effect.fail("no")),
  "dies": (socket) => Effect.zipRight(socket.send("500 sorry\n"), Effect.die("no")),
  "throws": (socket) =>
    Effect.map(socket.send("500 sorry\n"), () => {
      throw new Error("no")
    }),
  "succeeds and its finalizer dies": (socket) =>
    Effect.zipRight(Effect.addFinalizer(() => Effect.die("no")), socket.send("500 sorry\n")),
  "succeeds and its finalizer answers and dies": (socket) =>
    Effect.addFinalizer(() => Effect.zipRight(Effect.orDie(socket.send("500 sorry\n")), Effect.die("no"))),
  "fails in one of two fibers": (socket) =>
    Effect.all([Effect.never, Effect.zipRight(socket.send("500 sorry\n"), Effect.fail("no"))], {
      concurrency: "unbounded"
    })
}

/** Every way in which a handler ends that has not answered in full. */
const endings: Readonly<Record<string, Effect.Effect<unknown, unknown, Scope.Scope>>> = {
  "fails": Effect.fail("no"),
  "dies": Effect.die("no"),
  "has a finalizer that dies": Effect.addFinalizer(() => Effect.die("no")),
  "is interrupted": Effect.interrupt
}

/** Serves `handler` after a first line, so that the connection stands, and shows that of a client to `use`. */
const answered = (
  handler: ScopedHandler,
  options: ServerOptions,
  use: (client: Socket) => Effect.Effect<unknown, unknown>
): Effect.Effect<unknown, unknown, Copas.Copas | Net.Net> =>
  Copas.run(Effect.gen(function*() {
    const listener = yield* listening({ linger: "2 seconds" })
    const asked: ScopedHandler = (socket) => Effect.zipRight(socket.receiveLine(), handler(socket))
    const server = yield* Copas.addServer(listener, asked, { onError: () => Effect.void, ...options })
    yield* Effect.scoped(Effect.gen(function*() {
      const client = yield* dial(listener)
      yield* client.send("go\n")
      yield* use(client)
    }))
    yield* Copas.removeServer(server)
  }))

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  ...Object.entries(failing).map(([how, handler]) =>
    test(
      `C09 what a handler sent arrives, and then the end, when it ${how}`,
      Effect.forEach([undefined, "close"] as const, (afterFailure) =>
        answered(handler, { afterFailure }, (client) =>
          Effect.gen(function*() {
            same(yield* client.receiveLine(), "500 sorry", "the answer")
            same((yield* failure(client.receive(), "SocketClosed")).by, "peer", "the end")
          })))
    )
  ),
  ...Object.entries(failing).map(([how, handler]) =>
    test(
      `C09 with afterFailure "reset" what a handler sent still goes out when it ${how}`,
      answered(handler, { afterFailure: "reset" }, (client) =>
        Effect.gen(function*() {
          same(yield* client.receiveLine(), "500 sorry", "the answer")
          holds(Exit.isFailure(yield* Effect.exit(client.receive())), "the peer is told")
        }))
    )
  ),
  ...Object.entries(endings).map(([how, ending]) =>
    test(
      `C09 with afterFailure "reset" the peer of a handler that ${how} within its answer is told by a reset`,
      answered(
        (socket) => Effect.zipRight(Effect.zipRight(socket.send("half an answer\n"), socket.receiveLine()), ending),
        { afterFailure: "reset" },
        (client) =>
          Effect.gen(function*() {
            same(yield* client.receiveLine(), "half an answer", "the answer")
            yield* client.send("continue\n")
            same((yield* failure(client.receive(), "SocketBroken")).reason, "Reset", "the end")
          })
      )
    )
  ),
  test(
    "C09 a handler that succeeds ends its connection in order, whatever afterFailure is",
    answered((socket) => socket.send("200 fine\n"), { afterFailure: "reset" }, (client) =>
      Effect.gen(function*() {
        same(yield* client.receiveLine(), "200 fine", "the answer")
        same((yield* failure(client.receive(), "SocketClosed")).by, "peer", "the end")
      }))
  ),
  test(
    "C09 a failed handler's megabytes arrive, also where it left what the peer sent unread",
    Effect.suspend(() => {
      const all = pattern(3_000_000)
      const handler: Handler = (socket) =>
        Effect.zipRight(Effect.zipRight(socket.receive({ maxBytes: 1 }), socket.send(all)), Effect.fail("no"))
      return answered(handler, {}, (client) =>
        Effect.gen(function*() {
          yield* client.send("a question of which one byte is read\n")
          same(yield* client.receiveAll(), all, "the bytes")
        }))
    })
  ),
  test(
    "C09 what a handler sent before it was interrupted goes out, and the connection is closed at once",
    answered(
      (socket) => Effect.zipRight(socket.send("bye\n"), Effect.interrupt),
      {},
      (client) =>
        Effect.gen(function*() {
          same(yield* client.receiveLine(), "bye", "the line")
          same((yield* failure(client.receive(), "SocketClosed")).by, "peer", "the end")
        })
    )
  ),
  test(
    "C26 cancelAll does not wait for the peer of a failed handler, whichever way the connection is to end",
    Effect.forEach(["close", "reset"] as const, (afterFailure) =>
      Effect.scoped(Effect.gen(function*() {
        const failures = keeping()
        const listener = yield* listening({ linger: "1 hours", sendHighWaterMark: 100_000_000 })
        const handler: Handler = (socket) => Effect.zipRight(socket.send(new Uint8Array(60_000_000)), Effect.fail("no"))
        yield* Copas.addServer(listener, handler, { afterFailure, onError: failures.handler })
        const client = yield* dial(listener, { highWaterMark: 1000 })
        yield* until(Effect.sync(() => failures.seen.length === 1))
        same((yield* Copas.status).servers.map(({ active }) => active), [1], "open connections, before")
        const cancelling = yield* Effect.fork(Copas.cancelAll)
        same(yield* outcome(cancelling), Exit.void, "the cancelling")
        holds(Exit.isFailure(yield* Effect.exit(Effect.forever(client.receive()))), "the peer is told")
      })))
  ),
  test(
    "C04 an afterFailure that is neither close nor reset is refused",
    Effect.scoped(Effect.gen(function*() {
      const listener = yield* listening()
      const added = Copas.addServer(listener, () => Effect.void, { afterFailure: "abort" as "reset" })
      const refusal = yield* failure(added, "InvalidOption")
      same([refusal.option, refusal.value], ["afterFailure", "\"abort\""], "the refusal")
    }))
  )
]
