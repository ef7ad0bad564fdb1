/**
 * The contract of the dispatcher, as cases for any test runner: they run with `Copas.layer` on the platform's network,
 * each under Effect's `TestClock`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Copas } from "../Copas.js"
import type { Net } from "../Net.js"
import type { Case } from "./Case.js"
import * as Cancelling from "./cases/cancelling.js"
import * as Conversations from "./cases/conversations.js"
import * as Dispatching from "./cases/dispatching.js"
import * as Failing from "./cases/failing.js"
import * as Handling from "./cases/handling.js"
import * as Kicking from "./cases/kicking.js"
import * as Hardships from "./cases/misbehaving.js"
import * as RandomChurn from "./cases/randomChurn.js"
import * as RandomInterruption from "./cases/randomInterruption.js"
import * as Scoping from "./cases/scoping.js"
import * as Serving from "./cases/serving.js"
import * as ThreadFailures from "./cases/threadFailures.js"
import * as Threads from "./cases/threads.js"
import * as Trickling from "./cases/trickling.js"
import * as Unawaited from "./cases/unawaited.js"

/**
 * The sentences that hold for the dispatcher on every network.
 *
 * @since 0.1.0
 * @category cases
 */
export const cases: ReadonlyArray<Case<Copas | Net>> = [
  ...Dispatching.cases,
  ...Threads.cases,
  ...ThreadFailures.cases,
  ...Scoping.cases,
  ...Serving.cases,
  ...Trickling.dispatcherCases,
  ...Handling.cases,
  ...Failing.cases,
  ...Kicking.cases,
  ...Cancelling.cases,
  ...Conversations.cases,
  ...Unawaited.cases,
  ...Hardships.cases
]

/**
 * Runs a random program of servers and clients, and interrupts it at a random point: after a number of yields and turns of
 * the event loop, or in the middle of an event. The same seed gives the same program. It runs on the machine's own clock.
 *
 * When it returns, the program has ended: `leftovers` must be empty, and the platform must hold nothing of it.
 *
 * @since 0.1.0
 * @category interruption
 */
export const interruptAtRandom: (
  seed: number,
  mode: "yields" | "events"
) => Effect.Effect<void, never, Copas | Net> = RandomInterruption.interrupted

/**
 * Runs a random program whose threads, handlers and error handlers end, cancel, remove and add each other, and cancels the
 * rest of it in the end. The same seed gives the same program. It runs on the machine's own clock; afterwards `leftovers`
 * must be empty, and `Copas.finished` true.
 *
 * @since 0.1.0
 * @category interruption
 */
export const churnAtRandom: (seed: number) => Effect.Effect<void, never, Copas | Net> = RandomChurn.churn

/**
 * The names of the threads, servers, sockets and timers that exist.
 *
 * @since 0.1.0
 * @category interruption
 */
export const leftovers: Effect.Effect<ReadonlyArray<string>, never, Copas | Net> = RandomInterruption.left
