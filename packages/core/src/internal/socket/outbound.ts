/** The sending half of a stream socket. */
import * as Effect from "effect/Effect"
import type { OfferError, Operation, SendError } from "../../SocketError.js"
import type { AnyFiber } from "../effect/fibers.js"
import { suspendCancellable, withFiber } from "../effect/suspend.js"
import { Deadline } from "../time/deadlines.js"
import type { Connection } from "./connection.js"
import * as SocketFailure from "./socketFailure.js"

/** A longer text is encoded at once, so that a slow peer's progress can be counted in bytes. */
const longText = 65536
/**
 * The most bytes of one write. A write counts as moved when the system took all of it: so this is what a slow peer has to
 * take within the send time-out, or within the linger time.
 */
const largestWrite = 128 * 1024

const encoder = new TextEncoder()

const chunkOf = (data: string | Uint8Array): string | Uint8Array =>
  typeof data === "string" && data.length > longText ? encoder.encode(data) : data

class SendDeadline extends Deadline {
  readonly outbound: Outbound
  constructor(outbound: Outbound) {
    super()
    this.outbound = outbound
  }
  expire(now: number): void {
    this.outbound.onDeadline(now)
  }
}

type Wake = (effect: Effect.Effect<void, SendError>) => void

interface Waiter {
  /** When the wait began. */
  readonly since: number
  readonly fiber: AnyFiber
  readonly wake: Wake
  readonly effect: Effect.Effect<void, SendError>
  readonly operation: Operation
  /** Of all bytes ever queued, where this call's begin and end. */
  readonly from: number
  readonly to: number
}

const noChunks: ReadonlyArray<Uint8Array | string> = []

/**
 * The sending half of a socket: what was given to it and the system did not take yet.
 *
 * One write is under way at a time; what comes meanwhile waits and goes out as the next one, so small sends of a turn
 * are joined. Bytes are queued before a send waits: interrupting the wait takes nothing back, and a call's bytes stay
 * together.
 */
export class Outbound {
  readonly socket: Connection
  /** What was queued and is not in a write yet. */
  private chunks: Array<Uint8Array | string> = []
  /** Bytes ever given to this socket, and of them those that the system took. */
  queued = 0
  moved = 0
  private inFlight = 0
  private flushing = false
  private waiters: Array<Waiter> = []
  /** The sends that wait for room, in the order in which they came. */
  private readonly queue: Array<object> = []
  private deadline: SendDeadline | undefined = undefined
  private movedAt = 0
  /** FIN follows when everything is out. */
  ending = false
  ended = false

  constructor(socket: Connection) {
    this.socket = socket
  }

  get pending(): number {
    return this.queued - this.moved
  }

  /** The calls that wait for room, or for their bytes to be written. */
  get waits(): ReadonlyArray<Waiter> {
    return this.waiters
  }

  // ---- sending

  send(data: string | Uint8Array): Effect.Effect<void, SendError> {
    return Effect.suspend(() => {
      // Wait for room before queueing: a send interrupted here has sent nothing, so retries cannot grow the queue.
      if (this.hasRoom() && this.queue.length === 0) return this.accept(data)
      return this.waitForRoom(data)
    })
  }

  /** Queues `data` unless a send of it would wait: then it is refused, and nothing is queued. */
  offer(data: string | Uint8Array): Effect.Effect<boolean, OfferError> {
    return Effect.suspend((): Effect.Effect<boolean, OfferError> => {
      const refusal = this.refuse()
      if (refusal !== undefined) return refusal
      if (this.queue.length > 0) return Effect.succeed(false)
      // A text has at least as many bytes as characters: one that is too long already need not be measured.
      if (!this.fits(data.length)) return Effect.succeed(false)
      const chunk = chunkOf(data)
      const length = this.lengthOf(chunk)
      if (!this.fits(length)) return Effect.succeed(false)
      this.enqueue(chunk, length)
      return Effect.succeed(true)
    })
  }

  /** Data of any length fits a socket that has nothing to send: otherwise long data would never be taken. */
  private fits(length: number): boolean {
    return this.pending === 0 || this.pending + length <= this.socket.sendHighWaterMark
  }

