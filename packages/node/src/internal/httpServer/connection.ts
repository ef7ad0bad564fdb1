/** A connection of HTTP/1.1: requests run in its thread, one after the other, and what they wait for has limits. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import { lazyScope } from "@copas/core/Transport"
import { MaxBodySize } from "@effect/platform/HttpIncomingMessage"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Http from "node:http"
import type { Duplex } from "node:stream"
import type { HttpConnection } from "../../HttpConnection.js"
import { type AnyFiber, suspend } from "../effect/fibers.js"
import * as Serving from "../effect/serving.js"
import type { Borrowed } from "../net/lending.js"
import { BodyFault } from "./body.js"
import { Closing } from "./closing.js"
import { Exchange, type Host } from "./exchange.js"
import { exchangeKey } from "./handled.js"
import { reportTo, shown } from "./info.js"
import { refusalText } from "./refusals.js"
import * as Responding from "./responding.js"
import { RequestRules } from "./rules.js"
import type { Serving as Server } from "./serving.js"
import { Detached, release } from "./upgrading.js"
import { Watch, type Watched } from "./watch.js"
import * as WebSockets from "./webSocket.js"

/** A request that is answered without a handler, and ends the connection. */
export interface Refusal {
  readonly status: number
  readonly reason: string
  /** An answer to HEAD has no body. */
  readonly isHead?: boolean | undefined
}

type Item = Exchange | Refusal | Detached

/** With so many requests behind the one that is answered, no more is read: until then it is seen that a client leaves. */
const enoughQueued = 32

/** While more than these bytes of answers wait to go out, the next request waits. */
const enoughUnsent = 64 * 1024

const connections = new WeakMap<object, Connection>()

/** The connection of a stream that was given to `node:http`. */
export const connectionOf = (stream: object): Connection | undefined => connections.get(stream)

export class Connection implements Host, Watched {
  readonly server: Server
  readonly socket: Socket
  readonly stream: Duplex
  private readonly fiber: AnyFiber
  private readonly thread: Option.Option<Thread>
  private readonly ground: Serving.Ground
  private readonly closing: Closing
  private readonly watch: Watch
  private readonly look: Borrowed["look"]
  /** Requests that came while another one was answered. */
  private readonly queue: Array<Item> = []
  private isHeld = false
  private wake: (() => void) | undefined = undefined
  current: Exchange | undefined = undefined
  private last: Exchange | undefined = undefined
  private unsent = 0
  private requests = 0
  /** No further request is answered. */
  private isOver = false
  private readonly rules: RequestRules
  private isBroken = false

  constructor(
    server: Server,
    socket: Socket,
    { look, stream }: Borrowed,
    fiber: AnyFiber,
    thread: Option.Option<Thread>
  ) {
    this.thread = thread
    this.server = server
    this.socket = socket
    this.stream = stream
    this.look = look
    this.fiber = fiber
    this.ground = new Serving.Ground(fiber)
    this.rules = new RequestRules(
      server.settings.limits,
      socket.tls._tag === "None" && server.settings.readClient === undefined
    )
    this.closing = new Closing(stream, server.time)
    this.watch = new Watch(this, server.time, server.settings.timeouts)
    connections.set(stream, this)
  }

  // ---- the thread

  /** Runs in an uninterruptible region: only handlers, and waits, can be interrupted. */
  get run(): Effect.Effect<void, never, any> {
    this.begin()
    const answering = Effect.whileLoop({
      while: () => !this.isOver,
      body: () => this.turn,
      step: () => {}
    })
    return Effect.zipRight(answering, Effect.interruptible(this.end))
  }

  private begin(): void {
    const { server, stream } = this
    // It may have ended while its thread had not run yet.
    if (stream.destroyed) {
      this.closed()
      return
    }
    server.connections.add(this)
    stream.once("close", () => this.closed())
    // Node resumes a stream by itself when what it had to send has gone out.
    stream.on("resume", () => {
      if (this.isHeld) stream.pause()
    })
    this.closing.takeOver(() => this.answered())
    server.http1.emit("connection", stream)
    this.watch.begin(this.socket.tls._tag === "Some")
  }

  private get turn(): Effect.Effect<void, never, any> {
    const item = this.queue.shift()
    if (item === undefined) return this.sleep
    if (item instanceof Detached) return this.resume(item)
    if (this.queue.length === 0) this.release()
    return item instanceof Exchange ? this.answer(item) : this.refuse(item)
  }

