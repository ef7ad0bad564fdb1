/**
 * The options of `NodeHttpServer`.
 *
 * @since 0.2.0
 */
import type { InetListenOptions, UnixListenOptions } from "@copas/core/SocketOptions"
import type * as TlsContext from "@copas/core/TlsContext"
import type * as Duration from "effect/Duration"
import type { ReloadOptions } from "./TlsFiles.js"

/**
 * How long each step may take. The defaults are those of a server that anybody can reach. `Duration.infinity` is no limit.
 * None is early. `idle`, `headers` after the first request, `body` and `send` are late by a quarter at most.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timeouts {
  /** The TLS handshake, where `tls` are options and no context. Default 10 seconds. */
  readonly handshake?: Duration.DurationInput | undefined
  /** From the connection, or from the first byte of a further request, to the end of its head. Default 10 seconds. */
  readonly headers?: Duration.DurationInput | undefined
  /** While a handler reads the body, and nothing of it comes. Default 30 seconds. */
  readonly body?: Duration.DurationInput | undefined
  /** From the first byte of a request to the end of its body. Default 5 minutes. */
  readonly request?: Duration.DurationInput | undefined
  /** A handler that takes longer is interrupted, and the answer is 503. Default: no limit. */
  readonly handler?: Duration.DurationInput | undefined
  /**
   * A connection that was used and has no request under way is closed after this time. In HTTP/2, a client that sends nothing
   * for this time under a request is pinged, and has gone if it sends nothing for as long again. Default 75 seconds.
   */
  readonly idle?: Duration.DurationInput | undefined
  /** While an answer waits to go out, and the client takes nothing of it. Default 30 seconds. */
  readonly send?: Duration.DurationInput | undefined
}

/**
 * How much one client may take up. `Infinity` is no limit.
 *
 * @since 0.2.0
 * @category models
 */
export interface Limits {
  /** Connections at a time on each address; more wait in the listener's backlog. Default: no limit. */
  readonly maxConnections?: number | undefined
  /** Connections at a time from one address; more are reset. Default: no limit. */
  readonly maxConnectionsPerAddress?: number | undefined
  /** Requests on one connection; the last answer says `Connection: close`. Default: no limit. */
  readonly maxRequestsPerConnection?: number | undefined
  /** The bytes of a request's head. 431 past it. Default 16 KiB. */
  readonly headerSize?: number | undefined
  /** The fields of a request. 431 past it. Default 100. */
  readonly headers?: number | undefined
  /** The bytes of a request's target. 414 past it. Default 8 KiB. */
  readonly uri?: number | undefined
  /** The bytes of a body that a handler reads, as they come. 413 past it. Default 10 MiB. */
  readonly body?: number | undefined
  /** The streams of a connection of HTTP/2 at a time. Default 100. */
  readonly streams?: number | undefined
  /** The streams of a connection of HTTP/2 that its client resets within a minute. Default 200. */
  readonly streamResets?: number | undefined
}

/**
 * An address to listen on. `tls` is a context of `Tls.server`, or the options of one, from which the server makes it: then
 * it offers HTTP/2 by ALPN, unless `http2` is false. A context of your own offers what its `alpn` names.
 *
 * @since 0.2.0
 * @category models
 */
export type ListenOptions =
  | WithTls<InetListenOptions>
  | WithTls<UnixListenOptions>

type WithTls<L extends InetListenOptions | UnixListenOptions> = Omit<L, "tls"> & {
  readonly tls?: L["tls"] | TlsContext.ServerOptions
}

/**
 * WebSockets, which a handler opens by `request.upgrade` (RFC 6455). They live under the limits of connections, and under
 * `timeouts.handler`, not under the other time-outs but `send`.
 *
 * @since 0.2.0
 * @category models
 */
export interface WebSocketOptions {
  /** The bytes of a message; a longer one ends the socket with the code 1009. `Infinity` is no limit. Default 1 MiB. */
  readonly maxPayload?: number | undefined
  /**
   * How often the peer is pinged. One that has said nothing, not even the pong, when the next ping is due has gone. Default 30
   * seconds; `Duration.infinity` does not ping.
   */
  readonly ping?: Duration.DurationInput | undefined
  /**
   * The pages that may open sockets. Browsers send cookies along from any page, so a foreign page could act for its visitor;
   * it is answered with 403. `"same"` (default): those of the host that the request names. A list of origins, such as
   * `"https://app.example"`, or `"any"`. Clients that send no `Origin`, and so are no browsers, always may.
   */
  readonly origins?: "same" | "any" | ReadonlyArray<string> | undefined
  /** Compresses messages (RFC 7692), which takes much memory for each socket. Default false. */
  readonly deflate?: boolean | undefined
}

/**
 * The options of a server.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /** One address or several, with and without TLS, Unix-domain sockets among them. */
  readonly listen: ListenOptions | ReadonlyArray<ListenOptions>
  /** Names the server: its threads are `name:handler_N`, its sockets `name:client_N`. Default `"http"`. */
  readonly name?: string | undefined
  /** HTTP/2 by ALPN (default true); `"clear"` serves it without TLS as well, to clients that know it (RFC 9113, 3.3). */
  readonly http2?: boolean | "clear" | undefined
  readonly timeouts?: Timeouts | undefined
  readonly limits?: Limits | undefined
  readonly webSocket?: WebSocketOptions | undefined
  /** How long requests under way may take when the server ends; then they are interrupted. Default 30 seconds. */
  readonly drain?: Duration.DurationInput | undefined
  /**
   * Which peers are proxies whose `Forwarded` and `X-Forwarded-*` fields are believed: addresses and networks (CIDR), or a
   * number of hops. The client is the rightmost address that is not trusted. Default false: nobody.
   */
  readonly trustProxy?: false | ReadonlyArray<string> | number | undefined
  /** When certificates and keys that are files, in options of `tls`, are read again. Default: when they have changed. */
  readonly tlsReload?: ReloadOptions | undefined
  /** The value of the field `Server`. Default false: there is none. */
  readonly serverHeader?: string | false | undefined
}
