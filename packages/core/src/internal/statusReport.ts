import * as Context from "effect/Context"
import * as Option from "effect/Option"
import type { Status } from "../Copas.js"
import type { DatagramSocket } from "../DatagramSocket.js"
import type { Socket } from "../Socket.js"
import type { State } from "../Thread.js"
import { DatagramEndpoint } from "./datagramEndpoint.js"
import type { Deadlines } from "./deadlines.js"
import type { AnyFiber, Dispatcher } from "./dispatcher.js"
import { CurrentThread, type DispatcherThread } from "./dispatcherThread.js"
import { StreamSocket } from "./streamSocket.js"

const threadOf = (fiber: AnyFiber): DispatcherThread | undefined =>
  Context.get(fiber.currentContext as Context.Context<CurrentThread>, CurrentThread)

/**
 * The threads that wait for a socket. Threads keep no state of their own for this: what waits says so, and it is
 * gathered when somebody asks.
 */
const waitingForSockets = (
  sockets: ReadonlyArray<Socket>,
  datagramSockets: ReadonlyArray<DatagramSocket>
): Map<DispatcherThread, State> => {
  const states = new Map<DispatcherThread, State>()
  const note = (fiber: AnyFiber | undefined, state: State): void => {
    if (fiber === undefined || fiber.unsafePoll() !== null) return
    const thread = threadOf(fiber)
    if (thread !== undefined) states.set(thread, state)
  }
  for (const socket of sockets) {
    if (!(socket instanceof StreamSocket)) continue
    for (const fiber of socket.outbound.writers) note(fiber, "writing")
    if (socket.inbound.waiting) note(socket.inbound.reader, "reading")
  }
  for (const socket of datagramSockets) {
    if (socket instanceof DatagramEndpoint) for (const fiber of socket.inbound.readers) note(fiber, "reading")
  }
  return states
}

export const make = (
  dispatcher: Dispatcher,
  sockets: ReadonlyArray<Socket>,
  datagramSockets: ReadonlyArray<DatagramSocket>,
  deadlines: Deadlines
): Status => {
  const { scheduler } = dispatcher
  const { ready } = scheduler
  const waiting = waitingForSockets(sockets, datagramSockets)
  const threads: Record<State, number> = { ready: 0, reading: 0, writing: 0, sleeping: 0, inactive: 0, waiting: 0 }
  for (const thread of dispatcher.threads) {
    const state: State = ready.has(thread.fiber)
      ? "ready"
      : thread.isInactive
      ? "inactive"
      : thread.isSleeping
      ? "sleeping"
      : waiting.get(thread) ?? "waiting"
    threads[state] += 1
  }
  const measured = scheduler.takeStatistics()
  return {
    running: dispatcher.running > 0,
    exiting: dispatcher.isExiting,
    threads,
    servers: dispatcher.servers.size,
    sockets: sockets.length + datagramSockets.length,
    timers: deadlines.size,
    steps: scheduler.steps,
    durations: Option.map(Option.fromNullable(measured), (statistics) => ({
      ...statistics,
      averageMillis: statistics.totalMillis / statistics.steps,
      minEverMillis: scheduler.ever.min,
      maxEverMillis: scheduler.ever.max
    }))
  }
}
