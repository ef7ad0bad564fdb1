/** Whole messages to a server: attachments, streams, signatures, BDAT, TLS, and npm's smtp-server. */
import { type Net, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, type Layer, Redacted, type Scope, Stream } from "effect"
import { createHash, generateKeyPairSync } from "node:crypto"
import { SMTPServer } from "smtp-server"
import { Dkim, Message, Smtp } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { timed } from "../ftp/hostileServer.js"
import { networks, pattern } from "../ftp/networks.js"
import { selfSigned } from "../ftp/selfSigned.js"
import { leavesNothing, message } from "./dialogue.js"

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The attachment of a received message, by its boundary. */
const attachment = (bytes: Uint8Array): Uint8Array => {
  const text = Buffer.from(bytes).toString("latin1")
  const boundary = /boundary="([^"]+)"/.exec(text)![1]!
  const part = text.split(`--${boundary}`).find((one) => /Content-Disposition: attachment/i.test(one))!
  return Buffer.from(part.slice(part.indexOf("\r\n\r\n")), "base64")
}

const chunked = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.map(
    Stream.range(0, Math.ceil(bytes.length / size) - 1),
    (index) => bytes.slice(index * size, (index + 1) * size)
  )

const on = <A, E>(
  layer: Layer.Layer<Net.Net>,
  use: Effect.Effect<A, E, Net.Net | Scope.Scope>
): Effect.Effect<A, E> => Effect.provide(leavesNothing(use), layer)

const letter = { from: "a@a.test", to: "b@b.test", subject: "hello", text: "see the attachment" } as const

describe.each(networks)("sending %s", (_, layer) => {
  const served = (options: SmtpServer.Options = {}) =>
    Effect.gen(function*() {
      const server = yield* SmtpServer.make(options)
      const smtp = yield* Smtp.make({ host: server.host, port: server.port, tls: "none" })
      return { server, smtp }
    })

  const content = pattern(1_500_000)

  it.effect.each(
    [
      ["DATA, without a size", "never", undefined],
      ["DATA, with a size", "never", content.length],
      ["BDAT, with a size", "prefer", content.length],
      ["BDAT, without PIPELINING", "prefer", undefined]
    ] as const
  )("C35 a streamed attachment arrives whole by %s", ([name, chunking, size]) =>
    on(
      layer,
      Effect.gen(function*() {
        const { server, smtp } = yield* served(name.endsWith("PIPELINING") ? { extensions: ["CHUNKING"] } : {})
        const receipt = yield* smtp.send({
          ...letter,
          attachments: [{ filename: "a.bin", content: chunked(content, 33_333), size }]
        }, { chunking })
        const [received] = yield* server.messages
        expect(received!.via).toBe(chunking === "prefer" ? "BDAT" : "DATA")
        expect(received!.size).toBe(receipt.size)
        expect(digest(attachment(received!.bytes))).toBe(digest(content))
        const announced = received!.envelope.parameters.SIZE
        expect(announced).toBe(size === undefined || name.endsWith("PIPELINING") ? undefined : String(receipt.size))
      })
    ))

  it.effect("C35 a raw stream of any line ends and dots arrives with CR LF, in DATA and in BDAT", () =>
    on(
      layer,
      Effect.gen(function*() {
        const lines = Array.from({ length: 20_000 }, (_, index) => `${".".repeat(index % 4)}line ${index}`)
        const given = lines.map((line, index) => line + ["\n", "\r\n", "\r"][index % 3]!).join("")
        const { server, smtp } = yield* served()
        for (const chunking of ["never", "prefer"] as const) {
          const raw = Message.raw(chunked(new TextEncoder().encode(given), 7919), {
            envelope: { from: "a@a.test", to: "b@b.test" },
            body: "7bit"
          })
          yield* smtp.send(Either.getOrThrow(raw), { chunking })
        }
        const wanted = given.replace(/\r\n|\r|\n/g, "\r\n")
        for (const { bytes } of yield* server.messages) {
          expect(Buffer.from(bytes).toString("latin1") === wanted).toBe(true)
        }
      })
    ))

  it.effect.each(
    [
      ["byte by byte", { split: 1 }],
      ["in several lines, byte by byte", { split: 1, multiline: true }],
      ["as bare codes", { bare: true }]
    ] satisfies ReadonlyArray<readonly [string, SmtpServer.Quirks]>
  )("C35 #2 replies that come %s are read as any others", ([, quirks]) =>
    on(
      layer,
      Effect.gen(function*() {
        const { server, smtp } = yield* served({ quirks })
        const session = yield* smtp.connect()
        yield* Effect.replicateEffect(session.send(letter), 3)
        yield* session.noop
        expect(yield* server.messages).toHaveLength(3)
      })
    ))

  it.effect("C35 a large message at hand arrives whole", () =>
    on(
      layer,
      Effect.gen(function*() {
        const { server, smtp } = yield* served()
        yield* smtp.send({ ...letter, attachments: [{ filename: "a.bin", content }] })
        expect(digest(attachment((yield* server.messages)[0]!.bytes))).toBe(digest(content))
      })
    ))

  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
    .export({ type: "pkcs8", format: "pem" }).toString()
  const signer = Either.getOrThrow(Dkim.signer({ domain: "a.test", selector: "s", key: Redacted.make(key) }))

  it.effect("C35 a signed stream that gives other bytes the second time: MessageChanged, and nothing arrives", () =>
    on(
      layer,
      Effect.gen(function*() {
        const { server, smtp } = yield* served()
        let run = 0
        const stream = Stream.suspend(() => Stream.make(new Uint8Array(1000).fill(++run)))
        const signed = { ...letter, dkim: signer, attachments: [{ filename: "a.bin", content: stream }] }
        expect((yield* Effect.flip(smtp.send(signed)))._tag).toBe("MessageChanged")
        expect(yield* server.messages).toEqual([])
        const same = { ...signed, attachments: [{ filename: "a.bin", content: Stream.make(content) }] }
        yield* smtp.send(same)
        const [received] = yield* server.messages
        expect(Buffer.from(received!.bytes).toString("latin1")).toMatch(/^DKIM-Signature:/)
        expect(digest(attachment(received!.bytes))).toBe(digest(content))
      })
    ))

  it.effect("C35 the services and errors of a stream reach the call", () =>
    on(
      layer,
      Effect.gen(function*() {
        const { server, smtp } = yield* served()
        const failing = { ...letter, attachments: [{ filename: "a", content: Stream.fail("no paper" as const) }] }
        expect(yield* Effect.flip(smtp.send(failing))).toBe("no paper")
        expect(yield* server.messages).toEqual([])
      })
    ))

  it.effect.each([["the reply comes in time", true], ["no reply comes", false]] as const)(
    "C35 an interruption after the dot waits for the reply: %s",
    ([, isInTime]) =>
      on(
        layer,
        Effect.gen(function*() {
          const { server, smtp } = yield* served({ quirks: { endings: isInTime ? {} : { DOT: "silence" } } })
          const session = yield* smtp.connect({
            host: server.host,
            port: server.port,
            timeouts: { close: "7 seconds" }
          })
          const fiber = yield* Effect.fork(session.send(message()))
          yield* server.awaitMessages(1)
          const { millis, value: exit } = yield* timed(yield* Effect.fork(Fiber.interrupt(fiber)), "500 millis")
          expect(millis).toBeLessThanOrEqual(9000)
          if (isInTime) expect(yield* session.isUsable).toBe(true)
          else expect(String(exit)).toContain("DeliveryUnknown")
        })
      )
  )
})

