/** Content codings undone by `node:zlib`, as pulls of bounded chunks. */
import { type Decoder, HttpTransportFailure, type Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import { suspend } from "../effect/fibers.js"

/** The most that a pull gives. */
const most = 64 * 1024

/**
 * A body of at most this many bytes that comes at once is decoded at once: the thread pool costs five times as much. It
 * may become `most` bytes there, and is decoded by the thread pool if it would become more.
 */
const atOnce = 16 * 1024

/** What a coding needs of `node:zlib`. */
interface Coding {
  readonly name: string
  readonly stream: (options: object) => Transform & { readonly bytesWritten: number }
  readonly sync: (bytes: Uint8Array, options: object) => unknown
}

/** The coding by the first bytes; `undefined` if more of them are needed. */
type Choose = (first: Uint8Array) => Coding | HttpTransportFailure | undefined

type Failed<E> = Effect.Effect<never, E | HttpTransportFailure>

const failure = (kind: "Decode" | "Truncated", detail: string, cause?: unknown): HttpTransportFailure =>
  new HttpTransportFailure({
    kind,
    phase: "receive",
    detail,
    sent: 0,
    received: 0,
    isReused: false,
    expected: undefined,
    cause
  })

const failureOf = ({ name }: Coding, error: Error): HttpTransportFailure =>
  (error as NodeJS.ErrnoException).code === "Z_BUF_ERROR"
    ? failure("Truncated", `the body ends within its ${name} coding`, error)
    : failure("Decode", `the body is not ${name}`, error)

const surplus = ({ name }: Coding): HttpTransportFailure =>
  failure("Decode", `bytes stand after the end of the ${name} coding`)

/** Decodes on the thread pool, a chunk at a time, and only when one is asked for. */
class Engine<E> {
  private readonly coding: Coding
  private readonly coded: Pull<E>
  private readonly stream: ReturnType<Coding["stream"]>
  private fed = 0
  private isWriting = false
  private hasInputEnded = false
  private hasEnded = false
  private error: Error | undefined = undefined
  private waiter: (() => void) | undefined = undefined

  constructor(coding: Coding, coded: Pull<E>, first: Uint8Array) {
    this.coding = coding
    this.coded = coded
    // A mark of one byte: it decodes no further than the chunk that is about to be read, and one ahead.
    this.stream = coding.stream({ chunkSize: most, readableHighWaterMark: 1 })
    this.stream.on("readable", () => this.wake())
    this.stream.on("end", () => {
      this.hasEnded = true
      this.wake()
    })
    this.stream.on("error", (error) => {
      this.error = error
      this.wake()
    })
    this.feed(first)
  }

  readonly read: Pull<E | HttpTransportFailure> = Effect.suspend(() => {
    const { stream } = this
    const chunk = (stream.readableLength > most ? stream.read(most) : stream.read()) as Uint8Array | null
    if (chunk !== null) return Effect.succeed(chunk)
    if (this.error !== undefined) return Effect.fail(failureOf(this.coding, this.error))
    if (this.hasEnded) return this.end
    if (this.isWriting || this.hasInputEnded) return this.next
    return Effect.flatMap(this.coded, (more) => {
      if (more === undefined) {
        this.hasInputEnded = true
        stream.end()
      } else this.feed(more)
      return this.read
    })
  })

  private readonly next: Pull<E | HttpTransportFailure> = suspend((resume) => {
    this.waiter = () => resume(this.read)
  })

  private readonly end: Pull<E | HttpTransportFailure> = Effect.suspend(() => {
    if (this.stream.bytesWritten < this.fed) return Effect.fail(surplus(this.coding))
    return this.hasInputEnded ? ended : noMore(this.coding, this.coded)
  })

  private feed(chunk: Uint8Array): void {
    this.fed += chunk.length
    this.isWriting = true
    this.stream.write(chunk, () => {
      this.isWriting = false
      this.wake()
    })
  }

  private wake(): void {
    const { waiter } = this
    this.waiter = undefined
    waiter?.()
  }

  release(): void {
    this.stream.destroy()
  }
}

const ended: Effect.Effect<undefined> = Effect.succeed(undefined)

/** The coding has ended; the body must end, too. */
const noMore = <E>(coding: Coding, coded: Pull<E>): Effect.Effect<undefined, E | HttpTransportFailure> =>
  Effect.flatMap(coded, (more) => more === undefined ? ended : Effect.fail(surplus(coding)))

/** What a whole body becomes; `undefined` if the thread pool has to look at it. */
const decodeAtOnce = (coding: Coding, bytes: Uint8Array): Uint8Array | HttpTransportFailure | undefined => {
  if (bytes.length > atOnce) return undefined
  try {
    const chunkSize = bytes.length <= 1024 ? 4096 : 16384
    const { buffer, engine } = coding.sync(bytes, { info: true, maxOutputLength: most, chunkSize }) as {
      readonly buffer: Uint8Array
      readonly engine: { readonly bytesWritten: number }
    }
    return engine.bytesWritten < bytes.length ? surplus(coding) : buffer
  } catch {
    // More is to come of it, or too much: or it is wrong, and then its beginning is not.
    return undefined
  }
}

class Decoding<E> {
  private readonly choose: Choose
  private readonly coded: Pull<E>
  private coding: Coding | undefined = undefined
  private engine: Engine<E> | undefined = undefined
  private state: "new" | "atEnd" | "ended" = "new"
  private failed: Failed<E> | undefined = undefined
  private first: Uint8Array = new Uint8Array(0)

  constructor(choose: Choose, coded: Pull<E>) {
    this.choose = choose
    this.coded = coded
  }

  readonly read: Pull<E | HttpTransportFailure> = Effect.suspend(() => {
    if (this.engine !== undefined) return this.engine.read
    if (this.failed !== undefined) return this.failed
    if (this.state === "ended") return ended
    if (this.state === "atEnd") return this.checkEnd
    return Effect.flatMap(this.coded, (chunk) => this.begin(chunk))
  })

  private begin(chunk: Uint8Array | undefined): Pull<E | HttpTransportFailure> {
    if (chunk === undefined) {
      if (this.first.length === 0) {
        this.state = "ended"
        return ended
      }
      return this.failed = Effect.fail(failure("Truncated", "the body ends within its coding"))
    }
    const bytes = this.first.length === 0 ? chunk : Buffer.concat([this.first, chunk])
    const coding = this.choose(bytes)
    if (coding instanceof HttpTransportFailure) return this.failed = Effect.fail(coding)
    if (coding === undefined) {
      this.first = bytes
      return this.read
    }
    this.coding = coding
    const decoded = decodeAtOnce(coding, bytes)
    if (decoded === undefined) {
      this.engine = new Engine(coding, this.coded, bytes)
      return this.engine.read
    }
    if (decoded instanceof HttpTransportFailure) return this.failed = Effect.fail(decoded)
    this.state = "atEnd"
    return decoded.length === 0 ? this.read : Effect.succeed(decoded)
  }

  /** The bytes that came were a whole coding. Of gzip and zstd another one may follow. */
  private readonly checkEnd: Pull<E | HttpTransportFailure> = Effect.suspend(() =>
    Effect.flatMap(this.coded, (more) => {
      if (more === undefined) {
        this.state = "ended"
        return ended
      }
      if (this.coding!.name === "gzip" || this.coding!.name === "zstd") {
        this.state = "new"
        this.first = new Uint8Array(0)
        return this.begin(more)
      }
      return this.failed = Effect.fail(surplus(this.coding!))
    })
  )

  release(): void {
    this.engine?.release()
  }
}

const decoderOf = (choose: Choose): Decoder => (coded) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Decoding(choose, coded)),
      (decoding) => Effect.sync(() => decoding.release())
    ),
    ({ read }) => read
  )

