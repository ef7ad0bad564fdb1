/**
 * The content of a message on its way: pieces at hand and streams, in few buffers that are used again and again.
 */
import * as Effect from "effect/Effect"
import type { MessageChanged } from "../../../MessageError.js"
import type { Primitives } from "../../crypto/primitives.js"
import { pullOf } from "../../effect/streams.js"
import { type Composition, headOf, isSource, merge } from "../../mime/compose.js"
import type { Source } from "../../mime/content.js"
import { type DotStuffer, dotStuffer } from "../../mime/lines.js"
import { changed, machineOf, type Recheck, recheckOf } from "../../mime/outgoing.js"
import { pushAlone, type Transducer } from "../../mime/transducer.js"
import * as Bytes from "../../text/bytes.js"

/** The size of a buffer, and the most that goes out in one write with the end of the message. */
const bufferSize = 64 * 1024
/** One is filled while the others go out. */
const bufferCount = 4
/** The least of a stream's chunk that is encoded at once, unless less is left of it. */
const sliceSize = 8 * 1024
/** How much of a large piece at hand goes out at once: an interruption waits for no more than that. */
const pieceSize = 256 * 1024

/** How bytes go out. */
export interface Way<E> {
  readonly isStuffed: boolean
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, E>
  /** Waits until at most `bytes` of what was sent wait for the system: earlier bytes may then be written over. */
  readonly drainTo: (bytes: number) => Effect.Effect<void, E>
}

/** What is left to send when all else has gone out. */
export interface Rest {
  readonly bytes: Uint8Array
  /** All bytes of the message, without dot-stuffing. */
  readonly size: number
}

class Sender<E> {
  private readonly way: Way<E>
  private readonly stuffer: DotStuffer | undefined
  private readonly recheck: Recheck | undefined
  private readonly buffers: Array<Uint8Array> = []
  /** For each buffer, how many bytes had been sent when it had. */
  private readonly sentAt: Array<number> = []
  private sent = 0
  private index = 0
  private at = 0
  private scratch: Uint8Array | undefined
  size = 0

  constructor(way: Way<E>, stuffer: DotStuffer | undefined, recheck: Recheck | undefined) {
    this.way = way
    this.stuffer = stuffer
    this.recheck = recheck
  }

  private get buffer(): Uint8Array {
    return this.buffers[this.index] ??= new Uint8Array(bufferSize)
  }

  /** What is in the buffer and was not sent. */
  get rest(): Uint8Array {
    return this.at === 0 ? Bytes.empty : this.buffer.subarray(0, this.at)
  }

  private send(bytes: Uint8Array): Effect.Effect<void, E> {
    this.sent += bytes.length
    return this.way.send(bytes)
  }

