/** The lines of AUTH: what goes out, what a 334 may be, and which secrets are shown: none. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import smtpServer from "smtp-server/lib/sasl.js"
import { random, search, text as secretText } from "../../../../node/test/secrets.js"
import * as Command from "../../../src/internal/replies/command.js"
import * as Auth from "../../../src/internal/smtp/sasl/auth.js"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import * as Text from "../../../src/internal/smtp/sasl/text.js"
import * as Codec from "../../../src/internal/text/codec.js"
import type { MechanismState } from "../../../src/SmtpSession.js"
import { bytes, context, origin, refusal, text } from "./support.js"

const sent = (command: Command.Command): string =>
  text(Either.getOrThrow(Command.encode(command, { protocol: "smtp", codec: Codec.utf8 })))

const stateOf = (response: string | undefined): MechanismState => {
  const state: MechanismState = {
    response: response === undefined ? undefined : Redacted.make(bytes(response)),
    missing: undefined,
    step: (challenge) => Effect.succeed({ ...state, response: Redacted.make(challenge) })
  }
  return state
}

describe("what goes out", () => {
  it("C35 AUTH has the initial response, = for an empty one, and nothing where the server speaks first", () => {
    expect(sent(Auth.begin("PLAIN", stateOf("\0a\0b")).command)).toBe("AUTH PLAIN AGEAYg==\r\n")
    expect(sent(Auth.begin("EXTERNAL", stateOf("")).command)).toBe("AUTH EXTERNAL =\r\n")
    expect(sent(Auth.begin("LOGIN", stateOf(undefined)).command)).toBe("AUTH LOGIN\r\n")
    expect(sent(Auth.cancel)).toBe("*\r\n")
  })

  it.effect("C35 an initial response that does not fit its line answers the first 334, whatever that says", () =>
    Effect.gen(function*() {
      const room = Auth.lineLimit - "AUTH X \r\n".length
      const fits = Auth.begin("X", stateOf("x".repeat(Math.floor(room / 4) * 3)))
      expect(fits.isHeld).toBe(false)
      expect(sent(fits.command).length).toBeLessThanOrEqual(Auth.lineLimit)
      const long = "x".repeat(Math.floor(room / 4) * 3 + 1)
      const held = Auth.begin("X", stateOf(long))
      expect(sent(held.command)).toBe("AUTH X\r\n")
      expect(Auth.missing(held)).toContain("before it was given one")
      for (const challenge of ["", "go on"]) {
        const turn = yield* Auth.answer(held, [challenge], origin)
        expect(sent(turn.command)).toBe(`${Text.toBase64(bytes(long))}\r\n`)
        expect(Auth.missing(turn)).toBeUndefined()
      }
    }))

  it.effect("C35 a response is one line of base64, and an empty one an empty line", () =>
    Effect.gen(function*() {
      const turn = Auth.begin("X", stateOf(undefined))
      for (const [challenge, line] of [["", ""], ["PDE+", "PDE+"]] as const) {
        expect(sent((yield* Auth.answer(turn, [challenge], origin)).command)).toBe(`${line}\r\n`)
      }
      const long = Text.toBase64(new Uint8Array(5000))
      expect(sent((yield* Auth.answer(turn, [long], origin)).command)).toBe(`${long}\r\n`)
    }))
})

/** What every mechanism can begin with. */
const able = context({
  password: "p",
  token: "t",
  channelBinding: { type: "tls-exporter", data: new Uint8Array(32) }
})

