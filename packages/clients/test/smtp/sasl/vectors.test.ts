/** The exchanges that the RFCs print, letter for letter. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Auth from "../../../src/internal/smtp/sasl/auth.js"
import { oauthBearer, xoauth2 } from "../../../src/internal/smtp/sasl/bearer.js"
import * as Keys from "../../../src/internal/smtp/sasl/keys.js"
import { cramMd5, login, plain } from "../../../src/internal/smtp/sasl/password.js"
import * as Scram from "../../../src/internal/smtp/sasl/scram.js"
import { bytes, context, makeCrypto, said, withNonce } from "./support.js"

/** The nonces of the examples are shorter than ours, and base64 like ours. */
const scramVectors = [
  {
    rfc: "RFC 5802, section 5",
    family: "SCRAM-SHA-1",
    nonce: "fyko+d2lbbFgONRv9qkxdawL",
    serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    clientFinal: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    serverFinal: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
  },
  {
    rfc: "RFC 7677, section 3",
    family: "SCRAM-SHA-256",
    nonce: "rOprNGfwEbeRWgbNEkqO",
    serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    clientFinal:
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
  }
] as const

describe("vectors", () => {
  for (const { clientFinal, family, nonce, rfc, serverFinal, serverFirst } of scramVectors) {
    it.effect(`C35 ${family} is that of ${rfc}`, () =>
      Effect.gen(function*() {
        const mechanism = Scram.make(family, false, Keys.cached(1), Scram.defaultRounds)
        const first = yield* mechanism.start(
          context({ password: "pencil", crypto: withNonce(makeCrypto(), nonce) })
        )
        expect(said(first)).toBe(`n,,n=user,r=${nonce}`)
        expect(first.missing).toContain("proved")
        const second = yield* first.step(bytes(serverFirst))
        expect(said(second)).toBe(clientFinal)
        expect(second.missing).toContain("proved")
        const third = yield* second.step(bytes(serverFinal))
        expect(said(third)).toBe("")
        expect(third.missing).toBeUndefined()
      }))
  }

  it.effect("C35 CRAM-MD5 is that of RFC 2195, section 2", () =>
    Effect.gen(function*() {
      const first = yield* cramMd5.start(context({ user: "tim", password: "tanstaaftanstaaf" }))
      expect(said(first)).toBeUndefined()
      const second = yield* first.step(bytes("<1896.697170952@postoffice.reston.mci.net>"))
      expect(said(second)).toBe("tim b913a602c7eda7a495b4e6e7334d3890")
      expect(second.missing).toBeUndefined()
    }))

  it.effect("C35 PLAIN is that of RFC 4616, section 4", () =>
    Effect.gen(function*() {
      expect(said(yield* plain.start(context({ user: "tim", password: "tanstaaftanstaaf" })))).toBe(
        "\0tim\0tanstaaftanstaaf"
      )
    }))

  it.effect("C35 LOGIN answers by position, whatever the prompts say", () =>
    Effect.gen(function*() {
      const origin = { protocol: "smtp", server: "server.example.com:587" } as const
      for (const prompts of [["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], ["UGFzc3dvcmQ6", "VXNlcm5hbWU6"], ["Name?", ""]]) {
        const state = yield* login.start(context({ user: "tim", password: "tanstaaf" }))
        const first = Auth.begin("LOGIN", state)
        expect(Auth.missing(first)).toContain("not ended")
        const second = yield* Auth.answer(first, [prompts[0]!], origin)
        expect(said(second.state)).toBe("tim")
        expect(Auth.missing(second)).toContain("not ended")
        const third = yield* Auth.answer(second, [prompts[1]!], origin)
        expect(said(third.state)).toBe("tanstaaf")
        expect(Auth.missing(third)).toBeUndefined()
      }
    }))

  it.effect("C35 OAUTHBEARER is that of RFC 7628, section 4.1, and its error is acknowledged as in 4.3", () =>
    Effect.gen(function*() {
      const first = yield* oauthBearer.start(
        context({ user: "user@example.com", token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", port: 143 })
      )
      expect(said(first)).toBe(
        "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01" +
          "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
      )
      const second = yield* first.step(
        bytes(
          "{\"status\":\"invalid_token\",\"scope\":\"example_scope\"," +
            "\"openid-configuration\":\"https://example.com/.well-known/openid-configuration\"}"
        )
      )
      expect(Auth.begin("OAUTHBEARER", second).command.args).toHaveLength(2)
      expect(said(second)).toBe("\x01")
      expect(second.detail).toBe("status invalid_token, scope example_scope")
      expect(second.missing).toContain("refused the token")
    }))

  // developers.google.com/workspace/gmail/imap/xoauth2-protocol
  it.effect("C35 #28 XOAUTH2 answers its error with an empty line, and keeps the status and the scope", () =>
    Effect.gen(function*() {
      const first = yield* xoauth2.start(
        context({ user: "someuser@example.com", token: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" })
      )
      expect(Auth.begin("XOAUTH2", first).command.verb).toBe("AUTH")
      expect(said(first)).toBe(
        "user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"
      )
      const second = yield* first.step(
        bytes("{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"https://mail.google.com/\"}")
      )
      expect(said(second)).toBe("")
      expect(second.detail).toBe("status 401, scope https://mail.google.com/")
    }))
})
