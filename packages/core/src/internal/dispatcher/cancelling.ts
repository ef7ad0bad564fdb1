/** How all that a dispatcher runs is ended at once: `cancelAll`, an interrupted `run`, the end of the layer. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type AnyFiber, interruptedExit } from "../effect/fibers.js"
import { suspend, withFiber } from "../effect/suspend.js"
import { threadOf } from "../thread/thread.js"
import type { Dispatcher } from "./dispatcher.js"

/**
 * Interrupts every thread, closes every server, every connection, and every socket that was left open, and waits until
 * they have ended, except the thread that asks, and its connection.
 */
export const cancelAll = (dispatcher: Dispatcher): Effect.Effect<void> =>
  withFiber((fiber) => {
    // Two threads that end, and cancel all in their finalizers, would wait for each other.
    if (dispatcher.cancellations > 0 && threadOf(fiber)?.dispatcher === dispatcher) return Effect.void
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        dispatcher.cancellations += 1
        dispatcher.remaining.wakeAtExit()
      }),
      () => endAll(dispatcher, fiber),
      () =>
        Effect.sync(() => {
          dispatcher.cancellations -= 1
        })
    )
  })

const endAll = (dispatcher: Dispatcher, fiber: AnyFiber): Effect.Effect<void> => {
  const mine = threadOf(fiber)
  // Servers first, all at once, so that none accepts meanwhile.
  const servers = Effect.suspend(() =>
    Effect.forEach(Array.from(dispatcher.servers), (server) => server.remove(false), {
      concurrency: "unbounded",
      discard: true
    })
  )
  // A thread that is interrupted may add threads while it ends; those are interrupted before they start.
  const threads: Effect.Effect<void> = Effect.suspend(() => {
    const others = Array.from(dispatcher.threads).filter((thread) => thread !== mine)
    // An error handler runs on behalf of the thread that failed.
    const reports = Array.from(dispatcher.reports).filter(([thread]) => thread !== mine).map(([, report]) => report)
    if (others.length === 0 && dispatcher.servers.size === 0 && reports.length === 0) return Effect.void
    for (const thread of others) thread.cut()
    return Effect.forEach(others, (thread) => thread.await, { discard: true }).pipe(
      Effect.zipRight(cutReports(dispatcher, reports)),
      Effect.zipRight(servers),
      Effect.zipRight(threads)
    )
  })
  const connections = Effect.suspend(() => {
    const others = Array.from(dispatcher.connections).filter((socket) => socket !== mine?.socket)
    for (const socket of others) socket.end(interruptedExit)
    return Effect.forEach(others, (socket) => socket.awaitClosed, { discard: true })
  })
  const leftOpen = Effect.suspend(() =>
    Effect.forEach(Array.from(dispatcher.leftOpen), (socket) => socket.abort, { discard: true })
  )
  return Effect.all([servers, threads, connections, leftOpen], { discard: true })
}

/** A failure while all is cancelled is reported as well: each error handler has the step that begins with it. */
const cutReports = (dispatcher: Dispatcher, reports: ReadonlyArray<AnyFiber>): Effect.Effect<void> => {
  if (reports.length === 0) return Effect.void
  const begun = suspend<void>((resume) => {
    dispatcher.scheduler.scheduleTask(() => resume(Effect.void), 0)
  })
  return Effect.zipRight(begun, Effect.forEach(reports, (report) => Fiber.interrupt(report), { discard: true }))
}
