/**
 * A bounded pool of sessions.
 */
import * as Net from "@copas/core/Net"
import { InvalidOption } from "@copas/core/SocketError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Pool, PoolOptions } from "../../../FtpPool.js"
import type { ConnectFailure, Session } from "../../../FtpSession.js"
import { makeSemaphore, now } from "../../effect/fibers.js"
import * as Login from "../session/login.js"
import type { InternalSession } from "../session/session.js"
import * as Settings from "../session/settings.js"
import * as DownloadTree from "./downloadTree.js"
import * as UploadTree from "./uploadTree.js"

interface Held {
  readonly session: InternalSession
  readonly scope: Scope.CloseableScope
  /** The directory that the login begins in. */
  readonly home: string
  usedAt: number
}

class Sessions {
  private readonly settings: Settings.Settings
  private readonly net: Net.Service
  private readonly scope: Scope.Scope
  private readonly permits: Effect.Semaphore
  private readonly checkAfter: number
  private readonly idle: Array<Held> = []
  private open = 0

  constructor(settings: Settings.Settings, net: Net.Service, scope: Scope.Scope, size: number, checkAfter: number) {
    this.settings = settings
    this.net = net
    this.scope = scope
    this.permits = makeSemaphore(size)
    this.checkAfter = checkAfter
  }

  get stats(): Effect.Effect<{ readonly open: number; readonly idle: number }> {
    return Effect.sync(() => ({ open: this.open, idle: this.idle.length }))
  }

  get session(): Effect.Effect<Session, ConnectFailure, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function*() {
        yield* restore(this.permits.take(1))
        const scope = yield* Effect.scope
        yield* Scope.addFinalizer(scope, this.permits.release(1))
        const held = yield* this.take(restore)
        yield* Scope.addFinalizer(scope, Effect.uninterruptible(this.giveBack(held)))
        return held.session
      })
    )
  }

  private take(restore: <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<
    Held,
    ConnectFailure
  > {
    return Effect.gen(this, function*() {
      for (;;) {
        const held = this.idle.pop()
        if (held === undefined) return yield* this.connect(restore)
        const idleFor = (yield* now) - held.usedAt
        if (idleFor <= this.checkAfter) return held
        const checked = yield* Effect.exit(restore(held.session.noop))
        if (Exit.isSuccess(checked)) return held
        yield* this.discard(held, checked)
        if (Exit.isInterrupted(checked)) return yield* Effect.interrupt
      }
    })
  }

  private connect(restore: <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<
    Held,
    ConnectFailure
  > {
    return Effect.gen(this, function*() {
      const scope = yield* Scope.fork(this.scope, this.scope.strategy)
      const exit = yield* Effect.exit(restore(
        Effect.gen(this, function*() {
          const session = yield* Login.connectWith(this.settings)
          return { session: session as InternalSession, scope, home: yield* session.pwd, usedAt: 0 }
        }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provideService(Net.Net, this.net))
      ))
      if (Exit.isSuccess(exit)) {
        this.open += 1
        return exit.value
      }
      yield* Scope.close(scope, exit)
      return yield* Effect.failCause(exit.cause)
    })
  }

  private discard(held: Held, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.open -= 1
      return Scope.close(held.scope, exit)
    })
  }

  private giveBack(held: Held): Effect.Effect<void> {
    const { conversation } = held.session
    return Effect.gen(this, function*() {
      if (conversation.hasMoved && conversation.control.lost === undefined) {
        const exit = yield* Effect.exit(held.session.cd(held.home))
        if (Exit.isFailure(exit)) return yield* this.discard(held, exit)
        conversation.hasMoved = false
      }
      if (conversation.control.lost !== undefined) return yield* this.discard(held, Exit.fail("lost"))
      held.usedAt = yield* now
      this.idle.push(held)
    })
  }
}

export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const size = options.size ?? 4
    if (!Number.isSafeInteger(size) || size < 1) {
      return yield* new InvalidOption({ option: "size", value: String(size), expected: "a whole number above zero" })
    }
    const settings = yield* Settings.make(options)
    const checkAfter = Duration.toMillis(Duration.decode(options.checkAfter ?? "10 seconds"))
    const sessions = new Sessions(settings, yield* Net.Net, yield* Effect.scope, size, checkAfter)
    const pool: Pool = {
      size,
      session: sessions.session,
      use: (f) => Effect.scoped(Effect.flatMap(sessions.session, f)),
      stats: sessions.stats,
      downloadDirectory: (path, localPath, options) => DownloadTree.run(pool, settings, path, localPath, options ?? {}),
      uploadDirectory: (localPath, path, options) => UploadTree.run(pool, settings, localPath, path, options ?? {})
    }
    return pool
  })
