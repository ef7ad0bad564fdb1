/** SCRAM against servers that lie, and what it computes with. */
import { Net } from "@copas/core"
import { NetMemory, Sampling, Simulation } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestContext from "effect/TestContext"
import * as Primitives from "../../../src/internal/crypto/primitives.js"
import * as Keys from "../../../src/internal/smtp/sasl/keys.js"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import * as Scram from "../../../src/internal/smtp/sasl/scram.js"
import * as Text from "../../../src/internal/smtp/sasl/text.js"
import type { MechanismCrypto } from "../../../src/SmtpSession.js"
import * as ScramServer from "../../../src/testing/internal/smtp/sasl/scram.js"
import { bytes, context, converse, makeCrypto, refusal, said, serverContext, text, withNonce } from "./support.js"

const nonce = "rOprNGfwEbeRWgbNEkqO"
const serverNonce = `${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`
const salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
const serverFirst = `r=${serverNonce},s=${salt},i=4096`
const serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

const mechanism = Scram.make("SCRAM-SHA-256", false, Keys.cached(4), Scram.defaultRounds)
const first = mechanism.start(context({ password: "pencil", crypto: withNonce(makeCrypto(), nonce) }))
const second = Effect.flatMap(first, (state) => state.step(bytes(serverFirst)))

const wrongFirst = {
  "a nonce that is not ours": [`r=x${serverNonce},s=${salt},i=4096`, "nonce"],
  "our nonce in other letters": [`r=${serverNonce.toLowerCase()},s=${salt},i=4096`, "nonce"],
  "our nonce with nothing added": [`r=${nonce},s=${salt},i=4096`, "nonce"],
  "a nonce with a control character": [`r=${nonce}\x01,s=${salt},i=4096`, "nonce"],
  "no nonce": [`s=${salt},i=4096`, "no r="],
  "no salt": [`r=${serverNonce},i=4096`, "no s="],
  "an empty salt": [`r=${serverNonce},s=,i=4096`, "salt"],
  "a salt that is not base64": [`r=${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096`, "salt"],
  "no rounds": [`r=${serverNonce},s=${salt}`, "no i="],
  "too few rounds": [`r=${serverNonce},s=${salt},i=4095`, "4096 to 600000"],
  "too many rounds": [`r=${serverNonce},s=${salt},i=600001`, "4096 to 600000"],
  "rounds without end": [`r=${serverNonce},s=${salt},i=99999999999999999999`, "no number"],
  "rounds that are no number": [`r=${serverNonce},s=${salt},i=0x1000`, "no number"],
  "rounds with an exponent": [`r=${serverNonce},s=${salt},i=5e3`, "no number"],
  "rounds below zero": [`r=${serverNonce},s=${salt},i=-4096`, "no number"],
  "a mandatory extension first": [`m=ext,${serverFirst}`, "mandatory extension"],
  "a mandatory extension last": [`${serverFirst},m=ext`, "mandatory extension"],
  "attributes in another order": [`s=${salt},r=${serverNonce},i=4096`, "no r="],
  "an end that is no attribute": [`${serverFirst},`, "no attribute"],
  "nothing": ["", "no r="],
  "an error in place of a challenge": ["e=other-error", "no r="],
  "the last message at once": [serverFinal, "no r="],
  "a megabyte": [`r=${nonce}${"x".repeat(1_000_000)}`, "no s="]
} as const

const wrongFinal = {
  "another signature": ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "signature is wrong"],
  "half a signature": ["v=6rriTRBi23WpRR/wtup+mA==", "signature is wrong"],
  "an empty signature": ["v=", "signature is wrong"],
  "a signature that is not base64": ["v=!", "signature is wrong"],
  "no signature": ["x=y", "no v="],
  "nothing": ["", "no v="],
  "a mandatory extension": [`${serverFinal},m=ext`, "mandatory extension"],
  "the first message again": [serverFirst, "no v="]
} as const

