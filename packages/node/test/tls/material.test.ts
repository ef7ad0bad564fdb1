/** Certificates, keys and settings that contexts take or refuse. */
import { Certificate, Tls, type TlsContext, TlsError } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Certificates from "../certificates.js"
import { temporaryDirectory } from "../machine.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const refused = (options: TlsContext.ServerOptions) =>
    Effect.flip(Fixture.serverContext(options)).pipe(
      Effect.map((error) => {
        expect(error).toBeInstanceOf(TlsError.TlsError)
        const { part, reason } = error as TlsError.TlsError
        expect(reason).toBe("BadMaterial")
        return part
      })
    )

  it.scoped("T01 bad material is a typed error that says which part, when the context is built", () =>
    Effect.gen(function*() {
      const { root, server } = yield* Fixture.TestPki
      const other = yield* Fixture.makePromise({})
      const identity = Certificates.identity(server)
      const encrypted = Certificates.encryptedKey(server, "secret")
      expect(yield* refused({ identity: { ...identity, key: "no key" } })).toBe("key")
      expect(yield* refused({ identity: { ...identity, key: new Uint8Array([1, 2, 3]) } })).toBe("key")
      expect(yield* refused({ identity: { ...identity, key: other.key } })).toBe("key")
      expect(yield* refused({ identity: { ...identity, key: encrypted } })).toBe("passphrase")
      expect(yield* refused({ identity: { ...identity, key: encrypted, passphrase: "wrong" } })).toBe("passphrase")
      expect(yield* refused({ identity: { ...identity, certificate: "none" } })).toBe("certificate")
      expect(yield* refused({ identity: { ...identity, certificate: server.pem.replace("MI", "!!") } })).toBe(
        "certificate"
      )
      expect(yield* refused({ identity: { ...identity, key: { path: "/nowhere/key.pem" } } })).toBe("key")
      expect(yield* refused({ ca: "none" })).toBe("ca")
      expect(yield* refused({ ca: [] })).toBe("ca")
      expect(yield* refused({ crl: "none" })).toBe("crl")
      expect(yield* refused({ crl: root.pem.replaceAll("CERTIFICATE", "X509 CRL") })).toBe("crl")
      expect(yield* refused({ dhparam: "none" })).toBe("dhparam")
      expect(yield* refused({ ciphers: "NO-SUCH-CIPHER" })).toBe("ciphers")
      expect(yield* refused({ curves: "no-such-curve" })).toBe("curves")
      expect(yield* refused({ signatureAlgorithms: "nothing" })).toBe("signatureAlgorithms")
      expect(yield* refused({ minVersion: "TLSv1.3", maxVersion: "TLSv1.2" })).toBe("versions")
      expect(yield* refused({ alpn: [""] })).toBe("alpn")
      expect(yield* refused({ alpn: ["x".repeat(256)] })).toBe("alpn")
      expect(yield* refused({ tickets: { keys: Redacted.make(new Uint8Array(47)) } })).toBe("tickets")
      expect(yield* refused({ tickets: { lifetime: "8 days" } })).toBe("tickets")
      expect(yield* refused({ identity: undefined })).toBe("certificate")
    }))

  it.scoped("T01 a setting that makes no sense is an `InvalidOption`", () =>
    Effect.gen(function*() {
      expect(yield* Effect.flip(Tls.client({ maxDepth: -1 }))).toMatchObject({
        _tag: "InvalidOption",
        option: "maxDepth"
      })
      expect(yield* Effect.flip(Tls.client({ handshakeTimeout: -5 }))).toMatchObject({ option: "handshakeTimeout" })
    }))

  it.scoped("T01 material comes as text, as bytes, redacted, from files and from a directory", () =>
    Effect.gen(function*() {
      const { root, server } = yield* Fixture.TestPki
      const path = yield* temporaryDirectory
      yield* Effect.promise(async () => {
        await Fs.writeFile(Path.join(path, "chain.pem"), server.chain)
        await Fs.writeFile(Path.join(path, "key.pem"), server.key)
        await Fs.mkdir(Path.join(path, "ca"))
        await Fs.writeFile(Path.join(path, "ca", "0a1b2c3d.0"), root.pem)
        await Fs.writeFile(Path.join(path, "ca", "README"), "not a certificate")
      })
      const der = Crypto.createPrivateKey(server.key).export({ type: "pkcs8", format: "der" })
      const keys: ReadonlyArray<TlsContext.Material> = [
        server.key,
        new TextEncoder().encode(server.key),
        Redacted.make(server.key),
        Redacted.make(new Uint8Array(der)),
        { path: Path.join(path, "key.pem") }
      ]
      for (const key of keys) {
        const { client } = yield* Fixture.pair({
          server: { identity: { certificate: { path: Path.join(path, "chain.pem") }, key } },
          client: { ca: { directory: Path.join(path, "ca") } }
        })
        expect(Fixture.tlsOf(client).authorization._tag).toBe("Verified")
      }
    }))

  it.scoped("T01 a server with several certificates shows the one whose kind the client knows", () =>
    Effect.gen(function*() {
      const { root, server } = yield* Fixture.TestPki
      const rsa = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root, kind: "rsa" })
      const identity = [Certificates.identity(rsa), Certificates.identity(server)]
      for (
        const [signatureAlgorithms, algorithm] of [["ECDSA+SHA256", "ec"], [
          "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256",
          "rsa"
        ]] as const
      ) {
        const { client } = yield* Fixture.pair({
          server: { identity: algorithm === "rsa" ? identity.slice(0, 1) : identity },
          client: { signatureAlgorithms }
        })
        expect(Option.getOrThrow(Fixture.tlsOf(client).peerCertificate).publicKey.algorithm).toBe(algorithm)
      }
    }))

  it.scoped("T01 a server does DHE where it has parameters, and where they are chosen by themselves", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const rsa = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root, kind: "rsa" })
      const { client } = yield* Fixture.pair({
        server: { identity: Certificates.identity(rsa), dhparam: "auto", maxVersion: "TLSv1.2" },
        client: { ciphers: "DHE-RSA-AES128-GCM-SHA256" }
      })
      expect(Fixture.tlsOf(client).info).toMatchObject({ keyExchange: "DH", authentication: "RSA" })
    }))

  // ---- T06

  it.scoped("T06 a certificate tells its subject, issuer, serial number, validity, names and key", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const notBefore = new Date("2026-01-02T03:04:05Z")
      const notAfter = new Date("2051-06-07T08:09:10Z")
      const made = yield* Fixture.makePromise({
        name: "who",
        hosts: ["a.copas.test", "*.copas.test", "192.0.2.1", "2001:db8::1"],
        issuer: root,
        serial: "0f00ba5e",
        notBefore,
        notAfter
      })
      const certificate = yield* Tls.certificate(made.pem)
      expect(certificate.subject).toEqual([
        { oid: "2.5.4.3", name: "CN", value: "who" },
        { oid: "2.5.4.10", name: "O", value: "Copas" }
      ])
      expect(Certificate.formatName(certificate.issuer)).toBe("CN=Test Root, O=Copas")
      expect(certificate.serial).toBe("F00BA5E")
      expect([certificate.validFrom, certificate.validTo]).toEqual([notBefore, notAfter])
      expect(certificate.validAt(notBefore)).toBe(true)
      expect(certificate.validAt(notAfter.getTime())).toBe(true)
      expect(certificate.validAt(notBefore.getTime() - 1)).toBe(false)
      expect(certificate.validAt(notAfter.getTime() + 1)).toBe(false)
      expect(certificate.alternativeNames).toEqual([
        { kind: "dns", value: "a.copas.test" },
        { kind: "dns", value: "*.copas.test" },
        { kind: "ip", value: "192.0.2.1" },
        { kind: "ip", value: "2001:db8::1" }
      ])
      expect(certificate.isFor("b.copas.test")).toBe(true)
      expect(certificate.isFor("192.0.2.1")).toBe(true)
      expect(certificate.isFor("who")).toBe(false)
      expect(certificate.signatureAlgorithm).toBe("ecdsa-with-SHA256")
      expect(certificate.isAuthority).toBe(false)
      const known = new Crypto.X509Certificate(made.pem)
      expect(certificate.digest()).toBe(known.fingerprint256.replaceAll(":", "").toLowerCase())
      expect(certificate.digest("sha1")).toBe(known.fingerprint.replaceAll(":", "").toLowerCase())
      expect(certificate.digest("sha512")).toBe(known.fingerprint512.replaceAll(":", "").toLowerCase())
      expect(certificate.pem).toBe(made.pem)
      expect(certificate.publicKey).toMatchObject({ algorithm: "ec", bits: 256, curve: Option.some("P-256") })
      expect(certificate.publicKey.pem).toBe(known.publicKey.export({ type: "spki", format: "pem" }))
    }))

  it.scoped("T06 extensions come with identifier, name, criticality and value", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const { extensions, isAuthority } = yield* Tls.certificate(root.pem)
      expect(isAuthority).toBe(true)
      expect(extensions.map(({ critical, name, oid }) => ({ critical, name, oid }))).toEqual([
        { critical: true, name: "basicConstraints", oid: "2.5.29.19" },
        { critical: false, name: "subjectKeyIdentifier", oid: "2.5.29.14" },
        { critical: true, name: "keyUsage", oid: "2.5.29.15" }
      ])
      expect(extensions[0]!.value).toEqual(new Uint8Array([0x30, 0x03, 0x01, 0x01, 0xff]))
    }))

  it.scoped("T06 `issued` says who signed whom, and is not fooled by a name", () =>
    Effect.gen(function*() {
      const { intermediate, root, server } = yield* Fixture.TestPki
      const namesake = yield* Effect.promise(() => Certificates.authority())
      const [ca, middle, leaf, other] = yield* Effect.forEach(
        [root, intermediate, server, namesake],
        ({ pem }) => Tls.certificate(pem)
      )
      expect(ca!.issued(middle!)).toBe(true)
      expect(middle!.issued(leaf!)).toBe(true)
      expect(ca!.issued(ca!)).toBe(true)
      expect(ca!.issued(leaf!)).toBe(false)
      expect(other!.issued(middle!)).toBe(false)
    }))

  it.scoped("T06 RSA keys tell their size, a bundle gives all its certificates", () =>
    Effect.gen(function*() {
      const { server } = yield* Fixture.TestPki
      const rsa = yield* Fixture.makePromise({ kind: "rsa" })
      const certificate = yield* Tls.certificate(new Uint8Array(rsa.certificate.rawData))
      expect(certificate.publicKey).toMatchObject({ algorithm: "rsa", bits: 2048 })
      expect(certificate.signatureAlgorithm).toBe("sha256WithRSAEncryption")
      expect(yield* Tls.certificates(`for people: ${server.chain}`)).toHaveLength(2)
    }))

  it.scoped("T06 a name with NUL and line breaks is kept, and shown escaped", () =>
    Effect.gen(function*() {
      const made = yield* Fixture.makePromise({ name: "good.test\\00.evil.test\\0d\\0aX", hosts: ["a.test"] })
      const certificate = yield* Tls.certificate(made.pem)
      const shown = Certificate.formatName(certificate.subject)
      expect(shown).toContain("evil.test")
      expect(Array.from(shown).filter((character) => character < " ")).toEqual([])
    }))

  it.scoped("T06 truncated, mangled and huge encodings fail typed", () =>
    Effect.gen(function*() {
      const { server } = yield* Fixture.TestPki
      const der = new Uint8Array(server.certificate.rawData)
      const outcome = (source: string | Uint8Array) => Effect.either(Tls.certificate(source))
      for (let length = 0; length < der.length; length += 7) {
        expect(yield* outcome(der.slice(0, length))).toMatchObject({ _tag: "Left", left: { reason: "BadMaterial" } })
      }
      for (let at = 0; at < der.length; at += 1) {
        const mangled = der.slice()
        mangled[at] = mangled[at]! ^ 0xff
        const result = yield* outcome(mangled)
        if (result._tag === "Left") expect(result.left).toMatchObject({ _tag: "TlsError", reason: "BadMaterial" })
      }
      expect(yield* outcome(new Uint8Array(1_000_000))).toMatchObject({ _tag: "Left" })
      expect(yield* outcome(`-----BEGIN CERTIFICATE-----\n${"A".repeat(500_000)}`)).toMatchObject({ _tag: "Left" })
      const many = server.pem.repeat(1025)
      expect(yield* Effect.either(Tls.certificates(many))).toMatchObject({ _tag: "Left" })
    }))
})
