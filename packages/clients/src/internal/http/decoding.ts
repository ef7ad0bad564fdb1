/**
 * Content codings of answers, undone (RFC 9110, section 8.4): strictly, and with a bound on what decoding may make of the
 * bytes that came.
 */
import { type Decoder, HttpTransportFailure, type Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpError from "../../HttpError.js"
import * as Bytes from "../text/bytes.js"
import type { Answer } from "./answer.js"
import { isBodiless } from "./head.js"

export type Decoders = Readonly<Record<string, Decoder>>

/** Up to here nothing is judged by its ratio: small answers compress as they like. */
const mostFree = 1024 * 1024

/** Other names of codings (RFC 9110, section 8.4.1.3). */
const aliases = new Map([["x-gzip", "gzip"]])

/** The codings of the body, in the order in which they were applied. */
const codingsOf = (answer: Answer<unknown>): ReadonlyArray<string> => {
  const values = answer.exchange.values("content-encoding")
  return values.length === 0 ? values : values.join(",").toLowerCase().split(",").map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity").map((name) => aliases.get(name) ?? name)
}

/**
 * The codings that are undone, or undefined where the body is left as it came: there are none, the program wants it so,
 * there is no body, it is a part of coded bytes, or a coding is not known here.
 */
export const undoneOf = (answer: Answer<unknown>, decoders: Decoders): ReadonlyArray<string> | undefined => {
  if (!answer.decode || answer.exchange.status === 206 || isBodiless(answer)) return undefined
  const codings = codingsOf(answer)
  if (codings.length === 0) return undefined
  // Too many are refused, not left on: what asks for them wants to cost much.
  return codings.length > answer.limits.codings || codings.every((name) => Object.hasOwn(decoders, name))
    ? codings
    : undefined
}

/** Coded bytes that a decoder gets at a time. */
const mostAtOnce = 64 * 1024

/** Whether a body is decoded, and how many bytes came of it then. */
export interface Meter {
  isCoded: boolean
  received: number
}

export const meter = (): Meter => ({ isCoded: false, received: 0 })

/** The body without its codings. The scope releases the decoders. */
export const decoded = <E>(
  answer: Answer<E>,
  decoders: Decoders,
  meter: Meter
): Effect.Effect<Pull<HttpError.HttpError | E>, HttpError.HttpError, Scope.Scope> => {
  const codings = undoneOf(answer, decoders)
  return codings === undefined ? Effect.succeed(answer.read) : undo(answer, codings, decoders, meter)
}

const undo = <E>(
  answer: Answer<E>,
  codings: ReadonlyArray<string>,
  decoders: Decoders,
  meter: Meter
): Effect.Effect<Pull<HttpError.HttpError | E>, HttpError.HttpError, Scope.Scope> =>
  Effect.gen(function*() {
    const { codings: mostCodings, ratio } = answer.limits
    if (codings.length > mostCodings) {
      yield* answer.exchange.cancel
      return yield* new HttpError.DecodeFailed({
        ...answer.where(),
        coding: Bytes.show(codings.join(", "), 60),
        detail: `it has ${codings.length} codings, and at most ${mostCodings} are undone (\`limits.codings\`)`
      })
    }
    meter.isCoded = true
    // A chunk is as large as a read of the connection. What counts as received bounds what may come of it.
    let rest: Uint8Array | undefined
    const part = (chunk: Uint8Array | undefined): Uint8Array | undefined => {
      if (chunk === undefined) return undefined
      const first = chunk.subarray(0, mostAtOnce)
      rest = first.length < chunk.length ? chunk.subarray(mostAtOnce) : undefined
      meter.received += first.length
      return first
    }
    const parts = Effect.map(answer.read, part)
    let pull: Pull<HttpError.HttpError | E> = Effect.suspend(() =>
      rest === undefined ? parts : Effect.succeed(part(rest))
    )
    for (const coding of codings.slice().reverse()) {
      const output: Pull<HttpError.HttpError | E | HttpTransportFailure> = yield* decoders[coding]!(pull)
      // Each coding is bounded by what came from the server: the bytes between two of them can be the bomb as well.
      let made = 0
      pull = Effect.matchEffect(output, {
        onFailure: (error) =>
          error instanceof HttpTransportFailure
            ? Effect.zipRight(answer.exchange.cancel, Effect.fail(faultOf(answer, coding, meter.received, error)))
            : Effect.fail(error),
        onSuccess: (chunk) => {
          if (chunk === undefined || (made += chunk.length) <= mostFree || made <= ratio * meter.received) {
            return Effect.succeed(chunk)
          }
          return tooLarge(answer, "ratio", meter.received, made)
        }
      })
    }
    return pull
  })

/** Stops the exchange: what is over a limit is not read on. */
export const tooLarge = (
  answer: Answer<unknown>,
  reason: "bytes" | "ratio",
  received: number,
  decoded: number
): Effect.Effect<never, HttpError.BodyTooLarge> => {
  const limit = reason === "bytes" ? answer.limits.body : answer.limits.ratio
  return Effect.zipRight(
    answer.exchange.cancel,
    new HttpError.BodyTooLarge({ ...answer.where(), reason, limit, received, decoded })
  )
}

const faultOf = (
  answer: Answer<unknown>,
  coding: string,
  received: number,
  failure: HttpTransportFailure
): HttpError.HttpError => {
  const cause = failure.cause === undefined ? {} : { cause: failure.cause }
  if (failure.kind === "Decode") {
    return new HttpError.DecodeFailed({ ...answer.where(), coding, detail: failure.detail, ...cause })
  }
  return failure.kind === "Truncated"
    ? new HttpError.BodyTruncated({ ...answer.where(), received, detail: `its ${coding} is cut`, ...cause })
    : answer.failed(failure)
}
