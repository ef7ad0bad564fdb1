/** The body of an answer that the program holds: it is read once, and not after its scope has ended. */
import type { Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as HttpError from "../../HttpError.js"
import { now } from "../effect/fibers.js"
import type { Answer } from "./answer.js"
import { decoded, type Decoders, type Meter, meter, undoneOf } from "./decoding.js"

export class Incoming<E> {
  readonly answer: Answer<E>
  /** When the body had come whole, in milliseconds of the fiber's clock. */
  endAt: number | undefined
  readonly meter: Meter = meter()
  onBegin: (() => void) | undefined
  private gone: HttpError.BodyReleased["reason"] | undefined
  private hasEnded = false
  private readonly decoders: Decoders
  private readonly scope: Scope.Scope | undefined

  /** `scope` has the decoders; without one it is that of the reading. */
  constructor(answer: Answer<E>, decoders: Decoders, scope: Scope.Scope | undefined) {
    this.answer = answer
    this.decoders = decoders
    this.scope = scope
  }

  get isUnread(): boolean {
    return this.gone === undefined
  }

  /** From now on nothing can be read, as after the end of what holds the answer. */
  release(reason: "scope" | "unread"): void {
    this.hasEnded = true
    this.gone = reason
  }

  /** Begins to read. A part that is read is not read again, also if reading is interrupted. */
  get begin(): Effect.Effect<Pull<HttpError.HttpError | E>, HttpError.HttpError, Scope.Scope> {
    return Effect.suspend(() => {
      if (this.gone !== undefined || this.answer.isLeft()) return this.released
      this.gone = "read"
      this.onBegin?.()
      const { answer, scope } = this
      if (undoneOf(answer, this.decoders) === undefined) return Effect.succeed(this.guarded(answer.read))
      const opened = Effect.map(decoded(answer, this.decoders, this.meter), (pull) => this.guarded(pull))
      return scope === undefined ? opened : Scope.extend(opened, scope)
    })
  }

  private guarded(pull: Pull<HttpError.HttpError | E>): Pull<HttpError.HttpError | E> {
    const taken = Effect.flatMap(pull, this.take)
    return Effect.suspend(() => this.hasEnded || this.answer.isLeft() ? this.released : taken)
  }

  private readonly take = (chunk: Uint8Array | undefined): Effect.Effect<Uint8Array | undefined> =>
    chunk !== undefined || this.endAt !== undefined ? Effect.succeed(chunk) : Effect.map(now, (time) => {
      this.endAt = time
      return undefined
    })

  private get released(): Effect.Effect<never, HttpError.BodyReleased> {
    return new HttpError.BodyReleased({ ...this.answer.where(), reason: this.gone ?? "scope" })
  }
}
