/**
 * A bounded pool of sessions.
 */
import * as Net from "@copas/core/Net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Pool, PoolOptions } from "../../../FtpPool.js"
import type { ConnectFailure, Failure, Session } from "../../../FtpSession.js"
import { count } from "../../options.js"
import * as Sessions from "../../replies/pool.js"
import * as Showing from "../../showing.js"
import type { Pathname } from "../answers.js"
import * as Directory from "../session/directory.js"
import * as Login from "../session/login.js"
import { conversationOf } from "../session/session.js"
import * as Settings from "../session/settings.js"
import * as DownloadTree from "./downloadTree.js"
import * as UploadTree from "./uploadTree.js"

/** A session, and the directory that its login begins in, where the server tells. */
interface Pooled {
  readonly session: Session
  readonly home: Option.Option<Pathname>
}

const open = (settings: Settings.Settings): Effect.Effect<Pooled, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const session = yield* Login.connectWith(settings)
    const conversation = conversationOf(session)
    return { session, home: yield* conversation.turns.turn(Directory.here(conversation)) }
  })

/** Whoever has it next begins where the login begins. A session that does not find back there is discarded. */
const reset = ({ home, session }: Pooled): Effect.Effect<void, Failure | "NoWayBack"> =>
  Effect.suspend((): Effect.Effect<void, Failure | "NoWayBack"> => {
    const conversation = conversationOf(session)
    if (!conversation.hasMoved) return Effect.void
    if (Option.isNone(home)) return Effect.fail("NoWayBack" as const)
    return Effect.map(session.cd(home.value.rawPath), () => {
      conversation.hasMoved = false
      conversation.here = home
    })
  })

export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const size = yield* count("size", options.size, 4, 1)
    const settings = yield* Settings.make(options)
    const checkAfter = Duration.toMillis(Duration.decode(options.checkAfter ?? "10 seconds"))
    const net = yield* Net.Net
    let limit: number | undefined
    const sessions = new Sessions.Pool<Pooled, ConnectFailure>({
      size,
      checkAfter,
      open: Effect.provideService(open(settings), Net.Net, net),
      isUsable: ({ session: { session } }) => conversationOf(session).control.lost === undefined,
      check: ({ session }) => session.noop,
      reset,
      // The same log-in has worked: the server says so to one session more.
      isLimit: ({ _tag }) => _tag === "ServiceUnavailable" || _tag === "LoginRefused",
      onLimit: (sessions) =>
        Effect.suspend(() => {
          limit = sessions
          return Effect.logWarning(
            `FTP ${settings.server} takes ${sessions} ${
              sessions === 1 ? "session" : "sessions"
            } at once: the pool of ` +
              `${size} continues with that`
          )
        })
    }, yield* Effect.scope)
    const session = Effect.map(sessions.session, (held): Session => held.session.session)
    const pool: Pool & Showing.Shown = {
      ...Showing.of("@copas/clients/FtpPool", () => ({ server: settings.server, size })),
      size,
      session,
      use: (f) => Effect.scoped(Effect.flatMap(session, f)),
      stats: sessions.stats,
      limit: Effect.sync(() => Option.fromNullable(limit)),
      downloadDirectory: (path, localPath, options) => DownloadTree.run(pool, settings, path, localPath, options ?? {}),
      uploadDirectory: (localPath, path, options) => UploadTree.run(pool, settings, localPath, path, options ?? {})
    }
    return pool
  })
