/** Sessions that are kept, offered, handed over and refused. */
import type { TlsContext } from "@copas/core"
import { Net, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const resumptions = (server: Parameters<typeof Fixture.serverContext>[0], rounds: number) =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext(server)
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: context })
      const client = yield* Fixture.clientContext()
      const resumed: Array<boolean> = []
      const round = (tls: TlsContext.ConnectTlsOptions) =>
        Effect.scoped(Effect.gen(function*() {
          const [socket, accepted] = yield* Effect.all([
            Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 }),
            listener.accept
          ], { concurrency: 2 })
          // Behind the tickets, so they have come.
          yield* accepted.send("x\n")
          yield* socket.receiveLine()
          resumed.push(Fixture.tlsOf(socket).isResumed)
          expect(Fixture.tlsOf(accepted).isResumed).toBe(Fixture.tlsOf(socket).isResumed)
          return Fixture.tlsOf(socket)
        }))
      for (let index = 0; index < rounds; index += 1) yield* round({ context: client })
      return { context, client, round, resumed }
    })

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T10 sessions are kept and offered again, tickets are renewed (${version})`, () =>
      Effect.gen(function*() {
        const { resumed } = yield* resumptions({ maxVersion: version }, 5)
        expect(resumed).toEqual([false, true, true, true, true])
      }))
  }

  it.scoped("T10 a resumed connection is verified, and still knows the server's certificate", () =>
    Effect.gen(function*() {
      const { client, round } = yield* resumptions({}, 1)
      const tls = yield* round({ context: client })
      expect(tls.isResumed).toBe(true)
      expect(tls.authorization).toEqual({ _tag: "Verified", by: "authority" })
      expect(Option.map(tls.peerCertificate, (certificate) => certificate.alternativeNames[0]?.value)).toEqual(
        Option.some("localhost")
      )
    }))

  it.scoped("T10 a session can be handed from one context to another", () =>
    Effect.gen(function*() {
      const { round, resumed } = yield* resumptions({ maxVersion: "TLSv1.2" }, 0)
      const { session } = yield* round({ context: yield* Fixture.clientContext({ sessions: 0 }) })
      yield* round({ context: yield* Fixture.clientContext(), session: Option.getOrThrow(session) })
      expect(resumed).toEqual([false, true])
    }))

  it.scoped("T10 bytes that are no session are passed over", () =>
    Effect.gen(function*() {
      const { client, round, resumed } = yield* resumptions({}, 0)
      yield* round({ context: client, session: Redacted.make(new Uint8Array([0x30, 0x84, 1, 2])) })
      expect(resumed).toEqual([false])
    }))

  it.scoped("T10 connections with other keys do not share sessions, with one key they do", () =>
    Effect.gen(function*() {
      const { client, round, resumed } = yield* resumptions({}, 0)
      yield* round({ context: client, sessionKey: "control" })
      yield* round({ context: client, sessionKey: "control" })
      yield* round({ context: client, sessionKey: "other" })
      expect(resumed).toEqual([false, true, false])
    }))

  it.scoped("T10 after the ticket keys were rotated a client does a full handshake, and resumes again", () =>
    Effect.gen(function*() {
      const { client, context, resumed, round } = yield* resumptions({}, 2)
      yield* Tls.rotateTicketKeys(context)
      yield* round({ context: client })
      yield* round({ context: client })
      expect(resumed).toEqual([false, true, false, true])
    }))

  it.scoped("T10 servers with the same ticket keys resume each other's sessions; without tickets nobody does", () =>
    Effect.gen(function*() {
      const keys = Redacted.make(new Uint8Array(Crypto.randomBytes(48)))
      const one = yield* resumptions({ tickets: { keys } }, 0)
      const other = yield* resumptions({ tickets: { keys } }, 0)
      yield* one.round({ context: one.client, sessionKey: "pool" })
      yield* other.round({ context: one.client, sessionKey: "pool" })
      expect(other.resumed).toEqual([true])
      const { resumed } = yield* resumptions({ tickets: false }, 2)
      expect(resumed).toEqual([false, false])
    }))

  it.scoped("T10 a replaced context shows the new certificate, and connections that stand continue", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const context = yield* Fixture.serverContext()
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: context })
      const connect = Effect.flatMap(Fixture.clientContext(), (tls) =>
        Effect.all([
          Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 }),
          listener.accept
        ], { concurrency: 2 }))
      const [before, accepted] = yield* connect
      const renewed = yield* Fixture.makePromise({ name: "renewed", hosts: ["localhost"], issuer: root })
      yield* Tls.replace(context, { identity: Certificates.identity(renewed) })
      const [after] = yield* connect
      const subject = (socket: typeof after) =>
        Option.getOrThrow(Fixture.tlsOf(socket).peerCertificate).subject[0]?.value
      expect([subject(before), subject(after)]).toEqual(["localhost", "renewed"])
      yield* before.send("on\n")
      expect(yield* accepted.receiveLine()).toBe("on")
    }))
})
