/** The receiving half of a stream socket. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ReceiveError } from "../../SocketError.js"
import * as Deferreds from "../effect/deferreds.js"
import { type AnyFiber, hasEnded, isInterrupted } from "../effect/fibers.js"
import { suspend, withFiber } from "../effect/suspend.js"
import { Deadline } from "../time/deadlines.js"
import { afterTurn } from "../time/eventLoop.js"
import { thenSync, yieldsSoon } from "../yielding.js"
import type { Connection } from "./connection.js"
import { ReaderQueue } from "./readerQueue.js"
import { ReceiveBuffer } from "./receiveBuffer.js"
import * as SocketFailure from "./socketFailure.js"

/** Takes its answer from the buffer, or says `undefined`: more must come. */
export type Take<A, E> = (inbound: Inbound) => Effect.Effect<A, E> | undefined

/** The read that was under way when a second fiber read. */
interface FirstRead {
  readonly reader: AnyFiber
  readonly ended: Deferred.Deferred<void>
  /** The fiber had the time to answer: only an interrupted one may not have done so. */
  asked: boolean
  /** The fiber is there, and completes `ended`. */
  answered: boolean
}

class ReceiveDeadline extends Deadline {
  readonly inbound: Inbound
  constructor(inbound: Inbound) {
    super()
    this.inbound = inbound
  }
  expire(now: number): void {
    this.inbound.onDeadline(now)
  }
}

class MessageDeadline extends Deadline {
  readonly inbound: Inbound
  /** When a read first found bytes of the message; `undefined` between two messages. */
  since: number | undefined = undefined
  constructor(inbound: Inbound) {
    super()
    this.inbound = inbound
  }
  expire(now: number): void {
    this.inbound.onMessageDeadline(this, now)
  }
}

/**
 * The receiving half of a socket: the bytes that have arrived, the fiber that waits for more, and its deadlines.
 *
 * A waiting read suspends once, without a canceller, and is woken, not handed its data: what came stays in the buffer,
 * so a wake that comes too late (its fiber was interrupted) loses nothing.
 */
export class Inbound {
  readonly buffer = new ReceiveBuffer()
  readonly socket: Connection
  bytes = 0
  /** The peer finished sending. */
  ended = false
  /** What arrives is dropped: the socket is closing, or `shutdown` asked for it. */
  discarding = false
  private paused = false
  /** The bytes that the read under way asks for, where they may exceed the high-water mark. */
  private wanted = 0
  /** The read under way takes all that arrives in a turn of the event loop; and whether it is that turn. */
  private joins = false
  private isJoining = false
  /** The fiber whose read is under way. It may have been interrupted since: see `shareTurns`. */
  reader: AnyFiber | undefined = undefined
  private wake: ((effect: Effect.Effect<any, any>) => void) | undefined = undefined
  private again: Effect.Effect<any, any> = Effect.void
  private deadline: ReceiveDeadline | undefined = undefined
  private movedAt = 0
  /** Made once there is a time-out for messages. */
  private message: MessageDeadline | undefined = undefined
  /** Made once two fibers have read at the same time: from then on reads take turns. */
  private turns: ReaderQueue | undefined = undefined
  /** The read that was under way when `turns` was made, until it has ended. */
  private first: FirstRead | undefined = undefined

  constructor(socket: Connection) {
    this.socket = socket
  }

  /** True while a fiber waits here, as far as it is known without asking it. */
  get waiting(): boolean {
    return this.wake !== undefined
  }

  get isPaused(): boolean {
    return this.paused
  }

  // ---- from the transport

  deliver(chunk: Uint8Array): void {
    this.bytes += chunk.length
    this.socket.traced("received", chunk.length)
    if (this.discarding) return
    this.buffer.push(chunk)
    if (this.deadline !== undefined) this.movedAt = this.socket.deadlines.now()
    const size = this.buffer.size
    if (size >= this.socket.highWaterMark && size >= this.wanted && !this.paused) {
      this.paused = true
      this.socket.transport.pause()
    }
    if (!this.joins || this.paused) this.wakeReader()
    else if (!this.isJoining) {
      this.isJoining = true
      afterTurn(() => {
        this.isJoining = false
        this.wakeReader()
      })
    }
  }

  end(): void {
    this.ended = true
    this.wakeReader()
  }

  // ---- reading

