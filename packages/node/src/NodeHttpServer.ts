/**
 * `@effect/platform`'s `HttpServer` on a Copas server: HTTP and HTTPS, on any network of `Net`.
 *
 * A program written for `@effect/platform-node`'s server changes one import, and the options. Its connections are threads of
 * the dispatcher, with names, limits, time-outs and a place in `Copas.status`. Requests of one connection of HTTP/1.1 run in
 * its thread, one after the other; streams of HTTP/2 run in fibers of it. As with every server of `@effect/platform`, handlers
 * of a router are interrupted when their client goes away, and an app of another kind where it is within
 * `Effect.interruptible`. A span is made for a request only where the program has a tracer.
 *
 * @since 0.2.0
 */
import { Copas, layer as CopasLayer } from "@copas/core/Copas"
import type { Listener } from "@copas/core/Listener"
import { Net } from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import { type BindError, InvalidOption, type UnsupportedOption } from "@copas/core/SocketError"
import type { InetListenOptions } from "@copas/core/SocketOptions"
import * as Tls from "@copas/core/Tls"
import type * as TlsContext from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as PlatformServer from "@effect/platform-node/NodeHttpServer"
import * as Etag from "@effect/platform/Etag"
import type { HttpClient } from "@effect/platform/HttpClient"
import type { HttpPlatform } from "@effect/platform/HttpPlatform"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpServerConfig from "./HttpServerConfig.js"
import type { ListenOptions, Options } from "./HttpServerOptions.js"
import { type Settings, settingsOf } from "./internal/httpServer/options.js"
import { Recorder, register, unregister } from "./internal/httpServer/recorder.js"
import * as Serving from "./internal/httpServer/serving.js"
import * as NodeHttpPlatform from "./NodeHttpPlatform.js"
import * as NodeNet from "./NodeNet.js"
import * as TlsFiles from "./TlsFiles.js"

export type { Limits, ListenOptions, Options, Timeouts, WebSocketOptions } from "./HttpServerOptions.js"

type Failed = BindError | TlsError | InvalidOption | UnsupportedOption

/** A context, or options of `Net.listen` that have one. */
const isReady = (tls: object): tls is TlsContext.ServerContext | TlsContext.ListenTlsOptions =>
  Tls.isContext(tls) || "context" in tls

const listen = (
  options: ListenOptions,
  { http2, timeouts }: Settings,
  reload: TlsFiles.ReloadOptions | undefined
): Effect.Effect<Listener, Failed, Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net
    const { tls, ...others } = options
    // Nobody waits for the end of a connection that has been answered: the server itself has, before.
    const common = { linger: "2 seconds", ...others } as const
    if (tls === undefined) return yield* net.listen(common as InetListenOptions)
    const context = isReady(tls) ? tls : yield* TlsFiles.server({
      alpn: http2 === false ? ["http/1.1"] : ["h2", "http/1.1"],
      handshakeTimeout: timeouts.handshake,
      ...tls
    }, reload)
    return yield* net.listen({ ...common, tls: context } as InetListenOptions)
  })

const addressOf = ({ address }: Listener): HttpServer.Address =>
  address._tag === "InetAddress"
    ? { _tag: "TcpAddress", hostname: address.host === "::" ? "0.0.0.0" : address.host, port: address.port }
    : { _tag: "UnixAddress", path: address.path }

/** A listener as the log shows it: `https://[::1]:8443 (h2)`. */
const placeOf = ({ address }: Listener, { tls }: ListenOptions, { http2 }: Settings): string => {
  const isOurs = tls !== undefined && !isReady(tls)
  const more = isOurs && http2 !== false ? " (h2)" : tls === undefined && http2 === "clear" ? " (h2c)" : ""
  const scheme = tls === undefined ? "http" : "https"
  return address._tag === "UnixAddress"
    ? `${scheme} at ${NetAddress.format(address)}${more}`
    : `${scheme}://${NetAddress.format(address)}${more}`
}

