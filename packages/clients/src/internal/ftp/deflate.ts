/**
 * MODE Z (draft-preston-ftpext-deflate): the data of a transfer as a zlib stream (RFC 1950), by the streams that every
 * platform has.
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../text/bytes.js"

/** The data is not what MODE Z has. */
export class CodingFault {
  readonly _tag = "CodingFault"
  readonly kind: "Corrupt" | "Truncated" | "Bomb"
  readonly cause: unknown
  constructor(kind: CodingFault["kind"], cause?: unknown) {
    this.kind = kind
    this.cause = cause
  }
}

/** What is coded at a time. Some platforms decode all that they are given at once, and a byte may become a thousand. */
const piece = 32 * 1024

/** Up to here nothing is judged by its ratio. */
const mostFree = 1024 * 1024

const ignore = (): void => {}

interface Codec {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** A codec of the platform, as steps: it takes one piece, and gives what comes of it before it takes the next. */
class Steps {
  private readonly reader: ReturnType<ReadableStream<Uint8Array>["getReader"]>
  private readonly writer: ReturnType<WritableStream<Uint8Array>["getWriter"]>
  private reading: ReturnType<Steps["reader"]["read"]> | undefined = undefined
  private writing: Promise<"taken"> | undefined = undefined

  constructor(codec: Codec) {
    this.reader = codec.readable.getReader()
    this.writer = codec.writable.getWriter()
  }

  write(bytes: Uint8Array): void {
    this.writing = this.writer.write(bytes).then(() => "taken" as const)
    // What fails here fails the next step.
    this.writing.catch(ignore)
  }

  close(): void {
    this.writer.close().catch(ignore)
  }

  /**
   * The next bytes; `taken` when the next piece may be written, `ended` after the end. *Interruption* loses no byte: what has
   * come is the next run's.
   */
  readonly next: Effect.Effect<Uint8Array | "taken" | "ended", CodingFault> = Effect.map(
    Effect.tryPromise({
      try: () => {
        this.reading ??= this.reader.read()
        return this.writing === undefined ? this.reading : Promise.race([this.reading, this.writing])
      },
      catch: (error) => new CodingFault("Corrupt", error)
    }),
    (first) => {
      if (first === "taken") {
        this.writing = undefined
        return first
      }
      this.reading = undefined
      return first.done ? "ended" : first.value
    }
  )

  get release(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.reader.cancel().catch(ignore)
      this.writer.abort().catch(ignore)
    })
  }
}

/** RFC 1950, section 8.2. */
class Adler32 {
  private low = 1
  private high = 0

  update(bytes: Uint8Array): void {
    let { high, low } = this
    for (let from = 0; from < bytes.length; from += 3800) {
      const end = Math.min(from + 3800, bytes.length)
      for (let index = from; index < end; index++) {
        low += bytes[index]!
        high += low
      }
      low %= 65521
      high %= 65521
    }
    this.low = low
    this.high = high
  }

  /** As it stands at the end of the stream. */
  get bytes(): Uint8Array {
    return Uint8Array.of(this.high >> 8, this.high & 255, this.low >> 8, this.low & 255)
  }
}

/** RFC 1950, section 2.2. */
const isHeader = ([method = 0, flags = 0]: Uint8Array): boolean =>
  (method & 15) === 8 && method >> 4 <= 7 && (method << 8 | flags) % 31 === 0

/** What a failure of coded data means: it may continue, it has ended, or it broke. */
type Failing = "pause" | "end" | "break"

/** The data of a download, decoded. At its end it fails as the data does, if that is whole or broke. */
export class Inflating<E> {
  private readonly data: Effect.Effect<Uint8Array, E>
  private readonly ratio: number
  private readonly failing: (error: E) => Failing
  private readonly steps = new Steps(new DecompressionStream("deflate"))
  private readonly sum = new Adler32()
  private rest: Uint8Array = Bytes.empty
  private first: Uint8Array = Bytes.empty
  private last: Uint8Array = Bytes.empty
  private received = 0
  private made = 0
  private isWriting = false
  private end: { readonly error: E } | undefined = undefined

  /** What the data becomes is at most `ratio` times as much. `failing` says what its failures mean. */
  constructor(data: Effect.Effect<Uint8Array, E>, ratio: number, failing: (error: E) => Failing) {
    this.data = data
    this.ratio = ratio
    this.failing = failing
  }

  get receive(): Effect.Effect<Uint8Array, E | CodingFault> {
    return Effect.suspend(() => {
      if (this.isWriting || this.end !== undefined) return this.output
      if (this.rest.length > 0) return this.feed(this.rest)
      return Effect.matchEffect(this.data, {
        onFailure: (error) => {
          if (this.failing(error) === "pause") return Effect.fail(error)
          this.end = { error }
          this.steps.close()
          return this.output
        },
        onSuccess: (chunk) => this.feed(chunk)
      })
    })
  }

