/** The pipeline: from a target to its answer, over redirects and further tries, within the time that there is. */
import type { Pull } from "@copas/core/HttpTransport"
import { within } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type Body, isReplayable } from "../../Body.js"
import * as HttpError from "../../HttpError.js"
import { canRetry } from "../../HttpError.js"
import type { Expect, Target } from "../../HttpRequest.js"
import type { Failure } from "../../HttpResponse.js"
import { currentFiber, now } from "../effect/fibers.js"
import { delays } from "../effect/schedules.js"
import { inOwnScope } from "../ownScope.js"
import { type Answer, type Pipeline, type Restore, type Where } from "./answer.js"
import { isTagged } from "./body.js"
import { decoded, type Decoders, meter } from "./decoding.js"
import { isPassing } from "./errorText.js"
import { valuesOf } from "./fields.js"
import * as Plans from "./plan.js"
import * as Redirects from "./redirects.js"
import * as Retrying from "./retrying.js"
import { Onward, Run, type Wire } from "./run.js"
import { expecting, type RetryPolicy, type Settings, type Tools } from "./settings.js"
import * as Spans from "./spans.js"
import { show } from "./url.js"

/** What an answer fails with that is to be tried again after a pause: its scope is to end first. */
class Later {
  readonly _tag = "Later"
  readonly pause: number
  constructor(pause: number) {
    this.pause = pause
  }
}

/** Where a request is: it moves on with each hop and each try. */
interface Place {
  where: () => Where
}

/** Counts the tries of a request. */
interface Tries {
  /** The pause before the next one, in milliseconds; undefined if there is none. */
  readonly next: (error: unknown, after: number | undefined) => Effect.Effect<number | undefined>
}

const triesOf = ({ maxRetryAfter, schedule }: RetryPolicy): Tries => {
  const next = delays(schedule)
  // A schedule that has ended might begin again.
  let isOver = false
  return {
    next: (error, after) =>
      isOver ? Effect.succeed(undefined) : Effect.map(next(error), (pause) => {
        isOver = pause === undefined
        // A server that asks for no pause still gets the schedule's.
        return pause === undefined || after === undefined || after === 0 ? pause : Math.min(after, maxRetryAfter)
      })
  }
}

const shownBody = 4096

/** The first bytes of a body, decoded; fewer if it breaks. */
const beginning = (answer: Answer<unknown>, decoders: Decoders): Effect.Effect<Uint8Array> => {
  const bytes = new Uint8Array(shownBody)
  let length = 0
  const read = <E>(pull: Pull<E>): Effect.Effect<void, E> =>
    Effect.flatMap(pull, (chunk) => {
      if (chunk === undefined) return Effect.void
      const part = chunk.subarray(0, shownBody - length)
      bytes.set(part, length)
      length += part.length
      return length === shownBody ? Effect.void : read(pull)
    })
  return Effect.map(
    Effect.ignore(Effect.scoped(Effect.flatMap(decoded(answer, decoders, meter()), read))),
    () => bytes.slice(0, length)
  )
}

const retryAfterOf = (answer: Answer<unknown>): Effect.Effect<number | undefined> =>
  Effect.map(now, (time) => Retrying.retryAfter(answer.exchange.fields, time))

const unexpected = (answer: Answer<unknown>, body: Uint8Array, retryAfter: number | undefined) => {
  const { fields, status, statusText } = answer.exchange
  const [contentType] = valuesOf(fields, "content-type")
  return new HttpError.UnexpectedStatus({
    ...answer.where(),
    status,
    statusText,
    body,
    ...(contentType === undefined ? {} : { contentType }),
    ...(retryAfter === undefined ? {} : { retryAfter })
  })
}

/** Fails if the status is none that the call has a use for, or one that may pass and is to be asked for again. */
const judge = <A, E, E2, R2>(
  answer: Answer<E>,
  expected: (status: number) => boolean,
  redirect: Settings["redirect"],
  decoders: Decoders,
  tries: Tries | undefined,
  use: (answer: Answer<E>) => Effect.Effect<A, E2, R2>
): Effect.Effect<A, HttpError.HttpError | Later | E2, R2> => {
  const { status } = answer.exchange
  if (tries !== undefined && isPassing(answer.where(), status)) {
    const asked = Effect.flatMap(
      retryAfterOf(answer),
      (after) => tries.next(unexpected(answer, new Uint8Array(0), after), after)
    )
    return Effect.flatMap(
      asked,
      (pause) =>
        pause === undefined
          ? judge(answer, expected, redirect, decoders, undefined, use)
          : Effect.fail(new Later(pause))
    )
  }
  if (expected(status)) return use(answer)
  const locations = redirect === false ? undefined : Redirects.locationOf(status, answer.exchange.fields)
  if (locations !== undefined) {
    return Effect.fail(new HttpError.RedirectRefused({ ...answer.where(), reason: "Method", status }))
  }
  return Effect.flatMap(
    beginning(answer, decoders),
    (body) => Effect.flatMap(retryAfterOf(answer), (after) => Effect.fail(unexpected(answer, body, after)))
  )
}

/** The answer outlives the step, and is left with the scope. */
const keepInScope = <E>(answer: Answer<E>): Effect.Effect<Answer<E>, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    let leave = () => {}
    // The finalizer comes first: an interruption between it and `keep` loses nothing.
    return Effect.map(Scope.addFinalizer(scope, Effect.sync(() => leave())), () => {
      leave = answer.keep()
      return answer
    })
  })

/** Gives a hop a scope, for the body that it opens. */
type Scoping = <A, E, R, E2, R2>(
  run: Run<E, R>,
  judged: (answer: Answer<E>) => Effect.Effect<A, E2, R2>
) => Effect.Effect<A, Failure | E | E2 | Onward, R | R2>

