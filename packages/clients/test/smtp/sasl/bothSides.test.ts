/** Both sides of every mechanism against each other, over the lines of AUTH; and npm's smtp-server as another opinion. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import * as Text from "../../../src/internal/smtp/sasl/text.js"
import { type ChannelBinding, MechanismFailure } from "../../../src/SmtpSession.js"
import * as AuthServer from "../../../src/testing/internal/smtp/sasl/auth.js"
import * as Servers from "../../../src/testing/internal/smtp/sasl/mechanisms.js"
import { bytes, context, converse, serverContext } from "./support.js"

const mechanisms = Mechanisms.builtIn({ least: 1, most: 10_000 })
const names = mechanisms.map(({ name }) => name)
const pairOf = (name: string) =>
  [mechanisms.find((one) => one.name === name)!, Servers.all.find((one) => one.name === name)!] as const

const binding: ChannelBinding = { type: "tls-exporter", data: bytes("the keys of this connection!") }
const bound = (type: string) => type === binding.type ? binding.data : undefined

/** Whether this side can send it by the mechanism at all. */
const canSend = (name: string, text: string): boolean =>
  Either.isRight(name.startsWith("SCRAM") ? Text.prepare("user", text) : Text.plain("user", text))

const acceptedFor = (user: string) => expect.objectContaining({ code: 235, user })
const refusedFor = (detail: string) => ({ code: 535, text: `Authentication failed: ${detail}` })

const words = FC.oneof(
  FC.string({ minLength: 1, maxLength: 12 }),
  FC.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
  FC.string({ unit: "binary", minLength: 1, maxLength: 6 }),
  FC.constantFrom("a,b=c", "=2C", "n=,r=", "\u00aa\u2168", "I\u00adX", "a b", " ", "п\u0430роль", "\ud800")
)
const tokens = FC.stringMatching(/^[A-Za-z0-9._~+/-]{1,40}={0,2}$/)

describe.each(names)("%s", (name) => {
  const [client, server] = pairOf(name)
  const isToken = client.credential === "token"
  const logIn = (user: string, secret: string, known: string) =>
    Effect.either(converse(
      client,
      server,
      context({
        user,
        ...(isToken ? { token: secret } : { password: secret }),
        channelBinding: binding,
        offered: names
      }),
      serverContext({
        users: new Map([[user, known]]),
        isToken: (given, token) => given === user && token === known,
        offered: names,
        channelBinding: bound
      })
    ))

  it("C35 whatever the user and the password, the server knows the user, or nothing was sent", () =>
    FC.assert(
      FC.asyncProperty(words, isToken ? tokens : words, async (user, secret) => {
        const result = await Effect.runPromise(logIn(user, secret, secret))
        const isFit = canSend(name, user) && (isToken || canSend(name, secret)) && !(isToken && user.includes("\x01"))
        if (isFit) {
          expect(result).toEqual(
            Either.right(expect.objectContaining({ reply: acceptedFor(user), missing: undefined }))
          )
        } else {
          expect(Either.isLeft(result) && result.left).toBeInstanceOf(MechanismFailure)
        }
      }),
      Sampling.runs({ short: 100, long: 1000 })
    ))

  it("C35 another secret is refused", () =>
    FC.assert(
      FC.asyncProperty(isToken ? tokens : words, isToken ? tokens : words, async (secret, known) => {
        FC.pre(canSend(name, secret) && canSend(name, known))
        FC.pre(name.startsWith("SCRAM") ? same(secret) !== same(known) : secret !== known)
        const result = await Effect.runPromise(logIn("user", secret, known))
        expect(Either.getOrThrow(result).reply.code).toBe(535)
      }),
      Sampling.runs({ short: 30, long: 300 })
    ))
})

const same = (text: string): string => Either.getOrThrow(Text.prepare("password", text))

