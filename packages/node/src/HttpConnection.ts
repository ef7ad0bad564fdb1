/**
 * The connection that an HTTP request came over: what `HttpServerRequest` of `@effect/platform` does not tell.
 *
 * @since 0.2.0
 */
import type { NetAddress } from "@copas/core/NetAddress"
import type { Thread } from "@copas/core/Thread"
import type { TlsConnection } from "@copas/core/TlsConnection"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/**
 * Under this a request has its connection.
 *
 * @since 0.2.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/node/HttpConnection")

/**
 * A connection of a `NodeHttpServer`, and which of its requests is being answered.
 *
 * @since 0.2.0
 * @category models
 */
export interface HttpConnection {
  /** That of the socket. */
  readonly id: number
  /** `http:client_7`, as in logs, traces and `Copas.status`. */
  readonly socketName: string
  /** The thread of the dispatcher that serves the connection. */
  readonly thread: Option.Option<Thread>
  readonly localAddress: NetAddress
  /** The peer's own address, whatever a proxy says of its client: `request.remoteAddress` is that. */
  readonly remoteAddress: NetAddress
  readonly tls: Option.Option<TlsConnection>
  readonly version: "1.0" | "1.1" | "2"
  /** From 1 on; in HTTP/2, in the order in which the streams were opened. */
  readonly requestNumber: number
  /**
   * Waits until the server ends: until the exit of its dispatcher, or the end of the scope that serves. An answer without an
   * end, or a WebSocket, should end then, and is cut after `drain`.
   *
   * *Interruption* ends the wait.
   */
  readonly waitForDrain: Effect.Effect<void>
}

/**
 * The connection of a request; `None` if another server than `NodeHttpServer` took it.
 *
 * @since 0.2.0
 * @category accessors
 */
export const of = (request: HttpServerRequest): Option.Option<HttpConnection> =>
  Predicate.hasProperty(request, TypeId) ? Option.some(request[TypeId] as HttpConnection) : Option.none()

/**
 * The connection of the request that is being answered; `None` on another server than `NodeHttpServer`.
 *
 * *Interruption*: it does not wait.
 *
 * @since 0.2.0
 * @category accessors
 */
export const current: Effect.Effect<Option.Option<HttpConnection>, never, HttpServerRequest> = Effect.map(
  HttpServerRequest,
  of
)
