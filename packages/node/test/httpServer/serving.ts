/** What the tests of the HTTP server share: both networks, a server on a free port, and raw clients. */
import { Copas, Net, type Socket, type SocketError } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeHttpServer, NodeNet } from "@copas/node"
import type { HttpApp, HttpMiddleware } from "@effect/platform"
import { Deferred, Effect, Layer, type Scope } from "effect"
import { portOf } from "../portOf.js"
import * as Fixture from "../tls/fixture.js"
import { until } from "../turns.js"

export type Services = Copas.Copas | Net.Net | Fixture.TestPki

/** Both networks, each with a dispatcher: a connection is Node's own socket on the first, a stream over ours on the second. */
export const networks: ReadonlyArray<readonly [name: string, layer: Layer.Layer<Services>]> = [
  ["Node's network", Layer.merge(Layer.provideMerge(Copas.layer, NodeNet.layer), Fixture.layer)],
  ["the network in memory", Layer.merge(Layer.provideMerge(Copas.layer, NetMemory.layer), Fixture.layer)]
]

export type App = HttpApp.Default<unknown, Scope.Scope>

type Options = Partial<NodeHttpServer.Options> & {
  readonly middleware?: HttpMiddleware.HttpMiddleware
}

/** Serves `app` until the scope ends; gives the port. */
export const serve = (
  app: App,
  { middleware, ...options }: Options = {}
): Effect.Effect<number, unknown, Copas.Copas | Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* NodeHttpServer.make({ listen: { port: 0 }, ...options })
    yield* middleware === undefined ? server.serve(app) : server.serve(app, middleware)
    return portOf(server)
  })

/** No thread of a connection is left. */
export const isIdle = Effect.map(
  Copas.status,
  ({ threads }) => threads.every(({ name }) => !name.includes("handler"))
)

/** Waits until no thread of a connection or a stream is left. */
export const nothingLeft = until(isIdle)

/** A handler without an end, and what tells that it began and how it ended. */
export const endless = Effect.gen(function*() {
  const begun = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<string>()
  const slow: App = Effect.zipRight(
    Effect.addFinalizer((exit) => Deferred.succeed(ended, exit._tag)),
    Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
  )
  return { begun, ended, slow }
})

/** A raw connection. */
export const connect = (port: number) => Net.connect({ host: "127.0.0.1", port, linger: 0 })

/** All that the server says until it ends the connection. */
export const everything = (
  socket: Socket.Socket
): Effect.Effect<string, SocketError.ReceiveError | SocketError.MessageTooLong> =>
  Effect.map(socket.receiveAll(), (bytes) => Buffer.from(bytes).toString("latin1"))

/** Sends `text` over a connection of its own, and gives what the server says until it ends it. */
export const talk = (port: number, text: string) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* connect(port)
    yield* socket.send(Buffer.from(text, "latin1"))
    return yield* everything(socket)
  }))

export interface Answer {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
}

/** Reads one answer that has a length, or none where `isHead`. */
export const answer = (
  socket: Socket.Socket,
  isHead = false
): Effect.Effect<Answer, SocketError.ReceiveError | SocketError.LineTooLong> =>
  Effect.gen(function*() {
    const status = Number((yield* socket.receiveLine()).split(" ")[1])
    const fields: Record<string, string> = {}
    for (;;) {
      const line = yield* socket.receiveLine({ encoding: "latin1" })
      if (line === "") break
      const colon = line.indexOf(":")
      fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const length = Number(fields["content-length"] ?? 0)
    const body = isHead || length === 0 || status === 304
      ? ""
      : Buffer.from(yield* socket.receiveExactly(length)).toString("latin1")
    return { status, fields, body }
  })

/** The statuses of all answers in a text of whole answers without bodies that look like some. */
export const statuses = (text: string): ReadonlyArray<number> =>
  Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))

/** A request without a body. */
export const get = (target: string, fields = ""): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

/** A request whose body has its length. */
export const post = (target: string, body: string, fields = ""): string =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

export const last = "Connection: close\r\n"
