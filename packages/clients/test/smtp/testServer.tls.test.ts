/** The SMTP server for tests: STARTTLS, implicit TLS and AUTH, and nodemailer as a client that shares nothing with it. */
import { type Net, Tls } from "@copas/core"
import { TlsMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import * as fs from "node:fs"
import nodemailer from "nodemailer"
import { SmtpServer } from "../../src/testing/index.js"
import { pattern, same, text } from "../ftp/networks.js"
import { selfSigned } from "../ftp/selfSigned.js"
import { connect, greeted, inMemory, on } from "./rawClient.js"

const base64 = (given: string): string => Buffer.from(given).toString("base64")

const made = TlsMemory.identity()
const serverContext = Tls.server({ identity: made.identity })
const secured = (client: { readonly socket: Parameters<typeof Tls.upgrade>[0] }) =>
  Effect.flatMap(
    Tls.client({ ca: made.ca }),
    (context) => Tls.upgrade(client.socket, context, { serverName: "localhost" })
  )

const users = { ada: "secret", "b c": "ö" }

describe("the SMTP server for tests, under TLS in memory", () => {
  it.effect("C35 STARTTLS is offered in clear alone, and all that was said before it is forgotten", () =>
    inMemory(Effect.gen(function*() {
      const { client, ehlo, server } = yield* greeted({ tls: yield* serverContext, users })
      expect(ehlo).toMatch(/250-STARTTLS/)
      expect(ehlo).not.toMatch(/REQUIRETLS|PLAIN/)
      expect(yield* client.ask("STARTTLS now")).toMatch(/^501/)
      yield* client.ask("MAIL FROM:<a@b.test>")
      expect(yield* client.ask("STARTTLS")).toBe("220 2.0.0 Go ahead")
      yield* secured(client)
      expect(yield* client.ask("RCPT TO:<c@d.test>")).toMatch(/^503 EHLO/)
      const again = yield* client.ask("EHLO client.test")
      expect(again).toMatch(/REQUIRETLS/)
      expect(again).toMatch(/AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN$/m)
      expect(again).not.toMatch(/STARTTLS$/m)
      expect(yield* client.ask("STARTTLS")).toMatch(/^500/)
      yield* client.askAll("MAIL FROM:<a@b.test> REQUIRETLS", "RCPT TO:<c@d.test>", "DATA", ".")
      const [message] = yield* server.messages
      expect(Option.getOrThrow(message!.tls).protocol).toBe("TLSv1.3")
    })))

  it.effect("C35 what comes in clear after STARTTLS ends the connection", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({ tls: yield* serverContext })
      expect(yield* client.ask("STARTTLS\r\nNOOP")).toBe("503 5.5.1 More came after STARTTLS")
      yield* Effect.flip(client.hear)
      expect(yield* server.commands).toEqual(["EHLO client.test", "STARTTLS"])
    })))

  it.effect("C35 implicit TLS speaks TLS from the first byte", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* SmtpServer.make({ tls: yield* serverContext, implicit: true })
      expect(server.url).toBe(`smtps://127.0.0.1:${server.port}`)
      const client = yield* connect(server)
      yield* secured(client)
      expect(yield* client.hear).toMatch(/^220/)
      expect(yield* client.ask("EHLO client.test")).not.toMatch(/STARTTLS$/m)
    })))

  it.effect("C35 it can ask for TLS and for a log-in", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ tls: yield* serverContext, users, requireTls: true, requireAuth: true })
      expect(yield* client.askAll("MAIL FROM:<a@b.test>", "AUTH CRAM-MD5")).toEqual([
        "530 5.7.0 STARTTLS comes first",
        "530 5.7.0 STARTTLS comes first"
      ])
      yield* client.ask("STARTTLS")
      yield* secured(client)
      yield* client.ask("EHLO client.test")
      expect(yield* client.ask("MAIL FROM:<a@b.test>")).toBe("530 5.7.0 AUTH comes first")
      yield* client.ask(`AUTH PLAIN ${base64("\0ada\0secret")}`)
      expect(yield* client.ask("MAIL FROM:<a@b.test>")).toMatch(/^250/)
    })))

  it.effect("C35 extensions may differ under TLS", () =>
    inMemory(Effect.gen(function*() {
      const { client, ehlo } = yield* greeted({
        tls: yield* serverContext,
        extensions: (isSecure) => isSecure ? [] : ["STARTTLS", "CHUNKING"]
      })
      expect(ehlo).toBe("250-mail.test\n250-STARTTLS\n250 CHUNKING")
      yield* client.ask("STARTTLS")
      yield* secured(client)
      expect(yield* client.ask("EHLO client.test")).toBe("250 mail.test")
      expect(yield* client.ask("BDAT 1 LAST")).toBe("500 BDAT is not known")
    })))
})

