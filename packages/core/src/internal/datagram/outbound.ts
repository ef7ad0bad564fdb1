/** The sending half of a datagram socket: what was handed to the system and is not sent yet. */
import * as Effect from "effect/Effect"
import type { InetAddress } from "../../NetAddress.js"
import * as NetAddress from "../../NetAddress.js"
import type { DatagramOfferError, DatagramSendError } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import { suspend } from "../effect/suspend.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { Deadline } from "../time/deadlines.js"
import { invalid } from "../time/optionValues.js"
import type { DatagramConnection } from "./connection.js"
import { Sender } from "./sender.js"

/** RFC 768 and RFC 791: 65535 bytes, with a UDP header of 8 and an IPv4 header of 20. */
export const maxIpv4 = 65507
/** RFC 8200: without its own header. */
export const maxIpv6 = 65527

/**
 * This many of which the outcome is not known yet may go out; the next ones wait, so that a flood of them has its bound.
 */
const mostUnderWay = 64

type Resume = (effect: Effect.Effect<void, DatagramSendError>) => void

interface Waiter {
  readonly resume: Resume
  since: number
}

class SendDeadline extends Deadline {
  readonly outbound: DatagramOutbound
  constructor(outbound: DatagramOutbound) {
    super()
    this.outbound = outbound
  }
  expire(now: number): void {
    this.outbound.onDeadline(now)
  }
}

/**
 * The sending half of a datagram socket. A send waits until the system took the datagram, or said why it did not;
 * nothing is queued here, so the senders bound what waits.
 */
export class DatagramOutbound {
  private readonly socket: DatagramConnection
  private readonly limit: number
  datagrams = 0
  bytes = 0
  unsent = 0
  /** Of the datagrams for which no fiber waits. */
  private underWay = 0
  /** The peer took the one before. */
  private isTrusted = false
  /** A datagram for which no fiber waited was not sent: from then on senders wait, until one is sent. */
  private hasLost = false
  /** Those that wait and have a time-out. */
  private readonly waiters = new Set<Waiter>()
  private deadline: SendDeadline | undefined = undefined

  constructor(socket: DatagramConnection) {
    this.socket = socket
    this.limit = socket.target.address.family === "IPv6" ? maxIpv6 : maxIpv4
  }

  /** `to` is numeric, and of the socket's family. */
  send(data: string | Uint8Array, to: InetAddress | undefined): Effect.Effect<void, DatagramSendError> {
    return Effect.suspend(() => {
      const size = this.sizeOf(data)
      const refusal = this.refuse(size, to)
      if (refusal !== undefined) return refusal
      if (!this.trusts(to)) {
        return suspend<void, DatagramSendError>((resume) => {
          this.start(data, size, to, resume)
        })
      }
      this.handOver(data, size, to)
      return Effect.void
    })
  }

  /** Hands it to the system unless too many are under way; what comes of it is reported as for a reply. */
  offer(data: string | Uint8Array, to: InetAddress | undefined): Effect.Effect<boolean, DatagramOfferError> {
    return Effect.suspend((): Effect.Effect<boolean, DatagramOfferError> => {
      const size = this.sizeOf(data)
      const refusal = this.refuse(size, to)
      if (refusal !== undefined) return refusal
      if (this.underWay >= mostUnderWay) return Effect.succeed(false)
      this.handOver(data, size, to)
      return Effect.succeed(true)
    })
  }

  private sizeOf(data: string | Uint8Array): number {
    return typeof data === "string" ? this.socket.netState.platform.byteLength(data) : data.length
  }

  private handOver(data: string | Uint8Array, size: number, to: InetAddress | undefined): void {
    this.underWay += 1
    this.socket.transport.send(data, to, (failure) => {
      this.underWay -= 1
      if (failure === undefined) this.sent(size)
      else this.lost(failure, to)
    })
  }

  /** The platform hands a datagram over within the call, and reports later how that went: waiting for it costs a turn. */
  private trusts(to: InetAddress | undefined): boolean {
    return this.underWay < mostUnderWay &&
      (to === undefined ? this.isTrusted : !this.hasLost && Sender.wasHeardBy(this.socket, to))
  }

  /** There is another peer: the first datagram to it waits for its outcome. */
  distrust(): void {
    this.isTrusted = false
  }

