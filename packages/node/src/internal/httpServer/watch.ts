/** The time-outs of a connection of HTTP/1.1: one deadline, which looks from time to time what the connection waits for. */
import type { Timekeeper } from "@copas/core/Transport"
import type { Settings } from "./options.js"

export interface Watched {
  readonly received: number
  readonly awaitsBody: boolean
  readonly timedOut: (kind: "head" | "idle" | "body" | "request") => void
}

/** How often within the shortest time-out it is looked: what begins unseen is late by this part of it at most. */
const looks = 4

export class Watch {
  private readonly watched: Watched
  private readonly time: Timekeeper
  private readonly timeouts: Settings["timeouts"]
  private readonly period: number
  private phase: "head" | "idle" | "busy" = "head"
  private since = 0
  /** When the request began whose head, or body, is awaited. */
  private begunAt = 0
  /** Bytes that had come when the phase began, or at the last look. */
  private seen = 0
  private movedAt = 0
  private cancel: (() => void) | undefined = undefined

  constructor(watched: Watched, time: Timekeeper, timeouts: Settings["timeouts"]) {
    this.watched = watched
    this.time = time
    this.timeouts = timeouts
    const { body, headers, idle, request } = timeouts
    this.period = Math.min(headers, idle, body, request) / looks
  }

  /** The connection is new: its first head is awaited. Bytes of it may have come already, unless those of TLS were. */
  begin(isSecure: boolean): void {
    const now = this.time.now()
    this.enter("head", now)
    if (!isSecure) this.seen = 0
    this.arm(now)
  }

  end(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  /** A request begins to be answered. */
  busy(): void {
    const now = this.time.now()
    if (this.phase !== "head") this.begunAt = now
    this.enter("busy", now)
  }

  /** The next request is awaited. */
  idle(): void {
    this.enter("idle", this.time.now())
  }

  private enter(phase: "head" | "idle" | "busy", now: number): void {
    this.phase = phase
    this.since = now
    this.movedAt = now
    this.seen = this.watched.received
    if (phase === "head") this.begunAt = now
  }

  /** Something of a request has come, after `received` bytes, that no request is made of yet. */
  isWithinHead(received: number): boolean {
    return this.phase !== "busy" &&
      (this.watched.received !== received || (this.phase === "head" && received !== this.seen))
  }

  private arm(now: number): void {
    if (this.period === Infinity) return
    this.cancel = this.time.after(Math.max(0, Math.min(this.period, this.due - now)), (lookedAt) => {
      this.cancel = undefined
      this.look(lookedAt)
    })
  }

  /** When the present phase ends, as far as it is known. */
  private get due(): number {
    const { begunAt, movedAt, phase, since, timeouts } = this
    if (phase === "head") return since + timeouts.headers
    if (phase === "idle") return since + timeouts.idle
    return this.watched.awaitsBody ? Math.min(movedAt + timeouts.body, begunAt + timeouts.request) : Infinity
  }

  private look(now: number): void {
    const { watched } = this
    const { received } = watched
    const hasMoved = received !== this.seen
    const { phase } = this
    // Of a head, what had come when it began is compared.
    if (phase === "idle" && hasMoved) {
      const { seen } = this
      this.enter("head", now)
      this.seen = seen
    } else if (phase === "busy") {
      if (hasMoved || !watched.awaitsBody) this.movedAt = now
      this.seen = received
    }
    if (now < this.due) {
      this.arm(now)
      return
    }
    if (this.phase === "head") watched.timedOut(received === this.seen ? "idle" : "head")
    else if (this.phase === "idle") watched.timedOut("idle")
    else {
      watched.timedOut(now >= this.begunAt + this.timeouts.request ? "request" : "body")
      this.arm(now)
    }
  }
}
