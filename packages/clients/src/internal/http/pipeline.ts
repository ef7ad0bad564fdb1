/** The pipeline: from a target to its answer, over redirects and further tries, within the time that there is. */
import type { Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type Body, isReplayable } from "../../Body.js"
import * as HttpError from "../../HttpError.js"
import { canRetry } from "../../HttpError.js"
import type { Expect, Target } from "../../HttpRequest.js"
import { now } from "../effect/fibers.js"
import { delays } from "../effect/schedules.js"
import { inOwnScope } from "../ownScope.js"
import { within } from "../within.js"
import type { Answer, Pipeline, Where } from "./answer.js"
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
  // A schedule that has ended might begin anew.
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
const judge = <E>(
  answer: Answer<E>,
  expected: (status: number) => boolean,
  redirect: Settings["redirect"],
  decoders: Decoders,
  tries: Tries | undefined
): Effect.Effect<Answer<E>, HttpError.HttpError | Later> => {
  const { fields, status } = answer.exchange
  if (tries !== undefined && isPassing(answer.where(), status)) {
    const asked = Effect.flatMap(
      retryAfterOf(answer),
      (after) => tries.next(unexpected(answer, new Uint8Array(0), after), after)
    )
    return Effect.flatMap(
      asked,
      (pause) =>
        pause === undefined ? judge(answer, expected, redirect, decoders, undefined) : Effect.fail(new Later(pause))
    )
  }
  if (expected(status)) return Effect.succeed(answer)
  const locations = redirect === false ? undefined : Redirects.locationOf(status, fields)
  if (locations !== undefined) {
    return Effect.fail(new HttpError.RedirectRefused({ ...answer.where(), reason: "Method", status }))
  }
  return Effect.flatMap(
    beginning(answer, decoders),
    (body) => Effect.flatMap(retryAfterOf(answer), (after) => Effect.fail(unexpected(answer, body, after)))
  )
}

/** Leaves the exchange of the step when the hop has ended. */
const leaving = <A, E, R>(
  run: { readonly leave: () => void },
  hop: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.matchCauseEffect(restore(hop), {
      onFailure: (cause) => {
        run.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (value) => {
        run.leave()
        return Effect.succeed(value)
      }
    })
  )

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

export const make = (base: Settings, tools: Tools, wire: Wire): Pipeline => {
  const { decoders } = wire.transport
  /** Runs hops and tries until `hop` succeeds or fails for good. `hop` has its own scope. `place` says where it is. */
  const untilDone = <A, E, R, E2, R2>(
    plan: Plans.Plan<E, R>,
    place: Place,
    watch: Spans.Watch | undefined,
    isScoped: boolean,
    hop: (run: Run<E, R>, tries: Tries | undefined) => Effect.Effect<A, E2 | Onward | Later, R2>
  ): Effect.Effect<A, E2, R2> => {
    const { body, settings: { retry } } = plan
    const tries = retry === undefined || body !== undefined && !isReplayable(body as Body<unknown, unknown>)
      ? undefined
      : triesOf(retry)
    const again = (): Effect.Effect<A, E2, R2> => {
      const run = new Run(plan, wire, watch, isScoped)
      place.where = run.where
      const step = (): Effect.Effect<A, E2, R2> =>
        Effect.catchAll(hop(run, tries), (error) => {
          if (error instanceof Onward) return step()
          if (error instanceof Later) return Effect.zipRight(Effect.sleep(error.pause), Effect.suspend(again))
          if (tries === undefined || run.isBodysFault || !canRetry(error)) return Effect.fail(error)
          const after = error instanceof HttpError.UnexpectedStatus ? error.retryAfter : undefined
          return Effect.flatMap(tries.next(error, after), (pause) =>
            pause === undefined ? Effect.fail(error) : Effect.zipRight(Effect.sleep(pause), Effect.suspend(again)))
        })
      return step()
    }
    return again()
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
      Effect.flatMap(Plans.make(target, base, tools), (plan) => {
        const { settings } = plan
        const expected = settings.expect ?? expecting(expect)
        // Only a body that is opened needs a scope, and a scope of its own for each request costs much of what one does.
        const isScoped = isTagged(plan.body)
        const place = placeOf(plan)
        const opened = (watch: Spans.Watch | undefined) =>
          untilDone(plan, place, watch, isScoped, (run, tries) => {
            const judged = (answer: Answer<E>) => judge(answer, expected, settings.redirect, decoders, tries)
            return isScoped
              ? inOwnScope(Effect.zipRight(
                Effect.addFinalizer(() => Effect.sync(() => run.isLeft = true)),
                Effect.flatMap(run.step(), judged)
              ))
              : leaving(run, Effect.flatMap(Effect.flatMap(run.unscopedStep(), judged), keepInScope))
          })
        const traced = Spans.request(plan, opened)
        if (settings.total === Infinity) return traced
        return Effect.flatMap(now, (start) =>
          Effect.map(within(traced, settings.total, timedOut(plan, place)), (answer) => ({
            ...answer,
            read: Effect.flatMap(
              now,
              (time) =>
                within(answer.read, Math.max(0, start + settings.total - time), timedOut(plan, place))
            )
          })))
      }),
    use: <A, EB, RB, E2, R2>(
      target: Target<EB, RB>,
      expect: Expect,
      use: (answer: Answer<EB>) => Effect.Effect<A, E2, R2>
    ) =>
      Effect.flatMap(Plans.make(target, base, tools), (plan) => {
        const { settings } = plan
        const expected = settings.expect ?? expecting(expect)
        const isScoped = isTagged(plan.body)
        const place = placeOf(plan)
        const used = (watch: Spans.Watch | undefined) =>
          untilDone(plan, place, watch, isScoped, (run, tries) => {
            const judged = (answer: Answer<EB>) =>
              Effect.flatMap(judge(answer, expected, settings.redirect, decoders, tries), use)
            return isScoped
              ? Effect.scoped(Effect.flatMap(run.step(), judged))
              : leaving(run, Effect.flatMap(run.unscopedStep(), judged))
          })
        const traced = Spans.request(plan, used)
        return settings.total === Infinity ? traced : within(traced, settings.total, timedOut(plan, place))
      })
  }
}
