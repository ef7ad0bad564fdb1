/** HTTP and HTTPS over Copas sockets: verification, time-outs, interruption. */
import { Net, Tls } from "@copas/core"
import { NodeNet, NodeUndici } from "@copas/node"
import { HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import { expect, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Scope, Stream } from "effect"
import * as Crypto from "node:crypto"
import type * as Https from "node:https"
import type * as NodeTls from "node:tls"
import * as Certificates from "../certificates.js"
import { pattern } from "../pattern.js"
import * as Fixture from "../tls/fixture.js"
import { turn } from "../turns.js"
import { serve } from "./httpServer.js"

const serverTls = (options: Https.ServerOptions = {}) =>
  Effect.map(Fixture.TestPki, ({ root, server }): Https.ServerOptions => ({
    cert: server.chain,
    key: server.key,
    ca: root.pem,
    ...options
  }))

const client = (options: NodeUndici.Options = {}) =>
  Effect.map(
    Layer.build(NodeUndici.layerHttpClient({ family: "IPv4", ...options })),
    (context) => context.pipe((services) => HttpClient.HttpClient.pipe(Effect.provide(services)))
  ).pipe(Effect.flatten)

const trusting = (options: Parameters<typeof Fixture.clientContext>[0] = {}) =>
  Effect.flatMap(Fixture.clientContext(options), (tls) => client({ tls }))

/** Why a request failed, as the library's own error. */
const causeOf = <A, E, R>(request: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(request), (error) => (error as { readonly cause?: unknown }).cause)

const hello: Parameters<typeof serve>[0] = (request, response) => {
  const { authorized, servername } = request.socket as NodeTls.TLSSocket & { readonly servername?: string }
  response.end(JSON.stringify({ path: request.url, authorized, servername }))
}
const digest = (data: Uint8Array): string => Crypto.createHash("sha256").update(data).digest("hex")

layer(Layer.mergeAll(NodeNet.layer, Fixture.layer), { excludeTestServices: true })("HTTP over Copas sockets", (it) => {
  it.scoped("T11 https.request: the server is verified, asked for by name, and answers", () =>
    Effect.gen(function*() {
      const server = yield* serve(hello, yield* serverTls())
      const http = yield* trusting()
      const response = yield* http.get(`https://localhost:${server.port}/page?x=1`)
      expect(response.status).toBe(200)
      expect(yield* response.json).toMatchObject({ path: "/page?x=1", servername: "localhost" })
    }))

  it.scoped("T11 plain http goes the same way", () =>
    Effect.gen(function*() {
      const server = yield* serve(hello)
      const response = yield* (yield* client()).get(`http://127.0.0.1:${server.port}/plain`)
      expect(yield* response.json).toMatchObject({ path: "/plain" })
    }))

  it.scoped("T11 without saying whom to trust, a server with an authority of its own is Untrusted", () =>
    Effect.gen(function*() {
      const server = yield* serve(hello, yield* serverTls())
      const error = yield* causeOf((yield* client()).get(`https://localhost:${server.port}/`))
      expect(error).toMatchObject({ _tag: "TlsError", reason: "Untrusted" })
      yield* server.awaitNone
    }))

  it.scoped("T11 a certificate for another name, or one that has expired, fails the request with the reason", () =>
    Effect.gen(function*() {
      const { intermediate } = yield* Fixture.TestPki
      const http = yield* trusting()
      const wanted = [
        [{ hosts: ["elsewhere.test"] }, "WrongHost"],
        [{ hosts: ["localhost"], notAfter: new Date(Date.now() - 1000) }, "Expired"]
      ] as const
      for (const [certificate, reason] of wanted) {
        const made = yield* Fixture.makePromise({ ...certificate, issuer: intermediate })
        const server = yield* serve(hello, { cert: made.chain, key: made.key })
        const error = yield* causeOf(http.get(`https://localhost:${server.port}/`))
        expect(error).toMatchObject({ _tag: "TlsError", reason })
      }
    }))

  it.scoped("T11 a client certificate is shown; a range of protocols that the server has none of fails", () =>
    Effect.gen(function*() {
      const pki = yield* Fixture.TestPki
      const server = yield* serve(hello, yield* serverTls({ requestCert: true, rejectUnauthorized: true }))
      const http = yield* trusting({ identity: Certificates.identity(pki.client) })
      const response = yield* http.get(`https://localhost:${server.port}/`)
      expect(yield* response.json).toMatchObject({ authorized: true })
      const old = yield* serve(hello, yield* serverTls({ maxVersion: "TLSv1.2" }))
      const modern = yield* trusting({ minVersion: "TLSv1.3" })
      expect(yield* causeOf(modern.get(`https://localhost:${old.port}/`))).toMatchObject({
        _tag: "TlsError",
        reason: "NoSharedProtocol"
      })
    }))

  it.scoped("T11 a name to verify can be given, and DANE records stand in for authorities", () =>
    Effect.gen(function*() {
      const pki = yield* Fixture.TestPki
      const server = yield* serve(hello, yield* serverTls())
      const context = yield* Fixture.clientContext()
      const named = yield* client({ tls: { context, serverName: "www.copas.test" } })
      const response = yield* named.get(`https://127.0.0.1:${server.port}/`)
      expect(yield* response.json).toMatchObject({ servername: "www.copas.test" })
      const key = Crypto.createHash("sha256").update(
        new Uint8Array(pki.server.certificate.publicKey.rawData)
      ).digest()
      const dane = yield* client({ tls: { dane: [{ usage: 3, selector: 1, matchingType: 1, data: key }] } })
      expect((yield* dane.get(`https://localhost:${server.port}/`)).status).toBe(200)
      const other = yield* client({
        tls: { dane: [{ usage: 3, selector: 1, matchingType: 1, data: new Uint8Array(32) }] }
      })
      expect(yield* causeOf(other.get(`https://localhost:${server.port}/`))).toMatchObject({ reason: "DaneMismatch" })
    }))

  it.scoped("T11 a connection is kept alive; where it is not, the next one resumes its session", () =>
    Effect.gen(function*() {
      const resumed: Array<boolean> = []
      const server = yield* serve((request, response) => {
        resumed.push((request.socket as NodeTls.TLSSocket).isSessionReused())
        if (request.url === "/last") response.setHeader("connection", "close")
        response.end("done")
      }, yield* serverTls())
      const tls = yield* Fixture.clientContext()
      const http = yield* client({ tls, agent: { connections: 1 } })
      const get = (path: string) =>
        Effect.flatMap(http.get(`https://localhost:${server.port}${path}`), (response) => response.text)
      yield* get("/")
      yield* get("/last")
      expect(server.connections()).toBe(1)
      yield* server.awaitNone
      yield* get("/")
      expect(server.connections()).toBe(2)
      expect(resumed).toEqual([false, false, true])
    }))

  it.scoped("T11 bodies stream both ways, whole", () =>
    Effect.gen(function*() {
      const up = pattern(5_000_000)
      const down = pattern(7_000_000)
      const server = yield* serve((request, response) => {
        const hash = Crypto.createHash("sha256")
        request.on("data", (chunk: Buffer) => hash.update(chunk))
        request.on("end", () => {
          response.setHeader("x-digest", hash.digest("hex"))
          response.end(down)
        })
      }, yield* serverTls())
      const http = yield* trusting()
      const chunks = Stream.fromIterable(
        Array.from({ length: 50 }, (_, at) => up.subarray(at * 100_000, (at + 1) * 100_000))
      )
      const response = yield* http.execute(
        HttpClientRequest.post(`https://localhost:${server.port}/`).pipe(
          HttpClientRequest.setBody(HttpBody.stream(chunks, "application/octet-stream"))
        )
      )
      const got = yield* Stream.runCollect(response.stream)
      expect(digest(Buffer.concat(Array.from(got)))).toBe(digest(down))
      expect(response.headers["x-digest"]).toBe(digest(up))
    }))

  it.scoped("T11 a response that nobody reads stops its sender, and leaving the scope closes the connection", () =>
    Effect.gen(function*() {
      const whole = 64 * 1024 * 1024
      let drained = false
      const server = yield* serve((_request, response) => {
        response.on("error", () => {})
        response.write(new Uint8Array(whole), () => {
          drained = true
        })
      })
      const scope = yield* Scope.make()
      const http = yield* Scope.extend(client(), scope)
      const response = yield* http.get(`http://127.0.0.1:${server.port}/`)
      expect(response.status).toBe(200)
      const net = yield* Net.Net
      for (let turns = 0; turns < 500; turns++) yield* turn
      expect(drained).toBe(false)
      const { bytesReceived } = yield* net.bytes
      expect(bytesReceived).toBeLessThan(whole / 2)
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      yield* server.awaitNone
      expect(yield* net.sockets).toHaveLength(0)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("T11 a body that only the connection's end ends: whole when the server ends it, a failure when this side does", () =>
    Effect.gen(function*() {
      const server = yield* serve((request, response) => {
        response.useChunkedEncodingByDefault = false
        response.setHeader("connection", "close")
        if (request.url === "/whole") response.end("all of it")
        else response.write("some of it")
      })
      const http = yield* client()
      const whole = yield* http.get(`http://127.0.0.1:${server.port}/whole`)
      expect(yield* whole.text).toBe("all of it")
      const cut = yield* http.get(`http://127.0.0.1:${server.port}/cut`)
      expect(cut.headers["transfer-encoding"]).toBeUndefined()
      const reading = yield* Effect.fork(Effect.flip(cut.text))
      const { sockets } = yield* Net.Net
      yield* Effect.forEach(yield* sockets, (socket) => socket.abort, { discard: true })
      expect(yield* Fiber.join(reading)).toMatchObject({ _tag: "ResponseError" })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("T11 interrupting a request closes its connection", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const server = yield* serve(() => Effect.runFork(Deferred.succeed(asked, undefined)), yield* serverTls())
      const http = yield* trusting()
      const fiber = yield* Effect.fork(http.get(`https://localhost:${server.port}/`))
      yield* Deferred.await(asked)
      expect(server.open()).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* server.awaitNone
    }))

  it.scoped("T11 nobody home, a silent server and a truncated response are told apart", () =>
    Effect.gen(function*() {
      const closed = yield* Effect.scoped(Effect.map(serve(hello), ({ port }) => port))
      const http = yield* client({ timeouts: { receive: "100 millis" } })
      expect(yield* causeOf(http.get(`http://127.0.0.1:${closed}/`))).toMatchObject({
        _tag: "ConnectError",
        reason: "Refused"
      })
      const silent = yield* serve(() => {})
      expect(yield* causeOf(http.get(`http://127.0.0.1:${silent.port}/`))).toMatchObject({
        _tag: "SocketTimeout",
        operation: "receive"
      })
      const short = yield* serve((_request, response) => {
        response.setHeader("content-length", "100")
        response.write("half", () => response.destroy())
      })
      const body = Effect.flatMap(http.get(`http://127.0.0.1:${short.port}/`), (response) => response.text)
      expect(yield* Effect.flip(body)).toMatchObject({ _tag: "ResponseError" })
      expect(yield* causeOf(http.get("http://nobody.invalid/"))).toMatchObject({
        _tag: "ConnectError",
        reason: "HostNotFound"
      })
    }))

  /** A server that answers with what it got, once it has all of it. */
  const counting: Parameters<typeof serve>[0] = (request, response) => {
    let got = 0
    request.on("data", (chunk: Buffer) => {
      got += chunk.length
    })
    request.on("end", () => response.end(String(got)))
  }

  const posting = (port: number, body: Stream.Stream<Uint8Array>) =>
    HttpClientRequest.post(`http://127.0.0.1:${port}/`).pipe(
      HttpClientRequest.setBody(HttpBody.stream(body, "application/octet-stream"))
    )

  it.scoped("T11 an upload may take longer than the receive time-out, also when its body comes slower than that", () =>
    Effect.gen(function*() {
      const server = yield* serve(counting)
      for (const pause of ["20 millis", "150 millis"] as const) {
        const http = yield* client({ timeouts: { receive: "100 millis", send: "100 millis" } })
        const body = Stream.fromIterable(Array.from({ length: 10 }, () => pattern(1000))).pipe(
          Stream.mapEffect((chunk) => Effect.delay(Effect.succeed(chunk), pause))
        )
        const response = yield* http.execute(posting(server.port, body))
        expect(yield* response.text).toBe("10000")
      }
    }))

  it.scoped("T11 after an upload the receive time-out counts while the answer is awaited", () =>
    Effect.gen(function*() {
      const server = yield* serve((request) => void request.resume())
      const http = yield* client({ timeouts: { receive: "100 millis" } })
      const error = yield* causeOf(http.execute(posting(server.port, Stream.make(pattern(1000)))))
      expect(error).toMatchObject({ _tag: "SocketTimeout", operation: "receive", afterMillis: 100 })
    }))

  it.scoped("T11 a server that takes nothing of an upload, and says nothing, is a time-out in either direction", () =>
    Effect.gen(function*() {
      const server = yield* serve((request) => void request.pause())
      const body = Stream.repeatEffect(Effect.succeed(pattern(100_000)))
      for (const operation of ["send", "receive"] as const) {
        const http = yield* client({ timeouts: { [operation]: "150 millis" } })
        expect(yield* causeOf(http.execute(posting(server.port, body)))).toMatchObject({
          _tag: "SocketTimeout",
          operation,
          afterMillis: 150
        })
      }
    }))

  it.scoped("T11 an answer that comes while the upload stands still keeps the connection, and the other way round", () =>
    Effect.gen(function*() {
      // It reads nothing before it has said all that it has to say, which takes longer than the time-outs.
      const server = yield* serve((request, response) => {
        request.pause()
        let left = 10
        const timer = setInterval(() => {
          left -= 1
          response.write("tick")
          if (left > 0) return
          clearInterval(timer)
          request.resume()
          request.on("end", () => response.end())
        }, 40)
      })
      const http = yield* client({ timeouts: { receive: "150 millis", send: "150 millis" } })
      const body = Stream.make(pattern(20_000_000))
      const response = yield* http.execute(posting(server.port, body))
      expect(yield* response.text).toBe("tick".repeat(10))
    }))

  it.scoped("T11 a kept-alive connection without a request outlives the receive time-out", () =>
    Effect.gen(function*() {
      const server = yield* serve(hello)
      const http = yield* client({ timeouts: { receive: "50 millis" }, agent: { connections: 1 } })
      const get = Effect.flatMap(http.get(`http://127.0.0.1:${server.port}/`), (response) => response.text)
      yield* get
      yield* Effect.sleep("200 millis")
      yield* get
      expect(server.connections()).toBe(1)
    }))

  it.scoped("T11 a wrong option fails when the client is made or the request, with its name", () =>
    Effect.gen(function*() {
      const http = yield* client({ timeouts: { send: "-1 seconds" } })
      expect(yield* causeOf(http.get("http://127.0.0.1:1/"))).toMatchObject({
        _tag: "InvalidOption",
        option: "timeouts.send"
      })
      const bad = yield* Effect.flip(Tls.client({ ca: "no certificate" }))
      expect(bad).toMatchObject({ _tag: "TlsError", reason: "BadMaterial" })
    }))
})
