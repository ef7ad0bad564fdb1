/** What the options of a sending make of MAIL and RCPT, as a strict server reads them. */
import { Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { type Duration, Effect } from "effect"
import { Smtp, SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { inMemory, leavesNothing, message } from "./dialogue.js"

/** Sends with these options under TLS, and gives the envelope that the server read. */
const envelopeOf = (options: SmtpSession.SendOptions, to: string | ReadonlyArray<string> = "b@b.test") =>
  Effect.provide(
    leavesNothing(Effect.gen(function*() {
      const made = TlsMemory.identity()
      const server = yield* SmtpServer.make({ tls: yield* Tls.server({ identity: made.identity }) })
      const smtp = yield* Smtp.make({
        host: server.host,
        port: server.port,
        tlsContext: { ca: made.ca },
        serverName: "localhost"
      })
      const receipt = yield* smtp.send(message(to), options)
      const [received] = yield* server.messages
      return { ...received!.envelope, receipt }
    })),
    NetMemory.layer
  )

const cases: ReadonlyArray<
  readonly [string, SmtpSession.SendOptions, Readonly<Record<string, string>>, Readonly<Record<string, string>>]
> = [
  [
    "reports",
    { dsn: { return: "full", envelopeId: "q=1+x y", notify: ["failure", "delay", "failure"] } },
    { RET: "FULL", ENVID: "q+3D1+2Bx+20y" },
    { NOTIFY: "FAILURE,DELAY", ORCPT: "rfc822;b@b.test" }
  ],
  ["no reports", { dsn: { notify: "never" } }, {}, { NOTIFY: "NEVER", ORCPT: "rfc822;b@b.test" }],
  ["a time", { deliverBy: { within: "2 minutes", otherwise: "return", trace: true } }, { BY: "120;RT" }, {}],
  ["a time to be notified of", { deliverBy: { within: "1 hours", otherwise: "notify" } }, { BY: "3600;N" }, {}],
  ["a priority", { priority: -4 }, { "MT-PRIORITY": "-4" }, {}],
  ["TLS on the way", { requireTls: true }, { REQUIRETLS: "" }, {}],
  ["a body of 8 bits", { body: "8bitmime" }, { BODY: "8BITMIME" }, {}]
]

describe("parameters", () => {
  it.effect.each(cases)("C35 the options ask for %s", ([, options, mail, rcpt]) =>
    Effect.gen(function*() {
      const { parameters, receipt, recipients } = yield* envelopeOf(options)
      expect(parameters).toEqual({ SIZE: "15", ...mail })
      expect(recipients[0]!.parameters).toEqual(rcpt)
      expect(receipt.leftOut).toEqual([])
    }))

  it.effect("C35 the original recipient of an address that is not ASCII is in RFC 6533's form", () =>
    Effect.gen(function*() {
      const { parameters, recipients } = yield* envelopeOf({ dsn: {} }, "jürgen@b.test")
      expect(parameters).toMatchObject({ SMTPUTF8: "", BODY: "8BITMIME" })
      expect(recipients[0]!.parameters.ORCPT).toBe("utf-8;j\\x{FC}rgen@b.test")
    }))

  it.effect("C35 a message is not asked back sooner than the server can return it, and the sender is notified as soon as asked", () =>
    inMemory(Effect.gen(function*() {
      const by = (within: Duration.DurationInput, otherwise: "return" | "notify") => ({
        deliverBy: { within, otherwise }
      })
      const send = (parameter: string, options: SmtpSession.SendOptions) =>
        Effect.scoped(Effect.gen(function*() {
          const server = yield* SmtpServer.make({ extensions: [`DELIVERBY${parameter}`] })
          const session = yield* SmtpSession.connect({ host: server.host, port: server.port, tls: "none" })
          yield* session.send(message(), options)
          const [received] = yield* server.messages
          return [session.extensions.deliverByLeast, received!.envelope.parameters.BY]
        }))
      expect(yield* send(" 240", by("240 seconds", "return"))).toEqual([240, "240;R"])
      expect(yield* send(" 240", by("1 seconds", "notify"))).toEqual([240, "1;N"])
      // Other options may stand in the list, and what is no number tells no time.
      expect(yield* send(" x=1,240", by("240 seconds", "return"))).toEqual([240, "240;R"])
      for (const parameter of ["", " soon", " -1", " 1234567890"]) {
        expect(yield* send(parameter, by("1 seconds", "return"))).toEqual([undefined, "1;R"])
      }
      const error = yield* Effect.flip(send(" 240", by("239 seconds", "return")))
      expect(error).toMatchObject({ _tag: "InvalidArgument", what: "deliverBy.within", argument: "3m 59s" })
      expect(error.message).toContain("240 seconds")
    })))

  it.effect.each(
    [
      ["priority", { priority: 10 }],
      ["priority", { priority: 1.5 }],
      ["deliverBy.within", { deliverBy: { within: "0 seconds", otherwise: "return" } }],
      ["dsn.envelopeId", { dsn: { envelopeId: "" } }],
      ["dsn.envelopeId", { dsn: { envelopeId: "ä" } }],
      ["dsn.envelopeId", { dsn: { envelopeId: "x".repeat(101) } }],
      ["dsn.originalRecipient", { dsn: { originalRecipient: "a\nb" } }]
    ] satisfies ReadonlyArray<readonly [string, SmtpSession.SendOptions]>
  )("C35 a wrong %s is refused before anything is sent: %o", ([what, options]) =>
    Effect.gen(function*() {
      expect(yield* Effect.flip(envelopeOf(options))).toMatchObject({ _tag: "InvalidArgument", what })
    }))
})
