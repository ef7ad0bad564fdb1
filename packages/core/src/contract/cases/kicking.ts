/** A handler whose socket somebody else closes. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Copas from "../../Copas.js"
import type * as Listener from "../../Listener.js"
import type * as Server from "../../Server.js"
import type { Socket } from "../../Socket.js"
import * as Udp from "../../Udp.js"
import { dial, type DispatcherCase, type Handler, keeping, serving, test } from "./dispatcherSupport.js"
import { connected, failure, isOpen, outcome, same, until } from "./support.js"

/** Every way in which a handler meets the end of its socket. */
const conversations: Readonly<Record<string, Handler>> = {
  "reads lines in a loop": (socket) => socket.forEachLine((line) => socket.send(`${line}\n`)),
  "reads chunks in a loop": (socket) => socket.forEachChunk((chunk) => socket.send(chunk)),
  "waits for a length": (socket) => Effect.forever(socket.receiveExactly(100)),
  "waits for everything": (socket) => socket.receiveAll(),
  "sends to a peer that does not read": (socket) => Effect.forever(socket.send(new Uint8Array(100_000))),
  "reads and writes at once, within a span": (socket) =>
    Effect.withSpan(
      Effect.all([Effect.forever(socket.receiveLine()), Effect.forever(socket.send(new Uint8Array(100_000)))], {
        concurrency: "unbounded"
      }),
      "talk"
    ),
  "closes it again": (socket) => Effect.catchAll(Effect.forever(socket.receive()), () => socket.close)
}

/** Serves `handler` to one client, and gives its socket to `use`; how many failures there were, and which were reported. */
const served = (handler: Handler, use: (socket: Socket) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    const failures = keeping()
    const sockets: Array<Socket> = []
    let count = -1
    const keep: Handler = (socket) => Effect.zipRight(Effect.sync(() => sockets.push(socket)), handler(socket))
    yield* serving(keep, ({ listener, stats }: Server.Server<Listener.InetListener>) =>
      Effect.gen(function*() {
        const client = yield* dial(listener)
        yield* client.send("begun")
        yield* until(Effect.sync(() => sockets.length === 1))
        yield* until(Effect.map(sockets[0]!.stats, ({ bytesReceived }) => bytesReceived > 0))
        yield* use(sockets[0]!)
        yield* until(Effect.map(Copas.status, ({ threads }) => threads.every(({ name }) => !name.includes("handler"))))
        yield* client.abort
        count = (yield* stats).handlerFailures
      }), { onError: failures.handler })
    return [count, failures.seen.map(({ text }) => text)] as const
  })

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  ...Object.entries(conversations).map(([how, handler]) =>
    test(
      `C24 a handler that ${how} has ended normally when its socket is closed here`,
      Effect.gen(function*() {
        same(yield* served(handler, (socket) => socket.startClose), [0, []], "failures after startClose")
        same(yield* served(handler, (socket) => socket.abort), [0, []], "failures after abort")
      })
    )
  ),
  test(
    "C24 sending after a half-close, and another socket's end, are failures of the handler nevertheless",
    Effect.scoped(Effect.gen(function*() {
      const { client } = yield* connected()
      yield* client.close
      const mistakes: ReadonlyArray<Handler> = [
        (socket) => Effect.zipRight(socket.shutdown("send"), socket.send("more")),
        (socket) => Effect.zipRight(socket.shutdown("receive"), socket.receive()),
        () => client.receive(),
        (socket) => Effect.zipRight(Effect.ignore(Effect.forever(socket.receive())), client.receive())
      ]
      for (const mistake of mistakes) {
        const [count, texts] = yield* served(mistake, (socket) => Effect.ignore(socket.startClose))
        same([count, texts.length], [1, 1], "the failures")
      }
    }))
  ),
  test(
    "C24 startClose fails pending reads, does not wait for the peer, and delivers what was sent",
    Effect.scoped(Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { linger: "1 hours" } })
      const reading = yield* Effect.fork(server.receiveLine())
      yield* Effect.yieldNow()
      yield* server.send("you were kicked\n")
      // The clock stands still: a close that waits for the peer would never return.
      yield* server.startClose
      same((yield* Effect.flip(Fiber.join(reading)))._tag, "SocketClosed", "the pending read")
      same((yield* failure(server.startClose, "SocketClosed")).operation, "close", "the second close")
      same(yield* client.receiveLine(), "you were kicked", "what was sent")
      same((yield* failure(client.receive(), "SocketClosed")).by, "peer", "the end")
      same(yield* isOpen(server), true, "lingering")
      yield* client.close
      yield* until(Effect.map(isOpen(server), (open) => !open))
    }))
  ),
  test(
    "C05 a datagram handler has ended normally when its own socket is closed, not when another is",
    Effect.gen(function*() {
      const failures = keeping()
      yield* Copas.run(Effect.gen(function*() {
        const bind = Udp.bind({ host: "127.0.0.1", port: 0 })
        const [own, both, other, another] = [yield* bind, yield* bind, yield* bind, yield* bind]
        let begun = 0
        const serve = (socket: typeof own, read: Effect.Effect<unknown, unknown>) =>
          Copas.addServer(socket, () => Effect.zipRight(Effect.sync(() => (begun += 1)), read), {
            onError: failures.handler
          })
        yield* serve(own, Effect.forever(own.receiveFrom))
        yield* serve(both, Effect.all([Effect.forever(both.receiveFrom), Effect.never], { concurrency: "unbounded" }))
        yield* serve(other, Effect.forever(another.receiveFrom))
        yield* until(Effect.sync(() => begun === 3))
        const closing = yield* Effect.fork(
          Effect.zipRight(Effect.zipRight(own.close, both.close), Effect.zipRight(another.close, other.close))
        )
        yield* outcome(closing)
      }))
      same(failures.seen.length, 1, "the failures")
    })
  )
]
