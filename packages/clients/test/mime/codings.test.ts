/**
 * Mime's codings of bytes (row S15), against the RFCs' rules, Node's Buffer, and a naive writing of each.
 */
import { Mime } from "@copas/clients"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Stream from "effect/Stream"
import { binary, cut, places, spicyBytes } from "../ftp/support.js"

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
const join = (chunks: Chunk.Chunk<Uint8Array>): string => Array.from(chunks, text).join("")

/** The whole result of a stream whose chunks are cut at the places `at`. */
const streamed = (encoder: Mime.Encoder, whole: Uint8Array, at: ReadonlyArray<number>): string =>
  join(Effect.runSync(Stream.runCollect(Mime.encodeStream(encoder)(Stream.fromIterable(cut(whole, at))))))

const streamedBack = (
  decoder: Mime.Decoder,
  whole: Uint8Array,
  at: ReadonlyArray<number>
): Either.Either<string, Mime.MimeError> =>
  Effect.runSync(
    Stream.fromIterable(cut(whole, at)).pipe(
      Mime.decodeStream(decoder),
      Stream.runCollect,
      Effect.map(join),
      Effect.either
    )
  )

const decoded = (decoder: Mime.Decoder, data: string | Uint8Array): Either.Either<string, Mime.MimeError> =>
  Either.map(Mime.decode(decoder, typeof data === "string" ? binary(data) : data), text)

const encoders: ReadonlyArray<readonly [string, Mime.Encoder]> = [
  ["base64", Mime.base64Encoder()],
  ["base64 in one line", Mime.base64Encoder({ lineLength: "unlimited" })],
  ["base64 in lines of 8", Mime.base64Encoder({ lineLength: 8 })],
  ["quoted-printable", Mime.quotedPrintableEncoder()],
  ["binary quoted-printable", Mime.quotedPrintableEncoder({ binary: true })],
  ["eol", Mime.eol()],
  ["eol LF", Mime.eol("\n")],
  ["eol of three", Mime.eol("<->")],
  ["no eol", Mime.eol("")],
  ["dot-stuffing", Mime.dotStuff],
  ["wrap", Mime.wrap(5)],
  ["a chain", Mime.chain(Mime.eol(), Mime.quotedPrintableEncoder(), Mime.dotStuff)]
]
const decoders: ReadonlyArray<readonly [string, Mime.Decoder]> = [
  ["base64", Mime.base64Decoder()],
  ["lenient base64", Mime.base64Decoder({ lenient: true })],
  ["quoted-printable", Mime.quotedPrintableDecoder()],
  ["lenient quoted-printable", Mime.quotedPrintableDecoder({ lenient: true })],
  ["dot-unstuffing", Mime.dotUnstuff()],
  ["lenient dot-unstuffing", Mime.dotUnstuff({ lenient: true })]
]

const spicy = spicyBytes("ab=.\r\n \tAF0+/", 400)
const runs = Sampling.runs({ short: 150, long: 3000 })

describe("codings of bytes", () => {
  it.each(encoders)("S15 how the input is cut makes no difference to the encoder: %s", (_, encoder) => {
    FC.assert(
      FC.property(spicy, places, (whole, at) => {
        expect(streamed(encoder, whole, at)).toBe(text(Mime.encode(encoder, whole)))
      }),
      runs
    )
  })

  it.each(decoders)(
    "S15 how the input is cut makes no difference to the decoder, its fault included: %s",
    (_, decoder) => {
      FC.assert(
        FC.property(spicy, places, (whole, at) => {
          expect(streamedBack(decoder, whole, at)).toEqual(decoded(decoder, whole))
        }),
        runs
      )
    }
  )

  it.each(decoders.filter(([name]) => name.startsWith("lenient")))(
    "S15 what is lenient never fails: %s",
    (_, decoder) => {
      FC.assert(
        FC.property(spicy, (whole) => {
          expect(Either.isRight(decoded(decoder, whole))).toBe(true)
        }),
        runs
      )
    }
  )

  it("S15 one encoder serves several texts at once", () => {
    const encoder = Mime.base64Encoder()
    const both = Effect.runSync(
      Stream.runCollect(Stream.zip(
        Mime.encodeStream(encoder)(Stream.make(binary("abc"), binary("def"))),
        Mime.encodeStream(encoder)(Stream.make(binary("xyz"), binary("uvw")))
      ))
    )
    expect(Array.from(both, ([left, right]) => [text(left), text(right)])).toEqual([["YWJj", "eHl6"], ["ZGVm", "dXZ3"]])
  })

  it("S15 a stream's own failure passes", () => {
    const broken = Stream.concat(Stream.make(binary("abc")), Stream.fail("gone"))
    expect(Effect.runSync(Effect.flip(Stream.runDrain(Mime.encodeStream(Mime.base64Encoder())(broken))))).toBe("gone")
  })
})