/**
 * Listens, and makes the server. Connections are accepted from when an app is served (`HttpServer.serve`), and until the end
 * of that scope, or the exit of the dispatcher: then the server drains. Idle connections end; answers say
 * `Connection: close`; after `drain` what is left is interrupted.
 *
 * A line of the log names every address: `http on http://127.0.0.1:8080, https://[::1]:8443 (h2)`.
 *
 * The scope of `make` closes the listeners. `address` is that of the first one. *Interruption* leaves no descriptor.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<HttpServer.HttpServer, Failed, Copas | Net | Scope.Scope> =>
  Effect.gen(function*() {
    const copas = yield* Copas
    const settings = yield* settingsOf(options)
    const addresses = [options.listen].flat() as ReadonlyArray<ListenOptions>
    if (addresses.length === 0) {
      return yield* new InvalidOption({ option: "listen", value: "[]", expected: "an address, or several" })
    }
    const listeners = yield* Effect.forEach(addresses, (address) => listen(address, settings, options.tlsReload))
    const places = addresses.map((address, index) => placeOf(listeners[index]!, address, settings))
    yield* Effect.logInfo(`${settings.name} on ${places.join(", ")}`)
    const recorder = new Recorder(settings.name)
    const server = HttpServer.make({
      address: addressOf(listeners[0]!),
      serve: (app, middleware) => Serving.serve(copas, listeners, settings, recorder, app, middleware)
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => register(copas, server, recorder)),
      () => Effect.sync(() => unregister(copas, recorder))
    )
    return server
  })

/**
 * An app as a handler of a server of `node:http` that the program makes itself: that of `@effect/platform-node`, without the
 * dispatcher, the limits and the time-outs of this one.
 *
 * @since 0.2.0
 * @category constructors
 */
export const makeHandler: typeof PlatformServer.makeHandler = PlatformServer.makeHandler

/**
 * `make` as a layer, without the services that `layer` brings beside it.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerServer = (options: Options): Layer.Layer<HttpServer.HttpServer, Failed, Copas | Net> =>
  Layer.scoped(HttpServer.HttpServer, make(options))

/**
 * The services that handlers use beside the server: files, paths, tags of files.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerContext: Layer.Layer<HttpPlatform | Etag.Generator | NodeContext.NodeContext> = Layer.mergeAll(
  NodeHttpPlatform.layer,
  Etag.layerWeak,
  NodeContext.layer
)

/**
 * The server, with what handlers use beside it.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<
  HttpServer.HttpServer | HttpPlatform | Etag.Generator | NodeContext.NodeContext,
  Failed,
  Copas | Net
> => Layer.merge(layerServer(options), layerContext)

/**
 * The server, with options of the configuration: by default all of `HttpServerConfig.options`, below `HTTP`.
 *
 * @since 0.2.0
 * @category layers
 * @example
 * ```ts
 * import { NodeHttpServer } from "@copas/node"
 * import { Config } from "effect"
 *
 * // HTTP_LISTEN=https://127.0.0.1:8443 HTTP_TLS_CERTIFICATE=cert.pem HTTP_TLS_KEY=key.pem HTTP_LIMITS_BODY="64 MiB"
 * const everything = NodeHttpServer.layerConfig()
 *
 * const port = NodeHttpServer.layerConfig({ listen: Config.map(Config.port("PORT"), (port) => ({ port })) })
 * ```
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options> = Config.nested(HttpServerConfig.options, "HTTP")
): Layer.Layer<
  HttpServer.HttpServer | HttpPlatform | Etag.Generator | NodeContext.NodeContext,
  Failed | ConfigError,
  Copas | Net
> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))

/**
 * A server on a free port of this machine, and an `HttpClient` whose requests go to it: for tests of handlers. It brings its
 * own dispatcher. To test without the system's network, provide `layer` with `NetMemory`.
 *
 * @since 0.2.0
 * @category layers
 * @example
 * ```ts
 * import { NodeHttpServer } from "@copas/node"
 * import { HttpClient, HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const app = HttpRouter.get(HttpRouter.empty, "/", HttpServerResponse.text("hello"))
 *
 * const program = Effect.gen(function*() {
 *   yield* HttpServer.serveEffect(app)
 *   const response = yield* HttpClient.get("/")
 *   return yield* response.text
 * })
 *
 * Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(NodeHttpServer.layerTest))).then(console.log) // hello
 * ```
 */
export const layerTest: Layer.Layer<
  HttpClient | HttpServer.HttpServer | HttpPlatform | Etag.Generator | NodeContext.NodeContext,
  Failed
> = HttpServer.layerTestClient.pipe(
  Layer.provide(NodeHttpClient.layerWithoutAgent),
  Layer.provide(NodeHttpClient.makeAgentLayer({ keepAlive: false })),
  Layer.provideMerge(layer({ listen: { port: 0 } })),
  Layer.provide(Layer.provideMerge(CopasLayer, NodeNet.layer))
)
