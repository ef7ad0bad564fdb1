/** A connection of a pool: a lent socket, and the client of undici that speaks over it. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import type { LentCounts, Timekeeper } from "@copas/core/Transport"
import type * as UndiciModule from "@effect/platform-node/Undici"
import * as Option from "effect/Option"
import type { Duplex } from "node:stream"
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
  readonly stream: Duplex
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
    this.stream = stream
    this.isMultiplexed = (stream as Duplex & { readonly alpnProtocol?: string | false | null }).alpnProtocol === "h2"
    let isGiven = false
    this.client = new undici.Client(pool.route.origin, {
      connect: (_target, callback) => {
        // undici connects anew for a request that the first connection can no longer serve. The pool does that here.
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
    return !this.stream.destroyed && (this.isMultiplexed ? this.running < streams : this.running === 0)
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

  /** A request on it has ended. */
  finished(time: Timekeeper): void {
    this.running -= 1
    this.pool.freed(this, time)
  }

  /** Cuts it, and completes when its stream has closed. */
  destroy(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.stream.closed) resolve()
      else this.stream.once("close", () => resolve())
    })
    this.disarm()
    void this.client.destroy()
    // A client that had no request yet does not know its socket.
    this.stream.destroy()
    return closed
  }
}

const none = { lookup: 0, connect: 0, tls: 0 }
