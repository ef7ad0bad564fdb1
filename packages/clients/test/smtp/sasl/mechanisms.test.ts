/** Which mechanism logs in. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import type { Mechanism, MechanismName } from "../../../src/SmtpSession.js"
import { bytes, origin } from "./support.js"

const all = Mechanisms.builtIn()
const names = all.map(({ name }) => name)

const situation: Mechanisms.Situation = {
  ...origin,
  offered: names,
  isEncrypted: true,
  allowInsecureAuth: false,
  channelBinding: { type: "tls-exporter", data: bytes("x") },
  credential: "password"
}
const chosen = (given: Partial<Mechanisms.Situation> = {}, from: ReadonlyArray<Mechanism> = all) =>
  Either.map(Mechanisms.choose(from, { ...situation, ...given }), (list) => list.map(({ name }) => name))
const picked = (given: Partial<Mechanisms.Situation> = {}, from: ReadonlyArray<Mechanism> = all) =>
  Either.getOrThrow(chosen(given, from))

const external: Mechanism = {
  name: "EXTERNAL",
  credential: "none",
  isClearText: false,
  needsChannelBinding: false,
  start: () => Effect.die("not asked")
}

describe("choice", () => {
  it("C35 strongest first", () => {
    expect(picked()).toEqual([
      "SCRAM-SHA-256-PLUS",
      "SCRAM-SHA-256",
      "SCRAM-SHA-1-PLUS",
      "SCRAM-SHA-1",
      "CRAM-MD5",
      "PLAIN",
      "LOGIN"
    ])
    expect(picked({ credential: "token" })).toEqual(["OAUTHBEARER", "XOAUTH2"])
    expect(picked({ offered: ["LOGIN", "PLAIN", "X"] })).toEqual(["PLAIN", "LOGIN"])
  })

  it("C35 without a channel binding no mechanism that needs one", () => {
    expect(picked({ channelBinding: undefined })[0]).toBe("SCRAM-SHA-256")
    const error = Either.getOrThrow(
      Either.flip(chosen({ channelBinding: undefined, offered: ["SCRAM-SHA-1-PLUS"] }))
    )
    expect(error.allowed).not.toContain("SCRAM-SHA-1-PLUS")
  })

  it("C35 #27 without TLS nothing shows a password or a token, unless it is allowed", () => {
    const clear = { isEncrypted: false, channelBinding: undefined }
    expect(picked({ ...clear, offered: ["PLAIN", "LOGIN", "CRAM-MD5"] })).toEqual(["CRAM-MD5"])
    for (const offered of [["PLAIN"], ["LOGIN"], ["PLAIN", "LOGIN"]]) {
      const error = Either.getOrThrow(Either.flip(chosen({ ...clear, offered })))
      expect(error).toMatchObject({
        _tag: "NoMechanism",
        ...origin,
        offered,
        allowed: ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"],
        isEncrypted: false
      })
      expect(error.message).toContain(
        `the server offers ${
          offered.join(", ")
        }, and \`auth\` allows SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5 without TLS; ` +
          "use TLS (`tls`), or on a network that you trust allow a password in clear (`allowInsecureAuth`)"
      )
      expect(picked({ ...clear, offered, allowInsecureAuth: true })).toEqual(offered)
    }
    expect(Either.getOrThrow(Either.flip(chosen({ ...clear, credential: "token" }))).message).toContain(
      "and `auth` allows none without TLS; use TLS"
    )
    expect(picked({ ...clear, credential: "token", allowInsecureAuth: true })).toEqual(["OAUTHBEARER", "XOAUTH2"])
  })

  it("C35 nothing fits: the error says what was offered and what would do", () => {
    const error = Either.getOrThrow(Either.flip(chosen({ offered: ["GSSAPI"], credential: "token" })))
    expect(error).toMatchObject({ offered: ["GSSAPI"], allowed: ["OAUTHBEARER", "XOAUTH2"], isEncrypted: true })
    expect(error.message).toContain("GSSAPI")
    expect(Either.getOrThrow(Either.flip(chosen({ offered: [] }))).message).toContain("offers none")
  })
})

describe("the option mechanisms", () => {
  const resolved = (given: ReadonlyArray<MechanismName | Mechanism> | undefined) => Mechanisms.resolve(all, given)

  it("C35 it restricts and orders", () => {
    const some = Either.getOrThrow(resolved(["LOGIN", "SCRAM-SHA-1"]))
    expect(picked({}, some)).toEqual(["LOGIN", "SCRAM-SHA-1"])
    expect(Either.getOrThrow(resolved(undefined))).toBe(all)
    expect(Either.getOrThrow(resolved(["plain" as MechanismName]))[0]!.name).toBe("PLAIN")
  })

  it("C35 a mechanism of one's own is chosen by its name, whatever the credential", () => {
    const some = Either.getOrThrow(resolved([external, "PLAIN"]))
    expect(picked({ offered: ["EXTERNAL", "PLAIN"] }, some)).toEqual(["EXTERNAL", "PLAIN"])
    expect(picked({ offered: ["EXTERNAL", "PLAIN"], credential: "none" }, some)).toEqual(["EXTERNAL"])
  })

  it("C35 unknown names, none, and names that would become another command are refused", () => {
    const given = [[], ["GSSAPI" as MechanismName], ["PLAIN\r\nRSET" as MechanismName], ["" as MechanismName]]
    const own = ["", "A B", "A\r\nB", "A".repeat(21)].map((name) => [{ ...external, name }])
    for (const one of [...given, ...own]) {
      expect(Either.getOrThrow(Either.flip(resolved(one)))).toMatchObject({
        _tag: "InvalidOption",
        option: "mechanisms"
      })
    }
  })

  it("C35 rounds are whole numbers, the least first", () => {
    expect(Either.getOrThrow(Mechanisms.rounds())).toEqual({ least: 4096, most: 600_000 })
    expect(Either.getOrThrow(Mechanisms.rounds({ least: 1 }))).toEqual({ least: 1, most: 600_000 })
    for (const wrong of [{ least: 0 }, { least: 1.5 }, { most: 4095 }, { most: Infinity }, { least: NaN }]) {
      expect(Either.isLeft(Mechanisms.rounds(wrong))).toBe(true)
    }
  })
})

describe("after a refusal", () => {
  const after = (code: number, enhancedCode?: string, canRenew = false) =>
    Mechanisms.afterRefusal({ code, enhancedCode, canRenew })

  it("C35 #29 a weaker mechanism is tried only where the mechanism itself was refused", () => {
    for (const code of [535, 501, 454, 432, 421, 530, 538, 500, 550, 334]) expect(after(code)).toBe("stop")
    for (const code of [504, 534]) expect(after(code)).toBe("next")
  })

  it("C35 #28 a token is fetched again once: after 535, and what Exchange says of one that expires soon", () => {
    expect(after(535, "5.7.8", true)).toBe("renew")
    expect(after(501, "5.5.126", true)).toBe("renew")
    expect(after(501, "5.5.4", true)).toBe("stop")
    expect(after(535, "5.7.8", false)).toBe("stop")
    expect(after(504, undefined, true)).toBe("next")
  })
})

it("C35 the channel binding is tls-exporter under TLS 1.3, tls-unique before, and none without TLS", () => {
  const connection = (protocol: "TLSv1.2" | "TLSv1.3", has: ReadonlyArray<string>) =>
    Option.some({
      info: { protocol },
      channelBinding: (type: string) => has.includes(type) ? Option.some(bytes(type)) : Option.none()
    } as never)
  const both = ["tls-exporter", "tls-unique"]
  expect(Mechanisms.bindingOf(connection("TLSv1.3", both))).toEqual({
    type: "tls-exporter",
    data: bytes("tls-exporter")
  })
  expect(Mechanisms.bindingOf(connection("TLSv1.2", both))).toEqual({ type: "tls-unique", data: bytes("tls-unique") })
  expect(Mechanisms.bindingOf(connection("TLSv1.2", ["tls-exporter"]))).toBeUndefined()
  expect(Mechanisms.bindingOf(Option.none())).toBeUndefined()
})
