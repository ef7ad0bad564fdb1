import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberStatus from "effect/FiberStatus"
import type { ReceiveError } from "../../SocketError.js"
import { suspend, withFiber } from "../effect/suspend.js"
import { Deadline } from "../time/deadlines.js"
import { thenSync, yieldsSoon } from "../yielding.js"
import { Turns } from "./readerQueue.js"
import { ReceiveBuffer } from "./receiveBuffer.js"
import * as SocketFailure from "./socketFailure.js"
import type { StreamSocket } from "./streamSocket.js"

type AnyFiber = Fiber.RuntimeFiber<any, any>

/** Takes its answer from the buffer, or says `undefined`: more must come. */
export type Take<A, E> = (inbound: Inbound) => Effect.Effect<A, E> | undefined

interface FirstTurn {
  readonly reader: AnyFiber
  readonly over: Deferred.Deferred<void>
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

/**
 * The receiving half of a socket: what came, who waits for it, and until when.
 *
 * A waiting read suspends once, without a canceller, and is woken, not handed its data: what came stays in the buffer,
 * so a wake that comes too late (its fiber was interrupted) loses nothing.
 */
export class Inbound {
  readonly buffer = new ReceiveBuffer()
  readonly socket: StreamSocket
  bytes = 0
  /** The peer finished sending. */
  ended = false
  /** What comes is dropped: the socket is closing, or was told so by `shutdown`. */
  discarding = false
  private paused = false
  /** The bytes that the read under way asks for, where they may exceed the high-water mark. */
  private wanted = 0
  /** The fiber whose read is under way. It may have been interrupted since: see `shareTurns`. */
  reader: AnyFiber | undefined = undefined
  private wake: ((effect: Effect.Effect<any, any>) => void) | undefined = undefined
  private again: Effect.Effect<any, any> = Effect.void
  private deadline: ReceiveDeadline | undefined = undefined
  private movedAt = 0
  /** Stands once two fibers have read at the same time: from then on reads take turns. */
  private turns: Turns | undefined = undefined
  /** The read that was under way when `turns` came, until it is over. */
  private first: FirstTurn | undefined = undefined

  constructor(socket: StreamSocket) {
    this.socket = socket
  }

  /** True while a fiber waits here, as far as can be told without asking it. */
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
    this.wakeReader()
  }

  end(): void {
    this.ended = true
    this.wakeReader()
  }

  // ---- reading

  /** `wanted` is how many bytes must fit, should that be more than the high-water mark. */
  read<A, E>(take: Take<A, E>, wanted: number): Effect.Effect<A, E | ReceiveError> {
    return withFiber((fiber) => {
      if (this.turns !== undefined) return this.takeTurn(this.turns, this.fresh(take, wanted))
      const { reader } = this
      if (reader !== undefined && reader !== fiber && reader.unsafePoll() === null) {
        return this.shareTurns(reader, this.fresh(take, wanted))
      }
      if (yieldsSoon(fiber)) {
        return Effect.flatMap(Effect.yieldNow(), () => this.read(take, wanted))
      }
      return this.attempt(fiber, take, wanted)
    })
  }

  private fresh<A, E>(take: Take<A, E>, wanted: number): Effect.Effect<A, E | ReceiveError> {
    const read = this.retry(take, wanted)
    return withFiber((fiber) => yieldsSoon(fiber) ? Effect.zipRight(Effect.yieldNow(), read) : read)
  }

