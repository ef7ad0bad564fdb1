/** A request's body on its way to the script. */
import { RequestError } from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type CgiError, CgiFailed, CgiRefused, CgiSystemFailed } from "../../CgiError.js"
import * as Causes from "../effect/causes.js"
import { pullOf } from "../effect/streams.js"
import type { Child } from "./child.js"

/** What a script's answer can fail with. */
export type Failure = CgiError | RequestError

/** Which of the two the script waits for. */
export interface Progress {
  /** When the script last took a part of the body, in milliseconds. */
  at: number
  isClientsTurn: boolean
}

/** The parts of a body, and `undefined` after the last. */
export type Parts = Effect.Effect<ReadonlyArray<Uint8Array> | undefined, Failure>

/**
 * The parts of a request's body. The stream is left only when the request's scope ends: a server may cut the connection of a
 * client whose body is not read to its end, and the answer is to go out before.
 */
export const partsOf = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Parts, never, Scope.Scope> =>
  Effect.map(pullOf(request.stream), (pull) =>
    Effect.catchAllCause(pull, (cause) => {
      if (Causes.isInterruption(cause)) return Effect.failCause(cause)
      return Effect.fail(
        Causes.failureOf(cause)
          ?? new RequestError({ request, reason: "Transport", cause, description: "the body cannot be read" })
      )
    }))

/** These bytes are all. */
export const once = (bytes: Uint8Array): Parts => {
  const parts = [[bytes]]
  return Effect.sync(() => parts.pop())
}

/** Gives the script its body as it takes it. What fails here fails its answer. */
export const feed = (
  child: Child<Failure>,
  progress: Progress,
  parts: Parts,
  length: number
): Effect.Effect<void> =>
  Effect.gen(function*() {
    let left = length
    while (true) {
      progress.isClientsTurn = left > 0
      const come = yield* parts
      progress.isClientsTurn = false
      progress.at = yield* Clock.currentTimeMillis
      if (come === undefined) break
      for (const bytes of come) {
        if (left === 0) break
        const part = bytes.length > left ? bytes.subarray(0, left) : bytes
        // It need not read all; what its client still sends is the server's.
        if (!(yield* child.write(part))) return
        left -= part.length
        progress.at = yield* Clock.currentTimeMillis
      }
      if (left === 0) child.endInput()
    }
    if (left === 0) return
    child.fail(new CgiRefused({ status: 400, why: `the body ended ${left} bytes before its Content-Length` }))
  }).pipe(
    Effect.catchAll((error) =>
      Effect.sync(() => {
        progress.isClientsTurn = false
        child.fail(error)
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
