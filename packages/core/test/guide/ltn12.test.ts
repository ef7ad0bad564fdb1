/** Each function of ltn12 as docs/ltn12.md writes it. */
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Option, Ref, Sink, Stream } from "effect"

// docs/ltn12.md has these lines; each is held to what the function of ltn12 does.

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("ltn12 in Streams", () => {
  it.effect("S14 source.string, source.table, source.empty, source.error, source.cat", () =>
    Effect.gen(function*() {
      expect(yield* collect(Stream.make("text"))).toEqual(["text"])
      expect(yield* collect(Stream.fromIterable(["a", "b"]))).toEqual(["a", "b"])
      expect(yield* collect(Stream.empty)).toEqual([])
      expect(yield* Effect.flip(collect(Stream.fail("broken")))).toBe("broken")
      expect(yield* collect(Stream.concat(Stream.make("a"), Stream.make("b")))).toEqual(["a", "b"])
    }))

  it.effect("S14 source.simplify: a source that replaces itself is a stream of steps", () =>
    Effect.gen(function*() {
      const countdown = Stream.unfold(3, (left) => left === 0 ? Option.none() : Option.some([left, left - 1]))
      expect(yield* collect(countdown)).toEqual([3, 2, 1])
    }))

  it.effect("S14 source.chain, sink.chain, filter.chain: a filter is a function from stream to stream", () =>
    Effect.gen(function*() {
      const upper = Stream.map((text: string) => text.toUpperCase())
      const lines = Stream.splitLines
      expect(yield* collect(Stream.make("a\nb", "c\n").pipe(lines, upper))).toEqual(["A", "BC"])
      const sink = Sink.mapInput(Sink.collectAll<string>(), (text: string) => text.toUpperCase())
      expect(Chunk.toReadonlyArray(yield* Stream.run(Stream.make("a", "b"), sink))).toEqual(["A", "B"])
    }))

  it.effect("S14 filter.cycle: a low-level filter with a state of its own", () =>
    Effect.gen(function*() {
      const numbered = Stream.mapAccum(0, (count: number, line: string) => [count + 1, `${count + 1} ${line}`])
      expect(yield* collect(numbered(Stream.make("a", "b")))).toEqual(["1 a", "2 b"])
    }))

  it.effect("S14 sink.table, sink.null, sink.error, sink.simplify", () =>
    Effect.gen(function*() {
      expect(Chunk.toReadonlyArray(yield* Stream.run(Stream.make(1, 2), Sink.collectAll()))).toEqual([1, 2])
      expect(yield* Stream.run(Stream.make(1, 2), Sink.drain)).toBe(undefined)
      expect(yield* Effect.flip(Stream.run(Stream.make(1), Sink.fail("full")))).toBe("full")
      const lengths = Sink.foldLeft(0, (total: number, chunk: Uint8Array) => total + chunk.length)
      expect(yield* Stream.run(Stream.make(bytes("ab"), bytes("c")), lengths)).toBe(3)
    }))

  it.effect("S14 pump.all and pump.step", () =>
    Effect.gen(function*() {
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (text: string) => Ref.update(seen, (before) => [...before, text])
      yield* Stream.run(Stream.make("a", "b"), Sink.forEach(note))
      expect(yield* Ref.get(seen)).toEqual(["a", "b"])
      yield* Stream.run(Stream.take(Stream.make("c", "d"), 1), Sink.forEach(note))
      expect(yield* Ref.get(seen)).toEqual(["a", "b", "c"])
    }))
})