describe("base64", () => {
  // RFC 4648, section 10.
  it.each([["", ""], ["f", "Zg=="], ["fo", "Zm8="], ["foo", "Zm9v"], ["foob", "Zm9vYg=="], ["fooba", "Zm9vYmE="], [
    "foobar",
    "Zm9vYmFy"
  ]])("S15 base64 of %j is %j", (plain, coded) => {
    expect(text(Mime.encode(Mime.base64Encoder(), plain))).toBe(coded)
    expect(decoded(Mime.base64Decoder(), coded)).toEqual(Either.right(plain))
  })

  it("S15 base64 is what Node's Buffer writes, in lines of 76", () => {
    FC.assert(
      FC.property(FC.uint8Array({ maxLength: 700 }), places, (bytes, at) => {
        const lines = Buffer.from(bytes).toString("base64").match(/.{1,76}/g) ?? []
        expect(streamed(Mime.base64Encoder(), bytes, at)).toBe(lines.join("\r\n"))
        expect(decoded(Mime.base64Decoder(), lines.join("\r\n"))).toEqual(Either.right(text(bytes)))
      }),
      runs
    )
  })

  it("S15 base64 writes whole lines at once into any place of a buffer", () => {
    const bytes = Uint8Array.from({ length: 57 * 40 + 1 }, (_, index) => index * 7)
    const lines = Buffer.from(bytes).toString("base64").match(/.{1,76}/g)!
    for (const first of [0, 1, 2, 56, 57, 58]) {
      expect(streamed(Mime.base64Encoder(), bytes, [first])).toBe(lines.join("\r\n"))
    }
  })

  it.each([
    ["Zm9", 3, "the end after 3"],
    ["Zm9v!", 4, `"!"`],
    ["Zg==Zg==", 4, `"Z"`],
    ["Z===", 1, `"="`],
    ["Zm9v=", 4, `"="`],
    ["Zh==", 4, "such bits"],
    ["Zg=", 3, "the end after 3"],
    ["Zm9v\u00ff", 4, "0xff"]
  ])("S15 base64 %j is refused at %i: %s", (coded, offset, got) => {
    const error = Either.getOrThrow(Either.flip(decoded(Mime.base64Decoder(), coded)))
    expect([error._tag, error.coding, error.offset, error.got]).toEqual(["MimeError", "base64", offset, got])
    expect(error.message).toContain("lenient")
  })

  it.each([["Zm9", "fo"], ["Zm9v!Zm9v", "foofoo"], ["Zg==Zg==", "ff"], ["Z", ""], ["Zm8=Zm8=", "fofo"]])(
    "S15 lenient base64 reads %j as %j",
    (coded, plain) => {
      expect(decoded(Mime.base64Decoder({ lenient: true }), coded)).toEqual(Either.right(plain))
    }
  )
})

