/** URLs of servers, and which options a call has. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, FastCheck as FC, Redacted } from "effect"
import { Smtp, SmtpSession } from "../../src/index.js"
import * as Targets from "../../src/internal/smtp/target.js"
import * as SmtpUrl from "../../src/internal/smtp/url.js"
import { SmtpServer } from "../../src/testing/index.js"
import { leavesNothing, message } from "./dialogue.js"

const parsed = (text: string) => Either.getOrThrow(SmtpUrl.parse(text))
const secret = (password: Redacted.Redacted<string> | undefined) =>
  password === undefined ? undefined : Redacted.value(password)

describe("URLs", () => {
  it("C35 a URL gives the scheme, the host, the port and the log-in", () => {
    const url = parsed("SMTPS://ada%40a.test:p%2Fw@mail.test:2465/")
    expect(url).toMatchObject({ scheme: "smtps", host: "mail.test", port: 2465, user: "ada@a.test" })
    expect(secret(url.password)).toBe("p/w")
    expect(parsed("lmtp://[::1]")).toEqual({ scheme: "lmtp", host: "::1" })
  })

  it.each([
    "http://a.test",
    "smtp://",
    "smtp://a.test/path",
    "smtp://a.test?x=1",
    "smtp://a.test:0",
    "smtp://a.test:99999",
    "smtp://u%0d%0aRSET@a.test",
    "smtp://a b.test",
    "a.test"
  ])("C35 %s is refused", (text) => {
    expect(SmtpUrl.parse(text)._tag).toBe("Left")
  })

  it("C35 a URL that is refused does not show its password", () => {
    const error = Either.flip(SmtpUrl.parse("smtp://ada:hunter2/secret@a.test/x"))
    expect(JSON.stringify(error)).not.toContain("hunter2")
  })

  it("C35 any text is a URL or is refused (property)", () => {
    FC.assert(FC.property(FC.string(), (text) => {
      const result = SmtpUrl.parse(`smtp://${text}`)
      if (Either.isRight(result)) expect(result.right.host).not.toMatch(/[\0-\x20]/)
    }))
  })
})

describe("options", () => {
  const auth = { user: "ada", password: Redacted.make("secret") }
  const defaults: Smtp.Defaults = {
    host: "a.test",
    port: 2525,
    tls: "none",
    auth,
    serverName: "b.test",
    name: "c.test"
  }
  const session = (target: string | Smtp.Defaults) => Either.getOrThrow(Targets.session(target, defaults))

  it("C35 what was set for one host is not sent to another", () => {
    expect(session("smtp://A.TEST")).toMatchObject({ auth, port: 2525, serverName: "b.test", name: "c.test" })
    for (const other of ["smtp://other.test", { host: "other.test" }]) {
      const options = session(other)
      expect(options).toMatchObject({ host: "other.test", name: "c.test", tls: "none" })
      expect([options.auth, options.port, options.serverName]).toEqual([undefined, undefined, undefined])
    }
  })

  it("C35 a URL's log-in takes the place of the default one, and its scheme of the default port", () => {
    const login = session("smtp://grace:other@a.test")
    expect(login.auth?.user).toBe("grace")
    expect(secret(login.auth?.password)).toBe("other")
    expect(session("smtps://a.test")).toMatchObject({ tls: "implicit" })
    expect(session("smtps://a.test").port).toBe(undefined)
    expect(session("lmtp://a.test")).toMatchObject({ protocol: "lmtp" })
    expect(session("lmtp://a.test").port).toBe(undefined)
  })

  it.effect.each(
    [
      ["host", { host: "" }],
      ["port", { port: 0 }],
      ["port", { port: 70_000 }],
      ["name", { name: "a\r\nb" }],
      ["name", { name: "-a.test" }],
      ["timeouts.final", { timeouts: { final: "0 seconds" } }],
      ["replyLimit", { replyLimit: 1 }],
      ["extensionLimit", { extensionLimit: 0 }],
      ["mechanisms", { auth: { user: "a", password: Redacted.make("b"), mechanisms: [] } }],
      ["rounds", { auth: { user: "a", password: Redacted.make("b"), rounds: { least: 9, most: 8 } } }],
      ["tls", { tls: "ssl" as "none" }],
      ["protocol", { protocol: "uucp" as "smtp" }]
    ] satisfies ReadonlyArray<readonly [string, Smtp.Defaults]>
  )("C35 a wrong %s is refused before anything connects: %o", ([option, given]) =>
    Effect.provide(
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(SmtpSession.connect({ host: "a.test", tls: "none", ...given })))
        expect(error).toMatchObject({ _tag: "InvalidOption", option })
      }),
      NetMemory.layer
    ))

  it.effect("C35 a service without a host says so; one by a URL sends", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const smtp = yield* Smtp.make()
        expect(yield* Effect.flip(smtp.send(message()))).toMatchObject({ _tag: "InvalidOption", option: "host" })
        const server = yield* SmtpServer.make()
        const plain = yield* Smtp.make({ tls: "none" })
        const session = yield* plain.connect(server.url)
        yield* session.send(message())
        expect(yield* server.messages).toHaveLength(1)
      })),
      NetMemory.layer
    ))
})
