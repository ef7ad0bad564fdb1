/**
 * When, and how many connections a pool may open. It is pure: it is told what happened, and when.
 *
 * Without failures `size` connections may be open. After a failure no more may be opened than are open then, for a pause
 * that grows with each failure in a row; after it, one more is tried. A row of failures ends when such a connection has
 * served a caller.
 */
import type { ConnectFailure } from "../../../SmtpSession.js"

/**
 * What a failure to connect says about the next one.
 *
 * - `Busy`: it came at once, and may pass: 421, 432, a refused or broken connection
 * - `Silent`: a time-out. The callers have waited long enough
 * - `Wrong`: TLS, options, a permanent refusal
 * - `Login`: the log-in was refused. Each further try brings the account closer to being locked
 */
export type Kind = "Busy" | "Silent" | "Wrong" | "Login"

/** Reasons that may be gone at the next try. */
const passing: ReadonlySet<string> = new Set([
  "Refused",
  "Reset",
  "Unreachable",
  "LookupFailed",
  "AddressNotAvailable",
  "BacklogFull",
  "TooManyOpenFiles"
])

/** Of which kind a failure is. */
export const kindOf = (error: ConnectFailure): Kind => {
  switch (error._tag) {
    case "AuthenticationFailed":
      return error.severity === "transient" ? "Busy" : "Login"
    case "SmtpReplyError":
      return error.severity === "transient" ? "Busy" : "Wrong"
    case "SocketTimeout":
      return "Silent"
    case "ConnectError":
      return error.reason === "TimedOut" ? "Silent" : passing.has(error.reason) ? "Busy" : "Wrong"
    case "ServiceUnavailable":
    case "SocketBroken":
    case "SocketClosed":
    case "SessionClosed":
    case "ProxyError":
      return "Busy"
    default:
      return "Wrong"
  }
}

/** After this many failures in a row, with no connection open, the waiting callers fail. */
const mostTries = 3

const firstPause = 1000

export interface Options {
  readonly size: number
  readonly backOffMillis: number
  /** One after the other, so that a wrong password is tried once. */
  readonly isSerial: boolean
}

/** How many connections there are. */
export interface Counts {
  readonly open: number
  readonly opening: number
}

export class BackOff {
  private readonly options: Options
  /** How many may be open during the pause. */
  private limit: number
  private failures = 0
  private hasRefusedLogin = false
  /** The end of the pause. */
  resumeAt = -Infinity

  constructor(options: Options) {
    this.options = options
    this.limit = options.size
  }

  /** The most that may be open, those being opened included. */
  most(now: number): number {
    const { limit, resumeAt } = this
    return limit >= this.options.size || now < resumeAt ? limit : limit + 1
  }

  /** Whether one more may be opened. The first is opened alone: what fails, fails once. */
  mayOpen({ open, opening }: Counts, now: number): boolean {
    if (this.isLocked(now) || open + opening >= this.most(now)) return false
    return opening === 0 || open > 0 && !this.options.isSerial
  }

  /** Whether the next one is more than the server is known to allow: its success ends the row of failures. */
  isProof({ open, opening }: Counts): boolean {
    return open + opening >= this.limit
  }

  /** The log-in was refused, and is not tried yet. */
  isLocked(now: number): boolean {
    return this.hasRefusedLogin && now < this.resumeAt
  }

  /**
   * Opening one failed, or one that was just opened ended before it had served; `counts` are the others. Gives whether
   * those who wait fail with it; otherwise they wait for the others, or for the next try.
   */
  failed(kind: Kind, counts: Counts, now: number): boolean {
    const { backOffMillis } = this.options
    const others = counts.open + counts.opening
    // Those that fail during the pause were begun before it: they are one failure.
    if (now >= this.resumeAt) this.failures += 1
    const pause = kind === "Login" ? backOffMillis : Math.min(backOffMillis, firstPause * 2 ** (this.failures - 1))
    this.resumeAt = Math.max(this.resumeAt, now + pause)
    this.limit = Math.min(this.limit, counts.open)
    this.hasRefusedLogin = kind === "Login"
    if (kind === "Login") return true
    return others === 0 && (kind !== "Busy" || this.failures >= mostTries)
  }

  /** A connection that was a proof (`isProof`) has served a caller; this many are open. */
  proved(open: number): void {
    this.failures = 0
    this.hasRefusedLogin = false
    this.limit = Math.max(this.limit, open)
  }
}