describe("other servers", () => {
  it.effect("C35 under TLS, a streamed attachment arrives whole", () =>
    on(
      NodeNet.layer,
      Effect.gen(function*() {
        const content = pattern(3_000_000)
        const { cert, key } = yield* selfSigned
        const server = yield* SmtpServer.make({
          tls: yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
        })
        const smtp = yield* Smtp.make({
          host: server.host,
          port: server.port,
          tlsContext: { ca: { path: cert } },
          serverName: "localhost"
        })
        yield* smtp.send({ ...letter, attachments: [{ filename: "a.bin", content: chunked(content, 50_000) }] })
        expect(digest(attachment((yield* server.messages)[0]!.bytes))).toBe(digest(content))
      })
    ))

  const npm = Effect.gen(function*() {
    const received: Array<{ readonly to: ReadonlyArray<string>; readonly text: string; readonly user: string }> = []
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new SMTPServer({
          disabledCommands: ["STARTTLS"],
          allowInsecureAuth: true,
          onAuth: (auth, _session, done) =>
            auth.password === "secret" ? done(null, { user: auth.username! }) : done(new Error("no")),
          onRcptTo: (address, _session, done) => address.address.startsWith("no") ? done(new Error("who?")) : done(),
          onData: (stream, session, done) => {
            const chunks: Array<Buffer> = []
            stream.on("data", (chunk: Buffer) => chunks.push(chunk))
            stream.on("end", () => {
              received.push({
                to: session.envelope.rcptTo.map(({ address }) => address),
                text: Buffer.concat(chunks).toString("latin1"),
                user: String(session.user)
              })
              done()
            })
          }
        })
      ),
      (server) => Effect.async<void>((resume) => server.close(() => resume(Effect.void)))
    )
    yield* Effect.async<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    })
    const address = server.server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    return { port, received }
  })

  it.effect("C35 npm's smtp-server: a log-in, a refused recipient, and several messages", () =>
    on(
      NodeNet.layer,
      Effect.gen(function*() {
        const { port, received } = yield* npm
        const smtp = yield* Smtp.make({
          host: "127.0.0.1",
          port,
          tls: "none",
          allowInsecureAuth: true,
          auth: { user: "ada", password: Redacted.make("secret") }
        })
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* smtp.connect()
          const receipt = yield* session.send({ ...letter, to: ["b@b.test", "no@b.test"], text: ".dots\n..more\n" })
          expect(receipt._tag).toBe("Partial")
          expect((yield* Effect.flip(session.send({ ...letter, to: "no@b.test" })))._tag).toBe("RecipientsRejected")
          yield* session.send(letter)
        }))
        expect(received.map(({ to, user }) => [to, user])).toEqual([[["b@b.test"], "ada"], [["b@b.test"], "ada"]])
        expect(received[0]!.text).toContain("\r\n\r\n.dots\r\n..more\r\n")
      })
    ))
})
