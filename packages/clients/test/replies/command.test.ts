/** Commands by themselves: what goes out, what is refused, what is shown. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Command from "../../src/internal/replies/command.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, spicyBytes } from "../ftp/support.js"

const ascii: Codec.Codec = {
  ...Codec.utf8,
  name: "us-ascii",
  encode: (text) => /^[\0-\x7f]*$/.test(text) ? Codec.utf8.encode(text) : Option.none()
}
const wire: Command.Wire = { protocol: "smtp", codec: ascii }

const sent = (command: Command.Command, on = wire): string =>
  String.fromCharCode(...Either.getOrThrow(Command.encode(command, on)))
const refused = (command: Command.Command, on = wire) => Either.getOrThrow(Either.flip(Command.encode(command, on)))

describe("commands", () => {
  it("C35 a command is its verb, its arguments and CR LF", () => {
    expect(sent(Command.make("quit"))).toBe("QUIT\r\n")
    expect(sent(Command.make("MAIL", "FROM:<a@b.example>", "SIZE=12"))).toBe("MAIL FROM:<a@b.example> SIZE=12\r\n")
    expect(sent(Command.make("AUTH", "PLAIN", Redacted.make("AGEAYg==")))).toBe("AUTH PLAIN AGEAYg==\r\n")
  })

  it("C35 a line that continues a command goes out without its verb, and may be empty", () => {
    expect(sent(Command.continuation("auth", Redacted.make("YQ==")))).toBe("YQ==\r\n")
    expect(sent(Command.continuation("AUTH", ""))).toBe("\r\n")
    expect(sent(Command.continuation("AUTH", "*"))).toBe("*\r\n")
  })

  it("C35 a secret is in no printable form and in no error", () => {
    expect(Command.printable(Command.make("AUTH", "PLAIN", Redacted.make("hunter2")))).toBe("AUTH PLAIN ****")
    for (const line of ["hunter2\r\n", Redacted.make("hunter2\r\n"), binary("hunter2\r\n")]) {
      const command = Command.continuation("AUTH", line)
      expect(Command.printable(command)).toBe("AUTH ****")
      const error = refused(command)
      expect(error).toMatchObject({ _tag: "InvalidArgument", protocol: "smtp", what: "AUTH" })
      expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("hunter2")
    }
  })

  it("C35 a character that the session cannot write is refused, not replaced", () => {
    expect(refused(Command.make("RCPT", "TO:<ä@b.example>")).reason).toContain("us-ascii")
    // U+010A, cut to its low byte, is a line feed (CVE-2025-7962).
    expect(refused(Command.make("RCPT", "TO:<a\u010aRSET>"))._tag).toBe("InvalidArgument")
    expect(sent(Command.make("RCPT", "TO:<ä@b.example>"), { ...wire, codec: Codec.utf8 })).toBe(
      "RCPT TO:<\xc3\xa4@b.example>\r\n"
    )
  })

  it("C35 an argument is checked before it is escaped, and escaped before it goes out", () => {
    const doubling = { ...wire, escape: (bytes: Uint8Array) => Uint8Array.from([...bytes, ...bytes]) }
    expect(sent(Command.make("VRFY", "ab"), doubling)).toBe("VRFY abab\r\n")
    expect(refused(Command.make("VRFY", "a\nb"), doubling).reason).toContain("LF")
  })

  it("C35 whatever is given, either one line goes out or nothing", () => {
    const argument = FC.oneof(FC.string({ unit: "binary" }), spicyBytes("ab \r\n\0\xff", 40))
    const command = FC.oneof(
      FC.tuple(FC.string({ maxLength: 8 }), FC.array(argument, { maxLength: 3 })).map(([verb, args]) =>
        Command.make(verb, ...args)
      ),
      argument.map((line) => Command.continuation("AUTH", line))
    )
    FC.assert(
      FC.property(command, FC.constantFrom(ascii, Codec.utf8, Codec.latin1), (command, codec) => {
        const encoded = Command.encode(command, { ...wire, codec })
        if (Either.isLeft(encoded)) return
        expect([...encoded.right.subarray(-2)]).toEqual([13, 10])
        expect(encoded.right.subarray(0, -2).every((byte) => byte >= 32 && byte !== 127)).toBe(true)
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })
})
