/** A connection of HTTP/2 (RFC 9113): its streams run in fibers of its thread, at the same time. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Http2 from "node:http2"
import type { Duplex } from "node:stream"
import type { AnyFiber } from "../effect/fibers.js"
import * as Serving from "../effect/serving.js"
import type { Borrowed } from "../net/lending.js"
import { Answering } from "./answering.js"
import { BodyFault } from "./body.js"
import { lingerMillis } from "./closing.js"
import { Exchange } from "./exchange.js"
import type { Serving as Server } from "./serving.js"
import { StreamWatch, type WatchedStreams } from "./streamWatch.js"

const { constants } = Http2

/** RFC 9113, section 6.8: no stream has a larger number. */
const everyStream = 2 ** 31 - 1
/** How long the peer may take to answer a PING, before the second GOAWAY goes out without. */
const pingMillis = 1000
const minute = 60_000

/** Node's types know only an error; a number is the code of the GOAWAY. */
const calmDown = constants.NGHTTP2_ENHANCE_YOUR_CALM as unknown as Error

const connections = new WeakMap<object, Multiplexed>()

export class Multiplexed extends Answering<Exchange> implements WatchedStreams {
  readonly version = "2"
  private readonly watch: StreamWatch
  private session: Http2.ServerHttp2Session | undefined = undefined
  /** Those whose handlers have not ended. */
  private readonly exchanges = new Map<Exchange, AnyFiber | undefined>()
  private isDraining = false
  private readonly resets: Array<number> = []
  readonly look: Borrowed["look"]

  constructor(
    server: Server,
    socket: Socket,
    { look, stream }: Borrowed,
    fiber: AnyFiber,
    thread: Option.Option<Thread>
  ) {
    super(server, socket, stream, fiber, thread)
    this.look = look
    this.watch = new StreamWatch(this, server.time, server.settings.timeouts)
  }

  // ---- the thread

  get run(): Effect.Effect<void, never, any> {
    this.begin()
    // Interrupted past the drain. A session whose parser has refused a frame reads and writes no more, and its stream would
    // never come to a graceful end.
    return Effect.onInterrupt(this.turns((exchange) => this.fork(exchange)), () => Effect.sync(() => this.destroy()))
  }

  private begin(): void {
    const { server, stream } = this
    if (!this.open()) return
    // A client that ends its side without GOAWAY has left. Sockets of Node's own servers end by themselves then; ours may be
    // half-open, and would stay until the time `idle`, with their handlers.
    stream.once("end", () => this.destroy())
    // Node waits without bound for the peer to end its side too.
    stream.once("finish", () => this.endSoon())
    server.http2.once("session", (session: Http2.ServerHttp2Session) => {
      this.session = session
      connections.set(session, this)
      // The peer's mistakes end the session; the program is not to blame.
      session.on("error", () => {})
    })
    // Node takes a stream that says it has no ALPN for one of HTTP/1.1, also where the client's first bytes were HTTP/2's.
    if ((stream as Duplex & { readonly alpnProtocol?: unknown }).alpnProtocol === false) {
      Object.defineProperty(stream, "alpnProtocol", { value: "h2" })
    }
    server.http2.emit("connection", stream)
    this.watch.begin()
    // It was accepted before the drain began.
    if (server.isDraining) this.drain()
  }

  private fork(exchange: Exchange): Effect.Effect<void, never, any> {
    return Effect.map(Effect.fork(this.answer(exchange)), (fiber) => {
      if (this.exchanges.has(exchange)) this.exchanges.set(exchange, fiber as AnyFiber)
      // Its client may have left meanwhile.
      if (exchange.isGone && !exchange.isAnswered) Serving.abortByClient(fiber as AnyFiber)
    })
  }

  /** Runs in a fiber of the stream's own, which has inherited the region that cannot be interrupted. */
  private answer(exchange: Exchange): Effect.Effect<void, never, any> {
    return this.answering(
      exchange,
      (services) => this.ground.provide(this.server.handled, services),
      (closing) => {
        this.exchanges.delete(exchange)
        this.watch.handled(exchange)
        this.leave(exchange)
        return closing ?? Effect.void
      }
    )
  }

  /** What the client still sends of a body that no handler reads is of no use: RFC 9113, section 8.1. */
  private leave(exchange: Exchange): void {
    const { stream } = exchange.source as Http2.Http2ServerRequest
    if (stream === undefined || stream.closed || stream.endAfterHeaders || stream.readableEnded) return
    const close = (): void => {
      stream.close(constants.NGHTTP2_NO_ERROR)
      // Node keeps the stream until what came of it was read.
      exchange.source.resume()
      stream.resume()
    }
    if (stream.writableFinished) close()
    else stream.once("finish", close)
  }

  // ---- what comes

