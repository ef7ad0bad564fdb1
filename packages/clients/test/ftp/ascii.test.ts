/** Transfers as text: line ends on both ways, however the bytes are cut. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Ascii from "../../src/internal/ftp/ascii.js"
import { binary, cut, places, spicyBytes } from "./support.js"

const run = (transducer: Ascii.Transducer, chunks: ReadonlyArray<Uint8Array>): string =>
  [...chunks.map((chunk) => transducer.push(chunk)), transducer.end()]
    .map((chunk) => String.fromCharCode(...chunk)).join("")

const text = spicyBytes("ab\r\n", 80)

describe("text transfers", () => {
  it.each([
    ["a\nb\n", "a\r\nb\r\n"],
    ["a\r\nb", "a\r\nb"],
    ["\n\n", "\r\n\r\n"],
    ["a\rb", "a\rb"],
    ["\r\r\n", "\r\r\n"],
    ["", ""]
  ])("C34 a text upload ends every line in CR LF: %j", (given, expected) => {
    expect(run(Ascii.toNetwork(), [binary(given)])).toBe(expected)
  })

  it.each([
    ["a\r\nb\r\n", "a\nb\n"],
    ["a\nb", "a\nb"],
    ["\r\r\n", "\r\n"],
    ["a\rb\r", "a\rb\r"],
    ["", ""]
  ])("C34 a text download ends every line in LF: %j", (given, expected) => {
    expect(run(Ascii.fromNetwork(), [binary(given)])).toBe(expected)
  })

  it("C34 how the bytes are cut makes no difference to a text transfer", () => {
    FC.assert(
      FC.property(text, places, (whole, at) => {
        for (const make of [Ascii.toNetwork, Ascii.fromNetwork]) {
          expect(run(make(), cut(whole, at))).toBe(run(make(), [whole]))
        }
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })

  it("C34 text goes up and comes down as it was, with LF for line ends", () => {
    FC.assert(
      FC.property(text, places, (whole, at) => {
        const wire = run(Ascii.toNetwork(), cut(whole, at))
        expect(wire).not.toMatch(/(?<!\r)\n/)
        const back = run(Ascii.fromNetwork(), cut(binary(wire), at))
        expect(back).toBe(String.fromCharCode(...whole).replaceAll("\r\n", "\n"))
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })

  it("C34 a chunk with nothing to change is passed on uncopied, and none is changed in place", () => {
    const chunk = binary("abc")
    expect(Ascii.toNetwork().push(chunk)).toBe(chunk)
    expect(Ascii.fromNetwork().push(chunk)).toBe(chunk)
    const lines = binary("a\nb\r\n")
    Ascii.toNetwork().push(lines)
    Ascii.fromNetwork().push(lines)
    expect(lines).toEqual(binary("a\nb\r\n"))
  })
})
