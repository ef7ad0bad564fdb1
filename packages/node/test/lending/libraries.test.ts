/** Libraries of Node's over lent sockets: node:http, node:http2, an upgrade as of WebSockets, undici. */
import { Copas, Net, type Socket, type TlsContext } from "@copas/core"
import { NodeSocket } from "@copas/node"
import { default as Undici } from "@effect/platform-node/Undici"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Runtime, type Scope } from "effect"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import type * as NodeNetModule from "node:net"
import type { Duplex } from "node:stream"
import { pattern } from "../pattern.js"
import * as Fixture from "../tls/fixture.js"
import { turn, until } from "../turns.js"
import { closed, collect, networks, once, pair, received } from "./streams.js"

type Services = Net.Net | Copas.Copas | Fixture.TestPki | Scope.Scope

/** A server whose connections are lent to `give`, and end when that has closed them. */
const lending = (give: (stream: Duplex) => void, tls?: TlsContext.ServerOptions) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({
      host: "127.0.0.1",
      port: 0,
      linger: 0,
      ...(tls === undefined ? {} : { tls: yield* Fixture.serverContext(tls) })
    })
    yield* Copas.addServer(listener, (socket) =>
      Effect.flatMap(NodeSocket.lend(socket), ({ stream }) => {
        give(stream)
        return closed(stream)
      }))
    return listener.port
  })

/** A connection to `port`, lent. */
const borrowed = (port: number, tls?: TlsContext.ClientOptions) =>
  Effect.gen(function*() {
    const socket: Socket.Socket = yield* Net.connect({
      host: "localhost",
      family: "IPv4",
      port,
      linger: 0,
      ...(tls === undefined ? {} : { tls: yield* Fixture.clientContext(tls) })
    })
    return { socket, stream: (yield* NodeSocket.lend(socket)).stream }
  })

const answer = (request: Http.ClientRequest) =>
  Effect.async<{ readonly status: number | undefined; readonly body: string }, Error>((resume) => {
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("response", (response) => {
      const body: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => body.push(chunk))
      response.on("end", () => {
        resume(Effect.succeed({ status: response.statusCode, body: Buffer.concat(body).toString() }))
      })
    })
    request.end()
  })

const echo: Http.RequestListener = (request, response) => {
  let size = 0
  request.on("data", (chunk: Buffer) => {
    size += chunk.length
  })
  request.on("end", () => response.end(`${request.method} ${request.url} ${size}`))
}

