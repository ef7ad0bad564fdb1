/** A server on a datagram socket: one thread, which runs the handler. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { DatagramSocket, Stats } from "../../DatagramSocket.js"
import * as NetAddress from "../../NetAddress.js"
import type { DatagramServer } from "../../Server.js"
import type { ServerStatus } from "../../Status.js"
import type { ErrorHandler } from "../../Thread.js"
import type { DatagramEndpoint } from "../datagram/endpoint.js"
import * as Causes from "../effect/causes.js"
import type { Env } from "../effect/env.js"
import { withFiber } from "../effect/suspend.js"
import { isEndByClosing } from "../socket/ending.js"
import { type DispatcherThread, threadOf } from "../thread/thread.js"
import type { Dispatcher } from "./dispatcher.js"
import { warnOfNoWait } from "./running.js"

export interface DatagramServerSettings {
  readonly name: string
  readonly autoClose: boolean
  readonly onError: ErrorHandler | undefined
}

/**
 * A server of the dispatcher on a datagram socket. It lasts as long as its one thread.
 */
export class DispatcherDatagramServer implements DatagramServer {
  private readonly dispatcher: Dispatcher
  private readonly env: Env<any>
  private readonly handler: (socket: DatagramSocket) => Effect.Effect<unknown, unknown, any>
  private readonly options: DatagramServerSettings
  readonly socket: DatagramEndpoint
  private thread: DispatcherThread | undefined = undefined

  constructor(
    dispatcher: Dispatcher,
    env: Env<any>,
    socket: DatagramEndpoint,
    handler: (socket: DatagramSocket) => Effect.Effect<unknown, unknown, any>,
    options: DatagramServerSettings
  ) {
    this.dispatcher = dispatcher
    this.env = env
    this.socket = socket
    this.handler = handler
    this.options = options
  }

  get name(): string {
    return this.options.name
  }

  get stats(): Effect.Effect<Stats> {
    return this.socket.stats
  }

  get status(): Effect.Effect<ServerStatus> {
    return Effect.sync(() => ({
      name: this.name,
      kind: "datagram",
      address: NetAddress.format(this.socket.localAddress),
      accepted: 0,
      active: 0,
      refused: this.socket.inbound.dropped,
      acceptFailures: 0,
      handlerFailures: this.handlerFailures,
      pending: this.socket.inbound.queued
    }))
  }

  private handlerFailures = 0

  start(): void {
    this.dispatcher.servers.add(this)
    this.dispatcher.traced("serverAdded", this.name)
    this.socket.server = this
    this.thread = this.dispatcher.spawn(this.env, this.run, {
      label: `${this.name}:handler`,
      onError: this.options.onError,
      isWatched: false,
      onEnd: (_, exit) => {
        if (Exit.isFailure(exit) && !Causes.isInterruption(exit.cause)) this.handlerFailures += 1
        this.stop()
      }
    })
    this.thread.datagramSocket = this.socket
  }

  /** Closing the socket tells the handler to end, so the resulting `SocketClosed` is not a failure. */
  private readonly run: Effect.Effect<unknown, unknown, any> = Effect.suspend(() =>
    Effect.onExit(
      Effect.catchAllCause(
        Effect.suspend(() => this.handler(this.socket)),
        (cause) => isEndByClosing(cause, this.socket) ? Effect.void : Effect.failCause(cause)
      ),
      (exit) =>
        this.options.autoClose && !(Causes.wasInterrupted(exit) && this.isRemoved) ? this.socket.shut : Effect.void
    )
  )

  get endedUnused(): Effect.Effect<void> {
    return warnOfNoWait(this.dispatcher, this.name)
  }

  private get isRemoved(): boolean {
    return this.socket.server !== this
  }

  private stop(): void {
    if (this.socket.server === this) this.socket.server = undefined
    if (!this.dispatcher.servers.delete(this)) return
    this.dispatcher.traced("serverRemoved", this.name)
    this.dispatcher.remaining.check()
  }

  /** Closes the socket; its handler then ends by itself, or is interrupted. A socket that is kept loses its handler. */
  remove(keepOpen: boolean, interrupt = false): Effect.Effect<void> {
    return withFiber((fiber) => {
      if (this.socket.server === this) this.socket.server = undefined
      // It may have been kept open and added again: then it is another server's.
      if (this.socket.server !== undefined) return Effect.void
      const interrupted = this.thread === undefined ? Effect.void : this.thread.interrupt
      if (keepOpen) return interrupted
      const closed = Effect.zipRight(this.socket.shut, Effect.sync(() => this.stop()))
      return interrupt && threadOf(fiber) !== this.thread ? Effect.zipRight(interrupted, closed) : closed
    })
  }
}
