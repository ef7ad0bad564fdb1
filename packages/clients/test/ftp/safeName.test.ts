/** Which names of a server may become local names. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as SafeName from "../../src/internal/ftp/safeName.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, bytes } from "./support.js"

const reason = (name: string | Uint8Array, options?: SafeName.Options) =>
  Either.match(SafeName.make(typeof name === "string" ? bytes(name) : name, options), {
    onLeft: (error) => error.reason,
    onRight: () => "safe"
  })

describe("local names", () => {
  it.each([
    ["", "Empty"],
    [".", "DotName"],
    ["..", "DotName"],
    ["...", "DotName"],
    [".. ", "DotName"],
    [" .", "DotName"],
    ["  ", "DotName"],
    ["/etc/passwd", "Separator"],
    ["../x", "Separator"],
    ["a/b", "Separator"],
    ["..\\x", "Separator"],
    ["a\\b", "Separator"],
    ["a\0b", "ControlCharacter"],
    ["a\nb", "ControlCharacter"],
    ["a\x7fb", "ControlCharacter"],
    ["a\x85b", "ControlCharacter"],
    ["C:", "Drive"],
    ["c:x", "Drive"],
    ["CON", "DeviceName"],
    ["nul.txt", "DeviceName"],
    ["aux .c", "DeviceName"],
    ["Com1", "DeviceName"],
    ["LPT¹", "DeviceName"],
    ["conin$", "DeviceName"],
    ["nul:x", "DeviceName"]
  ])("S18 a server's name that would leave its place is an UnsafeFileName: %j", (name, expected) => {
    expect(reason(name)).toBe(expected)
    expect(reason(name, { system: "windows" })).toBe(expected)
  })

  it.each([
    "a",
    " a ",
    ".a",
    "a.",
    "..a",
    "a..b",
    "console",
    "com",
    "com10",
    "nulls.txt",
    "-R",
    "12:30.log",
    "é 日本",
    "~"
  ])(
    "S18 any other name is safe, and unchanged: %j",
    (name) => {
      expect(Either.getOrThrow(SafeName.make(bytes(name)))).toBe(name)
    }
  )

  it("S18 for Windows the names that it would change are unsafe, too", () => {
    expect(reason("file.txt:stream", { system: "windows" })).toBe("AlternateStream")
    expect(reason("a.", { system: "windows" })).toBe("TrailingDotOrSpace")
    expect(reason("a ", { system: "windows" })).toBe("TrailingDotOrSpace")
  })

  it("S18 a name that the encoding cannot read is unsafe, and its bytes are in the error", () => {
    expect(Either.getOrThrow(Either.flip(SafeName.make(binary("\xe4"), { server: "h:21" })))).toMatchObject({
      _tag: "UnsafeFileName",
      reason: "Undecodable",
      rawName: binary("\xe4"),
      server: "h:21"
    })
    expect(reason(binary("\xe4"), { codec: Codec.latin1 })).toBe("safe")
    // An overlong encoding of a slash.
    expect(reason(binary("\xc0\xaf"))).toBe("Undecodable")
  })

  it("S18 a safe name is one name, and two different server names never become one", () => {
    const alphabet = [..."ab./\\:\0 \x07\x80\xc0\xaf\xc3\xa4\xff"].map((character) => character.charCodeAt(0))
    const name = FC.array(FC.constantFrom(...alphabet), { maxLength: 6 }).map((given) => Uint8Array.from(given))
    FC.assert(
      FC.property(name, name, (a, b) => {
        const [first, second] = [SafeName.make(a), SafeName.make(b)]
        if (Either.isLeft(first)) return
        expect(first.right).not.toMatch(/[/\\\p{Cc}]|^[. ]*$|^[A-Za-z]:/u)
        if (Either.isRight(second) && first.right === second.right) expect(a).toEqual(b)
      }),
      Sampling.runs({ short: 200, long: 1000 })
    )
  })
})