  /**
   * `wanted` is how many bytes must fit, if that is more than the high-water mark. With `joins` a read that waits is woken
   * when the turn of the event loop in which something came is over.
   */
  read<A, E>(take: Take<A, E>, wanted: number, joins = false): Effect.Effect<A, E | ReceiveError> {
    return withFiber((fiber) => {
      this.joins = joins
      if (this.turns !== undefined) return this.takeTurn(this.turns, this.fresh(take, wanted))
      const { reader } = this
      if (reader !== undefined && reader !== fiber && !hasEnded(reader)) {
        return this.shareTurns(reader, this.fresh(take, wanted))
      }
      if (yieldsSoon(fiber)) {
        return Effect.flatMap(Effect.yieldNow(), () => this.read(take, wanted, joins))
      }
      return this.attempt(fiber, take, wanted)
    })
  }

  private fresh<A, E>(take: Take<A, E>, wanted: number): Effect.Effect<A, E | ReceiveError> {
    const read = withFiber<A, E | ReceiveError>((fiber) => this.attempt(fiber, take, wanted))
    return withFiber((fiber) => yieldsSoon(fiber) ? Effect.zipRight(Effect.yieldNow(), read) : read)
  }

  private attempt<A, E>(
    fiber: AnyFiber,
    take: Take<A, E>,
    wanted: number
  ): Effect.Effect<A, E | ReceiveError> {
    this.reader = undefined
    const { socket } = this
    if (socket.isClosing || this.discarding) {
      return SocketFailure.closed(socket, "receive", "here", SocketFailure.noBytes)
    }
    const taken = take(this)
    if (taken !== undefined) {
      this.wanted = 0
      if (this.message !== undefined) this.message.since = undefined
      if (this.paused) this.relax()
      return taken
    }
    if (socket.failure !== undefined) return SocketFailure.broken(socket, "receive", socket.failure, this.partial())
    if (this.ended) return SocketFailure.closed(socket, "receive", "peer", this.partial())
    this.wanted = wanted
    if (this.paused) this.relax()
    this.reader = fiber
    const { message, receive } = socket.timeouts
    if (receive !== Infinity) this.arm(receive)
    if (message !== Infinity) this.armMessage(message)
    return suspend<A, E | ReceiveError>((resume) => {
      this.again = this.woken(take, wanted)
      this.wake = resume
    })
  }

  /** The rest of a read that was woken. One that was given up meanwhile (`settleFirst`) begins again, in a turn. */
  private woken<A, E>(take: Take<A, E>, wanted: number): Effect.Effect<A, E | ReceiveError> {
    return withFiber((fiber) =>
      this.reader === fiber ? this.attempt(fiber, take, wanted) : this.read(take, wanted, this.joins)
    )
  }

  /**
   * Takes at once what `take` finds, where a read would: no other fiber reads, and this one need not yield. `undefined`
   * is for `read` to decide.
   */
  takeNow<A>(fiber: AnyFiber, take: (inbound: Inbound) => A | undefined): A | undefined {
    const { socket } = this
    if (socket.isClosing || this.discarding || this.turns !== undefined || this.reader !== undefined) return undefined
    if (yieldsSoon(fiber)) return undefined
    const taken = take(this)
    if (taken === undefined) return undefined
    if (this.message !== undefined) this.message.since = undefined
    if (this.paused) this.relax()
    return taken
  }

  wakeReader(): void {
    const { wake } = this
    if (wake === undefined) return
    this.wake = undefined
    wake(this.again)
  }

  /** Resumes reading from the transport when there is room again. */
  private relax(): void {
    const { size } = this.buffer
    if (size >= this.socket.highWaterMark && size >= this.wanted) return
    this.paused = false
    this.socket.transport.resume()
  }

  discard(): void {
    this.discarding = true
    this.buffer.clear()
    if (this.paused) this.relax()
    this.wakeReader()
  }

  /** Another library reads from now on. Gives what it has to read first. */
  handOver(): Uint8Array | undefined {
    const early = this.buffer.size === 0 ? undefined : this.buffer.take(this.buffer.size)
    this.discarding = true
    this.paused = false
    this.disarm()
    this.wakeReader()
    return early
  }

  partial(): Uint8Array {
    return this.buffer.size === 0 ? SocketFailure.noBytes : this.buffer.peek(this.buffer.size)
  }

  // ---- deadlines