  /** Between the look at the queue and this the fiber may have yielded, so it looks again. */
  private readonly sleep: Effect.Effect<void> = Effect.interruptible(suspend<void>((resume) => {
    if (this.queue.length > 0 || this.isOver) resume(Effect.void)
    else this.wake = () => resume(Effect.void)
  }))

  private wakeUp(): void {
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  private answer(exchange: Exchange): Effect.Effect<void, never, any> {
    if (Serving.isInterrupted(this.fiber)) {
      this.isOver = true
      return Effect.void
    }
    const scope = lazyScope()
    this.current = exchange
    this.watch.busy()
    this.server.recorder.begin(exchange)
    this.ground.begin([
      [HttpServerRequest.key, exchange.request],
      [Scope.Scope.key, scope],
      [MaxBodySize.key, this.server.bodyLimit],
      [exchangeKey, exchange]
    ])
    return Effect.flatMap(this.server.handled, () => {
      this.server.recorder.end(exchange)
      const closing = Serving.isEjected(scope) ? undefined : scope.closing(exchange.exit)
      this.ground.interruptChildren()
      return closing === undefined ? this.done(exchange) : Effect.flatMap(closing, () => this.done(exchange))
    })
  }

  private done(exchange: Exchange): Effect.Effect<void> {
    this.current = undefined
    this.last = exchange
    if (exchange.isGone || exchange.isLast || Serving.isInterrupted(this.fiber)) {
      this.isOver = true
      return Effect.void
    }
    this.watch.idle()
    // The answer was begun before the drain, and did not say that it is the last one.
    if (this.server.isDraining) this.drain()
    // What no handler read is dropped, if it is short.
    if (!exchange.source.complete) exchange.source.resume()
    this.unsent += exchange.size
    if (this.unsent <= enoughUnsent) return Effect.void
    return Effect.map(Responding.sent(exchange), () => {
      this.unsent = 0
    })
  }

  private refuse({ isHead, reason, status }: Refusal): Effect.Effect<void> {
    const said = Effect.sync(() => {
      this.isOver = true
      this.server.recorder.refused(status)
      if (this.stream.writable) this.stream.write(refusalText(status, reason, isHead === true))
      this.closing.begin(true)
    })
    return this.last === undefined ? said : Effect.zipRight(Responding.sent(this.last), said)
  }

  /** Answers a request for an upgrade, once the answers before it have left the stream. */
  private resume(detached: Detached): Effect.Effect<void, never, any> {
    const { last, server, stream } = this
    const resumed = Effect.suspend(() => {
      if (stream.destroyed) return Effect.void
      // Nobody reads the stream now: it is resumed when somebody does.
      this.isHeld = false
      const { head, source } = detached
      if (!WebSockets.isHandshake(source)) {
        if (detached.isCut) {
          return this.refuse(this.check(source) ?? { status: 501, reason: "an upgrade with a body is not served" })
        }
        stream.unshift(detached.ordinary)
        server.http1.emit("connection", stream)
        stream.resume()
        return Effect.void
      }
      const problem = this.check(source)
      if (problem !== undefined) return this.refuse(problem)
      this.requests += 1
      const response = detached.respondOver(stream, () => this.answered())
      const exchange = new Exchange(this, source, response, this.requests, this.rules)
      exchange.isLast = true
      const begin = (): boolean => {
        if (exchange.isGone || response.headersSent) return false
        release(response, stream)
        exchange.isGone = true
        exchange.isUpgraded = true
        return true
      }
      const { settings, time } = server
      const ground = { source, stream, head, settings, time, begin, isDraining: () => server.isDraining }
      exchange.upgrade = (request) => WebSockets.open(ground, request)
      return this.answer(exchange)
    })
    return last === undefined ? resumed : Effect.zipRight(Responding.left(last), resumed)
  }

  /** Waits until the connection is closed; the last answer, if it is on its way, closes it. */
  private get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.last?.isGone === true || this.stream.destroyed) return this.closing.closed
      if (this.last?.isLast !== true || this.last.response.writableFinished) this.closing.begin(this.hasMore)
      return this.closing.closed
    })
  }

  /** The peer sent, or sends, what is not read any more. */
  private get hasMore(): boolean {
    return this.isHeld || this.isBroken || this.queue.length > 0 || this.last?.source.complete === false
  }

  /** Node has sent the last answer, and would destroy the connection. */
  private answered(): void {
    this.isOver = true
    this.wakeUp()
    this.closing.begin(this.hasMore)
  }

  // ---- what comes

  came(source: Http.IncomingMessage, response: Http.ServerResponse): void {
    if (this.isOver) return
    const problem = this.check(source)
    if (problem !== undefined) return this.offer(problem)
    this.requests += 1
    this.offer(new Exchange(this, source, response, this.requests, this.rules))
  }

  private check({ httpVersion, method, rawHeaders, url }: Http.IncomingMessage): Refusal | undefined {
    const problem = this.rules.check(method, url!, httpVersion, rawHeaders)
    return problem && { status: problem.status, reason: problem.reason, isHead: method === "HEAD" }
  }

  /** A request after which Node's parser has let go of the connection. */
  detached(source: Http.IncomingMessage, head: Buffer): void {
    this.offer(source.method === "CONNECT" ? this.check(source)! : new Detached(source, head))
  }

  offer(item: Item): void {
    if (this.isOver) return
    this.queue.push(item)
    if (this.queue.length >= enoughQueued) this.hold()
    this.wakeUp()
  }

  /** Node's parser found what is no HTTP, or the stream failed. */
  failed(error: NodeJS.ErrnoException): void {
    if (this.isBroken || this.isOver) return
    this.isBroken = true
    if (error.code === undefined || !error.code.startsWith("HPE_")) {
      this.stream.destroy()
      return
    }
    this.hold()
    const newest = this.queue.at(-1) ?? this.current
    if (newest instanceof Exchange && !newest.source.complete) {
      newest.failBody(new BodyFault(400, `the body is not framed as HTTP/1.1 has it (${error.code})`))
      return
    }
    const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400
    this.offer({ status, reason: `not HTTP/1.1: ${error.code}` })
  }

  private hold(): void {
    if (this.isHeld) return
    this.isHeld = true
    this.stream.pause()
  }

  private release(): void {
    if (!this.isHeld || this.isBroken) return
    this.isHeld = false
    // Node has paused it itself, while answers wait to go out, and resumes it then. Before, nothing may flow.
    if ((this.stream as Duplex & { readonly _paused?: boolean })._paused !== true) this.stream.resume()
  }

  private closed(): void {
    this.isOver = true
    this.server.connections.delete(this)
    this.server.forget(this.socket)
    this.watch.end()
    this.closing.ended()
    this.wakeUp()
    this.last?.gone()
    const { current } = this
    if (current === undefined || current.isGone) return
    current.gone()
    if (!current.isAnswered) Serving.abortByClient(this.fiber)
  }

  // ---- for exchanges

  get settings() {
    return this.server.settings
  }

  endsAfter({ number }: Exchange): boolean {
    return this.server.isDraining || (this.isBroken && this.queue.length === 0) ||
      number >= this.settings.limits.maxRequestsPerConnection
  }

  shown(requestNumber: number): HttpConnection {
    const minor = this.current?.source.httpVersionMinor ?? 1
    return shown(this.socket, this.thread, minor === 0 ? "1.0" : "1.1", requestNumber, this.server.waitForDrain)
  }

  cut(exchange: Exchange): Effect.Effect<void> {
    exchange.gone()
    return this.socket.abort
  }

  report(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return reportTo(this.thread, this.socket, cause)
  }

  // ---- time

  /** Bytes that came, of requests that are read and of those that are not. */
  get received(): number {
    return this.look().received
  }

  get awaitsBody(): boolean {
    return this.current !== undefined && this.current.awaitsBody
  }

  /** For the time-out `receive` of the listener's own options. */
  get isAwaiting(): boolean {
    return this.awaitsBody
  }

  timedOut(kind: "head" | "idle" | "body" | "request"): void {
    if (kind === "body" || kind === "request") {
      this.current?.failBody(
        new BodyFault(408, kind === "body" ? "the body stood still for too long" : "the request took too long")
      )
    } else if (kind === "head") this.offer({ status: 408, reason: "the request's head took too long" })
    else this.endIdle()
  }

  /** Ends the connection, on which no request is under way. */
  private endIdle(): void {
    this.isOver = true
    this.wakeUp()
  }

  /** Answers from now on are the last ones of their connections; an idle one ends, after what is on its way was seen. */
  drain(): void {
    const { received } = this
    this.server.time.after(0, () => {
      if (this.current === undefined && this.queue.length === 0 && !this.watch.isWithinHead(received)) this.endIdle()
    })
  }
}
