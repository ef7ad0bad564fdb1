/**
 * The seam between the pipeline, which sends a request and follows where it leads, and what reads the body of its answer.
 */
import type { Exchange, HttpTransportFailure, Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
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

/** How else an answer is read. */
interface Changes<E> {
  readonly read: Pull<HttpError | E>
  readonly isLeft?: (() => boolean) | undefined
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
  /** The same answer, read in another way. */
  reading(changes: Changes<E>): Answer<E>
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

/** What an answer asks of its hop. */
interface Hop extends Pick<Answer<unknown>, "method" | "url" | "history" | "where" | "keep"> {
  readonly plan: { readonly settings: Pick<Answer<unknown>, "decode" | "limits"> }
  readonly startedAt: number
  readonly isLeft: boolean
  readonly failed: (failure: never) => unknown
}

type AnyExchange = Exchange<never>

/**
 * The answer of a hop. Most programs ask for little of it, so nothing is made before it is asked for. No property leads to
 * the hop, which has secrets.
 */
export class Received<E> implements Answer<E> {
  readonly exchange: AnyExchange
  readonly headAt: number
  readonly #hop: Hop
  readonly #changes: Changes<E> | undefined
  #read: Pull<HttpError | E> | undefined = undefined

  constructor(hop: Hop, exchange: AnyExchange, headAt: number, changes?: Changes<E>) {
    this.#hop = hop
    this.exchange = exchange
    this.headAt = headAt
    this.#changes = changes
  }

  get method(): string {
    return this.#hop.method
  }

  get url(): URL {
    return this.#hop.url
  }

  get history(): ReadonlyArray<Redirect> {
    return this.#hop.history
  }

  where(): Where {
    return this.#hop.where()
  }

  get read(): Pull<HttpError | E> {
    return this.#read ??= this.#changes?.read ??
      Effect.mapError(this.exchange.read, (failure) => this.failed(failure))
  }

  reading(changes: Changes<E>): Answer<E> {
    return new Received(this.#hop, this.exchange, this.headAt, changes)
  }

  failed(failure: HttpTransportFailure): HttpError {
    return this.#hop.failed(failure as never) as HttpError
  }

  get decode(): boolean {
    return this.#hop.plan.settings.decode
  }

  get limits(): Answer<E>["limits"] {
    return this.#hop.plan.settings.limits
  }

  keep(): () => void {
    return this.#hop.keep()
  }

  isLeft(): boolean {
    return this.#changes?.isLeft?.() ?? this.#hop.isLeft
  }

  get startedAt(): number {
    return this.#hop.startedAt
  }
}

/** Undoes the protection of a region against interruption. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

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
  /** The same in a region of the caller's, so that what `use` gives reaches the caller. Only where `canKeep`. */
  readonly useIn: <A, E, R, E2, R2>(
    restore: Restore,
    target: Target<E, R>,
    use: (answer: Answer<E>) => Effect.Effect<A, E2, R2>
  ) => Effect.Effect<A, Failure | E | E2, R | R2>
}
