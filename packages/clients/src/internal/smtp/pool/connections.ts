/**
 * The connections of a pool, and the callers that wait for one.
 *
 * Fibers of the pool, not of its callers, open, check, settle and close the connections. So an interrupted caller ends no
 * connection, and a caller gets whichever is ready first. Callers are served in their order.
 */
import { within } from "@copas/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SessionClosed } from "../../../ReplyError.js"
import type { Stats } from "../../../SmtpPool.js"
import type { ConnectFailure, Session } from "../../../SmtpSession.js"
import { millisOf, now } from "../../effect/fibers.js"
import { forkSequential } from "../../effect/scopes.js"
import { BackOff, kindOf } from "./backOff.js"
import type { Restore } from "./calls.js"
import { Held, type Limits } from "./held.js"
import { Line, type Place, type Wish } from "./line.js"
import type { Rate } from "./rate.js"

export type Lending = Place<Held>

export interface Options {
  readonly size: number
  readonly limits: Limits
  readonly checkAfterMillis: number
  /** The limit in time of a check, and of the replies that an interrupted caller left owed. */
  readonly patienceMillis: number
  readonly backOffMillis: number
  readonly rate: Rate
  /** Whether connections log in: then they are opened one after the other. */
  readonly logsIn: boolean
  readonly open: Effect.Effect<Session, ConnectFailure, Scope.Scope>
  /** Called whenever the counts may have changed. */
  readonly onChange: (counts: Counts) => void
}

/** The scopes of the fibers that it starts and of the sessions that it opens. */
export interface Scopes {
  readonly jobs: Scope.CloseableScope
  readonly sessions: Scope.CloseableScope
}

export interface Counts {
  readonly open: number
  readonly idle: number
  readonly waiting: number
}

export class Connections {
  private readonly options: Options
  private readonly scopes: Scopes
  private readonly backOff: BackOff
  private readonly line: Line<Held>
  /** Ready to be lent; the one that was used last is lent first, so that the others can end. */
  private readonly idle: Array<Held> = []
  private readonly lentOut = new Set<Held>()
  /** Those that are open, those that are being closed included. */
  private open = 0
  private opening = 0
  private closing = 0
  private checking = 0
  /** The failure of a log-in that is not tried again yet. */
  private refusal: ConnectFailure | undefined
  /** How many connections the log last said that the pool continues with, in this row of failures. */
  private toldOpen: number | undefined
  /** When `look` runs although nothing has happened: the rate, a pause or an idle connection is due. */
  private wakeAt = Infinity
  private ended: SessionClosed | undefined

  constructor(options: Options, scopes: Scopes) {
    this.options = options
    this.scopes = scopes
    this.line = new Line(options.rate)
    const { backOffMillis, logsIn, size } = options
    this.backOff = new BackOff({ size, backOffMillis, isSerial: logsIn })
  }

  private get counts(): Counts {
    return { open: this.open, idle: this.idle.length, waiting: this.line.length }
  }

  get stats(): Effect.Effect<Stats> {
    return Effect.clockWith((clock) =>
      Effect.sync(() => ({ ...this.counts, most: this.backOff.most(millisOf(clock)) }))
    )
  }

  // ---- lending

  /** A connection for as long as the scope. */
  get lent(): Effect.Effect<Held, ConnectFailure, Scope.Scope> {
    return Effect.map(
      Effect.uninterruptibleMask((restore) =>
        Effect.tap(
          this.lend({ isMessage: false, isFirst: false }, restore),
          (lending) => Effect.addFinalizer(() => this.giveBack(lending))
        )
      ),
      ({ held }) => held!
    )
  }

