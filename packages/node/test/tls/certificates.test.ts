/** Malformed and hostile certificates, on Node. */
import type { TlsContext } from "@copas/core"
import { Certificate, Net, Tls, TlsError } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Crypto from "node:crypto"
import * as Certificates from "../certificates.js"
import { randomFrom } from "../random.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  /** Everything that can be asked of a certificate. */
  const useUp = (certificate: Certificate.Certificate, other: Certificate.Certificate): void => {
    String(certificate)
    Certificate.formatName(certificate.subject)
    certificate.digest()
    certificate.validAt()
    for (const host of ["localhost", "127.0.0.1", "::1", "", "a\0b", "*", "x".repeat(1000)]) certificate.isFor(host)
    certificate.issued(other)
    other.issued(certificate)
    certificate.issued(certificate)
  }

  it.scoped("T06 real certificates, changed at random, are read or fail with `BadMaterial`, and what is read can be used", () =>
    Effect.gen(function*() {
      const { root, server } = yield* Fixture.TestPki
      const rsa = yield* Fixture.makePromise({ kind: "rsa", hosts: ["a.test", "::1"] })
      const good = yield* Tls.certificate(root.pem)
      const bases = [server, root, rsa].map(({ certificate }) => new Uint8Array(certificate.rawData))
      const outcomes = { read: 0, refused: 0 }
      const size = { short: 400, long: 4000 }
      yield* Sampling.forEachSeed(size, (seed) =>
        Effect.gen(function*() {
          const random = randomFrom(seed)
          const below = (limit: number): number => Math.floor(random() * limit)
          const der = bases[seed % 3]!.slice()
          for (let count = below(3); count >= 0; count -= 1) der[below(der.length)] = below(256)
          const source = seed % 7 === 0 ? toPem(der) : seed % 11 === 0 ? der.slice(0, below(der.length)) : der
          const exit = yield* Effect.exit(Effect.either(Tls.certificate(source)))
          if (exit._tag === "Failure") throw new Error(`died of ${Buffer.from(der).toString("hex")}`)
          if (Either.isLeft(exit.value)) {
            outcomes.refused += 1
            expect(exit.value.left).toMatchObject({ _tag: "TlsError", reason: "BadMaterial", part: "certificate" })
          } else {
            outcomes.read += 1
            useUp(exit.value.right, good)
          }
        }))
      if (!Sampling.isRepeat()) {
        expect(outcomes.read).toBeGreaterThan(Sampling.size(size) / 8)
        expect(outcomes.refused).toBeGreaterThan(Sampling.size(size) / 8)
      }
    }))

  it.scoped("T06 PEM that is cut, nested, mixed and huge fails typed and soon", () =>
    Effect.gen(function*() {
      const { server } = yield* Fixture.TestPki
      // A cost that grew with the square would take minutes, past the time limit of the test.
      const begin = "-----BEGIN CERTIFICATE-----\n"
      const cases: ReadonlyArray<string | Uint8Array> = [
        "",
        "no certificate",
        begin,
        begin.repeat(5000),
        `${begin}-----END CERTIFICATE-----`,
        `${begin}!!!!\n-----END CERTIFICATE-----`,
        "-----BEGIN A----------END A-----".repeat(8000),
        `-----BEGIN ${"A".repeat(200_000)}-----`,
        "-----BEGIN ".repeat(20_000),
        server.pem.slice(0, -40),
        server.pem.replace("CERTIFICATE", "CERTIFICATES"),
        server.key,
        "\0".repeat(100_000),
        new Uint8Array(256 * 1024).fill(0x30),
        new Uint8Array(256 * 1024 + 1)
      ]
      for (const source of cases) {
        expect(yield* Effect.flip(Tls.certificate(source))).toMatchObject({
          reason: "BadMaterial",
          part: "certificate"
        })
        expect(yield* Effect.flip(Tls.certificates(source))).toMatchObject({ reason: "BadMaterial" })
      }
    }))

  it.scoped(
    "T01 material that was changed at random is `BadMaterial`, or makes a context, and never anything else",
    () =>
      Effect.gen(function*() {
        const { root, server } = yield* Fixture.TestPki
        const list = yield* Effect.promise(() => Certificates.revocationList(root, []))
        yield* Sampling.forEachSeed({ short: 20, long: 150 }, (seed) =>
          Effect.gen(function*() {
            const random = randomFrom(seed)
            const changed = (text: string): string => {
              const characters = Array.from(text)
              for (let count = 0; count < 2; count += 1) {
                characters[Math.floor(random() * characters.length)] = String.fromCharCode(Math.floor(random() * 256))
              }
              return characters.join("")
            }
            const identity = { certificate: server.chain, key: server.key }
            for (
              const options of [
                { identity: { ...identity, key: changed(server.key) } },
                { identity: { ...identity, certificate: changed(server.chain) } },
                { identity, ca: changed(root.pem) },
                { identity, crl: changed(list) },
                { identity, ciphers: changed("ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256") },
                { identity, curves: changed("X25519:P-256") },
                { identity, signatureAlgorithms: changed("ecdsa_secp256r1_sha256") }
              ]
            ) {
              const exit = yield* Effect.exit(Effect.either(Tls.server(options)))
              if (exit._tag === "Failure") throw new Error(`died of ${JSON.stringify(options)}`)
              if (Either.isLeft(exit.value)) expect(exit.value.left).toMatchObject({ reason: "BadMaterial" })
            }
          }))
      })
  )

  it.scoped("T05 no variable of the environment turns verification off", () =>
    Effect.gen(function*() {
      const name = "NODE_TLS_REJECT_UNAUTHORIZED"
      const before = process.env[name]
      const { emitWarning } = process
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env[name] = "0"
          process.emitWarning = () => undefined
        }),
        () =>
          Effect.sync(() => {
            process.emitWarning = emitWarning
            if (before === undefined) delete process.env[name]
            else process.env[name] = before
          })
      )
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const stranger = yield* Fixture.makePromise({ name: "Stranger", isAuthority: true })
      for (const tls of [true, {}, yield* Tls.client(), yield* Tls.client({ ca: stranger.pem, verify: "chain" })]) {
        const connect = Net.connect({
          host: "localhost",
          family: "IPv4",
          port: listener.port,
          linger: 0,
          tls
        })
        expect(yield* Effect.flip(connect)).toMatchObject({ _tag: "TlsError" })
      }
      const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
      expect(yield* Effect.flip(Tls.upgrade(socket, yield* Tls.client(), { serverName: "localhost" }))).toMatchObject({
        _tag: "TlsError"
      })
    }))

  /** What a server shows that has these bytes for its own certificate's issuer. */
  const garbledIssuer = Effect.gen(function*() {
    const { intermediate, server } = yield* Fixture.TestPki
    const der = new Uint8Array(intermediate.certificate.rawData).slice()
    // The key's kind becomes an unknown one: id-ecPublicKey with another last number.
    const at = Buffer.from(der).indexOf(Buffer.from("06072a8648ce3d0201", "hex"))
    der[at + 8] = 0x7f
    new Crypto.X509Certificate(der)
    return { ...server, chain: server.pem + toPem(der) }
  })

  it.scoped("T05 T13 an issuer whose key cannot be read fails typed, also where TLSA records decide", () =>
    Effect.gen(function*() {
      const made = yield* garbledIssuer
      const identity = Certificates.identity(made)
      // A careful platform makes no context of it, and reports that the certificate is what is bad.
      expect(yield* Effect.flip(Tls.server({ identity }))).toMatchObject({ reason: "BadMaterial", part: "certificate" })
      const server = { identity, ciphers: "ALL:@SECLEVEL=0" }
      expect((yield* Fixture.failures({ server })).client).toMatchObject({ left: { _tag: "TlsError" } })
      const record = (usage: number, selector: number): TlsContext.TlsaRecord => ({
        usage,
        selector,
        matchingType: 1,
        data: new Uint8Array(32)
      })
      for (const usage of [0, 1, 2, 3]) {
        for (const selector of [0, 1]) {
          const { client } = yield* Fixture.failures({ server, connect: { dane: [record(usage, selector)] } })
          expect(client).toMatchObject({ left: { _tag: "TlsError", reason: "DaneMismatch" } })
        }
      }
    }))

  it.scoped("T05 a client's certificate that was made to hurt fails the server's handshake typed, and the server continues", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const names = ["good.test\\00.evil.test", "x".repeat(60_000), "\\0d\\0aFrom: eve"]
      const listener = yield* Net.listen({
        port: 0,
        linger: 0,
        tls: yield* Fixture.serverContext({ clientCertificates: "require", ca: root.pem })
      })
      for (const name of names) {
        const made = yield* Fixture.makePromise({ name, usage: "client", hosts: ["a\0b.test", "*"] })
        const tls = yield* Fixture.clientContext({ identity: Certificates.identity(made) })
        const connect = Net.connect({
          host: "localhost",
          family: "IPv4",
          port: listener.port,
          linger: 0,
          tls
        })
        yield* Effect.fork(Effect.scoped(Effect.exit(Effect.flatMap(connect, (socket) => socket.receive()))))
        const error = yield* Effect.flip(listener.accept)
        expect(error).toMatchObject({ reason: "Handshake", cause: { _tag: "TlsError" } })
        const shown = String((error as { readonly cause?: unknown }).cause instanceof TlsError.TlsError)
        expect(shown).toBe("true")
        expect(/[\r\0]/.test(error.message)).toBe(false)
      }
    }))

  const toPem = (der: Uint8Array): string =>
    `-----BEGIN CERTIFICATE-----\n${
      Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n")
    }\n-----END CERTIFICATE-----\n`
})
