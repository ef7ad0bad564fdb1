/**
 * Mime's codings of header fields (row S15): encoded words and parameters, against other libraries' readers.
 */
import { Mime } from "@copas/clients"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import libmime from "libmime"
import { decodeWords as decodeWithPostal } from "postal-mime"
import { expectLinear } from "../linear.js"

const runs = Sampling.runs({ short: 200, long: 4000 })
const wellFormed = (text: string): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text))
const unicode = FC.oneof(
  FC.string({ unit: "binary", maxLength: 120 }),
  FC.string({
    unit: FC.constantFrom("a", " ", "é", "日", "😀", "\u{20000}", "=?", "?=", "_", "\ud800", "=", "é", "\n"),
    maxLength: 120
  })
)

describe("encoded words", () => {
  it.each([
    ["é", "=?UTF-8?B?w6k=?="],
    ["a é", "=?UTF-8?Q?a_=C3=A9?="],
    ["日本", "=?UTF-8?B?5pel5pys?="]
  ])("S15 %j is %j", (plain, coded) => {
    expect(Mime.encodeWords(plain)).toBe(coded)
    expect(Mime.decodeWords(coded)).toBe(plain)
  })

  it("S15 #35 each encoded word is at most 75 characters and valid by itself; together they are the text", () => {
    FC.assert(
      FC.property(unicode, (plain) => {
        const coded = Mime.encodeWords(plain)
        const words = coded === "" ? [] : coded.split(" ")
        for (const word of words) {
          expect(word.length).toBeLessThanOrEqual(75)
          expect(word).toMatch(/^=\?UTF-8\?[BQ]\?[!->@-~]+\?=$/)
        }
        expect(words.map(Mime.decodeWords).join("")).toBe(wellFormed(plain))
        expect(Mime.decodeWords(coded)).toBe(wellFormed(plain))
        expect(Mime.decodeWords(words.join("\r\n "))).toBe(wellFormed(plain))
      }),
      runs
    )
  })

  it.each([
    ["forty emoji", "😀".repeat(40)],
    ["planes apart", `a${"\u{20000}".repeat(7)}`],
    ["an accent at column 75", `${"a".repeat(74)}é${"b".repeat(20)}`]
  ])("S15 #35 other libraries read the same text: %s", (_, plain) => {
    const coded = Mime.encodeWords(plain)
    expect(libmime.decodeWords(coded)).toBe(plain)
    expect(decodeWithPostal(coded)).toBe(plain)
  })

  it.each([
    ["plain", "plain"],
    ["=?utf-8?q?a?= =?utf-8?q?b?=", "ab"],
    ["=?utf-8?q?a?= b =?utf-8?b?Yw==?=", "a b c"],
    ["=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"],
    ["=?iso-8859-1?q?=FC?=", "ü"],
    ["=?iso-8859-1*de?q?=FC?=", "ü"],
    ["=?no-such?q?=FC?= x", "=?no-such?q?=FC?= x"],
    ["=?no-such?q?a?= =?no-such?q?b?=", "=?no-such?q?a?= =?no-such?q?b?="],
    ["=?utf-8?x?a?=", "=?utf-8?x?a?="],
    ["=?utf-8?q?a b?=", "=?utf-8?q?a b?="],
    ["=?utf-8?q?=?=", "="],
    ["", ""]
  ])("S15 %j reads %j", (coded, plain) => {
    expect(Mime.decodeWords(coded)).toBe(plain)
  })
})

describe("parameters", () => {
  const encoded = (name: string, value: string): string => Either.getOrThrow(Mime.encodeParameter(name, value))

  it.each([
    ["a.txt", "filename=a.txt"],
    ["a b.txt", `filename="a b.txt"`],
    ["", `filename=""`],
    ["größe.pdf", "filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf"],
    [`a"b`, "filename*=UTF-8''a%22b"],
    ["a\\b", "filename*=UTF-8''a%5Cb"]
  ])("S15 a parameter of %j is %s", (value, coded) => {
    expect(encoded("filename", value)).toBe(coded)
  })

  it("S15 #36 every value is read back, by us and by another library, and no piece is longer than a line", () => {
    FC.assert(
      FC.property(unicode, (given) => {
        const value = given.replace(/\p{Cc}/gu, "")
        const coded = encoded("filename", value)
        for (const piece of coded.split("; ")) expect(piece.length).toBeLessThanOrEqual(78)
        expect(coded).toMatch(/^[\x20-\x7e]*$/)
        const field = `attachment; ${coded}`
        const read = Either.getOrThrow(Mime.decodeParameters(field))
        expect([read.value, read.parameters.get("filename")]).toEqual(["attachment", wellFormed(value)])
      }),
      runs
    )
  })

  it.each([`Prüfbericht "Q1"; größe 日本.pdf`, "n".repeat(300), "日".repeat(300), "a\\b.txt"])(
    "S15 #36 libmime reads %s as we wrote it",
    (value) => {
      expect(libmime.parseHeaderValue(`attachment; ${encoded("filename", value)}`).params["filename"]).toBe(value)
    }
  )

  it.each([["a\nb", 1], ["a\0", 1], ["\x7f", 0]])(
    "S15 #36 a control character in %j is refused at %i",
    (value, offset) => {
      const error = Either.getOrThrow(Either.flip(Mime.encodeParameter("filename", value)))
      expect([error._tag, error.offset]).toEqual(["MimeError", offset])
    }
  )

  it.each(["", "a b", "a\r\nX", "ü", "a;b"])("S15 the name %j is refused", (name) => {
    expect(Either.isLeft(Mime.encodeParameter(name, "x"))).toBe(true)
  })

  it.each([
    ["text/plain", "text/plain", {}],
    ["text/plain; charset=UTF-8", "text/plain", { charset: "UTF-8" }],
    [`text/plain;Charset="utf-8" ; format=flowed;`, "text/plain", { charset: "utf-8", format: "flowed" }],
    [`a; x="q\\"q\\\\"`, "a", { x: `q"q\\` }],
    ["a; x*0*=UTF-8''%C3; x*1*=%BC; x*2=end", "a", { x: "üend" }],
    ["a; x*1=b; x*0=a", "a", { x: "ab" }],
    ["a; x*0=a; x*2=c", "a", { x: "a" }],
    ["a; x=plain; x*=UTF-8''%C3%BC", "a", { x: "ü" }],
    ["a; x*=iso-8859-1'de'%FC", "a", { x: "ü" }],
    ["a; x*=''%41", "a", { x: "A" }],
    ["a; x=1; x=2", "a", { x: "1" }]
  ])("S15 %s has its parameters", (field, value, parameters) => {
    const read = Either.getOrThrow(Mime.decodeParameters(field))
    expect([read.value, Object.fromEntries(read.parameters)]).toEqual([value, parameters])
  })

  it.each([["a; x", 3, `"x"`], ["a; x=", 5, "the end"], ["a; x=b c", 7, `"c"`], [`a; x="b`, 5, `"\\"b"`]])(
    "S15 %s is refused at %i, and a lenient reader continues",
    (field, offset, got) => {
      const error = Either.getOrThrow(Either.flip(Mime.decodeParameters(field)))
      expect([error.coding, error.offset, error.got]).toEqual(["parameters", offset, got])
      const lenient = Either.getOrThrow(Mime.decodeParameters(`${field}; y=1`, { lenient: true }))
      expect(lenient.value).toBe("a")
    }
  )

  it("S15 #34 a megabyte of parameters is read in linear time", () => {
    expectLinear((count) => {
      Either.getOrThrow(Mime.decodeParameters(`a${"; x*1=b".repeat(count)}`))
    }, 70_000)
  })
})
