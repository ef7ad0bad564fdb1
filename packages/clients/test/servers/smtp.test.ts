/** The SMTP client against Postfix, Exim and aiosmtpd. */
import type { Net } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it as test, layer } from "@effect/vitest"
import { Context, Effect, Either, Layer, Logger, Option, Redacted, Schedule, type Scope, Stream } from "effect"
import { createHash, generateKeyPairSync, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Dkim, Message, SmtpError, SmtpPool, SmtpSession } from "../../src/index.js"
import { certificate, directory } from "./daemon.js"
import { aiosmtpd, type Daemon, exim, postfix } from "./smtp/daemons.js"
import * as Reading from "./smtp/reading.js"

const mebibyte = 1 << 20

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrow(either)

const [from, to] = ["ada@example.test", "charles@example.test"]

const clear = (daemon: Daemon): SmtpSession.Options => ({ host: daemon.host, port: daemon.port, tls: "none" })
const trusting = (daemon: Daemon) => ({ tlsContext: { ca: { path: daemon.ca } }, serverName: "localhost" })
const startTls = (daemon: Daemon): SmtpSession.Options => ({
  ...trusting(daemon),
  host: daemon.host,
  port: daemon.port,
  tls: "starttls"
})
const implicit = (daemon: Daemon): SmtpSession.Options => ({
  ...trusting(daemon),
  host: daemon.host,
  port: daemon.tlsPort,
  tls: "implicit"
})

const password = (mechanism: SmtpSession.MechanismName, secret = "secret"): SmtpSession.Auth => ({
  user: "user@example.test",
  password: Redacted.make(secret),
  mechanisms: [mechanism]
})

/** The messages that have the text, once there are as many. */
const arrived = (daemon: Daemon, marker: string, count = 1): Effect.Effect<ReadonlyArray<Buffer>> =>
  Effect.suspend(() => {
    const found = daemon.messages().filter((message) => message.includes(marker))
    return found.length < count
      ? Effect.zipRight(Effect.sleep("20 millis"), arrived(daemon, marker, count))
      : Effect.succeed(found)
  })

const one = (daemon: Daemon, marker: string): Effect.Effect<Buffer> =>
  Effect.map(arrived(daemon, marker), (found) => {
    expect(found.length).toBe(1)
    return found[0]!
  })

/** A text of its own, by which a message is found. */
const marker = (): string => `marker-${randomUUID()}`

const raw = (content: Message.Content, more: Partial<Message.RawOptions> = {}): Message.Message =>
  right(Message.raw(content, { envelope: { from, to }, ...more }))

/** The body as it arrived: after the header, with the line ends of the maildir. */
const body = (message: Buffer): string => {
  const text = message.toString("latin1").replaceAll("\r\n", "\n")
  return text.slice(text.indexOf("\n\n") + 2)
}

interface Server {
  readonly name: string
  readonly start: Effect.Effect<Daemon, never, Scope.Scope>
  readonly mechanisms: ReadonlyArray<SmtpSession.MechanismName>
  readonly has: { readonly pipelining: boolean; readonly chunking: boolean; readonly dsn: boolean }
  /** By which command it refuses a sender. */
  readonly refusesSenderBy: "MAIL" | "RCPT"
  /** The codes of VRFY, EXPN and HELP. */
  readonly codes: readonly [verify: number, expand: number, help: number]
}

const servers: ReadonlyArray<Server> = [
  {
    name: "Postfix",
    start: postfix(),
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
    has: { pipelining: true, chunking: true, dsn: true },
    refusesSenderBy: "RCPT",
    codes: [252, 500, 500]
  },
  {
    name: "Exim",
    start: exim,
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5"],
    has: { pipelining: true, chunking: true, dsn: true },
    refusesSenderBy: "MAIL",
    codes: [252, 550, 214]
  },
  {
    name: "aiosmtpd",
    start: aiosmtpd("smtp"),
    mechanisms: ["PLAIN", "LOGIN"],
    has: { pipelining: false, chunking: false, dsn: false },
    refusesSenderBy: "MAIL",
    codes: [252, 502, 250]
  }
]

