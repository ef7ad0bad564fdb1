/** Whatever a caller gives, the server reads exactly the commands that were meant: cases 31 to 33. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, FastCheck as FC } from "effect"
import { Address, Message, Smtp, type SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { leavesNothing, message } from "./dialogue.js"

/** Text of which much means something in a command. */
const spicy = FC.stringOf(
  FC.oneof(
    FC.constantFrom(
      "\r",
      "\n",
      "\r\n",
      "\0",
      "\x7f",
      " ",
      "<",
      ">",
      "\"",
      "\\",
      "@",
      ",",
      "=",
      "+",
      ";",
      ":",
      ".",
      "\u010a"
    ),
    FC.constantFrom("RCPT TO:<x@evil.test>", "\r\n.\r\n", "a", "ü", "\ud800", "\t")
  ),
  { maxLength: 12 }
)

const wellFormed =
  /^(?:EHLO \S+|MAIL FROM:<[^\r\n]*>[ -~]*|RCPT TO:<[^\r\n]*>[ -~]*|DATA|BDAT \d+ LAST|RSET|NOOP|QUIT|VRFY [^\r\n]*|EXPN [^\r\n]*|HELP [^\r\n]*|XX [^\r\n]*)$/

const control = /\p{Cc}/u

describe("injection", () => {
  const tried = (use: (session: SmtpSession.Session) => Effect.Effect<unknown, unknown>) =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const server = yield* SmtpServer.make({ lists: {}, quirks: { unknown: [] } })
        const smtp = yield* Smtp.make({ host: server.host, port: server.port, tls: "none" })
        const session = yield* smtp.connect()
        yield* Effect.exit(use(session))
        yield* Effect.ignore(session.noop)
        return { commands: yield* server.commands, messages: yield* server.messages }
      })),
      NetMemory.layer
    )

  const places: ReadonlyArray<
    readonly [string, (session: SmtpSession.Session, text: string) => Effect.Effect<unknown, unknown>]
  > = [
    ["a sender", (session, text) => session.send({ from: { address: text }, to: "b@b.test", text: "x" })],
    [
      "a quoted local part",
      (session, text) => session.send({ from: "a@a.test", to: { address: `"${text}"@b.test` }, text: "x" })
    ],
    [
      "a recipient",
      (session, text) => Effect.scoped(Effect.flatMap(session.transaction({ from: "<>" }), (it) => it.recipient(text)))
    ],
    ["ENVID", (session, text) => session.send(message(), { dsn: { envelopeId: text } })],
    [
      "ORCPT",
      (session, text) =>
        Effect.scoped(Effect.flatMap(
          session.transaction({ from: "<>", dsn: {} }),
          (it) => it.recipient("b@b.test", { originalRecipient: text })
        ))
    ],
    ["VRFY", (session, text) => session.verify(text)],
    ["EXPN", (session, text) => session.expand(text)],
    ["HELP", (session, text) => session.help(text)],
    ["a raw command", (session, text) => session.command(`XX ${text}`)],
    ["a raw command's parts", (session, text) => session.command(["XX", text])],
    ["a subject", (session, text) => session.send({ from: "a@a.test", to: "b@b.test", subject: text, text })],
    ["a body", (session, text) => session.send(message("b@b.test", text))]
  ]

  it.effect.each(places)("C35 #31 %s: no text becomes a command (property)", ([, call]) =>
    Effect.gen(function*() {
      for (const text of FC.sample(spicy, 15)) {
        const { commands, messages } = yield* tried((session) => call(session, text))
        for (const line of commands) expect(line).toMatch(wellFormed)
        for (const line of commands) expect(line).not.toMatch(control)
        expect(messages.length).toBeLessThanOrEqual(1)
        const recipients = messages.flatMap(({ envelope }) => envelope.recipients.map(({ address }) => address))
        for (const address of recipients) expect(address.endsWith("@b.test")).toBe(true)
      }
    }))

  it.effect.each(
    [
      ["\"<admin@a.test> ORCPT=rfc822;x\"@b.test", "\"<admin@a.test> ORCPT=rfc822;x\"@b.test"],
      ["\"x@evil.test y\" <a@b.test>", "a@b.test"],
      ["\"x@evil.test\"@b.test", "\"x@evil.test\"@b.test"],
      ["(x@evil.test) a@b.test", "a@b.test"]
    ] as const
  )("C35 #32 #33 %s is one mailbox at b.test on the wire", ([text, wire]) =>
    Effect.gen(function*() {
      const { commands, messages } = yield* tried((session) => session.send(message(text)))
      expect(commands).toContain(`RCPT TO:<${wire}>`)
      expect(messages[0]?.envelope.recipients.map(({ address }) => address)).toEqual([wire])
    }))

  it("C35 #31 an envelope of other recipients is checked as the message's own is", () => {
    const wrong = { from: "a@a.test", to: "b@b.test\r\nRCPT TO:<x@evil.test>" }
    expect(Either.isLeft(Message.raw("", { envelope: wrong }))).toBe(true)
    expect(Either.isLeft(Address.parse("a\n@b.test"))).toBe(true)
  })
})
