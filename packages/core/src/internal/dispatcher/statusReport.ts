/** Gathers the status: threads with their states, servers, sockets, counts. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DatagramSocket } from "../../DatagramSocket.js"
import * as NetAddress from "../../NetAddress.js"
import type { Socket } from "../../Socket.js"
import type { Counters, ServerStatus, SocketStatus, State, Status, ThreadStatus } from "../../Status.js"
import { type AnyFiber, isRunnable } from "../effect/fibers.js"
import { withFiber } from "../effect/suspend.js"
import { type DispatcherThread, threadOf } from "../thread/thread.js"
import type { Dispatcher } from "./dispatcher.js"
import { socketWaits, type Wait } from "./socketWaits.js"

/**
 * The threads that wait for a socket. Threads keep no state of their own for this: it is gathered from the sockets when the
 * status is asked for.
 */
const waitingForSockets = (
  sockets: ReadonlyArray<Socket>,
  datagramSockets: ReadonlyArray<DatagramSocket>
): Map<DispatcherThread, Wait> => {
  const waits = new Map<DispatcherThread, Wait>()
  for (const { fiber, wait } of socketWaits(sockets, datagramSockets)) {
    const thread = threadOf(fiber)
    if (thread !== undefined) waits.set(thread, wait)
  }
  return waits
}

const waitOf = (
  thread: DispatcherThread,
  asking: AnyFiber,
  waits: Map<DispatcherThread, Wait>
): Wait => {
  if (thread.fiber !== undefined && thread.fiber !== asking && isRunnable(thread.fiber)) {
    return { state: "ready", for: "", since: undefined }
  }
  if (thread.isSleeping) {
    return {
      state: thread.isInactive ? "inactive" : "sleeping",
      for: thread.isInactive ? "a wake-up, or the exit" : "a pause",
      since: thread.sleepingSince
    }
  }
  if (thread.waitsIn !== undefined) {
    const { label, since } = thread.waitsIn
    return { state: thread.isInactive ? "inactive" : "waiting", for: label, since }
  }
  return waits.get(thread) ?? { state: "waiting", for: "", since: undefined }
}

const threadStatus = (
  thread: DispatcherThread,
  wait: Wait,
  now: number,
  nameOf: ReadonlyMap<number, string>
): ThreadStatus => ({
  id: thread.id,
  name: thread.name,
  state: wait.state,
  waitingMillis: Option.map(Option.fromNullable(wait.since), (since) => now - since),
  waitsFor: wait.for === "" ? Option.none() : Option.some(wait.for),
  socket: Option.map(Option.fromNullable(thread.socket ?? thread.datagramSocket), (socket) => socket.name),
  parent: Option.flatMap(Option.fromNullable(thread.parentId), (id) => Option.fromNullable(nameOf.get(id))),
  ageMillis: now - thread.addedAt
})

const streamStatus = (socket: Socket): Effect.Effect<SocketStatus> =>
  Effect.map(socket.stats, (stats) => ({
    id: socket.id,
    name: socket.name,
    kind: "stream",
    localAddress: NetAddress.format(socket.localAddress),
    remoteAddress: NetAddress.format(socket.remoteAddress),
    ...stats
  }))

const datagramStatus = (socket: DatagramSocket): Effect.Effect<SocketStatus> =>
  Effect.map(socket.stats, ({ ageMillis, bytesReceived, bytesSent, queuedBytes }) => ({
    id: socket.id,
    name: socket.name,
    kind: "datagram",
    localAddress: NetAddress.format(socket.localAddress),
    remoteAddress: socket.remoteAddress === undefined ? "" : NetAddress.format(socket.remoteAddress),
    bytesReceived,
    bytesSent,
    receiveBuffered: queuedBytes,
    sendBuffered: 0,
    ageMillis
  }))

/** The totals, at a cost that does not depend on the number of threads; `bytes` looks at every open socket once. */
export const counters = (
  dispatcher: Dispatcher,
  bytes: { readonly bytesReceived: number; readonly bytesSent: number }
): Counters => ({
  ...dispatcher.totals,
  ...bytes,
  threads: dispatcher.threadsAdded,
  connectionsActive: dispatcher.connections.size,
  threadsActive: dispatcher.threads.size,
  steps: dispatcher.scheduler.steps
})

export const make = (
  dispatcher: Dispatcher,
  sockets: ReadonlyArray<Socket>,
  datagramSockets: ReadonlyArray<DatagramSocket>,
  bytes: { readonly bytesReceived: number; readonly bytesSent: number }
): Effect.Effect<Status> =>
  Effect.gen(function*() {
    const streams = yield* Effect.forEach(sockets, streamStatus)
    const datagrams = yield* Effect.forEach(datagramSockets, datagramStatus)
    const servers: ReadonlyArray<ServerStatus> = yield* Effect.forEach(dispatcher.servers, (server) => server.status)
    const { scheduler } = dispatcher
    const { deadlines } = dispatcher
    const asking = yield* withFiber(Effect.succeed)
    const now = deadlines.now()
    const waits = waitingForSockets(sockets, datagramSockets)
    const counts: Record<State, number> = { ready: 0, reading: 0, writing: 0, sleeping: 0, inactive: 0, waiting: 0 }
    const nameOf = new Map(Array.from(dispatcher.threads, (thread) => [thread.id, thread.name]))
    const threads: Array<ThreadStatus> = []
    for (const thread of dispatcher.threads) {
      const wait = waitOf(thread, asking, waits)
      counts[wait.state] += 1
      threads.push(threadStatus(thread, wait, now, nameOf))
    }
    return {
      running: dispatcher.remaining.running > 0,
      exiting: dispatcher.remaining.isExiting,
      counts,
      threads,
      servers,
      sockets: [...streams, ...datagrams],
      timers: deadlines.size,
      totals: { ...dispatcher.totals, ...bytes, threads: dispatcher.threadsAdded },
      steps: scheduler.steps,
      durations: Option.map(Option.fromNullable(scheduler.statistics), (statistics) => ({
        ...statistics,
        averageMillis: statistics.totalMillis / statistics.steps
      }))
    }
  })
