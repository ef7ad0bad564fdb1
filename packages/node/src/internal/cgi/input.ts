/** A request's body on its way to the script. */
import { RequestError } from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type CgiError, CgiFailed, CgiRefused, CgiSystemFailed } from "../../CgiError.js"
import * as Causes from "../effect/causes.js"
import type { Child } from "./child.js"

/** What a script's answer can fail with. */
export type Failure = CgiError | RequestError

/** Which of the two the script waits for. */
export interface Progress {
  /** When the script last took a part of the body, in milliseconds. */
  at: number
  isClientsTurn: boolean
}

/** Gives the script its body as it takes it. What fails here fails its answer. */
export const feed = (
  request: HttpServerRequest.HttpServerRequest,
  child: Child<Failure>,
  progress: Progress,
  body: Stream.Stream<Uint8Array, RequestError>,
  length: number
): Effect.Effect<void> =>
  Effect.gen(function*() {
    let left = length
    let isRead = true
    progress.isClientsTurn = true
    yield* Stream.runForEachWhile(body, (bytes) =>
      Effect.gen(function*() {
        progress.isClientsTurn = false
        progress.at = yield* Clock.currentTimeMillis
        const part = bytes.length > left ? bytes.subarray(0, left) : bytes
        isRead = yield* child.write(part)
        if (isRead) left -= part.length
        progress.at = yield* Clock.currentTimeMillis
        progress.isClientsTurn = left > 0
        return isRead && left > 0
      }))
    progress.isClientsTurn = false
    child.endInput()
    if (isRead && left > 0) {
      child.fail(new CgiRefused({ status: 400, why: `the body ended ${left} bytes before its Content-Length` }))
    }
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.sync(() => {
        progress.isClientsTurn = false
        if (Causes.isInterruption(cause)) return
        child.fail(
          Causes.failureOf(cause)
            ?? new RequestError({ request, reason: "Transport", cause, description: "the body cannot be read" })
        )
      })
    )
  )

/** Logs what the operator has to mend: the client learns only the status. */
export const report = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapError(
    effect,
    (error) =>
      error instanceof CgiFailed || error instanceof CgiSystemFailed ? Effect.logWarning(error.message) : Effect.void
  )
