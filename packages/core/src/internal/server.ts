import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import type { Server, ServerStats } from "../Copas.js"
import type { Socket } from "../Socket.js"
import { AcceptError } from "../SocketError.js"
import type { ErrorHandler } from "../Thread.js"
import type { Dispatcher, Spawn } from "./dispatcher.js"
import type { DispatcherThread } from "./dispatcherThread.js"
import type { NetListener } from "./listener.js"
import { isNormalEnd, type Settings, type StreamSocket } from "./streamSocket.js"

/** How a server treats its connections. */
export interface ServerSettings {
  readonly name: string
  readonly settings: Settings
  readonly maxConnections: number
  readonly autoClose: boolean
  readonly onError: ErrorHandler | undefined
}

/**
 * A server of the dispatcher: takes connections as they come, and runs a thread for each.
 */
export class DispatcherServer implements Server {
  private readonly dispatcher: Dispatcher
  private readonly runtime: Runtime.Runtime<any>
  private readonly handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>
  private readonly options: ServerSettings
  readonly listener: NetListener
  private readonly handlerSpawn: Spawn
  private connections = 0
  private active = 0
  private failed = 0

  constructor(
    dispatcher: Dispatcher,
    runtime: Runtime.Runtime<any>,
    listener: NetListener,
    handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>,
    options: ServerSettings
  ) {
    this.dispatcher = dispatcher
    this.runtime = runtime
    this.listener = listener
    this.handler = handler
    this.options = options
    this.handlerSpawn = {
      label: `${options.name}:handler_`,
      onError: options.onError,
      isWatched: false,
      onEnd: (thread, exit) => this.handlerEnded(thread, exit)
    }
  }

  get name(): string {
    return this.options.name
  }

  get stats(): Effect.Effect<ServerStats> {
    return Effect.map(this.listener.stats, (stats) => ({
      ...stats,
      connections: this.connections,
      active: this.active,
      handlerFailures: this.failed
    }))
  }

  // ---- accepting

  start(): void {
    this.dispatcher.servers.add(this)
    this.dispatcher.traced("serverAdded", this.name)
    this.listener.server = this.acceptAll
    this.acceptAll()
  }

  /** Takes all that waits, in one go: one a turn would keep late comers waiting for seconds under load. */
  private readonly acceptAll = (): void => {
    while (!this.listener.isClosing && this.active < this.options.maxConnections) {
      const taken = this.listener.take(this.options.settings, this.connections + 1)
      if (taken === undefined) return
      if (taken instanceof AcceptError) {
        this.dispatcher.errand(this.runtime, Effect.logWarning(`${this.name}: ${taken.message}`, taken))
      } else {
        this.serve(taken)
      }
    }
    if (this.listener.isClosing) this.stop()
  }

  private stop(): void {
    if (!this.dispatcher.servers.delete(this)) return
    this.listener.server = undefined
    this.dispatcher.traced("serverRemoved", this.name)
    this.dispatcher.checkFinished()
  }

  // ---- serving

  private serve(socket: StreamSocket): void {
    this.connections += 1
    this.active += 1
    socket.owner = this
    this.dispatcher.errandBegun()
    this.dispatcher.spawn(
      this.runtime,
      Effect.suspend(() => this.handler(socket)),
      this.handlerSpawn,
      this.connections,
      socket
    )
  }

  private handlerEnded(thread: DispatcherThread, exit: Exit.Exit<unknown, unknown>): void {
    const socket = thread.socket!
    if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause) && !isNormalEnd(exit)) this.failed += 1
    if (this.options.autoClose) {
      socket.end(exit)
    } else if (!socket.isClosed) {
      // It is the caller's now, and no longer something that is left to do here; cancelAll still finds it.
      this.dispatcher.leftOpen.add(socket)
      this.letGo()
    }
  }

  /** A connection of this server is closed, its descriptor released. */
  socketClosed(socket: StreamSocket): void {
    if (!this.dispatcher.leftOpen.delete(socket)) this.letGo()
  }

  private letGo(): void {
    this.active -= 1
    this.dispatcher.errandDone()
    if (this.dispatcher.servers.has(this)) this.acceptAll()
  }

  // ---- the end

  /** Stops accepting; what runs goes on. The listener is closed unless it is to be kept. */
  remove(keepOpen: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stop()
      return keepOpen ? Effect.void : this.listener.shut
    })
  }
}
