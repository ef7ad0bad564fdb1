/** An app that is served: its connections, and how they end. */
import type * as CopasServer from "@copas/core/Copas"
import type { Listener } from "@copas/core/Listener"
import type { Server as CopasServerHandle } from "@copas/core/Server"
import type { Socket } from "@copas/core/Socket"
import * as Thread from "@copas/core/Thread"
import { suspendCancellable, type Timekeeper, timekeeper } from "@copas/core/Transport"
import type { Size } from "@effect/platform/FileSystem"
import type { HttpMiddleware } from "@effect/platform/HttpMiddleware"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Http from "node:http"
import type { Http2Server } from "node:http2"
import type { Duplex } from "node:stream"
import { clockOf, withFiber } from "../effect/fibers.js"
import { lend } from "../net/lending.js"
import type { Answering } from "./answering.js"
import { Connection, connectionOf } from "./connection.js"
import * as Handled from "./handled.js"
import { makeHttp2, Multiplexed } from "./multiplexed.js"
import type { Settings } from "./options.js"
import * as Preface from "./preface.js"
import type { Recorder } from "./recorder.js"

export class Serving {
  readonly settings: Settings
  readonly time: Timekeeper
  readonly handled: Effect.Effect<void, never, any>
  readonly http1: Http.Server
  private http2Memo: Http2Server | undefined = undefined
  readonly connections = new Set<Answering<any>>()
  readonly bodyLimit: Option.Option<Size>
  /** Requests of both versions count here: `begin` before `handled` runs, `end` after. */
  readonly recorder: Recorder
  isDraining = false
  private readonly perAddress = new Map<string, number>()
  private waiting: Array<() => void> = []
  private readonly awaitingDrain = new Set<() => void>()

  constructor(settings: Settings, time: Timekeeper, handled: Effect.Effect<void, never, any>, recorder: Recorder) {
    this.recorder = recorder
    recorder.now = time.now
    this.settings = settings
    this.time = time
    this.handled = handled
    const { body } = settings.limits
    this.bodyLimit = body === Infinity ? Option.none() : Option.some(BigInt(body) as Size)
    this.http1 = makeHttp1(settings)
  }

  /** What a thread of the dispatcher runs for a connection. */
  readonly serve = (socket: Socket): Effect.Effect<void, never, any> =>
    Effect.uninterruptible(Effect.suspend(() => {
      if (!this.admit(socket)) return socket.abort
      let connection: Answering<any> | undefined
      const awaits = (): boolean => connection !== undefined && connection.isAwaiting
      const forget = Effect.sync(() => this.forget(socket))
      // A peer that has gone already leaves nothing to serve.
      return Effect.matchEffect(Effect.zip(lend(socket, awaits), Thread.current), {
        onFailure: () => forget,
        onSuccess: ([borrowed, thread]) =>
          Effect.flatMap(
            Effect.onInterrupt(Effect.interruptible(this.isHttp2(socket, borrowed.stream)), () => forget),
            (isHttp2) =>
              withFiber((fiber) => {
                const Version = isHttp2 ? Multiplexed : Connection
                connection = new Version(this, socket, borrowed, fiber, thread)
                return connection.run
              })
          )
      })
    }))

  get http2(): Http2Server {
    return this.http2Memo ??= makeHttp2(this.settings.limits)
  }

  private isHttp2({ tls }: Socket, stream: Duplex): Effect.Effect<boolean> {
    const { http2, timeouts } = this.settings
    if (Option.isSome(tls)) return Effect.succeed(Option.contains(tls.value.alpn, "h2"))
    return http2 === "clear" ? Preface.isHttp2(stream, this.time, timeouts.headers) : Effect.succeed(false)
  }

  // ---- limits

  private admit({ remoteAddress }: Socket): boolean {
    const { maxConnectionsPerAddress } = this.settings.limits
    if (maxConnectionsPerAddress === Infinity || remoteAddress._tag !== "InetAddress") return true
    const count = this.perAddress.get(remoteAddress.host) ?? 0
    if (count >= maxConnectionsPerAddress) return false
    this.perAddress.set(remoteAddress.host, count + 1)
    return true
  }

  /** A connection that was admitted has ended. */
  forget({ remoteAddress }: Socket): void {
    if (this.connections.size === 0) { for (const told of this.waiting.splice(0)) told() }
    if (this.perAddress.size === 0 || remoteAddress._tag !== "InetAddress") return
    const count = this.perAddress.get(remoteAddress.host) ?? 0
    if (count <= 1) this.perAddress.delete(remoteAddress.host)
    else this.perAddress.set(remoteAddress.host, count - 1)
  }

