/**
 * The FTP client (RFC 959, with RFC 1123, 2228, 2389, 2428, 2640, 3659, 4217 and 7151).
 *
 * One-shot calls take a URL, or options with a path, and make a session of their own. `connect` gives a session for
 * several calls, `pool` gives several sessions for transfers in parallel and for whole trees.
 *
 * A download or an upload succeeds when its data has ended, the server has confirmed it, and SIZE agrees. Otherwise it
 * fails: with `TransferIncomplete` if it ended short, with `OutcomeUnknown` if that is not known. Errors are in `FtpError`.
 *
 * @since 0.1.0
 */
import { Net } from "@copas/core/Net"
import type { MessageTooLong } from "@copas/core/SocketError"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { UnsafeFileName } from "./FtpError.js"
import type * as FtpPool from "./FtpPool.js"
import type * as FtpSession from "./FtpSession.js"
import * as Retry from "./internal/ftp/retry.js"
import * as SafeNames from "./internal/ftp/safeName.js"
import * as Service_ from "./internal/ftp/service.js"
import type * as Retrying from "./internal/retry.js"

/**
 * Options for every session that a service makes. The user, password and port of one `host` are not used for another host
 * that a URL names.
 *
 * @since 0.1.0
 * @category models
 */
export type Defaults = Partial<FtpSession.Options>

/**
 * Where a file is: a URL (RFC 1738, section 3.2: `ftp://user:password@host/path;type=a`), or options and a path. `ftp:`
 * is without TLS unless the service's options say otherwise, `ftpes:` asks for TLS, `ftps:` begins with it. `/%2Fetc`
 * begins at the root; every other path begins in the directory of the log-in.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = string | URL | Defaults & { readonly path: FtpSession.Path }

/**
 * The errors of a one-shot call.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = FtpSession.ConnectFailure

/**
 * The service of the tag `Ftp`; the functions of the same names document its calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly connect: (
    options?: string | URL | Defaults
  ) => Effect.Effect<FtpSession.Session, Failure, Scope.Scope>
  readonly pool: (
    options?: Partial<FtpPool.PoolOptions>
  ) => Effect.Effect<FtpPool.Pool, Failure, Scope.Scope>
  readonly get: (
    target: Target,
    options?: FtpSession.DownloadOptions & { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, Failure | MessageTooLong>
  readonly put: <E = never, R = never>(
    target: Target,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
    options?: FtpSession.UploadOptions
  ) => Effect.Effect<FtpSession.Transferred, Failure | E, R>
  readonly download: (
    target: Target,
    options?: FtpSession.DownloadOptions
  ) => Stream.Stream<Uint8Array, Failure>
  readonly upload: (
    target: Target,
    options?: FtpSession.UploadOptions
  ) => Sink.Sink<FtpSession.Transferred, Uint8Array, never, Failure>
  readonly list: (target: Target) => Effect.Effect<FtpSession.Entries, Failure>
  readonly names: (target: Target) => Effect.Effect<ReadonlyArray<string>, Failure>
  readonly downloadFile: (
    target: Target,
    localPath: string,
    options?: { readonly resume?: boolean | undefined }
  ) => Effect.Effect<FtpSession.Transferred, Failure | PlatformError, FileSystem>
  readonly uploadFile: (
    localPath: string,
    target: Target,
    options?: { readonly resume?: boolean | undefined }
  ) => Effect.Effect<FtpSession.Transferred, Failure | PlatformError, FileSystem>
}

/**
 * The FTP client.
 *
 * @since 0.1.0
 * @category tags
 */
export class Ftp extends Context.Tag("@copas/clients/Ftp")<Ftp, Service>() {}

/**
 * Makes a client with options for all its sessions.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (defaults: Defaults = {}): Effect.Effect<Service, never, Net> =>
  Effect.map(Net, (net) => Service_.make(defaults, net))

/**
 * The client over the network of the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (defaults: Defaults = {}): Layer.Layer<Ftp, never, Net> => Layer.effect(Ftp, make(defaults))

/**
 * The client with options from the configuration; give secrets by `Config.redacted`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (config: Config.Config.Wrap<Defaults>): Layer.Layer<Ftp, ConfigError, Net> =>
  Layer.effect(Ftp, Effect.flatMap(Config.unwrap(config), make))

/**
 * Connects to a server and logs in. Leaving the scope sends QUIT and closes the session. *Interruption* leaves nothing
 * open.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Ftp } from "@copas/clients"
 * import { FtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* FtpServer.make({ files: { "/pub/greeting.txt": "hello" } })
 *   const session = yield* Ftp.connect({ host: server.host, port: server.port })
 *   yield* session.cd("pub")
 *   yield* session.put("answer.txt", "good day")
 *   const entries = yield* session.list()
 *   return entries.map((entry) => `${entry.name}: ${entry.size} bytes`)
 * })
 *
 * const layer = Layer.provideMerge(Ftp.layer(), NetMemory.layer)
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // [ 'answer.txt: 8 bytes', 'greeting.txt: 5 bytes' ]
 * ```
 */
export const connect = (
  options?: string | URL | Defaults
): Effect.Effect<FtpSession.Session, Failure, Ftp | Scope.Scope> => Effect.flatMap(Ftp, (ftp) => ftp.connect(options))

/**
 * Makes a bounded pool of sessions with one server. The scope closes them.
 *
 * @since 0.1.0
 * @category accessors
 */
export const pool = (
  options?: Partial<FtpPool.PoolOptions>
): Effect.Effect<FtpPool.Pool, Failure, Ftp | Scope.Scope> => Effect.flatMap(Ftp, (ftp) => ftp.pool(options))

