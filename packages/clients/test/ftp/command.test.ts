/** Commands as bytes: encoding, TELNET, what is refused, and what a log shows. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Command from "../../src/internal/ftp/command.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, bytes, spicyBytes } from "./support.js"

const sent = (command: Command.Command, codec: Codec.Codec = Codec.utf8): string =>
  String.fromCharCode(...Either.getOrThrow(Command.encode(command, codec)))

const refused = (command: Command.Command, codec: Codec.Codec = Codec.utf8) =>
  Either.getOrThrow(Either.flip(Command.encode(command, codec)))

describe("commands", () => {
  it("C34 a command is its verb, its arguments and CR LF", () => {
    expect(sent(Command.make("noop"))).toBe("NOOP\r\n")
    expect(sent(Command.make("RETR", "a b"))).toBe("RETR a b\r\n")
    expect(sent(Command.make("MFMT", "20240229101112", "a b"))).toBe("MFMT 20240229101112 a b\r\n")
    expect(sent(Command.parse("site chmod 644 a b"))).toBe("SITE chmod 644 a b\r\n")
    expect(sent(Command.make("PASS", Redacted.make("")))).toBe("PASS \r\n")
  })

  it("C34 a path goes out in the session's encoding, or as the bytes it is", () => {
    expect(sent(Command.make("RETR", "ä"))).toBe("RETR \xc3\xa4\r\n")
    expect(sent(Command.make("RETR", "ä"), Codec.latin1)).toBe("RETR \xe4\r\n")
    expect(sent(Command.make("RETR", binary("\xe4")))).toBe("RETR \xe4\r\n")
  })

  it("C34 a byte 255 in an argument is doubled (TELNET)", () => {
    expect(sent(Command.make("RETR", "ÿ"), Codec.latin1)).toBe("RETR \xff\xff\r\n")
    expect(sent(Command.make("RETR", binary("a\xff\xffb")))).toBe("RETR a\xff\xff\xff\xffb\r\n")
  })

  it.each(["a\r\nDELE b", "a\nb", "a\rb", "a\0b", "a\tb", "a\x1bb", "a\x7fb", "\n"])(
    "C34 an argument with a control character is refused before anything is sent: %j",
    (argument) => {
      for (const given of [argument, binary(argument), Redacted.make(argument)]) {
        expect(refused(Command.make("RETR", given))).toMatchObject({ _tag: "InvalidArgument", what: "RETR" })
      }
    }
  )

  it("C34 an encoding that makes control characters of harmless ones does not get through", () => {
    const odd: Codec.Codec = { ...Codec.latin1, name: "odd", encode: () => Option.some(binary("x\r\nDELE y")) }
    expect(refused(Command.make("RETR", "harmless"), odd).reason).toContain("CR")
  })

  it("C34 a character that the encoding cannot write is refused, not replaced", () => {
    expect(refused(Command.make("RETR", "€"), Codec.latin1).reason).toContain("iso-8859-1")
    expect(refused(Command.make("RETR", "\uD800")).reason).toContain("utf-8")
  })

  it("C34 an empty argument and a verb that is none are refused", () => {
    expect(refused(Command.make("RETR", "")).reason).toBe("it is empty")
    for (const verb of ["", "A", "NO OP", "NOOP\r\nQUIT", "-X", "ÄB", "A".repeat(17)]) {
      expect(refused(Command.make(verb))._tag).toBe("InvalidArgument")
    }
  })

  it("C34 a secret is in no printable form and in no error", () => {
    const secrets = [
      Command.make("PASS", "hunter2"),
      Command.make("pass", Redacted.make("hunter2")),
      Command.make("ACCT", "hunter2"),
      Command.make("ADAT", "hunter2"),
      Command.make("SITE", Redacted.make("hunter2")),
      Command.parse("site pswd old hunter2"),
      Command.parse("PASS hunter2")
    ]
    for (const command of secrets) {
      expect(Command.printable(command)).toMatch(/^[A-Z]+ \*\*\*\*$/)
      const broken = refused({ ...command, args: [...command.args, Redacted.make("hunter2\r\n")] })
      expect(`${broken.message} ${JSON.stringify(broken)}`).not.toContain("hunter2")
    }
  })

  it("C34 the printable form writes control characters out and is bounded", () => {
    expect(Command.printable(Command.make("RETR", "a\r\nb"))).toBe("RETR a\\x0d\\x0ab")
    expect(Command.printable(Command.make("RETR", binary("a\x1b[2J")))).toBe("RETR a\\x1b[2J")
    expect(Command.printable(Command.make("RETR", "x".repeat(5000))).length).toBeLessThan(220)
  })

  it.each([
    ["LIST", "-R", "LIST ./-R"],
    ["NLST", "-la /", "NLST ./-la /"],
    ["STAT", "-x", "STAT ./-x"],
    ["LIST", " -R", "LIST ./ -R"],
    ["RETR", "-x", "RETR -x"],
    ["RETR", " x", "RETR ./ x"],
    ["LIST", "a", "LIST a"],
    ["LIST", "/-R", "LIST /-R"],
    ["LIST", "", "LIST"]
  ])("C34 a path is never read as an option, nor loses its first blank: %s %j", (verb, path, expected) => {
    expect(sent(Command.withPath(verb, path))).toBe(`${expected}\r\n`)
    expect(sent(Command.withPath(verb, bytes(path)))).toBe(`${expected}\r\n`)
  })

  it("C34 whatever is given, either one line goes out or nothing", () => {
    const argument = FC.oneof(FC.string({ unit: "binary" }), spicyBytes("ab \r\n\0\xff", 40))
    FC.assert(
      FC.property(FC.string({ maxLength: 8 }), FC.array(argument, { maxLength: 3 }), (verb, args) => {
        const encoded = Command.encode(Command.make(verb, ...args), Codec.utf8)
        if (Either.isLeft(encoded)) return
        const line = encoded.right.subarray(0, -2)
        expect([...encoded.right.subarray(-2)]).toEqual([13, 10])
        expect(line.every((byte) => byte >= 32 && byte !== 127)).toBe(true)
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })
})

describe("encodings", () => {
  it("C34 what an encoding writes it reads, for every character it has", () => {
    const koi8 = Either.getOrThrow(Codec.singleByte("koi8-r"))
    for (const codec of [Codec.utf8, Codec.latin1, koi8]) {
      FC.assert(FC.property(FC.string({ unit: "binary" }), (text) => {
        Option.map(codec.encode(text), (encoded) => expect(codec.decode(encoded)).toBe(text))
      }))
      FC.assert(FC.property(FC.uint8Array(), (raw) => {
        expect(typeof codec.decode(raw)).toBe("string")
        expect(Codec.isExact(codec, raw, codec.decode(raw))).toBe(
          codec !== Codec.utf8 || !codec.decode(raw).includes("\uFFFD")
        )
      }))
    }
    expect(Option.map(koi8.encode("Файл"), (encoded) => [...encoded])).toEqual(Option.some([0xe6, 0xc1, 0xca, 0xcc]))
  })

  it("C34 latin1 is ISO 8859-1, not windows-1252", () => {
    expect(Codec.latin1.decode(Uint8Array.of(0x80, 0x9f))).toBe("\x80\x9f")
  })

  it.each(["nonsense", "utf-8", "shift_jis", "utf-16le", "gb18030"])(
    "C34 an encoding that is not of one byte a character has no table: %s",
    (label) => {
      expect(Either.isLeft(Codec.singleByte(label))).toBe(true)
    }
  )
})