describe("the SMTP server for tests: AUTH", () => {
  it.effect("C35 takes PLAIN and LOGIN, tells who was logged in, and shows no secret", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({ users, allowInsecureAuth: true })
      expect(
        yield* client.askAll(
          "AUTH",
          "AUTH FOO",
          "AUTH PLAIN ,",
          `AUTH PLAIN ${base64("\0ada\0wrong")}`,
          "AUTH LOGIN",
          "*",
          `AUTH LOGIN ${base64("b c")}`,
          base64("ö"),
          "AUTH PLAIN",
          "MAIL FROM:<a@b.test>",
          "RCPT TO:<c@d.test>",
          "DATA",
          "."
        )
      ).toEqual([
        "501 5.5.4 A mechanism is what it takes, and a response",
        "504 5.5.4 Unrecognized authentication type",
        "501 5.5.2 The response is not base64",
        "535 5.7.8 Authentication failed: wrong user or password",
        `334 ${base64("Username:")}`,
        "501 5.5.2 Authentication cancelled",
        `334 ${base64("Password:")}`,
        "235 2.7.0 Authentication succeeded",
        "503 5.5.1 You are logged in",
        "250 2.1.0 So be it",
        "250 2.1.5 So be it",
        "354 Go ahead",
        "250 2.0.0 Ok: queued as 000001"
      ])
      expect(Option.getOrThrow((yield* server.messages)[0]!.user)).toBe("b c")
      expect((yield* server.commands).slice(1, 9)).toEqual([
        "AUTH",
        "AUTH FOO",
        "AUTH PLAIN ****",
        "AUTH PLAIN ****",
        "AUTH LOGIN",
        "*",
        "AUTH LOGIN ****",
        "AUTH ****"
      ])
    })))

  it.effect("C35 takes the tokens of XOAUTH2 and OAUTHBEARER", () =>
    inMemory(Effect.gen(function*() {
      const { client, ehlo, server } = yield* greeted({ tokens: { ada: "t" }, allowInsecureAuth: true })
      expect(ehlo).toMatch(/AUTH OAUTHBEARER XOAUTH2$/m)
      const message = (token: string) => base64(`user=ada\x01auth=Bearer ${token}\x01\x01`)
      expect(yield* client.ask(`AUTH XOAUTH2 ${message("old")}`)).toBe(
        `334 ${base64(JSON.stringify({ status: "invalid_token", scope: "smtp" }))}`
      )
      expect(yield* client.ask("")).toBe("535 5.7.8 Authentication failed: the token is refused")
      expect(yield* client.ask(`AUTH XOAUTH2 ${message("t")}`)).toMatch(/^235/)
      expect(yield* server.commands).toEqual([
        "EHLO client.test",
        "AUTH XOAUTH2 ****",
        "AUTH ****",
        "AUTH XOAUTH2 ****"
      ])
    })))

  it.effect("C35 offers the mechanisms of several lines", () =>
    inMemory(Effect.gen(function*() {
      const { client, ehlo } = yield* greeted({ users, extensions: ["AUTH=LOGIN", "auth PLAIN"] })
      expect(ehlo).toBe("250-mail.test\n250-AUTH=LOGIN\n250 auth PLAIN")
      expect(yield* client.ask(`AUTH PLAIN ${base64("\0ada\0wrong")}`)).toMatch(/^535/)
      expect(yield* client.ask(`AUTH login ${base64("ada")}`)).toMatch(/^334/)
      expect(yield* client.ask(base64("secret"))).toMatch(/^235/)
    })))

  it.effect("C35 the answer to a scripted challenge is hidden, too", () =>
    inMemory(Effect.gen(function*() {
      const { client, server } = yield* greeted({
        users,
        allowInsecureAuth: true,
        quirks: { replies: { AUTH: "334 bm8=" } }
      })
      expect(yield* client.askAll(`AUTH PLAIN ${base64("\0ada\0secret")}`, base64("secret"), "NOOP")).toEqual([
        "334 bm8=",
        "535 5.7.8 The challenge was scripted",
        "250 2.0.0 Still here"
      ])
      expect(yield* server.commands).toEqual(["EHLO client.test", "AUTH PLAIN ****", "AUTH ****", "NOOP"])
    })))

  it.effect("C35 a response that is too long is refused, and the connection remains", () =>
    inMemory(Effect.gen(function*() {
      const { client } = yield* greeted({ users, allowInsecureAuth: true })
      expect(yield* client.askAll("AUTH PLAIN", "x".repeat(12_287), "NOOP")).toEqual([
        "334 ",
        "500 5.5.6 The line is too long",
        "250 2.0.0 Still here"
      ])
    })))
})

