/**
 * How a client makes its connections: directly, or in a way of the program's own, for example through a proxy.
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
import type * as Scope from "effect/Scope"

/**
 * What a connection is wanted for.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectRequest {
  readonly host: string
  readonly port: number
  /** `"data"` is a data connection of FTP; every other connection is `"control"`. */
  readonly purpose: "control" | "data"
  /** Much may come: `Net.connect`'s `readSize` is of use. */
  readonly isBulk: boolean
  readonly connectTimeout: Duration.DurationInput
  /** The time-outs of the connection. The client sets them itself on what another connector than `direct` gives. */
  readonly timeouts?: Pick<Timeouts, "receive" | "send"> | undefined
}

/**
 * Makes every connection of a client: a proxy goes here. Default `direct`. The connection belongs to the scope.
 *
 * @since 0.1.0
 * @category models
 */
export type Connector = (
  request: ConnectRequest
) => Effect.Effect<Socket, ConnectError | TlsError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope>

/** What a read may bring, and what may wait unread, on a connection in clear on which much comes. */
const bulk = { readSize: 256 * 1024, highWaterMark: 1024 * 1024 }

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
export const direct: Connector = ({ connectTimeout, host, isBulk, port, timeouts }) =>
  Net.connect({
    host,
    port,
    timeouts: { connect: connectTimeout, ...timeouts },
    linger: "1 seconds",
    ...(isBulk ? bulk : {})
  })
