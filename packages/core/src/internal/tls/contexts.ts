/** TLS contexts: built, replaced, and the one for `tls: true`. */
import * as Effect from "effect/Effect"
import { type InvalidOption, UnsupportedOption } from "../../SocketError.js"
import type { ClientContext, ClientOptions, ServerContext, ServerOptions } from "../../TlsContext.js"
import type { TlsError } from "../../TlsError.js"
import type { TlsPlatform } from "../../TlsTransport.js"
import type { NetState } from "../netState.js"
import { checkClient, checkCommon, checkContext, checkServer, Context } from "./checks.js"

export type PlatformTls = Effect.Effect<TlsPlatform, UnsupportedOption>

export const clientContext = (
  platform: PlatformTls,
  options: ClientOptions
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    yield* checkClient(options)
    const native = yield* tls.clientContext(options)
    return new Context("client", handshakeTimeoutMillis, native, tls)
  })

export const serverContext = (
  platform: PlatformTls,
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    yield* checkServer(options, tls)
    const native = yield* tls.serverContext(options)
    return new Context("server", handshakeTimeoutMillis, native, tls)
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
      : Effect.map(clientContext(platformOf(netState), {}), (context) => {
        netState.defaultClient = context
        return context
      })
  )

export const replaceServer = (
  platform: PlatformTls,
  context: ServerContext,
  options: ServerOptions
): Effect.Effect<void, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    yield* checkContext("context", context, "server", tls)
    yield* checkCommon(options)
    yield* checkServer(options, tls)
    yield* tls.replaceServer(context.native, options)
  })

export const rotateTickets = (
  platform: PlatformTls,
  context: ServerContext
): Effect.Effect<void, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    yield* checkContext("context", context, "server", tls)
    yield* tls.rotateTickets(context.native)
  })
