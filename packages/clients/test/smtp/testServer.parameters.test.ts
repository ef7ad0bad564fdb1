/** The SMTP server for tests: extensions, their parameters, and what it says without them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { text } from "../ftp/networks.js"
import { greeted, inMemory } from "./rawClient.js"

const sender = "FROM:<a@b.test>"
const xtext = "x".repeat(101)

/** Arguments of MAIL, and the codes of their replies. */
const mails: ReadonlyArray<readonly [argument: string, code: string]> = [
  [sender, "250 2.1.0"],
  ["from:<a@b.test>", "250 2.1.0"],
  ["FROM:<>", "250 2.1.0"],
  ["FROM:<\"a b\\\"@x>\"@b.test>", "250 2.1.0"],
  ["FROM:<a@[127.0.0.1]>", "250 2.1.0"],
  ["FROM:<a@[IPv6:::1]>", "250 2.1.0"],
  ["FROM:<@x.test,@y.test:a@b.test>", "250 2.1.0"],
  ["FROM:a@b.test", "501 5.1.7"],
  ["FROM: <a@b.test>", "501 5.1.7"],
  ["FROM:<a b@b.test>", "501 5.1.7"],
  ["FROM:<a@b@c.test>", "501 5.1.7"],
  ["FROM:<a@-b.test>", "501 5.1.7"],
  ["FROM:<a..b@b.test>", "501 5.1.7"],
  ["FROM:<Postmaster>", "501 5.1.7"],
  ["FROM:<a@b.test", "501 5.1.7"],
  ["FROM:<a@b.test>SIZE=1", "501 5.1.7"],
  ["TO:<a@b.test>", "501 5.5.4"],
  ["", "501 5.5.4"],
  [`${sender} `, "501 5.5.4"],
  [`${sender}  SIZE=1`, "501 5.5.4"],
  [`${sender} FOO=1`, "555 5.5.4"],
  [`${sender} constructor=1`, "555 5.5.4"],
  [`${sender} NOTIFY=NEVER`, "555 5.5.4"],
  [`${sender} SIZE=1000`, "250 2.1.0"],
  [`${sender} size=1000`, "250 2.1.0"],
  [`${sender} SIZE=1001`, "552 5.3.4"],
  [`${sender} SIZE=1 SIZE=1`, "501 5.5.4"],
  [`${sender} SIZE`, "501 5.5.4"],
  [`${sender} SIZE=`, "501 5.5.4"],
  [`${sender} SIZE=x`, "501 5.5.4"],
  [`${sender} BODY=7bit`, "250 2.1.0"],
  [`${sender} BODY=8BITMIME`, "250 2.1.0"],
  [`${sender} BODY=BINARYMIME`, "250 2.1.0"],
  [`${sender} BODY=9BIT`, "501 5.5.4"],
  [`${sender} BODY`, "501 5.5.4"],
  [`${sender} SMTPUTF8`, "250 2.1.0"],
  [`${sender} SMTPUTF8=1`, "501 5.5.4"],
  ["FROM:<ä@b.test> SMTPUTF8", "250 2.1.0"],
  ["FROM:<a@ä.test> SMTPUTF8", "250 2.1.0"],
  ["FROM:<ä@b.test>", "553 5.6.7"],
  [`${sender} RET=HDRS ENVID=a+2Bb`, "250 2.1.0"],
  [`${sender} RET=ALL`, "501 5.5.4"],
  [`${sender} ENVID=a+2b`, "501 5.5.4"],
  [`${sender} ENVID=${xtext}`, "501 5.5.4"],
  [`${sender} REQUIRETLS`, "555 5.5.4"],
  [`${sender} AUTH=<>`, "250 2.1.0"],
  [`${sender} AUTH=a@b.test`, "250 2.1.0"],
  [`${sender} AUTH=a+`, "501 5.5.4"],
  [`${sender} BY=120;R`, "250 2.1.0"],
  [`${sender} BY=120;RT`, "250 2.1.0"],
  [`${sender} BY=-120;N`, "250 2.1.0"],
  [`${sender} BY=0;R`, "501 5.5.4"],
  [`${sender} BY=-1;R`, "501 5.5.4"],
  [`${sender} BY=120`, "501 5.5.4"],
  [`${sender} BY=1234567890;N`, "501 5.5.4"],
  [`${sender} MT-PRIORITY=-9`, "250 2.1.0"],
  [`${sender} MT-PRIORITY=0`, "250 2.1.0"],
  [`${sender} MT-PRIORITY=10`, "501 5.5.4"],
  [`${sender} MT-PRIORITY=-0`, "501 5.5.4"]
]

