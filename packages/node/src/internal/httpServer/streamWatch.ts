/** The time-outs of a connection of HTTP/2: one deadline, which looks from time to time what each stream waits for. */
import type { LentCounts, Timekeeper } from "@copas/core/Transport"
import type { Exchange } from "./exchange.js"
import type { Settings } from "./options.js"

export interface WatchedStreams {
  readonly timedOut: (exchange: Exchange, kind: "body" | "request" | "send") => void
  readonly timedOutIdle: () => void
  /** The bytes of the connection. */
  readonly look: () => LentCounts
  /** Asks the client to say something. */
  readonly ping: () => void
  /** The client has said nothing, and nothing can be said to it. */
  readonly lost: () => void
}

/** How often within the shortest time-out it is looked: a time-out is late by this part of it at most. */
const looks = 4

interface Seen {
  readonly begunAt: number
  /** Its handler has ended. What it answered may still wait to go out. */
  isHandled: boolean
  isClosed: boolean
  received: number
  movedAt: number
  sent: number
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
  /** Bytes that had come, and gone out, at the last look, and when any had moved. */
  private received = 0
  private progress: number | undefined = undefined
  private heardAt = 0
  private isPinged = false
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
    if (this.seen.size === 0) this.heard(now)
    this.seen.set(exchange, {
      begunAt: now,
      isHandled: false,
      isClosed: false,
      received: 0,
      movedAt: now,
      sent: 0,
      sentAt: now
    })
  }

  /** The stream's handler has ended. */
  handled(exchange: Exchange): void {
    const seen = this.seen.get(exchange)
    if (seen === undefined) return
    seen.isHandled = true
    this.leave(exchange, seen)
  }

  /** The stream is closed. */
  closed(exchange: Exchange): void {
    const seen = this.seen.get(exchange)
    if (seen === undefined) return
    seen.isClosed = true
    this.leave(exchange, seen)
  }

  /** A stream that has ended in both ways is not waited for, and the connection is idle when none is. */
  private leave(exchange: Exchange, { isClosed, isHandled }: Seen): void {
    if (!isClosed || !isHandled) return
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
    if (this.seen.size > 0) this.listen(now)
    for (const [exchange, seen] of this.seen) this.lookAt(exchange, seen, now)
    this.arm(now)
  }

  /**
   * While a stream is open the connection is not idle, and a client that says nothing may have vanished; or Node's parser has
   * refused a frame, without a word to Node, and then reads and writes no more.
   */
  private listen(now: number): void {
    const { progress, received } = this.watched.look()
    // Node does not read while a long write is under way, and the PING waits behind it.
    const hasMoved = received !== this.received || (this.progress !== undefined && progress !== this.progress)
    this.received = received
    this.progress = progress
    if (hasMoved) this.heard(now)
    else if (now - this.heardAt >= this.timeouts.idle) {
      if (this.isPinged) return this.watched.lost()
      this.heard(now)
      this.isPinged = true
      // The PING itself is no progress.
      this.progress = undefined
      this.watched.ping()
    }
  }

  private heard(now: number): void {
    this.heardAt = now
    this.isPinged = false
  }

  private lookAt(exchange: Exchange, seen: Seen, now: number): void {
    if (seen.isClosed) return
    const { body, request, send } = this.timeouts
    // The client's window may keep back what was handed over whole: nobody waits for that, and it holds the stream open.
    const unsent = seen.isHandled || exchange.isSending ? exchange.response.writableLength : 0
    const sent = exchange.handedOver - unsent
    if (unsent === 0 || sent !== seen.sent) seen.sentAt = now
    seen.sent = sent
    if (now - seen.sentAt >= send) {
      this.watched.timedOut(exchange, "send")
      return
    }
    if (seen.isHandled) return
    const { received } = exchange.body
    if (!exchange.awaitsBody || received !== seen.received) seen.movedAt = now
    seen.received = received
    if (exchange.awaitsBody && now - seen.begunAt >= request) this.watched.timedOut(exchange, "request")
    else if (now - seen.movedAt >= body) this.watched.timedOut(exchange, "body")
  }
}