class Running extends Context.Tag("Running")<Running, Daemon>() {}

const running = (start: Effect.Effect<Daemon, never, Scope.Scope>): Layer.Layer<Running | Net.Net> =>
  Layer.merge(Layer.scoped(Running, start), NodeNet.layer)

describe.each(servers.map((server) => [server.name, server] as const))("%s", (_, server) => {
  const { has } = server
  layer(running(server.start), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    const connect = (options: (daemon: Daemon) => SmtpSession.Options = clear) =>
      Effect.gen(function*() {
        const daemon = yield* Running
        return { daemon, session: yield* SmtpSession.connect(options(daemon)) }
      })

    it.scoped.each(
      [["in clear", clear, false], ["with STARTTLS", startTls, true], ["with implicit TLS", implicit, true]] as const
    )(
      "C35 a message goes out %s, and Python reads what was meant",
      ([, options, isEncrypted]) =>
        Effect.gen(function*() {
          const { daemon, session } = yield* connect(options)
          expect(Option.isSome(session.tls)).toBe(isEncrypted)
          const mark = marker()
          const bytes = new Uint8Array(3000).map((__, index) => index * 31)
          const receipt = yield* session.send({
            from: { name: "Ada \"Countess\" Lovelace", address: from },
            to: [{ name: "Bücher, GmbH", address: to }, "mary@example.test"],
            cc: "grace@example.test",
            bcc: "secret@example.test",
            subject: `Grüße 日本 ${mark}`,
            text: "Grüße\n.\n..dots\nlast",
            html: "<p>ü <img src=\"cid:logo\"></p>",
            inline: [{ content: bytes.subarray(0, 100), type: "image/png", contentId: "logo" }],
            attachments: [{ filename: "Prüfbericht \"Q1\"; größe 日本.pdf", content: bytes }]
          })
          expect(receipt._tag).toBe("Complete")
          expect(receipt.accepted.map(({ recipient }) => recipient)).toEqual([
            to,
            "mary@example.test",
            "grace@example.test",
            "secret@example.test"
          ])
          const [first, ...copies] = yield* arrived(daemon, receipt.messageId!)
          for (const each of copies) expect(body(each)).toBe(body(first!))
          const mail = Reading.read(first!)
          expect(mail).toMatchObject({
            subject: `Grüße 日本 ${mark}`,
            from: `"Ada \\"Countess\\" Lovelace" <${from}>`,
            to: `"Bücher, GmbH" <${to}>, mary@example.test`,
            cc: "grace@example.test",
            bcc: "",
            messageId: receipt.messageId,
            defects: []
          })
          expect(mail.tree).toEqual([
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
            "application/pdf"
          ])
          expect(mail.parts[0]!.text!.replaceAll("\r\n", "\n").trimEnd()).toBe("Grüße\n.\n..dots\nlast")
          expect(mail.parts[2]).toMatchObject({ contentId: "<logo>", sha256: digest(bytes.subarray(0, 100)) })
          expect(mail.parts[3]).toMatchObject({
            filename: "Prüfbericht \"Q1\"; größe 日本.pdf",
            sha256: digest(bytes)
          })
        })
    )

    it.scoped.each(server.mechanisms.map((name) => [name] as const))(
      "C35 a log-in by %s, and a refused one",
      ([name]) =>
        Effect.gen(function*() {
          const { session } = yield* connect((daemon) => ({ ...startTls(daemon), auth: password(name) }))
          expect(session.extensions.auth).toContain(name)
          yield* session.noop
          const daemon = yield* Running
          const refused = yield* Effect.flip(
            SmtpSession.connect({ ...startTls(daemon), auth: password(name, "wrong") })
          )
          expect(refused).toMatchObject({ _tag: "AuthenticationFailed", mechanism: name, code: 535 })
          expect(JSON.stringify(refused) + String(refused)).not.toContain("wrong")
        })
    )

    it.scoped("C35 refused and deferred recipients are named, the others get the message", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        expect(session.extensions.pipelining).toBe(has.pipelining)
        const mark = marker()
        const receipt = yield* session.send({
          from,
          to: ["unknown@example.test", to, "later@example.test"],
          subject: mark,
          text: "hello"
        })
        if (receipt._tag !== "Partial") throw new Error(receipt._tag)
        expect(receipt.accepted.map(({ recipient }) => recipient)).toEqual([to])
        expect(receipt.rejected.map(({ canRetry, code, enhancedCode, recipient }) => [
          recipient,
          code,
          enhancedCode,
          canRetry
        ])).toEqual([
          ["unknown@example.test", 550, "5.1.1", false],
          ["later@example.test", 450, "4.2.1", true]
        ])
        yield* one(daemon, mark)
      }))

    it.scoped("C35 with `partial: \"none\"` one refused recipient keeps the message from all", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const [mark, after] = [marker(), marker()]
        const message = { from, to: [to, "unknown@example.test"], subject: mark, text: "hello" }
        const error = yield* Effect.flip(session.send(message, { partial: "none" }))
        expect(error).toMatchObject({ _tag: "RecipientsRejected", accepted: [to] })
        yield* session.send({ from, to, subject: after, text: "hello" })
        yield* one(daemon, after)
        expect(daemon.messages().filter((each) => each.includes(mark))).toEqual([])
      }))

    it.scoped("C35 #12 all recipients refused: nothing is delivered, and the session works on", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const [mark, after] = [marker(), marker()]
        const error = yield* Effect.flip(session.send({
          from,
          to: ["unknown@example.test", "later@example.test"],
          subject: mark,
          text: "hello"
        }))
        expect(error).toMatchObject({ _tag: "RecipientsRejected", severity: "transient" })
        yield* session.send({ from, to, subject: after, text: "hello" })
        yield* one(daemon, after)
        expect(daemon.messages().filter((each) => each.includes(mark))).toEqual([])
      }))

    it.scoped("C35 #12a a refused sender is SenderRejected, whatever command the server refuses", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const after = marker()
        const message = { from: "refused@example.test", to, text: "hello" }
        expect(yield* Effect.flip(session.send(message))).toMatchObject({
          _tag: "SenderRejected",
          sender: "refused@example.test",
          code: 553,
          enhancedCode: "5.1.8",
          command: expect.stringMatching(`^${server.refusesSenderBy} `)
        })
        yield* session.send({ from, to, subject: after, text: "hello" })
        yield* one(daemon, after)
      }))

    it.scoped("C35 #16 a body that looks like an end and commands arrives as one message", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const smuggled = ["\n", "\r\n", "\r"].map((end) =>
          ["x", ".", "MAIL FROM:<eve@example.test>", `RCPT TO:<${to}>`, "DATA", "Subject: smuggled", ""].join(end)
        ).join("")
        const text = `X-Mark: ${mark}\r\n\r\n${smuggled}last ${mark}\r\n`
        yield* session.send(raw(text, { body: "7bit" }))
        expect(body(yield* one(daemon, mark)).trimEnd()).toBe(`${smuggled.replace(/\r\n|\r/g, "\n")}last ${mark}`)
        yield* session.noop
      }))

    it.scoped(`C35 BDAT ${has.chunking ? "carries a message, dots and all" : "is not used where it is not offered"}`, () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const lines = Array.from({ length: 5000 }, (__, index) => `.${".".repeat(index % 3)} line ${index}`)
        const message = raw(`X-Mark: ${mark}\r\n\r\n${lines.join("\r\n")}\r\n`, { body: "7bit" })
        const receipt = yield* session.send(message, { chunking: "prefer" })
        expect(receipt.extensions.includes("CHUNKING")).toBe(has.chunking)
        expect(body(yield* one(daemon, mark)).trimEnd()).toBe(lines.join("\n"))
        const refused = raw("X: y\r\n\r\nhello\r\n", { envelope: { from, to: "unknown@example.test" } })
        expect(yield* Effect.flip(session.send(refused, { chunking: "prefer" }))).toMatchObject({
          _tag: "RecipientsRejected"
        })
        yield* session.noop
      }))

    it.scoped("C35 eight bits arrive as they are where the message has them", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const content = Buffer.from(
          `X-Mark: ${mark}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n`
        )
        const receipt = yield* session.send(raw(content))
        expect(receipt.extensions).toContain("8BITMIME")
        expect(Reading.read(yield* one(daemon, mark)).parts[0]!.text!.trimEnd()).toBe("Grüße")
      }))

    it.scoped("C35 #22 an address that needs SMTPUTF8 gets it, and no other message does", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const receipt = yield* session.send({ from, to: "grüße@example.test", subject: `ä ${mark}`, text: "hello" })
        expect(receipt.extensions).toContain("SMTPUTF8")
        const mail = Reading.read(yield* one(daemon, mark))
        expect(mail).toMatchObject({ to: "grüße@example.test", subject: `ä ${mark}` })
        const plain = yield* session.send({ from, to, subject: "ä", text: "hello" })
        expect(plain.extensions).not.toContain("SMTPUTF8")
      }))

    it.scoped("C35 a quoted local part is one mailbox", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const address = "\"a b@evil.test\"@example.test"
        const receipt = yield* session.send({ from, to: address, subject: mark, text: "hello" })
        expect(receipt.accepted.map(({ recipient }) => recipient)).toEqual([address])
        expect(Reading.read(yield* one(daemon, mark)).to).toBe(address)
      }))

    it.scoped(`C35 reports are ${has.dsn ? "asked for" : "left out, and the receipt says so"}`, () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const receipt = yield* session.send({ from, to, subject: mark, text: "hello" }, {
          dsn: {
            notify: ["failure", "delay"],
            return: "headers",
            envelopeId: "a+b=c d",
            originalRecipient: "grüße@b.test"
          }
        })
        expect([receipt.extensions.includes("DSN"), receipt.leftOut.includes("DSN")]).toEqual([has.dsn, !has.dsn])
        yield* one(daemon, mark)
      }))

    it.scoped("C35 #8 a message over the announced size is refused before it is sent", () =>
      Effect.gen(function*() {
        const { session } = yield* connect()
        const limit = 200 * mebibyte
        expect(session.extensions.sizeLimit).toBe(limit)
        const never = Stream.dieMessage("the content was read")
        expect(yield* Effect.flip(session.send(raw(never, { size: limit + 1 })))).toMatchObject({
          _tag: "MessageTooLarge",
          size: limit + 1,
          limit
        })
        yield* session.noop
      }))

    it.scoped("C35 VRFY, EXPN and HELP have the server's own answers", () =>
      Effect.gen(function*() {
        const { session } = yield* connect()
        const code = <A>(call: Effect.Effect<A, SmtpSession.Failure>, of: (value: A) => number) =>
          Effect.match(call, {
            onSuccess: of,
            onFailure: (error) => error._tag === "SmtpReplyError" ? error.code : Number.NaN
          })
        expect([
          yield* code(session.verify(to), ({ reply }) => reply.code),
          yield* code(session.expand("list"), () => 250),
          yield* code(session.help(), (reply) => reply.code)
        ]).toEqual(server.codes)
        yield* session.noop
      }))

    it.scoped("C35 DKIM signatures by RSA and by Ed25519 hold at the other end, of bytes and of a stream", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const keys = [
          ["rsa", generateKeyPairSync("rsa", { modulusLength: 2048 })],
          ["ed25519", generateKeyPairSync("ed25519")]
        ] as const
        const records = Object.fromEntries(keys.map(([selector, { publicKey }]) => {
          const der = publicKey.export({ type: "spki", format: "der" })
          // RFC 8463, section 4: Ed25519's key stands there by itself.
          const key = selector === "rsa" ? der : der.subarray(-32)
          return [`${selector}._domainkey.example.test`, `v=DKIM1; k=${selector}; p=${key.toString("base64")}`]
        }))
        const dkim = keys.map(([selector, { privateKey }]) =>
          right(Dkim.signer({
            domain: "example.test",
            selector,
            key: Redacted.make(privateKey.export({ type: "pkcs8", format: "pem" }).toString())
          }))
        )
        const bytes = new Uint8Array(200_000).map((__, index) => index * 31)
        for (const content of [bytes, Stream.make(bytes, bytes)]) {
          const mark = marker()
          const attachments = [{ filename: "a.bin", content }]
          yield* session.send({ from, to, subject: `ä ${mark}`, text: "a  \n\nb\n\n\n", attachments, dkim })
          const message = yield* one(daemon, mark)
          expect(Reading.dkim(message, records)).toEqual([true, true])
          const changed = Buffer.from(message.toString("latin1").replace("Subject: ", "Subject: x"), "latin1")
          expect(Reading.dkim(changed, records)).toEqual([false, false])
        }
      }))

    it.scoped("C35 a part that openssl has signed arrives byte for byte", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect()
        const mark = marker()
        const where = yield* directory
        const { cert, key } = certificate(where)
        const part = "Content-Type: text/plain\r\n\r\nsigned, and not changed: .\r\n.\r\n"
        const content = Message.rawPart(Reading.smimeSigned(part, cert, key))
        yield* session.send({ from, to, subject: mark, content })
        const file = path.join(where, "message")
        fs.writeFileSync(file, yield* one(daemon, mark))
        expect(Reading.smimeVerified(fs.readFileSync(file), cert).replaceAll("\r\n", "\n")).toBe(
          part.replaceAll("\r\n", "\n")
        )
      }))

    it.scoped("C35 a streamed attachment of 64 MiB arrives whole", () =>
      Effect.gen(function*() {
        const { daemon, session } = yield* connect(startTls)
        const mark = marker()
        const hash = createHash("sha256")
        const blocks = Array.from({ length: 1024 }, (__, index) => {
          const block = new Uint8Array(64 * 1024).map((___, at) => at * 31 + index)
          hash.update(block)
          return block
        })
        const attachments = [{ filename: "big.bin", content: Stream.fromIterable(blocks), size: 64 * mebibyte }]
        const receipt = yield* session.send({ from, to, subject: mark, text: "big", attachments })
        expect(receipt.extensions).toContain("SIZE")
        const big = Reading.read(yield* one(daemon, mark)).parts[1]!
        expect([big.size, big.sha256]).toEqual([64 * mebibyte, hash.digest("hex")])
      }))
  })
})

