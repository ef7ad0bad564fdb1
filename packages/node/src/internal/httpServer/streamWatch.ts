/** The time-outs of a connection of HTTP/2: one deadline, which looks from time to time what each stream waits for. */
import type { Timekeeper } from "@copas/core/Transport"
import type { Exchange } from "./exchange.js"
import type { Settings } from "./options.js"

export interface WatchedStreams {
  readonly exchanges: ReadonlyMap<Exchange, unknown>
  readonly timedOut: (exchange: Exchange, kind: "body" | "request" | "send") => void
  readonly timedOutIdle: () => void
}

/** How often within the shortest time-out it is looked: a time-out is late by this part of it at most. */
const looks = 4

interface Seen {
  readonly begunAt: number
  received: number
  movedAt: number
  unsent: number
  sentAt: number
}

export class StreamWatch {
  private readonly watched: WatchedStreams
  private readonly time: Timekeeper
  private readonly timeouts: Settings["timeouts"]
  private readonly period: number
  private readonly seen = new Map<Exchange, Seen>()
  private hasBegun = false
  private idleSince = 0
  private cancel: (() => void) | undefined = undefined

  constructor(watched: WatchedStreams, time: Timekeeper, timeouts: Settings["timeouts"]) {
    this.watched = watched
    this.time = time
    this.timeouts = timeouts
    const { body, headers, idle, request, send } = timeouts
    this.period = Math.min(headers, idle, body, request, send) / looks
  }

  /** The connection is new: its first stream is awaited. */
  begin(): void {
    this.idleSince = this.time.now()
    this.arm(this.idleSince)
  }

  end(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  begun(exchange: Exchange): void {
    const now = this.time.now()
    this.hasBegun = true
    this.seen.set(exchange, { begunAt: now, received: 0, movedAt: now, unsent: 0, sentAt: now })
  }

  ended(exchange: Exchange): void {
    this.seen.delete(exchange)
    if (this.seen.size === 0) this.idleSince = this.time.now()
  }

  private get idle(): number {
    return this.idleSince + (this.hasBegun ? this.timeouts.idle : this.timeouts.headers)
  }

  private arm(now: number): void {
    if (this.period === Infinity) return
    const due = this.seen.size === 0 ? this.idle - now : Infinity
    this.cancel = this.time.after(Math.max(0, Math.min(this.period, due)), (lookedAt) => {
      this.cancel = undefined
      this.look(lookedAt)
    })
  }

  private look(now: number): void {
    if (this.seen.size === 0 && now >= this.idle) {
      this.watched.timedOutIdle()
      return
    }
    for (const [exchange, seen] of this.seen) this.lookAt(exchange, seen, now)
    this.arm(now)
  }

  private lookAt(exchange: Exchange, seen: Seen, now: number): void {
    const { body, request, send } = this.timeouts
    const { received } = exchange.body
    if (!exchange.awaitsBody || received !== seen.received) seen.movedAt = now
    seen.received = received
    if (exchange.awaitsBody && now - seen.begunAt >= request) this.watched.timedOut(exchange, "request")
    else if (now - seen.movedAt >= body) this.watched.timedOut(exchange, "body")
    const unsent = exchange.isSending ? exchange.response.writableLength : 0
    if (unsent === 0 || unsent !== seen.unsent) seen.sentAt = now
    seen.unsent = unsent
    if (now - seen.sentAt >= send) this.watched.timedOut(exchange, "send")
  }
}
