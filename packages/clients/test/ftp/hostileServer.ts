/** What the tests of hostile servers share: a network that must be empty afterwards, and a clock that is moved on. */
import type { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { Clock, type Duration, Effect, Fiber, type Scope, TestClock } from "effect"
import { leavesNothing, turn, until } from "./networks.js"
import type { Peer } from "./scripted.js"

/** On a network in memory, of which nothing is left open. */
export const inMemory = <A, E, R>(
  use: Effect.Effect<A, E, R | Net.Net | Scope.Scope>
): Effect.Effect<A, E, Exclude<Exclude<R, Scope.Scope>, Net.Net>> =>
  Effect.provide(leavesNothing(use), NetMemory.layer) as never

/** Goes on with the clock until the fiber is done: gives what became of it, and how long that took. */
export const timed = <A, E>(
  fiber: Fiber.RuntimeFiber<A, E>,
  step: Duration.DurationInput = "1 seconds"
): Effect.Effect<{ readonly value: A; readonly millis: number }, E> =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    yield* until(
      Effect.zipRight(
        Effect.zipRight(turn, TestClock.adjust(step)),
        Effect.map(fiber.status, (status) => status._tag === "Done")
      )
    )
    return { value: yield* Fiber.join(fiber), millis: (yield* Clock.currentTimeMillis) - start }
  })

/** Runs it in a fiber of its own, and moves the clock until it has ended. */
export const inTime = <A, E, R>(
  use: Effect.Effect<A, E, R>,
  step: Duration.DurationInput = "1 seconds"
): Effect.Effect<{ readonly value: A; readonly millis: number }, E, R> =>
  Effect.flatMap(Effect.fork(use), (fiber) => timed(fiber, step))

/** Answers what comes by the verb, until QUIT; a verb that is not named is not known. */
export const answering = (
  peer: Peer,
  answers: { readonly [verb: string]: string },
  heard: Array<string> = []
): Effect.Effect<void, unknown> =>
  Effect.flatMap(peer.socket.receiveLine({ encoding: "latin1" }), (line) => {
    heard.push(line)
    const verb = line.split(" ")[0]!
    if (verb === "QUIT") return Effect.void
    const answer = answers[verb] ?? `500 ${verb} is not known`
    const said = answer === "" ? Effect.void : peer.say(`${answer.replaceAll("\n", "\r\n")}\r\n`)
    return Effect.zipRight(said, answering(peer, answers, heard))
  })

/** What a server that has nothing to abort says. */
export const calm = { ABOR: "226 Nothing to abort", PWD: "257 \"/\"", NOOP: "200 Yes", TYPE: "200 Ok" } as const
