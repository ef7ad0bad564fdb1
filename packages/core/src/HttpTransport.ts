/**
 * The contract between an HTTP client and the library of a platform that speaks HTTP over this library's sockets.
 *
 * The client decides where a request goes, what it says, and what an answer means; the transport opens connections by the
 * client's `Route`, keeps them, writes requests and reads answers. So a client needs no platform, and a platform no policy.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { NetAddress } from "./NetAddress.js"
import type { Socket } from "./Socket.js"
import type { TlsConnection } from "./TlsConnection.js"
import type { ClientContext } from "./TlsContext.js"

/**
 * A header field as it stands on the wire: the name with its case, and the value, whose characters are bytes (Latin-1).
 *
 * @since 0.2.0
 * @category models
 */
export type Field = readonly [name: string, value: string]

/**
 * Gives the next bytes each time it is run, never an empty array, and `undefined` at the end and ever after. It is run by
 * one fiber at a time. An interrupted run loses no byte.
 *
 * @since 0.2.0
 * @category models
 */
export type Pull<E> = Effect.Effect<Uint8Array | undefined, E>

/**
 * The body of a request: bytes, or what a pull gives. With a `length` the transport sends `Content-Length`, and fails with
 * `BodyLength`, before the request's end is sent, if the pull gives less or more; without one it sends chunks.
 *
 * @since 0.2.0
 * @category models
 */
export type WireBody<E> = Uint8Array | { readonly length: number | undefined; readonly pull: Pull<E> }

/**
 * Milliseconds, or Infinity. All are deadlines on the clock of the fiber.
 *
 * @since 0.2.0
 * @category models
 */
export interface WireTimeouts {
  /** From the request to a connection for it: waiting for a free one, the look-up, proxies and handshakes included. */
  readonly connect: number
  /** While bytes of the request wait and the server takes none. */
  readonly send: number
  /** From the end of the request, or the last byte of it that the server took, to the whole head of the answer. */
  readonly response: number
  /** While the program awaits the body of the answer and nothing comes. */
  readonly receive: number
}

/**
 * One request.
 *
 * @since 0.2.0
 * @category models
 */
export interface WireRequest<E> {
  readonly method: string
  /** Its path and query are the target; its user, password and fragment are not sent. */
  readonly url: URL
  /**
   * Sent in this order and case. The transport adds `Host`, unless it is here, `Connection`, and what frames the body:
   * `Content-Length` and `Transfer-Encoding` are not to be given. The client has checked names and values.
   */
  readonly fields: ReadonlyArray<Field>
  readonly body: WireBody<E> | undefined
  readonly timeouts: WireTimeouts
  /**
   * It is sent again because a kept connection was lost: others that are kept may be lost, too, so the transport closes those
   * without a request, and opens a new one.
   */
  readonly isRepeated?: boolean | undefined
}

/**
 * A transport's request to the client's connector: a connection in clear, whose TLS the transport then begins.
 *
 * @since 0.2.0
 * @category models
 */
export interface RouteTarget {
  readonly host: string
  readonly port: number
  /** Milliseconds, or Infinity: the request's whole time for a connection. The transport itself interrupts what takes longer. */
  readonly connectTimeout: number
  readonly permit: ((address: NetAddress) => boolean) | undefined
}

/**
 * The bounds of a route.
 *
 * @since 0.2.0
 * @category models
 */
export interface RouteLimits {
  /** Bytes of an answer's head. */
  readonly head: number
  /** Fields of an answer's head, and of its trailers. */
  readonly fields: number
  /** Connections at a time; further requests wait for one. */
  readonly connections: number
  /** Milliseconds that a connection without a request is kept for the next one. */
  readonly idle: number
}

/**
 * How a request reaches its server. Requests of equal routes share connections: equal are two routes whose origins are the
 * same text, whose limits are the same numbers, and whose other fields are the same values (`===`). So a client keeps the
 * functions and contexts that it makes routes of.
 *
 * @since 0.2.0
 * @category models
 */
