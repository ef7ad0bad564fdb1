/**
 * TLS contexts of servers whose certificates, keys and lists are files: read again when they change, while listeners stay open.
 *
 * @since 0.2.0
 */
import { Net } from "@copas/core/Net"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type { Material, ServerContext, ServerOptions } from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import { suspendCancellable } from "@copas/core/Transport"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { orFail } from "./internal/effect/eithers.js"
import { millis } from "./internal/optionValues.js"

/**
 * When files are read again.
 *
 * @since 0.2.0
 * @category models
 */
export interface ReloadOptions {
  /** How often it is looked whether one has changed: its time, its size, or the file that a link leads to. Default 1 minute. */
  readonly every?: Duration.DurationInput | undefined
  /**
   * A signal of the process upon which they are read again, changed or not. Default: none, because a process that takes
   * `SIGHUP` no longer ends with its terminal, and the runner `copas` ends upon it.
   */
  readonly signal?: "SIGHUP" | "SIGUSR2" | undefined
}

const most = 1024

const pathsOf = ({ ca, crl, dhparam, identity }: ServerOptions): ReadonlyArray<string> =>
  [[identity].flat().flatMap((one) => one === undefined ? [] : [one.certificate, one.key]), ca, crl, dhparam].flat(2)
    .flatMap((material: Material | "auto" | undefined) =>
      typeof material !== "object" || material === null
        ? []
        : "path" in material
        ? [material.path]
        : "directory" in material
        ? [material.directory]
        : []
    )

/** What tells that a file is another one, or that a directory has others. A file that is not there is told by its error. */
const printOf = async (path: string, isWithin = false): Promise<string> => {
  try {
    const { ino, isDirectory, mtimeNs, size } = await stat(path, { bigint: true }).then((found) => ({
      ...found,
      isDirectory: found.isDirectory()
    }))
    const own = `${path} ${ino} ${size} ${mtimeNs}`
    if (!isDirectory || isWithin) return own
    const names = (await readdir(path)).sort().slice(0, most)
    return [own, ...await Promise.all(names.map((name) => printOf(join(path, name), true)))].join("\n")
  } catch (error) {
    return `${path} ${(error as NodeJS.ErrnoException).code}`
  }
}

const prints = (paths: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.promise(() => Promise.all(paths.map((path) => printOf(path))).then((all) => all.join("\n")))

/** Waits for the signal; one that came since the last wait is not lost. */
const signals = (signal: NodeJS.Signals): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const state = { isPending: false, wake: undefined as (() => void) | undefined }
        const came = (): void => {
          state.isPending = true
          state.wake?.()
        }
        process.on(signal, came)
        return { state, came }
      }),
      ({ came }) => Effect.sync(() => process.removeListener(signal, came))
    ),
    ({ state }) =>
      suspendCancellable<void>((resume) => {
        const wake = (): void => {
          state.isPending = false
          state.wake = undefined
          resume(Effect.void)
        }
        if (state.isPending) return wake()
        state.wake = wake
        return Effect.sync(() => {
          state.wake = undefined
        })
      })
  )

/**
 * Builds what `Tls.server` builds, and replaces it when a file of the options changes, or upon a signal. Established
 * connections continue; new ones get the new certificate.
 *
 * Files that are bad, or that do not belong together because only one of them has been replaced yet, change nothing: the log
 * says why, and they are read again at the next look. Contexts in `serverNames` are their own.
 *
 * The scope ends the looking, and the context stays as it is. *Interruption*: nothing was built, and nothing has to be
 * released.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { NodeHttpServer, TlsFiles } from "@copas/node"
 * import { Effect, Layer } from "effect"
 *
 * const server = Layer.unwrapScoped(Effect.gen(function*() {
 *   const tls = yield* TlsFiles.server(
 *     { identity: { certificate: { path: "fullchain.pem" }, key: { path: "key.pem" } }, alpn: ["h2", "http/1.1"] },
 *     { signal: "SIGHUP" }
 *   )
 *   return NodeHttpServer.layer({ listen: { port: 8443, tls } })
 * }))
 * ```
 */
export const server = (
  options: ServerOptions,
  reload: ReloadOptions = {}
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net
    const every = yield* orFail(millis("every", reload.every ?? "1 minute", 1))
    const paths = pathsOf(options)
    let print = yield* prints(paths)
    const context = yield* Tls.server(options)
    const signalled = reload.signal === undefined ? Effect.never : yield* signals(reload.signal)
    let complaint = ""
    const replace = (now: string) =>
      Effect.matchEffect(Effect.provideService(Tls.replace(context, options), Net, net), {
        onFailure: (error) => {
          if (error.message === complaint) return Effect.void
          complaint = error.message
          return Effect.logError("the files of a TLS context were not taken, and those before stay in force", error)
        },
        onSuccess: () => {
          print = now
          complaint = ""
          return Effect.logInfo("the files of a TLS context have changed, and are in force")
        }
      })
    const look = Effect.flatMap(prints(paths), (now) => now === print ? Effect.void : replace(now))
    const looking = every === Infinity || paths.length === 0
      ? Effect.never
      : Effect.forever(Effect.zipRight(Effect.sleep(every), look))
    const listening = Effect.forever(Effect.zipRight(signalled, Effect.flatMap(prints(paths), replace)))
    yield* Effect.forkScoped(Effect.interruptible(looking))
    if (reload.signal !== undefined) yield* Effect.forkScoped(Effect.interruptible(listening))
    return context
  })