const inScopeOfStep: Scoping = (run, judged) => Effect.scoped(run.step(judged)) as never

const inScopeOfAnswer: Scoping = (run, judged) =>
  inOwnScope(Effect.zipRight(
    Effect.addFinalizer(() => Effect.sync(() => run.isLeft = true)),
    run.step(judged)
  )) as never

const scopingOf = ({ body }: Plans.Plan<any, any>): Scoping | undefined => isTagged(body) ? inScopeOfStep : undefined

export const make = (base: Settings, tools: Tools, wire: Wire): Pipeline => {
  const { decoders } = wire.transport

  /**
   * Runs hops and tries until `use` of an answer succeeds or something fails for good, in an uninterruptible region: so each
   * exchange is left, without an effect for it. `scoping` is given where a body is opened: it gives the hop a scope.
   * `place` is told where the request is.
   */
  const untilDone = <A, E, R, E2, R2>(
    restore: Restore,
    plan: Plans.Plan<E, R>,
    expect: Expect,
    place: Place | undefined,
    scoping: Scoping | undefined,
    use: (answer: Answer<E>) => Effect.Effect<A, E2, R2>
  ): Effect.Effect<A, Failure | E | E2, R | R2> => {
    const { body, settings: { expect: own, redirect, retry } } = plan
    const fiber = currentFiber()
    const expected = own ?? expecting(expect)
    const tries = retry === undefined || body !== undefined && !isReplayable(body as Body<unknown, unknown>)
      ? undefined
      : triesOf(retry)
    return Spans.request(fiber, plan, (watch) => {
      const again = (): Effect.Effect<A, Failure | E | E2, R | R2> => {
        const run = new Run(plan, wire, watch, scoping !== undefined, fiber)
        if (place !== undefined) place.where = () => run.where()
        const judged = (answer: Answer<E>) => judge(answer, expected, redirect, decoders, tries, use)
        const step = (): Effect.Effect<A, Failure | E | E2, R | R2> =>
          Effect.matchCauseEffect(restore(scoping === undefined ? run.unscopedStep(judged) : scoping(run, judged)), {
            onFailure: (cause) => {
              run.leave()
              // Nothing is caught of a fiber that is interrupted.
              return Effect.catchAll(restore(Effect.failCause(cause)), caught)
            },
            onSuccess: (value) => {
              run.leave()
              return Effect.succeed(value)
            }
          })
        const caught = (error: Failure | E | E2 | Onward | Later): Effect.Effect<A, Failure | E | E2, R | R2> => {
          if (error instanceof Onward) return step()
          if (error instanceof Later) return paused(error.pause)
          if (tries === undefined || run.isBodysFault || !canRetry(error)) return Effect.fail(error)
          const after = error instanceof HttpError.UnexpectedStatus ? error.retryAfter : undefined
          return Effect.flatMap(
            restore(tries.next(error, after)),
            (pause) => pause === undefined ? Effect.fail(error) : paused(pause)
          )
        }
        return step()
      }
      const paused = (millis: number) => Effect.zipRight(restore(Effect.sleep(millis)), Effect.suspend(again))
      return again()
    })
  }

  const planned = <A, E, R, E2, R2>(
    target: Target<E, R>,
    next: (plan: Plans.Plan<E, R>) => Effect.Effect<A, E2, R2>
  ) => {
    const plan = Plans.make(target, base, tools)
    return Effect.isEffect(plan) ? Effect.flatMap(plan, next) : next(plan)
  }

  const placeOf = <E, R>({ method, settings, url }: Plans.Plan<E, R>): Place => ({
    where: () => ({ method, url: show(url, settings.hidden), hop: 0 })
  })

  // The method is the caller's: it is what would be sent again, whatever a redirect made of it.
  const timedOut =
    <E, R>({ method, settings: { total } }: Plans.Plan<E, R>, place: Place) => (): HttpError.HttpTimeout =>
      new HttpError.HttpTimeout({ ...place.where(), method, phase: "total", after: total, sent: 0, received: 0 })

  return {
    canKeep: base.total === Infinity,
    show: (url) => show(url, base.hidden),
    open: <E, R>(target: Target<E, R>, expect: Expect) =>
      planned(target, (plan) => {
        const { total } = plan.settings
        const sent = (place: Place | undefined) =>
          Effect.uninterruptibleMask((restore) =>
            // Only a body that is opened needs a scope, and a scope of its own for each request costs much of what one does.
            isTagged(plan.body)
              ? untilDone(restore, plan, expect, place, inScopeOfAnswer, (answer) => Effect.succeed(answer))
              : untilDone(restore, plan, expect, place, undefined, keepInScope)
          )
        if (total === Infinity) return sent(undefined)
        return Effect.flatMap(now, (start) => {
          const place = placeOf(plan)
          return Effect.map(within(sent(place), total, timedOut(plan, place)), (answer) =>
            answer.reading({
              read: Effect.flatMap(
                now,
                (time) => within(answer.read, Math.max(0, start + total - time), timedOut(plan, place))
              )
            }))
        })
      }),
    use: (target, expect, use) =>
      planned(target, (plan) => {
        const { total } = plan.settings
        const sent = (place: Place | undefined) =>
          Effect.uninterruptibleMask((restore) => untilDone(restore, plan, expect, place, scopingOf(plan), use))
        if (total === Infinity) return sent(undefined)
        return Effect.suspend(() => {
          const place = placeOf(plan)
          return within(sent(place), total, timedOut(plan, place))
        })
      }),
    useIn: (restore, target, use) =>
      planned(target, (plan) => untilDone(restore, plan, "any", undefined, scopingOf(plan), use))
  }
}
