/** The SMTP server for tests: each of its quirks. */
import { Net, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import { SmtpServer } from "../../src/testing/index.js"
import { networks, text, until } from "../ftp/networks.js"
import { connect, greeted, inMemory, on, type RawClient } from "./rawClient.js"

const mail = "MAIL FROM:<a@b.test>"
const recipient = "RCPT TO:<c@d.test>"

/** Sends a message to its end, and gives the reply to that. */
const sends = (client: RawClient, content = "x") =>
  Effect.map(client.askAll(mail, recipient, "DATA", `${content}\r\n.`), (replies) => replies[3]!)

const codes = (client: RawClient, ...lines: ReadonlyArray<string>) =>
  Effect.map(client.askAll(...lines), (replies) => replies.map((reply) => reply.slice(0, 3)).join(" "))

describe.each(networks)("quirks of the SMTP server for tests, %s", (_, net) => {
  it.effect("C35 replies: a refusal comes without the command's effect, another text with it", () =>
    on(
      net,
      Effect.gen(function*() {
        // A line end separates lines as they are.
        const { client, server } = yield* greeted({
          quirks: { replies: { MAIL: "451-4.3.0 Later\n451 4.3.0 than now" } }
        })
        expect(yield* client.ask(mail)).toBe("451-4.3.0 Later\n451 4.3.0 than now")
        expect(yield* client.ask(recipient)).toMatch(/^503/)
        yield* server.setQuirks({ replies: { MAIL: "250 Yes", DATA: "354 Yes", DOT: "554 5.6.0 No", BDAT: "452 No" } })
        expect(yield* client.ask(mail)).toBe("250 Yes")
        expect(yield* client.ask("MAIL FROM:<")).toMatch(/^503/)
        yield* client.say(`${recipient}\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n`)
        expect(yield* Effect.replicateEffect(client.hear, 3)).toMatchObject(
          [/^250/, "452 No", /^250/].map((reply) => typeof reply === "string" ? reply : expect.stringMatching(reply))
        )
        yield* client.ask("RSET")
        expect(yield* sends(client)).toBe("554 5.6.0 No")
        expect(yield* server.messages).toEqual([])
        yield* server.setQuirks({ replies: { DOT: "250 Kept" } })
        expect(yield* sends(client)).toBe("250 Kept")
        expect(yield* server.awaitMessages(1)).toHaveLength(1)
      })
    ))

  it.effect("C35 replies at CONNECT is the greeting, and 221 and 421 end the connection", () =>
    on(
      net,
      Effect.gen(function*() {
        const server = yield* SmtpServer.make({
          quirks: { replies: { CONNECT: "554 5.3.2 No" } }
        })
        const client = yield* connect(server)
        expect(yield* client.hear).toBe("554 5.3.2 No")
        yield* server.setQuirks({ replies: { CONNECT: "220-a\n220-b\n220 " } })
        expect(yield* (yield* connect(server)).hear).toBe("220-a\n220-b\n220 ")
        // As Postfix answers a dot that ends no message.
        yield* server.setQuirks({ replies: { NOOP: "421 4.3.2 No", ".": "221 2.7.0 Bye" } })
        for (const [line, reply] of [["NOOP", "421 4.3.2 No"], [".", "221 2.7.0 Bye"]] as const) {
          const other = yield* connect(server)
          yield* other.hear
          expect(yield* other.ask(line)).toBe(reply)
          expect(yield* Effect.flip(other.hear)).toMatchObject({ _tag: "SocketClosed" })
        }
      })
    ))

  it.effect("C35 unknown: verbs that it does not know, and EHLO does not list", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, ehlo } = yield* greeted({ quirks: { unknown: ["RSET", "CHUNKING", "EXPN"] } })
        expect(ehlo).not.toMatch(/CHUNKING/)
        expect(yield* codes(client, "RSET", "BDAT 0", "EXPN x", "NOOP")).toBe("500 500 500 250")
        const old = yield* greeted({ quirks: { unknown: ["EHLO"] } })
        expect(old.ehlo).toBe("500 EHLO is not known")
        expect(yield* old.client.ask("HELO client.test")).toBe("250 mail.test")
      })
    ))

  it.effect("C35 senders and recipients: by address, by domain, or all", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({
          quirks: {
            senders: { "bad@b.test": "553 5.1.8 No" },
            recipients: { "c@d.test": "251 2.1.5 Forwards", "@d.test": "450 4.2.0 Later", "*": "550 5.1.1 Who?" }
          }
        })
        expect(
          yield* client.askAll("MAIL FROM:<bad@b.test>", mail, recipient, "RCPT TO:<x@d.test>", "RCPT TO:<x@y.test>")
        )
          .toEqual(["553 5.1.8 No", "250 2.1.0 So be it", "251 2.1.5 Forwards", "450 4.2.0 Later", "550 5.1.1 Who?"])
        yield* client.askAll("DATA", ".")
        const [message] = yield* server.messages
        expect(message!.envelope.recipients.map(({ address }) => address)).toEqual(["c@d.test"])
      })
    ))

  it.effect("C35 limits of recipients, size, messages, connections and errors, with their codes or others", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({
          quirks: {
            maxRecipients: 1,
            maxSize: { most: 4, reply: "523 5.3.4 Too long" },
            maxMessages: 2,
            maxConnections: 2
          }
        })
        expect(yield* client.askAll(mail, recipient, recipient, "DATA", "ab\r\n.")).toMatchObject([
          expect.stringMatching(/^250/),
          expect.stringMatching(/^250/),
          "452 4.5.3 Too many recipients",
          expect.stringMatching(/^354/),
          expect.stringMatching(/^250/)
        ])
        expect(yield* sends(client, "abc")).toBe("523 5.3.4 Too long")
        yield* server.setQuirks({ maxRecipients: { most: 0, reply: "552 No more" } })
        const second = yield* connect(server)
        yield* second.hear
        const third = yield* connect(server)
        expect(yield* third.hear).toBe("421 Too many connections")
        yield* Effect.flip(third.hear)
        yield* second.ask("EHLO client.test")
        expect(yield* second.askAll(mail, recipient)).toEqual(["250 2.1.0 So be it", "552 No more"])
        expect(yield* client.ask(mail)).toBe("421 4.7.0 Too many messages on this connection")
        expect(yield* Effect.flip(client.hear)).toMatchObject({ _tag: "SocketClosed" })
        yield* server.setQuirks({ maxErrors: 2 })
        expect(yield* codes(second, "FOO", "NOOP", "FOO")).toBe("500 250 421")
        yield* Effect.flip(second.hear)
        for (const { socket } of [client, second, third]) yield* socket.close
        yield* until(Effect.map(server.connections, ({ open }) => open === 0))
        expect(yield* server.connections).toEqual({ open: 0, total: 3, most: 3 })
      })
    ))

  it.effect("C35 after: what comes directly after a reply, and a 421 in it ends the connection", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client } = yield* greeted({ quirks: { after: { NOOP: "250 Surplus\r\n", RSET: "421 Gone\r\n" } } })
        expect(yield* client.askAll("NOOP")).toEqual(["250 2.0.0 Still here"])
        expect(yield* client.hear).toBe("250 Surplus")
        expect(yield* client.ask("RSET")).toBe("250 2.0.0 So be it")
        expect(yield* client.hear).toBe("421 Gone")
        expect(yield* Effect.flip(client.hear)).toMatchObject({ _tag: "SocketClosed" })
      })
    ))

  it.effect("C35 multiline, bare and split replies", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({ quirks: { multiline: true } })
        expect(yield* client.ask("NOOP")).toBe("250-First\n250-999 is no code\n250-\n250 2.0.0 Still here")
        yield* server.setQuirks({ multiline: false, bare: true })
        expect(yield* client.ask("NOOP")).toBe("250")
        expect(yield* client.ask("EHLO client.test")).toMatch(/\n250-SIZE/)
        yield* server.setQuirks({ bare: false, split: 3 })
        expect(yield* client.ask("NOOP")).toBe("250 2.0.0 Still here")
      })
    ))

  it.effect("C35 strictContent: what a message may not have is refused", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({ quirks: { strictContent: true } })
        const line = "x".repeat(998)
        for (
          const [content, parameter, code] of [
            ["a\nb", "", "550"],
            ["a\rb", "", "550"],
            ["a\0b", "", "550"],
            [`${line}x`, "", "550"],
            [`${line}\r\n${line}`, "", "250"],
            ["ä", "", "554"],
            ["ä", " BODY=7BIT", "554"],
            ["ä", " BODY=8BITMIME", "250"],
            ["ä", " SMTPUTF8", "250"],
            ["a\n", " BODY=8BITMIME", "550"]
          ] as const
        ) {
          yield* client.askAll(`${mail}${parameter}`, recipient, "DATA")
          const reply = yield* client.ask(`${content}\r\n.`)
          expect([content, parameter, reply.slice(0, 3)]).toEqual([content, parameter, code])
        }
        yield* client.askAll(`${mail} BODY=BINARYMIME`, recipient)
        yield* client.say("BDAT 5 LAST\r\n\n\r\0ä")
        expect(yield* client.hear).toMatch(/^250/)
        expect(yield* server.messages).toHaveLength(4)
      })
    ))

  it.effect("C35 goesAhead: 354 without recipients, and what follows is refused", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({ quirks: { goesAhead: true } })
        expect(yield* codes(client, "DATA", mail, "DATA", ".", "DATA")).toBe("503 250 354 554 503")
        expect(yield* server.messages).toEqual([])
      })
    ))

  it.effect("C35 stallAfter: it reads nothing more until the quirk is changed", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client, server } = yield* greeted({ quirks: { stallAfter: 3 } })
        const reply = yield* Effect.fork(sends(client, "x".repeat(100_000)))
        const sockets = Effect.flatMap(Net.Net, (service) => service.sockets)
        // The server's socket has taken the content, of which it has read a part.
        yield* until(Effect.flatMap(sockets, (all) =>
          Effect.map(
            Effect.forEach(all, (socket) => socket.stats),
            (stats) => stats.some(({ bytesReceived }) => bytesReceived > 1000)
          )))
        expect(Option.isNone(yield* Fiber.poll(reply))).toBe(true)
        yield* server.setQuirks({ stallAfter: undefined })
        expect(yield* Fiber.join(reply)).toMatch(/^250/)
      })
    ))

  const script = ["", "EHLO client.test", "NOOP", mail, recipient, "DATA", "x\r\n.", "QUIT"]
  const phases = ["CONNECT", "EHLO", "NOOP", "MAIL", "RCPT", "DATA", "DOT", "QUIT"]
  const told = ["220", "250", "250", "250", "250", "354", "250", "221"]
  const conversation = (server: SmtpServer.SmtpServer) =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      const all = Effect.flatMap(connect(server), (client) =>
        Effect.forEach([...script, "NOOP"], (line) =>
          Effect.tap(line === "" ? client.hear : client.ask(line), (reply) =>
            Effect.sync(() => {
              heard.push(reply.slice(0, 3))
            }))))
      return { error: yield* Effect.flip(all), heard }
    })
  for (const ending of ["close", "reset", "421"] as const) {
    it.effect(`C35 endings: ${ending} at every phase`, () =>
      on(
        net,
        Effect.gen(function*() {
          const server = yield* SmtpServer.make()
          for (const [index, phase] of phases.entries()) {
            yield* server.setQuirks({ endings: { [phase]: ending } })
            const { error, heard } = yield* conversation(server)
            expect([phase, ...heard]).toEqual([phase, ...told.slice(0, index), ...(ending === "421" ? ["421"] : [])])
            // A reset may come while the connection is being made.
            const resets = phase === "CONNECT" ? /^(SocketBroken|ConnectError)$/ : /^SocketBroken$/
            expect(error).toMatchObject({ _tag: expect.stringMatching(ending === "reset" ? resets : /^SocketClosed$/) })
          }
          // At DOT and at QUIT.
          expect(yield* server.messages).toHaveLength(2)
          yield* server.setQuirks({ endings: { DOT: ending }, keepsUnanswered: false })
          yield* conversation(server)
          expect(yield* server.messages).toHaveLength(2)
          yield* server.setQuirks({ endings: { CONTENT: ending }, endContentAfter: 4 })
          const client = yield* connect(server)
          yield* client.hear
          yield* client.askAll("EHLO client.test", mail, recipient, "DATA")
          yield* client.say("abc")
          yield* client.say("de")
          if (ending === "421") expect(yield* client.hear).toMatch(/^421/)
          expect(yield* Effect.flip(client.hear)).toMatchObject({
            _tag: ending === "reset" ? "SocketBroken" : "SocketClosed"
          })
          expect(yield* server.messages).toHaveLength(2)
        })
      ))
  }

  it.effect("C35 endings: silence takes everything, and answers nothing", () =>
    on(
      net,
      Effect.gen(function*() {
        const { client } = yield* greeted({ quirks: { endings: { RCPT: "silence" } } })
        yield* client.ask(mail)
        const reply = yield* Effect.fork(client.ask(recipient))
        yield* client.say("x".repeat(10_000_000))
        yield* client.socket.flush
        expect(Option.isNone(yield* Fiber.poll(reply))).toBe(true)
      })
    ))
})

