/** Sessions that are resumed, and contexts that are replaced. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import * as Tls from "../../Tls.js"
import type * as TlsConnection from "../../TlsConnection.js"
import type * as TlsContext from "../../TlsContext.js"
import type { ServerOptions } from "../../TlsContext.js"
import type { Certificates } from "../TlsMaterial.js"
import { failure, same } from "./support.js"
import { dialing, fixture, talks, test, type TlsCase, tlsOf } from "./tlsSupport.js"

interface Rounds {
  readonly context: Tls.ServerContext
  readonly client: Tls.ClientContext
  readonly listener: Listener.InetListener
  /** Connects once more, and says what both sides agreed on. */
  readonly round: (
    tls: TlsContext.ConnectTlsOptions
  ) => Effect.Effect<
    { readonly client: TlsConnection.TlsConnection; readonly server: TlsConnection.TlsConnection },
    unknown,
    Net.Net
  >
  readonly resumed: ReadonlyArray<boolean>
}

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  const rounds = (
    options: ServerOptions,
    count: number
  ): Effect.Effect<Rounds, unknown, Net.Net | Scope.Scope> =>
    Effect.gen(function*() {
      const context = yield* tls.serverContext(options)
      const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: context })
      const client = yield* tls.clientContext()
      const resumed: Array<boolean> = []
      const round: Rounds["round"] = (options) =>
        Effect.scoped(Effect.gen(function*() {
          const [socket, accepted] = yield* Effect.all([dialing(listener, options), listener.accept], {
            concurrency: 2
          })
          // Behind the tickets, so they have come.
          yield* accepted.send("x\n")
          yield* socket.receiveLine()
          const both = { client: tlsOf(socket), server: tlsOf(accepted) }
          resumed.push(both.client.isResumed)
          same(both.server.isResumed, both.client.isResumed, "what the server says")
          // Most is worked out when it is asked for, and here the sockets are open yet.
          void [both.client.peerCertificate, both.server.peerCertificate, both.client.session]
          return both
        }))
      for (let index = 0; index < count; index += 1) yield* round({ context: client })
      return { client, context, listener, resumed, round }
    })

  return [
    test(
      "T10 sessions are kept and offered again, tickets are renewed",
      Effect.gen(function*() {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const { resumed } = yield* rounds({ maxVersion }, 5)
          same(resumed, [false, true, true, true, true], `what was resumed with ${maxVersion}`)
        }
      })
    ),
    test(
      "T10 a resumed connection is verified, and still knows the server's certificate",
      Effect.gen(function*() {
        const { client, round } = yield* rounds({}, 1)
        const again = yield* round({ context: client })
        same(again.client.isResumed, true, "being resumed")
        same(again.client.authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        const shown = Option.getOrThrow(again.client.peerCertificate)
        same(shown.alternativeNames[0]?.value, "localhost", "the certificate")
      })
    ),
    test(
      "T10 a session comes some time after the handshake, and can be handed from one context to another",
      Effect.gen(function*() {
        const listener = yield* tls.listening({ maxVersion: "TLSv1.2" })
        const connect = (options: TlsContext.ConnectTlsOptions) =>
          Effect.map(
            Effect.all([dialing(listener, options), listener.accept], { concurrency: 2 }),
            ([socket]) => tlsOf(socket)
          )
        const first = yield* connect({ context: yield* tls.clientContext({ sessions: 0 }) })
        const session = Option.getOrThrow(first.session)
        const second = yield* connect({ context: yield* tls.clientContext(), session })
        same([first.isResumed, second.isResumed], [false, true], "what was resumed")
      })
    ),
    test(
      "T10 what a server sends at once comes after its tickets: a client that has its first line has the session",
      Effect.gen(function*() {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const listener = yield* tls.listening({ maxVersion })
          for (let count = 0; count < 5; count += 1) {
            const context = yield* tls.clientContext()
            const greeting = Effect.tap(listener.accept, (socket) => socket.send("welcome\n"))
            const [socket] = yield* Effect.all([dialing(listener, { context }), greeting], { concurrency: 2 })
            same(yield* socket.receiveLine(), "welcome", "the line")
            same(Option.isSome(tlsOf(socket).session), true, `the session of ${maxVersion}`)
          }
        }
      })
    ),
    test(
      "T10 bytes that are no session are passed over",
      Effect.gen(function*() {
        const { client, resumed, round } = yield* rounds({}, 0)
        yield* round({ context: client, session: Redacted.make(new Uint8Array([0x30, 0x84, 1, 2])) })
        same(resumed, [false], "what was resumed")
      })
    ),
    test(
      "T10 connections with other keys do not share sessions, with one key they do",
      Effect.gen(function*() {
        const { client, resumed, round } = yield* rounds({}, 0)
        for (const sessionKey of ["control", "control", "other"]) yield* round({ context: client, sessionKey })
        same(resumed, [false, true, false], "what was resumed")
      })
    ),
    test(
      "T10 after the ticket keys were rotated a client does a full handshake, and resumes again",
      Effect.gen(function*() {
        const { client, context, resumed, round } = yield* rounds({}, 2)
        yield* Tls.rotateTicketKeys(context)
        yield* round({ context: client })
        yield* round({ context: client })
        same(resumed, [false, true, false, true], "what was resumed")
      })
    ),
    test(
      "T10 servers with the same ticket keys resume each other's sessions; without tickets nobody does",
      Effect.gen(function*() {
        const keys = Redacted.make(new Uint8Array(48).map((_, index) => index * 5))
        const one = yield* rounds({ tickets: { keys } }, 0)
        const other = yield* rounds({ tickets: { keys } }, 0)
        yield* one.round({ context: one.client, sessionKey: "pool" })
        yield* other.round({ context: one.client, sessionKey: "pool" })
        same(other.resumed, [true], "what was resumed")
        same((yield* rounds({ tickets: false }, 2)).resumed, [false, false], "what was resumed without tickets")
      })
    ),
    test(
      "T10 a session made for one name does not vouch for another",
      Effect.gen(function*() {
        const listener = yield* tls.listening({ maxVersion: "TLSv1.2" })
        const context = yield* tls.clientContext()
        const connect = (serverName: string) =>
          dialing(listener, { context, serverName, sessionKey: "shared" }, "127.0.0.1")
        yield* connect("localhost")
        same(tlsOf(yield* connect("localhost")).isResumed, true, "being resumed")
        same((yield* failure(connect("copas.test"), "TlsError")).reason, "WrongHost", "the reason")
      })
    ),
    test(
      "T12 resumption keeps the client's certificate and its verification",
      Effect.gen(function*() {
        const { client: { identity }, root } = yield* tls.pki
        const { round } = yield* rounds({ clientCertificates: "require", ca: root.pem }, 0)
        const context = yield* tls.clientContext({ identity })
        yield* round({ context })
        const { server } = yield* round({ context })
        same(server.isResumed, true, "being resumed")
        same(server.authorization, { _tag: "Verified", by: "authority" }, "the authorization")
      })
    ),
    test(
      "T10 a replaced context shows the new certificate, and connections that stand continue",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const context = yield* tls.serverContext()
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: context })
        const connect = Effect.flatMap(
          tls.clientContext(),
          (tls) => Effect.all([dialing(listener, tls), listener.accept], { concurrency: 2 })
        )
        const [before, accepted] = yield* connect
        const { identity } = yield* certificates.make({ name: "renewed", hosts: ["localhost"], issuer: root })
        yield* Tls.replace(context, { identity })
        const [after] = yield* connect
        const subject = (socket: typeof after) =>
          Option.getOrThrow(tlsOf(socket).peerCertificate).subject.find(({ name }) => name === "CN")?.value
        same([subject(before), subject(after)], ["localhost", "renewed"], "who is shown")
        yield* talks({ client: before, server: accepted })
        const bad = yield* failure(Tls.replace(context, { identity: { ...identity, key: "none" } }), "TlsError")
        same(bad.part, "key", "what is bad")
        same(subject((yield* connect)[0]), "renewed", "who is shown after what was bad")
      })
    )
  ]
}