  private start(data: string | Uint8Array, size: number, to: InetAddress | undefined, resume: Resume): void {
    const waiter = this.socket.timeouts.send === Infinity ? undefined : this.wait(resume)
    this.socket.transport.send(data, to, (failure) => {
      if (waiter !== undefined) this.waiters.delete(waiter)
      if (failure !== undefined) {
        resume(this.failure(failure, size, to))
        return
      }
      this.hasLost = false
      this.isTrusted = to === undefined
      this.sent(size)
      resume(Effect.void)
    })
  }

  private sent(size: number): void {
    this.datagrams += 1
    this.bytes += size
    this.socket.traced("sent", size)
  }

  private lost(failure: Failure, to: InetAddress | undefined): void {
    if (this.socket.isClosing) return
    this.unsent += 1
    this.isTrusted = false
    this.hasLost = true
    if (to === undefined) this.socket.inbound.report(failure)
  }

  private refuse(size: number, to: InetAddress | undefined): Effect.Effect<never, DatagramOfferError> | undefined {
    const { socket } = this
    if (socket.isClosing) return SocketFailure.closed(socket, "send", "here", SocketFailure.noBytes)
    if (size > this.limit) return SocketFailure.messageTooLong(socket, "send", this.limit)
    if (to === undefined) {
      if (socket.peer === undefined) {
        return SocketFailure.datagram(socket, "send", { reason: "NotConnected", cause: undefined }, "")
      }
      const earlier = socket.inbound.takeFailure()
      return earlier === undefined
        ? undefined
        : SocketFailure.datagram(socket, "send", earlier, socket.shownPeer)
    }
    if (socket.peer !== undefined) {
      return SocketFailure.datagram(
        socket,
        "send",
        { reason: "AlreadyConnected", cause: undefined },
        NetAddress.format(to)
      )
    }
    if (to.port === 0 && Sender.wasHeardBy(socket, to)) {
      // RFC 768 lets a sender that wants no reply say so; that is no mistake of the program's.
      const cause = new Error("the sender has no port to reply to")
      return SocketFailure.datagram(socket, "send", { reason: "Unreachable", cause }, NetAddress.format(to))
    }
    return Number.isInteger(to.port) && to.port > 0 && to.port <= 65535
      ? undefined
      : Effect.fail(
        invalid("port", to.port, "a whole number from 1 to 65535")
      )
  }

  private failure(
    failure: Failure,
    size: number,
    to: InetAddress | undefined
  ): Effect.Effect<never, DatagramOfferError> {
    const { socket } = this
    if (socket.isClosing) return SocketFailure.closed(socket, "send", "here", SocketFailure.noBytes)
    // Systems allow less than the protocols do: macOS 9216 bytes, unless it is told otherwise.
    if (failure.reason === "MessageTooLong") return SocketFailure.messageTooLong(socket, "send", size - 1)
    return SocketFailure.datagram(socket, "send", failure, to === undefined ? socket.shownPeer : NetAddress.format(to))
  }

  /** The socket is closing: those under way are told at once. The others are when the platform lets go of theirs. */
  failAll(): void {
    for (const { resume } of this.waiters) {
      resume(SocketFailure.closed(this.socket, "send", "here", SocketFailure.noBytes))
    }
    this.waiters.clear()
    if (this.deadline !== undefined) this.socket.deadlines.cancel(this.deadline)
  }

  // ---- deadlines

  private wait(resume: Resume): Waiter {
    const waiter: Waiter = { resume, since: this.socket.deadlines.now() }
    this.waiters.add(waiter)
    this.arm(waiter.since + this.socket.timeouts.send)
    return waiter
  }

  private arm(at: number): void {
    const deadline = this.deadline ??= new SendDeadline(this)
    if (deadline.index === -1 || deadline.at > at) this.socket.deadlines.schedule(deadline, at)
  }

  onDeadline(now: number): void {
    const { socket } = this
    const timeout = socket.timeouts.send
    if (timeout === Infinity) return
    for (const waiter of this.waiters) {
      if (waiter.since + timeout > now) {
        this.arm(waiter.since + timeout)
        continue
      }
      this.waiters.delete(waiter)
      socket.traced("timedOut")
      waiter.resume(SocketFailure.timedOut(socket, "send", "send", timeout, SocketFailure.noBytes, 0))
    }
  }

  rearm(): void {
    const timeout = this.socket.timeouts.send
    if (timeout === Infinity || this.waiters.size === 0) return
    const now = this.socket.deadlines.now()
    for (const waiter of this.waiters) waiter.since = now
    this.arm(now + timeout)
  }
}
