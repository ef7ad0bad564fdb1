/** A connection of HTTP/1.1: requests run in its thread, one after the other, and what they wait for has limits. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Http from "node:http"
import type { Duplex } from "node:stream"
import type { HttpConnection } from "../../HttpConnection.js"
import type { AnyFiber } from "../effect/fibers.js"
import * as Serving from "../effect/serving.js"
import type { Borrowed } from "../net/lending.js"
import { Answering } from "./answering.js"
import { BodyFault } from "./body.js"
import { Closing } from "./closing.js"
import { Exchange } from "./exchange.js"
import { refusalText } from "./refusals.js"
import * as Responding from "./responding.js"
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

export class Connection extends Answering<Item> implements Watched {
  private readonly fiber: AnyFiber
  private readonly closing: Closing
  private readonly watch: Watch
  private readonly look: Borrowed["look"]
  private isHeld = false
  private current: Exchange | undefined = undefined
  private last: Exchange | undefined = undefined
  private unsent = 0
  private isBroken = false

  constructor(
    server: Server,
    socket: Socket,
    { look, stream }: Borrowed,
    fiber: AnyFiber,
    thread: Option.Option<Thread>
  ) {
    super(server, socket, stream, fiber, thread)
    this.look = look
    this.fiber = fiber
    this.closing = new Closing(stream, server.time)
    this.watch = new Watch(this, server.time, server.settings.timeouts)
    connections.set(stream, this)
  }

  // ---- the thread

  get run(): Effect.Effect<void, never, any> {
    this.begin()
    return Effect.zipRight(this.turns((item) => this.take(item)), Effect.interruptible(this.end))
  }

  private begin(): void {
    const { server, stream } = this
    if (!this.open()) return
    // Node resumes a stream by itself when what it had to send has gone out.
    stream.on("resume", () => {
      if (this.isHeld) stream.pause()
    })
    this.closing.takeOver(() => this.answered())
    server.http1.emit("connection", stream)
    this.watch.begin(this.socket.tls._tag === "Some")
  }

  private take(item: Item): Effect.Effect<void, never, any> {
    if (item instanceof Detached) return this.resume(item)
    if (this.queue.length === 0) this.release()
    return item instanceof Exchange ? this.answer(item) : this.refuse(item)
  }

  private answer(exchange: Exchange): Effect.Effect<void, never, any> {
    if (Serving.isInterrupted(this.fiber)) {
      this.isOver = true
      return Effect.void
    }
    this.current = exchange
    this.watch.busy()
    return this.answering(
      exchange,
      (services) => {
        this.ground.begin(services)
        return this.server.handled
      },
      (closing) => {
        this.ground.interruptChildren()
        return closing === undefined ? this.done(exchange) : Effect.flatMap(closing, () => this.done(exchange))
      }
    )
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

  protected override closed(): void {
    super.closed()
    this.watch.end()
    this.closing.ended()
    this.last?.gone()
    const { current } = this
    if (current === undefined || current.isGone) return
    current.gone()
    if (!current.isAnswered) Serving.abortByClient(this.fiber)
  }

  // ---- for exchanges

  endsAfter({ number }: Exchange): boolean {
    return this.server.isDraining || (this.isBroken && this.queue.length === 0) ||
      number >= this.settings.limits.maxRequestsPerConnection
  }

  get version(): HttpConnection["version"] {
    return this.current?.source.httpVersionMinor === 0 ? "1.0" : "1.1"
  }

  cut(exchange: Exchange): Effect.Effect<void> {
    exchange.gone()
    return this.socket.abort
  }

  // ---- time

  /** Bytes that came, of requests that are read and of those that are not. */
  get received(): number {
    return this.look().received
  }

  get awaitsBody(): boolean {
    return this.current !== undefined && this.current.awaitsBody
  }

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