describe("quoted-printable", () => {
  it.each([
    ["a=b", "a=3Db"],
    ["Grüße", "Gr=C3=BC=C3=9Fe"],
    ["a \nb\t", "a=20\r\nb=09"],
    ["a b", "a b"],
    [".", "=2E"],
    ["a\n.b", "a\r\n=2Eb"],
    ["a\rb\r\nc\n", "a\r\nb\r\nc\r\n"],
    ["-- \nname", "--=20\r\nname"],
    ["\0\x7f", "=00=7F"]
  ])("S15 quoted-printable of %j is %j", (plain, coded) => {
    expect(text(Mime.encode(Mime.quotedPrintableEncoder(), plain))).toBe(coded)
  })

  it("S15 quoted-printable gives text back with its line ends normalised, and binary as it was", () => {
    FC.assert(
      FC.property(spicy, (bytes) => {
        const asText = Mime.encode(Mime.quotedPrintableEncoder(), bytes)
        expect(decoded(Mime.quotedPrintableDecoder(), asText)).toEqual(
          Either.right(text(bytes).replace(/\r\n|\r|\n/g, "\r\n"))
        )
        const asBinary = Mime.encode(Mime.quotedPrintableEncoder({ binary: true }), bytes)
        expect(decoded(Mime.quotedPrintableDecoder(), asBinary)).toEqual(Either.right(text(bytes)))
        for (const coded of [asText, asBinary]) {
          for (const line of text(coded).split("\r\n")) {
            expect(line).toMatch(/^(?![.])[\t\x20-\x7e]{0,76}$/)
            expect(line).not.toMatch(/[\t ]$/)
          }
        }
      }),
      runs
    )
  })

  it.each([
    ["a=\r\nb", "ab"],
    ["a= \t\r\nb", "ab"],
    ["a=\nb", "ab"],
    ["a  \r\nb", "a\r\nb"],
    ["=c3=BC", "\u00c3\u00bc"],
    ["a=", "a"],
    ["a = ", "a "],
    ["a \t", "a"],
    ["a\nb", "a\r\nb"]
  ])("S15 quoted-printable %j is %j", (coded, plain) => {
    expect(decoded(Mime.quotedPrintableDecoder(), coded)).toEqual(Either.right(plain))
  })

  it.each([
    ["a=4", 3, "the end"],
    ["a=4x", 3, `"x"`],
    ["a=x", 2, `"x"`],
    ["=\u00fc", 1, "0xfc"],
    ["\u00fc", 0, "0xfc"],
    [
      "a\0",
      1,
      "0x00"
    ],
    ["a= b", 3, `"b"`]
  ])("S15 quoted-printable %j is refused at %i: %s", (coded, offset, got) => {
    const error = Either.getOrThrow(Either.flip(decoded(Mime.quotedPrintableDecoder(), coded)))
    expect([error.coding, error.offset, error.got]).toEqual(["quoted-printable", offset, got])
  })

  it.each([["a=4", "a=4"], ["a=4x", "a=4x"], ["a==41", "a=A"], ["\u00fc", "\u00fc"], ["a= b", "a= b"]])(
    "S15 lenient quoted-printable reads %j as %j",
    (coded, plain) => {
      expect(decoded(Mime.quotedPrintableDecoder({ lenient: true }), coded)).toEqual(Either.right(plain))
    }
  )

  it("S15 a megabyte of white space is held in a line's worth of memory", () => {
    const white = new Uint8Array(1 << 20).fill(32)
    const kept = Either.getOrThrow(Mime.decode(Mime.quotedPrintableDecoder(), white)).length
    expect(white.length - kept).toBeLessThan(1000)
  })
})

describe("lines", () => {
  it("S15 eol makes one marker of each line end", () => {
    FC.assert(
      FC.property(spicy, FC.constantFrom("\r\n", "\n", "\r", "", "<->"), (bytes, marker) => {
        expect(text(Mime.encode(Mime.eol(marker), bytes))).toBe(text(bytes).replace(/\r\n|\r|\n/g, () => marker))
      }),
      runs
    )
  })

  it("S15 dot-stuffing is the naive one after line ends are CR LF, and is undone", () => {
    FC.assert(
      FC.property(spicy, (bytes) => {
        const normal = text(bytes).replace(/\r\n|\r|\n/g, "\r\n")
        const stuffed = Mime.encode(Mime.dotStuff, bytes)
        expect(text(stuffed)).toBe(normal.replace(/(^|\r\n)\./g, "$1.."))
        expect(decoded(Mime.dotUnstuff(), stuffed)).toEqual(Either.right(normal))
        expect(`\r\n${text(stuffed)}\r\n`).not.toMatch(/[\r\n]\.[\r\n]/)
      }),
      runs
    )
  })

  it.each([["a\r\n.\r\nb", 4], [".", 1], [".\n", 1]])(
    "S15 a lone dot in %j is no content: offset %i",
    (wire, offset) => {
      const error = Either.getOrThrow(Either.flip(decoded(Mime.dotUnstuff(), wire)))
      expect([error.coding, error.offset]).toEqual(["dot-stuffing", offset])
      expect(decoded(Mime.dotUnstuff({ lenient: true }), wire)).toEqual(Either.right(wire.replace(/\./g, "")))
    }
  )

  it("S15 wrap leaves no line longer than its width, and changes nothing else", () => {
    FC.assert(
      FC.property(spicy, FC.integer({ min: 1, max: 30 }), (bytes, width) => {
        const wrapped = text(Mime.encode(Mime.wrap(width), bytes))
        for (const line of wrapped.split("\r\n")) expect(line.length).toBeLessThanOrEqual(width)
        expect(wrapped).toBe(
          text(bytes).split(/\r\n|\r|\n/).map((line) =>
            (line.match(new RegExp(`[^]{1,${width}}`, "g")) ?? [""]).join("\r\n")
          )
            .join("\r\n")
        )
      }),
      runs
    )
  })
})
