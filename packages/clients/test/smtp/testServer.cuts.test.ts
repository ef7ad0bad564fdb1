/** The SMTP server for tests: how a client's bytes are cut makes no difference; what it holds is bounded; reports. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FC from "effect/FastCheck"
import PostalMime from "postal-mime"
import { SmtpServer } from "../../src/testing/index.js"
import { text } from "../ftp/networks.js"
import { connect, greeted, inMemory } from "./rawClient.js"

const content = FC.array(
  FC.constantFrom("\r\n.\r\n", "\r\n", "\r", "\n", ".", "..", "QUIT", "\n.\n", "\r.\r", "x", "ä"),
  {
    maxLength: 12
  }
).map((pieces) => pieces.join(""))

/** What a client may send, right or wrong: each ends what it begins, so that the next is read as a command. */
const step = FC.oneof(
  FC.constantFrom(
    "EHLO client.test\r\n",
    "MAIL FROM:<a@b.test>\r\n",
    "RCPT TO:<c@d.test>\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "NOOP\nRSET\r\n",
    "NOOP\r\r\n",
    "\r\n",
    `NOOP ${"x".repeat(600)}\r\n`,
    `${"x".repeat(13_000)}\r\r\n`,
    "AUTH PLAIN AGEAYg==\r\n"
  ),
  content.map((given) => `MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n${given}\r\n.\r\n`),
  content.map((given) => {
    const length = Buffer.byteLength(given)
    return `MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT ${length}\r\n${given}BDAT ${length} LAST\r\n${given}`
  })
)

const conversation = FC.record({
  steps: FC.array(step, { maxLength: 12 }),
  cuts: FC.array(FC.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })
})

/** Everything that a client can see, and what the server has kept. */
const outcome = (bytes: Uint8Array, cuts: ReadonlyArray<number>, chunks: "joined" | 1 | "random") =>
  Effect.provide(
    Effect.scoped(Effect.gen(function*() {
      const server = yield* SmtpServer.make({ users: { a: "b" }, allowInsecureAuth: true })
      const client = yield* connect(server)
      const replies = yield* Effect.fork(client.socket.receiveAll())
      let at = 0
      for (let index = 0; at < bytes.length; index++) {
        const length = cuts[index % cuts.length]!
        yield* client.say(bytes.slice(at, at + length))
        yield* client.socket.flush
        yield* Effect.yieldNow()
        at += length
      }
      return {
        replies: text(yield* replies),
        commands: yield* server.commands,
        messages: (yield* server.messages).map((message) => ({ ...message, bytes: text(message.bytes) }))
      }
    })),
    NetMemory.layerWith({ chunks })
  )

describe("the SMTP server for tests, however its client's bytes are cut", () => {
  it.effect("C35 sees the same commands and messages, and replies the same", () =>
    Sampling.forEachSeed({ short: 30, long: 200 }, (seed) =>
      Effect.gen(function*() {
        const { cuts, steps } = FC.sample(conversation, { seed, numRuns: 1 })[0]!
        const bytes = new TextEncoder().encode(`EHLO client.test\r\n${steps.join("")}RSET\r\nQUIT\r\n`)
        const whole = yield* outcome(bytes, [bytes.length], "joined")
        expect(whole.replies).toMatch(/221 2\.0\.0 Good bye\r\n$/)
        expect(yield* outcome(bytes, cuts, "random")).toEqual(whole)
        expect(yield* outcome(bytes, [bytes.length], 1)).toEqual(whole)
      })))
})

describe("the SMTP server for tests takes content as it was meant", () => {
  it.effect("C35 whatever the content, what was stuffed arrives as it was", () =>
    Effect.provide(
      Effect.scoped(Effect.gen(function*() {
        const { client, server } = yield* greeted()
        yield* Sampling.forEachSeed({ short: 60, long: 500 }, (seed) =>
          Effect.gen(function*() {
            const given = FC.sample(content, { seed, numRuns: 1 })[0]!
            const stuffed = given.replace(/(^|\r\n)\./g, "$1..")
            yield* client.askAll("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA")
            expect(yield* client.ask(`${stuffed}\r\n.`)).toMatch(/^250/)
            expect(text((yield* server.messages).at(-1)!.bytes)).toBe(`${given}\r\n`)
          }))
      })),
      NetMemory.layerWith({ chunks: "random" })
    ))
})

describe("the SMTP server for tests is bounded", () => {
  it.effect("C35 by its memory: messages past it are deferred, the older half of the commands goes", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({ memory: 1000 })
      const send = Effect.map(
        client.askAll("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", `${"x".repeat(498)}\r\n.`),
        (replies) => replies[3]
      )
      expect(yield* send).toMatch(/^250/)
      expect(yield* send).toBe("452 4.3.1 There is no room for the message")
      for (let count = 0; count < 20; count++) yield* client.ask("NOOP")
      const commands = yield* server.commands
      expect(commands.length).toBeLessThan(10)
      expect(commands.at(-1)).toBe("NOOP")
    })))

  it.effect("C35 keepsBytes false: messages are counted, and not kept", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({ memory: 1000, keepsBytes: false })
      yield* client.askAll("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", `${"x".repeat(100_000)}\r\n.`)
      expect(yield* server.messages).toMatchObject([{ size: 100_002, bytes: new Uint8Array() }])
    })))
})

