/**
 * Hashes and derived keys: the same by every means, and those of the RFCs.
 */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as primitives from "../../src/internal/crypto/primitives.js"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex")

const platforms = [
  ["on Node", NodeNet.layer],
  ["in memory", NetMemory.layer]
] as const

describe.each(platforms)("%s", (_, layer) => {
  const run = <A>(use: (made: primitives.Primitives) => Effect.Effect<A>) =>
    Effect.flatMap(Net.Net, (net) => use(primitives.make(net.crypto))).pipe(Effect.provide(layer))

  it.effect("C35 a hash is the same whole and in pieces", () =>
    run((made) =>
      Effect.gen(function*() {
        for (const hash of ["sha1", "sha256"] as const) {
          for (const length of [0, 1, 63, 64, 4095, 4096, 100_000]) {
            const data = new Uint8Array(length).fill(7)
            const whole = made.digestNow(hash, data)
            const running = made.incremental(hash)
            for (let at = 0; at < length; at += 997) running.update(data.subarray(at, at + 997))
            expect(hex(running.digest())).toBe(hex(whole))
          }
        }
        expect(hex(made.digestNow("sha256", bytes("abc")))).toBe(
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
      })
    ))

  // RFC 6070; RFC 7914, section 11.
  it.effect("C35 derived keys are those of the RFCs", () =>
    run((made) =>
      Effect.gen(function*() {
        expect(hex(yield* made.pbkdf2("sha1", bytes("password"), bytes("salt"), 4096))).toBe(
          "4b007901b765489abead49d926f721d065a429c1"
        )
        expect(hex(yield* made.pbkdf2("sha256", bytes("passwd"), bytes("salt"), 1))).toBe(
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        )
      })
    ))

  it.effect("C35 random bytes are as many as were asked for", () =>
    run((made) => Effect.sync(() => expect(made.randomBytes(24).length).toBe(24))))
})

// RFC 2202.
it("C35 keyed hashes are those of the RFCs", () => {
  expect(hex(primitives.hmac("md5", bytes("Jefe"), bytes("what do ya want for nothing?")))).toBe(
    "750c783e6ab0b503eaa86e310a5db738"
  )
  expect(hex(primitives.hmac("sha1", bytes("Jefe"), bytes("what do ya want for nothing?")))).toBe(
    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
  )
})

it.effect("C35 what a simulation draws is the same twice", () =>
  Effect.gen(function*() {
    const draw = Effect.map(Net.Net, (net) => hex(primitives.make(net.crypto).randomBytes(16))).pipe(
      Effect.provide(NetMemory.layerWith({ seed: 3 }))
    )
    expect(yield* draw).toBe(yield* draw)
  }))
