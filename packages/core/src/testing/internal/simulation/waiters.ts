/** Lists the fibers of a stalled simulation, and what each waits for. */
import * as Effect from "effect/Effect"
import { socketWaits } from "../../../internal/dispatcher/socketWaits.js"
import { type AnyFiber, childrenOf, endsAwaited, numberOf, roots, spanNameOf } from "../../../internal/effect/fibers.js"
import { providedTo } from "../../../internal/effect/reference.js"
import { NetListener } from "../../../internal/net/listener.js"
import { threadOf } from "../../../internal/thread/thread.js"
import { queueWaits } from "../../../internal/thread/waitQueue.js"
import { CurrentHost, CurrentRun, type SimulationRun } from "./currentRun.js"

export interface Waiter {
  readonly host: string | undefined
  readonly thread: string
  readonly waitsFor: string
  readonly span: string | undefined
}

interface Known {
  readonly host: string
  readonly waitsFor: string
}

/** Those that wait for a socket, a datagram or a connection on the networks of the run. */
const networkWaits = (run: SimulationRun): Effect.Effect<Map<AnyFiber, Known>> =>
  Effect.gen(function*() {
    const known = new Map<AnyFiber, Known>()
    for (const { hosts } of run.networks) {
      for (const host of hosts.values()) {
        for (const net of host.nets) {
          for (const { fiber, wait } of socketWaits(yield* net.sockets, yield* net.datagramSockets)) {
            known.set(fiber, { host: host.name, waitsFor: wait.for })
          }
        }
        for (const { listener } of host.bound) {
          if (!(listener instanceof NetListener)) continue
          const waitsFor = `accept on ${listener.shownAddress}`
          for (const fiber of listener.accepting) known.set(fiber, { host: host.name, waitsFor })
        }
      }
    }
    return known
  })

const belongsTo = (run: SimulationRun) => (fiber: AnyFiber): boolean => providedTo(fiber, CurrentRun) === run

const withDescendants = (fiber: AnyFiber, found: Map<number, AnyFiber>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const id = numberOf(fiber)
    if (found.has(id)) return Effect.void
    found.set(id, fiber)
    return Effect.flatMap(
      childrenOf(fiber),
      (children) => Effect.forEach(children, (child) => withDescendants(child, found), { discard: true })
    )
  })

/** The fibers of the run in the order of their beginning: how they are called does not depend on what ran before. */
const fibersOf = (run: SimulationRun): Effect.Effect<ReadonlyArray<AnyFiber>> =>
  Effect.gen(function*() {
    const found = new Map<number, AnyFiber>()
    for (const root of yield* roots) if (belongsTo(run)(root)) yield* withDescendants(root, found)
    return Array.from(found.values()).sort((a, b) => numberOf(a) - numberOf(b))
  })

const threadWait = (fiber: AnyFiber): string | undefined => {
  const thread = threadOf(fiber)
  return thread?.fiber === fiber && thread.isSleeping ? "a wake-up, or the exit" : undefined
}

/**
 * Names all that wait in `run`. A fiber that waits for nothing but its own children is left out: what these wait for says
 * more.
 */
export const waiters = (run: SimulationRun): Effect.Effect<ReadonlyArray<Waiter>> =>
  Effect.gen(function*() {
    const known = yield* networkWaits(run)
    const fibers = yield* fibersOf(run)
    const number = new Map(fibers.map((fiber, index) => [numberOf(fiber), index + 1]))
    const found: Array<Waiter> = []
    for (const fiber of fibers) {
      const blockingOn = yield* endsAwaited(fiber)
      if (blockingOn === undefined) continue
      const children = new Set((yield* childrenOf(fiber)).map((child) => numberOf(child)))
      if (blockingOn.length > 0 && blockingOn.every((id) => children.has(id))) continue
      const numbers = blockingOn.flatMap((id) => number.get(id) ?? [])
      const network = known.get(fiber)
      const thread = threadOf(fiber)
      found.push({
        host: providedTo(fiber, CurrentHost) ?? network?.host,
        thread: thread?.fiber === fiber
          ? thread.name
          : thread === undefined
          ? `fiber ${number.get(numberOf(fiber))}`
          : `fiber ${number.get(numberOf(fiber))} of ${thread.name}`,
        waitsFor: network?.waitsFor ?? queueWaits.labelOf(fiber) ?? threadWait(fiber) ??
          (numbers.length > 0
            ? `fiber ${numbers.join(", ")}, or what it has to complete`
            : "an asynchronous result that nothing in the simulation has promised"),
        span: spanNameOf(fiber)
      })
    }
    return found
  })
