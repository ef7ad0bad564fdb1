/**
 * The connections of a pool, and the callers that wait for one.
 *
 * Connections are opened, looked at, settled and closed by fibers of the pool, not of the callers: an interrupted caller
 * takes nothing along, and a caller gets whichever connection is ready first. Callers are served in their order.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ConnectFailure, Session } from "../../../SmtpSession.js"
import { millisOf, now } from "../../effect/fibers.js"
import { forkSequential } from "../../effect/scopes.js"
import { within } from "../../within.js"
import type { Conversation } from "../session/conversation.js"
import { conversationOf } from "../session/session.js"
import { BackOff, kindOf } from "./backOff.js"
import { Line, type Place, type Wish } from "./line.js"
import type { Rate } from "./rate.js"

/** A connection, logged in. */
export interface Held {
  readonly session: Session
  readonly conversation: Conversation
  readonly scope: Scope.CloseableScope
  readonly openedAt: number
  /** What becomes of it decides whether more may be opened. */
  readonly isProof: boolean
  /** When it was opened, came back or was looked at for the last time. */
  usedAt: number
  /** How often it was lent. */
  uses: number
  /** It is closed when it comes back. */
  isSpent: boolean
}

export type Lending = Place<Held>

type Restore = <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Options {
  readonly size: number
  readonly maxMessages: number
  readonly maxAgeMillis: number
  readonly idleMillis: number
  readonly checkAfterMillis: number
  /** How long a connection may take to tell that it is alive, or to answer what an interrupted caller said. */
  readonly patienceMillis: number
  readonly backOffMillis: number
  readonly rate: Rate
  /** Connections log in, one after the other. */
  readonly logsIn: boolean
  readonly open: Effect.Effect<Session, ConnectFailure, Scope.Scope>
  /** Called whenever the counts may have changed. */
  readonly onChange: (counts: Stats) => void
}

export interface Stats {
  readonly open: number
  readonly idle: number
  readonly waiting: number
  readonly most: number
}

export class Connections {
  private readonly options: Options
  private readonly scope: Scope.CloseableScope
  private readonly backOff: BackOff
  private readonly line: Line<Held>
  /** Ready to be lent; the one that was used last is lent first, so that the others can end. */
  private readonly idle: Array<Held> = []
  /** Those that are open, those that are being closed included. */
  private open = 0
  private opening = 0
  private closing = 0
  private checking = 0
  /** The failure of a log-in that is not tried again yet. */
  private refusal: ConnectFailure | undefined
  /** When it is looked anew, without anything having happened. */
  private wakeAt = Infinity
  private hasEnded = false

  /** All that it opens and starts ends with `scope`. */
  constructor(options: Options, scope: Scope.CloseableScope) {
    this.options = options
    this.scope = scope
    this.line = new Line(options.rate)
    const { backOffMillis, logsIn, size } = options
    this.backOff = new BackOff({ size, backOffMillis, isSerial: logsIn })
  }

