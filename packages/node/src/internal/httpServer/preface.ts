/** Which version of HTTP a client speaks that cannot say so by ALPN: RFC 9113, section 3.3. */
import { suspendCancellable, type Timekeeper } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")

/** Reads as much as tells the two versions apart, and gives it back to the stream. */
export const isHttp2 = (stream: Duplex, time: Timekeeper, millis: number): Effect.Effect<boolean> =>
  suspendCancellable((resume) => {
    let seen: Buffer = Buffer.alloc(0)
    const done = (isPreface: boolean): void => {
      cancel?.()
      stream.removeListener("readable", look)
      stream.removeListener("end", ended)
      stream.removeListener("close", closed)
      if (seen.length > 0 && !stream.destroyed) stream.unshift(seen) // Neither flowing nor paused: as one that nobody has read from.
      ;(stream as { readableFlowing: boolean | null }).readableFlowing = null
      resume(Effect.succeed(isPreface))
    }
    const closed = (): void => done(false)
    // Neither of the two: no request is a part of the preface.
    const ended = (): void => void stream.destroy()
    const look = (): void => {
      const chunk = stream.read() as Buffer | null
      if (chunk !== null) seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const length = Math.min(seen.length, preface.length)
      const isLike = seen.subarray(0, length).equals(preface.subarray(0, length))
      if (!isLike || length === preface.length) done(isLike)
    }
    // The fiber may have yielded since it had the stream.
    if (stream.closed) {
      resume(Effect.succeed(false))
      return undefined
    }
    const cancel = millis === Infinity ? undefined : time.after(millis, () => void stream.destroy())
    stream.on("readable", look)
    stream.once("end", ended)
    stream.once("close", closed)
    return Effect.sync(() => done(false))
  })