describe("Postfix", () => {
  test.scopedLive(
    "C35 1,000 messages over a pool of 8 while the server is restarted: each arrives once, or is named",
    () =>
      Effect.provide(
        Effect.gen(function*() {
          const daemon = yield* postfix()
          const pool = yield* SmtpPool.make({ ...startTls(daemon), size: 8, backOff: "200 millis" })
          const count = 1000
          const subjects = Array.from({ length: count }, () => marker())
          const unknown = new Set<string>()
          let sent = 0
          yield* Effect.forEach(subjects, (subject) =>
            pool.send({ from, to, subject, text: "hello" }).pipe(
              // What was not sent may be sent again; what may have been delivered is named, and not sent again.
              Effect.retry({ while: SmtpError.canRetry, schedule: Schedule.spaced("50 millis") }),
              Effect.catchTag("DeliveryUnknown", () => Effect.sync(() => unknown.add(subject))),
              Effect.zipRight(Effect.suspend(() => {
                sent++
                return sent === 300 || sent === 600 ? daemon.restart : Effect.void
              }))
            ), { concurrency: 16, discard: true })
          yield* daemon.delivered
          const times = new Map<string, number>()
          for (const message of daemon.messages()) {
            const subject = /^Subject: (.*)$/m.exec(message.toString("latin1"))![1]!
            times.set(subject, (times.get(subject) ?? 0) + 1)
          }
          const wrong = subjects.filter((subject) => {
            const found = times.get(subject) ?? 0
            return unknown.has(subject) ? found > 1 : found !== 1
          })
          expect(wrong).toEqual([])
          expect(unknown.size).toBeLessThan(count / 10)
          expect((yield* pool.stats).open).toBeLessThanOrEqual(8)
        }),
        // The pool logs each refused connection, and here that is every waiter's.
        Layer.merge(NodeNet.layer, Logger.remove(Logger.defaultLogger))
      ),
    120_000
  )
})

