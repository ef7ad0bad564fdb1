/**
 * The one-shot calls: each with a session of its own.
 */
import * as Net from "@copas/core/Net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Defaults, Failure, Service, Target } from "../../Ftp.js"
import type { DownloadOptions, Session } from "../../FtpSession.js"
import { orFail } from "../options.js"
import * as Showing from "../showing.js"
import * as Pool from "./pool/pool.js"
import * as Download from "./session/download.js"
import * as Files from "./session/files.js"
import * as Listing from "./session/listing.js"
import * as Login from "./session/login.js"
import { conversationOf } from "./session/session.js"
import * as Upload from "./session/upload.js"
import * as Targets from "./target.js"

export const make = (defaults: Defaults, net: Net.Service): Service => {
  const onNet = <A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Net.Net>> =>
    Effect.provideService(use, Net.Net, net)
  const open = (resolved: Targets.Resolved): Effect.Effect<Session, Failure, Scope.Scope> =>
    onNet(Login.connect(resolved.options))
  /** Runs `use` in a session that ends with it. */
  const once = <A, E, R>(
    resolved: ReturnType<typeof Targets.resolve>,
    use: (session: Session, resolved: Targets.Resolved) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Failure, R> =>
    Effect.flatMap(
      orFail(resolved),
      (resolved) =>
        Effect.scoped(Effect.flatMap(open(resolved), (session) => use(session, resolved))) as Effect.Effect<
          A,
          E | Failure,
          R
        >
    )
  const typed = <O extends object>(
    resolved: Targets.Resolved,
    options: O | undefined
  ): O => ({ ...(resolved.type === undefined ? {} : { type: resolved.type as "binary" | "text" }), ...options } as O)
  const directory = ({ path }: Targets.Resolved) => path.length === 0 ? undefined : path

  const service: Service & Showing.Shown = {
    ...Showing.of("@copas/clients/Ftp", () => ({})),
    connect: (options = {}) =>
      Effect.flatMap(
        orFail(Targets.session(options, defaults)),
        (options): Effect.Effect<Session, Failure, Scope.Scope> => onNet(Login.connect(options))
      ),
    pool: (options = {}) =>
      Effect.flatMap(
        orFail(Targets.session(options, defaults)),
        (session) => onNet(Pool.make({ ...options, ...session }))
      ),
    get: (target, options) =>
      Effect.flatMap(orFail(Targets.resolve(target, defaults)), (resolved) =>
        resolved.type === "listing"
          ? once(Targets.resolve(target, defaults), (session, resolved) =>
            Files.collect(
              conversationOf(session),
              Listing.openNames(conversationOf(session), directory(resolved)),
              options?.maxBytes
            ))
          : once(Targets.file(target, defaults), (session, resolved) =>
            session.get(resolved.path, typed(resolved, options)))),
    put: (target, content, options) =>
      once(
        Targets.file(target, defaults),
        (session, resolved) => session.put(resolved.path, content, typed(resolved, options))
      ),
    download: (target: Target, options?: DownloadOptions) =>
      Stream.unwrapScoped(Effect.gen(function*() {
        const resolved = yield* orFail(Targets.file(target, defaults))
        const session = yield* open(resolved)
        return Files.toStream(Download.open(conversationOf(session), resolved.path, typed(resolved, options)))
      })),
    upload: (target, options) =>
      Sink.unwrapScoped(Effect.gen(function*() {
        const resolved = yield* orFail(Targets.file(target, defaults))
        const session = yield* open(resolved)
        return Files.toSink(Upload.open(conversationOf(session), resolved.path, typed(resolved, options)))
      })),
    list: (target) => once(Targets.resolve(target, defaults), (session, resolved) => session.list(directory(resolved))),
    names: (target) =>
      once(Targets.resolve(target, defaults), (session, resolved) => session.names(directory(resolved))),
    downloadFile: (target, localPath, options) =>
      once(
        Targets.file(target, defaults),
        (session, resolved) => session.downloadFile(resolved.path, localPath, typed(resolved, options))
      ),
    uploadFile: (localPath, target, options) =>
      once(
        Targets.file(target, defaults),
        (session, resolved) => session.uploadFile(localPath, resolved.path, typed(resolved, options))
      )
  }
  return service
}
