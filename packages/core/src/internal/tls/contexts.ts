import * as Effect from "effect/Effect"
import { type InvalidOption, UnsupportedOption } from "../../SocketError.js"
import type {
  ClientContext,
  ClientOptions,
  CommonContextOptions,
  ServerContext,
  ServerOptions
} from "../../TlsContext.js"
import type { TlsError } from "../../TlsError.js"
import type { TlsPlatform } from "../../TlsTransport.js"
import type { NetState } from "../netState.js"
import { count } from "../time/optionValues.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { TlsContextTypeId } from "../typeIds.js"

// ---- contexts

const defaultTimeout = "10 seconds"

type PlatformTls = Effect.Effect<TlsPlatform, UnsupportedOption>

const checkCommon = (options: CommonContextOptions): Effect.Effect<number, InvalidOption> => {
  const { maxDepth } = options
  const timeout = TimeoutOptions.millis("handshakeTimeout", options.handshakeTimeout ?? defaultTimeout)
  return maxDepth === undefined ? timeout : Effect.zipRight(count("maxDepth", maxDepth, 0), timeout)
}

/** What the platform keeps has keys in it: it is not enumerable, so that no log and no JSON shows it. */
class Context<R extends "client" | "server"> {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId = TlsContextTypeId
  readonly role: R
  readonly handshakeTimeoutMillis: number
  declare readonly native: unknown
  constructor(role: R, handshakeTimeoutMillis: number, native: unknown) {
    this.role = role
    this.handshakeTimeoutMillis = handshakeTimeoutMillis
    Object.defineProperty(this, "native", { value: native, enumerable: false })
  }
}

export const clientContext = (
  platform: PlatformTls,
  options: ClientOptions
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    const native = yield* tls.clientContext(options)
    return new Context("client", handshakeTimeoutMillis, native)
  })

export const serverContext = (
  platform: PlatformTls,
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    const lifetime = options.tickets === false ? undefined : options.tickets?.lifetime
    if (lifetime !== undefined) yield* TimeoutOptions.millis("tickets.lifetime", lifetime)
    const native = yield* tls.serverContext(options)
    return new Context("server", handshakeTimeoutMillis, native)
  })

/** The platform's TLS, or why there is none. */
export const platformOf = (netState: NetState): PlatformTls =>
  Effect.suspend(() =>
    netState.platform.tls === undefined
      ? Effect.fail(
        new UnsupportedOption({ option: "tls", platform: netState.platform.name, why: "there is no TLS on it" })
      )
      : Effect.succeed(netState.platform.tls)
  )

/** For `tls: true`: built when it is first asked for, and then kept. */
export const defaultClient = (
  netState: NetState
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.suspend(() =>
    netState.defaultClient !== undefined
      ? Effect.succeed(netState.defaultClient)
      : Effect.tap(clientContext(platformOf(netState), {}), (context) => {
        netState.defaultClient = context
      })
  )
