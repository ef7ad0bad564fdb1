/** The HTTP server for an hour of simulated time: two hundred clients over links that delay and lose, some of which vanish. */
import { Copas, Net, type Socket } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { NodeHttpServer } from "@copas/node"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Random, Stream } from "effect"
import { answer, get, post } from "./serving.js"

const clients = 200
const port = 80

interface Seen {
  readonly wrong: Array<string>
  answered: number
  begun: number
  ended: number
}

const makeApp = (seen: Seen) => {
  const counted = Effect.acquireRelease(
    Effect.sync(() => {
      seen.begun += 1
    }),
    () =>
      Effect.sync(() => {
        seen.ended += 1
      })
  )
  const app = HttpRouter.empty.pipe(
    HttpRouter.get("/quick/:word", Effect.map(HttpRouter.params, ({ word }) => HttpServerResponse.text(word ?? ""))),
    HttpRouter.get(
      "/slow",
      Effect.as(
        Effect.flatMap(Random.nextRange(100, 60_000), (millis) => Effect.sleep(millis)),
        HttpServerResponse.text("slow")
      )
    ),
    HttpRouter.post(
      "/echo",
      Effect.map(Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ text }) => text), HttpServerResponse.text)
    ),
    HttpRouter.get(
      "/long",
      Effect.succeed(HttpServerResponse.stream(
        Stream.mapEffect(Stream.range(1, 10), () => Effect.as(Effect.sleep("1 second"), Buffer.alloc(4096, "x"))),
        { contentLength: 10 * 4096 }
      ))
    )
  )
  return Effect.zipRight(counted, app)
}

/** One of a client's requests, and whether the answer is right. */
const ask = (socket: Socket.Socket, seen: Seen, word: string) =>
  Effect.gen(function*() {
    const kind = yield* Random.nextIntBetween(0, 4)
    const kinds: ReadonlyArray<readonly [text: string, expected: string]> = [
      [get(`/quick/${word}`), word],
      [get("/slow"), "slow"],
      [post("/echo", word.repeat(500)), word.repeat(500)],
      [get("/long"), "x".repeat(10 * 4096)]
    ]
    const [text, expected] = kinds[kind]!
    yield* socket.send(text)
    const { body, status } = yield* answer(socket)
    seen.answered += 1
    if (status !== 200 || body !== expected) seen.wrong.push(`${word} ${kind} ${status} ${body.slice(0, 20)}`)
  })

/** Asks a few times over one connection, and then ends it, or leaves in the middle of a request. */
const visit = (client: number, seen: Seen) =>
  Effect.scoped(Effect.gen(function*() {
    const timeouts = { connect: "30 seconds", receive: "2 minutes", send: "30 seconds" } as const
    const socket = yield* Net.connect({ host: "server", port, timeouts, linger: 0 })
    const times = yield* Random.nextIntBetween(1, 5)
    for (let time = 0; time < times; time += 1) yield* ask(socket, seen, `c${client}`)
    const leaves = yield* Random.nextIntBetween(0, 4)
    if (leaves === 0) yield* socket.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
    if (leaves === 1) yield* socket.send(get("/slow"))
    if (leaves === 2) yield* socket.send("GET /qui")
    if (leaves < 3) yield* Random.nextBoolean.pipe(Effect.flatMap((resets) => resets ? socket.abort : Effect.void))
  }))

const hour = (seed: number) => {
  const seen: Seen = { wrong: [], answered: 0, begun: 0, ended: 0 }
  const program = Effect.scoped(Effect.gen(function*() {
    const network = yield* NetMemory.make({ link: { latency: "40 millis", jitter: "30 millis", loss: 0.02 } })
    const server = yield* network.addHost("server")
    const visitors: Array<NetMemory.Host> = []
    for (let at = 0; at < clients; at += 1) visitors.push(yield* network.addHost(`client-${at}`))
    const left = { connections: -1, threads: -1 }
    const serving = Copas.run(Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const http = yield* NodeHttpServer.make({ listen: { host: "0.0.0.0", port }, name: "web" })
        yield* http.serve(makeApp(seen))
        yield* Effect.sleep("61 minutes")
      }))
      const { threads } = yield* Copas.status
      left.threads = threads.filter(({ name }) => name.startsWith("web:")).length
      left.connections = (yield* Effect.flatMap(Net.Net, (net) => net.sockets)).length
    })).pipe(Effect.provide(Copas.layer))
    yield* server.start(serving)
    const come = (client: number) =>
      Effect.forever(Effect.zipRight(
        Effect.flatMap(Random.nextRange(60_000, 1_200_000), (millis) => Effect.sleep(millis)),
        // A link may lose more than a time-out waits for.
        Effect.ignore(visit(client, seen))
      ))
    yield* Effect.forEach(visitors, (host, at) => host.start(Effect.timeoutOption(come(at), "60 minutes")), {
      discard: true
    })
    yield* Effect.sleep("63 minutes")
    return left
  }))
  return Effect.map(Simulation.run(program, { seed, maxTime: "70 minutes" }), (left) => ({ ...seen, ...left }))
}

describe("NodeHttpServer in a simulation", () => {
  it.effect(
    "X01 two hundred clients, lossy links, an hour: every answer is right, and no connection, thread or handler is left",
    () =>
      Effect.gen(function*() {
        const { answered, begun, connections, ended, threads, wrong } = yield* hour(1)
        expect(wrong).toEqual([])
        expect(answered).toBeGreaterThan(clients * 10)
        expect([connections, threads, begun - ended]).toEqual([0, 0, 0])
      })
  )
})
