/**
 * TLS: contexts that are built once, the handshake on a live socket, and what a secure connection tells about itself.
 *
 * `Net.connect` and `Net.listen` take a context as their `tls` option; `upgrade` starts TLS in the middle of a protocol
 * (STARTTLS). Either way the socket is the same object as before, and `socket.tls` tells what was agreed. The peer is
 * verified unless it is turned off in so many words.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import type { Certificate } from "./Certificate.js"
import * as Handshake from "./internal/tls/handshake.js"
import { TlsContextTypeId } from "./internal/typeIds.js"
import { Net } from "./Net.js"
import type { Socket } from "./Socket.js"
import type { InvalidOption, SendError, UnsupportedOption } from "./SocketError.js"
import type { TlsError, TlsReason } from "./TlsError.js"
import type { ClientOptions, ServerOptions, Version } from "./TlsOptions.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export { TlsContextTypeId as ContextTypeId }

/**
 * What the clients of a program share: trust, identity, settings, the sessions that can be resumed. Built once by
 * `Tls.client`, used for any number of connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "client"
  readonly handshakeTimeoutMillis: number
  /** The platform's. */
  readonly native: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "server"
  readonly handshakeTimeoutMillis: number
  /** The platform's. */
  readonly native: unknown
}

/**
 * One TLSA record. RFC 6698, section 2.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsaRecord {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number
  /** 0 the whole certificate, 1 its public key. */
  readonly selector: number
  /** 0 the bytes themselves, 1 their SHA-256, 2 their SHA-512. */
  readonly matchingType: number
  readonly data: Uint8Array
}

/**
 * How one client connection uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectTlsOptions {
  /** Default a context with the platform's authorities and full verification, built once for the network. */
  readonly context?: ClientContext | undefined
  /**
   * The name to ask for and to verify. Default the host that is connected to; a numeric address is verified, but not
   * asked for (RFC 6066, section 3).
   */
  readonly serverName?: string | undefined
  /** Offer these protocols instead of the context's. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /**
   * Sessions are kept and looked for under this key. Default host and port. A protocol that wants several connections
   * in one session (FTP's data connections, RFC 4217 section 10) gives all of them one key.
   */
  readonly sessionKey?: string | undefined
  /** Offer this session, whatever is kept. */
  readonly session?: Redacted.Redacted<Uint8Array> | undefined
  /**
   * The server's TLSA records, validated by DNSSEC: at least one must match. Usages 2 and 3 stand for themselves,
   * without the platform's authorities. Records of unknown kinds are passed over; with none left the context decides.
   */
  readonly dane?: ReadonlyArray<TlsaRecord> | undefined
}

/**
 * How a listener uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenTlsOptions {
  readonly context: ServerContext
  /** How many handshakes may be under way at once; past it the oldest is dropped. Default 4096. */
  readonly maxHandshakes?: number | undefined
}

/**
 * What was agreed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsInfo {
  readonly protocol: Version
  /** OpenSSL's name of the cipher, `ECDHE-RSA-AES128-GCM-SHA256` for example. */
  readonly cipher: string
  /** The name in the RFCs. */
  readonly standardCipher: string
  /** Of the symmetric cipher, in bits. */
  readonly bits: number
  /** `AES-GCM(128)` for example. */
  readonly encryption: string
  /** `ECDH`, `DH`, `RSA` …; for TLS 1.3, where the cipher does not name it, `any`. */
  readonly keyExchange: string
  /** How the peers prove who they are: `RSA`, `ECDSA`, `PSK` …, or `any`. */
  readonly authentication: string
  /** `AEAD`, or the hash of the MAC. */
  readonly mac: string
  /** The ephemeral key's group and size, where the platform tells: on a client. */
  readonly group: Option.Option<{ readonly name: string; readonly bits: number }>
  /** Never: a compressed secret can be guessed (CRIME). */
  readonly compression: "none"
}

/**
 * Whether the peer proved who it is.
 *
 * @since 0.1.0
 * @category models
 */
export type Authorization =
  | { readonly _tag: "Verified"; readonly by: "authority" | "dane" | "psk" }
  /** Only where the context does not verify. */
  | { readonly _tag: "Unverified"; readonly reason: TlsReason; readonly code: string }
  | { readonly _tag: "Anonymous" }

/**
 * A secure connection. What is asked for the first time after the socket was closed may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsConnection {
  readonly role: "client" | "server"
  readonly info: TlsInfo
  /** The name that the client asked for. */
  readonly serverName: Option.Option<string>
  /** The application protocol that was agreed on. */
  readonly alpn: Option.Option<string>
  readonly authorization: Authorization
  readonly peerCertificate: Option.Option<Certificate>
  /** The peer's certificate first, then its issuers, as far as they are known. */
  readonly peerChain: ReadonlyArray<Certificate>
  readonly localCertificate: Option.Option<Certificate>
  /** The session was resumed. */
  readonly isResumed: boolean
  /**
   * The newest session, to be offered again. With TLS 1.3 it comes some time after the handshake; on a connection that
   * resumed one itself it may never come (Node 20 asks for none). Clients only.
   */
  readonly session: Option.Option<Redacted.Redacted<Uint8Array>>
  /**
   * The data of a channel binding: `tls-unique` and `tls-server-end-point` (RFC 5929), `tls-exporter` (RFC 9266).
   * `None` where it is not defined: `tls-unique` for TLS 1.3.
   */
  readonly channelBinding: (
    type: "tls-unique" | "tls-exporter" | "tls-server-end-point"
  ) => Option.Option<Uint8Array>
  /** Our own Finished message. */
  readonly finished: Option.Option<Uint8Array>
  readonly peerFinished: Option.Option<Uint8Array>
  /** Keying material for another protocol. RFC 5705; RFC 8446, section 7.5. `None` when the socket is closed. */
  readonly exportKeyingMaterial: (
    length: number,
    label: string,
    context?: Uint8Array
  ) => Option.Option<Redacted.Redacted<Uint8Array>>
}

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
  Effect.flatMap(Net, (net) => Handshake.clientContext(net.tls, options))

/**
 * Builds what the connections of a server share. See `client`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const server = (
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Handshake.serverContext(net.tls, options))

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
  Effect.flatMap(Net, (net) => Effect.flatMap(net.tls, (tls) => tls.replaceServer(context.native, options)))

/**
 * Has a server's context seal tickets with a fresh random key from now on. Tickets from before are no longer taken:
 * their clients do a full handshake. RFC 5077, section 5.5, advises to do it regularly.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rotateTicketKeys = (
  context: ServerContext
): Effect.Effect<void, TlsError | UnsupportedOption, Net> =>
  Effect.flatMap(Net, (net) => Effect.flatMap(net.tls, (tls) => tls.rotateTickets(context.native)))

/**
 * How `upgrade` uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeOptions extends Omit<ConnectTlsOptions, "context"> {
  /** Instead of the context's. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
}

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
  Handshake.upgrade(socket, context, options)

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
export const handler = <A, E, R>(
  context: ClientContext | ServerContext,
  handler: (socket: Socket) => Effect.Effect<A, E, R>,
  options?: UpgradeOptions
): (socket: Socket) => Effect.Effect<A, E | TlsError | SendError | InvalidOption | UnsupportedOption, R> =>
(socket) => Effect.zipRight(upgrade(socket, context, options), Effect.suspend(() => handler(socket)))
