/** Peers that speak something else, that hang up, and that do not read; and how a connection ends. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Copas from "../../Copas.js"
import { hasEnded } from "../../internal/effect/fibers.js"
import * as Net from "../../Net.js"
import type { ServerOptions } from "../../Server.js"
import type { TlsReason } from "../../TlsError.js"
import type { Certificates } from "../TlsMaterial.js"
import { failing } from "./failing.js"
import { begin, failure, holds, listening, same, settled, textOf, turn, until, utf8 } from "./support.js"
import { because, dialing, fixture, talks, test, type TlsCase, tlsErrorOf } from "./tlsSupport.js"

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  return [
    test(
      "T02 peers that speak something else are told apart, and never end the listener",
      Effect.gen(function*() {
        const listener = yield* tls.listening()
        const strange: ReadonlyArray<readonly [string | Uint8Array, TlsReason | undefined]> = [
          ["GET / HTTP/1.1\r\n\r\n", "PlaintextPeer"],
          ["EHLO somebody.test\r\n", "PlaintextPeer"],
          ["SSH-2.0-x\r\n", "PlaintextPeer"],
          [new Uint8Array(2000), "PlaintextPeer"],
          [new Uint8Array(3000).map((_, index) => (index * 7919) % 256), undefined],
          // A record of 64 KiB, a hello that is cut, an alert at once, application data at once.
          [new Uint8Array([0x16, 3, 1, 0xff, 0xff, 1, 0, 0]), undefined],
          [new Uint8Array([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]), undefined],
          [new Uint8Array([0x15, 3, 3, 0, 2, 2, 40]), undefined],
          [new Uint8Array([0x17, 3, 3, 0, 2, 2, 40]), undefined],
          ["", "ClosedInHandshake"]
        ]
        for (const [bytes, reason] of strange) {
          const peer = yield* dialing(listener)
          // It may be cut while it is still talking.
          const talking = yield* Effect.fork(Effect.zipRight(peer.send(bytes), peer.shutdown("send")))
          const error = yield* failure(listener.accept, "AcceptError")
          same(error.reason, "Handshake", "the reason")
          const cause = tlsErrorOf(yield* Effect.exit(Effect.fail(error)))
          if (reason === undefined) holds(cause !== undefined, "the cause is a TlsError")
          else because(cause, reason)
          yield* Fiber.await(talking)
          yield* peer.abort
        }
        const [client, server] = yield* Effect.all(
          [dialing(listener, yield* tls.clientContext()), listener.accept],
          { concurrency: 2 }
        )
        yield* talks({ client, server })
      })
    ),
    test(
      "T02 a server that greets in clear fails the client with `PlaintextPeer`",
      Effect.gen(function*() {
        const listener = yield* listening()
        const context = yield* tls.clientContext()
        const greeting = Effect.flatMap(listener.accept, (socket) => socket.send("220 mail.copas.test ESMTP\r\n"))
        const [exit] = yield* Effect.all([Effect.exit(dialing(listener, context)), greeting], { concurrency: 2 })
        because(tlsErrorOf(exit), "PlaintextPeer")
      })
    ),
    test(
      "T02 a server that hangs up in the handshake fails the client with `ClosedInHandshake`, by an end or by a reset",
      Effect.gen(function*() {
        const listener = yield* listening()
        const context = yield* tls.clientContext()
        const connecting = Effect.exit(dialing(listener, context))
        const closing = Effect.flatMap(
          listener.accept,
          (socket) => Effect.zipRight(socket.receive(), socket.shutdown("send"))
        )
        const [closed] = yield* Effect.all([connecting, closing], { concurrency: 2 })
        because(tlsErrorOf(closed), "ClosedInHandshake")
        const resetting = Effect.flatMap(
          listener.accept,
          (socket) => Effect.zipRight(socket.receiveExactly(10), socket.abort)
        )
        const [reset] = yield* Effect.all([connecting, resetting], { concurrency: 2 })
        because(tlsErrorOf(reset), "ClosedInHandshake")
      })
    ),
    test(
      "T02 an end is told by close_notify, and `requireCloseNotify` is content with it on both sides",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair({
          server: { requireCloseNotify: true },
          client: { requireCloseNotify: true }
        })
        const data = new Uint8Array(300_000).map((_, index) => index * 17)
        const [received] = yield* Effect.all(
          [client.receiveAll(), Effect.zipRight(server.send(data), server.shutdown("send"))],
          { concurrency: 2 }
        )
        same(received, data, "what came")
        yield* client.send("thanks")
        yield* client.shutdown("send")
        same(textOf(yield* server.receiveAll()), "thanks", "what came the other way")
      })
    ),
    test(
      "T02 a connection that is cut without close_notify is an end, and with `requireCloseNotify` a truncation",
      Effect.gen(function*() {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          for (const requireCloseNotify of [false, true]) {
            const { client, server } = yield* tls.pair({ server: { maxVersion, requireCloseNotify } })
            yield* client.send("half a mess")
            yield* until(Effect.map(server.stats, ({ bytesReceived }) => bytesReceived === 11))
            // Without lingering, closing drops the connection as it is: its end comes, but no close_notify.
            yield* client.close
            if (requireCloseNotify) {
              same((yield* failure(server.receiveAll(), "SocketBroken")).reason, "Truncated", "the reason")
            } else {
              same(textOf(yield* server.receiveAll()), "half a mess", "what came")
            }
          }
        }
      })
    ),
    test(
      "T02 a reset after the handshake is a reset",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair()
        const receiving = yield* begin(Effect.flip(server.receive()))
        yield* client.abort
        const error = yield* Fiber.join(receiving)
        same(error._tag === "SocketBroken" && error.reason, "Reset", "the reason")
      })
    ),
    test(
      "T02 a slow reader holds the sender up, and memory with it",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair()
        const sending = yield* Effect.fork(
          Effect.forEach(Array.from({ length: 128 }), () => server.send(new Uint8Array(65536)), { discard: true })
        )
        // It stops by itself: what waits on either side is bounded.
        const sent = Effect.map(server.stats, ({ bytesSent }) => bytesSent)
        const still = Effect.gen(function*() {
          const before = yield* sent
          for (let round = 0; round < 30; round += 1) yield* turn
          return before > 0 && before === (yield* sent)
        })
        yield* until(still)
        yield* settled(sending)
        same(hasEnded(sending), false, "being done")
        holds((yield* server.stats).sendBuffered < 512 * 1024, "what waits to be sent is bounded")
        holds((yield* client.stats).receiveBuffered < 512 * 1024, "what waits to be read is bounded")
        same((yield* client.receiveExactly(128 * 65536)).length, 128 * 65536, "how much came")
        yield* Fiber.join(sending)
      })
    ),
    test(
      "T02 what comes before a secure connection is accepted waits for it",
      Effect.gen(function*() {
        const listener = yield* tls.listening()
        const client = yield* dialing(listener, yield* tls.clientContext())
        yield* client.send("first\n")
        yield* client.shutdown("send")
        yield* until(Effect.map(listener.stats, ({ pending }) => pending === 1))
        const server = yield* listener.accept
        same(Option.isSome(server.tls), true, "being secure")
        same(yield* server.receiveAll(), utf8("first\n"), "what came")
      })
    ),
    ...Object.entries(failing).map(([how, handler]) =>
      test(
        `C09 over TLS what a handler sent arrives, and then the end, when it ${how}`,
        Effect.forEach(
          ["close", "reset"] as const,
          (afterFailure) =>
            Effect.gen(function*() {
              const context = yield* tls.serverContext()
              const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: "2 seconds", tls: context })
              const options: ServerOptions = { afterFailure, onError: () => Effect.void }
              const server = yield* Copas.addServer(
                listener,
                (socket) => Effect.zipRight(socket.receiveLine(), handler(socket)),
                options
              )
              const client = yield* dialing(listener, yield* tls.clientContext())
              yield* client.send("go\n")
              same(yield* client.receiveLine(), "500 sorry", "the answer")
              const end = yield* Effect.flip(client.receive())
              if (afterFailure === "close") {
                same([end._tag, Reflect.get(end, "by")], ["SocketClosed", "peer"], "the end")
              }
              yield* client.abort
              yield* Copas.removeServer(server, { interrupt: true })
            })
        )
      )
    )
  ]
}
