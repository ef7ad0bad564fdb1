/**
 * HTTP and HTTPS over the sockets of this library: a dispatcher for undici, and with it for `@effect/platform`'s
 * `HttpClient`, that connects through `Net`.
 *
 * undici speaks HTTP and keeps connections alive; the connections are Copas sockets, lent to it (`NodeSocket.lend`). So a
 * context of `Tls.client` decides which servers are trusted and which certificate is shown, `Dns` looks names up, and time-outs, traces, metrics and the
 * status of the dispatcher cover these connections. The errors of `Net.connect` are the `cause` of a `RequestError`.
 *
 * @since 0.1.0
 */
import { Net } from "@copas/core/Net"
import type { Family } from "@copas/core/NetAddress"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type * as SocketOptions from "@copas/core/SocketOptions"
import * as Tls from "@copas/core/Tls"
import type * as TlsContext from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as Undici from "@effect/platform-node/Undici"
import { default as UndiciModule } from "@effect/platform-node/Undici"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { env, onExit, start } from "./internal/effect/fibers.js"
import { parallelChild } from "./internal/effect/scopes.js"
import { open } from "./internal/http/opening.js"
import * as Requests from "./internal/http/requests.js"

/**
 * How connections are opened, how long they may stand still, and what undici does with them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For `https:`. Default a context with the platform's authorities; servers are verified either way. */
  readonly tls?: Tls.ClientContext | Omit<TlsContext.ConnectTlsOptions, "alpn" | "session" | "sessionKey"> | undefined
  /**
   * The time-outs of each connection. `connect` bounds look-up, connection and handshake together, and is 10 seconds by
   * default. `send` and `receive` count while nothing moves in either direction: `send` while the server does not take the
   * bytes of a request that are there, `receive` while an answer is awaited. An upload may take as long as it needs, even
   * if its body arrives slowly. Neither counts while a kept-alive connection has no request, or while the program does not
   * read the answer. They are never early, and late by a quarter of the time-out at most.
   */
  readonly timeouts?: Omit<SocketOptions.Timeouts, "message"> | undefined
  readonly family?: Family | undefined
  /** Connect from this address of this machine. */
  readonly localAddress?: string | undefined
  /** undici's own options: connections for each origin, how long they are kept alive, limits of headers … */
  readonly agent?: Omit<Undici.Agent.Options, "connect" | "factory" | "allowH2"> | undefined
}

/** The request of undici to a connector. Its types leave some of the fields out. */
interface Target {
  readonly hostname: string
  readonly protocol: string
  readonly port: string
  readonly servername?: string | null | undefined
}

const connectOptions = (options: Options, context: Tls.ClientContext | undefined, target: Target) => {
  const isSecure = target.protocol === "https:"
  const own = options.tls === undefined || Tls.isContext(options.tls) ? {} : options.tls
  return {
    host: target.hostname,
    port: Number(target.port) || (isSecure ? 443 : 80),
    family: options.family,
    localAddress: options.localAddress,
    timeouts: { connect: "10 seconds", ...options.timeouts },
    // undici drops a connection that has ended or that it gave up: nobody waits for its end.
    linger: "1 seconds",
    ...(isSecure
      ? {
        tls: {
          ...own,
          context,
          // RFC 7301: HTTP/2 is not spoken over these connections.
          alpn: ["http/1.1"],
          ...(own.serverName === undefined && target.servername ? { serverName: target.servername } : {})
        }
      }
      : {})
  } as const
}

/**
 * Makes a dispatcher for undici. The end of its scope cuts the requests under way and closes all connections.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<Undici.Dispatcher, TlsError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net
    const runtime = yield* env
    // Close after the agent, which cuts the requests under way: at most a connection that just begins is left then.
    const connections = yield* parallelChild(yield* Effect.scope)
    const context = options.tls === undefined
      ? undefined
      : Tls.isContext(options.tls)
      ? options.tls as Tls.ClientContext
      : options.tls.context
    yield* Requests.observe
    const connect: Undici.buildConnector.connector = (target, callback) => {
      const socket = net.connect(connectOptions(options, context, target as Target))
      const opening = open(connections, runtime, socket, ({ stream }) => {
        Requests.track(stream)
        return stream
      }, Requests.awaitsAnswer)
      onExit(start(runtime, opening, connections), (exit) => {
        if (Exit.isSuccess(exit)) {
          callback(null, exit.value as never)
          return
        }
        const error = Cause.squash(exit.cause)
        callback(error instanceof Error ? error : new Error(String(error)), null)
      })
    }
    return yield* Effect.acquireRelease(
      Effect.sync(() => new UndiciModule.Agent({ ...options.agent, connect })),
      (agent) => Effect.promise(() => agent.destroy())
    )
  })

/**
 * The dispatcher for `NodeHttpClient.layerUndiciWithoutDispatcher`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<NodeHttpClient.Dispatcher, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Layer.scoped(NodeHttpClient.Dispatcher, make(options))

/**
 * `@effect/platform`'s `HttpClient` over the sockets of this library.
 *
 * Servers of `https:` are verified: a wrong certificate fails the request with a `RequestError` whose `cause` is the
 * `TlsError`. *Interruption* of a request closes its connection.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Net, Tls } from "@copas/core"
 * import { NodeUndici, NodeNet } from "@copas/node"
 * import { HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * // LuaSec: https.request { url = "https://intranet.example/", cafile = "/etc/intranet/ca.pem", protocol = "tlsv1_3" }
 * const Http = Layer.unwrapEffect(
 *   Effect.map(
 *     Tls.client({ ca: { path: "/etc/intranet/ca.pem" }, minVersion: "TLSv1.3" }),
 *     (tls) => NodeUndici.layerHttpClient({ tls, timeouts: { receive: "30 seconds" } })
 *   )
 * ).pipe(Layer.provide(NodeNet.layer))
 *
 * const page = HttpClient.get("https://intranet.example/").pipe(
 *   Effect.flatMap((response) => response.text),
 *   Effect.provide(Http)
 * )
 * ```
 */
export const layerHttpClient = (
  options?: Options
): Layer.Layer<HttpClient.HttpClient, TlsError | InvalidOption | UnsupportedOption, Net> =>
  Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, layer(options))
