/** One request and its answer: a handler of undici's below, and waits of a fiber above. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import { type Timekeeper, timekeeper } from "@copas/core/Transport"
import type * as Undici from "@effect/platform-node/Undici"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as NodeNet from "node:net"
import { type AnyFiber, clockOf, currentFiber, envOf, suspend } from "../effect/fibers.js"
import * as EndOfInput from "../net/endOfInput.js"
import { Answer, scopeEnded } from "./answer.js"
import type { Connection } from "./connection.js"
import * as Failures from "./failures.js"
import * as Fields from "./fields.js"
import type { House, Pool } from "./pool.js"
import type { Pools } from "./pools.js"
import { Upload } from "./upload.js"

type Failed = Effect.Effect<never, unknown>
type Resume = (effect: Effect.Effect<Answer, unknown>) => void

/** A body of more bytes may still be on its way after the request was handed to the connection. */
const atOnce = 64 * 1024

/** How often within a time-out it is looked whether bytes of the request have gone out. */
const looks = 4

/** What Node reads at a time. */
const oneRead = 64 * 1024

const none: HttpTransport.Exchange<unknown>["informational"] = []

/** What a request that was given up before undici began it throws there. undici keeps the connection then. */
const givenUp = new Error("the request was given up")

/** undici is loaded by the first exchange: most programs of `NodeCopas` speak no HTTP. */
const load = (house: House): Effect.Effect<void> =>
  Effect.map(Effect.promise(() => import("@effect/platform-node/Undici")), (module) => {
    house.undici = module.default
  })

export class Exchange implements HttpTransport.Prepared<any, any>, Undici.Dispatcher.DispatchHandler {
  readonly request: HttpTransport.WireRequest<unknown>
  private readonly pools: Pools
  pool: Pool
  // These two are there from `begin` on.
  time!: Timekeeper
  fiber!: AnyFiber
  upload: Upload | undefined = undefined

  phase: HttpTransport.Phase = "connect"
  connection: Connection | undefined = undefined
  isReused = false
  /** Why it failed; nothing is reported after it. */
  failed: Failed | undefined = undefined
  /** The answer has come whole. */
  isWhole = false
  /** The connection is not used again. */
  private isCut = false
  private answer: Answer | undefined = undefined
  private controller: Undici.Dispatcher.DispatchController | undefined = undefined
  /** The request was given to undici, and undici still has it. */
  private isHeld = false
  private isLeft = false
  private resume: Resume | undefined = undefined
  private informational = none
  private sentBefore = 0
  private receivedBefore = 0

  constructor(request: HttpTransport.WireRequest<unknown>, pools: Pools, route: HttpTransport.Route<unknown>) {
    this.request = request
    this.pools = pools
    this.pool = pools.of(route)
  }

  // ---- for the fiber

  /** Waits for the head of the answer. An interruption ends nothing: `leave` does. */
  get head(): Effect.Effect<Answer, unknown> {
    const { house } = this.pools
    return house.undici === undefined ? Effect.flatMap(load(house), () => this.head) : suspend((resume) => {
      this.resume = resume
      this.begin(currentFiber())
      // A scope that had ended before, or while undici was loaded, does not end it again.
      if (this.failed === undefined) this.pool.take(this)
      else this.wake(this.failed)
    })
  }

  private begin(fiber: AnyFiber): void {
    this.fiber = fiber
    // It may have made room for others meanwhile.
    if (this.pool.isEnded) this.pool = this.pools.of(this.pool.route)
    this.time = timekeeper(clockOf(fiber))
    const { body } = this.request
    if (body === undefined || body instanceof Uint8Array) return
    this.upload = new Upload(body.pull, body.length, envOf(fiber), {
      wrongLength: (given) =>
        this.fail(Failures.make(this.where, "BodyLength", `the body gave ${given} bytes`, { expected: body.length })),
      failed: (cause) => this.failCause(cause),
      ended: () => this.uploaded()
    })
  }

  get cancel(): Effect.Effect<void> {
    return Effect.sync(() => this.fail(Failures.make(this.where, "Lost", "the exchange was given up")))
  }

  /** The scope ends: the rest of a short answer may still come, so that the connection lives. */
  leave(): void {
    this.isLeft = true
    this.answer?.release()
    if (!this.isWhole && this.failed === undefined) {
      if (this.answer === undefined || this.upload?.hasEnded === false || !this.answer.drain()) {
        this.fail(Failures.make(this.where, "Lost", scopeEnded))
      }
    }
    if (!this.isHeld) this.drop()
  }

  /**
   * Without these the collector frees an ended exchange while it is young. With them, fields and buffers of most requests
   * grew old, and their collection took a fifth of the CPU time of small requests.
   */
  private drop(): void {
    this.answer = undefined
    this.controller = undefined
  }

