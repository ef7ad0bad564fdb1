/** The body of a request: read once, counted as it comes, and bounded. */
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Readable } from "node:stream"
import { suspend } from "../effect/fibers.js"
import { pulled } from "../effect/streams.js"

/** Why a body cannot be read to its end, and the status that says so to the client. */
export class BodyFault extends Error {
  override readonly name = "BodyFault"
  readonly status: 400 | 408 | 413

  constructor(status: 400 | 408 | 413, message: string) {
    super(message)
    this.status = status
  }
}

/** What a body asks of its exchange. */
export interface BodyHost {
  /** The body is about to be read for the first time: a client that expects "100 Continue" gets it. */
  readonly begins: () => void
}

/** Chunks are joined when this many have come: a client may send one byte at a time, and a chunk of one takes 183. */
const mostApart = 256

/** Chunks that come one after the other, to be one. */
export class Chunks {
  private readonly chunks: Array<Uint8Array> = []
  private joined = 0

  add(chunk: Uint8Array): void {
    const { chunks } = this
    chunks.push(chunk)
    if (chunks.length - this.joined < mostApart) return
    chunks.push(Buffer.concat(chunks.splice(this.joined)))
    this.joined += 1
  }

  take(): Buffer {
    const { chunks } = this
    const [first] = chunks
    const whole = chunks.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(chunks)
    this.clear()
    return whole
  }

  clear(): void {
    this.chunks.length = 0
    this.joined = 0
  }
}

/** A whole body that is being collected, or was. */
class Collected {
  readonly chunks = new Chunks()
  readonly waiting: Array<() => void> = []
  bytes: Buffer | undefined = undefined
}

export class Body {
  private readonly source: Readable
  private readonly host: BodyHost
  /** What the client announced; `undefined` for a body in chunks. */
  private readonly length: number | undefined
  received = 0
  private limit = Infinity
  /** Why no more of it is read. */
  fault: BodyFault | undefined = undefined
  private hasBegun = false
  private hasEnded = false
  private collected: Collected | undefined = undefined
  /** Some reader awaits bytes of the client: while none does, a client that sends none is not late. */
  private wake: (() => void) | undefined = undefined

  constructor(source: Readable, host: BodyHost, length: number | undefined) {
    this.source = source
    this.host = host
    this.length = length
  }

  get isAwaited(): boolean {
    return !this.hasEnded && this.fault === undefined &&
      (this.wake !== undefined || (this.collected !== undefined && this.collected.bytes === undefined))
  }

  /** Ends the reading: those that wait, and those that come, fail with `fault`. */
  fail(fault: BodyFault): void {
    if (this.fault !== undefined || this.hasEnded) return
    this.fault = fault
    this.source.pause()
    this.wakeAll()
  }

  /** Something in the body, or behind it, is wrong, although it has come: the answer, if the handler gives no other, says so. */
  complain(fault: BodyFault): void {
    this.fault ??= fault
  }

  private wakeAll(): void {
    const { wake } = this
    this.wake = undefined
    wake?.()
    if (this.collected !== undefined) { for (const waiter of this.collected.waiting.splice(0)) waiter() }
  }

  /** Begins to read, or goes on with another limit. */
  private begin(limit: number): void {
    this.limit = limit
    if (this.fault === undefined && ((this.length ?? 0) > limit || this.received > limit)) this.exceeded()
    if (this.hasBegun || this.fault !== undefined) return
    this.hasBegun = true
    const { source } = this
    // Node ends the body of a stream of HTTP/2 that was reset.
    source.on(
      "end",
      () => (source as Readable & { readonly aborted?: boolean }).aborted === true ? this.lost() : this.end()
    )
    source.on("error", () => this.lost())
    source.on("close", () => this.lost())
    if (source.readableEnded) this.end()
    else if (source.destroyed) this.lost()
    else this.host.begins()
  }

  private exceeded(): void {
    this.fail(new BodyFault(413, `the body is longer than the limit of ${this.limit} bytes`))
  }

