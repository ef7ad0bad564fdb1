/** A Copas socket as a `Duplex` of Node, for libraries that require one where the transport is not Node's. */
import * as NetAddress from "@copas/core/NetAddress"
import type { Borrower, Loan } from "@copas/core/Transport"
import * as Option from "effect/Option"
import { Duplex } from "node:stream"

type Done = (error?: Error | null) => void

/**
 * A lent socket as a stream of Node, with what libraries call on Node's own sockets. It reads only when it is read from,
 * and a write is complete when the socket accepted it, so backpressure works in both directions.
 */
export class SocketDuplex extends Duplex {
  private readonly loan: Loan
  private writing: Done | undefined = undefined
  private finishing: Done | undefined = undefined
  private destroying: (() => void) | undefined = undefined
  private isReleased = false

  constructor(loan: Loan) {
    super({ allowHalfOpen: !loan.isInitiator, autoDestroy: true })
    this.loan = loan
    // The socket reports how it ended; a borrower that does not listen must not end the process.
    this.on("error", () => {})
    if (loan.early !== undefined) this.push(loan.early)
    if (loan.hasEnded) this.push(null)
  }

  // ---- what libraries ask of a socket

  get localAddress(): string {
    return hostOf(this.loan.transport.localAddress)
  }

  get localPort(): number | undefined {
    return NetAddress.portOf(this.loan.transport.localAddress)
  }

  get remoteAddress(): string {
    return hostOf(this.loan.transport.remoteAddress)
  }

  get remotePort(): number | undefined {
    return NetAddress.portOf(this.loan.transport.remoteAddress)
  }

  get remoteFamily(): string | undefined {
    const { remoteAddress } = this.loan.transport
    return remoteAddress._tag === "InetAddress" ? remoteAddress.family : undefined
  }

  address(): { readonly address?: string; readonly port?: number; readonly family?: string } {
    const { localAddress } = this.loan.transport
    return localAddress._tag === "InetAddress"
      ? { address: localAddress.host, port: localAddress.port, family: localAddress.family }
      : {}
  }

  get bytesRead(): number {
    return this.loan.counts.received
  }

  get bytesWritten(): number {
    const { sent, unsent } = this.loan.counts
    return sent + unsent + this.writableLength
  }

  get encrypted(): boolean {
    return this.loan.transport.tls !== undefined
  }

  get alpnProtocol(): string | false {
    return Option.getOrElse(
      Option.flatMap(Option.fromNullable(this.loan.transport.tls), ({ alpn }) => alpn),
      () => false
    )
  }

  get connecting(): boolean {
    return false
  }

  /** The dispatcher keeps the process alive, not the socket. */
  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  setNoDelay(isOn = true): this {
    this.loan.transport.setOption("noDelay", isOn)
    return this
  }

  setKeepAlive(isOn = false, initialDelay = 0): this {
    const seconds = Math.floor(initialDelay / 1000)
    this.loan.transport.setOption("keepAlive", isOn && seconds > 0 ? seconds * 1000 : isOn)
    return this
  }

  /** Ends, and closes when everything is out. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once("finish", () => this.destroy())
  }

  // ---- "timeout", on the clock of the socket

  timeout = 0
  private movedAt = 0
  private cancelTimer: (() => void) | undefined = undefined

  /** Emits "timeout" when nothing has moved for this long, on the clock of the socket; zero never. */
  setTimeout(millis: number, listener?: () => void): this {
    this.timeout = millis
    this.cancelTimer?.()
    this.cancelTimer = undefined
    if (listener !== undefined) {
      if (millis === 0) this.removeListener("timeout", listener)
      else this.once("timeout", listener)
    }
    this.touch()
    if (millis > 0 && !this.destroyed) this.watch(millis)
    return this
  }

  private touch(): void {
    if (this.timeout > 0) this.movedAt = this.loan.now()
  }

  private watch(millis: number): void {
    this.cancelTimer = this.loan.after(millis, () => {
      const left = this.movedAt + this.timeout - this.loan.now()
      if (left > 0) {
        this.watch(left)
        return
      }
      this.cancelTimer = undefined
      this.emit("timeout")
    })
  }

  // ---- what the socket reports

  /** For the socket that is lent. */
  readonly reports: Omit<Borrower, "counts" | "isReading"> = {
    fail: (error) => void this.destroy(error),
    cut: (error) => void this.destroy(error),
    deliver: (chunk) => {
      this.touch()
      if (!this.push(chunk)) this.loan.transport.pause()
    },
    ended: () => void this.push(null),
    written: () => {
      this.touch()
      if (this.loan.hasRoom) this.sayWritten(null)
    },
    finished: () => this.sayFinished(),
    closed: () => {
      this.isReleased = true
      this.destroying?.()
      this.destroy()
    }
  }

  private sayWritten(error: Error | null): void {
    const { writing } = this
    this.writing = undefined
    writing?.(error)
  }

  private sayFinished(): void {
    const { finishing } = this
    this.finishing = undefined
    finishing?.()
  }

  // ---- the stream

  override _read(): void {
    this.loan.transport.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.loan.write(chunk)
    this.accept(done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: Done): void {
    for (const { chunk } of chunks) this.loan.write(chunk)
    this.accept(done)
  }

  private accept(done: Done): void {
    this.touch()
    if (this.loan.hasRoom || this.destroyed) done()
    else this.writing = done
  }

  override _final(done: Done): void {
    this.finishing = done
    this.loan.end()
    if (this.loan.isFinished) this.sayFinished()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.cancelTimer?.()
    // Until the write under way is called back, the stream keeps those behind it waiting.
    this.sayWritten(error)
    this.destroying = () => {
      this.destroying = undefined
      done(error)
    }
    if (this.isReleased) this.destroying()
    else this.loan.close()
  }
}

const hostOf = (address: NetAddress.NetAddress): string => address._tag === "InetAddress" ? address.host : address.path
