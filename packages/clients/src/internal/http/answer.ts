/**
 * The seam between the pipeline, which sends a request and follows where it leads, and what reads the body of its answer.
 */
import type { Exchange, HttpTransportFailure, Pull } from "@copas/core/HttpTransport"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HttpError } from "../../HttpError.js"
import type { Expect, Target } from "../../HttpRequest.js"
import type { Failure, Redirect } from "../../HttpResponse.js"

/** What every error of a hop says. */
export interface Where {
  readonly method: string
  /** Without secrets. */
  readonly url: string
  readonly hop: number
  readonly wasCarriedOut?: boolean
}

/** The last answer, whose body has not been read. The scope of its exchange holds it. */
export interface Answer<E> {
  readonly exchange: Omit<Exchange<never>, "read">
  /** The method of the last hop: redirects may have changed it. */
  readonly method: string
  /** The URL of the last hop, without user and password. */
  readonly url: URL
  readonly history: ReadonlyArray<Redirect>
  readonly where: () => Where
  /** The body as it stands on the wire. `timeouts.total` bounds it. */
  readonly read: Pull<HttpError | E>
  /** The error for a failure of the transport, and of a decoder of it. */
  readonly failed: (failure: HttpTransportFailure) => HttpError
  readonly decode: boolean
  readonly limits: { readonly body: number; readonly codings: number; readonly ratio: number }
  /**
   * In `use` of a request that opens no body: the answer outlives `use`, and what this gives is to be called when it is no
   * longer needed.
   */
  readonly keep: () => () => void
  /** Whether what held the answer has ended: its body is gone. */
  readonly isLeft: () => boolean
  /** When the hop began and when its head had come, in milliseconds of the fiber's clock. */
  readonly startedAt: number
  readonly headAt: number
}

export interface Pipeline {
  /** Whether answers may outlive `use`: `timeouts.total` of the client is a bound on all of them that `use` has. */
  readonly canKeep: boolean
  /** A URL without its secrets. */
  readonly show: (url: URL) => string
  /** Sends a request, and gives the answer when its head has come. `expect` is what the call asks for if the caller does not. */
  readonly open: <E, R>(
    target: Target<E, R>,
    expect: Expect
  ) => Effect.Effect<Answer<E>, Failure | E, R | Scope.Scope>
  /** The same for as long as `use` lasts: what is tried again is all of it. */
  readonly use: <A, E, R, E2, R2>(
    target: Target<E, R>,
    expect: Expect,
    use: (answer: Answer<E>) => Effect.Effect<A, E2, R2>
  ) => Effect.Effect<A, Failure | E | E2, R | R2>
}
