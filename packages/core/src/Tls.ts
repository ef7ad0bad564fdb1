/**
 * TLS: contexts that are built once, the handshake on a live socket, and what a secure connection says about itself.
 *
 * `Net.connect` and `Net.listen` take a context as their `tls` option; `upgrade` starts TLS in the middle of a protocol
 * (STARTTLS). Either way the socket is the same object as before, and `socket.tls` shows what was agreed. The peer is
 * verified unless a context turns that off explicitly.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Certificate } from "./Certificate.js"
import * as Contexts from "./internal/tls/contexts.js"
import * as Upgrade from "./internal/tls/upgrade.js"
import { TlsContextTypeId } from "./internal/typeIds.js"
import { Net } from "./Net.js"
import type { Socket } from "./Socket.js"
import type { InvalidOption, SendError, UnsupportedOption } from "./SocketError.js"
import type { ClientContext, ClientOptions, ServerContext, ServerOptions, UpgradeOptions } from "./TlsContext.js"
import type { TlsError } from "./TlsError.js"

export type { ClientContext, ServerContext } from "./TlsContext.js"

/**
 * Marks a TLS context: `isContext` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export { TlsContextTypeId as ContextTypeId }

/**
 * True if `u` is a TLS context, of a client or of a server.
 *
 * @since 0.1.0
 * @category guards
 */
export const isContext = (u: unknown): u is ClientContext | ServerContext => Predicate.hasProperty(u, TlsContextTypeId)

/**
 * Builds what the connections of a client share. Files are read and keys are checked now, and not when a connection is
 * made. Bad material fails with `TlsError`, reason `BadMaterial`: `part` says which it is, and the message what was found
 * there and what to do.
 *
 * *Interruption*: nothing was built, and nothing has to be released.
 *
 * @since 0.1.0
 * @category constructors
 */
export const client = (
  options: ClientOptions = {}
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.clientContext(net.tls, options))

/**
 * Builds what the connections of a server share: see `client`.
 *
 * *Interruption*: nothing was built, and nothing has to be released.
 *
 * @since 0.1.0
 * @category constructors
 */
export const server = (
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.serverContext(net.tls, options))

/**
 * Replaces the material of a server's context, with a renewed certificate for example. Listeners that use the context stay
 * open, and established connections continue. Bad material changes nothing. The handshake time-out stays as it was.
 *
 * *Interruption*: the context is either replaced or as before.
 *
 * @since 0.1.0
 * @category combinators
 */
export const replace = (
  context: ServerContext,
  options: ServerOptions
): Effect.Effect<void, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.replaceServer(net.tls, context, options))

/**
 * Replaces the key that a server's context seals tickets with by a fresh random one. The server no longer accepts earlier
 * tickets, so their clients do a full handshake. RFC 5077, section 5.5, advises to do this regularly.
 *
 * *Interruption*: the key is either replaced or as before.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rotateTicketKeys = (
  context: ServerContext
): Effect.Effect<void, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.rotateTickets(net.tls, context))

/**
 * Starts TLS on a connected socket, in the role that `context` is for: the step that follows the reply to STARTTLS. Bytes
 * that were sent before are flushed first, and the socket stays the same object.
 *
 * If bytes in clear arrived before, it fails with `BufferedPlaintext`: an attacker on the path may have injected them, so
 * that they would be read as if they came over TLS. (A server reads them as the beginning of the handshake if they look
 * like one.) A client should set `serverName`; otherwise only the address is verified.
 *
 * *Interruption*, like a failure, cuts the connection, because its state is unknown.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { type Socket, Tls } from "@copas/core"
 * import { Effect } from "effect"
 *
 * // RFC 3207: the client's side of STARTTLS
 * const startTls = (socket: Socket.Socket, context: Tls.ClientContext) =>
 *   Effect.gen(function*() {
 *     yield* socket.send("STARTTLS\r\n")
 *     const reply = yield* socket.receiveLine()
 *     if (!reply.startsWith("220")) return yield* Effect.fail(`refused: ${reply}`)
 *     yield* Tls.upgrade(socket, context, { serverName: "mail.example" })
 *   })
 * ```
 */
export const upgrade = (
  socket: Socket,
  context: ClientContext | ServerContext,
  options: UpgradeOptions = {}
): Effect.Effect<void, TlsError | SendError | InvalidOption | UnsupportedOption> =>
  Upgrade.upgrade(socket, context, options)

/**
 * Makes a connection handler that does the handshake first and then runs `handler`: Copas's `copas.handler(fn, sslparams)`.
 *
 * A listener with the `tls` option does its handshakes before it delivers connections, so that handshakes do not count
 * towards the server's limit of connections. Use this function for a server that has other work to do in clear.
 *
 * *Interruption* during the handshake cuts the connection.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Copas, Net, type Socket, Tls } from "@copas/core"
 * import { Effect } from "effect"
 *
 * const secureEcho = (context: Tls.ServerContext) =>
 *   Effect.gen(function*() {
 *     const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
 *     yield* Copas.addServer(
 *       listener,
 *       Tls.handler(context, (socket: Socket.Socket) => Effect.flatMap(socket.receiveLine(), (line) => socket.send(line)))
 *     )
 *   })
 * ```
 */
export const handler = <A, E, R, S extends Socket = Socket>(
  context: ClientContext | ServerContext,
  handler: (socket: S) => Effect.Effect<A, E, R>,
  options?: UpgradeOptions
): (socket: S) => Effect.Effect<A, E | TlsError | SendError | InvalidOption | UnsupportedOption, R> =>
(socket) => Effect.zipRight(upgrade(socket, context, options), Effect.suspend(() => handler(socket)))

/**
 * Reads one certificate, in PEM (the first of a bundle) or in DER. A certificate that is malformed, or larger than 256 KiB,
 * fails with `BadMaterial`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const certificate = (
  source: string | Uint8Array
): Effect.Effect<Certificate, TlsError | UnsupportedOption, Net> =>
  Effect.flatMap(
    Net,
    (net) => Effect.flatMap(net.tls, (tls) => Effect.map(tls.certificates(source, 1), (all) => all[0]!))
  )

/**
 * Reads every certificate of a PEM bundle, at most 1024. A bundle with more, or with one that is malformed, fails with
 * `BadMaterial`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const certificates = (
  source: string | Uint8Array
): Effect.Effect<ReadonlyArray<Certificate>, TlsError | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Effect.flatMap(net.tls, (tls) => tls.certificates(source, 1024)))