export interface Route<E> {
  /** Scheme, host and port, as of `URL.origin`. */
  readonly origin: string
  readonly connect: (target: RouteTarget) => Effect.Effect<Socket, E, Scope.Scope>
  /** For `https:`; undefined means the platform's authorities. */
  readonly tls: ClientContext | undefined
  /** The name of the server in TLS, if it is not the host. */
  readonly serverName: string | undefined
  readonly permit: ((address: NetAddress) => boolean) | undefined
  /** `"2"` offers HTTP/2 to servers of `https:` (ALPN), and speaks HTTP/1.1 where the server does not take it. */
  readonly http: "1.1" | "2"
  readonly limits: RouteLimits
}

/**
 * An answer on its way. The scope of the exchange holds it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Exchange<E> {
  readonly status: number
  readonly statusText: string
  /** `"1.1"` also of a server that says 1.0: undici does not tell them apart. */
  readonly version: "1.1" | "2"
  readonly fields: ReadonlyArray<Field>
  /** The values of the fields of a name, which is in lower case: for a few names cheaper than `fields`, which makes all. */
  values(name: string): ReadonlyArray<string>
  /** The informational answers that came before (RFC 9110, section 15.2), at most 16. */
  readonly informational: ReadonlyArray<{ readonly status: number; readonly fields: ReadonlyArray<Field> }>
  /** The body as it stands on the wire, without its framing. Answers that have no body end at once. */
  readonly read: Pull<E>
  /**
   * Takes all of the body, if it has come whole and none of it was read: small bodies mostly come with the head. Then `read`
   * gives the end. It is undefined in any other case, also if the body broke: `read` tells.
   */
  takeWhole(): Uint8Array | undefined
  /** The fields after the body; none before its end. */
  trailers(): ReadonlyArray<Field>
  readonly connection: ExchangeConnection
  /** Stops the exchange at once, and closes its connection (HTTP/2: its stream), unless the answer has come whole. */
  readonly cancel: Effect.Effect<void>
}

/**
 * The connection of an exchange.
 *
 * @since 0.2.0
 * @category models
 */
export interface ExchangeConnection {
  readonly remoteAddress: NetAddress
  readonly localAddress: NetAddress
  readonly tls: TlsConnection | undefined
  /** It has had a request before. */
  readonly isReused: boolean
  /**
   * Milliseconds: until the addresses were known, until the connection was there, until TLS was. 0 if `isReused`. The first
   * call of `permit` tells that the addresses are known: `lookup` is 0 for a connector that does not pass it on.
   */
  readonly opening: { readonly lookup: number; readonly connect: number; readonly tls: number }
}

/**
 * Where an exchange was: awaiting a connection, sending the request, awaiting the head of the answer, reading its body.
 *
 * @since 0.2.0
 * @category models
 */
export type Phase = "connect" | "send" | "response" | "receive"

/**
 * Why an exchange failed.
 *
 * - `TimedOut`: the time-out of the phase expired
 * - `Lost`: the connection ended or broke, or was given up, before the answer's end, where no length tells that some lacks
 * - `Truncated`: it ended within a body whose framing tells that more was to come
 * - `Violation`: the server's bytes are no answer (RFC 9112)
 * - `HeadTooLarge`: the head of the answer exceeds the route's limits
 * - `BodyLength`: the body of the request is not as long as it said
 * - `Refused`: the library of the platform cannot send such a request; nothing was sent
 * - `Decode`: the bytes are not of the coding, or more bytes stand after its end
 * - `Closed`: the transport's scope has ended
 *
 * @since 0.2.0
 * @category errors
 */
export type FailureKind =
  | "TimedOut"
  | "Lost"
  | "Truncated"
  | "Violation"
  | "HeadTooLarge"
  | "BodyLength"
  | "Refused"
  | "Decode"
  | "Closed"

/**
 * The failure of a transport. A client makes an error for its users of it: this has no message and no trace, and costs as
 * little as an end of input does.
 *
 * @since 0.2.0
 * @category errors
 */
