import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import type { Server, ServerStats } from "../Copas.js"
import type { Socket } from "../Socket.js"
import { AcceptError } from "../SocketError.js"
import type { ErrorHandler } from "../Thread.js"
import type { Dispatcher, Spawn } from "./dispatcher.js"
import type { DispatcherThread } from "./dispatcherThread.js"
import type { NetListener } from "./listener.js"
import type { Settings, StreamSocket } from "./streamSocket.js"

/** How a server treats its connections. */
export interface ServerSettings {
  readonly name: string
  readonly settings: Settings
  readonly maxConnections: number
  readonly autoClose: boolean
  readonly onError: ErrorHandler | undefined
}

/**
 * A server of the dispatcher: an accept thread, and a thread for each connection.
 */
export class DispatcherServer implements Server {
  private readonly dispatcher: Dispatcher
  private readonly runtime: Runtime.Runtime<any>
  private readonly handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>
  private readonly options: ServerSettings
  readonly listener: NetListener
  private acceptThread: DispatcherThread | undefined = undefined
  private readonly handlerSpawn: Omit<Spawn, "socket" | "ordinal">
  private connections = 0
  private active = 0
  private failed = 0
  private onRoom: (() => void) | undefined = undefined

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
    this.acceptThread = this.dispatcher.spawn(this.runtime, this.acceptLoop, {
      label: `${this.name}:server`,
      ordinal: 0,
      socket: undefined,
      onError: undefined,
      isWatched: false,
      onEnd: () => this.acceptEnded()
    })
  }

  // As many as wait are taken in one go: one a turn would keep late comers waiting for seconds under load.
  private readonly acceptLoop: Effect.Effect<void> = Effect.suspend((): Effect.Effect<void> => {
    while (!this.listener.isClosing && this.active < this.options.maxConnections) {
      const taken = this.listener.take(this.options.settings, this.connections + 1)
      if (taken === undefined) break
      if (taken instanceof AcceptError) {
        return Effect.zipRight(Effect.logWarning(`${this.name}: ${taken.message}`, taken), this.acceptLoop)
      }
      this.serve(taken)
    }
    if (this.listener.isClosing) return Effect.void
    return Effect.zipRight(this.active < this.options.maxConnections ? this.listener.ready : this.room, this.acceptLoop)
  })

  /** Waits until fewer than `maxConnections` are open. */
  private readonly room: Effect.Effect<void> = Effect.async<void>((resume) => {
    if (this.active < this.options.maxConnections) {
      resume(Effect.void)
      return
    }
    this.onRoom = () => resume(Effect.void)
    return Effect.sync(() => {
      this.onRoom = undefined
    })
  })

  // ---- serving

  private serve(socket: StreamSocket): void {
    this.connections += 1
    this.active += 1
    socket.owner = this
    this.dispatcher.errandBegun()
    this.dispatcher.spawn(this.runtime, Effect.suspend(() => this.handler(socket)), {
      ...this.handlerSpawn,
      ordinal: this.connections,
      socket
    })
  }

  private handlerEnded(thread: DispatcherThread, exit: Exit.Exit<unknown, unknown>): void {
    const socket = thread.socket!
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
    this.onRoom?.()
    this.onRoom = undefined
    this.dispatcher.errandDone()
  }

  // ---- the end

  private acceptEnded(): void {
    this.dispatcher.servers.delete(this)
    this.dispatcher.checkFinished()
  }

  /** Stops accepting; what runs goes on. The listener is closed unless it is to be kept. */
  remove(keepOpen: boolean): Effect.Effect<void> {
    return Effect.zipRight(
      Effect.suspend(() => this.acceptThread === undefined ? Effect.void : this.acceptThread.interrupt),
      Effect.suspend(() => keepOpen ? Effect.void : this.listener.shut)
    )
  }
}
