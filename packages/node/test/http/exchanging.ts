/** What the tests of the HTTP transport share: scripted raw servers on both networks, routes and requests. */
import { HttpTransport, Net, type Socket, type SocketError, type Tls } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeHttpTransport, NodeNet } from "@copas/node"
import { Deferred, Effect, Layer, type Scope } from "effect"
import * as Fixture from "../tls/fixture.js"
import { turn, until } from "../turns.js"

/** Both networks; a connection is Node's own socket on the first, and a stream over the transport on the second. */
export const networks: ReadonlyArray<
  readonly [name: string, network: Layer.Layer<Net.Net | HttpTransport.HttpTransport | Fixture.TestPki>]
> = [
  ["Node's network", Layer.merge(Layer.provideMerge(NodeHttpTransport.layer, NodeNet.layer), Fixture.layer)],
  ["the network in memory", Layer.merge(Layer.provideMerge(NodeHttpTransport.layer, NetMemory.layer), Fixture.layer)]
]

const never = { connect: Infinity, send: Infinity, response: Infinity, receive: Infinity }

const connectDirectly = (
  target: HttpTransport.RouteTarget
): Effect.Effect<Socket.Socket, unknown, Net.Net | Scope.Scope> =>
  Net.connect({
    host: target.host,
    port: target.port,
    linger: 0,
    ...(target.permit === undefined ? {} : { permit: target.permit })
  })

interface RouteOptions {
  readonly isSecure?: boolean
  readonly tls?: Tls.ClientContext
  readonly serverName?: string
  readonly http?: "1.1" | "2"
  readonly limits?: Partial<HttpTransport.RouteLimits>
  readonly connect?: HttpTransport.Route<unknown>["connect"]
  readonly host?: string
}

export const route = (
  port: number,
  options: RouteOptions = {}
): Effect.Effect<HttpTransport.Route<unknown>, never, Net.Net> =>
  Effect.map(Net.Net, (net) => ({
    origin: `${options.isSecure === true ? "https" : "http"}://${options.host ?? "127.0.0.1"}:${port}`,
    connect: options.connect ?? ((target) => Effect.provideService(connectDirectly(target), Net.Net, net)),
    tls: options.tls,
    serverName: options.serverName,
    permit: undefined,
    http: options.http ?? "1.1",
    limits: { head: 65536, fields: 1000, connections: 50, idle: 4000, ...options.limits }
  }))

export interface RequestOptions<E> {
  readonly method?: string
  readonly path?: string
  readonly fields?: ReadonlyArray<HttpTransport.Field>
  readonly body?: HttpTransport.WireBody<E>
  readonly timeouts?: Partial<HttpTransport.WireTimeouts>
  readonly isRepeated?: boolean
}

export const request = <E = never>(
  to: HttpTransport.Route<unknown>,
  options: RequestOptions<E> = {}
): HttpTransport.WireRequest<E> => ({
  method: options.method ?? "GET",
  url: new URL(options.path ?? "/", to.origin),
  fields: options.fields ?? [],
  body: options.body,
  timeouts: { ...never, ...options.timeouts },
  isRepeated: options.isRepeated
})

export const exchange = <E = never>(to: HttpTransport.Route<unknown>, options?: RequestOptions<E>) =>
  Effect.flatMap(HttpTransport.HttpTransport, (transport) => transport.exchange(request(to, options), to))

export const whole = <E>(read: HttpTransport.Pull<E>): Effect.Effect<Buffer, E> =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    for (;;) {
      const chunk = yield* read
      if (chunk === undefined) return Buffer.concat(chunks)
      chunks.push(chunk)
    }
  })

/** Status and body of one exchange, whose scope ends with it. */
export const fetched = <E = never>(to: HttpTransport.Route<unknown>, options?: RequestOptions<E>) =>
  Effect.scoped(Effect.gen(function*() {
    const answer = yield* exchange(to, options)
    const body = (yield* whole(answer.read)).toString("latin1")
    return { status: answer.status, body, isReused: answer.connection.isReused, fields: answer.fields }
  }))