export class HttpTransportFailure extends Data.TaggedClass("HttpTransportFailure")<{
  readonly kind: FailureKind
  readonly phase: Phase
  /** In a few words: what came, what was expected. */
  readonly detail: string
  /**
   * Bytes of the request that were handed to the connection, and bytes of the answer (head and body) that came; of
   * `Truncated` those of the body alone.
   */
  readonly sent: number
  readonly received: number
  readonly isReused: boolean
  /** Of `TimedOut`: milliseconds; of `Truncated` and `BodyLength`: the bytes that were announced, if that is known. */
  readonly expected: number | undefined
  readonly cause: unknown
}> {}

/**
 * Makes a pull of decoded bytes of a pull of coded ones. It never gives more than 64 KiB at a time, and reads no further
 * than it must for that. A coding that is cut fails with `Truncated`; other bytes, or bytes after the coding's end, with
 * `Decode`. No bytes at all are an empty body. The scope releases the decoder.
 *
 * @since 0.2.0
 * @category models
 */
export type Decoder = <E>(coded: Pull<E>) => Effect.Effect<Pull<E | HttpTransportFailure>, never, Scope.Scope>

/**
 * An exchange that has not begun: running `head` begins it, once. The caller of `head` calls `leave` when the exchange is
 * no longer needed, and at once if `head` failed or was interrupted; what `leave` does is said at `Service.exchange`. `use`
 * does both.
 *
 * @since 0.2.0
 * @category models
 */
export interface Prepared<E, F> {
  readonly head: Effect.Effect<Exchange<F>, E>
  leave(): void
}

/**
 * The functions that a platform implements: exchanges, and the content codings that it can undo.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service {
  /**
   * An exchange for clients that count microseconds: `exchange` is this one in a scope, and a scope of its own for each
   * request costs a third of what the transport does for one.
   */
  readonly prepare: <ER, EB>(
    request: WireRequest<EB>,
    route: Route<ER>
  ) => Prepared<HttpTransportFailure | ER | EB, HttpTransportFailure | EB>
  /**
   * Sends a request, and succeeds when the head of the answer has come.
   *
   * If the answer comes while the body of the request still goes out, it is the result: at a status of 400 and more the
   * rest of the body is not sent, and the connection is not used again.
   *
   * Leaving the scope gives the connection back for the next request if the answer has come whole, or if less than 64 KiB
   * of it lack and come within 100 ms; if not, it closes the connection. *Interruption* closes the connection.
   */
  readonly exchange: <ER, EB>(
    request: WireRequest<EB>,
    route: Route<ER>
  ) => Effect.Effect<Exchange<HttpTransportFailure | EB>, HttpTransportFailure | ER | EB, Scope.Scope>
  /** The codings that this platform can undo, by their names in `Content-Encoding`, lower case. */
  readonly decoders: Readonly<Record<string, Decoder>>
}

/**
 * The service that speaks HTTP for a client.
 *
 * @since 0.2.0
 * @category tags
 */
export class HttpTransport extends Context.Tag("@copas/core/HttpTransport")<HttpTransport, Service>() {}

/**
 * Adds `exchange` to a transport that has the rest.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (transport: Omit<Service, "exchange">): Service => ({
  ...transport,
  exchange: (request, route) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const prepared = transport.prepare(request, route)
      const left = Effect.sync(() => prepared.leave())
      return Effect.zipRight(Scope.addFinalizer(scope, left), Effect.onInterrupt(prepared.head, () => left))
    })
})

/**
 * Runs an exchange without a scope: awaits the head of its answer, uses the answer, and leaves the exchange when `use` has
 * ended in whatever way. An interruption leaves it, too.
 *
 * @since 0.2.0
 * @category combinators
 */
export const use = <E, F, A, E2, R2>(
  prepared: Prepared<E, F>,
  use: (exchange: Exchange<F>) => Effect.Effect<A, E2, R2>
): Effect.Effect<A, E | E2, R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.matchCauseEffect(restore(Effect.flatMap(prepared.head, use)), {
      onFailure: (cause) => {
        prepared.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (value) => {
        prepared.leave()
        return Effect.succeed(value)
      }
    })
  )