  // ---- for the pool

  get isWaiting(): boolean {
    return this.phase === "connect" && this.connection === undefined && this.failed === undefined
  }

  /** It waits for a connection: for so long at most. */
  await(): void {
    const { connect } = this.request.timeouts
    this.arm(connect, () => this.timeOut("connect", connect))
  }

  send(connection: Connection): void {
    this.disarm()
    const { request } = this
    this.connection = connection
    this.isHeld = true
    const body = this.upload ?? (request.body as Uint8Array | undefined) ?? null
    const options: Undici.Dispatcher.DispatchOptions & { readonly servername: string | undefined } = {
      method: request.method as Undici.Dispatcher.HttpMethod,
      path: request.url.pathname + request.url.search,
      headers: Fields.toUndici(request.fields, request.body),
      body: body as Uint8Array,
      // undici sends nothing twice here: a connection that has gone fails it. So HTTP/2 need not hold these back.
      idempotent: true,
      servername: this.pool.serverName
    }
    connection.client.dispatch(options, this)
  }

  /** A cause that came from elsewhere: from connecting, or from the pull of the body. */
  failCause(cause: Cause.Cause<unknown>): void {
    this.stopBy(Effect.failCause(cause))
  }

  // ---- for undici

  onRequestStart(controller: Undici.Dispatcher.DispatchController): void {
    if (this.failed !== undefined) throw givenUp
    this.controller = controller
    const connection = this.connection!
    this.isReused = connection.hasServed
    connection.begun(this)
    const { received, sent } = connection.bytes
    this.sentBefore = sent
    this.receivedBefore = received
    const { body, timeouts } = this.request
    if (this.upload === undefined && (body === undefined || (body as Uint8Array).length <= atOnce)) this.uploaded()
    else {
      this.phase = this.upload === undefined ? "response" : "send"
      this.watch(timeouts.send)
    }
  }

  onResponseStart(
    controller: Undici.Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText: string | undefined
  ): void {
    const { limits } = this.pool.route
    const raw = controller.rawHeaders as ReadonlyArray<Buffer>
    if (raw.length / 2 > limits.fields) {
      this.fail(Failures.make(this.where, "HeadTooLarge", `${raw.length / 2} fields`, { expected: limits.fields }))
      return
    }
    if (status < 200) {
      this.informational = [...this.informational, { status, fields: Fields.ofUndici(raw) }]
      if (status < 100) this.fail(Failures.make(this.where, "Violation", `an answer of status ${status}`))
      else if (this.informational.length > 16) {
        this.fail(Failures.make(this.where, "Violation", "more than 16 informational answers"))
      }
      return
    }
    const { isMultiplexed, stream } = this.connection!
    // undici bounds the fields; what else a head may have in it only grows with it. The rest may be of the body.
    if (!isMultiplexed && stream.bytesRead - this.receivedBefore > limits.head + oneRead) {
      this.fail(
        Failures.make(this.where, "HeadTooLarge", "the head is longer than the limit", { expected: limits.head })
      )
      return
    }
    this.disarm()
    this.phase = "receive"
    if (status >= 400) this.stopSending()
    this.answer = new Answer(this, controller, status, statusText ?? "", raw, this.informational)
    this.wake(Effect.succeed(this.answer))
  }

  /** The server has refused the request: the rest of its body is of no use. */
  private stopSending(): void {
    if (this.upload?.hasEnded === false) this.upload.stop()
    const { body } = this.request
    // Bytes were all handed over at once, so that only the end of the connection stops them.
    this.isCut = body instanceof Uint8Array && body.length > atOnce && !this.connection!.isMultiplexed &&
      this.connection!.bytes.unsent > 0
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.answer?.push(chunk)
  }

  onResponseEnd(controller: Undici.Dispatcher.DispatchController): void {
    const trailers = Fields.ofTrailers(controller.rawTrailers)
    const { limits } = this.pool.route
    const broken = this.answer?.isFramed === false ? this.brokenInstead() : undefined
    if (!broken && trailers.length <= limits.fields) return this.complete(trailers)
    this.fail(
      broken
        ? Failures.of(this.where, broken)
        : Failures.make(this.where, "HeadTooLarge", `${trailers.length} trailers`, { expected: limits.fields })
    )
    if (!this.connection!.isMultiplexed) void this.connection!.destroy()
    this.letGo()
  }

  /** A reset that Node reports as an end, or undici takes for the end of a body that nothing else ends. */
  private brokenInstead(): Error | undefined {
    const { breach, stream } = this.connection!
    if (breach !== undefined || !(stream instanceof NodeNet.Socket) || "encrypted" in stream) return breach
    return EndOfInput.examine(stream, (chunk) => this.answer?.push(Buffer.from(chunk)))
  }