describe("quirks of the SMTP server for tests, with time", () => {
  const waits = (client: RawClient, line: string, seconds: number) =>
    Effect.gen(function*() {
      const reply = yield* Effect.fork(client.ask(line))
      yield* TestClock.adjust(`${seconds * 1000 - 1} millis`)
      expect(Option.isNone(yield* Fiber.poll(reply))).toBe(true)
      yield* TestClock.adjust("1 millis")
      return yield* Fiber.join(reply)
    })

  it.effect("C35 delay, delays by phase, and a tarpit that grows by each refusal", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted()
      yield* server.setQuirks({ delay: "2 seconds", delays: { RSET: "3 seconds" }, tarpit: "10 seconds" })
      expect(yield* waits(client, "NOOP", 2)).toMatch(/^250/)
      expect(yield* waits(client, "RSET", 5)).toMatch(/^250/)
      expect(yield* waits(client, "FOO", 12)).toMatch(/^500/)
      expect(yield* waits(client, "FOO", 22)).toMatch(/^500/)
      expect(yield* waits(client, "NOOP", 22)).toMatch(/^250/)
    })))

  it.effect("C35 greylist: a triplet is deferred for a time", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ quirks: { greylist: "5 minutes" } })
      expect(yield* codes(client, mail, recipient, recipient)).toBe("250 451 451")
      yield* TestClock.adjust("299 seconds")
      expect(yield* client.ask(recipient)).toBe("451 4.7.1 Greylisted: come back later")
      yield* TestClock.adjust("1 seconds")
      expect(yield* codes(client, recipient, "RCPT TO:<other@d.test>", "RSET", "MAIL FROM:<>", recipient)).toBe(
        "250 451 250 250 451"
      )
    })))

  it.effect("C35 idle: 421 after a time without a command", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ quirks: { idle: "10 seconds" } })
      yield* TestClock.adjust("9 seconds")
      expect(yield* client.ask("NOOP")).toMatch(/^250/)
      yield* TestClock.adjust("10 seconds")
      expect(yield* client.hear).toBe("421 4.4.2 Idle for too long")
      yield* Effect.flip(client.hear)
    })))

  it.effect("C35 split: a few bytes at a time", () =>
    Effect.provide(
      Effect.scoped(Effect.gen(function*() {
        const { client, server } = yield* greeted()
        yield* server.setQuirks({ split: 3 })
        yield* client.say("NOOP\r\n")
        const pieces = yield* Effect.replicateEffect(client.socket.receive(), 8)
        expect(pieces.map(text)).toEqual(["250", " 2.", "0.0", " St", "ill", " he", "re\r", "\n"])
      })),
      NetMemory.layerWith({ chunks: "asSent" })
    ))
})

