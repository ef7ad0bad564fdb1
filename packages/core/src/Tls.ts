/**
 * TLS: contexts that are built once, the handshake on a live socket, and what a secure connection tells about itself.
 *
 * `Net.connect` and `Net.listen` take a context as their `tls` option; `upgrade` starts TLS in the middle of a protocol
 * (STARTTLS). Either way the socket is the same object as before, and `socket.tls` tells what was agreed. The peer is
 * verified unless it is turned off in so many words.
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
 * @since 0.1.0
 * @category type ids
 */
export { TlsContextTypeId as ContextTypeId }

/**
 * @since 0.1.0
 * @category guards
 */
export const isContext = (u: unknown): u is ClientContext | ServerContext => Predicate.hasProperty(u, TlsContextTypeId)

/**
 * Builds what clients share. Files are read and keys are checked now, not when somebody connects; what is bad fails with
 * `TlsError`, reason `BadMaterial`, and `part` says which.
 *
 * @since 0.1.0
 * @category constructors
 */
export const client = (
  options: ClientOptions = {}
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.clientContext(net.tls, options))

/**
 * Builds what the connections of a server share. See `client`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const server = (
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.serverContext(net.tls, options))

/**
 * Has a server's context use other material from now on, a renewed certificate for example: listeners that use it need
 * not be closed, connections that stand go on. What is bad changes nothing. The handshake time-out stays as it was.
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
 * Has a server's context seal tickets with a fresh random key from now on. Tickets from before are no longer taken:
 * their clients do a full handshake. RFC 5077, section 5.5, advises to do it regularly.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rotateTicketKeys = (
  context: ServerContext
): Effect.Effect<void, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Contexts.rotateTickets(net.tls, context))

/**
 * Starts TLS on a live socket, as the client or the server that `context` is for: what STARTTLS does after its reply.
 * What was sent before is flushed first; the socket stays the same object.
 *
 * Bytes in clear that had arrived before fail it with `BufferedPlaintext`: somebody in between may have put them there,
 * to be taken for what came over TLS. (A server takes them for the beginning of the handshake if they look like one.)
 * A client should give `serverName`: the address alone is verified otherwise.
 *
 * After a failure, and after an *interruption*, the connection is cut: nobody can know in which state it is.
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
 * A connection handler that does the handshake first and then runs `handler`: Copas's `copas.handler(fn, sslparams)`.
 *
 * A listener with the `tls` option does the same before it hands the connection out, which keeps handshakes out of the
 * server's limit of connections; this one is for a server that has other work to do in clear.
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
 * Reads one certificate, in PEM (the first of a bundle) or in DER. What is malformed, or larger than 256 KiB, fails with
 * `BadMaterial`.
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
 * Reads every certificate of a PEM bundle, at most 1024.
 *
 * @since 0.1.0
 * @category constructors
 */
export const certificates = (
  source: string | Uint8Array
): Effect.Effect<ReadonlyArray<Certificate>, TlsError | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Effect.flatMap(net.tls, (tls) => tls.certificates(source, 1024)))