  /** Runs `use` with a connection; only the wait for one, and `use`, can be interrupted. */
  with<A, E, R>(
    wish: Wish,
    restore: Restore,
    use: (lending: Lending, held: Held) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | ConnectFailure, R> {
    return Effect.flatMap(
      this.lend(wish, restore),
      (lending) =>
        Effect.matchCauseEffect(restore(use(lending, lending.held!)), {
          onFailure: (cause) => Effect.zipRight(this.giveBack(lending), Effect.failCause(cause)),
          onSuccess: (value) => Effect.as(this.giveBack(lending), value)
        })
    )
  }

  /** A connection, as soon as it is the caller's turn. */
  private lend(wish: Wish, restore: Restore): Effect.Effect<Lending, ConnectFailure> {
    return Effect.suspend((): Effect.Effect<Lending, ConnectFailure> => {
      if (this.ended !== undefined) return Effect.fail(this.ended)
      const lending = this.line.enter(wish)
      return Effect.zipRight(
        this.look,
        Effect.matchCauseEffect(restore(lending.served), {
          onFailure: (cause) => Effect.zipRight(this.giveUp(lending), Effect.failCause(cause)),
          onSuccess: () => Effect.succeed(lending)
        })
      )
    })
  }

  /** The caller was interrupted while it waited, perhaps just when its turn had come. */
  private giveUp(lending: Lending): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { held } = lending
      if (held === undefined) this.line.leave(lending)
      else {
        this.line.takeBack(lending)
        this.lentOut.delete(held)
        held.isNew = false
        this.idle.push(held)
      }
      return this.look
    })
  }

  /** Its message was not sent after all. */
  takeBack(lending: Lending): void {
    this.line.takeBack(lending)
  }

  /** Closes all connections at once, and cuts those that are lent. Waiting callers fail with `error`. */
  end(error: SessionClosed): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      this.ended = error
      this.line.failAll(Effect.fail(error))
      const { jobs, sessions } = this.scopes
      const cuts = Effect.forEach(this.lentOut, (held) => held.conversation.channel.lose(error.why, undefined))
      return Effect.zipRight(
        // First those that connect: they would read what the end of their session awaits.
        Effect.zipRight(cuts, Effect.zipRight(Scope.close(jobs, Exit.void), Scope.close(sessions, Exit.void))),
        Effect.sync(() => {
          this.idle.length = 0
          this.lentOut.clear()
          this.open = 0
          this.options.onChange(this.counts)
        })
      )
    }))
  }

  private giveBack({ held }: Lending): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      if (held === undefined || this.ended !== undefined) return Effect.void
      const now = millisOf(clock)
      const { channel, hasBegun } = held.conversation
      const { isNew } = held
      this.lentOut.delete(held)
      held.isNew = false
      held.usedAt = now
      if (!held.isUsable(this.options.limits, now)) {
        // What ended the connection is there unless we cut it ourselves.
        const cause = channel.lost?.cause
        if (cause === undefined) this.serves(held)
        // It does not count among the others any more.
        const closing = this.close(held)
        const told = cause !== undefined && isNew ? this.failed(cause as ConnectFailure, now) : Effect.void
        return Effect.zipRight(told, Effect.zipRight(this.start(closing), this.look))
      }
      if (channel.owed > 0 || hasBegun) return this.start(this.settle(held))
      this.serves(held)
      this.idle.push(held)
      return this.look
    })
  }

  private serves(held: Held): void {
    if (held.isProof) {
      this.backOff.proved(this.open - this.closing)
      this.toldOpen = undefined
    }
    held.isProof = false
  }

  /** A connection could not be opened, or ended before it had served. Returns the log entry to write. */
  private failed(error: ConnectFailure, now: number): Effect.Effect<void> {
    const kind = kindOf(error)
    const open = this.open - this.closing
    this.refusal = kind === "Login" ? error : undefined
    if (this.backOff.failed(kind, { open, opening: this.opening }, now)) {
      this.line.failAll(Effect.fail(error))
      return Effect.void
    }
    const pause = Duration.format(Duration.millis(Math.ceil(this.backOff.resumeAt - now)))
    const { size } = this.options
    const text = open === 0
      ? `The pool has no connection, and tries to open one in ${pause}: ${error.message}`
      : `The pool continues with ${open} of ${size} connections, and tries one more in ${pause}: ${error.message}`
    // A row of failures is news once, and again where connections were lost in it.
    const isNews = this.toldOpen === undefined || open < this.toldOpen
    this.toldOpen = open
    return isNews ? Effect.logInfo(text) : Effect.logDebug(text)
  }

  // ---- the work

  private start(job: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.asVoid(Effect.forkIn(job, this.scopes.jobs))
  }

  /** Serves the callers that can be served, and starts what the others need. */
  private get look(): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const jobs = this.ended !== undefined ? [] : this.jobs(millisOf(clock))
      this.options.onChange(this.counts)
      return jobs.length === 0 ? Effect.void : Effect.forEach(jobs, (job) => this.start(job), { discard: true })
    })
  }

  private jobs(now: number): ReadonlyArray<Effect.Effect<void>> {
    const { backOff, idle, line } = this
    const { checkAfterMillis, limits } = this.options
    const jobs: Array<Effect.Effect<void>> = []
    let next = Infinity
    for (const held of idle.filter((one) => one.endsAt(limits) <= now || !one.isUsable(limits, now))) {
      idle.splice(idle.indexOf(held), 1)
      jobs.push(this.close(held))
    }
    for (let lending = line.next(now); lending !== undefined; lending = line.next(now)) {
      const held = idle.at(-1)
      if (held !== undefined && now - held.usedAt <= checkAfterMillis) {
        idle.pop()
        this.lentOut.add(held)
        line.serve(lending, held, now)
        continue
      }
      if (this.opening + this.checking >= line.length) break
      if (held !== undefined) {
        idle.pop()
        jobs.push(this.check(held))
        continue
      }
      const isAnyOpen = this.open - this.closing + this.opening > 0
      if (!isAnyOpen && this.refusal !== undefined && backOff.isLocked(now)) {
        this.line.failAll(Effect.fail(this.refusal))
        break
      }
      const counts = { open: this.open, opening: this.opening }
      if (backOff.mayOpen(counts, now)) {
        jobs.push(this.connect(backOff.isProof(counts)))
        continue
      }
      if (backOff.resumeAt > now) next = Math.min(next, backOff.resumeAt)
      break
    }
    next = Math.min(next, line.nextAt(now))
    for (const held of idle) next = Math.min(next, held.endsAt(limits))
    if (next < this.wakeAt) {
      this.wakeAt = next
      jobs.push(this.lookAt(next, now))
    }
    return jobs
  }

  private lookAt(at: number, now: number): Effect.Effect<void> {
    return Effect.zipRight(
      // Whole milliseconds: a clock with fractions could wake it a hair too early, again and again.
      Effect.interruptible(Effect.sleep(Math.max(1, Math.ceil(at - now)))),
      Effect.suspend(() => {
        if (this.wakeAt === at) this.wakeAt = Infinity
        return this.look
      })
    )
  }

  private connect(isProof: boolean): Effect.Effect<void> {
    this.opening += 1
    return Effect.uninterruptible(Effect.gen(this, function*() {
      const scope = yield* forkSequential(this.scopes.sessions)
      const exit = yield* Effect.exit(Effect.interruptible(Effect.either(Scope.extend(this.options.open, scope))))
      const opened = Exit.isSuccess(exit) && Either.isRight(exit.value) ? exit.value.right : undefined
      if (opened === undefined) yield* Scope.close(scope, exit)
      const openedAt = yield* now
      this.opening -= 1
      if (opened !== undefined) {
        this.open += 1
        const held = new Held(opened, scope, openedAt, isProof)
        this.idle.push(held)
        yield* this.look
        held.isNew = this.lentOut.has(held)
        return
      } else if (Exit.isFailure(exit)) {
        // A defect, of a connector for example: the pool's end has failed all before.
        this.backOff.failed("Wrong", { open: this.open - this.closing, opening: this.opening }, openedAt)
        this.line.failAll(Effect.failCause(exit.cause))
      } else if (Either.isLeft(exit.value)) {
        yield* this.failed(exit.value.left, openedAt)
      }
      yield* this.look
    }))
  }

  /** Checks that a connection that was idle for long still answers. */
  private check(held: Held): Effect.Effect<void> {
    this.checking += 1
    return Effect.uninterruptible(
      Effect.flatMap(
        Effect.exit(within(held.session.noop, this.options.patienceMillis, () => undefined)),
        (exit) => {
          this.checking -= 1
          return this.ready(held, Exit.isSuccess(exit))
        }
      )
    )
  }

  /** Reads what is owed to a caller that was interrupted, and resets what it began. */
  private settle(held: Held): Effect.Effect<void> {
    const { conversation } = held
    return Effect.uninterruptible(
      Effect.flatMap(
        Effect.exit(within(conversation.turn(Effect.void), this.options.patienceMillis, () => undefined)),
        (exit) => {
          if (Exit.isSuccess(exit)) this.serves(held)
          return this.ready(held, Exit.isSuccess(exit))
        }
      )
    )
  }

  private ready(held: Held, isAlive: boolean): Effect.Effect<void> {
    return Effect.flatMap(now, (at) => {
      held.usedAt = at
      if (isAlive) {
        this.idle.push(held)
        return this.look
      }
      return Effect.zipRight(
        held.conversation.channel.lose("the server does not answer in time", undefined),
        this.close(held)
      )
    })
  }

  private close(held: Held): Effect.Effect<void> {
    this.closing += 1
    return Effect.uninterruptible(Effect.zipRight(
      Scope.close(held.scope, Exit.void),
      Effect.suspend(() => {
        this.open -= 1
        this.closing -= 1
        return this.look
      })
    ))
  }
}
