/** What clients of other libraries see when their certificate is refused. */
import { Net as CopasNet } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RawNet from "node:net"
import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"
import { backTo, sockets } from "./support.js"

/** What a client of Node's own sees: the code of its error, or `end`. */
const seen = (options: Tls.ConnectionOptions): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    const socket = Tls.connect(options)
    let told: string | undefined
    socket.on("error", (error: NodeJS.ErrnoException) => told ??= error.code)
    socket.on("end", () => told ??= "end")
    socket.on("close", () => resume(Effect.succeed(told)))
    socket.resume()
  })

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T12 a client of another library hears an alert when its certificate is refused, and no descriptor stays (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { root } = yield* Fixture.TestPki
        const stranger = yield* Fixture.makePromise({ name: "stranger", usage: "client" })
        const before = yield* sockets
        const listener = yield* listening(maxVersion)
        const { cert, key } = { cert: stranger.pem, key: stranger.key }
        const [told, error] = yield* Effect.all([
          seen({ port: listener.port, host: "127.0.0.1", servername: "localhost", ca: root.pem, cert, key }),
          Effect.flip(listener.accept)
        ], { concurrency: 2 })
        expect(error).toMatchObject({ reason: "Handshake", cause: { reason: "SelfSigned" } })
        expect(told).toMatch(/^ERR_SSL_.*ALERT/)
        // The listener is one of them.
        yield* backTo(before + 1)
      }))
  }

  it.scoped("T12 a client that takes no notice of its refusal is cut off after a second, and no descriptor stays", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const stranger = yield* Fixture.makePromise({ name: "stranger", usage: "client" })
      const listener = yield* listening("TLSv1.3")
      const before = yield* sockets
      const raw = yield* Effect.acquireRelease(
        Effect.sync(() => RawNet.connect(listener.port, "127.0.0.1")),
        (raw) => Effect.sync(() => raw.destroy())
      )
      raw.on("error", () => {})
      let flights = 0
      const deaf = new Duplex({
        read: () => {},
        write: (chunk, _, done) => {
          flights += 1
          // From its second flight on, which has the certificate, it reads nothing: neither the alert nor the end.
          if (flights === 2) raw.pause()
          raw.write(chunk as Buffer, done)
        }
      })
      raw.on("data", (chunk) => deaf.push(chunk))
      const { cert, key } = { cert: stranger.pem, key: stranger.key }
      Tls.connect({ socket: deaf, servername: "localhost", ca: root.pem, cert, key })
      expect(yield* Effect.flip(listener.accept)).toMatchObject({ cause: { reason: "SelfSigned" } })
      // The client's own descriptor is all that is left.
      yield* backTo(before + 1)
      expect([raw.destroyed, raw.readableEnded]).toEqual([false, false])
    }))

  const listening = (maxVersion: "TLSv1.2" | "TLSv1.3") =>
    Effect.gen(function*() {
      const { root, server } = yield* Fixture.TestPki
      const tls = yield* Fixture.serverContext({
        identity: Certificates.identity(server),
        ca: root.pem,
        clientCertificates: "require",
        maxVersion
      })
      return yield* CopasNet.listen({ host: "127.0.0.1", port: 0, linger: 0, tls })
    })
})
