/** Which codings are undone, in which order, and what bounds them: with decoders of the test's own, and no network. */
import { type HttpTransport, NetAddress } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpError } from "../../src/index.js"
import type { Answer } from "../../src/internal/http/answer.js"
import { decoded, type Decoders, meter, undoneOf } from "../../src/internal/http/decoding.js"
import { failure } from "./scriptedTransport.js"

const mebi = 1024 * 1024

const answerOf = (
  codings: ReadonlyArray<string>,
  chunks: ReadonlyArray<Uint8Array>,
  more: { readonly status?: number; readonly method?: string; readonly decode?: boolean } = {}
) => {
  const state = { cancelled: 0, read: 0 }
  const address = NetAddress.inet("127.0.0.1", 80)
  const answer: Answer<never> = {
    exchange: {
      status: more.status ?? 200,
      statusText: "",
      version: "1.1",
      fields: codings.map((value) => ["Content-Encoding", value] as const),
      values: (name) => name === "content-encoding" ? codings : [],
      takeWhole: () => undefined,
      informational: [],
      trailers: () => [],
      connection: {
        remoteAddress: address,
        localAddress: address,
        tls: undefined,
        isReused: false,
        opening: { lookup: 0, connect: 0, tls: 0 }
      },
      cancel: Effect.sync(() => state.cancelled += 1)
    },
    method: more.method ?? "GET",
    url: new URL("http://a.test/"),
    history: [],
    where: () => ({ method: "GET", url: "http://a.test/", hop: 0 }),
    read: Effect.sync(() => chunks[state.read++]),
    reading: () => answer,
    failed: () => {
      throw new Error("no failure of the transport's")
    },
    decode: more.decode ?? true,
    limits: { body: 16 * mebi, codings: 3, ratio: 250 },
    keep: () => () => {},
    isLeft: () => false,
    startedAt: 0,
    headAt: 0
  }
  return { answer, state }
}

/** Appends its name to each chunk: so the order shows. */
const naming = (name: string): HttpTransport.Decoder => (coded) =>
  Effect.succeed(Effect.map(coded, (chunk) => chunk && new Uint8Array([...chunk, ...new TextEncoder().encode(name)])))

/** Makes `factor` times as many bytes. */
const growing = (factor: number): HttpTransport.Decoder => (coded) => {
  let left = 0
  const pull: ReturnType<typeof next> = Effect.suspend(() => next())
  const next = (): Effect.Effect<Uint8Array | undefined, any> => {
    if (left > 0) {
      const size = Math.min(left, 65536)
      left -= size
      return Effect.succeed(new Uint8Array(size))
    }
    return Effect.flatMap(coded, (chunk) => {
      if (chunk === undefined) return Effect.succeed(undefined)
      left = chunk.length * factor
      return pull
    })
  }
  return Effect.succeed(pull)
}

/** Reads all and gives nothing. */
const swallowing: HttpTransport.Decoder = (coded) => {
  const pull: Effect.Effect<Uint8Array | undefined, any> = Effect.flatMap(
    coded,
    (chunk) => chunk === undefined ? Effect.succeed(undefined) : pull
  )
  return Effect.succeed(pull)
}

const failing = (kind: HttpTransport.FailureKind): HttpTransport.Decoder => () =>
  Effect.succeed(Effect.fail(failure(kind, { detail: "as the decoder says" })))

const decoders: Decoders = {
  gzip: naming("g"),
  deflate: naming("d"),
  br: naming("b"),
  tenfold: growing(10),
  bomb: growing(1000),
  sink: swallowing,
  odd: failing("Decode"),
  cut: failing("Truncated")
}

/** All of the body, of which only the length is kept past the first chunk. */
const read = (answer: Answer<never>) =>
  Effect.scoped(Effect.gen(function*() {
    const pull = yield* decoded(answer, decoders, meter())
    let first: Uint8Array | undefined
    let length = 0
    while (true) {
      const chunk = yield* pull
      if (chunk === undefined) return { first: new TextDecoder().decode(first), length }
      first ??= chunk
      length += chunk.length
    }
  }))

const x = [new TextEncoder().encode("x")]

