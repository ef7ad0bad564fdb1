/** A server on a listener: takes connections, and runs a thread for each. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import type { Server, ServerStats } from "../../Server.js"
import type { Socket } from "../../Socket.js"
import { AcceptError } from "../../SocketError.js"
import type { ServerStatus } from "../../Status.js"
import type { ErrorHandler } from "../../Thread.js"
import * as Attributes from "../attributes.js"
import * as Causes from "../effect/causes.js"
import { type Env, hasTracer } from "../effect/env.js"
import { interruptedExit } from "../effect/fibers.js"
import { withFiber } from "../effect/suspend.js"
import type { NetListener } from "../net/listener.js"
import { isNormalEnd } from "../socket/ending.js"
import type { Settings, StreamSocket } from "../socket/streamSocket.js"
import { type DispatcherThread, threadOf } from "../thread/thread.js"
import type { Dispatcher, Spawn } from "./dispatcher.js"
import { warnOfNoWait } from "./running.js"

/** How a server treats its connections. */
export interface ServerSettings {
  readonly name: string
  readonly settings: Settings
  readonly maxConnections: number
  readonly autoClose: boolean
  readonly afterFailure: "close" | "reset"
  readonly onError: ErrorHandler | undefined
}

/**
 * A server of the dispatcher: it accepts connections as they arrive, and runs a thread for each.
 */
export class DispatcherServer implements Server {
  private readonly dispatcher: Dispatcher
  private readonly env: Env<any>
  private readonly handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>
  private readonly options: ServerSettings
  private readonly isTraced: boolean
  readonly listener: NetListener
  private readonly handlerSpawn: Spawn
  private connections = 0
  private active = 0
  private failed = 0

  constructor(
    dispatcher: Dispatcher,
    env: Env<any>,
    listener: NetListener,
    handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>,
    options: ServerSettings
  ) {
    this.dispatcher = dispatcher
    this.env = env
    this.listener = listener
    this.handler = handler
    this.isTraced = hasTracer(env)
    this.options = options
    this.handlerSpawn = {
      label: `${options.name}:handler_`,
      server: options.name,
      onError: options.onError,
      isWatched: false,
      onEnd: (thread, exit) => this.handlerEnded(thread, exit)
    }
  }

  get name(): string {
    return this.options.name
  }

