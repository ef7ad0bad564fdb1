/**
 * How a client makes its connections: directly, or in the program's own way, for example through a proxy.
 *
 * @since 0.1.0
 */
import * as Net from "@copas/core/Net"
import type { Socket } from "@copas/core/Socket"
import type { ConnectError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { Timeouts } from "@copas/core/SocketOptions"
import type { TlsError } from "@copas/core/TlsError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Errors from "./internal/errors.js"

/**
 * Which connection a client needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectRequest {
  readonly host: string
  readonly port: number
  /** `"data"` is a data connection of FTP; every other connection is `"control"`. */
  readonly purpose: "control" | "data"
  /** Many bytes may arrive, so large reads (`readSize` of `Net.connect`) pay. */
  readonly isBulk: boolean
  /** TLS begins on it later: it reads in records, and no `readSize` may be set. */
  readonly isProtected?: boolean | undefined
  readonly connectTimeout: Duration.DurationInput
  /** The time-outs of the connection. The client sets them itself on what another connector than `direct` gives. */
  readonly timeouts?: Pick<Timeouts, "receive" | "send"> | undefined
  /**
   * Which addresses may be connected to, as of `Net.connect`. Through a proxy it is asked about the proxy's address, and
   * about the target's where that is known here: see `Proxy.socks5`.
   */
  readonly permit?: Net.ConnectOptions["permit"]
}

/**
 * A proxy did not connect to the target (`Proxy`).
 *
 * - `AuthenticationRequired`: it wants a user and a password, or others
 * - `Forbidden`: its rules do not allow the connection
 * - `TargetUnreachable`: it could not reach the target
 * - `Refused`: it said no for another reason
 * - `BadReply`: its answer is not one of such a proxy
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyError extends Errors.define<ProxyError>("Connector")("ProxyError", {
  reason: Schema.Literal("AuthenticationRequired", "Forbidden", "TargetUnreachable", "Refused", "BadReply"),
  /** The proxy's host and port. */
  proxy: Schema.String,
  /** The status of HTTP, or the code of SOCKS. */
  code: Schema.optional(Schema.Number),
  /** The proxy's answer, made printable. */
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const advice = this.reason === "AuthenticationRequired"
      ? "; give the proxy's user and password"
      : this.reason === "BadReply"
      ? "; check the proxy's port and kind"
      : ""
    return `the proxy ${this.proxy} did not connect: ${this.reason}: ${this.detail}${advice}`
  }
}

/**
 * Makes each connection of a client, through a proxy for example. Default `direct`. The scope closes the connection.
 *
 * @since 0.1.0
 * @category models
 */
export type Connector = (
  request: ConnectRequest
) => Effect.Effect<
  Socket,
  ConnectError | ProxyError | TlsError | InvalidOption | UnsupportedOption,
  Net.Net | Scope.Scope
>

/** On a connection on which much comes: how many bytes may wait unread, and how many a read may bring in clear. */
const bulk = { highWaterMark: 1024 * 1024 }
const bulkInClear = { ...bulk, readSize: 256 * 1024 }

/**
 * Connects by `Net.connect`. Leaving the scope waits for the peer's end for at most a second. *Interruption* leaves
 * nothing open.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Connector, Ftp } from "@copas/clients"
 * import { Effect } from "effect"
 *
 * // Every connection of the session, control and data, is logged.
 * const logged: Connector.Connector = (request) =>
 *   Effect.zipRight(Effect.logInfo(`${request.purpose} to ${request.host}`), Connector.direct(request))
 *
 * const layer = Ftp.layer({ host: "ftp.example", connector: logged })
 * ```
 */
export const direct: Connector = ({ connectTimeout, host, isBulk, isProtected, permit, port, timeouts }) =>
  Net.connect({
    host,
    port,
    permit,
    timeouts: { connect: connectTimeout, ...timeouts },
    linger: "1 seconds",
    ...(isBulk ? isProtected === true ? bulk : bulkInClear : {})
  })