describe("quirks of the SMTP server for tests, around TLS", () => {
  const made = TlsMemory.identity()
  const started = (quirks: SmtpServer.Quirks) =>
    Effect.flatMap(Tls.server({ identity: made.identity }), (tls) => greeted({ tls, quirks }))

  it.effect("C35 after STARTTLS: what is injected in clear", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* started({ after: { STARTTLS: "250 injected\r\n" } })
      expect(yield* client.ask("STARTTLS")).toMatch(/^220/)
      expect(yield* client.hear).toBe("250 injected")
    })))

  it.effect("C35 endings at TLS: the connection ends instead of the handshake", () =>
    inMemory(Effect.gen(function*() {
      for (const ending of ["close", "reset"] as const) {
        const { client } = yield* started({ endings: { TLS: ending } })
        expect(yield* client.ask("STARTTLS")).toMatch(/^220/)
        expect(yield* Effect.flip(client.hear)).toMatchObject({
          _tag: ending === "reset" ? "SocketBroken" : "SocketClosed"
        })
      }
    })))

  it.effect("C35 endings at CHALLENGE and AUTH: before and after the secret", () =>
    inMemory(Effect.gen(function*() {
      for (const phase of ["CHALLENGE", "AUTH"]) {
        const { client } = yield* greeted({
          users: { u: "p" },
          allowInsecureAuth: true,
          quirks: { endings: { [phase]: "close" } }
        })
        const heard = yield* Effect.either(client.ask("AUTH PLAIN"))
        expect(heard._tag).toBe(phase === "AUTH" ? "Right" : "Left")
        if (phase === "AUTH") yield* Effect.flip(client.ask(Buffer.from("\0u\0p").toString("base64")))
      }
    })))
})
