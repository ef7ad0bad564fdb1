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
