/** Looking up the addresses of both families where each is a question of its own. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { DnsError } from "../../DnsError.js"
import type { Family } from "../../NetAddress.js"
import type { HostAddress } from "../../NetPlatform.js"
import * as Causes from "../effect/causes.js"
import { exitOf, onExit } from "../effect/fibers.js"
import { suspend } from "../effect/suspend.js"
import { withinOfClock } from "../within.js"

/** RFC 8305, section 3: the recommended Resolution Delay, in milliseconds. */
export const resolutionDelay = 50

type Found = Exit.Exit<ReadonlyArray<HostAddress>, DnsError>

const hasAddress = (exit: Found | undefined): boolean =>
  exit !== undefined && Exit.isSuccess(exit) && exit.value.length > 0

/** IPv6 first: RFC 6724 prefers it. Without an address, the failure that says more than "no record" is reported. */
const combine = (six: Found | undefined, four: Found | undefined): Found => {
  const exits = [six, four].filter((exit) => exit !== undefined)
  if (exits.some(hasAddress)) {
    return Exit.succeed(exits.flatMap((exit) => Exit.isSuccess(exit) ? exit.value : []))
  }
  const failures = exits.filter(Exit.isFailure)
  const telling = failures.find(({ cause }) => !Causes.isMadeOf(cause, (error) => error.reason === "NoData"))
  return telling ?? failures[0] ?? Exit.succeed([])
}

/**
 * Asks for IPv6 and IPv4 at once. Once one family has an address, the other has `resolutionDelay` left to answer: a
 * server that drops questions of one family must not hold up the addresses of the other.
 */
export const bothFamilies = (
  ask: (family: Family) => Effect.Effect<ReadonlyArray<HostAddress>, DnsError>
): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> =>
  Effect.gen(function*() {
    // Interruptible, as what waits for them: in an uninterruptible region a silent family would be waited for in full.
    const six = yield* Effect.fork(Effect.interruptible(ask("IPv6")))
    const four = yield* Effect.fork(Effect.interruptible(ask("IPv4")))
    const first = suspend<void>((resume) => {
      for (const asked of [six, four]) onExit(asked, () => resume(Effect.void))
    })
    const both = Effect.asVoid(Effect.zipRight(Fiber.await(six), Fiber.await(four)))
    const rest = Effect.suspend(() => {
      const isFound = hasAddress(exitOf(six)) || hasAddress(exitOf(four))
      return isFound ? Effect.ignore(withinOfClock(both, resolutionDelay, () => undefined)) : both
    })
    yield* Effect.ensuring(Effect.zipRight(first, rest), Fiber.interruptAll([six, four]))
    return yield* combine(exitOf(six), exitOf(four))
  })