describe("the SMTP server for tests knows its mailboxes", () => {
  it.effect("C35 VRFY and EXPN answer, and other recipients are refused", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({
        mailboxes: ["ada@b.test", "bob@b.test", "bob@c.test"],
        lists: { all: ["ada@b.test", "bob@b.test"] }
      })
      expect(
        yield* client.askAll(
          "VRFY",
          "VRFY Ada",
          "VRFY <ada@b.test>",
          "VRFY bob",
          "VRFY eve",
          "EXPN all SMTPUTF8",
          "EXPN no"
        )
      )
        .toEqual([
          "501 5.5.4 A name or an address is what it takes",
          "250 2.1.5 <ada@b.test>",
          "250 2.1.5 <ada@b.test>",
          "553 5.1.4 There are several such mailboxes",
          "550 5.1.1 There is no such mailbox",
          "250-2.1.5 <ada@b.test>\n250 2.1.5 <bob@b.test>",
          "550 5.1.1 There is no such list"
        ])
      expect(
        yield* client.askAll("MAIL FROM:<>", "RCPT TO:<ada@b.test>", "RCPT TO:<PostMaster>", "RCPT TO:<eve@b.test>")
      ).toEqual([
        "250 2.1.0 So be it",
        "250 2.1.5 So be it",
        "250 2.1.5 So be it",
        "550 5.1.1 There is no such mailbox"
      ])
    })))
})

describe("the SMTP server for tests: reports", () => {
  const deliveries = { "gone@d.test": "550 5.1.1 Gone", "full@d.test": "452 4.2.2 Full" }
  /** Sends to these recipients, and reads the reports' parts of the type message/delivery-status. */
  const reported = (mail: string, recipients: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const { client, server } = yield* greeted({ quirks: { deliveries } })
      yield* client.askAll(`MAIL FROM:${mail}`, ...recipients.map((recipient) => `RCPT TO:${recipient}`), "DATA")
      expect(yield* client.ask("Subject: Some\r\n\r\nSecret\r\n.")).toMatch(/^250/)
      return yield* Effect.forEach(yield* server.reports, ({ bytes, to }) =>
        Effect.map(
          Effect.promise(() => PostalMime.parse(bytes)),
          (read) => ({
            to,
            addressed: read.to?.[0]?.address,
            text: read.text,
            whole: text(bytes),
            types: read.attachments.map(({ mimeType }) => mimeType)
          })
        ))
    })

  it.effect("C35 nothing is told unless it was asked for or goes wrong, never of a report", () =>
    inMemory(Effect.gen(function*() {
      expect(yield* reported("<a@b.test>", ["<c@d.test>", "<gone@d.test> NOTIFY=NEVER"])).toEqual([])
      expect(yield* reported("<a@b.test>", ["<full@d.test> NOTIFY=SUCCESS,FAILURE", "<gone@d.test> NOTIFY=DELAY"]))
        .toEqual([])
      expect(yield* reported("<>", ["<gone@d.test>", "<c@d.test> NOTIFY=SUCCESS"])).toEqual([])
    })))

  it.effect("C35 success, delay and failure, with what the client said of itself", () =>
    inMemory(Effect.gen(function*() {
      const [report, ...others] = yield* reported("<a@b.test> RET=FULL ENVID=x+20y", [
        "<c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;old+2Bc@d.test",
        "<full@d.test>",
        "<gone@d.test>"
      ])
      expect(others).toEqual([])
      expect(report).toMatchObject({ to: "a@b.test", addressed: "a@b.test" })
      expect(report!.text).toMatch(/c@d\.test: delivered\nfull@d\.test: delayed\ngone@d\.test: failed/)
      expect(report!.whole).toContain([
        "Reporting-MTA: dns; mail.test",
        "Original-Envelope-Id: x y",
        "Arrival-Date: Thu, 01 Jan 1970 00:00:00 +0000",
        "",
        "Original-Recipient: rfc822; old+c@d.test",
        "Final-Recipient: rfc822; c@d.test",
        "Action: delivered",
        "Status: 2.0.0",
        "",
        "Final-Recipient: rfc822; full@d.test",
        "Action: delayed",
        "Status: 4.2.2",
        "Diagnostic-Code: smtp; 452 4.2.2 Full",
        "",
        "Final-Recipient: rfc822; gone@d.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 Gone",
        ""
      ].join("\r\n"))
      expect(report!.whole).toMatch(/Content-Type: message\/rfc822\r\n.*\r\n\r\nSubject: Some\r\n\r\nSecret\r\n/)
    })))

  it.effect("C35 the header alone is returned unless all was asked for, and DELIVERBY decides what is late", () =>
    inMemory(Effect.gen(function*() {
      const [late] = yield* reported("<a@b.test> BY=60;R", ["<full@d.test>"])
      expect(late!.whole).toMatch(/Action: failed\r\nStatus: 5\.4\.7\r\n/)
      expect(late!.whole).toMatch(/Content-Type: text\/rfc822-headers\r\n.*\r\n\r\nSubject: Some\r\n\r\n--/)
      expect(late!.whole).not.toContain("Secret")
      expect(yield* reported("<a@b.test> BY=60;N", ["<full@d.test> NOTIFY=NEVER"])).toEqual([])
      const [notified] = yield* reported("<a@b.test> BY=60;N", ["<full@d.test> NOTIFY=SUCCESS"])
      expect(notified!.whole).toMatch(/Action: delayed\r\nStatus: 4\.2\.2\r\n/)
    })))

  it.effect("C35 addresses that are not ASCII have the types of RFC 6533", () =>
    inMemory(Effect.gen(function*() {
      const [report] = yield* reported("<a@b.test> SMTPUTF8", ["<ä@d.test> NOTIFY=SUCCESS"])
      expect(report!.whole).toMatch(/Content-Type: message\/global-delivery-status\r\n/)
      expect(report!.whole).toMatch(/Final-Recipient: utf-8; ä@d\.test\r\n/)
      expect(report!.whole).toMatch(/Content-Type: message\/global-headers\r\n/)
    })))
})