/** Arguments of RCPT, after a MAIL without SMTPUTF8. */
const recipients: ReadonlyArray<readonly [argument: string, code: string]> = [
  ["TO:<c@d.test>", "250 2.1.5"],
  ["TO:<postmaster>", "250 2.1.5"],
  ["TO:<>", "501 5.1.3"],
  ["TO:<c@d.test> SIZE=1", "555 5.5.4"],
  ["TO:<ä@d.test>", "553 5.6.7"],
  ["TO:<c@d.test> NOTIFY=NEVER", "250 2.1.5"],
  ["TO:<c@d.test> NOTIFY=success,DELAY,FAILURE", "250 2.1.5"],
  ["TO:<c@d.test> NOTIFY=NEVER,DELAY", "501 5.5.4"],
  ["TO:<c@d.test> NOTIFY=DELAY,SUCCESS,DELAY", "501 5.5.4"],
  ["TO:<c@d.test> NOTIFY=", "501 5.5.4"],
  ["TO:<c@d.test> ORCPT=rfc822;c+2Bx@d.test", "250 2.1.5"],
  ["TO:<c@d.test> ORCPT=c@d.test", "501 5.5.4"],
  ["TO:<c@d.test> ORCPT=rfc822;c+x", "501 5.5.4"],
  [`TO:<c@d.test> ORCPT=rfc822;${"x".repeat(500)}`, "501 5.5.4"]
]

describe("the SMTP server for tests: parameters", () => {
  it.effect("C35 of MAIL and RCPT are checked as their RFCs say", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ users: { u: "p" }, quirks: { maxSize: 1000 } })
      for (const [argument, code] of mails) {
        const reply = yield* client.ask(`MAIL ${argument}`)
        expect(`${argument}: ${reply}`.slice(0, argument.length + 2 + code.length)).toBe(`${argument}: ${code}`)
        yield* client.ask("RSET")
      }
      yield* client.ask(`MAIL ${sender}`)
      for (const [argument, code] of recipients) {
        const reply = yield* client.ask(`RCPT ${argument}`)
        expect(`${argument}: ${reply}`.slice(0, argument.length + 2 + code.length)).toBe(`${argument}: ${code}`)
      }
    })))

  it.effect("C35 are in the message's envelope, keywords in capitals", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted()
      yield* client.askAll(
        "MAIL FROM:<ä@b.test> smtputf8 Body=8bitmime ENVID=x+2B",
        "RCPT TO:<ü@ö.test> notify=NEVER ORCPT=utf-8;ü@ö.test",
        "DATA",
        "."
      )
      expect((yield* server.messages)[0]!.envelope).toEqual({
        sender: "ä@b.test",
        parameters: { SMTPUTF8: "", BODY: "8bitmime", ENVID: "x+2B" },
        recipients: [{ address: "ü@ö.test", parameters: { NOTIFY: "NEVER", ORCPT: "utf-8;ü@ö.test" } }]
      })
    })))

  it.effect("C35 a line that is not UTF-8 is refused", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted()
      yield* client.say(Uint8Array.from(Buffer.from("MAIL FROM:<\xe4@b.test> SMTPUTF8\r\n", "latin1")))
      expect(yield* client.hear).toBe("501 5.5.2 That is not UTF-8")
    })))

  it.effect("C35 binary content needs BDAT, and BODY=BINARYMIME needs CHUNKING", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ extensions: ["8BITMIME", "BINARYMIME", "ENHANCEDSTATUSCODES"] })
      expect(yield* client.ask(`MAIL ${sender} BODY=BINARYMIME`)).toMatch(/^501 5\.5\.4/)
      const other = yield* greeted()
      yield* other.client.askAll(`MAIL ${sender} BODY=BINARYMIME`, "RCPT TO:<c@d.test>")
      expect(yield* other.client.ask("DATA")).toMatch(/^503 5\.5\.1/)
    })))
})