  private arm(timeout: number): void {
    const { deadlines } = this.socket
    const now = deadlines.now()
    this.movedAt = now
    const deadline = this.deadline ??= new ReceiveDeadline(this)
    // One that stands for earlier looks at `movedAt` when it comes; only a later one must be moved.
    if (deadline.index === -1 || deadline.at > now + timeout) deadlines.schedule(deadline, now + timeout)
  }

  private armMessage(timeout: number): void {
    const { deadlines } = this.socket
    if (this.buffer.size === 0) {
      if (this.message !== undefined) this.message.since = undefined
      return
    }
    const message = this.message ??= new MessageDeadline(this)
    message.since ??= deadlines.now()
    const due = message.since + timeout
    // One that stands for earlier, left by another message, looks at `since` when it comes.
    if (message.index === -1 || message.at > due) deadlines.schedule(message, due)
  }

  onDeadline(now: number): void {
    const { socket } = this
    const timeout = socket.timeouts.receive
    if (this.wake === undefined || timeout === Infinity) return
    const due = this.movedAt + timeout
    if (due > now) {
      socket.deadlines.schedule(this.deadline!, due)
      return
    }
    this.timeOut("receive", timeout)
  }

  onMessageDeadline(message: MessageDeadline, now: number): void {
    const { deadlines, timeouts } = this.socket
    const timeout = timeouts.message
    if (this.wake === undefined || message.since === undefined || timeout === Infinity) return
    const due = message.since + timeout
    if (due > now) {
      deadlines.schedule(message, due)
      return
    }
    message.since = undefined
    this.timeOut("message", timeout)
  }

  private timeOut(which: "receive" | "message", timeout: number): void {
    const { reader, socket, wake } = this
    if (wake === undefined) return
    this.wake = undefined
    socket.traced("timedOut")
    wake(Effect.suspend(() => {
      if (this.reader === reader) this.reader = undefined
      return SocketFailure.timedOut(socket, "receive", which, timeout, this.partial(), 0)
    }))
  }

  /** The time-outs were changed: a read under way follows. */
  rearm(): void {
    if (this.wake === undefined) return
    const { message, receive } = this.socket.timeouts
    this.disarm()
    if (receive !== Infinity) this.arm(receive)
    if (message !== Infinity) this.armMessage(message)
    else if (this.message !== undefined) this.message.since = undefined
  }

  /** When the wait began, or the last byte came since. Kept only for a read with a time-out: a clock costs its share. */
  get waitingSince(): number | undefined {
    return this.deadline !== undefined && this.deadline.index !== -1 ? this.movedAt : undefined
  }

  disarm(): void {
    const { deadlines } = this.socket
    if (this.deadline !== undefined) deadlines.cancel(this.deadline)
    if (this.message !== undefined) deadlines.cancel(this.message)
  }

  // ---- several readers

  private takeTurn<A, E>(turns: ReaderQueue, read: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return turns.within(
      Effect.suspend(() => this.first === undefined ? read : Effect.zipRight(this.settleFirst(this.first), read))
    )
  }

  /**
   * A second fiber reads while the first one's read is, or seems, under way. Reads take turns from now on, in the order
   * they came.
   */
  private shareTurns<A, E>(reader: AnyFiber, read: Effect.Effect<A, E>): Effect.Effect<A, E> {
    this.turns = new ReaderQueue()
    this.first = { reader, ended: Deferreds.make(), asked: false, answered: false }
    return this.takeTurn(this.turns, read)
  }

  /**
   * Waits until the read that was under way when reads began to take turns has ended. It waits without a canceller, so the
   * socket does not learn that it was interrupted: it is woken to wait again with one. A fiber that was woken comes back
   * here soon, has ended, or was interrupted.
   */
  private settleFirst(first: FirstRead): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (first.answered) return Deferred.await(first.ended)
      const { reader } = first
      if (this.reader !== reader || hasEnded(reader) || (first.asked && isInterrupted(reader))) {
        this.settled(first)
        return Effect.void
      }
      first.asked = true
      const { again, wake } = this
      if (wake !== undefined) {
        this.wake = undefined
        wake(Effect.suspend(() => {
          if (this.first !== first) return again
          first.answered = true
          return thenSync(again, () => this.settled(first))
        }))
      }
      return Effect.flatMap(Effect.yieldNow(), () => this.settleFirst(first))
    })
  }

  private settled(first: FirstRead): void {
    if (this.first === first) this.first = undefined
    if (this.reader === first.reader) this.reader = undefined
    Deferreds.complete(first.ended, Exit.void)
  }
}
