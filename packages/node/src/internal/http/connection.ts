/** A connection of a pool: a lent socket, and the client of undici that speaks over it. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import { SocketBroken } from "@copas/core/SocketError"
import type { LentCounts, Timekeeper } from "@copas/core/Transport"
import type * as UndiciModule from "@effect/platform-node/Undici"
import * as Option from "effect/Option"
import type { Duplex } from "node:stream"
import type { Exchange } from "./exchange.js"
import { unusedCode } from "./failures.js"
import type { Opened } from "./opening.js"
import type { Pool } from "./pool.js"

type Undici = typeof UndiciModule.default

/** Requests at a time over one connection of HTTP/2. */
const streams = 100

/** The longest delay that a timer of Node's takes. */
const never = 2 ** 31 - 1

export class Connection {
  readonly pool: Pool
  readonly client: UndiciModule.Client
  readonly stream: Duplex & { readonly bytesRead: number }
  readonly isMultiplexed: boolean
  hasServed = false
  running = 0
  private readonly opened: Opened
  private readonly opening: HttpTransport.ExchangeConnection["opening"]

  constructor(undici: Undici, pool: Pool, opened: Opened, opening: HttpTransport.ExchangeConnection["opening"]) {
    const { stream } = opened
    this.pool = pool
    this.opened = opened
    this.opening = opening
    this.stream = stream as Duplex & { readonly bytesRead: number }
    this.isMultiplexed = (stream as Duplex & { readonly alpnProtocol?: string | false | null }).alpnProtocol === "h2"
    let isGiven = false
    this.client = new undici.Client(pool.route.origin, {
      connect: (_target, callback) => {
        // undici connects again for a request that the first connection can no longer serve. The pool does that here.
        const isFirst = !isGiven
        isGiven = true
        queueMicrotask(() => {
          if (isFirst) callback(null, stream as never)
          else callback(Object.assign(new Error("the connection has closed"), { code: unusedCode }), null)
        })
      },
      maxHeaderSize: pool.route.limits.head,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: never,
      pipelining: this.isMultiplexed ? streams : 1,
      pingInterval: 0,
      strictContentLength: true
    })
    this.readBeforeBreaking()
    // It reports what a handler threw. Ours do not; if one did, this must not end the process.
    this.client.on("error" as "drain", () => void this.destroy())
    stream.once("close", () => {
      this.disarm()
      pool.closed(this)
    })
  }

  get bytes(): LentCounts {
    return this.opened.look()
  }

  /** It can take a request now. */
  get isFree(): boolean {
    return !this.stream.destroyed && this.failedWrite === undefined &&
      (this.isMultiplexed ? this.running < streams : this.running === 0)
  }

  describe(isReused: boolean): HttpTransport.ExchangeConnection {
    const { socket } = this.opened
    return {
      remoteAddress: socket.remoteAddress,
      localAddress: socket.localAddress,
      tls: Option.getOrUndefined(socket.tls),
      isReused,
      opening: isReused ? none : this.opening
    }
  }

  // ---- the connection breaks

  private failedWrite: Error | undefined = undefined

  /** Why the connection broke, if it did. */
  get breach(): Error | undefined {
    return this.failedWrite ?? this.stream.errored ?? undefined
  }

  /**
   * A server may answer while it is sent a body, and close: then a write fails before the answer was read, or the stream
   * breaks with the answer in its buffer. Node drops both. So before the stream is destroyed by the system's error, undici
   * reads what has come, for as many turns of the event loop as bring more of it.
   */
  private readBeforeBreaking(): void {
    const { stream } = this
    const { destroy } = stream
    const read = () => {
      if (stream.readableLength > 0 && !stream.destroyed) stream.emit("readable")
    }
    stream.destroy = (error) => {
      if (error === undefined || this.isMultiplexed || stream.destroyed || !isBreak(error)) {
        return destroy.call(stream, error)
      }
      read()
      if (stream.destroyed) return stream
      if (!isOfWrite(error) || this.failedWrite !== undefined) return destroy.call(stream, error)
      this.failedWrite = error // Node marks the reading side as well, which then drops what comes.
      ;(stream as unknown as WithReading)._readableState.errored = null
      for (const exchange of this.exchanges) exchange.upload?.stop()
      let before = -1
      const turn = () => {
        read()
        const { received } = this.bytes
        if (stream.destroyed) return
        if (received === before) destroy.call(stream, error)
        else setImmediate(turn)
        before = received
      }
      setImmediate(turn)
      return stream
    }
  }

  // ---- idle

  private disarmTimer: (() => void) | undefined = undefined
  private idleSince = 0

  private disarm(): void {
    this.disarmTimer?.()
    this.disarmTimer = undefined
  }

  /**
   * It has no request: for so long at most. The timer stands while requests come and go, and looks when it is due, by the
   * clock of the request that the connection had last.
   */
  rest(millis: number, time: Timekeeper): void {
    if (millis === Infinity) return
    this.idleSince = time.now()
    if (this.disarmTimer !== undefined) return
    const look = (now: number) => {
      this.disarmTimer = undefined
      if (this.running > 0) return
      const left = this.idleSince + millis - now
      if (left > 0) this.disarmTimer = time.after(left, look)
      else void this.destroy()
    }
    this.disarmTimer = time.after(millis, look)
  }

  // ---- requests

  /**
   * The exchanges whose requests undici has begun. A set that empties again and again leaves tables behind, each of which
   * leads to the next one: once one of them is old, the collector keeps all that come, with their exchanges.
   */
  private readonly exchanges: Array<Exchange> = []

  begun(exchange: Exchange): void {
    this.hasServed = true
    this.exchanges.push(exchange)
  }

  /** A request on it has ended. */
  finished(exchange: Exchange): void {
    this.running -= 1
    const at = this.exchanges.indexOf(exchange)
    if (at !== -1) this.exchanges.splice(at, 1)
    this.pool.freed(this, exchange.time)
  }

  /** Cuts it, and completes when its stream has closed. */
  destroy(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.stream.closed) resolve()
      else this.stream.once("close", () => resolve())
    })
    this.disarm()
    // First, because undici (7.30) fails an assertion, which would end the process, where HTTP/2 has requests then.
    for (const exchange of this.exchanges.slice()) exchange.close()
    void this.client.destroy()
    // A client that had no request yet does not know its socket.
    this.stream.destroy()
    return closed
  }
}

/** What Node's streams call their reading side; they have no documented name for it. */
interface WithReading {
  readonly _readableState: { errored: Error | null }
}

/** An error of the system's, and none of undici's or of this library's clock. */
const isBreak = (error: Error): boolean => error instanceof SocketBroken || "syscall" in error

const isOfWrite = (error: Error): boolean => "syscall" in error && error.syscall === "write"

const none = { lookup: 0, connect: 0, tls: 0 }
