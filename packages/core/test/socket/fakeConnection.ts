/** A connection without a network: what a half of a socket says to the whole is noted, and the test plays the transport. */
import * as Effect from "effect/Effect"
import type { Flushable } from "../../src/internal/netState.js"
import type { Connection } from "../../src/internal/socket/connection.js"
import { nextMark } from "../../src/internal/socket/conversationEnd.js"
import { forClock } from "../../src/internal/time/deadlines.js"
import { type Millis, none } from "../../src/internal/time/timeouts.js"
import type { Failure } from "../../src/Transport.js"

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (chunk: Uint8Array): string => new TextDecoder().decode(chunk)

export interface FakeConnection extends Connection {
  /** What was said to the transport, and what was traced. */
  readonly said: Array<string>
  /** Halves that are to be flushed at the end of the turn. */
  readonly dirty: Array<Flushable>
  timeouts: Millis
  failure: Failure | undefined
  isClosing: boolean
}

/** On the clock of the test, with marks at 8 bytes each way. */
export const fakeConnection: Effect.Effect<FakeConnection> = Effect.clockWith((clock) =>
  Effect.sync(() => {
    const said: Array<string> = []
    const dirty: Array<Flushable> = []
    return {
      said,
      dirty,
      id: 1,
      mark: nextMark(),
      name: "fake",
      netState: {
        platform: {
          byteLength: (value) => bytes(value).length,
          decode: (chunk, start, end) => text(chunk.subarray(start, end))
        },
        flushSoon: (outbound) => dirty.push(outbound)
      },
      deadlines: forClock(clock),
      transport: {
        write: (chunks, length) =>
          said.push(
            `write ${length}: ${chunks.map((chunk) => typeof chunk === "string" ? chunk : text(chunk)).join("|")}`
          ),
        end: () => said.push("FIN"),
        pause: () => said.push("pause"),
        resume: () => said.push("resume")
      },
      timeouts: none,
      highWaterMark: 8,
      sendHighWaterMark: 8,
      failure: undefined,
      isClosing: false,
      isReleased: false,
      isLent: false,
      traced: (event, length) => said.push(length === undefined ? event : `${event} ${length}`),
      onProgress: () => said.push("progress"),
      onSendEnd: () => said.push("ended")
    }
  })
)

/** A fiber that has run as far as it can. */
export const begin = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* Effect.yieldNow()
    return fiber
  })
