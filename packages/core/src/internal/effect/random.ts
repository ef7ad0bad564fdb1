/** The generator of all seeded chance: our own, so that a seed means the same whatever edition of Effect is there. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** What the state is multiplied by, and what is added then, in halves of 32 bits. */
const factor = { high: 0x5851f42d, low: 0x4c957f2d }
const increment = { high: 0x14057b7e, low: 0xf767814f }

/** PCG-XSH-RR with 64 bits of state (O'Neill, 2014): small, fast, and good enough for all but secrets. */
export class SeededRandom {
  private high = 0
  private low = 0

  /** The lower 32 bits of `seed` count. */
  constructor(seed: number) {
    this.next()
    this.add(0, seed >>> 0)
    this.next()
  }

  private add(high: number, low: number): void {
    const sum = this.low + low
    this.low = sum >>> 0
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) >>> 0
  }

  /** 32 random bits. */
  private next(): number {
    const { high, low } = this
    // By halves of 16 bits, so that each product is exact.
    const lowest = (low & 0xffff) * (factor.low & 0xffff)
    const middle = (low >>> 16) * (factor.low & 0xffff) + (lowest >>> 16)
    const other = (low & 0xffff) * (factor.low >>> 16) + (middle & 0xffff)
    this.low = ((other << 16) | (lowest & 0xffff)) >>> 0
    this.high = ((low >>> 16) * (factor.low >>> 16) + (middle >>> 16) + (other >>> 16) +
      Math.imul(low, factor.high) + Math.imul(high, factor.low)) >>> 0
    this.add(increment.high, increment.low)
    const mixedHigh = ((high >>> 18) ^ high) >>> 0
    const mixedLow = (((low >>> 18) | (high << 14)) ^ low) >>> 0
    const word = ((mixedLow >>> 27) | (mixedHigh << 5)) >>> 0
    const turned = high >>> 27
    return ((word >>> turned) | (word << (-turned & 31))) >>> 0
  }

  /** At least 0, below 1. */
  number(): number {
    const high = this.next() & 0x03ffffff
    return (high * 2 ** 27 + (this.next() & 0x07ffffff)) / 2 ** 53
  }

  /** A whole number, at least 0, below `limit`. */
  integer(limit: number): number {
    return Math.round(this.number() * Number.MAX_SAFE_INTEGER) % limit
  }
}

/** 31 bits of any number; those below 2^30 are their own. */
const folded = (seed: number): number => {
  let bits = seed | 0
  if (bits !== seed) bits ^= seed * 0xffffffff
  for (let rest = seed; rest > 0xffffffff && rest < Infinity;) bits ^= rest /= 0xffffffff
  return (bits & 0xbfffffff) | ((bits >>> 1) & 0x40000000)
}

/** Effect's `Random` on it. */
class SeededService implements Random.Random {
  readonly [Random.RandomTypeId]: Random.RandomTypeId = Random.RandomTypeId
  private readonly generator: SeededRandom
  readonly next: Effect.Effect<number> = Effect.sync(() => this.generator.number())
  readonly nextBoolean: Effect.Effect<boolean> = Effect.sync(() => this.generator.number() > 0.5)
  readonly nextInt: Effect.Effect<number> = Effect.sync(() => this.generator.integer(Number.MAX_SAFE_INTEGER))

  constructor(seed: number) {
    this.generator = new SeededRandom(folded(seed))
  }

  nextRange(min: number, max: number): Effect.Effect<number> {
    return Effect.sync(() => (max - min) * this.generator.number() + min)
  }

  nextIntBetween(min: number, max: number): Effect.Effect<number> {
    return Effect.sync(() => this.generator.integer(max - min) + min)
  }

  shuffle<A>(elements: Iterable<A>): Effect.Effect<Chunk.Chunk<A>> {
    return Effect.sync(() => {
      const shuffled = Array.from(elements)
      for (let last = shuffled.length - 1; last >= 1; last -= 1) {
        const other = this.generator.integer(last + 1)
        const moved = shuffled[last]!
        shuffled[last] = shuffled[other]!
        shuffled[other] = moved
      }
      return Chunk.fromIterable(shuffled)
    })
  }
}

/** Runs `effect` with an Effect `Random` that `seed` determines. */
export const withSeed = <A, E, R>(effect: Effect.Effect<A, E, R>, seed: number): Effect.Effect<A, E, R> =>
  Effect.withRandom(effect, new SeededService(seed))
