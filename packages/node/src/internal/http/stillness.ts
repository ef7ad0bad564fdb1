/** The time-outs of an HTTP connection: they take both directions and the request under way into account. */
import type { Socket } from "@copas/core/Socket"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { currentClock, monotonicMillisOf } from "../effect/fibers.js"

const millisOf = (timeout: Duration.DurationInput | undefined): number =>
  timeout === undefined ? Infinity : Duration.toMillis(timeout)

/**
 * Ends the read or the write that waits when nothing has moved in either direction for the time-out of its own direction.
 *
 * A socket's own receive time-out counts while a read waits; an HTTP client reads all the time, also while it uploads and
 * while it has no request. So the socket's time-outs are unset here, and set again only when they are due: the socket
 * itself then looks for what has come, and fails, with its own error, its traces and its metrics.
 */
export class Stillness {
  private readonly socket: Socket
  private readonly clock: Clock.Clock
  private readonly receive: number
  private readonly send: number
  /** The time at which bytes last moved, or the waiting began. */
  private since: number
  private bytesSent = 0
  private isArmed = false
  private isReading = false
  private writes = 0
  /** A request waits for its answer. */
  private isBusy = true
  /** A body is being produced: until it is complete, the server only has to accept what was sent. */
  private isUploading = false

  private constructor(socket: Socket, clock: Clock.Clock) {
    this.socket = socket
    this.clock = clock
    this.receive = millisOf(socket.timeouts.receive)
    this.send = millisOf(socket.timeouts.send)
    this.since = this.now()
  }

  /** Unsets the socket's time-outs and takes their place. */
  static make(socket: Socket): Effect.Effect<Stillness> {
    return Effect.flatMap(currentClock, (clock) => {
      const stillness = new Stillness(socket, clock)
      return Effect.as(stillness.disarmed, stillness)
    })
  }

  private now(): number {
    return monotonicMillisOf(this.clock)
  }

  private get disarmed(): Effect.Effect<void> {
    return Effect.orDie(this.socket.setTimeouts({ receive: null, send: null }))
  }

  // ---- what happens on the connection

  /** Something moved, or a wait begins. */
  private touch(): void {
    this.since = this.now()
    if (!this.isArmed) return
    this.isArmed = false
    Effect.runSync(this.disarmed)
  }

  readBegins(): void {
    this.isReading = true
    this.touch()
  }

  readEnds(): void {
    this.isReading = false
    this.touch()
  }

  writeBegins(): void {
    this.writes += 1
    this.touch()
  }

  writeEnds(): void {
    this.writes -= 1
    this.touch()
  }

  busy(isBusy: boolean): void {
    this.isBusy = isBusy
    this.touch()
  }

  uploading(isUploading: boolean): void {
    this.isUploading = isUploading
    this.touch()
  }

  // ---- the watch

  /** Runs as long as the connection stands. */
  readonly watch: Effect.Effect<void> = Effect.suspend(() =>
    this.receive === Infinity && this.send === Infinity
      ? Effect.void
      : Effect.forever(Effect.flatMap(this.wait, (millis) => Effect.sleep(millis)))
  )

  /** How long to wait before the next look, at least a millisecond. */
  private get wait(): Effect.Effect<number> {
    return Effect.flatMap(this.socket.stats, ({ bytesSent, sendBuffered }) => {
      if (bytesSent !== this.bytesSent) {
        this.bytesSent = bytesSent
        this.touch()
      }
      const isSending = this.writes > 0
      const awaits = this.isReading && this.isBusy && (!this.isUploading || isSending || sendBuffered > 0)
      const passed = this.now() - this.since
      const receiveIn = awaits ? this.receive - passed : this.receive
      const sendIn = isSending ? this.send - passed : this.send
      const next = Math.max(1, Math.ceil(Math.min(receiveIn, sendIn)))
      if (this.isArmed || (receiveIn > 0 && sendIn > 0)) return Effect.succeed(next)
      this.isArmed = true
      // The waiting began no later than the silence, so these are due now.
      return Effect.as(
        Effect.orDie(this.socket.setTimeouts({
          ...(receiveIn <= 0 ? { receive: this.receive } : {}),
          ...(sendIn <= 0 ? { send: this.send } : {})
        })),
        Math.min(this.receive, this.send)
      )
    })
  }
}
