/** What an error says of every kind of bad material: which option, what was found there, what to do; never a secret. */
import { Net, Tls, type TlsContext, type TlsError } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { inspect } from "node:util"
import * as Certificates from "../certificates.js"

interface Row {
  readonly title: string
  readonly options: TlsContext.ServerOptions
  readonly part: TlsError.TlsPart
  /** What the detail contains, in order. */
  readonly says: ReadonlyArray<string>
}

const password = "hunter2-correct-horse"

/** What only decrypting and computing tells, which the network in memory does not do. */
const needsCryptography = new Set([
  "a damaged key",
  "a wrong one",
  "a wrong one, redacted",
  "a wrong one for an old key"
])

const make = async () => {
  const root = await Certificates.authority()
  const server = await Certificates.make({ hosts: ["localhost"], issuer: root })
  const middle = await Certificates.make({ name: "Middle", isAuthority: true, issuer: root })
  const other = await Certificates.make({ hosts: ["other.test"], issuer: root })
  const rsa = await Certificates.make({ hosts: ["rsa.test"], issuer: root, kind: "rsa" })
  return { root, server, middle, other, rsa }
}

type Pki = Awaited<ReturnType<typeof make>>

const pemOf = (label: string, der: Uint8Array): string => {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]*-----|\s/g, ""), "base64")

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const inside = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([0x30, 0x82, inside.length >> 8, inside.length & 255]), inside])
}

/** PFX (RFC 7292): version 3, then contents of PKCS#7. */
const pkcs12 = sequence(
  Buffer.from([2, 1, 3]),
  sequence(Buffer.from([6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]))
)
const pkcs7 = sequence(Buffer.from([6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]))

/** Wherever a source can be given. */
const forms = ({ rsa, server }: Pki): ReadonlyArray<readonly [string, unknown, string]> => {
  const spki = Crypto.createPublicKey(server.key).export({ type: "spki", format: "pem" })
  return [
    ["nothing", "", "nothing (0 bytes); see whether the variable"],
    ["undefined", undefined, "is undefined; give PEM text"],
    ["null", null, "is null; give PEM text"],
    ["a number", 7, "is a number; give PEM text"],
    ["an object", {}, "is a object; give PEM text"],
    ["a password", password, "text without PEM (21 characters); give PEM text with \"-----BEGIN"],
    ["random bytes", Uint8Array.of(1, 2, 3), "3 bytes that are neither PEM nor DER; give PEM text"],
    ["a path", "./secrets/server.pem", "text that looks like a path; give a file as `{ path: … }`"],
    ["a path of Windows", "C:\\keys\\server.key", "text that looks like a path"],
    ["UTF-16", Buffer.from(`\ufeff${server.pem}`, "utf16le"), "text in UTF-16; save it as UTF-8"],
    ["written line ends", server.key.replaceAll("\n", "\\n"), "PEM whose line ends are written as `\\n`; replace them"],
    ["PKCS#12", pkcs12, "a PKCS#12 file (.p12 or .pfx) in DER; split it with `openssl pkcs12"],
    ["PKCS#7", pkcs7, "a PKCS#7 file in DER; take its certificates out"],
    ["PKCS#7 in PEM", pemOf("PKCS7", pkcs7), "PEM with the label \"PKCS7\"; take its certificates out"],
    ["a Java key store", Buffer.from("feedfeed0000000200", "hex"), "a key store of Java; export"],
    ["a key of PuTTY", `PuTTY-User-Key-File-3: ssh-rsa\n${password}`, "a key of PuTTY; export it"],
    ["a key of OpenSSH", pemOf("OPENSSH PRIVATE KEY", Buffer.from(password)), "\"OPENSSH PRIVATE KEY\"; convert it"],
    ["a public key of SSH", "ssh-ed25519 AAAAC3Nza me@here", "a public key of SSH; TLS takes"],
    ["a request", pemOf("CERTIFICATE REQUEST", derOf(server.pem)), "\"CERTIFICATE REQUEST\"; an authority makes"],
    ["a public key", spki, "PEM with the label \"PUBLIC KEY\"; give PEM text"],
    ["HTML", "<!DOCTYPE html><p>Sign in", "HTML or XML; the file was fetched from a page"],
    ["JSON", JSON.stringify({ key: password }), "JSON; give the field"],
    ["DER that is cut", derOf(rsa.pem).subarray(0, 100), "DER that is cut: only 100 of its "],
    ["a malformed first line", "-----BEGIN key-----\nabc", "a PEM text whose first line is malformed"]
  ]
}