/** The failure of the transport's, with what a test compares. */
export const failureOf = <A, R>(
  effect: Effect.Effect<A, unknown, R>
): Effect.Effect<HttpTransport.HttpTransportFailure, A, R> =>
  Effect.map(Effect.flip(effect), (error) => error as HttpTransport.HttpTransportFailure)

export const pulled = (...chunks: ReadonlyArray<string | Uint8Array>): HttpTransport.Pull<never> => {
  let at = 0
  return Effect.sync(() => {
    const chunk = chunks[at]
    at += 1
    return typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk
  })
}

/** Lets both networks do what they have to do. */
export const turns = Effect.repeatN(turn, 20)

/** Waits until a count that grows grows no more. */
export const standing = <R>(count: Effect.Effect<number, never, R>): Effect.Effect<number, never, R> =>
  Effect.suspend(() => {
    let before = 0
    const stands = Effect.map(Effect.zipRight(turns, count), (now) => {
      const isSame = now > 0 && now === before
      before = now
      return isSame
    })
    return Effect.map(until(stands), () => before)
  })

/** One connection of a scripted server. */
export interface Peer {
  readonly socket: Socket.Socket
  /** From 1 on. */
  readonly number: number
  /** Reads the head of the next request: its lines, as they came. */
  readonly head: Effect.Effect<string, SocketError.ReceiveError | SocketError.LineTooLong>
  readonly send: (text: string) => Effect.Effect<void, SocketError.SendError>
}

export interface Server {
  readonly port: number
  readonly connections: () => number
  /** Completes when no connection is open. */
  readonly awaitNone: Effect.Effect<void>
}

export const ok = (body: string, fields = ""): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${Buffer.byteLength(body, "latin1")}\r\n\r\n${body}`

/** Runs `script` for every connection; the connection ends with it. */
export const serve = (
  script: (peer: Peer) => Effect.Effect<unknown, unknown>,
  tls?: Tls.ServerContext
): Effect.Effect<Server, unknown, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({
      host: "127.0.0.1",
      port: 0,
      linger: 0,
      ...(tls === undefined ? {} : { tls })
    })
    let connections = 0
    let open = 0
    const converse = (socket: Socket.Socket) => {
      connections += 1
      open += 1
      return script({
        socket,
        number: connections,
        head: Effect.gen(function*() {
          let text = ""
          for (;;) {
            const line = yield* socket.receiveLine({ encoding: "latin1" })
            if (line === "") return text
            text += `${line}\n`
          }
        }),
        send: (text) => socket.send(Buffer.from(text, "latin1"))
      })
    }
    const handle = Effect.zipRight(
      Effect.exit(Effect.scoped(Effect.flatMap(listener.accept, converse))),
      Effect.sync(() => {
        open -= 1
      })
    )
    yield* Effect.replicateEffect(Effect.forkScoped(Effect.forever(handle)), 20)
    return {
      port: listener.port,
      connections: () => connections,
      awaitNone: until(Effect.sync(() => open === 0))
    }
  })

/** Reads the head of a request, says `text` and then nothing; `asked` completes when it has said it. */
export const stalling = (text = "") =>
  Effect.gen(function*() {
    const asked = yield* Deferred.make<void>()
    const server = yield* serve((peer) =>
      Effect.gen(function*() {
        yield* peer.head
        yield* peer.send(text)
        yield* Deferred.succeed(asked, undefined)
        yield* peer.head
      })
    )
    return { ...server, asked: Deferred.await(asked) }
  })

/** Answers every request of every connection in the same way. */
export const serving = (answer: (head: string) => string, tls?: Tls.ServerContext) =>
  serve((peer) => Effect.forever(Effect.flatMap(peer.head, (head) => peer.send(answer(head)))), tls)