  private feed(chunk: Uint8Array): Effect.Effect<Uint8Array, E | CodingFault> {
    // A copy: the chunk may be memory that is read into again.
    const bytes = new Uint8Array(chunk.subarray(0, piece))
    this.rest = chunk.subarray(piece)
    this.received += bytes.length
    this.last = Bytes.concat([this.last, bytes.subarray(-4)]).slice(-4)
    if (this.first.length < 2) this.first = Bytes.concat([this.first, bytes]).slice(0, 2)
    // The platform may tell it later than the data ends, and then it would pass for cut.
    if (this.first.length === 2 && !isHeader(this.first)) return Effect.fail(new CodingFault("Corrupt"))
    this.isWriting = true
    this.steps.write(bytes)
    return this.output
  }

  private get output(): Effect.Effect<Uint8Array, E | CodingFault> {
    if (this.received === 0) return Effect.fail(this.end!.error)
    return Effect.matchEffect(this.steps.next, {
      // The data has ended: it is cut, unless what came before was wrong.
      onFailure: (fault) => this.end === undefined || this.isWhole ? Effect.fail(fault) : this.over(fault.cause),
      onSuccess: (step): Effect.Effect<Uint8Array, E | CodingFault> => {
        if (step === "taken") {
          this.isWriting = false
          return this.receive
        }
        // Some platforms take the beginning of a stream for a whole one, and what stands after it for nothing.
        if (step === "ended") return this.end === undefined ? Effect.fail(new CodingFault("Corrupt")) : this.over()
        this.made += step.length
        this.sum.update(step)
        return this.made > mostFree && this.made > this.ratio * this.received
          ? Effect.fail(new CodingFault("Bomb"))
          : Effect.succeed(step)
      }
    })
  }

  /** Nothing more comes of the data. */
  private over(cause?: unknown): Effect.Effect<never, E | CodingFault> {
    const { error } = this.end!
    const isCut = this.failing(error) === "end" && !this.isWhole
    return Effect.fail(isCut ? new CodingFault("Truncated", cause) : error)
  }

  private get isWhole(): boolean {
    return Bytes.equals(this.last, this.sum.bytes)
  }

  get release(): Effect.Effect<void> {
    return this.steps.release
  }
}

/** The data of an upload, coded. */
export class Deflating<E> {
  private readonly data: (bytes: Uint8Array) => Effect.Effect<void, E>
  private readonly steps = new Steps(new CompressionStream("deflate"))

  constructor(data: (bytes: Uint8Array) => Effect.Effect<void, E>) {
    this.data = data
  }

  send(chunk: Uint8Array): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      // A copy: the caller may change its own when this has returned.
      this.steps.write(new Uint8Array(chunk.subarray(0, piece)))
      const rest = chunk.subarray(piece)
      return rest.length === 0 ? this.pass : Effect.zipRight(this.pass, this.send(rest))
    })
  }

  get finish(): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      this.steps.close()
      return this.pass
    })
  }

  private get pass(): Effect.Effect<void, E> {
    // Any bytes can be coded.
    return Effect.flatMap(
      Effect.orDie(this.steps.next),
      (step) => typeof step === "string" ? Effect.void : Effect.zipRight(this.data(step), this.pass)
    )
  }

  get release(): Effect.Effect<void> {
    return this.steps.release
  }
}

/** Bytes as a whole, coded. */
export const deflate = (bytes: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    const deflating = new Deflating((chunk) => Effect.sync(() => chunks.push(chunk)))
    return Effect.map(Effect.zipRight(deflating.send(bytes), deflating.finish), () => Bytes.concat(chunks))
  })

/** Bytes decoded, as far as they can be, and whether they were whole. */
export const inflate = (
  bytes: Uint8Array
): Effect.Effect<{ readonly bytes: Uint8Array; readonly isWhole: boolean }> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let isFed = false
    const data = Effect.suspend(() => {
      if (isFed || bytes.length === 0) return Effect.fail("end" as const)
      isFed = true
      return Effect.succeed(bytes)
    })
    const inflating = new Inflating(data, Infinity, () => "end")
    const loop: Effect.Effect<never, "end" | CodingFault> = Effect.flatMap(inflating.receive, (chunk) => {
      chunks.push(chunk)
      return loop
    })
    return Effect.map(Effect.flip(loop), (end) => ({ bytes: Bytes.concat(chunks), isWhole: end === "end" }))
  })