describe("content codings", () => {
  it.effect.each<readonly [string, ReadonlyArray<string>, object, string]>([
    ["one", ["gzip"], {}, "xg"],
    ["its old name, in any case", [" X-GZip "], {}, "xg"],
    ["several, in the reverse order", ["gzip, deflate , br"], {}, "xbdg"],
    ["several fields", ["gzip", "deflate", "br"], {}, "xbdg"],
    ["identity and empty elements among them", ["identity, , gzip", "identity", ",", "identity, identity"], {}, "xg"],
    ["identity alone", ["identity"], {}, "x"],
    ["an unknown one", ["gzip, klingon"], {}, "x"],
    ["a name of every object", ["constructor, toString, __proto__"], {}, "x"],
    ["not wanted", ["gzip"], { decode: false }, "x"],
    ["of a part", ["gzip"], { status: 206 }, "x"],
    ["of no body: HEAD", ["gzip"], { method: "HEAD" }, "x"],
    ["of no body: 204", ["gzip"], { status: 204 }, "x"],
    ["of no body: 304", ["gzip"], { status: 304 }, "x"]
  ])("C33 what is undone: %s", ([, codings, more, expected]) =>
    Effect.gen(function*() {
      const { answer } = answerOf(codings, x, more)
      expect((yield* read(answer)).first).toBe(expected)
      expect(undoneOf(answer, decoders) === undefined).toBe(expected === "x")
    }))

  it.effect("C33 more codings than the limit are refused before a byte is read, known or not", () =>
    Effect.gen(function*() {
      for (const codings of [["gzip,gzip,gzip,gzip"], ["gzip", "a", "b", "c", "d", "e"]]) {
        const { answer, state } = answerOf(codings, x)
        expect(yield* Effect.flip(read(answer))).toBeInstanceOf(HttpError.DecodeFailed)
        expect(state).toEqual({ cancelled: 1, read: 0 })
      }
    }))

  it.effect("C33 what is over the ratio is cut within a few buffers, also between two codings, and honest bodies pass", () =>
    Effect.gen(function*() {
      const chunks = (count: number, size: number) => Array.from({ length: count }, () => new Uint8Array(size))
      const cuts: ReadonlyArray<readonly [string, number]> = [
        ["bomb", 5],
        ["tenfold, bomb", 5],
        ["bomb, tenfold", 5],
        // The bytes between the two are the bomb, and nothing comes out.
        ["sink, bomb", 5],
        ["tenfold, tenfold, tenfold", 5]
      ]
      for (const [codings, most] of cuts) {
        const { answer, state } = answerOf([codings], chunks(10_000, 1024))
        const error = yield* Effect.flip(read(answer))
        expect(error).toMatchObject({ _tag: "BodyTooLarge", reason: "ratio", limit: 250 })
        expect(state.cancelled).toBe(1)
        expect(state.read).toBeLessThanOrEqual(most)
        if (error instanceof HttpError.BodyTooLarge) {
          expect(error.decoded).toBeLessThanOrEqual(mebi + 65536)
          expect(error.received).toBe(state.read * 1024)
        }
      }
      const honest = answerOf(["tenfold, tenfold"], chunks(1000, 1024))
      expect(yield* read(honest.answer)).toMatchObject({ length: 100 * 1000 * 1024 })
      // Up to 1 MiB nothing is judged by its ratio.
      const small = answerOf(["bomb"], chunks(1, 1000))
      expect(yield* read(small.answer)).toMatchObject({ length: 1_000_000 })
    }))

  it.effect("C33 a decoder's failure names its coding, and the exchange is stopped", () =>
    Effect.gen(function*() {
      for (
        const [codings, tag, coding] of [["gzip, odd", "DecodeFailed", "odd"], ["odd, gzip", "DecodeFailed", "odd"], [
          "cut",
          "BodyTruncated",
          undefined
        ]] as const
      ) {
        const { answer, state } = answerOf([codings], x)
        const error = yield* Effect.flip(read(answer))
        expect(error._tag).toBe(tag)
        if (coding !== undefined) expect(error).toMatchObject({ coding, detail: "as the decoder says" })
        expect(state.cancelled).toBe(1)
      }
    }))
})
