/** An answer on its way: what waits to be read, and who waits to read it. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import { suspend } from "../effect/fibers.js"
import type { Exchange } from "./exchange.js"
import * as Failures from "./failures.js"
import * as Fields from "./fields.js"

/** Bytes that may wait to be read; past them the connection is not read. */
const most = 64 * 1024

/** What a waiting chunk costs besides its bytes: a server may send one byte at a time. */
const overhead = 256

/** Small chunks that wait are given as one. */
const small = 4096

/** How much of an answer that nobody reads is taken, and for how long, so that its connection can be used again. */
const drained = { bytes: 64 * 1024, millis: 100 }

export const scopeEnded = "the scope of the exchange has ended"

const end: Effect.Effect<undefined> = Effect.succeed(undefined)

const none: ReadonlyArray<never> = []

type Read = HttpTransport.Pull<any>

export class Answer implements HttpTransport.Exchange<any> {
  readonly status: number
  readonly statusText: string
  readonly informational: HttpTransport.Exchange<unknown>["informational"]
  readonly #exchange: Exchange
  readonly #raw: ReadonlyArray<Buffer>
  private fieldsMemo: ReadonlyArray<HttpTransport.Field> | undefined = undefined
  private readonly controller: Undici.Dispatcher.DispatchController

  private readonly chunks: Array<Buffer> = []
  private first = 0
  private held = 0
  /** Bytes of the body that came. */
  came = 0
  private waiter: ((effect: Effect.Effect<Uint8Array | undefined, unknown>) => void) | undefined = undefined
  private waitsSince = 0
  private isWatched = false
  private isReleased = false
  /** What may still come of an answer that nobody reads. */
  private left: number | undefined = undefined
  private lastFields: ReadonlyArray<HttpTransport.Field> = none

  constructor(
    exchange: Exchange,
    controller: Undici.Dispatcher.DispatchController,
    status: number,
    statusText: string,
    raw: ReadonlyArray<Buffer>,
    informational: HttpTransport.Exchange<unknown>["informational"]
  ) {
    this.#exchange = exchange
    this.controller = controller
    this.status = status
    this.statusText = statusText
    this.#raw = raw
    this.informational = informational
  }

  // ---- for the client

  /** Made when they are first looked at. */
  get fields(): ReadonlyArray<HttpTransport.Field> {
    return this.fieldsMemo ??= Fields.ofUndici(this.#raw)
  }

  values(name: string): ReadonlyArray<string> {
    return Fields.valuesOf(this.#raw, name)
  }

  get version(): "1.1" | "2" {
    return this.#exchange.connection!.isMultiplexed ? "2" : "1.1"
  }

  get connection(): HttpTransport.ExchangeConnection {
    return this.#exchange.connection!.describe(this.#exchange.isReused)
  }

  get cancel(): Effect.Effect<void> {
    return this.#exchange.cancel
  }

  trailers(): ReadonlyArray<HttpTransport.Field> {
    return this.lastFields
  }

  private readMemo: Read | undefined = undefined

  get read(): Read {
    return this.readMemo ??= Effect.suspend(() => this.take() ?? this.next)
  }

  takeWhole(): Uint8Array | undefined {
    const { chunks } = this
    const isUnread = this.first === 0 && this.held === this.came + overhead * chunks.length
    if (!this.#exchange.isWhole || this.isReleased || !isUnread) return undefined
    const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    chunks.length = 0
    this.held = 0
    return whole
  }

  private get next(): Read {
    return suspend((resume) => {
      this.waiter = resume
      this.watch()
    })
  }

  /** What has come, or the end, or the failure; `undefined` if nothing of it has. */
  private take(): Read | undefined {
    const { chunks } = this
    if (this.isReleased) return Effect.fail(Failures.make(this.#exchange.where, "Lost", scopeEnded))
    if (this.first < chunks.length) {
      const chunk = this.shift()
      if (this.controller.paused && this.held < most && !this.#exchange.isWhole) this.controller.resume()
      return Effect.succeed(chunk)
    }
    return this.#exchange.failed ?? (this.#exchange.isWhole ? end : undefined)
  }

  private shift(): Uint8Array {
    const { chunks } = this
    let chunk = chunks[this.first]!
    if (chunk.length < small && this.first + 1 < chunks.length) {
      const joined: Array<Buffer> = []
      let size = 0
      while (this.first < chunks.length && size + chunks[this.first]!.length <= most) {
        joined.push(chunks[this.first]!)
        size += chunks[this.first]!.length
        this.first += 1
      }
      this.held -= size + overhead * joined.length
      chunk = Buffer.concat(joined, size)
    } else {
      this.first += 1
      this.held -= chunk.length + overhead
    }
    if (this.first === chunks.length) {
      chunks.length = 0
      this.first = 0
    }
    return chunk
  }

  // ---- for the exchange

  /** The length of the body by its field. */
  get announced(): number | undefined {
    const [value] = this.values("content-length")
    return value === undefined ? undefined : Number(value)
  }

  /** The framing tells where the body ends. */
  get isFramed(): boolean {
    return this.#exchange.connection?.isMultiplexed === true || this.values("content-length").length > 0 ||
      this.values("transfer-encoding").length > 0
  }

  push(chunk: Buffer): void {
    this.came += chunk.length
    if (this.left !== undefined) {
      this.left -= chunk.length
      if (this.left < 0) this.giveUp()
      return
    }
    this.chunks.push(chunk)
    this.held += chunk.length + overhead
    // A reader that waits takes the chunk in this turn; so the connection need not stop for it.
    if (this.waiter === undefined && this.held >= most) this.controller.pause()
    this.wake()
  }

  end(trailers: ReadonlyArray<HttpTransport.Field>): void {
    this.lastFields = trailers
    this.wake()
  }

  wake(): void {
    const { waiter } = this
    if (waiter === undefined) return
    this.waiter = undefined
    waiter(this.read)
  }

  // ---- the scope has ended

  /** Nothing of it is given any more. */
  release(): void {
    this.isReleased = true
    this.chunks.length = 0
    this.first = 0
    this.wake()
  }

  /** Takes the rest without a reader, if that is little and comes soon. */
  drain(): boolean {
    const { announced } = this
    if (announced === undefined ? !this.isFramed : announced - this.came > drained.bytes) return false
    this.left = drained.bytes
    this.#exchange.arm(drained.millis, () => this.giveUp())
    this.controller.resume()
    return true
  }

  private giveUp(): void {
    this.#exchange.fail(Failures.make(this.#exchange.where, "Lost", scopeEnded))
  }

  // ---- time

  /** Moved on by every wait; the timer that stands looks how long the present one has lasted. */
  private watch(): void {
    const { receive } = this.#exchange.request.timeouts
    if (receive === Infinity) return
    const { time } = this.#exchange
    this.waitsSince = time.now()
    if (this.isWatched) return
    this.isWatched = true
    this.schedule(receive)
  }

  private schedule(millis: number): void {
    const { receive } = this.#exchange.request.timeouts
    this.#exchange.arm(millis, (now) => {
      this.isWatched = false
      const { waiter } = this
      if (waiter === undefined) return
      const left = this.waitsSince + receive - now
      if (left > 0) {
        this.isWatched = true
        this.schedule(left)
        return
      }
      // Asked of the reader: one that was interrupted does not answer, and then nothing has timed out.
      this.waiter = undefined
      waiter(Effect.suspend(() => {
        const late = this.take()
        if (late !== undefined) return late
        this.#exchange.timeOut("receive", receive)
        return this.read
      }))
    })
  }
}
