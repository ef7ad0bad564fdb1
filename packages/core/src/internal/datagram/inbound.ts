/** The receiving half of a datagram socket: the queue of datagrams, and the fibers that wait for one. */
import * as Effect from "effect/Effect"
import type { Datagram } from "../../DatagramSocket.js"
import type { InetAddress } from "../../NetAddress.js"
import type { DatagramReceiveError } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import { type AnyFiber, hasEnded } from "../effect/fibers.js"
import { suspend, withFiber } from "../effect/suspend.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { Deadline } from "../time/deadlines.js"
import { yieldsSoon } from "../yielding.js"
import type { DatagramConnection } from "./connection.js"

/** About what a datagram takes in addition to its bytes: a flood of empty ones has a bound, too. */
const overhead = 64

interface Waiter {
  readonly fiber: AnyFiber
  readonly wake: (effect: Effect.Effect<any, DatagramReceiveError>) => void
  readonly again: Effect.Effect<any, DatagramReceiveError>
  readonly since: number
}

class ReceiveDeadline extends Deadline {
  readonly inbound: DatagramInbound
  constructor(inbound: DatagramInbound) {
    super()
    this.inbound = inbound
  }
  expire(now: number): void {
    this.inbound.onDeadline(now)
  }
}

/**
 * The receiving half of a datagram socket: a bounded queue, and the fibers that wait for a datagram.
 *
 * A wait has no canceller and is woken, not handed its datagram: a stale wake (its fiber was interrupted) loses nothing.
 * All waiting fibers are woken, because a stale one cannot be recognized; one that finds nothing waits again, in the same order.
 */
export class DatagramInbound {
  private readonly socket: DatagramConnection
  private readonly maxQueued: number
  private readonly maxQueuedBytes: number
  private queue: Array<Datagram> = []
  /** The next one to be read: what lies before it was read already. */
  private head = 0
  queuedBytes = 0
  bytes = 0
  datagrams = 0
  dropped = 0
  /** A failure of an earlier datagram that the system reported, until a call reports it. */
  private failure: Failure | undefined = undefined
  private waiters: Array<Waiter> = []
  private deadline: ReceiveDeadline | undefined = undefined

  constructor(socket: DatagramConnection, maxQueued: number, maxQueuedBytes: number) {
    this.socket = socket
    this.maxQueued = maxQueued
    this.maxQueuedBytes = maxQueuedBytes
  }

  get queued(): number {
    return this.queue.length - this.head
  }

  get readers(): ReadonlyArray<AnyFiber> {
    return this.waiters.map(({ fiber }) => fiber)
  }

  // ---- from the transport

  deliver(data: Uint8Array, from: InetAddress): void {
    const size = data.length + overhead
    if (this.queued >= this.maxQueued || this.queuedBytes + size > this.maxQueuedBytes + overhead) {
      this.dropped += 1
      return
    }
    this.datagrams += 1
    this.bytes += data.length
    this.queuedBytes += size
    this.queue.push({ data, from })
    if (this.waiters.length > 0) this.wakeAll()
  }

  /** Only the last report is kept: a flood of them has its bound. */
  report(failure: Failure): void {
    this.failure = failure
    this.wakeAll()
  }

  takeFailure(): Failure | undefined {
    const { failure } = this
    this.failure = undefined
    return failure
  }

  /** Drops what others than `peer` sent. */
  keepOnly(isPeer: (from: InetAddress) => boolean): void {
    const kept = this.queue.slice(this.head).filter(({ from }) => isPeer(from))
    this.dropped += this.queued - kept.length
    this.queue = kept
    this.head = 0
    this.queuedBytes = kept.reduce((total, { data }) => total + data.length + overhead, 0)
  }

  clear(): void {
    this.queue = []
    this.head = 0
    this.queuedBytes = 0
    this.failure = undefined
  }

  // ---- reading