describe("a server that lies", () => {
  for (const [what, [message, says]] of Object.entries(wrongFirst)) {
    it.effect(`C35 ${what}: refused, and no proof goes out`, () =>
      Effect.gen(function*() {
        const state = yield* first
        expect(yield* refusal(state.step(bytes(message)))).toContain(says)
      }))
  }

  for (const [what, [message, says]] of Object.entries(wrongFinal)) {
    it.effect(`C35 the server's proof is ${what}: it is not logged in`, () =>
      Effect.gen(function*() {
        const state = yield* second
        expect(yield* refusal(state.step(bytes(message)))).toContain(says)
      }))
  }

  it.effect("C35 bytes that are not UTF-8 are refused at either step", () =>
    Effect.gen(function*() {
      const wrong = Uint8Array.of(...bytes(serverFirst), 0xff)
      expect(yield* refusal((yield* first).step(wrong))).toContain("UTF-8")
      expect(yield* refusal((yield* second).step(wrong))).toContain("UTF-8")
    }))

  it.effect("C35 extensions that need not be understood are passed over, and are part of what is signed", () =>
    Effect.gen(function*() {
      const state = yield* (yield* first).step(bytes(`${serverFirst},x=y,z=1`))
      expect(state.missing).toContain("proved")
      expect(said(state)).not.toContain("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    }))

  it.effect("C35 an error of the server is acknowledged, and is the refusal's detail", () =>
    Effect.gen(function*() {
      const state = yield* (yield* second).step(bytes("e=invalid-proof"))
      expect(said(state)).toBe("")
      expect(state.detail).toBe("the server says invalid-proof")
      expect(state.missing).toBe("the server says invalid-proof")
    }))

  it.effect("C35 a challenge after the server's proof is refused", () =>
    Effect.gen(function*() {
      const last = yield* (yield* second).step(bytes(serverFinal))
      expect(last.missing).toBeUndefined()
      expect(yield* refusal(last.step(bytes("")))).toContain("had ended")
    }))

  it("C35 one byte changed in either message of the server: never logged in", () =>
    FC.assert(
      FC.asyncProperty(FC.boolean(), FC.nat(), FC.integer({ min: 1, max: 255 }), async (inFirst, at, by) => {
        const change = (message: string): Uint8Array => {
          const changed = bytes(message)
          changed[at % changed.length]! ^= by
          return changed
        }
        const result = await Effect.runPromise(Effect.either(Effect.gen(function*() {
          const proof = yield* (yield* first).step(inFirst ? change(serverFirst) : bytes(serverFirst))
          return yield* proof.step(inFirst ? bytes(serverFinal) : change(serverFinal))
        })))
        // `e=` may come of `v=`: then the server has said no.
        expect(Either.isLeft(result) || result.right.missing !== undefined).toBe(true)
      }),
      Sampling.runs({ short: 60, long: 2000 })
    ))

  it.effect("C35 how many rounds are allowed is an option", () =>
    Effect.gen(function*() {
      const strict = Scram.make("SCRAM-SHA-256", false, Keys.cached(1), { least: 5000, most: 5001 })
      const state = yield* strict.start(context({ password: "pencil", crypto: withNonce(makeCrypto(), nonce) }))
      expect(yield* refusal(state.step(bytes(serverFirst)))).toContain("5000 to 5001")
      const fits = yield* state.step(bytes(`r=${serverNonce},s=${salt},i=5000`))
      expect(said(fits)).toContain(",p=")
    }))
})

describe("SASLprep", () => {
  // RFC 4013, section 3.
  it("C35 the examples of RFC 4013", () => {
    const prepared = (given: string) => Either.getOrElse(Text.prepare("user", given), ({ detail }) => detail)
    expect(prepared("I\u00adX")).toBe("IX")
    expect(prepared("user")).toBe("user")
    expect(prepared("USER")).toBe("USER")
    expect(prepared("\u00aa")).toBe("a")
    expect(prepared("\u2168")).toBe("IX")
    expect(prepared("\u0007")).toContain("prohibits")
  })

  it("C35 control, private, unassigned and half characters are refused, and the refusal does not show them", () => {
    const bad = [
      "\x7f",
      "\x80",
      "\u06dd",
      "\u200e",
      "\u2028",
      "\ue000",
      "\ufdd0",
      "\ufffd",
      "\ud800",
      "\u{e0001}",
      "\u0378"
    ]
    for (const one of bad) {
      const result = Text.prepare("password", `hunter2${one}`)
      expect(Either.isLeft(result), JSON.stringify(one)).toBe(true)
      expect(JSON.stringify(result)).not.toContain("hunter2")
    }
    expect(Either.isLeft(Text.prepare("user", "\u00ad"))).toBe(true)
  })

  it.effect("C35 a password in another normal form derives the same key", () =>
    Effect.gen(function*() {
      const server = ScramServer.make("SCRAM-SHA-256", false)
      const loose = Scram.make("SCRAM-SHA-256", false, Keys.cached(1), { least: 1, most: 10 })
      const { reply } = yield* converse(
        loose,
        server,
        context({ user: "u\u0308ser", password: "pa\u00a0ss\u2168" }),
        serverContext({ users: new Map([["\u00fcser", "pa ssIX"]]) })
      )
      expect(reply).toMatchObject({ code: 235, user: "\u00fcser" })
    }))
})

describe("keys", () => {
  const derive = (keys: Keys.Derive, crypto: MechanismCrypto, password = "pencil", rounds = 2) =>
    keys(crypto, "sha256", password, bytes("salt"), rounds)

  it.effect("C35 a pool derives once for the same password, salt and rounds", () =>
    Effect.gen(function*() {
      const crypto = makeCrypto()
      const keys = Keys.cached(4)
      const all = yield* Effect.all(Array.from({ length: 8 }, () => derive(keys, crypto)), { concurrency: 8 })
      expect(new Set(all).size).toBe(1)
      expect(crypto.derived()).toBe(1)
      yield* derive(keys, crypto, "Pencil")
      yield* derive(keys, crypto, "pencil", 3)
      yield* keys(crypto, "sha256", "pencil", bytes("tlas"), 2)
      yield* keys(crypto, "sha1", "pencil", bytes("salt"), 2)
      expect(crypto.derived()).toBe(5)
    }))

  it.effect("C35 salt and password are not mistaken for each other", () =>
    Effect.gen(function*() {
      const crypto = makeCrypto()
      const keys = Keys.cached(4)
      yield* keys(crypto, "sha256", "bc", bytes("a"), 2)
      yield* keys(crypto, "sha256", "c", bytes("ab"), 2)
      expect(crypto.derived()).toBe(2)
    }))

  it.effect("C35 the keys that were used last are kept, and no more than the bound", () =>
    Effect.gen(function*() {
      const crypto = makeCrypto()
      const keys = Keys.cached(2)
      for (const password of ["a", "b", "a", "c", "a"]) yield* derive(keys, crypto, password)
      expect(crypto.derived()).toBe(3)
      yield* derive(keys, crypto, "b")
      expect(crypto.derived()).toBe(4)
    }))

  it.effect("C35 whoever waits for keys gets them when the one that derives them is interrupted", () =>
    Effect.gen(function*() {
      const crypto = makeCrypto()
      const keys = Keys.cached(2)
      const stuck = yield* Effect.fork(derive(keys, { ...crypto, pbkdf2: () => Effect.never }))
      yield* Effect.yieldNow()
      const waiting = yield* Effect.fork(derive(keys, crypto))
      yield* Effect.yieldNow()
      expect(crypto.derived()).toBe(0)
      yield* Fiber.interrupt(stuck)
      expect((yield* Fiber.join(waiting)).stored.length).toBe(32)
      expect(crypto.derived()).toBe(1)
    }))
})

describe("what it computes with", () => {
  const logIn = Effect.gen(function*() {
    const crypto = Mechanisms.cryptoOf(Primitives.make((yield* Net.Net).crypto))
    const { lines, reply } = yield* converse(
      Mechanisms.builtIn()[1]!,
      ScramServer.make("SCRAM-SHA-256", false),
      context({ user: "user", password: "pencil", crypto }),
      serverContext({ users: new Map([["user", "pencil"]]), crypto, rounds: 4096 })
    )
    expect(reply).toMatchObject({ code: 235, user: "user" })
    return { lines, millis: yield* Clock.currentTimeMillis }
  })

  it.effect("C35 a log-in on Node", () =>
    logIn.pipe(
      Effect.tap(({ lines }) => Effect.sync(() => expect(lines[0]).toMatch(/^n,,n=user,r=[A-Za-z0-9+/]{32}$/))),
      Effect.provide(NodeNet.layer)
    ))

  it("C35 a log-in in memory takes no time of the TestClock, and waits for no other thread", () => {
    const here = logIn.pipe(Effect.provide([NetMemory.layer, TestContext.TestContext]))
    expect(Effect.runSync(here).millis).toBe(0)
  })

  it.effect("C35 a log-in in a simulation is the same twice, and an hour's sleep beside it does not end first", () =>
    Effect.gen(function*() {
      const simulated = (seed: number) =>
        Simulation.run(
          Effect.gen(function*() {
            const sleeper = yield* Effect.fork(Effect.sleep("1 hour"))
            const result = yield* logIn
            yield* Fiber.interrupt(sleeper)
            return result
          }).pipe(Effect.provide(NetMemory.layer)),
          { seed }
        )
      const one = yield* simulated(1)
      expect(one.millis).toBe(0)
      expect(yield* simulated(1)).toEqual(one)
      expect((yield* simulated(2)).lines).not.toEqual(one.lines)
    }))

  it("C35 the nonce is text that any server can read", () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const state = Effect.runSync(mechanism.start(context({ password: "x" })))
      expect(text(bytes(said(state)!))).toMatch(/^n,,n=user,r=[!-+\--~]+$/)
    }
  })
})