  private complete(trailers: ReadonlyArray<HttpTransport.Field>): void {
    const { answer } = this
    this.isWhole = true
    this.upload?.release()
    if (this.isCut) void this.connection?.destroy()
    this.letGo()
    answer?.end(trailers)
  }

  onResponseError(_controller: unknown, error: Error): void {
    const wasBegun = this.controller !== undefined
    this.letGo()
    if (this.failed !== undefined) return
    if ((this.answer?.status === 304 || this.answer?.status === 204) && Failures.isLengthOnly(error)) {
      this.complete([])
      return
    }
    // A new connection that ends before it is used would be opened again and again.
    if (Failures.isUnused(error) && !wasBegun && this.connection?.hasServed === true) {
      this.connection = undefined
      this.pool.take(this)
      return
    }
    this.fail(Failures.of(this.where, error))
  }

  // ---- ends

  /** Bytes of the answer. The connection counts, which in HTTP/2 has other answers as well: there the body's alone count. */
  private get received(): number {
    const { connection } = this
    if (connection === undefined || this.phase === "connect") return 0
    return connection.isMultiplexed ? this.answer?.came ?? 0 : connection.bytes.received - this.receivedBefore
  }

  get where(): Failures.Where {
    const { answer, connection } = this
    const bytes = connection?.bytes
    return {
      phase: this.phase === "response" && bytes !== undefined && bytes.unsent > 0 ? "send" : this.phase,
      sent: bytes === undefined || this.phase === "connect" ? 0 : bytes.sent - this.sentBefore,
      received: this.received,
      came: answer?.came ?? 0,
      isReused: this.isReused,
      announced: answer?.announced,
      isFramed: answer?.isFramed ?? false,
      stream: connection?.stream,
      isMultiplexed: connection?.isMultiplexed ?? false
    }
  }

  fail(failure: HttpTransport.HttpTransportFailure): void {
    this.stopBy(Effect.fail(failure))
  }

  /** The transport ends. */
  close(): void {
    this.fail(Failures.make(this.where, "Closed", "the transport's scope has ended"))
  }

  private stopBy(failed: Failed): void {
    if (this.failed !== undefined || this.isWhole) return
    const { answer } = this
    this.failed = failed
    this.disarm()
    this.upload?.release()
    if (this.isHeld) this.controller?.abort(givenUp)
    else this.pool.forget(this)
    this.wake(failed)
    answer?.wake()
  }

  /** undici has done with the request. */
  private letGo(): void {
    this.disarm()
    if (!this.isHeld) return
    this.isHeld = false
    if (this.isLeft) this.drop()
    this.connection?.finished(this)
  }

  private wake(effect: Effect.Effect<Answer, unknown>): void {
    const { resume } = this
    this.resume = undefined
    resume?.(effect)
  }

  // ---- time

  private disarmTimer: (() => void) | undefined = undefined

  arm(millis: number, task: (now: number) => void): void {
    this.disarm()
    if (millis === Infinity) return
    this.disarmTimer = this.time.after(millis, (now) => {
      this.disarmTimer = undefined
      task(now)
    })
  }

  disarm(): void {
    this.disarmTimer?.()
    this.disarmTimer = undefined
  }

  timeOut(phase: HttpTransport.Phase, millis: number): void {
    this.fail(Failures.make({ ...this.where, phase }, "TimedOut", phase, { expected: millis }))
  }

  /** All of the request was handed to the connection. */
  private uploaded(): void {
    if (this.phase === "receive") return
    this.phase = "response"
    const { response } = this.request.timeouts
    if (this.upload === undefined) this.arm(response, () => this.timeOut("response", response))
    else this.watch(response)
  }

  /** Looks from time to time whether the server takes bytes of the request: only while it takes none does the time count. */
  private watch(millis: number): void {
    let since = this.time.now()
    let { progress } = this.connection!.bytes
    let given = this.upload?.given ?? 0
    const look = (now: number) => {
      const bytes = this.connection!.bytes
      const isUnsent = bytes.unsent > 0 || this.upload?.isStalled === true
      const phase = isUnsent ? "send" : "response"
      const limit = this.request.timeouts[phase]
      if (bytes.progress !== progress || (this.upload?.given ?? 0) !== given || (this.phase === "send" && !isUnsent)) {
        since = now
      }
      progress = bytes.progress
      given = this.upload?.given ?? 0
      if (now - since >= limit) this.timeOut(phase, limit)
      else this.arm(Math.min(limit / looks, since + limit - now), look)
    }
    this.arm(millis / looks, look)
  }
}
