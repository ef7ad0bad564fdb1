/** Connections under TLS that are cut anywhere. */
import { Net, type TlsContext } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeNetwork from "node:net"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"
import { backTo, sockets } from "./support.js"

/** Stands in between, and ends or resets the connection after a number of bytes from the server. */
const cutter = (port: number, after: number, how: "end" | "reset") =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly passed: () => number; readonly close: () => void }>((resume) => {
      let passed = 0
      const open = new Set<NodeNetwork.Socket>()
      const server = NodeNetwork.createServer({ allowHalfOpen: true }, (client) => {
        const upstream = NodeNetwork.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
        for (const socket of [client, upstream]) {
          open.add(socket)
          socket.on("error", () => undefined)
        }
        client.on("data", (chunk) => upstream.write(chunk))
        client.on("end", () => upstream.end())
        client.on("close", () => upstream.destroy())
        upstream.on("data", (chunk) => {
          if (passed >= after) return
          const part = chunk.subarray(0, after - passed)
          passed += part.length
          client.write(part)
          if (passed < after) return
          if (how === "end") client.end()
          else client.resetAndDestroy()
        })
        upstream.on("end", () => client.end())
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          port: (server.address() as NodeNetwork.AddressInfo).port,
          passed: () => passed,
          close: () => {
            server.close()
            for (const socket of open) socket.destroy()
          }
        })))
    }),
    (made) => Effect.sync(made.close)
  )

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const message = "all of it, and not a byte less"

  /**
   * What its server shows. RSA, because an ECDSA signature has 70 to 72 bytes: then a conversation that is two bytes shorter
   * than the first would be whole where this one is cut.
   */
  const identity = Effect.map(
    Effect.flatMap(
      Fixture.TestPki,
      ({ intermediate }) =>
        Effect.promise(() => Certificates.make({ kind: "rsa", hosts: ["localhost"], issuer: intermediate }))
    ),
    Certificates.identity
  )

  /** What a client reads of a message that is cut off after a number of bytes of the connection. */
  const cut = (
    after: number,
    how: "end" | "reset",
    options: TlsContext.ClientOptions,
    server: Pick<TlsContext.ServerOptions, "identity" | "maxVersion">
  ) =>
    Effect.scoped(Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext(server) })
      const between = yield* cutter(listener.port, after, how)
      yield* Effect.forkScoped(
        Effect.exit(Effect.scoped(Effect.flatMap(listener.accept, (socket) => socket.send(message))))
      )
      const context = yield* Fixture.clientContext({ sessions: 0, ...options })
      const outcome = yield* Effect.either(Effect.scoped(Effect.flatMap(
        Net.connect({ host: "127.0.0.1", port: between.port, linger: 0, tls: { context, serverName: "localhost" } }),
        (socket) => Effect.map(socket.receiveAll(), (bytes) => Buffer.from(bytes).toString())
      )))
      return { outcome, passed: between.passed() }
    }))

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(
      `T02 with \`requireCloseNotify\` no cut of the connection passes for the end, wherever it is (${maxVersion})`,
      () =>
        Effect.gen(function*() {
          const before = yield* sockets
          const server = { identity: yield* identity, maxVersion }
          const whole = yield* cut(Infinity, "end", { requireCloseNotify: true }, server)
          expect(whole.outcome).toMatchObject({ _tag: "Right", right: message })
          const seen = new Set<string>()
          const tried = (after: number) =>
            Effect.gen(function*() {
              const how = after % 2 === 0 ? "end" : "reset"
              const { outcome } = yield* cut(after, how, { requireCloseNotify: true }, server)
              if (outcome._tag === "Right") throw new Error(`${after} of ${whole.passed} bytes passed for the whole`)
              seen.add(outcome.left._tag)
              const { left } = outcome
              if (left._tag === "TlsError") expect(left.reason).toBe("ClosedInHandshake")
              else {expect(left).toMatchObject({
                  _tag: "SocketBroken",
                  reason: expect.stringMatching(/^(Truncated|Reset)$/)
                })}
            })
          const name = `a cut connection (${maxVersion})`
          // Records end among the last bytes, and all of them matter there; the certificate in between is long.
          yield* Sampling.forEachIn(name, { from: 1, to: 20 }, tried)
          yield* Sampling.forEachIn(name, { from: 20, to: whole.passed - 90, stride: 331, longStride: 37 }, tried)
          yield* Sampling.forEachIn(name, { from: whole.passed - 90, to: whole.passed - 1, stride: 5 }, tried)
          if (!Sampling.isRepeat()) expect(seen).toEqual(new Set(["TlsError", "SocketBroken"]))
          yield* backTo(before)
        })
    )

    it.scoped(`T02 without it an end is an end, but nobody gets a byte of a record that was cut (${maxVersion})`, () =>
      Effect.gen(function*() {
        const server = { identity: yield* identity, maxVersion }
        const whole = yield* cut(Infinity, "end", {}, server)
        yield* Sampling.forEachIn(
          `a record that was cut (${maxVersion})`,
          { from: whole.passed - 80, to: whole.passed, stride: 5 },
          (after) =>
            Effect.gen(function*() {
              const { outcome } = yield* cut(after, "end", {}, server)
              // The record comes whole, or nothing of it.
              if (outcome._tag === "Right") expect(["", message]).toContain(outcome.right)
              else expect(outcome.left).toMatchObject({ _tag: "SocketBroken" })
            })
        )
      }))
  }

  it.scoped("T02 a byte that is changed on the way breaks the connection with TLS's own reason, and is not delivered", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      yield* Effect.forkScoped(Effect.forever(
        Effect.exit(Effect.scoped(Effect.flatMap(listener.accept, (socket) => socket.send(message))))
      ))
      const context = yield* Fixture.clientContext({ sessions: 0 })
      let changed = 0
      for (let at = 0; at < 40; at += 1) {
        yield* Effect.scoped(Effect.gen(function*() {
          const relay = yield* Effect.acquireRelease(
            Effect.async<NodeNetwork.Server>((resume) => {
              const server = NodeNetwork.createServer((client) => {
                const upstream = NodeNetwork.connect(listener.port, "127.0.0.1")
                client.on("error", () => undefined).on("data", (chunk) => upstream.write(chunk))
                client.on("close", () => upstream.destroy())
                upstream.on("error", () => undefined).on("data", (chunk) => {
                  const copy = Buffer.from(chunk)
                  copy[Math.floor(copy.length * at / 40)]! ^= 1
                  client.write(copy)
                }).on("close", () => client.end())
              })
              server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
            }),
            (server) => Effect.sync(() => void server.close())
          )
          const { port } = relay.address() as NodeNetwork.AddressInfo
          const outcome = yield* Effect.either(Effect.flatMap(
            Net.connect({ host: "127.0.0.1", port, linger: 0, tls: { context, serverName: "localhost" } }),
            (socket) => socket.receiveAll()
          ))
          expect(outcome).toMatchObject({ _tag: "Left" })
          changed += 1
        }))
      }
      expect(changed).toBe(40)
    }))
})