describe("aiosmtpd", () => {
  const token = (value: string): SmtpSession.Auth => ({
    user: "user@example.test",
    token: Redacted.make(value),
    mechanisms: ["XOAUTH2"]
  })

  layer(running(aiosmtpd("smtp")), { excludeTestServices: true })((it) => {
    it.scoped("C35 #28 a log-in by XOAUTH2; a refused token is fetched once more, and its status is told", () =>
      Effect.gen(function*() {
        const daemon = yield* Running
        const session = yield* SmtpSession.connect({ ...startTls(daemon), auth: token("token") })
        yield* session.noop
        let fetched = 0
        const stale = Effect.sync(() => {
          fetched++
          return Redacted.make("stale")
        })
        const error = yield* Effect.flip(
          SmtpSession.connect({ ...startTls(daemon), auth: { ...token(""), token: stale } })
        )
        expect(error).toMatchObject({ _tag: "AuthenticationFailed", mechanism: "XOAUTH2", code: 535 })
        expect(String(error)).toContain("401")
        expect(fetched).toBe(2)
      }))

    it.scoped("C35 #15 a connection that drops after the content is DeliveryUnknown", () =>
      Effect.gen(function*() {
        const daemon = yield* Running
        const session = yield* SmtpSession.connect(clear(daemon))
        const error = yield* Effect.flip(session.send({ from: "drop@example.test", to, text: "hello" }))
        expect(error).toMatchObject({ _tag: "DeliveryUnknown", recipients: [to] })
        expect(yield* session.isUsable).toBe(false)
      }))
  })

  layer(running(aiosmtpd("lmtp")), { excludeTestServices: true })("over LMTP", (it) => {
    it.scoped("C35 #19 each recipient has a reply of its own after the content", () =>
      Effect.gen(function*() {
        const daemon = yield* Running
        const session = yield* SmtpSession.connect({ ...clear(daemon), protocol: "lmtp" })
        const mark = marker()
        const recipients = [to, "unknown@example.test", "full@example.test", "mary@example.test"]
        const receipt = yield* session.send({ from, to: recipients, subject: mark, text: "hello" })
        if (receipt._tag !== "Partial") throw new Error(receipt._tag)
        expect(receipt.accepted.map(({ recipient }) => recipient)).toEqual([to, "mary@example.test"])
        expect(receipt.rejected.map(({ code, recipient }) => [recipient, code])).toEqual([
          ["unknown@example.test", 550],
          ["full@example.test", 452]
        ])
        yield* one(daemon, mark)
        yield* session.noop
      }))
  })
})

describe("TLS", () => {
  test.scopedLive("C35 a certificate that is not trusted ends the session before the log-in", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* aiosmtpd("smtp")
        const { tlsContext: _, ...untrusting } = startTls(daemon)
        const error = yield* Effect.flip(SmtpSession.connect({ ...untrusting, auth: password("PLAIN") }))
        expect(error).toMatchObject({ _tag: "TlsError" })
      }),
      NodeNet.layer
    ))

  test.scopedLive("C35 TLS begun on a port that speaks in clear is PlaintextOnTlsPort", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* aiosmtpd("smtp")
        const error = yield* Effect.flip(SmtpSession.connect({ ...startTls(daemon), tls: "implicit" }))
        expect(error).toMatchObject({ _tag: "PlaintextOnTlsPort" })
      }),
      NodeNet.layer
    ))
})