describe("the SMTP server for tests: extensions", () => {
  it.effect("C35 EHLO lists what is given, completed, and parameters without their extension are not known", () =>
    inMemory(Effect.gen(function*() {
      const { client, ehlo } = yield* greeted({
        extensions: ["SIZE", "LIMITS", "AUTH", "X-OTHER a=b;c"],
        users: { u: "p" },
        quirks: { maxSize: 1000, maxRecipients: 5, maxMessages: 2 }
      })
      expect(ehlo.split("\n")).toEqual([
        "250-mail.test",
        "250-SIZE 1000",
        "250-LIMITS MAILMAX=2 RCPTMAX=5",
        "250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5",
        "250 X-OTHER a=b;c"
      ])
      for (const parameter of ["BODY=7BIT", "SMTPUTF8", "RET=FULL", "BY=1;R", "MT-PRIORITY=1", "REQUIRETLS"]) {
        expect(yield* client.ask(`MAIL ${sender} ${parameter}`)).toMatch(/^555 [A-Z0-9]/)
      }
      expect(yield* client.askAll("STARTTLS", "BDAT 0", `MAIL ${sender} SIZE=1000`, "RCPT TO:<c@d.test> NOTIFY=NEVER"))
        .toEqual([
          "500 STARTTLS is not known",
          "500 BDAT is not known",
          "250 So be it",
          "555 NOTIFY is not known"
        ])
    })))

  it.effect("C35 SIZE with a number is the limit, told and kept", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({ extensions: ["SIZE 10", "CHUNKING"] })
      expect(yield* client.ask(`MAIL ${sender} SIZE=11`)).toMatch(/^552/)
      yield* client.askAll(`MAIL ${sender}`, "RCPT TO:<c@d.test>", "DATA")
      expect(yield* client.ask("123456789\r\n.")).toMatch(/^552/)
      yield* client.askAll(`MAIL ${sender}`, "RCPT TO:<c@d.test>", "DATA")
      expect(yield* client.ask("12345678\r\n.")).toMatch(/^250/)
      yield* client.askAll(`MAIL ${sender}`, "RCPT TO:<c@d.test>")
      yield* client.say(`BDAT 6\r\n123456BDAT 5\r\n12345BDAT 1 LAST\r\n6RSET\r\n`)
      const replies = yield* Effect.replicateEffect(client.hear, 4)
      expect(replies.map((reply) => reply.slice(0, 3))).toEqual(["250", "552", "503", "250"])
      expect((yield* server.messages).map(({ bytes }) => text(bytes))).toEqual(["12345678\r\n"])
    })))

  it.effect("C35 without PIPELINING a command in a group is refused", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ extensions: ["ENHANCEDSTATUSCODES"] })
      yield* client.say(`MAIL ${sender}\r\nRCPT TO:<c@d.test>\r\n`)
      expect(yield* client.hear).toBe("503 5.5.0 Wait for the reply: PIPELINING is not offered")
      expect(yield* client.hear).toBe("503 5.5.1 MAIL comes first")
    })))

  it.effect("C35 HELO has no extensions", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted()
      expect(yield* client.ask("HELO client.test")).toBe("250 mail.test")
      expect(yield* client.ask(`MAIL ${sender} SIZE=1`)).toMatch(/^555 SIZE/)
    })))
})
