/**
 * Sockets of `node:net` and of this library: each as the other.
 *
 * @since 0.1.0
 */
import { Net } from "@copas/core/Net"
import type * as CopasSocket from "@copas/core/Socket"
import type { InvalidOption, SocketClosed, UnsupportedOption } from "@copas/core/SocketError"
import type { CommonOptions } from "@copas/core/SocketOptions"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as NodeNet from "node:net"
import type { Duplex } from "node:stream"
import type * as NodeTls from "node:tls"
import { lend as lendStream } from "./internal/net/lending.js"
import { NodeTransport } from "./internal/net/transport.js"

/** A connected socket that has no address is a Unix-domain one. */
const isUnix = (socket: NodeNet.Socket): boolean =>
  !socket.connecting && !socket.destroyed && !("port" in socket.address())

/**
 * Takes over a connected socket of `node:net`: from now on the library reads and writes it, and the scope closes it.
 *
 * Make the socket with `allowHalfOpen: true`: without it Node ends the sending side as soon as the peer finishes, so
 * replies to a peer that half-closes can be lost. Bytes that Node had buffered are delivered first. The program must not
 * read from or write to the Node socket afterwards.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNodeSocket = (
  socket: NodeNet.Socket,
  options?: CommonOptions
): Effect.Effect<CopasSocket.Socket, InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.flatMap(Net, (net) =>
    net.adopt(() => {
      socket.removeAllListeners("data")
      socket.removeAllListeners("end")
      socket.allowHalfOpen = true
      return new NodeTransport(socket, isUnix(socket) ? "" : undefined, options ?? {})
    }, options))

/**
 * The stream of a lent socket.
 *
 * @since 0.2.0
 * @category models
 */
export interface Lent {
  /** Node's own socket where the transport is Node's; anywhere else a `Duplex` with what libraries call on sockets. */
  readonly stream: NodeNet.Socket | NodeTls.TLSSocket | Duplex
  readonly isNative: boolean
}

/**
 * Lends a socket to a library of Node's that wants one (undici, node:http, node:http2, ws, drivers of databases): the
 * counterpart of `fromNodeSocket`.
 *
 * On Node's network the stream is the very `net.Socket` or `tls.TLSSocket`, so nothing is paid a byte. Anywhere else, as in
 * the network in memory, and for a socket made with `readSize` or `requireCloseNotify` or whose peer has finished already,
 * it is a `Duplex` over the socket. Bytes that came before are the first that it reads, and what was sent before goes out
 * first.
 *
 * From then on whoever has the stream reads and writes it: `receive`, `send` and `Tls.upgrade` fail with `SocketClosed`,
 * `by: "lent"`. These stay the library's:
 *
 * - the name, `stats`, and the network's `bytes`; the trace shows the end, and on Node's own sockets no single chunk
 * - `timeouts.receive`, while the stream awaits bytes, and `timeouts.send`, while bytes wait to go out: if nothing moves in
 *   either direction for that long, the stream is destroyed with a `SocketTimeout`. A time-out is never early, and late by
 *   a quarter of it at most
 * - `abort`, and the scope: leaving it ends the stream. After success what was written is flushed, within `linger`. So wait
 *   for the stream's "close" before leaving a handler
 *
 * A connected socket ends when its peer does, as those of `net.connect`; set `stream.allowHalfOpen` if it must not. An
 * accepted one is half-open, as those of node:http.
 *
 * Fails with `SocketClosed` if the socket is closed, broken, shut down for sending, or lent already. *Interruption* does
 * nothing: it does not wait.
 *
 * @since 0.2.0
 * @category conversions
 * @example
 * ```ts
 * import { Copas, Net } from "@copas/core"
 * import { NodeCopas, NodeSocket } from "@copas/node"
 * import { Effect } from "effect"
 * import * as Http from "node:http"
 *
 * const http = Http.createServer((request, response) => response.end(`you asked for ${request.url}`))
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
 *   const server = yield* Copas.addServer(listener, (socket) =>
 *     Effect.gen(function*() {
 *       const { stream } = yield* NodeSocket.lend(socket)
 *       http.emit("connection", stream)
 *       yield* Effect.async<void>((resume) => void stream.once("close", () => resume(Effect.void)))
 *     }))
 *   const response = yield* Effect.promise(() => fetch(`http://127.0.0.1:${listener.port}/page`))
 *   console.log(yield* Effect.promise(() => response.text())) // you asked for /page
 *   yield* Copas.removeServer(server)
 * })
 *
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(NodeCopas.layer)))
 * ```
 */
export const lend: (socket: CopasSocket.Socket) => Effect.Effect<Lent, SocketClosed> = lendStream