for (const [name, network] of networks) {
  describe(name, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services>) =>
      it.scopedLive(title, () => Effect.provide(effect, Layer.provideMerge(Copas.layer, network)))

    test(
      "C33 node:http serves a lent socket, also a request that came before, pipelined and kept alive",
      Effect.gen(function*() {
        const http = Http.createServer(echo)
        const { client, server } = yield* pair()
        const first = "POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"
        yield* client.send(`${first}GET /two HTTP/1.1\r\nhost: a\r\n\r\n`)
        yield* received(server, first.length)
        const { stream } = yield* NodeSocket.lend(server)
        http.emit("connection", stream)
        yield* client.send("GET /three HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        const text = new TextDecoder().decode(yield* client.receiveAll())
        expect(text.match(/(?:POST|GET) \/\w+ \d+/g)).toEqual(["POST /one 4", "GET /two 0", "GET /three 0"])
        yield* client.close
        yield* closed(stream)
      })
    )

    test(
      "C33 node:http asks over lent sockets, keeps them alive, and drops one whose server has finished",
      Effect.gen(function*() {
        const http = Http.createServer(echo)
        let served: Duplex | undefined
        const port = yield* lending((stream) => {
          served = stream
          http.emit("connection", stream)
        })
        const runtime = yield* Effect.runtime<Services>()
        let opened = 0
        const agent = new Http.Agent({ keepAlive: true, maxSockets: 1 })
        agent.createConnection = (_options: unknown, callback?: (error: Error | null, stream: Duplex) => void) => {
          opened += 1
          Runtime.runFork(runtime)(Effect.map(borrowed(port), ({ stream }) => callback?.(null, stream)))
          return undefined as never
        }
        const get = (path: string) => answer(Http.request({ agent, host: "localhost", port, path }))
        expect(yield* get("/a")).toEqual({ status: 200, body: "GET /a 0" })
        expect(yield* get("/b")).toEqual({ status: 200, body: "GET /b 0" })
        expect(opened).toBe(1)
        const ended = closed(served!)
        served!.end()
        yield* ended
        yield* until(Effect.map(Effect.flatMap(Net.Net, (net) => net.sockets), (open) => open.length === 0))
        yield* turn
        expect(yield* get("/c")).toEqual({ status: 200, body: "GET /c 0" })
        expect(opened).toBe(2)
        agent.destroy()
      })
    )

    test(
      "C33 a connection that node:http upgrades belongs to the program, with the bytes after the head",
      Effect.gen(function*() {
        const http = Http.createServer()
        http.on("upgrade", (_request, stream: Duplex, head: Buffer) => {
          stream.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n")
          stream.write(head)
          stream.pipe(stream)
        })
        const port = yield* lending((stream) => http.emit("connection", stream))
        const { stream } = yield* borrowed(port)
        const request = Http.request({
          createConnection: () => stream as NodeNetModule.Socket,
          headers: { connection: "upgrade", upgrade: "echo" }
        })
        const upgraded = Effect.async<Duplex>((resume) => {
          request.on("upgrade", (_response, upgradedStream: Duplex, head: Buffer) => {
            if (head.length > 0) upgradedStream.unshift(head)
            resume(Effect.succeed(upgradedStream))
          })
          request.end()
        })
        const talk = yield* upgraded
        const got = collect(talk)
        const whole = pattern(500_000)
        talk.write(whole)
        expect((yield* got.bytes(whole.length)).equals(whole)).toBe(true)
        talk.end()
        yield* got.ended
        yield* closed(talk)
      })
    )

    test(
      "T11 a burst of TLS connections loses no first request, and leaves no socket behind",
      Effect.gen(function*() {
        const http = Http.createServer(echo)
        const port = yield* lending((stream) => http.emit("connection", stream), {})
        const ask = (path: string) =>
          Effect.scoped(Effect.gen(function*() {
            const socket = yield* Net.connect({
              host: "localhost",
              family: "IPv4",
              port,
              tls: yield* Fixture.clientContext()
            })
            // In the turn in which the handshake is done: it may reach the server before its handler runs.
            yield* socket.send(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
            return new TextDecoder().decode(yield* socket.receiveAll())
          }))
        const paths = Array.from({ length: 40 }, (_, at) => `/${at}`)
        const texts = yield* Effect.forEach(paths, ask, { concurrency: "unbounded" })
        for (const [at, text] of texts.entries()) expect(text).toContain(`GET /${at} 0`)
        yield* until(Effect.map(Effect.flatMap(Net.Net, (net) => net.sockets), (open) => open.length === 0))
      })
    )

    test(
      "T11 node:http2 serves and asks over lent TLS sockets, many streams at once",
      Effect.gen(function*() {
        const http = Http2.createServer((request, response) => response.end(`h2 ${request.url}`))
        const port = yield* lending((stream) => http.emit("connection", stream), { alpn: ["h2"] })
        const { stream } = yield* borrowed(port, { alpn: ["h2"] })
        const session = Http2.connect("https://localhost", { createConnection: () => stream })
        const get = (path: string) =>
          Effect.async<string, Error>((resume) => {
            const request = session.request({ ":path": path })
            let text = ""
            request.setEncoding("utf8")
            request.on("data", (chunk: string) => {
              text += chunk
            })
            request.on("error", (error: Error) => resume(Effect.fail(error)))
            request.on("end", () => resume(Effect.succeed(text)))
          })
        const paths = ["/1", "/2", "/3"]
        const texts = yield* Effect.forEach(paths, get, { concurrency: "unbounded" })
        expect(texts).toEqual(["h2 /1", "h2 /2", "h2 /3"])
        const ended = once<void>(session as unknown as Duplex, "close")
        session.close()
        yield* ended
        yield* closed(stream)
      })
    )

    test(
      "T11 undici asks over lent TLS sockets, in HTTP/1.1 and HTTP/2",
      Effect.gen(function*() {
        const runtime = yield* Effect.runtime<Services>()
        const servers = [
          ["http/1.1", Http.createServer(echo)],
          ["h2", Http2.createServer(echo as never)]
        ] as const
        for (const [protocol, server] of servers) {
          const port = yield* lending((stream) => server.emit("connection", stream), { alpn: [protocol] })
          const agent = new Undici.Agent({
            allowH2: protocol === "h2",
            connect: (_options, callback) => {
              Runtime.runCallback(runtime)(borrowed(port, { alpn: [protocol] }), {
                onExit: (exit) => {
                  if (exit._tag === "Success") callback(null, exit.value.stream as never)
                  else callback(new Error(String(exit.cause)), null)
                }
              })
            }
          })
          const ask = (path: string) =>
            Effect.promise(async () => {
              const { body, statusCode } = await agent.request({
                origin: `https://localhost:${port}`,
                path,
                method: "POST",
                body: pattern(100_000)
              })
              return [statusCode, await body.text()]
            })
          const answers = yield* Effect.forEach(["/a", "/b"], ask)
          expect(answers).toEqual([[200, "POST /a 100000"], [200, "POST /b 100000"]])
          yield* Effect.promise(() => agent.destroy())
        }
      })
    )
  })
}
