/** The receive buffer against a single array, its memory and its costs. */
import { Sampling } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import { PCGRandom } from "effect/Utils"
import { ReceiveBuffer } from "../src/internal/socket/receiveBuffer.js"

const decode = (chunk: Uint8Array, start: number, end: number): string =>
  Buffer.from(chunk).toString("latin1", start, end)

/** Of few values, so that delimiters come often; now and then longer than what is copied together. */
const bytesOf = (random: PCGRandom): Uint8Array =>
  Uint8Array.from({ length: random.integer(random.integer(6) === 0 ? 6000 : 20) }, () => random.integer(4))

const delimiters = [Uint8Array.of(0), Uint8Array.of(1, 2), Uint8Array.of(3, 3, 3), Uint8Array.of(0, 1, 0, 1)]

it("C20 whatever is pushed and taken, the buffer gives what a single array would", () => {
  for (const seed of Sampling.seeds({ short: 15, long: 60 })) {
    const random = new PCGRandom(seed)
    const buffer = new ReceiveBuffer()
    let model = Buffer.alloc(0)
    /** What was given out, and a copy of it: it must stay as it was. */
    const given: Array<readonly [Uint8Array, Buffer]> = []
    const take = (bytes: Uint8Array, length: number): void => {
      expect(Buffer.from(bytes).equals(model.subarray(0, length)), `seed ${seed}`).toBe(true)
      given.push([bytes, Buffer.from(bytes)])
      model = model.subarray(length)
    }
    for (let step = 0; step < 200; step += 1) {
      switch (random.integer(8)) {
        case 0: {
          const length = random.integer(model.length + 1)
          take(buffer.take(length), length)
          break
        }
        case 1: {
          if (model.length === 0) break
          const chunk = buffer.takeChunk(1 + random.integer(30))
          expect(chunk.length).toBeGreaterThan(0)
          take(chunk, chunk.length)
          break
        }
        case 2: {
          const length = random.integer(model.length + 1)
          const extra = random.integer(model.length - length + 1)
          expect(buffer.takeText(length, extra, "latin1", decode)).toBe(model.toString("latin1", 0, length))
          model = model.subarray(length + extra)
          break
        }
        case 3: {
          const length = random.integer(model.length + 1)
          buffer.skip(length)
          model = model.subarray(length)
          break
        }
        case 4: {
          const length = random.integer(model.length + 1)
          expect(Buffer.from(buffer.peek(length)).equals(model.subarray(0, length))).toBe(true)
          break
        }
        case 5: {
          const delimiter = delimiters[random.integer(delimiters.length)]!
          expect(buffer.indexOf(delimiter), `seed ${seed}`).toBe(model.indexOf(delimiter))
          break
        }
        default: {
          const bytes = bytesOf(random)
          buffer.push(bytes.slice())
          model = Buffer.concat([model, bytes])
        }
      }
      expect(buffer.size).toBe(model.length)
      const position = random.integer(model.length + 1)
      expect(buffer.byteAt(position)).toBe(model[position] ?? -1)
    }
    for (const [bytes, copy] of given) expect(Buffer.from(bytes).equals(copy), `seed ${seed}`).toBe(true)
    buffer.clear()
    expect([buffer.size, buffer.indexOf(Uint8Array.of(0))]).toEqual([0, -1])
  }
})

it("C20 a peer that dribbles does not make memory grow beyond its bytes", () => {
  const buffer = new ReceiveBuffer()
  const held = new Set<ArrayBufferLike>()
  for (let index = 0; index < 100_000; index += 1) buffer.push(Uint8Array.of(index & 255))
  while (buffer.size > 0) held.add(buffer.takeChunk(Infinity).buffer)
  let bytes = 0
  for (const { byteLength } of held) bytes += byteLength
  expect(bytes).toBeLessThan(110_000)
})

/** Delimiters that are hard to search for: periodic, nearly periodic, random of few values; 1 to 1,024 bytes. */
const delimiterOf = (random: PCGRandom): Uint8Array => {
  const length = 1 + random.integer([1, 4, 40, 1024][random.integer(4)]!)
  const period = 1 + random.integer(3)
  switch (random.integer(3)) {
    case 0:
      return Uint8Array.from({ length }, (_, index) => index % period === 0 ? 1 : 0)
    case 1:
      return Uint8Array.from({ length }, (_, index) => index === length - 1 ? 2 : 1)
    default:
      return Uint8Array.from({ length }, () => random.integer(2))
  }
}

/** What nearly is the delimiter, again and again: its beginnings, one after the other. */
const teasing = (random: PCGRandom, delimiter: Uint8Array, length: number): Uint8Array => {
  const bytes: Array<number> = []
  while (bytes.length < length) {
    const part = random.integer(3) === 0 ? random.integer(delimiter.length) : delimiter.length - 1
    for (let index = 0; index < part; index += 1) bytes.push(delimiter[index]!)
    if (random.integer(4) === 0) bytes.push(random.integer(3))
    if (random.integer(40) === 0) bytes.push(...delimiter)
  }
  return Uint8Array.from(bytes.slice(0, length))
}

it("C20 what searching and taking cost is linear in the bytes and the calls, for any delimiter and any feeding", () => {
  for (const seed of Sampling.seeds({ short: 15, long: 60 })) {
    const random = new PCGRandom(seed)
    const delimiter = delimiterOf(random)
    const bytes = teasing(random, delimiter, 8000)
    const model = Buffer.from(bytes)
    const buffer = new ReceiveBuffer()
    const largest = [1, 3, 600, 5000][random.integer(4)]!
    const nibbles = random.integer(2) === 0
    let calls = 0
    let fed = 0
    let taken = 0
    while (fed < bytes.length) {
      const length = 1 + random.integer(largest)
      buffer.push(bytes.slice(fed, fed + length))
      fed = Math.min(bytes.length, fed + length)
      for (;;) {
        calls += 1
        const at = buffer.indexOf(delimiter)
        // The model is not linear: it is asked now and then, and whenever something was found.
        if (at !== -1 || calls % 50 === 0) {
          expect(at, `seed ${seed}`).toBe(model.subarray(taken, fed).indexOf(delimiter))
        }
        if (at === -1) break
        buffer.take(at)
        buffer.skip(delimiter.length)
        taken += at + delimiter.length
      }
      // A reader that gives up between, and takes a little from the front.
      if (nibbles && fed - taken > 3 * delimiter.length && random.integer(4) === 0) {
        calls += 1
        taken += buffer.takeChunk(2).length
      }
    }
    expect(buffer.work, `seed ${seed}`).toBeLessThanOrEqual(4 * bytes.length + 4 * calls)
  }
})

it("C20 the same delimiter in another array continues the search, as a read after a time-out does", () => {
  const buffer = new ReceiveBuffer()
  const delimiter = (): Uint8Array => Uint8Array.of(...Array.from({ length: 15 }, () => 1), 2)
  for (let index = 0; index < 30_000; index += 1) {
    buffer.push(Uint8Array.of(1))
    expect(buffer.indexOf(delimiter())).toBe(-1)
  }
  // 16 for comparing the two arrays, and at most two looks at the byte.
  expect(buffer.work).toBeLessThan(30_000 * 20)
})

it("C20 a long list of chunks that is taken from the front, chunk by chunk, costs a step a chunk", () => {
  const buffer = new ReceiveBuffer()
  const chunks = 20_000
  for (let index = 0; index < chunks; index += 1) buffer.push(new Uint8Array(512))
  while (buffer.size > 0) buffer.takeChunk(512)
  expect(buffer.work).toBeLessThanOrEqual(2 * chunks)
})