const rows = (pki: Pki): ReadonlyArray<Row> => {
  const { middle, other, root, rsa, server } = pki
  const identity = Certificates.identity(server)
  const encrypted = Certificates.encryptedKey(server, password)
  const old = Crypto.createPrivateKey(rsa.key).export({
    type: "pkcs1",
    format: "pem",
    cipher: "aes-128-cbc",
    passphrase: password
  }) as string
  const places: ReadonlyArray<readonly [string, TlsError.TlsPart, (material: never) => TlsContext.ServerOptions]> = [
    ["identity.key", "key", (key) => ({ identity: { ...identity, key } })],
    ["identity[1].key", "key", (key) => ({ identity: [identity, { ...identity, key }] })],
    ["identity.certificate", "certificate", (certificate) => ({ identity: { ...identity, certificate } })],
    ["ca[1]", "ca", (ca) => ({ identity, ca: [root.pem, ca] })],
    ["crl[0]", "crl", (crl) => ({ identity, crl: [crl] })],
    ["dhparam", "dhparam", (dhparam) => ({ identity, dhparam })]
  ]
  const everywhere = places.flatMap(([option, part, options]) =>
    forms(pki)
      // No parameters at all are no mistake.
      .filter(([title]) => !(part === "dhparam" && title === "undefined"))
      .map(([title, material, says]): Row => ({
        title: `${title} as ${option}`,
        options: options(material as never),
        part,
        says: [`\`${option}\``, says]
      }))
  )
  const key = (title: string, value: unknown, ...says: ReadonlyArray<string>): Row => ({
    title,
    options: { identity: { ...identity, key: value as string } },
    part: "key",
    says: ["`identity.key`", ...says]
  })
  const passphrase = (title: string, given: object, ...says: ReadonlyArray<string>): Row => ({
    title,
    options: { identity: { ...identity, ...given } },
    part: "passphrase",
    says
  })
  const settings = (
    title: string,
    part: TlsError.TlsPart,
    options: object,
    ...says: ReadonlyArray<string>
  ): Row => ({ title, part, options: { identity, ...options }, says })
  const body = server.key.replace(/-----[^-]*-----/g, "")
  return [
    ...everywhere,
    key("base64 alone", body, "a private key in base64 without its first and last line; put `-----BEGIN"),
    key(
      "a certificate as a key",
      server.pem,
      "PEM with the label \"CERTIFICATE\"; see whether `key` and `certificate` are"
    ),
    key("a certificate in DER as a key", derOf(server.pem), "a certificate in DER; see whether"),
    key("a key without its last line", server.key.replace(/-----END.*/s, ""), "\"PRIVATE KEY\" has no line \"-----END"),
    key("a key with other characters", server.key.replace("MI", "!!"), "contains characters that are not base64"),
    key("an empty block", pemOf("PRIVATE KEY", new Uint8Array()), "\"PRIVATE KEY\" is empty"),
    key("a key that is cut", pemOf("PRIVATE KEY", derOf(rsa.key).subarray(0, 300)), "is cut: only 300 of its"),
    key("a label that does not fit", pemOf("PRIVATE KEY", derOf(server.pem)), "contains a certificate instead of"),
    key(
      "a damaged key",
      pemOf("PRIVATE KEY", sequence(Buffer.from([2, 1, 0]), sequence(Buffer.from([6, 1, 42])), Buffer.from([4, 1, 0]))),
      "is damaged, or of a kind that is not supported"
    ),
    key("a key of another certificate", other.key, "does not belong to `identity.certificate` (CN=localhost"),
    key("a key of the same kind", other.key, "both are EC on P-256, but not a pair; give the key"),
    key("a key of another kind", rsa.key, "the key is RSA, 2048 bits, the certificate's EC on P-256"),
    {
      title: "a chain in the wrong order",
      options: { identity: { certificate: middle.pem + server.pem, key: server.key } },
      part: "key",
      says: ["`identity.key` does not belong to", "(CN=Middle", "it belongs to certificate 2 of 2; put that one first"]
    },
    passphrase(
      "no passphrase",
      { key: encrypted },
      "`identity.key` is encrypted, and `identity.passphrase` is not given"
    ),
    passphrase("an empty one", { key: encrypted, passphrase: "" }, "`identity.passphrase` is empty; give the key's"),
    passphrase(
      "a wrong one",
      { key: encrypted, passphrase: `${password}!` },
      "does not decrypt `identity.key`: it is the"
    ),
    passphrase(
      "a wrong one, redacted",
      { key: derOf(encrypted), passphrase: Redacted.make(`${password}!`) },
      "does not decrypt `identity.key`: it is the passphrase of another key"
    ),
    passphrase("a number", { key: encrypted, passphrase: 7 }, "`identity.passphrase` is a number; give a string"),
    passphrase(
      "none for an old key",
      { key: old },
      "`identity.key` is encrypted, and `identity.passphrase` is not given"
    ),
    passphrase(
      "a wrong one for an old key",
      { key: old, passphrase: `${password}!` },
      "it is the passphrase of another"
    ),
    settings(
      "a wrong one of a bundle",
      "ca",
      { ca: root.pem + other.pem.replace("MI", "!!") },
      "`ca`, 2 of 2",
      "base64"
    ),
    settings("a key as authority", "ca", { ca: server.key }, "`ca` should be a certificate", "\"PRIVATE KEY\""),
    settings("no authority", "ca", { ca: [] }, "`ca` is an empty list, which trusts nobody"),
    settings("a damaged list", "crl", { crl: pemOf("X509 CRL", derOf(root.pem)) }, "contains a certificate instead of"),
    settings("a list that is cut", "crl", { crl: "-----BEGIN X509 CRL-----\nMIIB" }, "has no line \"-----END X509 CRL"),
    settings(
      "other parameters",
      "dhparam",
      { dhparam: pemOf("DH PARAMETERS", derOf(root.pem)) },
      "a certificate instead"
    ),
    settings("a cipher", "ciphers", { ciphers: "AES-NONE:X" }, "`ciphers` names \"AES-NONE\"", "see the spelling"),
    settings("no cipher", "ciphers", { ciphers: ":" }, "`ciphers` is empty; leave it out"),
    settings(
      "a curve",
      "curves",
      { curves: "P-256:flat" },
      "`curves` names \"flat\", which this platform does not know"
    ),
    settings(
      "a signature",
      "signatureAlgorithms",
      { signatureAlgorithms: "none" },
      "`signatureAlgorithms` names \"none\""
    ),
    settings("versions", "versions", { minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, "`minVersion` TLSv1.3 is above"),
    settings("a version", "versions", { minVersion: "1.2" }, "`minVersion` is \"1.2\"; it is one of TLSv1, TLSv1.1"),
    settings("a version's type", "versions", { maxVersion: 1.3 }, "`maxVersion` is a number"),
    settings("no protocol", "alpn", { alpn: [] }, "`alpn` is an empty list; name a protocol"),
    settings("a long protocol", "alpn", { alpn: ["h2", "x".repeat(300)] }, "`alpn[1]` has 300 bytes; the name"),
    settings("an empty protocol", "alpn", { alpn: [""] }, "`alpn[0]` has 0 bytes"),
    settings("a protocol's type", "alpn", { alpn: [null] }, "`alpn[0]` is null"),
    settings("a hint", "psk", { pskHint: "x".repeat(300) }, "`pskHint` has 300 bytes; TLS takes 0 to 256"),
    settings("a hint with NUL", "psk", { pskHint: "a\0b" }, "`pskHint` contains a NUL"),
    settings(
      "ticket keys",
      "tickets",
      { tickets: { keys: Redacted.make(new Uint8Array(47)) } },
      "has 47 bytes; give 48"
    ),
    settings("ticket keys' type", "tickets", { tickets: { keys: password } }, "`tickets.keys` is a string; give 48"),
    settings("a lifetime", "tickets", { tickets: { lifetime: "8 days" } }, "`tickets.lifetime` is 8d; it is 1 second"),
    { title: "nothing to show", options: {}, part: "certificate", says: ["a server has none of `identity`, `psk`"] },
    { title: "no identities", options: { identity: [] }, part: "certificate", says: ["a server has none of"] }
  ]
}

const check = (error: unknown, { part, says }: Row): void => {
  expect(error).toMatchObject({ _tag: "TlsError", reason: "BadMaterial", part })
  const { message } = error as TlsError.TlsError
  let at = 0
  for (const one of says) {
    expect(message.slice(at)).toContain(one)
    at = message.indexOf(one, at) + one.length
  }
  expect(message).not.toMatch(/ERR_|OSSL|asn1|undefined:|\[object|\.$/i)
  expect(message.length).toBeLessThan(400)
  expect(message).toMatch(/^TLS context: BadMaterial \(\w+\): /)
  expect(inspect(error, { depth: 20 }) + JSON.stringify(error)).not.toContain(password)
}

const wrongWith = (row: Row, exit: Exit.Exit<unknown, unknown>): string | undefined => {
  try {
    if (Exit.isFailure(exit)) return `it was taken, or died: ${inspect(exit.cause)}`
    check(exit.value, row)
    return undefined
  } catch (error) {
    return (error as Error).message.slice(0, 500)
  }
}

const networks: ReadonlyArray<readonly [string, Layer.Layer<Net.Net, unknown>]> = [
  ["Node", NodeNet.layer],
  ["in memory", NetMemory.layer]
]

describe("T01 bad material says which option, what was found there, and what to do", () => {
  for (const [name, network] of networks) {
    it.live(`the same on each network and each version of OpenSSL (${name})`, () =>
      Effect.gen(function*() {
        const pki = yield* Effect.promise(make)
        const wrong: Array<string> = []
        for (const row of rows(pki)) {
          if (name === "in memory" && needsCryptography.has(row.title)) continue
          const exit = yield* Effect.exit(Effect.flip(Tls.server(row.options)))
          const why = wrongWith(row, exit)
          if (why !== undefined) wrong.push(`${row.title}: ${why}`)
        }
        expect(wrong).toEqual([])
      }).pipe(Effect.provide(network)))

    it.live(`of a client's pre-shared key, and of a certificate that is read alone (${name})`, () =>
      Effect.gen(function*() {
        const psk = (identity: string, key: unknown) =>
          Effect.flip(Tls.client({ psk: { identity, key: key as Uint8Array } }))
        const row = (part: TlsError.TlsPart, ...says: ReadonlyArray<string>): Row => ({
          title: "",
          options: {},
          part,
          says
        })
        check(yield* psk("me", new Uint8Array(513)), row("psk", "`psk.key` has 513 bytes; TLS takes 1 to 512"))
        check(yield* psk("me", password), row("psk", "`psk.key` is a string; give a Uint8Array"))
        check(yield* psk("", Uint8Array.of(1)), row("psk", "`psk.identity` has 0 bytes; TLS takes 1 to 256"))
        check(yield* Effect.flip(Tls.certificate(password)), row("certificate", "`source` should be a certificate"))
        check(
          yield* Effect.flip(Tls.certificates(new Uint8Array(20_000_000))),
          row("certificate", "`source` has 20000000 bytes")
        )
      }).pipe(Effect.provide(network)))
    it.scoped(`T13 a TLSA record that is malformed is named by its place and field, before anything is opened (${name})`, () =>
      Effect.gen(function*() {
        const record = { usage: 3, selector: 1, matchingType: 1, data: new Uint8Array(32) }
        const refused = (dane: unknown) =>
          Effect.flip(Net.connect({ host: "127.0.0.1", port: 1, tls: { dane: dane as ReadonlyArray<typeof record> } }))
        const table: ReadonlyArray<readonly [unknown, string, string]> = [
          [record, "dane", "object"],
          [[record, { ...record, usage: 256 }], "dane[1].usage", "256"],
          [[{ ...record, selector: undefined }], "dane[0].selector", "undefined"],
          [[{ ...record, matchingType: "1" }], "dane[0].matchingType", "1"],
          [[{ ...record, data: "ab" }], "dane[0].data", "string"],
          [[record, null], "dane[1].usage", "undefined"]
        ]
        for (const [dane, option, value] of table) {
          expect(yield* refused(dane)).toMatchObject({ _tag: "InvalidOption", option, value })
        }
      }).pipe(Effect.provide(network)))
  }

  it.scopedLive("of files and directories (Node)", () =>
    Effect.gen(function*() {
      const { server } = yield* Effect.promise(make)
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "copas-material-"))),
        (path) => Effect.promise(() => Fs.rm(path, { recursive: true }))
      )
      const file = Path.join(folder, "notes.txt")
      yield* Effect.promise(() => Fs.writeFile(file, password))
      const identity = Certificates.identity(server)
      const files: ReadonlyArray<readonly [TlsContext.Material, string]> = [
        [
          { path: "/nowhere/key.pem" },
          "`ca[0] (/nowhere/key.pem)` cannot be read: there is no such file; see the path"
        ],
        [{ path: folder }, "cannot be read: it is a directory; give `{ directory: … }`"],
        [{ path: Path.join(file, "key.pem") }, "cannot be read: a part of the path is no directory"],
        [{ path: file }, `\`ca[0] (${file})\` should be a certificate, and is text without PEM (21 characters)`],
        [{ directory: "/nowhere" }, "`ca[0] (/nowhere)` cannot be read: there is no such file"],
        [{ directory: file }, "is no directory; give a file as `{ path: … }`"],
        [{ directory: folder }, "has none of 1 files whose name ends in .pem, .crt, .cer"]
      ]
      for (const [ca, says] of files) {
        check(yield* Effect.flip(Tls.server({ identity, ca: [ca] })), {
          title: "",
          options: {},
          part: "ca",
          says: [says]
        })
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.live("of keys and parameters that are too weak (Node)", () =>
    Effect.gen(function*() {
      const { rsa, server } = yield* Effect.promise(make)
      const identity = Certificates.identity(server)
      const options = { identity: [identity, Certificates.identity(rsa)], ciphers: "DEFAULT@SECLEVEL=3" }
      const small = yield* Effect.flip(Tls.server(options))
      expect(small).toMatchObject({ part: "certificate" })
      expect(small.message).toContain(
        "`identity[1]` is refused: its key, or the hash of a signature in its chain, is too weak"
      )
      const prime = (size: number) =>
        pemOf(
          "DH PARAMETERS",
          sequence(Buffer.concat([Buffer.from([2, size]), Buffer.alloc(size, 0x7f)]), Buffer.from([2, 1, 2]))
        )
      const weak = yield* Effect.flip(Tls.server({ identity, dhparam: prime(64) }))
      expect(weak).toMatchObject({ part: "dhparam" })
      expect(weak.message).toContain("a prime of less than 1024 bits; make 2048 bits with `openssl dhparam")
    }).pipe(Effect.provide(NodeNet.layer)))
})