  /** Sends the buffer, and takes the next one once that has gone out. */
  private get flush(): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.at === 0) return Effect.void
      const sending = this.send(this.rest)
      this.sentAt[this.index] = this.sent
      this.index = (this.index + 1) % bufferCount
      this.at = 0
      const before = this.sentAt[this.index]
      return before === undefined ? sending : Effect.zipRight(
        sending,
        this.way.drainTo(this.sent - before)
      )
    })
  }

  /** Writes the machine's bytes into the buffer, which has room for them. */
  private write(make: (output: Uint8Array, at: number) => number, isHashed: boolean): void {
    const { buffer, recheck, stuffer } = this
    const output = stuffer === undefined ? buffer : this.scratch ??= new Uint8Array(bufferSize)
    const start = stuffer === undefined ? this.at : 0
    const end = make(output, start)
    this.size += end - start
    if (isHashed && recheck !== undefined) recheck.update(output.subarray(start, end))
    this.at = stuffer === undefined ? end : stuffer.push(output.subarray(start, end), buffer, this.at)
  }

  private fits(bytes: number): boolean {
    return this.at + (this.stuffer === undefined ? bytes : this.stuffer.bound(bytes)) <= bufferSize
  }

  /** A piece at hand. */
  piece(bytes: Uint8Array, isHashed: boolean): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.fits(bytes.length)) {
        this.write((output, at) => {
          output.set(bytes, at)
          return at + bytes.length
        }, isHashed)
        return Effect.void
      }
      this.size += bytes.length
      if (isHashed) this.recheck?.update(bytes)
      const loop = (from: number): Effect.Effect<void, E> => {
        const slice = bytes.subarray(from, from + pieceSize)
        const send = this.send(this.stuffer === undefined ? slice : pushAlone(this.stuffer, slice))
        const next = from + pieceSize
        return next >= bytes.length ? send : Effect.zipRight(send, Effect.suspend(() => loop(next)))
      }
      return Effect.zipRight(this.flush, Effect.suspend(() => loop(0)))
    })
  }

  private feed(
    source: Source,
    machine: Transducer,
    chunk: Uint8Array,
    from: number
  ): Effect.Effect<void, E | MessageChanged> {
    return Effect.suspend((): Effect.Effect<void, E | MessageChanged> => {
      let at = from
      while (at < chunk.length) {
        let length = chunk.length - at
        // As much as fits. Few long pieces leave less garbage than many short ones.
        while (length > sliceSize && !this.fits(machine.bound(length))) length = Math.max(sliceSize, length >> 1)
        if (!this.fits(machine.bound(length))) {
          const rest = at
          return Effect.zipRight(this.flush, Effect.suspend(() => this.feed(source, machine, chunk, rest)))
        }
        const slice = length === chunk.length ? chunk : chunk.subarray(at, at + length)
        this.write((output, position) => machine.push(slice, output, position), true)
        if (machine.fault !== undefined) return Effect.fail(changed(source, machine.fault))
        at += slice.length
      }
      return Effect.void
    })
  }

  /** A stream's bytes, as its part has them. */
  source<E2, R>(source: Source): Effect.Effect<void, E | E2 | MessageChanged, R> {
    const machine = machineOf(source)
    return Effect.scoped(Effect.flatMap(pullOf(source.stream), (pull) => {
      const loop: Effect.Effect<void, unknown, unknown> = Effect.flatMap(pull, (chunks) => {
        if (chunks === undefined) return Effect.void
        const [first] = chunks
        const fed = chunks.length === 1
          ? this.feed(source, machine, first!, 0)
          : Effect.forEach(chunks, (chunk) => this.feed(source, machine, chunk, 0), { discard: true })
        return Effect.zipRight(fed, loop)
      })
      const last = Effect.suspend((): Effect.Effect<void, E | MessageChanged> => {
        if (!this.fits(machine.bound(0))) return Effect.zipRight(this.flush, Effect.suspend(() => last))
        this.write((output, at) => machine.end(output, at), true)
        return machine.fault === undefined ? Effect.void : Effect.fail(changed(source, machine.fault))
      })
      return Effect.zipRight(loop, last)
    })) as Effect.Effect<void, E | E2 | MessageChanged, R>
  }
}

/**
 * Sends a message except its last bytes, which the caller sends together with the end. A message at hand and of
 * ordinary size is all of it those last bytes.
 */
export const send = <E, E2, R>(
  composition: Composition,
  primitives: Primitives,
  way: Way<E>
): Effect.Effect<Rest, E | E2 | MessageChanged, R> =>
  Effect.suspend((): Effect.Effect<Rest, E | E2 | MessageChanged, R> => {
    const stuffer = way.isStuffed && composition.needsStuffing ? dotStuffer() : undefined
    const recheck = recheckOf(composition, primitives)
    if (recheck === undefined) {
      const pieces = merge([headOf(composition), ...composition.body])
      const [only = Bytes.empty] = pieces
      if (pieces.length < 2 && !isSource(only) && only.length <= bufferSize) {
        return Effect.succeed({
          bytes: stuffer === undefined ? only : pushAlone(stuffer, only),
          size: only.length
        })
      }
    }
    const sender = new Sender(way, stuffer, recheck)
    const head = merge([headOf(composition)])
    const pieces = merge(composition.body)
    return Effect.forEach(head, (piece) => sender.piece(piece as Uint8Array, false), { discard: true }).pipe(
      Effect.zipRight(
        Effect.forEach(
          pieces,
          (piece): Effect.Effect<void, E | E2 | MessageChanged, R> =>
            isSource(piece) ? sender.source<E2, R>(piece) : sender.piece(piece, true),
          { discard: true }
        )
      ),
      Effect.flatMap((): Effect.Effect<Rest, MessageChanged> => {
        const problem = recheck?.end()
        return problem === undefined
          ? Effect.succeed({ bytes: sender.rest, size: sender.size })
          : Effect.fail(problem)
      })
    )
  })
