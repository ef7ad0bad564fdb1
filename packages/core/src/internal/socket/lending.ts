/** A stream socket that is lent: what stays the library's while another one reads and writes the connection. */
import * as Effect from "effect/Effect"
import type { Socket } from "../../Socket.js"
import type { SocketClosed } from "../../SocketError.js"
import type { Borrower, LentCounts, Loan } from "../../Transport.js"
import { Deadline } from "../time/deadlines.js"
import * as SocketFailure from "./socketFailure.js"
import { StreamSocket } from "./streamSocket.js"

/** How often the counts are looked at within a time-out: one is late by this part of it at most, and never early. */
const looks = 4

/**
 * The time-out of one direction. Bytes of a lent socket may pass by unseen, so it looks whether the counts have moved.
 * While nothing waits in its direction the time does not count, and a wait that is first seen counts from that look.
 */
class Silence extends Deadline {
  private readonly lending: Lending
  private readonly direction: "receive" | "send"
  private since = 0
  private received = 0
  private progress = 0
  private isWaiting = true

  constructor(lending: Lending, direction: "receive" | "send") {
    super()
    this.lending = lending
    this.direction = direction
  }

  /** The time-outs were changed, or the loan begins. */
  arm(): void {
    const { deadlines } = this.lending.socket
    deadlines.cancel(this)
    if (this.timeout === Infinity) return
    this.since = deadlines.now()
    this.isWaiting = true
    this.schedule(this.since)
  }

  expire(now: number): void {
    const { timeout } = this
    const { borrower, socket } = this.lending
    const counts = this.lending.counts
    const isWaiting = this.direction === "send" ? counts.unsent > 0 : borrower.isReading(counts)
    if (!this.isWaiting || counts.received !== this.received || counts.progress !== this.progress) this.since = now
    this.isWaiting = isWaiting
    this.received = counts.received
    this.progress = counts.progress
    if (!isWaiting || now - this.since < timeout) {
      this.schedule(now)
      return
    }
    socket.traced("timedOut")
    borrower.fail(SocketFailure.timeout(socket, this.direction, this.direction, timeout, SocketFailure.noBytes, 0))
  }

  private get timeout(): number {
    return this.lending.socket.timeouts[this.direction]
  }

  private schedule(now: number): void {
    const { timeout } = this
    const next = now + timeout / looks
    this.lending.socket.deadlines.schedule(this, this.isWaiting ? Math.min(next, this.since + timeout) : next)
  }
}

/** What `StreamSocket` knows of its loan, and what the borrower gets of the socket. */
export class Lending implements Loan {
  readonly socket: StreamSocket
  readonly early: Uint8Array | undefined
  borrower!: Borrower
  private readonly silences: ReadonlyArray<Silence> = [new Silence(this, "receive"), new Silence(this, "send")]

  constructor(socket: StreamSocket) {
    this.socket = socket
    this.early = socket.inbound.handOver()
    socket.outbound.wakeAll()
  }

  // ---- for the socket

  /** The borrower reads and writes past the transport's events. */
  get isDetached(): boolean {
    return this.borrower.counts !== undefined
  }

  get counts(): LentCounts {
    const { inbound, outbound } = this.socket
    return this.borrower.counts?.() ??
      { received: inbound.bytes, sent: outbound.moved, unsent: outbound.pending, progress: outbound.moved }
  }

  arm(): void {
    for (const silence of this.silences) silence.arm()
  }

  disarm(): void {
    for (const silence of this.silences) this.socket.deadlines.cancel(silence)
  }

  // ---- for the borrower

  get transport() {
    return this.socket.transport
  }

  get isInitiator(): boolean {
    return this.socket.isInitiator
  }

  get hasEnded(): boolean {
    return this.socket.inbound.ended
  }

  get hasRoom(): boolean {
    return this.socket.outbound.pending <= this.socket.sendHighWaterMark
  }

  get isFinished(): boolean {
    return this.socket.outbound.ended
  }

  takeUnsent(): ReadonlyArray<Uint8Array | string> {
    return this.socket.outbound.takeUnsent()
  }

  write(chunk: Uint8Array): void {
    if (this.socket.failure === undefined) this.socket.outbound.enqueue(chunk, chunk.length)
  }

  end(): void {
    this.socket.outbound.end()
  }

  close(): void {
    this.socket.release()
  }

  now(): number {
    return this.socket.deadlines.now()
  }

  after(millis: number, task: (now: number) => void): () => void {
    return this.socket.deadlines.after(millis, task)
  }
}

/** Lends `socket` to what `borrow` makes of it. */
export const lend = <B extends Borrower>(
  socket: Socket,
  borrow: (loan: Loan) => B
): Effect.Effect<B, SocketClosed> => {
  if (!(socket instanceof StreamSocket)) return Effect.dieMessage("NodeSocket.lend: not a socket of this library")
  return Effect.suspend(() => {
    if (socket.failure !== undefined) return SocketFailure.closed(socket, "lend", "peer", SocketFailure.noBytes)
    if (socket.isClosing || socket.outbound.ending || socket.lending !== undefined) {
      return SocketFailure.closed(socket, "lend", "here", SocketFailure.noBytes)
    }
    const lending = new Lending(socket)
    const borrower = borrow(lending)
    lending.borrower = borrower
    socket.lending = lending
    lending.arm()
    return Effect.succeed(borrower)
  })
}
