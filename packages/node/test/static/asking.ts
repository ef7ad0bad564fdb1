/** Servers of an app, and raw requests to them: the path goes out as it is written. */
import { Copas, Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeHttpServer as CopasHttpServer, NodeNet } from "@copas/node"
import { type HttpApp, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, type Scope } from "effect"
import * as Http from "node:http"
import { portOf } from "../portOf.js"

export interface Answer {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
  /** The connection ended before the body was whole. */
  readonly isCut: boolean
}

export interface Options {
  readonly method?: string
  readonly fields?: Readonly<Record<string, string>>
}

export type Ask = (path: string, options?: Options) => Effect.Effect<Answer>

type App<E, R> = HttpApp.Default<E, R>

type Network = Net.Net | Copas.Copas

interface Platform {
  readonly network: Layer.Layer<Network>
  /** Serves until the scope ends, and gives the port. */
  readonly serve: <E>(app: App<E, Scope.Scope>) => Effect.Effect<number, never, Network | Scope.Scope>
}

/** Serves on what `make` listens at. */
const served = <E, R>(make: Effect.Effect<HttpServer.HttpServer, E, R>): Platform["serve"] => (app) =>
  Effect.gen(function*() {
    const server = yield* Effect.orDie(make as Effect.Effect<HttpServer.HttpServer, E, Network | Scope.Scope>)
    yield* Effect.provideService(HttpServer.serveEffect(app), HttpServer.HttpServer, server)
    return portOf(server)
  })

const onNode = Layer.provideMerge(Copas.layer, NodeNet.layer)
const inMemory = Layer.provideMerge(Copas.layer, NetMemory.layer)
const ours = served(CopasHttpServer.make({ listen: { port: 0, host: "127.0.0.1" } }))

/** What apps are tested on. */
export const platforms: ReadonlyArray<readonly [name: string, platform: Platform]> = [
  ["@effect/platform-node's server", {
    network: onNode,
    serve: served(NodeHttpServer.make(() => Http.createServer(), { port: 0, host: "127.0.0.1" }))
  }],
  ["Node's network", { network: onNode, serve: ours }],
  ["the network in memory", { network: inMemory, serve: ours }]
]

const unchunked = (text: string): { readonly body: string; readonly isCut: boolean } => {
  let body = ""
  for (let rest = text;;) {
    const [line, size] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? []
    if (line === undefined || size === undefined) return { body, isCut: true }
    const length = parseInt(size, 16)
    if (length === 0) return { body, isCut: false }
    if (rest.length < line.length + length + 2) return { body: body + rest.slice(line.length), isCut: true }
    body += rest.slice(line.length, line.length + length)
    rest = rest.slice(line.length + length + 2)
  }
}

/** Reads an answer of which each byte is a character. */
export const read = (text: string, isHead: boolean): Answer => {
  const end = text.indexOf("\r\n\r\n")
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const fields: Record<string, string> = {}
  for (const line of lines) {
    const at = line.indexOf(":")
    const name = line.slice(0, at).toLowerCase()
    const value = line.slice(at + 1).trim()
    fields[name] = name in fields ? `${fields[name]}, ${value}` : value
  }
  const status = Number(first.split(" ")[1])
  const rest = text.slice(end + 4)
  const length = fields["content-length"]
  const isBare = isHead || status === 204 || status === 304
  return fields["transfer-encoding"] === "chunked" && !isBare
    ? { status, fields, ...unchunked(rest) }
    : { status, fields, body: rest, isCut: !isBare && length !== undefined && rest.length < Number(length) }
}

/** One request a connection. */
export const rawAsk = (port: number): Effect.Effect<Ask, never, Net.Net> =>
  Effect.map(Net.Net, (net) => (path, { fields = {}, method = "GET" } = {}) =>
    Effect.scoped(Effect.gen(function*() {
      const socket = yield* net.connect({ host: "127.0.0.1", port })
      const lines = Object.entries({ Host: "example.test", Connection: "close", ...fields })
      yield* socket.send(
        Buffer.from(
          `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
          "latin1"
        )
      )
      const bytes = yield* socket.receiveAll({ maxBytes: 1 << 26 })
      return read(Buffer.from(bytes).toString("latin1"), method === "HEAD")
    })).pipe(Effect.orDie))

/** Serves the app and gives what asks it. */
export const asking = <E>(
  platform: Platform,
  app: App<E, Scope.Scope>
): Effect.Effect<Ask, never, Network | Scope.Scope> => Effect.flatMap(platform.serve(app), rawAsk)