  read<A>(pick: (datagram: Datagram) => A): Effect.Effect<A, DatagramReceiveError> {
    const effect: Effect.Effect<A, DatagramReceiveError> = withFiber((fiber) =>
      yieldsSoon(fiber)
        ? Effect.flatMap(Effect.yieldNow(), () => effect)
        : this.attempt(fiber, pick, again)
    )
    const again: Effect.Effect<A, DatagramReceiveError> = withFiber((fiber) => this.attempt(fiber, pick, again))
    return effect
  }

  private attempt<A>(
    fiber: AnyFiber,
    pick: (datagram: Datagram) => A,
    again: Effect.Effect<A, DatagramReceiveError>
  ): Effect.Effect<A, DatagramReceiveError> {
    const { socket } = this
    if (socket.isClosing) return SocketFailure.closed(socket, "receive", "here", SocketFailure.noBytes)
    const datagram = this.take()
    if (datagram !== undefined) return Effect.succeed(pick(datagram))
    const failure = this.takeFailure()
    if (failure !== undefined) return SocketFailure.datagram(socket, "receive", failure, socket.shownPeer)
    return suspend<A, DatagramReceiveError>((resume) => {
      this.wait(fiber, resume, again)
    })
  }

  private take(): Datagram | undefined {
    const { head, queue } = this
    if (head === queue.length) return undefined
    const datagram = queue[head]!
    this.queuedBytes -= datagram.data.length + overhead
    if (head + 1 === queue.length) {
      if (head === 0) queue.pop()
      else this.queue = []
      this.head = 0
    } else if (head >= 512) {
      // What was read is let go of; each datagram is moved at most once for as many that were read.
      this.queue = queue.slice(head + 1)
      this.head = 0
    } else {
      queue[head] = undefined as never
      this.head = head + 1
    }
    return datagram
  }

  private wait(fiber: AnyFiber, wake: Waiter["wake"], again: Waiter["again"]): void {
    const timeout = this.socket.timeouts.receive
    const since = timeout === Infinity ? 0 : this.socket.deadlines.now()
    // A fiber waits once: what it or one that has ended left here, interrupted, is gone.
    if (this.waiters.length > 0) {
      this.waiters = this.waiters.filter((waiter) => waiter.fiber !== fiber && !hasEnded(waiter.fiber))
    }
    this.waiters.push({ fiber, wake, again, since })
    if (timeout !== Infinity) this.arm(since + timeout)
  }

  wakeAll(): void {
    const { waiters } = this
    if (waiters.length === 0) return
    if (waiters.length === 1) {
      const { again, wake } = waiters.pop()!
      wake(again)
      return
    }
    this.waiters = []
    for (const { again, wake } of waiters) wake(again)
  }

  // ---- deadlines

  private arm(at: number): void {
    const deadline = this.deadline ??= new ReceiveDeadline(this)
    // One that stands for earlier looks again when it comes; only a later one must be moved.
    if (deadline.index === -1 || deadline.at > at) this.socket.deadlines.schedule(deadline, at)
  }

  onDeadline(now: number): void {
    const { socket } = this
    const timeout = socket.timeouts.receive
    if (timeout === Infinity) return
    const due = this.waiters.filter(({ since }) => since + timeout <= now)
    this.waiters = this.waiters.filter(({ since }) => since + timeout > now)
    for (const { wake } of due) {
      socket.traced("timedOut")
      wake(SocketFailure.timedOut(socket, "receive", "receive", timeout, SocketFailure.noBytes, 0))
    }
    let next = Infinity
    for (const { since } of this.waiters) next = Math.min(next, since + timeout)
    if (next !== Infinity) this.arm(next)
  }

  /** The time-out was changed: it applies to waiting fibers, from now. */
  rearm(): void {
    const timeout = this.socket.timeouts.receive
    if (timeout === Infinity) {
      this.disarm()
      return
    }
    if (this.waiters.length === 0) return
    const now = this.socket.deadlines.now()
    this.waiters = this.waiters.map((waiter) => ({ ...waiter, since: now }))
    this.arm(now + timeout)
  }

  disarm(): void {
    if (this.deadline !== undefined) this.socket.deadlines.cancel(this.deadline)
  }
}