  /** Waits until there is room and no earlier send waits. */
  private waitForRoom(data: string | Uint8Array): Effect.Effect<void, SendError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const ticket = {}
        this.queue.push(ticket)
        const mayGo = (): boolean => this.queue[0] === ticket && this.hasRoom()
        const go = (): Effect.Effect<void, SendError> => {
          const accepted = this.accept(data)
          this.leaveQueue(ticket)
          return accepted
        }
        return Effect.ensuring(
          restore(this.wait("send", this.queued, this.queued, mayGo, go)),
          Effect.sync(() => this.leaveQueue(ticket))
        )
      })
    )
  }

  private leaveQueue(ticket: object): void {
    const index = this.queue.indexOf(ticket)
    if (index === -1) return
    this.queue.splice(index, 1)
    if (index === 0 && this.queue.length > 0 && this.hasRoom()) this.wakeAll()
  }

  private hasRoom(): boolean {
    return this.pending <= this.socket.sendHighWaterMark
  }

  private accept(data: string | Uint8Array): Effect.Effect<void, SendError> {
    const refusal = this.refuse()
    if (refusal !== undefined) return refusal
    const from = this.queued
    const chunk = chunkOf(data)
    this.enqueue(chunk, this.lengthOf(chunk))
    return this.hasRoom() ? Effect.void : this.wait("send", from, this.queued, () => this.hasRoom())
  }

  /** Why nothing can be sent any more. */
  private refuse(): Effect.Effect<never, OfferError> | undefined {
    const { socket } = this
    if (socket.isClosing || this.ending || socket.isLent) {
      return SocketFailure.closed(socket, "send", "here", SocketFailure.noBytes)
    }
    return socket.failure === undefined
      ? undefined
      : SocketFailure.broken(socket, "send", socket.failure, SocketFailure.noBytes)
  }

  private lengthOf(chunk: string | Uint8Array): number {
    return typeof chunk === "string" ? this.socket.netState.platform.byteLength(chunk) : chunk.length
  }

  enqueue(data: string | Uint8Array, length: number): void {
    if (length === 0) return
    this.chunks.push(data)
    this.queued += length
    if (this.inFlight === 0 && !this.flushing) {
      this.flushing = true
      this.socket.netState.flushSoon(this)
    }
  }

  /** Waits until the system took all that was sent so far. */
  flushAll(): Effect.Effect<void, SendError> {
    return Effect.suspend(() => {
      const to = this.queued
      return this.wait("send", this.moved, to, () => this.moved >= to)
    })
  }

  /** Finishes sending: flushes, then FIN. */
  shutdown(): Effect.Effect<void, SendError> {
    return Effect.suspend(() => {
      const { socket } = this
      if (socket.isClosing || this.ending || socket.isLent) {
        return SocketFailure.closed(socket, "shutdown", "here", SocketFailure.noBytes)
      }
      this.end()
      return this.wait("shutdown", this.moved, this.queued, () => this.ended)
    })
  }

  /**
   * Continues with `then` when `isDone`. The bytes of the call lie between `from` and `to`, counted from the first byte
   * ever queued: so an error can say how many of them the system took.
   */
  private wait(
    operation: Operation,
    from: number,
    to: number,
    isDone: () => boolean,
    then: () => Effect.Effect<void, SendError> = () => Effect.void
  ): Effect.Effect<void, SendError> {
    const { socket } = this
    const check: Effect.Effect<void, SendError> = withFiber((fiber) => {
      const sent = this.sentOf(from, to)
      if (socket.failure !== undefined) {
        return SocketFailure.broken(socket, operation, socket.failure, SocketFailure.noBytes, sent)
      }
      // What is queued goes out before what the borrower writes; when, its stream tells and not this socket.
      if (!socket.isLent && isDone()) return then()
      if (socket.isClosing || socket.isLent) {
        return SocketFailure.closed(socket, operation, "here", SocketFailure.noBytes, sent)
      }
      return suspendCancellable<void, SendError>((resume) => {
        const since = socket.deadlines.now()
        const waiter: Waiter = { fiber, since, wake: resume, effect: check, operation, from, to }
        this.waiters.push(waiter)
        this.arm()
        return Effect.sync(() => {
          const index = this.waiters.indexOf(waiter)
          if (index !== -1) this.waiters.splice(index, 1)
        })
      })
    })
    return check
  }

  private sentOf(from: number, to: number): number {
    return Math.max(0, Math.min(this.moved, to) - from)
  }

  // ---- to the transport

  flush(): void {
    this.flushing = false
    if (this.inFlight > 0 || this.socket.isReleased || this.socket.failure !== undefined) return
    if (this.chunks.length === 0) {
      if (this.ending && !this.ended) {
        this.ended = true
        this.socket.transport.end()
        this.wakeAll()
        this.socket.onSendEnd()
      }
      return
    }
    const chunks = this.nextWrite()
    this.socket.traced("sent", this.inFlight)
    this.socket.transport.write(chunks, this.inFlight)
  }

  /**
   * The chunks of the next write; `inFlight` is their length. It is counted here, as `queued` is: the platform may join
   * texts, and two halves of a surrogate pair are fewer bytes together than apart.
   */
  private nextWrite(): ReadonlyArray<Uint8Array | string> {
    const { chunks } = this
    if (this.pending <= largestWrite) {
      this.chunks = []
      this.inFlight = this.pending
      return chunks
    }
    const write: Array<Uint8Array | string> = []
    let room = largestWrite
    let taken = 0
    for (const chunk of chunks) {
      const length = this.lengthOf(chunk)
      if (length <= room || (typeof chunk === "string" && taken === 0)) {
        write.push(chunk)
        room -= length
        taken += 1
        if (room <= 0) break
        continue
      }
      if (typeof chunk !== "string") {
        write.push(chunk.subarray(0, room))
        chunks[taken] = chunk.subarray(room)
        room = 0
      }
      break
    }
    chunks.splice(0, taken)
    this.inFlight = largestWrite - room
    return write
  }

  written(): void {
    this.moved += this.inFlight
    this.inFlight = 0
    if (this.deadline !== undefined) this.movedAt = this.socket.deadlines.now()
    this.socket.onProgress()
    if (this.chunks.length > 0 || this.ending) this.flush()
    if (this.waiters.length > 0) this.wakeAll()
  }

  /** Sends FIN when everything is out. */
  end(): void {
    if (this.ending) return
    this.ending = true
    if (this.inFlight === 0 && !this.flushing) this.flush()
  }

  /** Takes back what is in no write yet. */
  takeUnsent(): ReadonlyArray<Uint8Array | string> {
    const { chunks } = this
    this.chunks = []
    this.queued = this.moved + this.inFlight
    return chunks
  }

  drop(): void {
    this.chunks = noChunks as Array<never>
    this.wakeAll()
  }

  /** Every waiter looks again, and waits again if it must. */
  wakeAll(): void {
    const waiters = this.waiters
    if (waiters.length === 0) return
    this.waiters = []
    for (const { wake, effect } of waiters) wake(effect)
  }

  // ---- deadlines

  private arm(): void {
    const timeout = this.socket.timeouts.send
    if (timeout === Infinity) return
    const { deadlines } = this.socket
    const now = deadlines.now()
    const deadline = this.deadline ??= new SendDeadline(this)
    if (this.waiters.length === 1) this.movedAt = now
    if (deadline.index === -1 || deadline.at > now + timeout) deadlines.schedule(deadline, now + timeout)
  }

  onDeadline(now: number): void {
    const { socket } = this
    const timeout = socket.timeouts.send
    if (this.waiters.length === 0 || timeout === Infinity) return
    const due = this.movedAt + timeout
    if (due > now) {
      socket.deadlines.schedule(this.deadline!, due)
      return
    }
    const waiters = this.waiters
    this.waiters = []
    socket.traced("timedOut")
    for (const { wake, operation, from, to } of waiters) {
      wake(SocketFailure.timedOut(socket, operation, "send", timeout, SocketFailure.noBytes, this.sentOf(from, to)))
    }
  }

  rearm(): void {
    if (this.waiters.length === 0) return
    if (this.socket.timeouts.send === Infinity) this.disarm()
    else this.arm()
  }

  disarm(): void {
    if (this.deadline !== undefined) this.socket.deadlines.cancel(this.deadline)
  }
}