  private retry<A, E>(take: Take<A, E>, wanted: number): Effect.Effect<A, E | ReceiveError> {
    return withFiber((fiber) => this.attempt(fiber, take, wanted))
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
      if (this.paused) this.relax()
      return taken
    }
    if (socket.failure !== undefined) return SocketFailure.broken(socket, "receive", socket.failure, this.partial())
    if (this.ended) return SocketFailure.closed(socket, "receive", "peer", this.partial())
    this.wanted = wanted
    if (this.paused) this.relax()
    this.reader = fiber
    const timeout = socket.timeouts.receive
    if (timeout !== Infinity) this.arm(timeout)
    return suspend<A, E | ReceiveError>((resume) => {
      this.again = this.retry(take, wanted)
      this.wake = resume
    })
  }

  /**
   * Takes at once what `take` finds, where a read would: nobody else reads, and the fiber need not yield. `undefined` is
   * for `read` to decide.
   */
  takeNow<A>(fiber: AnyFiber, take: (inbound: Inbound) => A | undefined): A | undefined {
    const { socket } = this
    if (socket.isClosing || this.discarding || this.turns !== undefined || this.reader !== undefined) return undefined
    if (yieldsSoon(fiber)) return undefined
    const taken = take(this)
    if (taken !== undefined && this.paused) this.relax()
    return taken
  }

  wakeReader(): void {
    const { wake } = this
    if (wake === undefined) return
    this.wake = undefined
    wake(this.again)
  }

  /** Reading goes on below when there is room again. */
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

  onDeadline(now: number): void {
    const { socket } = this
    const timeout = socket.timeouts.receive
    if (this.wake === undefined || timeout === Infinity) return
    const due = this.movedAt + timeout
    if (due > now) {
      socket.deadlines.schedule(this.deadline!, due)
      return
    }
    const { wake } = this
    this.wake = undefined
    socket.traced("timedOut")
    wake(Effect.suspend(() => {
      this.reader = undefined
      return SocketFailure.timeout(socket, "receive", timeout, this.partial(), 0)
    }))
  }

  /** The time-out was changed: a read under way follows. */
  rearm(): void {
    const timeout = this.socket.timeouts.receive
    if (this.wake === undefined) return
    if (timeout === Infinity) this.disarm()
    else this.arm(timeout)
  }

  /** When the wait began, or the last byte came since. Kept only for a read with a time-out: a clock costs its share. */
  get waitingSince(): number | undefined {
    return this.deadline !== undefined && this.deadline.index !== -1 ? this.movedAt : undefined
  }

  disarm(): void {
    if (this.deadline !== undefined) this.socket.deadlines.cancel(this.deadline)
  }

  // ---- several readers

  private takeTurn<A, E>(turns: Turns, read: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return turns.within(
      Effect.suspend(() => this.first === undefined ? read : Effect.zipRight(this.settleFirst(this.first), read))
    )
  }

  /**
   * A second fiber reads while the first one's read is, or seems, under way. Reads take turns from now on, in the order
   * they came.
   */
  private shareTurns<A, E>(reader: AnyFiber, read: Effect.Effect<A, E>): Effect.Effect<A, E> {
    this.turns = new Turns()
    this.first = { reader, over: Deferred.unsafeMake(FiberId.none), answered: false }
    return this.takeTurn(this.turns, read)
  }

  /**
   * Waits until the read that was under way when reads began to take turns is over. It waits without a canceller, so
   * nobody is told when it is interrupted: it is asked to wait anew, with one. Is it not there to answer, it is over.
   */
  private settleFirst(first: FirstTurn): Effect.Effect<void> {
    const over = (): void => {
      if (this.first === first) this.first = undefined
      Deferred.unsafeDone(first.over, Exit.void)
    }
    const { wake, again } = this
    if (!first.answered && this.reader === first.reader && wake !== undefined) {
      this.wake = undefined
      wake(Effect.suspend(() => {
        first.answered = true
        return thenSync(again, over)
      }))
    }
    return Effect.flatMap(first.reader.status, (status) => {
      if (first.answered) return Deferred.await(first.over)
      const mayCome = FiberStatus.isRunning(status) || (this.reader === first.reader && this.wake !== undefined)
      return mayCome && !FiberStatus.isDone(status)
        ? Effect.flatMap(Effect.yieldNow(), () => this.settleFirst(first))
        : Effect.sync(over)
    })
  }
}
