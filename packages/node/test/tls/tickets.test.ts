/** Lifetimes, keys and renewal of tickets. */
import { Net, Tls, type TlsContext } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Certificates from "../certificates.js"
import { randomFrom } from "../random.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const start = (options: TlsContext.ServerOptions) =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext(options)
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: context })
      const client = yield* Fixture.clientContext()
      /** Connects once more: whether that resumed, and the newest session. */
      const round = (tls: TlsContext.ConnectTlsOptions = { context: client }) =>
        Effect.scoped(Effect.gen(function*() {
          const [socket, accepted] = yield* Effect.all([
            Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 }),
            // A handshake that failed in an earlier round may be reported only now.
            Effect.retry(listener.accept, { while: (error) => error._tag === "AcceptError" })
          ], { concurrency: 2 })
          // Tickets of TLS 1.3 come with what the server says first, or behind it.
          for (const line of ["one", "two"]) {
            yield* accepted.send(`${line}\n`)
            yield* socket.receiveLine()
          }
          const { authorization, isResumed, session } = Fixture.tlsOf(socket)
          expect(authorization).toEqual({ _tag: "Verified", by: "authority" })
          return { isResumed, session: Option.getOrElse(Option.map(session, Redacted.value), () => new Uint8Array(0)) }
        }))
      const resumed = Effect.map(round(), ({ isResumed }) => isResumed)
      return { client, context, resumed, round }
    })

  /** The number in the field `[n]` of a session, as OpenSSL writes it (SSL_SESSION_ASN1). */
  const field = (session: Uint8Array, wanted: number): number => {
    const lengthAt = (at: number): { readonly from: number; readonly size: number } => {
      const first = session[at + 1]!
      if (first < 0x80) return { from: at + 2, size: first }
      let size = 0
      for (let index = 0; index < (first & 0x7f); index += 1) size = size * 256 + session[at + 2 + index]!
      return { from: at + 2 + (first & 0x7f), size }
    }
    // From 22.23 on Node puts a header of its own before it.
    const begin = Buffer.from(session).indexOf(Buffer.from([0x30, 0x82]))
    for (let at = lengthAt(begin).from; at < session.length;) {
      const { from, size } = lengthAt(at)
      if (session[at] === (0xa0 | wanted)) {
        return Array.from(session.subarray(from + 2, from + size)).reduce((total, byte) => total * 256 + byte, 0)
      }
      at = from + size
    }
    return -1
  }
  const lifetimeHint = 9

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T10 a ticket lives 5 minutes, or as long as it is said (${maxVersion})`, () =>
      Effect.gen(function*() {
        const hint = (lifetime: TlsContext.TicketOptions["lifetime"]) =>
          Effect.flatMap(start({ maxVersion, tickets: { lifetime } }), ({ round }) =>
            Effect.map(round(), ({ session }) => field(session, lifetimeHint)))
        expect(
          yield* Effect.flatMap(start({ maxVersion }), ({ round }) =>
            Effect.map(round(), ({ session }) =>
              field(session, lifetimeHint)))
        ).toBe(300)
        expect(yield* hint("90 seconds")).toBe(90)
        expect(yield* hint("7 days")).toBe(604_800)
        expect(yield* hint(undefined)).toBe(300)
      }))

    it.scoped(`T10 rotating keys again and again, with and without connections between, never fails a client (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { context, resumed } = yield* start({ maxVersion })
        const seen: Array<boolean> = []
        for (let round = 0; round < 5; round += 1) {
          seen.push(yield* resumed, yield* resumed)
          yield* Tls.rotateTicketKeys(context)
          if (round % 2 === 0) yield* Tls.rotateTicketKeys(context)
        }
        expect(seen).toEqual([false, true, false, true, false, true, false, true, false, true])
      }))

    it.scoped(`T10 a replaced context takes no ticket from before, except for keys that were given (${maxVersion})`, () =>
      Effect.gen(function*() {
        const identity = Certificates.identity((yield* Fixture.TestPki).server)
        const keys = Redacted.make(new Uint8Array(Crypto.randomBytes(48)))
        const fresh = yield* start({ maxVersion })
        expect([yield* fresh.resumed, yield* fresh.resumed]).toEqual([false, true])
        yield* Tls.replace(fresh.context, { identity, maxVersion })
        expect([yield* fresh.resumed, yield* fresh.resumed]).toEqual([false, true])
        const shared = yield* start({ maxVersion, tickets: { keys } })
        expect([yield* shared.resumed, yield* shared.resumed]).toEqual([false, true])
        yield* Tls.replace(shared.context, { identity, maxVersion, tickets: { keys } })
        expect(yield* shared.resumed).toBe(true)
        // What cannot be used changes nothing, the keys of tickets neither.
        const wrong = yield* Effect.flip(Tls.replace(shared.context, { identity: { ...identity, key: "no key" } }))
        expect(wrong).toMatchObject({ reason: "BadMaterial", part: "key" })
        expect(yield* shared.resumed).toBe(true)
        yield* Tls.rotateTicketKeys(shared.context)
        expect(yield* shared.resumed).toBe(false)
        yield* Tls.replace(shared.context, { identity, maxVersion, tickets: false })
        expect([yield* shared.resumed, yield* shared.resumed]).toEqual([false, false])
      }))

    it.scoped(
      `T10 a session with changed bytes is passed over or refused by the server, and nothing else happens (${maxVersion})`,
      () =>
        Effect.gen(function*() {
          const { round } = yield* start({ maxVersion })
          const context = yield* Fixture.clientContext({ sessions: 0 })
          const { session } = yield* round({ context })
          const size = { short: 20, long: 60 }
          let resumed = 0
          yield* Sampling.forEachSeed(size, (seed) =>
            Effect.gen(function*() {
              const random = randomFrom(seed)
              const changed = session.slice()
              changed[Math.floor(random() * changed.length)]! ^= 1 + Math.floor(random() * 255)
              const exit = yield* Effect.exit(
                Effect.timeout(round({ context, session: Redacted.make(changed) }), "5 seconds")
              )
              if (exit._tag === "Success" && exit.value.isResumed) resumed += 1
              // Each one is reported: as a full handshake, as a resumed one, or as a typed error.
              if (exit._tag === "Failure") {
                expect([Cause.isDie(exit.cause), String(exit.cause)]).toEqual([
                  false,
                  expect.not.stringContaining("Timeout")
                ])
              }
            }))
          if (!Sampling.isRepeat()) expect(resumed).toBeLessThan(Sampling.size(size))
          expect((yield* round({ context, session: Redacted.make(session) })).isResumed).toBe(true)
        })
    )
  }

  it.scoped("T10 keys of a wrong length and lifetimes that RFC 8446 does not allow are `BadMaterial` of `tickets`", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<TlsContext.TicketOptions> = [
        { keys: Redacted.make(new Uint8Array(47)) },
        { keys: Redacted.make(new Uint8Array(0)) },
        { keys: Redacted.make(new Uint8Array(49)) },
        { lifetime: 0 },
        { lifetime: "999 millis" },
        { lifetime: "8 days" },
        { lifetime: Infinity }
      ]
      for (const tickets of wrong) {
        expect(yield* Effect.flip(Fixture.serverContext({ tickets }))).toMatchObject({
          reason: "BadMaterial",
          part: "tickets"
        })
      }
    }))

  it.scoped("T10 the sessions of a context are bounded: the server that was not asked longest is forgotten", () =>
    Effect.gen(function*() {
      const { round } = yield* start({ maxVersion: "TLSv1.2" })
      const context = yield* Fixture.clientContext({ sessions: 2 })
      const resumes = (sessionKey: string) => Effect.map(round({ context, sessionKey }), ({ isResumed }) => isResumed)
      for (const key of ["a", "b", "a", "c"]) yield* resumes(key)
      expect([yield* resumes("a"), yield* resumes("b")]).toEqual([true, false])
    }))
})
