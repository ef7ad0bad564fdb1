/** Server names, and contexts by name. */
import type { Listener } from "@copas/core"
import { Net, type Socket, Tls, type TlsContext } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"

const versions = ["TLSv1.2", "TLSv1.3"] as const

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const shownName = (socket: Socket.Socket) =>
    Option.getOrThrow(Fixture.tlsOf(socket).peerCertificate).alternativeNames[0]?.value

  const named = (name: string) =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({ hosts: [name], issuer: root })
      return yield* Tls.server({ identity: Certificates.identity(made) })
    })

  // ---- T03

  it.scoped("T03 names of a table match whatever their case, their last dot, and whether they are written in Unicode", () =>
    Effect.gen(function*() {
      const serverNames = {
        "Upper.Copas.Test.": yield* named("upper.copas.test"),
        "münchen.test": yield* named("xn--mnchen-3ya.test"),
        "*.Bücher.test": yield* named("*.xn--bcher-kva.test"),
        // No client asks for an address (RFC 6066, section 3).
        "127.0.0.1": yield* named("127.0.0.1")
      }
      for (
        const [asked, shown] of [
          ["upper.copas.test", "upper.copas.test"],
          ["UPPER.copas.test.", "upper.copas.test"],
          ["xn--mnchen-3ya.test", "xn--mnchen-3ya.test"],
          ["MÜNCHEN.test", "xn--mnchen-3ya.test"],
          ["kafka.bücher.test", "*.xn--bcher-kva.test"],
          ["a.b.bücher.test", "localhost"],
          ["bücher.test", "localhost"],
          ["127.0.0.1", "localhost"],
          ["upper.copas.test.evil.test", "localhost"]
        ] as const
      ) {
        const { client } = yield* Fixture.pair({
          server: { serverNames },
          client: { verify: "chain" },
          connect: { serverName: asked }
        })
        expect([asked, shownName(client)]).toEqual([asked, shown])
      }
    }))

  const rounds = (server: TlsContext.ServerOptions, serverNames: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext(server) })
      const context = yield* Fixture.clientContext({ verify: "chain" })
      return yield* Effect.forEach(serverNames, (serverName) =>
        Effect.scoped(Effect.gen(function*() {
          const tls = { context, serverName, sessionKey: "one for all" }
          const [client, accepted] = yield* Effect.all([
            Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, tls }),
            listener.accept
          ], { concurrency: 2 })
          yield* accepted.send("behind the tickets\n")
          yield* client.receiveLine()
          return [Fixture.tlsOf(accepted).isResumed, Option.getOrNull(Fixture.tlsOf(accepted).serverName)]
        })))
    })

  for (const maxVersion of versions) {
    it.scoped(`T03 T10 a resumed connection still tells the name that was asked for, and a strict server takes it (${maxVersion})`, () =>
      Effect.gen(function*() {
        const names = ["one.copas.test", "one.copas.test", "one.copas.test"]
        const expected = [[false, names[0]], [true, names[0]], [true, names[0]]]
        expect(yield* rounds({ maxVersion }, names)).toEqual(expected)
        const serverNames = { "one.copas.test": yield* named("one.copas.test") }
        expect(yield* rounds({ maxVersion, serverNames }, names)).toEqual(expected)
        expect(yield* rounds({ maxVersion, serverNames, unknownServerName: "refuse" }, names)).toEqual(expected)
      }))
  }

  // ---- T03 with T12: what a name's own context wants of clients

  const parties = Effect.gen(function*() {
    const pki = yield* Fixture.TestPki
    const others = yield* Effect.promise(() => Certificates.authority({ name: "Others" }))
    const mallory = yield* Fixture.makePromise({ name: "mallory", usage: "client", issuer: others })
    return {
      ...pki,
      others,
      own: Certificates.identity(pki.server),
      alice: Certificates.identity(pki.client),
      mallory: Certificates.identity(mallory)
    }
  })

  /** How a server sees a client that asks for a name, or why it would not have it. */
  const seen = (
    listener: Listener.InetListener,
    context: Tls.ClientContext,
    serverName: string
  ) =>
    Effect.scoped(Effect.gen(function*() {
      const connecting = Effect.exit(
        Effect.flatMap(
          Net.connect({
            host: "127.0.0.1",
            port: listener.port,
            linger: 0,
            tls: { context, serverName, sessionKey: "one for all" }
          }),
          (socket) => socket.receiveLine()
        )
      )
      const accepting = Effect.either(Effect.tap(listener.accept, (socket) => socket.send("behind the tickets\n")))
      const [, accepted] = yield* Effect.all([connecting, accepting], { concurrency: 2 })
      return accepted._tag === "Right"
        ? Fixture.tlsOf(accepted.right).authorization._tag
        : (accepted.left as { readonly cause?: { readonly reason?: string } }).cause?.reason
    }))

  for (const maxVersion of versions) {
    const listen = (options: TlsContext.ServerOptions) =>
      Effect.flatMap(
        Fixture.serverContext({ maxVersion, ...options }),
        (tls) => Net.listen({ port: 0, linger: 0, tls })
      )

    it.scoped(`T03 T12 a name whose context requires a certificate lets nobody in without one (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { alice, own, root } = yield* parties
        const strict = yield* Tls.server({ identity: own, clientCertificates: "require", ca: root.pem })
        const listener = yield* listen({ serverNames: { "strict.copas.test": strict } })
        const anybody = yield* Fixture.clientContext()
        expect(yield* seen(listener, anybody, "strict.copas.test")).toBe("NoCertificate")
        expect(yield* seen(listener, anybody, "localhost")).toBe("Anonymous")
        const known = yield* Fixture.clientContext({ identity: alice })
        expect(yield* seen(listener, known, "strict.copas.test")).toBe("Verified")
        expect(yield* seen(listener, known, "localhost")).toBe("Anonymous")
      }))

    it.scoped(`T03 T12 a name's context may ask for less than the listener's (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { mallory, own, root } = yield* parties
        const open = yield* Tls.server({ identity: own, clientCertificates: "none" })
        const lax = yield* Tls.server({ identity: own, clientCertificates: "request", verify: "none", ca: root.pem })
        const listener = yield* listen({
          clientCertificates: "require",
          ca: root.pem,
          serverNames: { "open.copas.test": open, "lax.copas.test": lax }
        })
        const anybody = yield* Fixture.clientContext()
        expect(yield* seen(listener, anybody, "open.copas.test")).toBe("Anonymous")
        expect(yield* seen(listener, anybody, "localhost")).toBe("NoCertificate")
        const stranger = yield* Fixture.clientContext({ identity: mallory })
        expect(yield* seen(listener, stranger, "lax.copas.test")).toBe("Unverified")
        expect(yield* seen(listener, stranger, "localhost")).toBe("Untrusted")
      }))

    it.scoped(`T03 T12 a name whose context does not say goes by the listener's policy and authorities (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { alice, mallory, others, own, root } = yield* parties
        const silent = yield* Tls.server({ identity: own })
        const listener = yield* listen({
          clientCertificates: "require",
          ca: root.pem,
          serverNames: {
            "silent.copas.test": silent,
            "theirs.copas.test": yield* Tls.server({ identity: own, ca: others.pem })
          }
        })
        const known = yield* Fixture.clientContext({ identity: alice })
        const stranger = yield* Fixture.clientContext({ identity: mallory })
        expect(yield* seen(listener, known, "silent.copas.test")).toBe("Verified")
        expect(yield* seen(listener, stranger, "silent.copas.test")).toBe("Untrusted")
        // Our authority is not theirs; the client sends it along.
        expect(yield* seen(listener, known, "theirs.copas.test")).toBe("SelfSigned")
        expect(yield* seen(listener, stranger, "theirs.copas.test")).toBe("Verified")
        // It follows when either of the two is replaced.
        yield* Tls.replace(silent, { identity: own, ca: others.pem })
        expect(yield* seen(listener, stranger, "silent.copas.test")).toBe("Verified")
      }))

    // The same as nginx's CVE-2025-23419.
    it.scoped(`T03 T10 T12 a session made under one name carries no certificate over to another (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { mallory, others, own, root } = yield* parties
        const ours = yield* Tls.server({ identity: own, clientCertificates: "require", ca: root.pem })
        const theirs = yield* Tls.server({ identity: own, clientCertificates: "require", ca: others.pem })
        const serverNames = { "ours.copas.test": ours, "theirs.copas.test": theirs }
        const stranger = yield* Fixture.clientContext({ identity: mallory, verify: "chain" })
        const settings: ReadonlyArray<TlsContext.ServerOptions> = [
          { serverNames },
          { serverNames, clientCertificates: "require", ca: root.pem },
          { serverNames, unknownServerName: "refuse" }
        ]
        for (const options of settings) {
          const listener = yield* listen(options)
          expect(yield* seen(listener, stranger, "theirs.copas.test")).toBe("Verified")
          expect(yield* seen(listener, stranger, "ours.copas.test")).toBe("Untrusted")
          expect(yield* seen(listener, stranger, "theirs.copas.test")).toBe("Verified")
        }
        // Also when the name began to ask after the ticket was given.
        const late = yield* Tls.server({ identity: own })
        const listener = yield* listen({ serverNames: { "late.copas.test": late } })
        const anybody = yield* Fixture.clientContext()
        expect(yield* seen(listener, anybody, "late.copas.test")).toBe("Anonymous")
        yield* Tls.replace(late, { identity: own, clientCertificates: "require", ca: root.pem })
        expect(yield* seen(listener, anybody, "late.copas.test")).toBe("NoCertificate")
      }))
  }

  // ---- T05

  it.scoped("T05 names of certificates with NUL, spaces, wildcards in odd places and addresses as names fit nobody", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const cases: ReadonlyArray<readonly [hosts: ReadonlyArray<string>, name: string]> = [
        [["copas.test\0.evil.test"], "copas.test"],
        [["\0copas.test"], "copas.test"],
        [["copas.test\n"], "copas.test"],
        [[" copas.test"], "copas.test"],
        [["*.*.test"], "a.copas.test"],
        [["a.*.test"], "a.copas.test"],
        [["*copas.test"], "acopas.test"],
        [["**.copas.test"], "a.copas.test"],
        [["*."], "localhost"],
        [["*.xn--mnchen-3ya"], "a.xn--mnchen-3ya"],
        [[`${"a".repeat(20_000)}.test`], "copas.test"],
        [[`${"a.".repeat(20_000)}test`], "copas.test"],
        [["copas.test, DNS=localhost"], "localhost"],
        [["copas.test\",\"localhost"], "localhost"]
      ]
      for (const [hosts, name] of cases) {
        const made = yield* Fixture.makePromise({ name: "x", hosts, issuer: root })
        const { client } = yield* Fixture.failures({
          server: { identity: Certificates.identity(made) },
          connect: { serverName: name }
        })
        expect([hosts[0]?.slice(0, 30), client]).toMatchObject([{}, { left: { _tag: "TlsError" } }])
        expect(client).toMatchObject({ left: { reason: expect.stringMatching(/^(WrongHost|BadCertificate)$/) } })
      }
    }))

  it.scoped("T05 the common name stands for nothing where there are alternative names (RFC 6125, section 6.4.4)", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({ name: "localhost", hosts: ["other.test"], issuer: root })
      const { client } = yield* Fixture.failures({ server: { identity: Certificates.identity(made) } })
      expect(client).toMatchObject({ left: { reason: "WrongHost", code: "ERR_TLS_CERT_ALTNAME_INVALID" } })
    }))
})
