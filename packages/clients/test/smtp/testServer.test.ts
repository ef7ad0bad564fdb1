/** The SMTP server for tests, spoken to by lines: what a good server does. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { SmtpServer } from "../../src/testing/index.js"
import { networks, text } from "../ftp/networks.js"
import { connect, greeted, inMemory, on } from "./rawClient.js"

const envelope = ["MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"] as const

describe.each(networks)("the SMTP server for tests, %s", (_, net) => {
  it.effect("C35 takes messages one after the other, in one connection", () =>
    on(
      net,
      Effect.gen(function*() {
        const server = yield* SmtpServer.make()
        const client = yield* connect(server)
        expect(yield* client.hear).toBe("220 mail.test ESMTP A server for tests")
        expect(yield* client.ask("EHLO client.test")).toMatch(/^250-mail\.test\n250-PIPELINING\n(250-.*\n)+250 LIMITS/)
        expect(yield* client.askAll(...envelope, "RCPT TO:<e@f.test>", "DATA")).toEqual([
          "250 2.1.0 So be it",
          "250 2.1.5 So be it",
          "250 2.1.5 So be it",
          "354 Go ahead"
        ])
        expect(yield* client.ask("Subject: x\r\n\r\n..stuffed\r\n...\r\nbare\n.\nand\r.\r\n.")).toBe(
          "250 2.0.0 Ok: queued as 000001"
        )
        expect(yield* client.askAll("MAIL FROM:<>", "RCPT TO:<c@d.test>", "DATA", ".", "QUIT")).toEqual([
          "250 2.1.0 So be it",
          "250 2.1.5 So be it",
          "354 Go ahead",
          "250 2.0.0 Ok: queued as 000002",
          "221 2.0.0 Good bye"
        ])
        const [first, second] = yield* server.awaitMessages(2)
        expect(text(first!.bytes)).toBe("Subject: x\r\n\r\n.stuffed\r\n..\r\nbare\n.\nand\r.\r\n")
        expect(first).toMatchObject({
          envelope: {
            sender: "a@b.test",
            parameters: {},
            recipients: [{ address: "c@d.test", parameters: {} }, { address: "e@f.test", parameters: {} }]
          },
          size: first!.bytes.length,
          via: "DATA",
          clientName: "client.test",
          tls: Option.none(),
          user: Option.none(),
          queueId: "000001",
          connection: 1
        })
        expect(second!.envelope.sender).toBe("")
        expect(second!.size).toBe(0)
        expect(yield* server.commands).toEqual([
          "EHLO client.test",
          ...envelope,
          "RCPT TO:<e@f.test>",
          "DATA",
          "MAIL FROM:<>",
          "RCPT TO:<c@d.test>",
          "DATA",
          "QUIT"
        ])
      })
    ))

  it.effect("C35 a group in one packet gets all of its replies, and RSET ends a transaction", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted()
        yield* client.say(`RSET\r\n${envelope.join("\r\n")}\r\nRSET\r\n${envelope.join("\r\n")}\r\nDATA\r\n`)
        const replies = yield* Effect.replicateEffect(client.hear, 7)
        expect(replies.map((reply) => reply.slice(0, 3))).toEqual(["250", "250", "250", "250", "250", "250", "354"])
        yield* client.say("x\r\n.\r\nNOOP\r\n")
        expect(yield* client.hear).toMatch(/^250 2\.0\.0 Ok/)
        expect(yield* client.hear).toBe("250 2.0.0 Still here")
        expect(yield* server.messages).toHaveLength(1)
      })
    ))

  it.effect("C35 BDAT: chunks as they are, the last one ends the message", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted()
        yield* client.askAll("MAIL FROM:<a@b.test> BODY=BINARYMIME", envelope[1])
        yield* client.say("BDAT 8\r\n\n.\n\r\n.\r\nBDAT 3 LAST\r\n\0\r.NOOP\r\n")
        const replies = yield* Effect.replicateEffect(client.hear, 3)
        expect(replies).toEqual([
          "250 2.0.0 8 bytes received",
          "250 2.0.0 Ok: queued as 000001",
          "250 2.0.0 Still here"
        ])
        const [message] = yield* server.messages
        expect(message).toMatchObject({ via: "BDAT", size: 11 })
        expect(text(message!.bytes)).toBe("\n.\n\r\n.\r\n\0\r.")
      })
    ))

  it.effect("C35 awaitMessages waits for messages, and its interruption ends the wait", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted()
        const both = yield* Effect.fork(server.awaitMessages(2))
        const more = yield* Effect.fork(server.awaitMessages(3))
        yield* client.askAll(...envelope, "DATA", ".")
        expect(Option.isNone(yield* Fiber.poll(both))).toBe(true)
        yield* client.askAll(...envelope, "DATA", ".")
        expect(yield* Fiber.join(both)).toHaveLength(2)
        expect(Option.isNone(yield* Fiber.poll(more))).toBe(true)
        yield* Fiber.interrupt(more)
        yield* client.askAll(...envelope, "DATA", ".")
        expect(yield* server.awaitMessages(3)).toHaveLength(3)
      })
    ))

  it.effect("C35 LMTP: LHLO, and a reply for each recipient after the message", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({
          protocol: "lmtp",
          quirks: { deliveries: { "full@d.test": "452 4.2.2 Full", "gone@d.test": "550 5.1.1 Gone" } }
        })
        expect(server.url).toBe(`lmtp://127.0.0.1:${server.port}`)
        expect(yield* client.ask("EHLO client.test")).toBe("500 5.5.1 EHLO is not known")
        expect(yield* client.ask("DATA")).toBe("503 5.5.1 MAIL comes first")
        expect(yield* client.askAll(envelope[0], "DATA")).toEqual([
          "250 2.1.0 So be it",
          "503 5.5.1 No valid recipients"
        ])
        yield* client.askAll(envelope[1], "RCPT TO:<full@d.test>", "RCPT TO:<gone@d.test>", "DATA")
        yield* client.say("x\r\n.\r\n")
        expect(yield* Effect.replicateEffect(client.hear, 3)).toEqual([
          "250 2.0.0 Ok: queued as 000001",
          "452 4.2.2 Full",
          "550 5.1.1 Gone"
        ])
        const [message] = yield* server.messages
        expect(message!.envelope.recipients.map(({ address }) => address)).toEqual(["c@d.test"])
        yield* server.setQuirks({ deliveries: { "*": "250 2.1.5 Delivered" } })
        yield* client.askAll(envelope[0], envelope[1], envelope[1])
        yield* client.say("BDAT 1 LAST\r\nx")
        expect(yield* Effect.replicateEffect(client.hear, 2)).toEqual(["250 2.1.5 Delivered", "250 2.1.5 Delivered"])
        yield* server.setQuirks({ replies: { DOT: "451 4.3.0 Later" } })
        yield* client.askAll(envelope[0], envelope[1], envelope[1], "DATA")
        yield* client.say("x\r\n.\r\nNOOP\r\n")
        expect(yield* Effect.replicateEffect(client.hear, 3)).toEqual([
          "451 4.3.0 Later",
          "451 4.3.0 Later",
          "250 2.0.0 Still here"
        ])
        expect(yield* server.messages).toHaveLength(2)
      })
    ))
})

describe("the SMTP server for tests is strict", () => {
  it.effect("C35 about the order of commands", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* SmtpServer.make()
      const client = yield* connect(server)
      yield* client.hear
      const codes = (...lines: ReadonlyArray<string>) =>
        Effect.map(client.askAll(...lines), (replies) => replies.map((reply) => reply.slice(0, 3)).join(" "))
      expect(yield* codes("MAIL FROM:<a@b>", "NOOP", "HELP", "VRFY x", "EXPN x", "RSET")).toBe(
        "503 250 214 252 502 250"
      )
      expect(yield* codes("EHLO a b", "EHLO -", "EHLO", "EHLO [127.0.0.1]")).toBe("501 501 501 250")
      expect(yield* codes("RCPT TO:<a@b>", "DATA", "BDAT 0 LAST")).toBe("503 503 503")
      expect(yield* codes("MAIL FROM:<a@b>", "MAIL FROM:<a@b>", "DATA", "DATA x")).toBe("250 503 554 501")
      expect(yield* codes("BDAT 0", "RCPT TO:<a@b>", "RSET", "MAIL FROM:<a@b>")).toBe("554 503 250 250")
      expect(yield* codes("RCPT TO:<a@b>", "BDAT 0", "RCPT TO:<a@b>", "DATA", "MAIL FROM:<a@b>")).toBe(
        "250 250 503 503 503"
      )
      expect(yield* codes("EHLO a", "DATA", "FOO", "LHLO a", "HELO a", "BDAT 0")).toBe("250 503 500 500 250 500")
    })))

  it.effect("C35 about BDAT: what does not tell its length ends the connection, before it is read as commands", () =>
    inMemory(Effect.gen(function*() {
      for (const argument of ["", " x", " -1", " 1 FIRST", " 1  LAST", " 9999999999999999"]) {
        const { client, server } = yield* greeted()
        yield* client.say(`BDAT${argument}\r\nRSET\r\n`)
        expect(yield* client.hear).toBe("501 5.5.4 A number of bytes is what it takes, and LAST")
        yield* Effect.flip(client.hear)
        expect(yield* server.commands).toHaveLength(2)
      }
    })))

  it.effect("C35 about lines: CR LF alone ends one, and its length is bounded", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted()
      expect(yield* client.ask("NOOP\nMAIL FROM:<a@b.test>")).toBe("500 5.5.2 A line has a CR, LF or NUL")
      expect(yield* client.ask("NOOP\rNOOP")).toBe("500 5.5.2 A line has a CR, LF or NUL")
      expect(yield* client.ask(`NOOP ${"x".repeat(505)}`)).toBe("250 2.0.0 Still here")
      expect(yield* client.ask(`NOOP ${"x".repeat(506)}`)).toBe("500 5.5.2 The line is too long")
      expect(yield* client.ask("x".repeat(1_000_000))).toBe("500 5.5.2 The line is too long")
      expect(yield* client.ask("NOOP")).toBe("250 2.0.0 Still here")
      yield* client.askAll(...envelope, "DATA")
      yield* client.say("a\n.\nQUIT\r.\rb\r\n.\nc\r\n.\rd\n.\r\ne\r\n.\r\n")
      expect(yield* client.hear).toMatch(/^250/)
      expect(text((yield* server.messages)[0]!.bytes)).toBe("a\n.\nQUIT\r.\rb\r\n\nc\r\n\rd\n.\r\ne\r\n")
    })))
})
