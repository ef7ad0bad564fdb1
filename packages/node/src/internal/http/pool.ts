/** The connections of one route, and the requests that wait for one. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import type { Service as NetService } from "@copas/core/Net"
import { Net } from "@copas/core/Net"
import type { Socket } from "@copas/core/Socket"
import * as Tls from "@copas/core/Tls"
import type { Timekeeper } from "@copas/core/Transport"
import type * as UndiciModule from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { type AnyFiber, type Env, envOf, interruptSoon, onExit, start } from "../effect/fibers.js"
import { Connection } from "./connection.js"
import type { Exchange } from "./exchange.js"
import * as Failures from "./failures.js"
import { open } from "./opening.js"

/** What pools share. */
export interface House {
  /** Loaded before the first exchange. */
  undici: typeof UndiciModule.default | undefined
  readonly net: NetService
  /** Connections are closed in it. */
  readonly env: Env
  readonly connections: Scope.Scope
}

/** A connection that is being opened, for a request that waits. */
interface Attempt {
  owner: Exchange | undefined
  fiber: AnyFiber | undefined
}

export class Pool {
  readonly route: HttpTransport.Route<unknown>
  /** One for all requests of `https:`: undici drops a connection when it changes, and takes it from the field Host. */
  readonly serverName: string | undefined
  /** The order in which pools were used. */
  usedAt = 0
  isEnded = false
  private readonly house: House
  private readonly host: string
  private readonly port: number
  private readonly connections = new Set<Connection>()
  /** Of HTTP/1.1; the last one is the next to be used. */
  private readonly idle: Array<Connection> = []
  private readonly waiting = new Set<Exchange>()
  private readonly attempts = new Set<Attempt>()
  private speaks: "1.1" | "2" | undefined

  constructor(house: House, route: HttpTransport.Route<unknown>) {
    this.house = house
    this.route = route
    const { hostname, port, protocol } = new URL(route.origin)
    const isSecure = protocol === "https:"
    this.host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname
    this.port = port === "" ? (isSecure ? 443 : 80) : Number(port)
    this.speaks = isSecure && route.http === "2" ? undefined : "1.1"
    this.serverName = isSecure ? this.host : undefined
  }

  // ---- requests

  /** Gives the request to a connection, or lets it wait for one. */
  take(exchange: Exchange): void {
    if (this.isEnded) {
      exchange.close()
      return
    }
    if (exchange.request.isRepeated === true) this.retire()
    const connection = this.waiting.size === 0 || this.speaks === "2" ? this.find(exchange) : undefined
    if (connection !== undefined) {
      this.give(connection, exchange)
      return
    }
    exchange.await()
    this.waiting.add(exchange)
    this.connectAll()
  }

  /** It waits no longer. An attempt that nobody waits for is interrupted. */
  forget(exchange: Exchange): void {
    if (!this.waiting.delete(exchange)) return
    for (const attempt of this.attempts) {
      if (attempt.owner !== exchange) continue
      attempt.owner = this.unattended()
      if (attempt.owner === undefined && attempt.fiber !== undefined) interruptSoon(attempt.fiber)
    }
  }

  /** Closes the connections that are kept for a next request. */
  private retire(): void {
    this.idle.length = 0
    for (const connection of this.connections) if (connection.running === 0) void connection.destroy()
  }

  private give(connection: Connection, exchange: Exchange): void {
    connection.running += 1
    exchange.send(connection)
  }