const codingOf = (
  name: string,
  stream: unknown,
  sync: unknown
): Coding => ({ name, stream: stream as Coding["stream"], sync: sync as Coding["sync"] })

const gzip = codingOf("gzip", Zlib.createGunzip, Zlib.gunzipSync)
const zlib = codingOf("deflate", Zlib.createInflate, Zlib.inflateSync)
const raw = codingOf("deflate", Zlib.createInflateRaw, Zlib.inflateRawSync)
const brotli = codingOf("br", Zlib.createBrotliDecompress, Zlib.brotliDecompressSync)

/** The first two bytes of a zlib stream say so (RFC 1950, section 2.2); many servers send none (RFC 9110, section 8.4.1.2). */
const deflate: Choose = (first) => {
  if (first.length < 2) return undefined
  const [method, flags] = first as unknown as readonly [number, number]
  return (method & 0x0f) === 8 && method >> 4 <= 7 && ((method << 8) | flags) % 31 === 0 ? zlib : raw
}

/** Bytes behind a member that begin no other one would be taken for one that is cut (RFC 1952, section 2.3.1). */
const member: Choose = (first) =>
  first[0] === 0x1f && (first.length === 1 || first[1] === 0x8b) ? gzip : failure("Decode", "the body is not gzip")

/** Node has it from 22.15 and 23.8 on. */
const { createZstdDecompress, zstdDecompressSync } = Zlib as typeof Zlib & {
  readonly createZstdDecompress?: unknown
  readonly zstdDecompressSync?: (bytes: Uint8Array) => unknown
}

/** Node without zstd tells nothing, and Node 22 takes the beginning of a frame for a whole one: there a body that is cut would be no error. */
const tellsCutZstd = (): boolean => {
  try {
    zstdDecompressSync?.(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd))
    return false
  } catch {
    return true
  }
}

export const decoders: Readonly<Record<string, Decoder>> = {
  gzip: decoderOf(member),
  deflate: decoderOf(deflate),
  br: decoderOf(() => brotli),
  ...(!tellsCutZstd()
    ? {}
    : { zstd: decoderOf(() => codingOf("zstd", createZstdDecompress, zstdDecompressSync)) })
}
