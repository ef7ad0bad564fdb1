/** Bodies whose length is not told: what is kept of them, and where. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FC from "effect/FastCheck"
import * as Fs from "node:fs"
import { spool } from "../../src/internal/cgi/spool.js"
import { pattern } from "../pattern.js"

const inMemory = 65_536

/** Gives the body in pulls of parts of these sizes, the last part again and again. */
const partsOf = (body: Uint8Array, sizes: ReadonlyArray<number>, perPull: number) => {
  let at = 0
  let part = 0
  return Effect.sync(() => {
    if (at === body.length) return undefined
    return Array.from({ length: perPull }, () => {
      const size = sizes[Math.min(part++, sizes.length - 1)]!
      const bytes = body.slice(at, at + size)
      at += bytes.length
      return bytes
    })
  })
}

const kept = (body: Uint8Array, sizes: ReadonlyArray<number>, perPull: number, most = Infinity) =>
  Effect.map(spool(partsOf(body, sizes, perPull), most), ({ kept, length }) => {
    if (kept instanceof Uint8Array) return { length, bytes: Buffer.from(kept), holds: kept.buffer.byteLength }
    const bytes = Buffer.alloc(length)
    // From where the script reads: the descriptor's own place.
    Fs.readSync(kept.fd, bytes)
    return { length, bytes, holds: 0 }
  })

describe("a body that CGI keeps", () => {
  it.effect("X05 is whole, however it came: in 64 KiB of memory, or in a file that is read from its beginning", () =>
    Effect.promise(() =>
      FC.assert(FC.asyncProperty(
        FC.oneof(FC.nat(200_000), FC.constantFrom(inMemory - 1, inMemory, inMemory + 1)),
        FC.array(FC.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 }),
        FC.integer({ min: 1, max: 4 }),
        (length, sizes, perPull) =>
          Effect.runPromise(Effect.scoped(Effect.gen(function*() {
            const body = pattern(length)
            const told = yield* kept(body, [...sizes, 4096], perPull)
            expect(told.length).toBe(length)
            expect(told.bytes.equals(body)).toBe(true)
            expect(told.holds).toBe(length > inMemory ? 0 : inMemory)
          })))
      ))
    ))

  it.scoped("X05 takes no more memory when it comes byte by byte", () =>
    Effect.gen(function*() {
      const body = pattern(inMemory)
      const { bytes, holds } = yield* kept(body, [1], 1)
      expect([bytes.equals(body), holds]).toEqual([true, inMemory])
    }))

  it.scoped("X05 is refused with 413 past its limit, before it is kept", () =>
    Effect.gen(function*() {
      for (const length of [1000, 100_001]) {
        const error = yield* Effect.flip(kept(pattern(length), [100], 1, length - 1))
        expect(error).toMatchObject({ _tag: "CgiRefused", status: 413 })
      }
    }))
})