describe("challenges", () => {
  const wrong = {
    "text for people": "Username:",
    "half a group": "PDEyP",
    "no padding": "PDE",
    "padding in the middle": "PD==PDE+",
    "bits that belong to no byte": "PDF=",
    "a blank before": " PDE+",
    "a blank within": "PD E+",
    "the alphabet of URLs": "PD-_",
    "a lone =": "=",
    "control characters": "PDE\x00"
  }
  for (const [what, line] of Object.entries(wrong)) {
    it.effect(`C35 ${what} is no challenge`, () =>
      Effect.gen(function*() {
        expect(yield* Effect.flip(Auth.answer(Auth.begin("X", stateOf(undefined)), [line], origin))).toMatchObject({
          _tag: "ProtocolViolation",
          ...origin,
          what: "a challenge of AUTH is not base64"
        })
      }))
  }

  it.effect("C35 a challenge has one line, and 16 KiB at most; a megabyte is refused undecoded", () =>
    Effect.gen(function*() {
      const turn = Auth.begin("X", stateOf(undefined))
      const most = Text.toBase64(new Uint8Array(Auth.challengeLimit))
      expect(sent((yield* Auth.answer(turn, [most], origin)).command).length).toBe(most.length + 2)
      for (const lines of [[`${most}AAAA`], ["A".repeat(1_000_000)], ["AAAA", "AAAA"]]) {
        const failure = yield* Effect.flip(Auth.answer(turn, lines, origin))
        expect(failure).toMatchObject({ _tag: "ProtocolViolation" })
        expect(JSON.stringify(failure).length).toBeLessThan(500)
      }
    }))

  it("C35 whatever the server sends, each mechanism continues or fails, typed, and base64 is read as Node reads it", () =>
    FC.assert(
      FC.asyncProperty(
        FC.constantFrom(...Mechanisms.builtIn()),
        FC.array(FC.oneof(FC.string(), FC.base64String(), FC.string().map((one) => Text.toBase64(bytes(one)))), {
          minLength: 1,
          maxLength: 4
        }),
        async (mechanism, lines) => {
          const state = await Effect.runPromise(mechanism.start(able))
          let turn = Auth.begin(mechanism.name, state)
          for (const line of lines) {
            const decoded = Text.fromBase64(line)
            if (decoded !== undefined) expect(Buffer.from(decoded).toString("base64")).toBe(line)
            const next = await Effect.runPromise(Effect.either(Auth.answer(turn, [line], origin)))
            if (Either.isLeft(next)) {
              expect(["ProtocolViolation", "MechanismFailure"]).toContain(next.left._tag)
              return
            }
            turn = next.right
            expect(sent(turn.command)).toMatch(/^[A-Za-z0-9+/]*={0,2}\r\n$/)
          }
        }
      ),
      Sampling.runs({ short: 200, long: 2000 })
    ))
})

describe("what cannot be sent", () => {
  it.effect("C35 a NUL, half a surrogate pair, an empty user: refused before anything goes out", () =>
    Effect.gen(function*() {
      for (const mechanism of Mechanisms.builtIn()) {
        if (mechanism.needsChannelBinding) continue
        for (const user of ["", "a\0b", "\ud800"]) {
          const says = yield* refusal(mechanism.start(context({ user, password: "hunter2", token: "hunter2" })))
          expect(says).toContain("user")
        }
        expect(yield* refusal(mechanism.start(context({})))).toContain(`there is no ${mechanism.credential}`)
        const wrong = "hunter2\0"
        expect(yield* refusal(mechanism.start(context({ password: wrong, token: wrong })))).not.toContain("hunter2")
      }
    }))

  it.effect("C35 a token cannot begin another field", () =>
    Effect.gen(function*() {
      for (const mechanism of Mechanisms.builtIn().filter(({ credential }) => credential === "token")) {
        for (const token of ["a\x01host=evil.example", "a b", "a\r\n", "", "ä", "=a"]) {
          expect(yield* refusal(mechanism.start(context({ token })))).toContain("token")
        }
        expect(yield* refusal(mechanism.start(context({ user: "a\x01auth=x", token: "t" })))).toContain("user")
      }
    }))
})