  private get counts(): Stats {
    return { open: this.open, idle: this.idle.length, waiting: this.line.length, most: 0 }
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

  /** Runs `use` with a connection. */
  with<A, E, R>(
    wish: Wish,
    use: (lending: Lending, held: Held) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | ConnectFailure, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.lend(wish, restore), (lending) =>
        Effect.flatMap(
          Effect.exit(restore(use(lending, lending.held!))),
          (exit) => Effect.zipRight(this.giveBack(lending), exit)
        ))
    )
  }

  /** A connection, as soon as it is the caller's turn. */
  private lend(wish: Wish, restore: Restore): Effect.Effect<Lending, ConnectFailure> {
    return Effect.suspend(() => {
      const lending = this.line.enter(wish)
      return Effect.zipRight(
        this.look,
        Effect.flatMap(
          Effect.exit(restore(lending.served)),
          (exit): Effect.Effect<Lending, ConnectFailure> =>
            Exit.isSuccess(exit)
              ? Effect.succeed(lending)
              : Effect.zipRight(this.giveUp(lending), Effect.failCause(exit.cause))
        )
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
        this.idle.push(held)
      }
      return this.look
    })
  }

  /** Its message was not sent after all. */
  takeBack(lending: Lending): void {
    this.line.takeBack(lending)
  }

  /** Closes all connections at once; whoever waits fails with `error`. */
  end(error: ConnectFailure): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      this.hasEnded = true
      this.line.failAll(Effect.fail(error))
      return Effect.map(Scope.close(this.scope, Exit.void), () => {
        this.idle.length = 0
        this.open = 0
        this.options.onChange(this.counts)
      })
    }))
  }

  private isUsable(held: Held, now: number): boolean {
    const { maxAgeMillis, maxMessages } = this.options
    return held.conversation.isUsable && !held.isSpent && held.conversation.mails < maxMessages &&
      now - held.openedAt < maxAgeMillis
  }

  private giveBack({ held }: Lending): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      if (held === undefined || this.hasEnded) return Effect.void
      const now = millisOf(clock)
      const { channel, hasBegun } = held.conversation
      held.uses += 1
      held.usedAt = now
      if (!this.isUsable(held, now)) {
        // What ended the connection is there unless we cut it ourselves.
        const cause = channel.lost?.cause
        if (cause === undefined) this.serves(held)
        // It does not count among the others any more.
        const closing = this.close(held)
        const told = cause !== undefined && held.uses === 1 ? this.failed(cause as ConnectFailure, now) : Effect.void
        return Effect.zipRight(told, Effect.zipRight(this.start(closing), this.look))
      }
      if (channel.owed > 0 || hasBegun) return this.start(this.settle(held))
      this.serves(held)
      this.idle.push(held)
      return this.look
    })
  }

  private serves(held: Held): void {
    if (held.isProof && held.uses === 1) this.backOff.proved(this.open - this.closing)
  }

  /** A connection could not be opened, or ended before it had served. Gives what is to be told of it. */
  private failed(error: ConnectFailure, now: number): Effect.Effect<void> {
    const kind = kindOf(error)
    const open = this.open - this.closing
    this.refusal = kind === "Login" ? error : undefined
    if (this.backOff.failed(kind, { open, opening: this.opening }, now)) {
      this.line.failAll(Effect.fail(error))
      return Effect.void
    }
    const seconds = Math.ceil((this.backOff.resumeAt - now) / 1000)
    return Effect.logInfo(
      `The pool continues with ${open} of ${this.options.size} connections, and tries one more in ${seconds} s: ` +
        error.message
    )
  }

  // ---- what is done

  private start(job: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.asVoid(Effect.forkIn(job, this.scope))
  }

  /** Serves whoever can be served, and starts what the others need. */
  private get look(): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const jobs = this.hasEnded ? [] : this.jobs(millisOf(clock))
      this.options.onChange(this.counts)
      return jobs.length === 0 ? Effect.void : Effect.forEach(jobs, (job) => this.start(job), { discard: true })
    })
  }

  private jobs(now: number): ReadonlyArray<Effect.Effect<void>> {
    const { backOff, idle, line } = this
    const { checkAfterMillis } = this.options
    const jobs: Array<Effect.Effect<void>> = []
    let next = Infinity
    for (const held of idle.filter((one) => this.endsAt(one) <= now || !this.isUsable(one, now))) {
      idle.splice(idle.indexOf(held), 1)
      jobs.push(this.close(held))
    }
    for (let lending = line.next(now); lending !== undefined; lending = line.next(now)) {
      const held = idle.at(-1)
      if (held !== undefined && now - held.usedAt <= checkAfterMillis) {
        idle.pop()
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
    for (const held of idle) next = Math.min(next, this.endsAt(held))
    if (next < this.wakeAt) {
      this.wakeAt = next
      jobs.push(this.lookAt(next, now))
    }
    return jobs
  }

  /** When an idle one is closed. */
  private endsAt({ openedAt, usedAt }: Held): number {
    const { idleMillis, maxAgeMillis } = this.options
    return Math.min(usedAt + idleMillis, openedAt + maxAgeMillis)
  }

  private lookAt(at: number, now: number): Effect.Effect<void> {
    return Effect.zipRight(
      Effect.interruptible(Effect.sleep(at - now)),
      Effect.suspend(() => {
        if (this.wakeAt === at) this.wakeAt = Infinity
        return this.look
      })
    )
  }

  private connect(isProof: boolean): Effect.Effect<void> {
    this.opening += 1
    return Effect.uninterruptible(Effect.gen(this, function*() {
      const scope = yield* forkSequential(this.scope)
      const exit = yield* Effect.exit(Effect.interruptible(Effect.either(Scope.extend(this.options.open, scope))))
      const opened = Exit.isSuccess(exit) && Either.isRight(exit.value) ? exit.value.right : undefined
      if (opened === undefined) yield* Scope.close(scope, exit)
      const openedAt = yield* now
      this.opening -= 1
      if (opened !== undefined) {
        this.open += 1
        const conversation = conversationOf(opened)
        const held = {
          session: opened,
          conversation,
          scope,
          openedAt,
          isProof,
          usedAt: openedAt,
          uses: 0,
          isSpent: false
        }
        this.idle.push(held)
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

  /** Asks whether one that was idle for long is still there. */
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
