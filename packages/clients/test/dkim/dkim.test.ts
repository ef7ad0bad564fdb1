/**
 * DKIM: signatures that mailauth, which shares no author with ours, verifies; the relaxed forms of RFC 6376; keys.
 */
import { Dkim, Message, SmtpError } from "@copas/clients"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { dkimVerify } from "mailauth/lib/dkim/verify"
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { createHash } from "node:crypto"
import { RelaxedBody, relaxedField } from "../../src/internal/dkim/canonical.js"
import { cut, places, spicyBytes } from "../ftp/support.js"
import { bytes, text } from "../mime/readers.js"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const ed25519 = generateKeyPairSync("ed25519")
const pem = (key: KeyObject, type: "pkcs8" | "pkcs1" = "pkcs8"): string =>
  key.export({ type: type as "pkcs8", format: "pem" }).toString()

const signerOf = (options: Partial<Dkim.SignerOptions> = {}) =>
  Either.getOrThrow(
    Dkim.signer({ domain: "b.test", selector: "rsa", key: Redacted.make(pem(rsa.privateKey)), ...options })
  )
const byRsa = signerOf()
const byEd25519 = signerOf({ selector: "ed", key: Redacted.make(pem(ed25519.privateKey)) })

const publicKey = (key: KeyObject): string => {
  const der = key.export({ type: "spki", format: "der" })
  // RFC 8463, section 4: an Ed25519 record holds the key alone.
  return (key.asymmetricKeyType === "ed25519" ? der.subarray(-32) : der).toString("base64")
}
const records: Readonly<Record<string, string>> = {
  "rsa._domainkey.b.test": `v=DKIM1; k=rsa; p=${publicKey(rsa.publicKey)}`,
  "ed._domainkey.b.test": `v=DKIM1; k=ed25519; p=${publicKey(ed25519.publicKey)}`
}

const verified = (whole: Uint8Array) =>
  Effect.map(
    Effect.promise(() =>
      dkimVerify(Buffer.from(whole), {
        resolver: (name) => Promise.resolve([[records[name] ?? ""]])
      })
    ),
    ({ results }) => results.map(({ selector, status }) => [selector, status.result])
  )

const make = <E = never, R = never>(options: Partial<Message.MessageOptions<E, R>>) =>
  Either.getOrThrow(
    Message.make(
      { from: "a@b.test", to: "c@d.test", dkim: [byRsa, byEd25519], ...options } as Message.MessageOptions<E, R>
    )
  )

const passes = [["ed", "pass"], ["rsa", "pass"]]

describe("signatures", () => {
  it.effect("C35 #42 html with any line ends and an attachment, signed by two keys, is verified", () =>
    Effect.gen(function*() {
      const whole = yield* bytes(make({
        subject: "Grüße  mit   Lücken",
        text: "line \r and \n more \t \n\n\n",
        html: "<p>\rx\n</p>",
        attachments: [{ filename: "ü.bin", content: Uint8Array.of(1, 2, 3) }],
        list: { unsubscribe: "https://b.test/u", oneClick: true }
      }))
      expect((yield* verified(whole)).sort()).toEqual(passes)
      expect(text(whole)).toMatch(/^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=b.test;/)
      for (const line of text(whole).split("\r\n")) expect(line.length).toBeLessThanOrEqual(78)
    }))

  it.effect("C35 #42 any message is verified", () =>
    Effect.promise(() =>
      FC.assert(
        FC.asyncProperty(spicyBytes("a \t\r\n.=", 60), FC.string({ maxLength: 50 }), (body, subject) =>
          Effect.gen(function*() {
            const content = text(body)
            const whole = yield* bytes(make({
              subject: subject.replace(/\p{Cc}/gu, ""),
              text: content,
              attachments: [{ content: Stream.make(body, body), size: 2 * body.length }]
            }))
            expect((yield* verified(whole)).sort()).toEqual(passes)
          }).pipe(Effect.orDie, Effect.runPromise)),
        Sampling.runs({ short: 20, long: 500 })
      )
    ))

  it.effect("C35 a ready-made content is signed with its own fields", () =>
    Effect.gen(function*() {
      const ready = "Content-Type: text/plain;\r\n format=flowed\r\n\r\nready \r\n"
      const whole = yield* bytes(make({ content: Message.rawPart(ready) }))
      expect(text(whole)).toContain(`\r\n${ready}`)
      expect((yield* verified(whole)).sort()).toEqual(passes)
      const streamed = yield* bytes(
        make({ content: Message.rawPart(Stream.make(new TextEncoder().encode(ready))), dkim: [] })
      )
      expect(text(streamed)).toContain(`\r\n${ready}`)
    }))

  it.effect("C35 a field that somebody adds, or changes, breaks the signature", () =>
    Effect.gen(function*() {
      const whole = text(yield* bytes(make({ subject: "s", text: "x" })))
      for (
        const other of [
          whole.replace("Subject: s", "Subject: t"),
          `From: evil@b.test\r\n${whole}`,
          `Reply-To: evil@b.test\r\n${whole}`,
          whole.replace(/x\r\n$|x$/, "y")
        ]
      ) {
        expect((yield* verified(Buffer.from(other, "latin1"))).map(([, result]) => result)).not.toContain("pass")
      }
    }))

  it.effect("C35 a stream that gives other bytes the second time fails with MessageChanged", () =>
    Effect.gen(function*() {
      let run = 0
      const content = Stream.suspend(() => Stream.make(Uint8Array.of(run++)))
      const error = yield* Effect.flip(bytes(make({ attachments: [{ content }] })))
      expect(error).toBeInstanceOf(SmtpError.MessageChanged)
      expect(error.message).toContain("attachments[0]")
      expect(run).toBe(2)
    }))

  it.effect("C35 a key that is kept elsewhere signs, and its failure is typed", () =>
    Effect.gen(function*() {
      const remote = (run: (data: Uint8Array) => Effect.Effect<Uint8Array, string>) =>
        signerOf({ key: { algorithm: "rsa-sha256", sign: run } })
      const working = remote((data) => Effect.sync(() => sign("sha256", data, rsa.privateKey)))
      expect(yield* verified(yield* bytes(make({ text: "x", dkim: working })))).toEqual([["rsa", "pass"]])
      const error = yield* Effect.flip(bytes(make({ text: "x", dkim: remote(() => Effect.fail("gone")) })))
      expect(error).toMatchObject({ _tag: "DkimError", domain: "b.test", selector: "rsa", cause: "gone" })
    }))

  it.effect("C35 an identity and an end of validity are signed too", () =>
    Effect.gen(function*() {
      const signer = signerOf({ identity: "news@sub.b.test", validFor: "1 day" })
      const whole = yield* bytes(make({ text: "x", dkim: signer }))
      const [, time, expires] = /i=news@sub.b.test; t=(\d+);\s+x=(\d+);/.exec(text(whole))!
      expect(Number(expires) - Number(time)).toBe(86400)
    }))
})