describe("secrets", () => {
  it.effect("C35 no state, turn or command of a mechanism shows a secret", () =>
    Effect.gen(function*() {
      const password = secretText("the password", "correct-horse-battery")
      const line = secretText("the line of PLAIN", Text.toBase64(bytes("\0user\0correct-horse-battery")))
      const token = random("the token", 24)
      const given = context({
        password: "correct-horse-battery",
        token: Buffer.from(token.bytes).toString("base64"),
        channelBinding: { type: "tls-exporter", data: new Uint8Array(32) }
      })
      const values: Record<string, unknown> = { context: { ...given, crypto: undefined } }
      for (const mechanism of Mechanisms.builtIn()) {
        const state = yield* mechanism.start(given)
        const turn = Auth.begin(mechanism.name, state)
        const challenge = mechanism.name.startsWith("SCRAM") ? "r=" : Text.toBase64(bytes("<1@server>"))
        values[mechanism.name] = { mechanism, turn, exit: yield* Effect.exit(Auth.answer(turn, [challenge], origin)) }
      }
      expect(yield* search([password, line, token], values)).toEqual([])
    }))

  it.effect("C35 #28 a token that the server's JSON repeats is hidden, and what is long is cut", () =>
    Effect.gen(function*() {
      for (const mechanism of Mechanisms.builtIn().filter(({ credential }) => credential === "token")) {
        const state = yield* mechanism.start(context({ token: "abcdefgh" }))
        const repeated = JSON.stringify({ status: "no abcdefgh", scope: "s\n".repeat(4000) })
        const { detail } = yield* state.step(bytes(repeated))
        expect(detail).toMatch(/^status no \*{4}, scope s\\x0as/)
        expect(detail!.length).toBeLessThan(800)
        for (const odd of ["", "no JSON", "[]", "null", "{\"status\":{}}", "{\"scope\":[1]}", "[".repeat(16_000)]) {
          const next = yield* state.step(bytes(odd))
          expect(next.detail).toBeUndefined()
          expect(next.missing).toContain("refused the token")
        }
      }
    }))

  it("C35 the secrets of a log-in are hidden in what the server repeats of them", () => {
    const turn = Auth.begin("PLAIN", stateOf("\0user\0correct-horse"))
    const hides = ["correct-horse", "abc"].map((one) => Redacted.make(one))
    const secrets = Command.secretsOf({ ...turn.command, hides })
    expect(Command.hide(secrets, "5.7.8 no correct-horse, no abc")).toBe("5.7.8 no ****, no abc")
    expect(Command.printable(turn.command)).toBe("AUTH PLAIN ****")
    const repeated = sent(turn.command).trim()
    expect(Command.hide(Command.secretsOf(turn.command), repeated)).toBe("AUTH PLAIN ****")
  })
})

/** A log-in at the mechanisms of npm's smtp-server, without its network. */
const atSmtpServer = (name: string, client: ReturnType<typeof context>, answer: (auth: SmtpServerAuth) => unknown) =>
  Effect.gen(function*() {
    const replies: Array<readonly [number, string]> = []
    const connection = {
      name: "server.example",
      session: {},
      _server: {
        logger: { info: () => undefined },
        onAuth: (auth: SmtpServerAuth, _: unknown, done: (error: null, response: unknown) => void) =>
          done(null, answer(auth))
      },
      _transmissionType: () => "ESMTPA",
      _nextHandler: undefined as ((line: string, done: () => void) => void) | undefined,
      send: (code: number, line = "") => void replies.push([code, line])
    }
    const mechanism = Mechanisms.builtIn().find((one) => one.name === name)!
    let turn = Auth.begin(name, yield* mechanism.start(client))
    smtpServer[`SASL_${name}`]!.call(connection, sent(turn.command).trim().split(" ").slice(2), () => undefined)
    while (replies.at(-1)![0] === 334) {
      turn = yield* Auth.answer(turn, [replies.at(-1)![1]], origin)
      connection._nextHandler!(sent(turn.command).trim(), () => undefined)
    }
    return { code: replies.at(-1)![0], detail: Option.fromNullable(turn.state.detail), missing: Auth.missing(turn) }
  })

interface SmtpServerAuth {
  readonly method: string
  readonly username: string
  readonly password?: string
  readonly accessToken?: string
  readonly validatePassword?: (password: string) => boolean
}

describe("npm's smtp-server", () => {
  for (const name of ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"]) {
    it.effect(`C35 it logs in by ${name}, and refuses another secret`, () =>
      Effect.gen(function*() {
        const secret = name === "XOAUTH2" ? "ya29.token" : "pässwörd 日本"
        for (const known of [secret, "another"]) {
          const result = yield* atSmtpServer(
            name,
            context({ user: "jürgen", password: secret, token: secret }),
            (auth) =>
              auth.username === "jürgen" && (auth.password ?? auth.accessToken ?? known) === known &&
                (auth.validatePassword?.(known) ?? true)
                ? { user: auth.username }
                : { data: { status: "400", scope: "mail" } }
          )
          expect(result.code).toBe(known === secret ? 235 : 535)
          if (known === secret) expect(result.missing).toBeUndefined()
          else if (name === "XOAUTH2") expect(result.detail).toEqual(Option.some("status 400, scope mail"))
        }
      }))
  }
})
