/**
 * What a client sends, as lines, as content up to its dot, and as chunks of a known length. Only CR LF ends a line, and
 * what is held is bounded, however the bytes are cut.
 */
import type { Socket } from "@copas/core/Socket"
import type { ReceiveError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import { CR, DOT, LF } from "../../../internal/mime/transducer.js"
import * as Bytes from "../../../internal/text/bytes.js"

/** Gives each piece to `take`, which may suspend the reading. */
export type Take = (piece: Uint8Array) => Effect.Effect<void, unknown>

/** The position after the first CR LF, or -1. */
const lineEnd = (isAfterCR: boolean, chunk: Uint8Array): number => {
  if (isAfterCR && chunk[0] === LF) return 1
  for (let at = chunk.indexOf(CR); at >= 0; at = chunk.indexOf(CR, at + 1)) {
    if (chunk[at + 1] === LF) return at + 2
  }
  return -1
}

export class Reader {
  readonly socket: Socket
  /** What has arrived and was not read. */
  private held: Uint8Array = Bytes.empty

  constructor(socket: Socket) {
    this.socket = socket
  }

  get hasMore(): boolean {
    return this.held.length > 0
  }

  private get next(): Effect.Effect<Uint8Array, ReceiveError> {
    return Effect.suspend(() => {
      const { held } = this
      this.held = Bytes.empty
      return held.length > 0 ? Effect.succeed(held) : this.socket.receive()
    })
  }

  /** A line without its end, one character a byte; `undefined` where it has more than `most` bytes with its end. */
  line(most: number): Effect.Effect<string | undefined, ReceiveError> {
    const from = (before: string, dropped: number): Effect.Effect<string | undefined, ReceiveError> =>
      Effect.flatMap(this.next, (chunk) => {
        const end = lineEnd(before.endsWith("\r"), chunk)
        const text = before + Bytes.toBinary(end < 0 ? chunk : chunk.subarray(0, end))
        const length = dropped + text.length
        if (end >= 0) {
          this.held = chunk.subarray(end)
          return Effect.succeed(length > most ? undefined : text.slice(0, -2))
        }
        // Of a line that is too long only the length counts, and a CR that an LF may follow.
        const kept = length <= most ? text : text.endsWith("\r") ? "\r" : ""
        return from(kept, length - kept.length)
      })
    return from("", 0)
  }

  /** Content up to CR LF, a dot and CR LF, without its stuffed dots and with the CR LF before the dot. */
  content(take: Take): Effect.Effect<void, unknown> {
    const machine = new Content()
    const loop: Effect.Effect<void, unknown> = Effect.flatMap(this.next, (chunk) => {
      const pieces: Array<Uint8Array> = []
      const end = machine.push(chunk, pieces)
      if (end !== undefined) this.held = chunk.subarray(end)
      const taken = Effect.forEach(pieces, take, { discard: true })
      return end === undefined ? Effect.zipRight(taken, loop) : taken
    })
    return loop
  }

  /** The next `length` bytes. */
  chunk(length: number, take: Take): Effect.Effect<void, unknown> {
    return length === 0
      ? Effect.void
      : Effect.flatMap(this.next, (chunk) => {
        const part = chunk.subarray(0, length)
        this.held = chunk.subarray(part.length)
        return Effect.zipRight(take(part), this.chunk(length - part.length, take))
      })
  }

  /** Reads and drops everything, until the client ends. */
  readonly drain: Effect.Effect<never, ReceiveError> = Effect.suspend(() => {
    this.held = Bytes.empty
    return Effect.forever(this.socket.receive())
  })
}

type Place = "text" | "CR" | "start" | "dot" | "dot CR"

/** Finds the end of a message and takes off stuffed dots. A CR or LF alone is text. */
class Content {
  private place: Place = "start"

  /** Adds the content in `chunk` to `pieces`. Where the message ends in it, returns the position after its end. */
  push(chunk: Uint8Array, pieces: Array<Uint8Array>): number | undefined {
    let from = 0
    const flush = (to: number): void => {
      if (to > from) pieces.push(chunk.subarray(from, to))
    }
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      switch (this.place) {
        case "text": {
          const next = chunk.indexOf(CR, at)
          at = next < 0 ? chunk.length : next
          if (next >= 0) this.place = "CR"
          break
        }
        case "CR":
          this.place = byte === LF ? "start" : byte === CR ? "CR" : "text"
          break
        case "start":
          if (byte === DOT) {
            flush(at)
            from = at + 1
          }
          this.place = byte === DOT ? "dot" : byte === CR ? "CR" : "text"
          break
        case "dot":
          // The CR may be the end's: it is held back.
          if (byte === CR) from = at + 1
          this.place = byte === CR ? "dot CR" : "text"
          break
        case "dot CR":
          if (byte === LF) {
            this.place = "start"
            return at + 1
          }
          pieces.push(Uint8Array.of(CR))
          this.place = byte === CR ? "CR" : "text"
      }
    }
    flush(chunk.length)
    return undefined
  }
}
