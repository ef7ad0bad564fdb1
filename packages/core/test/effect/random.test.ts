/** The seeded generator: the sequence of a seed is fixed, and Effect's own generator of this edition agrees with it. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Random } from "effect"
import * as fc from "effect/FastCheck"
import { PCGRandom } from "effect/Utils"
import { SeededRandom, withSeed } from "../../src/internal/effect/random.js"

describe("seeded chance", () => {
  it("the numbers of a seed do not change from one release to the next", () => {
    const random = new SeededRandom(42)
    assert.deepStrictEqual(Array.from({ length: 4 }, () => random.integer(1_000_000)), [65256, 904834, 143666, 835542])
  })

  it("gives what Effect's generator gives, for every seed", () => {
    fc.assert(fc.property(fc.oneof(fc.integer(), fc.double({ noNaN: true })), (seed) => {
      const [own, theirs] = [new SeededRandom(seed), new PCGRandom(seed)]
      for (let count = 0; count < 50; count += 1) {
        assert.strictEqual(own.number(), theirs.number())
        assert.strictEqual(own.integer(count + 1), theirs.integer(count + 1))
      }
    }))
  })

  const drawn = Effect.gen(function*() {
    return [
      yield* Random.next,
      yield* Random.nextBoolean,
      yield* Random.nextInt,
      yield* Random.nextRange(3, 9),
      yield* Random.nextIntBetween(-5, 50),
      Chunk.toReadonlyArray(yield* Random.shuffle([1, 2, 3, 4, 5, 6, 7])),
      Chunk.toReadonlyArray(yield* Random.shuffle([])),
      yield* Random.next
    ]
  })

  it.effect.prop(
    "`Random` gives what Effect's own gives, in all its operations",
    [fc.oneof(fc.integer(), fc.maxSafeNat(), fc.double())],
    ([seed]) =>
      Effect.gen(function*() {
        const own = yield* withSeed(drawn, seed)
        const theirs = yield* Effect.withRandom(drawn, Random.make(seed))
        assert.deepStrictEqual(own, theirs)
      })
  )
})