  private lost(): void {
    this.fail(new BodyFault(400, "the connection ended within the body"))
  }

  private end(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    const { collected } = this
    if (collected !== undefined) collected.bytes = collected.chunks.take()
    this.wakeAll()
  }

  private count(chunk: Buffer): boolean {
    this.received += chunk.length
    if (this.received <= this.limit) return true
    this.exceeded()
    return false
  }

  // ---- as a whole

  /** All of it, at most `limit` bytes. It is kept: whoever asks again gets it again. */
  whole(limit: number): Effect.Effect<Buffer, BodyFault> {
    return Effect.suspend(() => {
      if (this.collected === undefined) {
        if (this.hasBegun) return Effect.fail(this.fault ?? alreadyRead)
        this.collected = new Collected()
        this.collect(this.collected, limit)
      }
      return this.outcome ?? suspend<Buffer, BodyFault>((resume) => {
        // The fiber may have yielded since it looked.
        if (this.outcome === undefined) this.collected!.waiting.push(() => resume(this.outcome!))
        else resume(this.outcome)
      })
    })
  }

  private get outcome(): Effect.Effect<Buffer, BodyFault> | undefined {
    if (this.fault !== undefined) return Effect.fail(this.fault)
    const bytes = this.collected?.bytes
    return bytes === undefined ? undefined : Effect.succeed(bytes)
  }

  private collect(collected: Collected, limit: number): void {
    this.begin(limit)
    if (this.hasEnded || this.fault !== undefined) return
    const { source } = this
    const take = (chunk: Buffer): void => {
      if (this.fault === undefined && this.count(chunk)) collected.chunks.add(chunk)
      else {
        source.removeListener("data", take)
        collected.chunks.clear()
      }
    }
    source.on("data", take)
  }

  // ---- as a stream

  /** What arrives, read as fast as it is asked for, then `undefined`. Who ceases to ask leaves the rest unread. */
  reader(limit: number): Effect.Effect<Uint8Array | undefined, BodyFault> {
    let isGiven = false
    return Effect.suspend(() => {
      if (this.collected === undefined) {
        this.begin(limit)
        return this.next
      }
      // A body that was collected before is one chunk.
      if (isGiven) return Effect.succeed(undefined)
      isGiven = true
      return Effect.map(this.whole(limit), (bytes) => bytes.length === 0 ? undefined : bytes)
    })
  }

  stream(limit: number): Stream.Stream<Uint8Array, BodyFault> {
    return Stream.suspend(() => pulled(this.reader(limit)))
  }

  /** Waits until all of it has come, and drops what was not read. */
  ended(limit: number): Effect.Effect<void, BodyFault> {
    return Effect.suspend(() => {
      if (this.collected !== undefined) return Effect.asVoid(this.whole(limit))
      this.begin(limit)
      return Effect.repeat(this.next, { until: (chunk) => chunk === undefined })
    }).pipe(Effect.asVoid)
  }

  private get next(): Effect.Effect<Uint8Array | undefined, BodyFault> {
    return Effect.suspend(() => {
      if (this.fault !== undefined) return Effect.fail(this.fault)
      const chunk = this.source.read() as Buffer | null
      if (chunk !== null) return this.count(chunk) ? Effect.succeed(chunk) : Effect.fail(this.fault!)
      if (this.hasEnded) return Effect.succeed(undefined)
      return Effect.zipRight(this.more, this.next)
    })
  }

  private readonly more: Effect.Effect<void> = suspendCancellable((resume) => {
    const { source } = this
    // The fiber may have yielded since it looked.
    if (this.hasEnded || this.fault !== undefined || source.readableLength > 0) {
      resume(Effect.void)
      return undefined
    }
    const wake = (): void => {
      source.removeListener("readable", wake)
      if (this.wake === wake) this.wake = undefined
      resume(Effect.void)
    }
    this.wake = wake
    source.on("readable", wake)
    return Effect.sync(wake)
  })
}

const alreadyRead = new BodyFault(400, "the body was read as a stream before")