const send = (options: object, message: Parameters<ReturnType<typeof nodemailer.createTransport>["sendMail"]>[0]) =>
  Effect.acquireUseRelease(
    Effect.sync(() => nodemailer.createTransport(options)),
    (transport) => Effect.tryPromise(() => transport.sendMail(message)),
    (transport) => Effect.sync(() => transport.close())
  )

const mail = { from: "a@b.test", to: ["c@d.test", "e@f.test"], subject: "Hello", text: ".\n..\n.x\n" }

const served = (options: SmtpServer.Options) =>
  Effect.gen(function*() {
    const { cert, key } = yield* selfSigned
    const tls = yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
    const server = yield* SmtpServer.make({ tls, ...options })
    return { server, ca: fs.readFileSync(cert, "utf8") }
  })

const onNode = <A, E>(use: Effect.Effect<A, E, Net.Net | Scope.Scope>): Effect.Effect<A, E> => on(NodeNet.layer, use)

describe("nodemailer with the SMTP server for tests, on Node", () => {
  it.live("C35 sends in clear: pipelining, dots, a DSN, and it learns who was refused", () =>
    onNode(Effect.gen(function*() {
      const server = yield* SmtpServer.make({ quirks: { recipients: { "e@f.test": "550 5.1.1 Who?" } } })
      const { host, port } = server
      const info = yield* send({ host, port, ignoreTLS: true }, {
        ...mail,
        dsn: { id: "x y", return: "full", notify: ["success", "failure"], recipient: "a@b.test" }
      })
      expect(info.accepted).toEqual(["c@d.test"])
      expect(info.rejected).toEqual(["e@f.test"])
      const [message] = yield* server.awaitMessages(1)
      expect(text(message!.bytes)).toMatch(/\r\n\r\n\.\r\n\.\.\r\n\.x\r\n$/)
      expect(message!.envelope).toMatchObject({
        sender: "a@b.test",
        parameters: { RET: "FULL", ENVID: "x+20y" },
        recipients: [{ address: "c@d.test", parameters: { NOTIFY: "SUCCESS,FAILURE", ORCPT: "rfc822;a@b.test" } }]
      })
      expect(text((yield* server.reports)[0]!.bytes)).toMatch(/\r\nOriginal-Envelope-Id: x y\r\n/)
    })))

  for (const secure of [false, true]) {
    it.live(`C35 logs in and sends a large message under TLS, implicit ${secure}`, () =>
      onNode(Effect.gen(function*() {
        const { ca, server } = yield* served({ users, implicit: secure, requireTls: true, requireAuth: true })
        const { host, port } = server
        const content = Buffer.from(pattern(3_000_000))
        yield* send({
          host,
          port,
          secure,
          requireTLS: !secure,
          auth: { user: "b c", pass: "ö" },
          tls: { ca, servername: "localhost" }
        }, { ...mail, attachments: [{ content, filename: "a.bin" }] })
        const [message] = yield* server.awaitMessages(1)
        const body = text(message!.bytes)
        const encoded = body.slice(body.indexOf("filename=a.bin"))
        const attached = Buffer.from(encoded.slice(encoded.indexOf("\r\n\r\n"), encoded.indexOf("\r\n--")), "base64")
        expect(same(attached, content)).toBe(true)
        expect(Option.isSome(message!.tls)).toBe(true)
        expect(message!.user).toEqual(Option.some("b c"))
      })))
  }

  for (const method of ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"]) {
    it.live(`C35 logs in by ${method}, and is refused with a wrong secret`, () =>
      onNode(Effect.gen(function*() {
        const server = yield* SmtpServer.make({
          users,
          tokens: { ada: "t" },
          allowInsecureAuth: true,
          requireAuth: true
        })
        const { host, port } = server
        const logIn = (pass: string, accessToken: string) =>
          send({
            host,
            port,
            ignoreTLS: true,
            authMethod: method,
            auth: method === "XOAUTH2" ? { type: "OAuth2", user: "ada", accessToken } : { user: "ada", pass }
          }, mail)
        yield* logIn("secret", "t")
        expect((yield* server.awaitMessages(1))[0]!.user).toEqual(Option.some("ada"))
        expect(String((yield* Effect.flip(logIn("wrong", "wrong"))).error)).toMatch(/535/)
        expect((yield* server.commands).filter((line) => /secret|wrong|c2VjcmV0/.test(line))).toEqual([])
      })))
  }
})