  // ---- the end

  /** Waits until the drain begins. */
  readonly waitForDrain: Effect.Effect<void> = suspendCancellable((resume) => {
    const told = (): void => resume(Effect.void)
    if (this.isDraining) told()
    else this.awaitingDrain.add(told)
    return Effect.sync(() => this.awaitingDrain.delete(told))
  })

  /** Begins to drain, and waits until no connection is open. */
  get drained(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isDraining) {
        this.isDraining = true
        for (const connection of this.connections) connection.drain()
        for (const told of this.awaitingDrain) told()
        this.awaitingDrain.clear()
      }
      return suspendCancellable<void>((resume) => {
        const told = (): void => resume(Effect.void)
        if (this.connections.size === 0) told()
        else this.waiting.push(told)
        return Effect.sync(() => {
          this.waiting = this.waiting.filter((other) => other !== told)
        })
      })
    })
  }
}

/** The server of Node's that speaks HTTP/1.1. It never listens, so it has no time-outs and no timers of its own. */
const makeHttp1 = ({ limits }: Settings): Http.Server => {
  const http = Http.createServer({
    maxHeaderSize: limits.headerSize,
    // The rules count fields and look at Host: the parser would drop the fields past its limit without a word.
    requireHostHeader: false,
    insecureHTTPParser: false,
    keepAliveTimeout: 0,
    headersTimeout: 0,
    requestTimeout: 0
  })
  http.maxHeadersCount = 0
  const came: Http.RequestListener = (request, response) => connectionOf(request.socket)?.came(request, response)
  for (const event of ["request", "checkContinue", "checkExpectation"]) http.on(event, came)
  for (const event of ["connect", "upgrade"] as const) {
    http.on(event, (request, stream, head) => connectionOf(stream)?.detached(request, head))
  }
  http.on("clientError", (error, stream) => connectionOf(stream)?.failed(error))
  return http
}

/** Serves `app` on these listeners for as long as the scope lasts, which drains at its end. */
export const serve = (
  copas: CopasServer.Service,
  listeners: ReadonlyArray<Listener>,
  settings: Settings,
  recorder: Recorder,
  app: Effect.Effect<any, any, any>,
  middleware: HttpMiddleware | undefined
): Effect.Effect<void, never, any> =>
  Effect.gen(function*() {
    const time = yield* withFiber((fiber) => Effect.succeed(timekeeper(clockOf(fiber))))
    const handled = Handled.make(app, middleware, settings.timeouts.handler)
    const serving = new Serving(settings, time, handled, recorder)
    const servers = yield* Effect.acquireRelease(
      Effect.forEach(listeners, (listener, index) => {
        const name = index === 0 ? settings.name : `${settings.name}-${index + 1}`
        const { maxConnections } = settings.limits
        return Effect.orDie(copas.addServer(listener, serving.serve, {
          name,
          ...(maxConnections === Infinity ? {} : { maxConnections }),
          ...(settings.timeouts.send === Infinity ? {} : { timeouts: { send: settings.timeouts.send } })
        }))
      }),
      (servers) => ended(copas, serving, servers)
    )
    // The exit of the dispatcher drains as well, so that `Copas.run` ends.
    const drainer = copas.addThread(
      Effect.zipRight(copas.waitForExit, Effect.suspend(() => cut(copas, serving, servers))),
      { name: `${settings.name}:drain` }
    )
    yield* Effect.acquireRelease(drainer, (thread) => thread.interrupt)
  })

/** Waits until all connections have ended, for as long as `drain` allows, and then interrupts them. */
const cut = (
  copas: CopasServer.Service,
  serving: Serving,
  servers: ReadonlyArray<CopasServerHandle>
): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.timeoutOption(Effect.interruptible(serving.drained), serving.settings.drain),
    Effect.forEach(servers, (server) => copas.removeServer(server, { interrupt: true, keepOpen: true }), {
      discard: true
    })
  )

const ended = (
  copas: CopasServer.Service,
  serving: Serving,
  servers: ReadonlyArray<CopasServerHandle>
): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.forEach(servers, (server) => copas.removeServer(server, { keepOpen: true }), { discard: true }),
    cut(copas, serving, servers)
  )
