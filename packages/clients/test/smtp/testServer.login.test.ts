/** The SMTP server for tests and this library's client: every mechanism, on both networks. */
import { type Net, Tls, type TlsContext } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Redacted, type Scope } from "effect"
import { Smtp, type SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { selfSigned } from "../ftp/selfSigned.js"
import { on } from "./rawClient.js"

const names: ReadonlyArray<SmtpSession.MechanismName> = [
  "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-256",
  "SCRAM-SHA-1-PLUS",
  "SCRAM-SHA-1",
  "CRAM-MD5",
  "PLAIN",
  "LOGIN",
  "OAUTHBEARER",
  "XOAUTH2"
]

interface Material {
  readonly identity: TlsContext.ServerOptions["identity"]
  readonly ca: TlsContext.ClientOptions["ca"]
}

const onNode: Effect.Effect<Material, never, Scope.Scope> = Effect.map(selfSigned, ({ cert, key }) => ({
  identity: { certificate: { path: cert }, key: { path: key } },
  ca: { path: cert }
}))

const places: ReadonlyArray<readonly [string, Layer.Layer<Net.Net>, Effect.Effect<Material, never, Scope.Scope>]> = [
  ["in memory", NetMemory.layer, Effect.sync(() => TlsMemory.identity())],
  ["on Node", NodeNet.layer, onNode]
]

/** Sends a message after a log-in, to a server that wants one and TLS. */
const sent = ({ ca, identity }: Material, auth: SmtpSession.Auth) =>
  Effect.gen(function*() {
    const started = yield* SmtpServer.make({
      tls: yield* Tls.server({ identity }),
      users: { ada: "sécret" },
      tokens: { ada: "t" },
      requireTls: true,
      requireAuth: true
    })
    const smtp = yield* Smtp.make({
      host: started.host,
      port: started.port,
      tlsContext: { ca },
      serverName: "localhost",
      auth
    })
    const sending = yield* Effect.either(smtp.send({ from: "a@b.test", to: "c@d.test", text: "x" }))
    return { sending, messages: yield* started.messages, commands: yield* started.commands }
  })

describe.each(places)("the SMTP server for tests and the client, %s", (_, net, material) => {
  it.live("C35 every mechanism logs in, and a wrong secret is refused by each", () =>
    on(
      net,
      Effect.gen(function*() {
        const made = yield* material
        for (const name of names) {
          const isToken = /OAUTH/.test(name)
          const auth = (secret: string): SmtpSession.Auth => ({
            user: "ada",
            mechanisms: [name],
            ...(isToken ? { token: Redacted.make(secret) } : { password: Redacted.make(secret) })
          })
          const right = yield* sent(made, auth(isToken ? "t" : "sécret"))
          expect([name, right.sending._tag]).toEqual([name, "Right"])
          expect(right.messages.map(({ tls, user }) => [Option.isSome(tls), user])).toEqual([[
            true,
            Option.some("ada")
          ]])
          const wrong = yield* sent(made, auth("wrong"))
          expect(wrong.sending).toMatchObject({ left: { _tag: "AuthenticationFailed" } })
          expect(wrong.messages).toEqual([])
          for (const line of [...right.commands, ...wrong.commands].filter((line) => line.startsWith("AUTH"))) {
            expect(line).toMatch(/^AUTH(?: [A-Z0-9-]+(?: \*\*\*\*)?| \*\*\*\*)$/)
          }
        }
      })
    ))
})
