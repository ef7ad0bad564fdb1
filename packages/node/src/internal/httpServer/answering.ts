/** What connections of HTTP/1.1 and HTTP/2 share: their thread waits for requests, and each runs the app in a scope of its own. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import { lazyScope } from "@copas/core/Transport"
import { MaxBodySize } from "@effect/platform/HttpIncomingMessage"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"
import type { HttpConnection } from "../../HttpConnection.js"
import { type AnyFiber, suspend } from "../effect/fibers.js"
import * as Serving from "../effect/serving.js"
import type { Exchange, Host } from "./exchange.js"
import { exchangeKey } from "./handled.js"
import { RequestRules } from "./rules.js"
import type { Serving as Server } from "./serving.js"

export abstract class Answering<Item> implements Host {
  readonly server: Server
  readonly socket: Socket
  readonly stream: Duplex
  protected readonly ground: Serving.Ground
  protected readonly rules: RequestRules
  /** What has come, and waits for its turn. */
  protected readonly queue: Array<Item> = []
  /** No further request is answered. */
  protected isOver = false
  protected requests = 0
  private readonly thread: Option.Option<Thread>
  private wake: (() => void) | undefined = undefined

  constructor(server: Server, socket: Socket, stream: Duplex, fiber: AnyFiber, thread: Option.Option<Thread>) {
    this.server = server
    this.socket = socket
    this.stream = stream
    this.thread = thread
    this.ground = new Serving.Ground(fiber)
    this.rules = new RequestRules(
      server.settings.limits,
      socket.tls._tag === "None" && server.settings.readClient === undefined
    )
  }

  // ---- the thread

  /** Runs in an uninterruptible region: only handlers, and waits, can be interrupted. */
  abstract readonly run: Effect.Effect<void, never, any>

  /** Some handler awaits bytes: for the time-out `receive` of the listener's own options. */
  abstract readonly isAwaiting: boolean

  abstract drain(): void

  /** Does what `take` makes of each item, one after the other, until the connection is over. */
  protected turns(take: (item: Item) => Effect.Effect<void, never, any>): Effect.Effect<void, never, any> {
    return Effect.whileLoop({
      while: () => !this.isOver,
      body: () => {
        const item = this.queue.shift()
        return item === undefined ? this.sleep : take(item)
      },
      step: () => {}
    })
  }

  /** Between the look at the queue and this the fiber may have yielded, so it looks again. */
  private readonly sleep: Effect.Effect<void> = Effect.interruptible(suspend<void>((resume) => {
    if (this.queue.length > 0 || this.isOver) resume(Effect.void)
    else this.wake = () => resume(Effect.void)
  }))

  protected wakeUp(): void {
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  /** False if the stream has ended while the thread had not run yet. */
  protected open(): boolean {
    const { server, stream } = this
    if (stream.destroyed) {
      this.closed()
      return false
    }
    server.connections.add(this)
    stream.once("close", () => this.closed())
    return true
  }

  protected closed(): void {
    this.isOver = true
    this.server.connections.delete(this)
    this.server.forget(this.socket)
    this.wakeUp()
  }

  /**
   * Answers an exchange by what `provided` makes of these services. `ended` is called when the handler has ended, with what
   * closes the scope of the request, if anything does.
   */
  protected answering(
    exchange: Exchange,
    provided: (services: Serving.Services) => Effect.Effect<void, never, any>,
    ended: (closing: Effect.Effect<void> | undefined) => Effect.Effect<void>
  ): Effect.Effect<void, never, any> {
    const { recorder } = this.server
    const scope = lazyScope()
    recorder.begin(exchange)
    const handled = provided([
      [HttpServerRequest.key, exchange.request],
      [Scope.Scope.key, scope],
      [MaxBodySize.key, this.server.bodyLimit],
      [exchangeKey, exchange]
    ])
    return Effect.flatMap(handled, () => {
      recorder.end(exchange)
      return ended(Serving.isEjected(scope) ? undefined : scope.closing(exchange.exit))
    })
  }

  // ---- for exchanges

  get settings() {
    return this.server.settings
  }

  abstract endsAfter(exchange: Exchange): boolean

  abstract readonly version: HttpConnection["version"]

  shown(requestNumber: number): HttpConnection {
    const { server, socket, thread, version } = this
    return {
      id: socket.id,
      socketName: socket.name,
      thread,
      localAddress: socket.localAddress,
      remoteAddress: socket.remoteAddress,
      tls: socket.tls,
      version,
      requestNumber,
      waitForDrain: server.waitForDrain
    }
  }

  abstract cut(exchange: Exchange): Effect.Effect<void>

  /** Gives a failure to the error handler of the thread. */
  report(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Option.match(this.thread, {
      onNone: () => Effect.logError("a handler failed", cause),
      onSome: (thread) =>
        Effect.catchAllCause(
          Effect.flatMap(
            thread.errorHandler,
            (handler) => handler(cause, { thread, socket: Option.some(this.socket) })
          ),
          // The connection has to end the request all the same.
          (failure) => Effect.logError(`the error handler of ${thread.name} failed`, failure)
        )
    })
  }
}
