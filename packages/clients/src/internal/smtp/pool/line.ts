/**
 * The callers that wait for a connection: served in their order, messages as fast as the rate allows.
 */
import * as Effect from "effect/Effect"
import type { ConnectFailure } from "../../../SmtpSession.js"
import { suspend } from "../../effect/fibers.js"
import type { Rate } from "./rate.js"

/** What a caller waits for. */
export interface Wish {
  /** The rate counts it. */
  readonly isMessage: boolean
  /** It was served before, and has to be served again: it goes to the front. */
  readonly isFirst: boolean
}

/** A caller that waits for a connection, or has one. */
export class Place<H> {
  readonly isMessage: boolean
  /** When the rate counted it. */
  beganAt = 0
  held: H | undefined
  failure: Effect.Effect<never, ConnectFailure> | undefined
  private wake: (() => void) | undefined

  constructor({ isMessage }: Wish) {
    this.isMessage = isMessage
  }

  serve(held: H): void {
    this.held = held
    this.wake?.()
  }

  fail(failure: Effect.Effect<never, ConnectFailure>): void {
    this.failure = failure
    this.wake?.()
  }

  /** Waits until it is served, or fails. */
  get served(): Effect.Effect<H, ConnectFailure> {
    const outcome = Effect.suspend(() => this.failure ?? Effect.succeed(this.held!))
    return Effect.suspend(() =>
      this.held === undefined && this.failure === undefined
        ? Effect.zipRight(
          suspend<void>((resume) => {
            this.wake = () => resume(Effect.void)
            // It may have been served on the way to here.
            if (this.held !== undefined || this.failure !== undefined) this.wake()
          }),
          outcome
        )
        : outcome
    )
  }
}

export class Line<H> {
  private readonly places: Array<Place<H>> = []
  private readonly rate: Rate

  constructor(rate: Rate) {
    this.rate = rate
  }

  get length(): number {
    return this.places.length
  }

  enter(wish: Wish): Place<H> {
    const place = new Place<H>(wish)
    if (wish.isFirst) this.places.unshift(place)
    else this.places.push(place)
    return place
  }

  /** The caller has stopped waiting. */
  leave(place: Place<H>): void {
    const index = this.places.indexOf(place)
    if (index >= 0) this.places.splice(index, 1)
  }

  /** The caller that is served next, if one may be. */
  next(now: number): Place<H> | undefined {
    return this.rate.nextAt(now) <= now ? this.places[0] : this.places.find(({ isMessage }) => !isMessage)
  }

  /** When the rate allows the next waiting message. */
  nextAt(now: number): number {
    const at = this.rate.nextAt(now)
    return at > now && this.places.some(({ isMessage }) => isMessage) ? at : Infinity
  }

  serve(place: Place<H>, held: H, now: number): void {
    this.leave(place)
    if (place.isMessage) {
      place.beganAt = now
      this.rate.begin(now)
    }
    place.serve(held)
  }

  /** Its message was not sent after all: the rate does not count it. */
  takeBack({ beganAt, isMessage }: Place<H>): void {
    if (isMessage) this.rate.takeBack(beganAt)
  }

  failAll(failure: Effect.Effect<never, ConnectFailure>): void {
    for (const place of this.places.splice(0)) place.fail(failure)
  }
}