describe("channel bindings", () => {
  const account = { users: new Map([["user", "pencil"]]), offered: names, channelBinding: bound }
  for (const name of names.filter((one) => one.startsWith("SCRAM"))) {
    const [client, server] = pairOf(name)
    const isBound = name.endsWith("-PLUS")
    const given = { user: "user", password: "pencil" }

    it.effect(`C35 ${name}: a server at the other end of another TLS connection ${isBound ? "refuses" : "accepts"}`, () =>
      Effect.gen(function*() {
        const between = { ...binding, data: bytes("the keys of another one") }
        const { reply } = yield* converse(
          client,
          server,
          context({ ...given, channelBinding: between, offered: names }),
          serverContext(account)
        )
        expect(reply).toEqual(isBound ? refusedFor("channel-bindings-dont-match") : acceptedFor("user"))
      }))

    if (isBound) {
      it.effect(`C35 ${name} needs a channel binding`, () =>
        Effect.gen(function*() {
          const failure = yield* Effect.flip(client.start(context(given)))
          expect(failure.detail).toContain("no channel binding")
        }))

      it.effect(`C35 ${name}: the server refuses a type of binding that it has not`, () =>
        Effect.gen(function*() {
          const { reply } = yield* converse(
            client,
            server,
            context({ ...given, channelBinding: { ...binding, type: "tls-unique" }, offered: names }),
            serverContext(account)
          )
          expect(reply).toEqual(refusedFor("unsupported-channel-binding-type"))
        }))
    } else {
      it.effect(`C35 ${name}: an offer of -PLUS that somebody took out is noticed by the server`, () =>
        Effect.gen(function*() {
          const stripped = names.filter((one) => !one.endsWith("-PLUS"))
          const { lines, reply } = yield* converse(
            client,
            server,
            context({ ...given, channelBinding: binding, offered: stripped }),
            serverContext(account)
          )
          expect(lines[0]).toMatch(/^y,,/)
          expect(reply).toEqual(refusedFor("server-does-support-channel-binding"))
        }))

      it.effect(`C35 ${name} says y where it could bind and sees no offer, n where it cannot or need not`, () =>
        Effect.gen(function*() {
          const plain = names.filter((one) => !one.endsWith("-PLUS"))
          for (
            const [flag, channelBinding, offered] of [
              ["y", binding, plain],
              ["n", undefined, plain],
              ["n", undefined, names],
              ["n", binding, names]
            ] as const
          ) {
            const { lines, reply } = yield* converse(
              client,
              server,
              context({ ...given, channelBinding, offered }),
              serverContext({ ...account, offered })
            )
            expect(lines[0]!.startsWith(`${flag},,`)).toBe(true)
            expect(reply).toEqual(acceptedFor("user"))
          }
        }))
    }
  }
})

describe("the other side", () => {
  it.effect("C35 #28 a refused token: the JSON is acknowledged, and its status and scope are known", () =>
    Effect.gen(function*() {
      for (const name of ["OAUTHBEARER", "XOAUTH2"]) {
        const [client, server] = pairOf(name)
        const { detail, lines, missing, reply } = yield* converse(
          client,
          server,
          context({ token: "stale" }),
          serverContext({ tokenRefusal: { status: "401", scope: "https://mail.example/" } })
        )
        expect(reply).toEqual(refusedFor("the token is refused"))
        expect(detail).toBe("status 401, scope https://mail.example/")
        expect(missing).toContain("401")
        expect(lines.at(-1)).toBe(name === "XOAUTH2" ? "" : "\x01")
      }
    }))

  it.effect("C35 what is no message of the mechanism is refused by the server, not answered", () =>
    Effect.gen(function*() {
      const garbage = ["", "a", "\0", "a\0b", "a\0b\0c\0d", "n,,", "n,,n=user", "n,,n=u=,r=x", "p=,,n=a,r=b", "x=1"]
      for (const server of Servers.all.filter(({ name }) => name !== "LOGIN")) {
        for (const one of garbage) {
          const outcome = yield* server.start(serverContext({})).step(bytes(one))
          expect(outcome._tag, `${server.name} ${JSON.stringify(one)}`).toBe("Refused")
        }
      }
    }))

  it.effect("C35 at the server: an unknown mechanism is 504, a line that is not base64 501, and so is cancelling", () =>
    Effect.gen(function*() {
      const code = (name: string, initial?: string, ...lines: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          let reply = yield* AuthServer.begin(
            Servers.all,
            serverContext({ offered: ["PLAIN", "CRAM-MD5"] }),
            name,
            initial
          )
          for (const line of lines) if (reply.code === 334) reply = yield* reply.answer(line)
          return reply.code
        })
      expect(yield* code("LOGIN")).toBe(504)
      expect(yield* code("plain")).toBe(334)
      expect(yield* code("PLAIN", "=")).toBe(535)
      expect(yield* code("PLAIN", "AGEAYg")).toBe(501)
      expect(yield* code("CRAM-MD5", "AGEAYg==")).toBe(501)
      expect(yield* code("PLAIN", undefined, "a b")).toBe(501)
      expect(yield* code("PLAIN", undefined, "*")).toBe(501)
      expect(yield* code("CRAM-MD5", undefined, "*")).toBe(501)
    }))
})