/**
 * Downloads a whole file into memory, at most `maxBytes` (default 256 MiB). Lua's `ftp.get(url)`. *Interruption* aborts it.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Ftp } from "@copas/clients"
 * import { FtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* FtpServer.make({ files: { "/pub/greeting.txt": "hello" } })
 *   const bytes = yield* Ftp.get(`${server.url}/pub/greeting.txt`)
 *   return new TextDecoder().decode(bytes)
 * }).pipe(
 *   Effect.catchTag("NotFound", (error) => Effect.succeed(`there is no ${error.path}`))
 * )
 *
 * const layer = Layer.provideMerge(Ftp.layer(), NetMemory.layer)
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // hello
 * ```
 */
export const get = (
  target: Target,
  options?: FtpSession.DownloadOptions & { readonly maxBytes?: number | undefined }
): Effect.Effect<Uint8Array, Failure | MessageTooLong, Ftp> => Effect.flatMap(Ftp, (ftp) => ftp.get(target, options))

/**
 * Uploads text (as UTF-8), bytes or a stream into a file. Lua's `ftp.put(url, content)`. *Interruption* aborts it, and may
 * leave a part of the file.
 *
 * @since 0.1.0
 * @category accessors
 */
export const put = <E = never, R = never>(
  target: Target,
  content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options?: FtpSession.UploadOptions
): Effect.Effect<FtpSession.Transferred, Failure | E, Ftp | R> =>
  Effect.flatMap(Ftp, (ftp) => ftp.put(target, content, options))

/**
 * Downloads a file as a stream. The stream ends when the whole file has arrived and was verified. If the program stops
 * reading it earlier, the transfer is aborted.
 *
 * @since 0.1.0
 * @category accessors
 */
export const download = (
  target: Target,
  options?: FtpSession.DownloadOptions
): Stream.Stream<Uint8Array, Failure, Ftp> => Stream.unwrap(Effect.map(Ftp, (ftp) => ftp.download(target, options)))

/**
 * A sink that uploads its input into a file.
 *
 * @since 0.1.0
 * @category accessors
 */
export const upload = (
  target: Target,
  options?: FtpSession.UploadOptions
): Sink.Sink<FtpSession.Transferred, Uint8Array, never, Failure, Ftp> =>
  Sink.unwrap(Effect.map(Ftp, (ftp) => ftp.upload(target, options)))

/**
 * Lists the entries of a directory.
 *
 * @since 0.1.0
 * @category accessors
 */
export const list = (target: Target): Effect.Effect<FtpSession.Entries, Failure, Ftp> =>
  Effect.flatMap(Ftp, (ftp) => ftp.list(target))

/**
 * Lists the names in a directory (NLST). Lua's `ftp.get{ command = "nlst" }`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const names = (target: Target): Effect.Effect<ReadonlyArray<string>, Failure, Ftp> =>
  Effect.flatMap(Ftp, (ftp) => ftp.names(target))

/**
 * Downloads a file to the local disk. With `resume` it keeps the part that is there and adds the rest. *Interruption*
 * aborts it, and keeps the part.
 *
 * @since 0.1.0
 * @category accessors
 */
export const downloadFile = (
  target: Target,
  localPath: string,
  options?: { readonly resume?: boolean | undefined }
): Effect.Effect<FtpSession.Transferred, Failure | PlatformError, Ftp | FileSystem> =>
  Effect.flatMap(Ftp, (ftp) => ftp.downloadFile(target, localPath, options))

/**
 * Uploads a local file. With `resume` it keeps the part that the server has and adds the rest. *Interruption* aborts it,
 * and keeps the part.
 *
 * @since 0.1.0
 * @category accessors
 */
export const uploadFile = (
  localPath: string,
  target: Target,
  options?: { readonly resume?: boolean | undefined }
): Effect.Effect<FtpSession.Transferred, Failure | PlatformError, Ftp | FileSystem> =>
  Effect.flatMap(Ftp, (ftp) => ftp.uploadFile(localPath, target, options))

/**
 * How `retrySchedule` waits.
 *
 * @since 0.2.0
 * @category models
 */
export type RetryOptions = Retrying.RetryOptions

/**
 * A schedule for trying a call again while `FtpError.canRetry` holds: after 1, 2, 5, 15, then every 30 seconds, each spread by
 * a fifth either way, for five minutes in all.
 *
 * @since 0.2.0
 * @category retrying
 * @example
 * ```ts
 * import { Ftp } from "@copas/clients"
 * import { FtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* FtpServer.make({ files: { "/a": "hello" }, quirks: { replies: { RETR: "450 Busy" } } })
 *   yield* Effect.fork(Effect.delay(server.setQuirks({ replies: {} }), "20 millis"))
 *   const bytes = yield* Ftp.get(`${server.url}/a`).pipe(
 *     Effect.retry(Ftp.retrySchedule({ delays: ["10 millis"] }))
 *   )
 *   return new TextDecoder().decode(bytes)
 * })
 *
 * const layer = Layer.provideMerge(Ftp.layer(), NetMemory.layer)
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // hello
 * ```
 */
export const retrySchedule = (
  options?: RetryOptions
): Schedule.Schedule<number, FtpSession.ConnectFailure | MessageTooLong | PlatformError> => Retry.schedule(options)

/**
 * Returns the name of an entry if it may be joined to a local path, or else why it may not. It never rewrites a name that
 * is not safe: two names could become one. `windows` also refuses names that Windows would take for another file.
 *
 * @since 0.1.0
 * @category conversions
 */
export const safeName = (
  entry: FtpSession.Entry,
  options: { readonly codec?: FtpSession.Codec; readonly system?: "any" | "windows" } = {}
): Either.Either<string, UnsafeFileName> => SafeNames.make(entry.rawName, options)