  came(source: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse): void {
    const { limits } = this.settings
    const { stream } = source
    stream.on("error", () => {})
    const problem = this.rules.checkStream(source.rawHeaders)
    if (problem !== undefined) {
      // The client may leave the stream open, and keep its window shut.
      const refused = new Exchange(this, source, response, this.requests, this.rules)
      this.watch.begun(refused)
      this.watch.handled(refused)
      stream.once("close", () => this.watch.closed(refused))
      this.server.recorder.refused(problem.status)
      response.writeHead(problem.status, { "content-type": "text/plain; charset=utf-8" })
      response.end(source.method === "HEAD" ? "" : `${problem.reason}\n`)
      this.leave(refused)
      return
    }
    // Handlers of streams that were reset may not have ended yet: they count, or the limit would be none.
    if (this.isOver || this.exchanges.size >= limits.streams * 2) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
      return
    }
    this.requests += 1
    const exchange = new Exchange(this, source, response, this.requests, this.rules)
    this.exchanges.set(exchange, undefined)
    // Where the server resets it, the exchange has gone already.
    stream.once("aborted", () => {
      if (!exchange.isGone) this.reset()
    })
    stream.once("close", () => this.streamClosed(exchange))
    this.watch.begun(exchange)
    this.queue.push(exchange)
    this.wakeUp()
    if (this.requests >= limits.maxRequestsPerConnection) this.drain()
  }

  private streamClosed(exchange: Exchange): void {
    this.watch.closed(exchange)
    if (exchange.isGone) return
    exchange.gone()
    const fiber = this.exchanges.get(exchange)
    if (fiber !== undefined && !exchange.isAnswered) Serving.abortByClient(fiber)
  }

  /** A client that opens streams and resets them at once makes work for nothing (CVE-2023-44487). */
  private reset(): void {
    const now = this.server.time.now()
    const { streamResets } = this.settings.limits
    if (streamResets === Infinity) return
    this.resets.push(now)
    if (this.resets.length <= streamResets) return
    if (now - this.resets.shift()! < minute) this.session?.destroy(calmDown)
  }

  protected override closed(): void {
    super.closed()
    this.watch.end()
    for (const exchange of this.exchanges.keys()) this.streamClosed(exchange)
  }

  /**
   * Ends the session before its stream: Node's wrapper of a stream that is no socket of its own ends its side when the peer
   * does, and an assertion of Node's fails if a session still writes then.
   */
  private destroy(): void {
    this.session?.destroy()
    this.stream.destroy()
  }

  // ---- for exchanges

  /** HTTP/2 says it by GOAWAY. */
  endsAfter(): boolean {
    return false
  }

  cut(exchange: Exchange): Effect.Effect<void> {
    return Effect.sync(() => {
      const { stream } = exchange.source as Http2.Http2ServerRequest
      exchange.gone()
      if (stream !== undefined && !stream.closed) stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    })
  }

  // ---- time

  get isAwaiting(): boolean {
    for (const exchange of this.exchanges.keys()) if (exchange.awaitsBody) return true
    return false
  }

  timedOut(exchange: Exchange, kind: "body" | "request" | "send"): void {
    if (kind !== "send") {
      exchange.failBody(
        new BodyFault(408, kind === "body" ? "the body stood still for too long" : "the request took too long")
      )
      return
    }
    // The client's own window keeps the answer back.
    const { stream } = exchange.source as Http2.Http2ServerRequest
    this.streamClosed(exchange)
    if (stream !== undefined && !stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  }

  /** No stream was open for the time `idle`, or none was opened within `headers`. */
  timedOutIdle(): void {
    if (this.session === undefined || this.session.destroyed) return this.destroy()
    this.session.close()
    // Streams that timed out may be open still, in a session that cannot say so any more.
    this.endSoon()
  }

  private endSoon(): void {
    this.stream.once("close", this.server.time.after(lingerMillis, () => this.destroy()))
  }

  ping(): void {
    if (this.session?.destroyed === false) this.session.ping(() => {})
  }

  lost(): void {
    this.destroy()
  }

  /**
   * Says twice that the connection ends: first that no stream is to be opened any more, and, when what was on its way has
   * come, which was the last (RFC 9113, section 6.8).
   */
  drain(): void {
    const { session } = this
    if (this.isDraining || session === undefined || session.destroyed) return
    this.isDraining = true
    session.goaway(constants.NGHTTP2_NO_ERROR, everyStream)
    let cancel: (() => void) | undefined
    const second = (): void => {
      cancel?.()
      cancel = undefined
      if (!session.destroyed && !session.closed) session.close()
    }
    cancel = this.server.time.after(pingMillis, second)
    session.once("close", () => cancel?.())
    session.ping(second)
  }
}

/** The server of Node's that speaks HTTP/2. It never listens. */
export const makeHttp2 = (
  { headerSize, headers, streams }: { readonly headerSize: number; readonly headers: number; readonly streams: number }
): Http2.Http2Server => {
  const http = Http2.createServer({
    settings: {
      enablePush: false,
      ...(streams === Infinity ? {} : { maxConcurrentStreams: streams }),
      maxHeaderListSize: headerSize
    },
    // The rules count fields, and answer 431; past this, the stream is reset.
    maxHeaderListPairs: Math.min(2 ** 31 - 1, 2 * headers + 16)
  })
  const came = (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse): void => {
    const { session } = request.stream
    if (session !== undefined) connections.get(session)?.came(request, response)
  }
  for (const event of ["request", "checkContinue", "checkExpectation", "connect"]) http.on(event, came)
  http.on("sessionError", () => {})
  return http
}
