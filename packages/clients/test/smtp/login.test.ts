/** TLS and log-in: cases 24 to 29. */
import { type Net, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, Redacted, type Scope } from "effect"
import { Smtp, SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { selfSigned } from "../ftp/selfSigned.js"
import { scripted } from "../scripted.js"
import { against, follow, hello, inMemory, leavesNothing, message, type Peer } from "./dialogue.js"

const password = Redacted.make("hunter2-correct-horse")
const auth = { user: "ada", password } as const

/** A scripted server with a certificate, and a session with it. */
const secured = (
  talk: (peer: Peer, secure: Effect.Effect<void, unknown>) => Effect.Effect<unknown, unknown>,
  options: Smtp.Defaults = {}
) =>
  Effect.gen(function*() {
    const made = TlsMemory.identity()
    const context = yield* Tls.server({ identity: made.identity })
    const where = yield* scripted((peer) => talk(peer, Tls.upgrade(peer.socket, context)))
    return yield* SmtpSession.connect({ ...where, tlsContext: { ca: made.ca }, serverName: "localhost", ...options })
  })

const clear = `${hello("PIPELINING", "STARTTLS", "AUTH PLAIN LOGIN", "CHUNKING")}\nC: STARTTLS`
const under = (...extensions: ReadonlyArray<string>): string => hello(...extensions).split("\n").slice(1).join("\n")

describe("TLS", () => {
  it.effect.each([["235 ok"], ["250-mx.test\r\n250 AUTH PLAIN"], ["2"]])(
    "C35 #24 what comes in clear after the reply to STARTTLS (%s) ends it, and nothing more is sent",
    ([behind]) =>
      inMemory(Effect.gen(function*() {
        const error = yield* Effect.flip(secured((peer) =>
          Effect.gen(function*() {
            yield* follow(peer, clear)
            yield* peer.say(`220 go\r\n${behind}\r\n`)
            const more = yield* Effect.either(peer.socket.receive())
            expect(more._tag).toBe("Left")
          }), { auth }))
        expect(error).toMatchObject({ _tag: "ProtocolViolation" })
      }))
  )

  it.effect("C35 #25 STARTTLS is missing, or refused: TlsRequired, and not a byte of the password", () =>
    inMemory(Effect.gen(function*() {
      const missing = yield* Effect.flip(
        against(`${hello("AUTH PLAIN")}\nC: QUIT`, { auth, tls: "starttls" })
      )
      expect(missing).toMatchObject({ _tag: "TlsRequired", lines: [] })
      const refused = yield* Effect.flip(
        against(`${clear}\nS: 454 4.7.0 TLS not available\nC: QUIT`, { auth, tls: "starttls" })
      )
      expect(refused).toMatchObject({ _tag: "TlsRequired", code: 454, lines: ["TLS not available"] })
    })))

  it.effect("C35 #25 a handshake that fails: TlsError, and not a byte of the password", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(
        secured((peer, secure) => Effect.zipRight(follow(peer, `${clear}\nS: 220 go`), Effect.ignore(secure)), {
          auth,
          serverName: "other.test"
        })
      )
      expect(error).toMatchObject({ _tag: "TlsError", reason: "WrongHost" })
    })))

  it.effect("C35 #25 opportunistic: without STARTTLS it continues in clear, but not with a password", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello()}\nC: QUIT`, { tls: "opportunistic" })
      expect(Option.isNone(session.tls)).toBe(true)
      const refused = yield* against(`${clear}\nS: 454 no\nC: NOOP\nS: 250 ok\nC: QUIT`, { tls: "opportunistic" })
      yield* refused.noop
      const error = yield* Effect.flip(against(`${hello("AUTH PLAIN")}\nC: QUIT`, { auth, tls: "opportunistic" }))
      expect(error._tag).toBe("NoMechanism")
    })))

  it.effect.each(
    [["other mechanisms", "AUTH XOAUTH2"], ["no mechanism", "SIZE"]] as const
  )(
    "C35 #26 PLAIN is offered in clear, and %s under TLS: only the latter counts",
    ([, offer]) =>
      inMemory(Effect.gen(function*() {
        const error = yield* Effect.flip(
          secured((peer, secure) =>
            Effect.gen(function*() {
              yield* follow(peer, `${clear}\nS: 220 go`)
              yield* secure
              yield* follow(peer, `${under(offer)}\nC: QUIT`)
            }), { auth })
        )
        expect(error).toMatchObject({ _tag: "NoMechanism", isEncrypted: true })
      }))
  )

  it.effect("C35 #16a CHUNKING was offered in clear alone: the content goes out by DATA", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* secured((peer, secure) =>
        Effect.gen(function*() {
          yield* follow(peer, `${clear}\nS: 220 go`)
          yield* secure
          yield* follow(
            peer,
            `
            ${under("PIPELINING")}
            C: MAIL FROM:<a@a.test>
            C: RCPT TO:<b@b.test>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: A: b
            C:
            C: hello
            C: .
            S: 250 ok
            C: QUIT
          `
          )
        })
      )
      expect((yield* session.send(message(), { chunking: "prefer" })).extensions).toEqual(["PIPELINING"])
    })))

  it.effect("C35 a server that speaks in clear where TLS begins at once: PlaintextOnTlsPort", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const where = yield* scripted((peer) => peer.say("220 mx.test ESMTP\r\n"))
        const error = yield* Effect.flip(SmtpSession.connect({ ...where, tls: "implicit" }))
        expect(error).toMatchObject({ _tag: "PlaintextOnTlsPort" })
        expect(error.message).toContain("tls: \"starttls\"")
      })),
      NodeNet.layer
    ))
})

describe("log-in", () => {
  it.effect("C35 #27 in clear no mechanism that shows the password is used, unless that is allowed", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(against(`${hello("AUTH PLAIN LOGIN")}\nC: QUIT`, { auth }))
      expect(error).toMatchObject({ _tag: "NoMechanism", offered: ["PLAIN", "LOGIN"], isEncrypted: false })
      yield* against(
        `${
          hello("AUTH PLAIN LOGIN CRAM-MD5")
        }\nC: AUTH CRAM-MD5\nS: 334 PDEuMkBhPg==\nC~ ^[A-Za-z0-9+/=]+$\nS: 235 ok\nC: QUIT`,
        { auth }
      )
      const plain = Buffer.from("\0ada\0hunter2-correct-horse").toString("base64")
      yield* against(`${hello("AUTH PLAIN LOGIN")}\nC: AUTH PLAIN ${plain}\nS: 235 ok\nC: QUIT`, {
        auth,
        allowInsecureAuth: true
      })
    })))

  const json = Buffer.from("{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"https://mail.test/\"}").toString(
    "base64"
  )

  it.effect("C35 #28 XOAUTH2: a 334 gets an empty line, and the token is fetched again, once", () =>
    inMemory(Effect.gen(function*() {
      let fetched = 0
      const token = Effect.sync(() => Redacted.make(`token-${++fetched}`))
      const turn = (count: number): string =>
        `C: AUTH XOAUTH2 ${Buffer.from(`user=ada\x01auth=Bearer token-${count}\x01\x01`).toString("base64")}
        S: 334 ${json}
        C:
        S: 535 5.7.8 no`
      const error = yield* Effect.flip(
        against(`${hello("AUTH XOAUTH2")}\n${turn(1)}\n${turn(2)}\nC: QUIT`, {
          auth: { user: "ada", token },
          allowInsecureAuth: true
        })
      )
      expect(error).toMatchObject({ _tag: "AuthenticationFailed", code: 535, mechanism: "XOAUTH2" })
      expect(error.message).toContain("401")
      expect(error.message).toContain("https://mail.test/")
      expect(fetched).toBe(2)
    })))

  it.effect("C35 #28 the second token is right: logged in", () =>
    inMemory(Effect.gen(function*() {
      let fetched = 0
      const token = Effect.sync(() => Redacted.make(`token-${++fetched}`))
      yield* against(
        `${
          hello("AUTH XOAUTH2")
        }\nC~ ^AUTH XOAUTH2 \nS: 334 ${json}\nC:\nS: 535 no\nC~ ^AUTH XOAUTH2 \nS: 235 ok\nC: QUIT`,
        { auth: { user: "ada", token }, allowInsecureAuth: true }
      )
    })))

  it.effect("C35 a token that cannot be had: AuthenticationFailed, and nothing was said", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(against(`${hello("AUTH XOAUTH2")}\nC: QUIT`, {
        auth: { user: "ada", token: Effect.fail("the key service is down") },
        allowInsecureAuth: true
      }))
      expect(error.message).toContain("the key service is down")
    })))

  it.effect("C35 #29 535 to a strong mechanism: no weaker one is tried", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(against(
        `${hello("AUTH CRAM-MD5 LOGIN PLAIN")}\nC: AUTH CRAM-MD5\nS: 334 PDEuMkBhPg==\nC~ .\nS: 535 5.7.8 no\nC: QUIT`,
        { auth, allowInsecureAuth: true }
      ))
      expect(error).toMatchObject({ _tag: "AuthenticationFailed", mechanism: "CRAM-MD5", enhancedCode: "5.7.8" })
    })))

  it.effect("C35 504 to a mechanism: the next one is tried", () =>
    inMemory(against(
      `${hello("AUTH CRAM-MD5 PLAIN")}\nC: AUTH CRAM-MD5\nS: 504 5.5.4 not today\nC~ ^AUTH PLAIN \nS: 235 ok\nC: QUIT`,
      { auth, allowInsecureAuth: true }
    )))

  it.effect("C35 challenges that are not base64, or that do not end, end the session", () =>
    inMemory(Effect.gen(function*() {
      const options = { auth, allowInsecureAuth: true }
      const bad = yield* Effect.flip(against(`${hello("AUTH CRAM-MD5")}\nC: AUTH CRAM-MD5\nS: 334 ?!`, options))
      expect(bad._tag).toBe("ProtocolViolation")
      const endless = yield* Effect.flip(against((peer) =>
        Effect.zipRight(
          follow(peer, hello("AUTH LOGIN")),
          Effect.ignore(Effect.forever(Effect.zipRight(peer.socket.receiveLine(), peer.say("334 VXNlcm5hbWU6\r\n"))))
        ), options))
      expect(["ProtocolViolation", "AuthenticationFailed"]).toContain(endless._tag)
    })))

  it.effect.each(
    [["neither", {}], ["both", { user: "a", password, token: password }], ["no user", { password }]] as const
  )("C35 a log-in with %s is an InvalidOption", ([, given]) =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(SmtpSession.connect({ host: "127.0.0.1", tls: "none", auth: given }))
      expect(error._tag).toBe("InvalidOption")
    })))
})

describe("TLS and log-in at the test server", () => {
  const mechanisms = [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
    "OAUTHBEARER",
    "XOAUTH2"
  ] as const

  const served = (implicit: boolean, mechanism: SmtpSession.MechanismName) =>
    Effect.gen(function*() {
      const { cert, key } = yield* selfSigned
      const tls = yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
      const server = yield* SmtpServer.make({
        tls,
        implicit,
        requireTls: true,
        requireAuth: true,
        users: { ada: Redacted.value(password) },
        tokens: { ada: "a-token" }
      })
      const isToken = mechanism === "OAUTHBEARER" || mechanism === "XOAUTH2"
      const smtp = yield* Smtp.make({
        host: server.host,
        port: server.port,
        tls: implicit ? "implicit" : "starttls",
        tlsContext: { ca: { path: cert } },
        serverName: "localhost",
        auth: {
          user: "ada",
          mechanisms: [mechanism],
          ...(isToken ? { token: Redacted.make("a-token") } : { password })
        }
      })
      return { server, smtp }
    })

  const onNode = <A, E>(use: Effect.Effect<A, E, Net.Net | Scope.Scope>): Effect.Effect<A, E> =>
    Effect.provide(leavesNothing(use), NodeNet.layer)

  it.effect.each(mechanisms.flatMap((mechanism) => [[mechanism, true], [mechanism, false]] as const))(
    "C35 a message is sent after a log-in by %s, implicit TLS %s",
    ([mechanism, implicit]) =>
      onNode(Effect.gen(function*() {
        const { server, smtp } = yield* served(implicit, mechanism)
        yield* smtp.send(message())
        const [received] = yield* server.messages
        expect(received?.user).toEqual(Option.some("ada"))
        expect(Option.isSome(received!.tls)).toBe(true)
        expect(new TextDecoder().decode(received!.bytes)).toBe("A: b\r\n\r\nhello\r\n")
      }))
  )

  it.effect("C35 the strongest mechanism that the server offers is used, over the network in memory as well", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const made = TlsMemory.identity()
        const server = yield* SmtpServer.make({
          tls: yield* Tls.server({ identity: made.identity }),
          users: { ada: Redacted.value(password) }
        })
        const smtp = yield* Smtp.make({
          host: server.host,
          port: server.port,
          tlsContext: { ca: made.ca },
          serverName: "localhost",
          auth
        })
        expect((yield* smtp.verify).pipelining).toBe(true)
        const commands = yield* server.commands
        expect(commands.filter((line) => line.startsWith("AUTH"))[0]).toContain("SCRAM-SHA-256")
      })),
      NetMemory.layer
    ))
})
