/** The bytes of a planned answer, from the open file. */
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Handle } from "./opening.js"
import type { Slice } from "./ranges.js"

/** What is at most read at once, and held for one answer. */
export const pieceSize = 64 * 1024

/** A file could not be read to the length that the head of the answer said: the connection must be cut. */
export class FileCut extends Data.TaggedError("FileCut")<{
  readonly path: string
  /** Where reading ended. */
  readonly at: number
  readonly expected: number
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.cause === undefined
      ? `${this.path} ended at byte ${this.at} while it was sent, and ${this.expected} were announced: write a new file and `
        + "rename it, instead of changing one in place"
      : `${this.path} cannot be read at byte ${this.at} of ${this.expected}: ${(this.cause as Error).message}`
  }
}

/** All parts in one, or nothing if the file has become shorter. */
export const together = async (
  handle: Handle,
  parts: ReadonlyArray<Slice | string>
): Promise<Uint8Array | undefined> => {
  const pieces: Array<Uint8Array> = []
  for (const part of parts) {
    if (typeof part === "string") {
      pieces.push(Buffer.from(part))
      continue
    }
    const bytes = await handle.read(part.start, part.end - part.start)
    if (bytes.length < part.end - part.start) return undefined
    pieces.push(bytes)
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}

/** The parts in order, a piece at a time, read when it is asked for. Fails if the file has become shorter. */
export const streamOf = (
  handle: Handle,
  parts: ReadonlyArray<Slice | string>,
  piece = pieceSize
): Stream.Stream<Uint8Array, FileCut> => {
  const expected = parts.reduce((most, part) => typeof part === "string" ? most : Math.max(most, part.end), 0)
  const cutAt = (at: number, cause?: unknown) =>
    Option.some(new FileCut({ path: handle.realPath, at, expected, ...cause === undefined ? {} : { cause } }))
  return Stream.fromPull(Effect.sync(() => {
    let next = 0
    let done = 0
    return Effect.suspend(() => {
      const part = parts[next]
      if (part === undefined) return Effect.fail(Option.none())
      if (typeof part === "string") {
        next++
        return Effect.succeed(Chunk.of<Uint8Array>(Buffer.from(part)))
      }
      const at = part.start + done
      const length = Math.min(piece, part.end - at)
      return Effect.flatMap(
        Effect.tryPromise({ try: () => handle.read(at, length), catch: (cause) => cutAt(at, cause) }),
        (bytes) => {
          if (bytes.length < length) return Effect.fail(cutAt(at + bytes.length))
          done += length
          if (at + length === part.end) {
            next++
            done = 0
          }
          return Effect.succeed(Chunk.of(bytes))
        }
      )
    })
  }))
}
