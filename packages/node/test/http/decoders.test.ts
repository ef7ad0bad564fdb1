/** Content codings: what the decoders give, and what they refuse. */
import { HttpTransport } from "@copas/core"
import { NodeHttpTransport, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Zlib from "node:zlib"
import { pattern } from "../pattern.js"
import { failureOf, pulled, whole } from "./exchanging.js"

const network = Layer.provideMerge(NodeHttpTransport.layer, NodeNet.layer)

const zstd = (Zlib as typeof Zlib & { readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer }).zstdCompressSync

const codings: ReadonlyArray<readonly [label: string, name: string, code: (bytes: Uint8Array) => Buffer]> = [
  ["gzip", "gzip", Zlib.gzipSync],
  ["deflate with zlib's header", "deflate", Zlib.deflateSync],
  ["deflate without it", "deflate", Zlib.deflateRawSync],
  ["br", "br", Zlib.brotliCompressSync],
  ...(zstd === undefined || process.version.startsWith("v22.") ? [] : [["zstd", "zstd", zstd] as const])
]

/** Cuts bytes into pieces. */
const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))

const decoding = (name: string, ...chunks: ReadonlyArray<string | Uint8Array>) =>
  Effect.flatMap(
    HttpTransport.HttpTransport,
    ({ decoders }) => Effect.scoped(Effect.flatMap(decoders[name]!(pulled(...chunks)), whole))
  )

describe("NodeHttpTransport decoders", () => {
  for (const [label, name, code] of codings) {
    it.effect(`C33 ${label}: bodies of every size come back whole, however they are cut`, () =>
      Effect.gen(function*() {
        for (const size of [1, 1000, 65_536, 65_537, 300_000]) {
          const body = pattern(size)
          const coded = code(body)
          for (const piece of [1, 7, 1000, coded.length]) {
            if (coded.length / piece > 300) continue
            expect((yield* decoding(name, ...cut(coded, piece))).equals(body)).toBe(true)
          }
        }
        expect((yield* decoding(name, code(Buffer.alloc(0)))).length).toBe(0)
        expect((yield* decoding(name)).length).toBe(0)
      }).pipe(Effect.provide(network)))

    it.effect(`C33 ${label}: cut at any byte it is Truncated, and never whole`, () =>
      Effect.gen(function*() {
        for (const body of [Buffer.from("hello, hello, hello"), pattern(3000)]) {
          const coded = code(body)
          for (let length = 1; length < coded.length; length += Math.ceil(coded.length / 20)) {
            for (const piece of [length, 5]) {
              const failure = yield* failureOf(decoding(name, ...cut(coded.subarray(0, length), piece)))
              expect(failure).toMatchObject({ _tag: "HttpTransportFailure", kind: "Truncated" })
            }
          }
        }
      }).pipe(Effect.provide(network)))

    it.effect(`C33 ${label}: bytes after its end are refused, zeros too, in the same chunk and in a later one`, () =>
      Effect.gen(function*() {
        for (const body of [Buffer.from("hello"), pattern(100_000)]) {
          const coded = code(body)
          for (const behind of ["\0", "\0\0\0\0", "xy", "more than that"]) {
            for (const chunks of [[Buffer.concat([coded, Buffer.from(behind)])], [coded, behind]]) {
              expect((yield* failureOf(decoding(name, ...chunks))).kind).toBe("Decode")
            }
          }
        }
      }).pipe(Effect.provide(network)))

    it.effect(`C33 ${label}: other bytes are refused`, () =>
      Effect.gen(function*() {
        for (const text of ["plain text, which is no coding at all", "<html>", "\xff\xff\xff\xff\xff\xff\xff\xff"]) {
          const failure = yield* failureOf(decoding(name, text))
          expect(["Decode", "Truncated"]).toContain(failure.kind)
        }
        expect((yield* failureOf(decoding(name, "plain text, which is no coding at all"))).kind).toBe("Decode")
      }).pipe(Effect.provide(network)))

    it.effect(`C33 ${label}: what grows is given in chunks of 64 KiB at most, and read no further than asked`, () =>
      Effect.gen(function*() {
        const { decoders } = yield* HttpTransport.HttpTransport
        const coded = code(Buffer.alloc(30 * 1024 * 1024))
        const pieces = cut(coded, 1000)
        let taken = 0
        const pull = Effect.sync(() => pieces[taken++])
        const before = process.memoryUsage().arrayBuffers
        yield* Effect.scoped(Effect.gen(function*() {
          const read = yield* decoders[name]!(pull)
          let most = 0
          for (let reads = 0; reads < 20; reads++) {
            const chunk = yield* read
            most = Math.max(most, chunk?.length ?? 0)
          }
          expect(most).toBe(65_536)
          // Twenty chunks, of which a thousand coded bytes give fifteen at least.
          expect(taken).toBeLessThan(15)
        }))
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
      }).pipe(Effect.provide(network)))
  }

  it.effect("C33 gzip: several members are one body, wherever they are cut", () =>
    Effect.gen(function*() {
      const members = [Zlib.gzipSync("one "), Zlib.gzipSync(""), Zlib.gzipSync("two "), Zlib.gzipSync("three")]
      const coded = Buffer.concat(members)
      for (let piece = 1; piece <= coded.length; piece += 5) {
        expect((yield* decoding("gzip", ...cut(coded, piece))).toString()).toBe("one two three")
      }
      expect((yield* decoding("gzip", ...members)).toString()).toBe("one two three")
    }).pipe(Effect.provide(network)))

  it.effect("C33 a chunk is given before the next one comes, where the coder has flushed", () =>
    Effect.gen(function*() {
      const { decoders } = yield* HttpTransport.HttpTransport
      const gzip = Zlib.createGzip()
      const flushed = (text: string) =>
        Effect.promise(() =>
          new Promise<Buffer>((resolve) => {
            const chunks: Array<Buffer> = []
            gzip.on("data", (chunk: Buffer) => chunks.push(chunk))
            gzip.write(text)
            gzip.flush(() => {
              gzip.removeAllListeners("data")
              resolve(Buffer.concat(chunks))
            })
          })
        )
      const events = [yield* flushed("first\n"), yield* flushed("second\n")]
      let at = 0
      const pull = Effect.suspend(() => at < events.length ? Effect.sync(() => events[at++]) : Effect.never)
      const read = yield* decoders["gzip"]!(pull)
      expect(Buffer.from((yield* read)!).toString()).toBe("first\n")
      expect(at).toBe(1)
      expect(Buffer.from((yield* read)!).toString()).toBe("second\n")
      gzip.destroy()
    }).pipe(Effect.scoped, Effect.provide(network)))

  it.effect("C33 a failure of the coded bytes passes through", () =>
    Effect.gen(function*() {
      const { decoders } = yield* HttpTransport.HttpTransport
      const coded = Zlib.gzipSync(pattern(100_000))
      let at = 0
      const pull = Effect.suspend(() => at++ === 0 ? Effect.succeed(coded.subarray(0, 100)) : Effect.fail("broken"))
      const failed = Effect.scoped(Effect.flatMap(decoders["gzip"]!(pull), whole))
      expect(yield* Effect.flip(failed)).toBe("broken")
    }).pipe(Effect.provide(network)))
})