  /** What logs show of it, without what it refers to, such as its handler's services. */
  toJSON(): unknown {
    return { _id: "@copas/core/Server", name: this.name, address: this.listener.shownAddress }
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  get stats(): Effect.Effect<ServerStats> {
    return Effect.map(this.listener.stats, (stats) => ({
      ...stats,
      connections: this.connections,
      active: this.active,
      handlerFailures: this.failed
    }))
  }

  get status(): Effect.Effect<ServerStatus> {
    return Effect.map(this.stats, ({ active, connections, failed, handlerFailures, pending, refused }) => ({
      name: this.name,
      kind: "stream",
      address: this.listener.shownAddress,
      accepted: connections,
      active,
      refused,
      acceptFailures: failed,
      handlerFailures,
      pending
    }))
  }

  // ---- accepting

  start(): void {
    this.dispatcher.servers.add(this)
    this.dispatcher.traced("serverAdded", this.name)
    this.listener.server = this
    this.acceptAll()
  }

  /** Accepts all connections that wait: one a turn would keep the last of them waiting for seconds under load. */
  acceptAll(): void {
    while (!this.listener.isClosing && this.active < this.options.maxConnections) {
      const taken = this.listener.take(this.options.settings, this.connections + 1)
      if (taken === undefined) return
      if (taken instanceof AcceptError) {
        this.dispatcher.totals.acceptFailures += taken.count
        this.dispatcher.runPending(
          this.env,
          // Peers that cannot agree on TLS come every day; `handshakeFailures` counts them.
          taken.reason === "Handshake"
            ? Effect.logDebug(`${this.name}: ${taken.message}`)
            : Effect.logWarning(`${this.name}: ${taken.message}`, taken)
        )
      } else {
        this.serve(taken)
      }
    }
    if (this.listener.isClosing) this.stop()
  }

  get endedUnused(): Effect.Effect<void> {
    return warnOfNoWait(this.dispatcher, this.name)
  }

  private stop(): void {
    if (!this.dispatcher.servers.delete(this)) return
    // It may have been added again meanwhile.
    if (this.listener.server === this) this.listener.server = undefined
    this.dispatcher.traced("serverRemoved", this.name)
    this.dispatcher.remaining.check()
  }

  // ---- serving

  private serve(socket: StreamSocket): void {
    this.connections += 1
    this.dispatcher.totals.connections += 1
    this.active += 1
    socket.owner = this
    this.dispatcher.remaining.begin()
    this.dispatcher.burst.came()
    this.dispatcher.connections.add(socket)
    this.dispatcher.spawn(
      this.env,
      this.isTraced ? this.tracedHandler(socket, this.connections) : Effect.suspend(() => this.handler(socket)),
      this.handlerSpawn,
      this.connections,
      socket
    )
  }

  /** A span for the connection. Without a tracer none is made. */
  private tracedHandler(socket: StreamSocket, ordinal: number): Effect.Effect<unknown, unknown, any> {
    return Effect.suspend(() =>
      Effect.withSpan(this.handler(socket), "copas.connection", {
        kind: "server",
        root: true,
        attributes: Attributes.connection(
          this.name,
          `${this.handlerSpawn.label}${ordinal}`,
          socket.localAddress,
          socket.remoteAddress
        )
      })
    )
  }

  private handlerEnded(thread: DispatcherThread, exit: Exit.Exit<unknown, unknown>): void {
    const socket = thread.socket!
    if (Exit.isFailure(exit) && !Causes.isInterruption(exit.cause) && !isNormalEnd(exit, socket)) {
      this.failed += 1
      this.dispatcher.totals.handlerFailures += 1
    }
    this.dispatcher.connectionEnded(this.name, thread)
    if (this.options.autoClose) {
      socket.end(exit, this.options.afterFailure)
    } else if (!socket.isClosed) {
      // The socket is the caller's now, and no longer left to do here; cancelAll still finds it.
      this.dispatcher.leftOpen.add(socket)
      this.letGo(socket)
    }
  }

  /** A connection of this server has been closed, and its descriptor released. */
  socketClosed(socket: StreamSocket): void {
    if (!this.dispatcher.leftOpen.delete(socket)) this.letGo(socket)
  }

  private letGo(socket: StreamSocket): void {
    this.active -= 1
    this.dispatcher.connections.delete(socket)
    this.dispatcher.remaining.done()
    if (this.dispatcher.servers.has(this)) this.acceptAll()
  }

  // ---- the end

  /** Stops accepting. Handlers continue unless `interrupt` is set; the listener is closed unless it is kept open. */
  remove(keepOpen: boolean, interrupt = false): Effect.Effect<void> {
    const removed = Effect.suspend(() => {
      this.stop()
      // It may have been kept open and added again: then it is another server's.
      return keepOpen || this.listener.server !== undefined ? Effect.void : this.listener.shut
    })
    return interrupt ? Effect.zipRight(removed, this.interruptAll) : removed
  }

  /** Interrupts its handlers, closes their connections, and waits for both; a handler that calls this continues. */
  private get interruptAll(): Effect.Effect<void> {
    return withFiber((fiber) => {
      const mine = threadOf(fiber)
      const isOurs = (socket: StreamSocket | undefined): boolean => socket?.owner === this && socket !== mine?.socket
      const handlers = Array.from(this.dispatcher.threads).filter(({ socket }) => isOurs(socket))
      for (const handler of handlers) handler.cut()
      return Effect.zipRight(
        Effect.forEach(handlers, (handler) => handler.await, { discard: true }),
        Effect.suspend(() => {
          const connections = Array.from(this.dispatcher.connections).filter(isOurs)
          for (const connection of connections) connection.end(interruptedExit)
          return Effect.forEach(connections, (connection) => connection.awaitClosed, { discard: true })
        })
      )
    })
  }
}