  private find(exchange: Exchange): Connection | undefined {
    if (this.speaks === "1.1") {
      for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
        if (connection.isFree) return connection
      }
      return undefined
    }
    for (const connection of this.connections) {
      // undici lets an upload over HTTP/2 wait until all other requests of the connection have ended.
      if (connection.isFree && (exchange.upload === undefined || connection.running === 0)) return connection
    }
    return undefined
  }

  /** Requests that wait get what is free. */
  private serve(): void {
    for (const exchange of this.waiting) {
      const connection = this.find(exchange)
      if (connection === undefined && this.speaks === "1.1") break
      if (connection === undefined) continue
      this.waiting.delete(exchange)
      this.give(connection, exchange)
    }
    this.connectAll()
  }

  // ---- connections

  /**
   * A connection can take a request. undici may still be in the call that says so, and close the connection after it, so a
   * request that waits gets it after that.
   */
  freed(connection: Connection, time: Timekeeper): void {
    if (connection.stream.destroyed || !this.connections.has(connection)) return
    if (!connection.isMultiplexed) this.idle.push(connection)
    if (connection.running === 0) connection.rest(this.route.limits.idle, time)
    if (this.waiting.size > 0) queueMicrotask(() => this.serve())
  }

  closed(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
    this.connectAll()
  }

  /** Opens connections for those that wait: one each, of HTTP/2 one for all. */
  private connectAll(): void {
    if (this.isEnded) return
    while (
      this.waiting.size > this.idle.length &&
      this.connections.size + this.attempts.size < this.route.limits.connections &&
      (this.speaks === "1.1" || this.attempts.size === 0)
    ) {
      const owner = this.unattended()
      if (owner === undefined) return
      this.attempt(owner)
    }
  }

  /** The first that waits and that no attempt is made for. */
  private unattended(): Exchange | undefined {
    const owners = new Set(Array.from(this.attempts, ({ owner }) => owner))
    for (const exchange of this.waiting) if (!owners.has(exchange)) return exchange
    return undefined
  }

  private attempt(owner: Exchange): void {
    const attempt: Attempt = { owner, fiber: undefined }
    this.attempts.add(attempt)
    attempt.fiber = start(envOf(owner.fiber), this.connect(owner))
    onExit(attempt.fiber, (exit) => {
      this.attempts.delete(attempt)
      if (Exit.isFailure(exit)) this.failedBy(attempt, exit)
      this.connectAll()
    })
  }

  private failedBy(attempt: Attempt, { cause }: Exit.Failure<unknown, unknown>): void {
    const { owner } = attempt
    // All wait for the first connection where it may be the only one that they need.
    const failed = this.speaks !== "1.1" && this.connections.size === 0
      ? Array.from(this.waiting)
      : owner === undefined
      ? []
      : [owner]
    for (const exchange of failed) {
      if (this.waiting.delete(exchange)) exchange.failCause(cause)
    }
  }

  private connect(owner: Exchange): Effect.Effect<unknown, unknown> {
    const { house, route } = this
    const { time } = owner
    const began = time.now()
    let lookedUp = began
    let connected = began
    const permit = (address: Parameters<NonNullable<typeof route.permit>>[0]): boolean => {
      if (lookedUp === began) lookedUp = time.now()
      return route.permit === undefined || route.permit(address)
    }
    const connectTimeout = owner.request.timeouts.connect
    const socket = Effect.tap(
      route.connect({ host: this.host, port: this.port, connectTimeout, permit }),
      (socket) => {
        connected = time.now()
        return Effect.zipRight(socket.setTimeouts({ send: null, receive: null }), this.secure(socket, connectTimeout))
      }
    )
    return Effect.flatten(open(house.connections, house.env, socket, (opened) => {
      if (opened.stream.destroyed) {
        return Effect.fail(Failures.lost(owner.where, "the server closed the connection", undefined))
      }
      const connection = new Connection(house.undici!, this, opened, {
        lookup: lookedUp - began,
        connect: connected - began,
        tls: time.now() - began
      })
      this.speaks = connection.isMultiplexed ? "2" : "1.1"
      this.connections.add(connection)
      if (this.isEnded) void connection.destroy()
      else {
        this.freed(connection, time)
        this.serve()
      }
      return Effect.void
    }))
  }

  private secure(socket: Socket, millis: number): Effect.Effect<void, unknown> {
    const { route } = this
    if (!route.origin.startsWith("https:")) return Effect.void
    const context = route.tls === undefined
      ? Effect.provideService(defaultContext, Net, this.house.net)
      : Effect.succeed(route.tls)
    return Effect.flatMap(context, (context) =>
      Tls.upgrade(socket, context, {
        serverName: route.serverName ?? this.host,
        alpn: route.http === "2" ? ["h2", "http/1.1"] : ["http/1.1"],
        ...(millis === Infinity ? {} : { handshakeTimeout: millis })
      }))
  }

  // ---- ends

  get isIdle(): boolean {
    return this.waiting.size === 0 && this.attempts.size === 0 &&
      Array.from(this.connections).every(({ running }) => running === 0)
  }

  /** Fails what waits, and cuts what is open. */
  end(): Promise<unknown> {
    this.isEnded = true
    for (const exchange of Array.from(this.waiting)) {
      this.waiting.delete(exchange)
      exchange.close()
    }
    for (const { fiber } of this.attempts) if (fiber !== undefined) interruptSoon(fiber)
    return Promise.all(Array.from(this.connections, (connection) => connection.destroy()))
  }
}

const defaultContext = Tls.client({})