describe("keys", () => {
  it.each([["pkcs8", pem(rsa.privateKey)], ["pkcs1", pem(rsa.privateKey, "pkcs1")]])(
    "C35 an RSA key in %s signs",
    (_, key) =>
      Effect.gen(function*() {
        const signer = signerOf({ key: Redacted.make(key) })
        expect(yield* verified(yield* bytes(make({ text: "x", dkim: signer })))).toEqual([[
          "rsa",
          "pass"
        ]])
      }).pipe(Effect.runPromise)
  )

  it.each([
    ["nothing", "", "PEM"],
    ["a public key", rsa.publicKey.export({ type: "spki", format: "pem" }).toString(), "PUBLIC KEY"],
    [
      "an encrypted key",
      rsa.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-128-cbc", passphrase: "p" }).toString(),
      "password"
    ],
    ["another kind of key", pem(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey), "RSA or Ed25519"],
    ["a torn key", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", "whole"]
  ])("C35 %s is refused, without a byte of it", (_, key, expected) => {
    const error = Either.getOrThrow(
      Either.flip(Dkim.signer({ domain: "b.test", selector: "s", key: Redacted.make(key) }))
    )
    expect([error._tag, error.option]).toEqual(["InvalidOption", "key"])
    expect(error.expected).toContain(expected)
    if (key !== "") expect(JSON.stringify(error)).not.toContain(key.split("\n")[1])
  })

  it.each([
    ["domain", { domain: "b test" }],
    ["domain", { domain: "[1.2.3.4]" }],
    ["selector", { selector: "a;b" }],
    ["selector", { selector: "" }],
    ["identity", { identity: "x@other.test" }],
    ["identity", { identity: "x;@b.test" }],
    ["validFor", { validFor: 10 }]
  ])("C35 a wrong %s is refused", (option, options) => {
    const made = Dkim.signer({ domain: "b.test", selector: "s", key: Redacted.make(pem(rsa.privateKey)), ...options })
    expect(Either.getOrThrow(Either.flip(made)).option).toBe(option)
  })
})

describe("relaxed forms", () => {
  // RFC 6376, section 3.4.5.
  it("C35 those of the RFC", () => {
    expect(relaxedField("A: X\r\n") + relaxedField("B : Y\t\r\n\tZ  \r\n")).toBe("a:X\r\nb:Y Z\r\n")
  })

  const relaxed = (chunks: ReadonlyArray<Uint8Array>): string => {
    const seen: Array<Uint8Array> = []
    const body = new RelaxedBody({
      update: (part) => {
        seen.push(part.slice())
      },
      digest: () => new Uint8Array(0)
    })
    for (const chunk of chunks) body.update(chunk)
    body.digest()
    return text(Buffer.concat(seen))
  }

  it.each([[" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"], ["", ""], ["\r\n\r\n", ""], ["a", "a\r\n"], [" \r\n", ""], [
    "a\rb\r\n",
    "a\rb\r\n"
  ]])(
    "C35 the body %j is %j",
    (given, expected) => {
      expect(relaxed([Buffer.from(given, "latin1")])).toBe(expected)
    }
  )

  it("C35 how a body is cut makes no difference, and it is the naive form", () => {
    FC.assert(
      FC.property(spicyBytes("a \t\r\n", 200), places, (whole, at) => {
        const content = text(whole)
        const lines = content.split("\r\n").map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""))
        while (lines.at(-1) === "") lines.pop()
        const naive = lines.map((line) => `${line}\r\n`).join("")
        expect(relaxed(cut(whole, at))).toBe(naive)
      }),
      Sampling.runs({ short: 300, long: 5000 })
    )
  })

  it("C35 a hash over 100,000 empty lines keeps none of them", () => {
    const hash = createHash("sha256")
    const body = new RelaxedBody({ update: (part) => void hash.update(part), digest: () => hash.digest() })
    body.update(Buffer.from("a" + "\r\n".repeat(100_000)))
    expect(text(body.digest())).toBe(text(createHash("sha256").update("a\r\n").digest()))
  })
})
