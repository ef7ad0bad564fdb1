/** One handshake on a transport: its time, and how it went. */
import { TlsError } from "../../TlsError.js"
import type { HandshakeEvents, TlsFailure, TlsPlatform, TlsTransport, UpgradeRequest } from "../../TlsTransport.js"
import type { Transport } from "../../Transport.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"

/** The error of a handshake that failed. */
export const toTlsError = (subject: string, failure: TlsFailure): TlsError =>
  new TlsError({
    reason: failure.reason,
    subject,
    ...(failure.code === undefined ? {} : { code: failure.code }),
    ...(failure.depth === undefined ? {} : { depth: failure.depth }),
    ...(failure.detail === undefined ? {} : { detail: failure.detail }),
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  }, { disableValidation: true })

/** A handshake under way, and the time it has. `settle` is called once, unless it is abandoned before. */
export class Handshake extends Deadline implements HandshakeEvents {
  private readonly deadlines: Deadlines
  private readonly settle: (failure: TlsFailure | undefined, handshake: Handshake) => void
  private isOver = false
  readonly transport: TlsTransport

  constructor(
    tls: TlsPlatform,
    below: Transport,
    request: UpgradeRequest,
    deadlines: Deadlines,
    timeout: number,
    settle: (failure: TlsFailure | undefined, handshake: Handshake) => void
  ) {
    super()
    this.deadlines = deadlines
    this.settle = settle
    this.transport = tls.upgrade(below, request, this)
    if (timeout !== Infinity) deadlines.schedule(this, deadlines.now() + timeout)
  }

  established(): void {
    this.finish(undefined)
  }

  failedHandshake(failure: TlsFailure): void {
    this.finish(failure)
  }

  expire(): void {
    this.cut("HandshakeTimeout")
  }

  /** Ends it from this side. */
  cut(reason: "HandshakeTimeout" | "Overloaded"): void {
    if (this.isOver) return
    this.finish({ reason })
    this.transport.destroy()
  }

  /** Its outcome is not wanted any more. */
  abandon(): void {
    this.isOver = true
    this.deadlines.cancel(this)
  }

  private finish(failure: TlsFailure | undefined): void {
    if (this.isOver) return
    this.abandon()
    this.settle(failure, this)
  }
}
