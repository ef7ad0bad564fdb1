/** The parser of replies by itself: both kinds of lines within a reply, however the bytes come. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Parser from "../../src/internal/replies/parser.js"
import * as Reply from "../../src/internal/replies/reply.js"
import { binary, bytes, cut, places, plain, spicyBytes } from "../ftp/support.js"

const smtp: Parser.Options = { protocol: "smtp", server: "mx:25", inner: "code" }
const ftp: Parser.Options = { protocol: "ftp", inner: "any" }

/** What a parser gives over all of its chunks. */
const feed = (chunks: ReadonlyArray<Uint8Array>, options: Parser.Options) => {
  const parser = Parser.make(options)
  const replies: Array<Reply.Reply> = []
  let error: Parser.Pushed["error"]
  for (const chunk of chunks) {
    const pushed = parser.push(chunk)
    replies.push(...pushed.replies)
    error = pushed.error
  }
  return { replies, error, pending: parser.pending() }
}

const short = (text: string, options = smtp) =>
  feed([bytes(text)], options).replies.map((reply) => [reply.code, ...reply.lines])

describe("replies with the code in every line", () => {
  it.each<[string, string, ReadonlyArray<ReadonlyArray<string | number>>]>([
    ["one line", "250 Ok\r\n", [[250, "Ok"]]],
    ["a code alone", "250\r\n", [[250, ""]]],
    [
      "an answer to EHLO",
      "250-mx greets you\r\n250-SIZE 1000\r\n250 HELP\r\n",
      [[250, "mx greets you", "SIZE 1000", "HELP"]]
    ],
    ["a last line that is the code alone", "250-mx\r\n250\r\n", [[250, "mx", ""]]],
    ["lines with an enhanced code", "550-5.1.1 No\r\n550 5.1.1 such user\r\n", [[550, "5.1.1 No", "5.1.1 such user"]]],
    ["a challenge", "334 UGFzc3dvcmQ6\r\n", [[334, "UGFzc3dvcmQ6"]]],
    [
      "the answers to a group",
      "250 Ok\r\n550 No\r\n354 Go ahead\r\n",
      [[250, "Ok"], [550, "No"], [354, "Go ahead"]]
    ]
  ])("C35 a reply is understood: %s", (_name, text, expected) => {
    expect(short(text)).toEqual(expected)
  })

  it.each([
    ["no code", "250-mx\r\nSIZE 1000\r\n250 HELP\r\n", "SIZE 1000"],
    ["another code", "250-mx\r\n550 No\r\n", "550 No"],
    ["an indented code", "250-mx\r\n 250 HELP\r\n", " 250 HELP"],
    ["an empty line", "250-mx\r\n\r\n250 HELP\r\n", ""],
    ["a longer number", "250-mx\r\n2500 HELP\r\n", "2500 HELP"]
  ])("C35 a line within a reply without its code is a ProtocolViolation: %s", (_name, text, received) => {
    const { error, replies } = feed([bytes(`220 Hello\r\n${text}`)], smtp)
    expect(replies).toMatchObject([{ code: 220 }])
    expect(error).toMatchObject({ _tag: "ProtocolViolation", protocol: "smtp", server: "mx:25", received })
    expect(error?.message).toMatch(/^SMTP mx:25: /)
  })

  it.each(["150 Wait\r\n", "631 abc\r\n", "SSH-2.0\r\n", "25 x\r\n"])(
    "C35 a code that the protocol does not have begins no reply: %j",
    (text) => {
      expect(feed([bytes(text)], smtp).error?._tag).toBe("ProtocolViolation")
    }
  )

  it("C35 what a server writes by RFC 5321 is what the client reads", () => {
    const line = FC.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\r\n]/.test(text))
    const reply = FC.record({ code: FC.integer({ min: 200, max: 559 }), lines: FC.array(line, { minLength: 1 }) })
    FC.assert(FC.property(FC.array(reply, { maxLength: 5 }), (written) => {
      const text = written.map(({ code, lines }) =>
        lines.map((each, index) => `${code}${index === lines.length - 1 ? " " : "-"}${each}\r\n`).join("")
      )
      expect(short(text.join(""))).toEqual(written.map(({ code, lines }) => [code, ...lines]))
    }))
  })

  it("C35 a reply shows in one line, without control characters and bounded", () => {
    const [reply] = feed([binary("250-a\x1b[2J\r\n250 " + "x".repeat(500) + "\r\n")], smtp).replies
    expect(Reply.show(reply!)).toMatch(/^250 a\\x1b\[2J \/ x{100,200}…$/)
    expect(Reply.show(reply!, 5)).toBe("250 a…")
  })
})

describe.each([["any", ftp], ["code", smtp]] as const)("however bytes come, lines begin with %s", (_name, options) => {
  const wire = FC.array(
    FC.oneof(
      FC.constantFrom("250 ok\r\n", "250-", "250 ", "\r\n", "\n", "250-a\r\n250 b\r\n", "550-a\r\nb\r\n550 c\r\n"),
      FC.constantFrom("150-x\r\n", "150\r\n", "  \r\n", "\r", "é", "oops\r\n", "354 go\r\n"),
      FC.string({ maxLength: 12 })
    ),
    { maxLength: 30 }
  ).map((parts) => binary(parts.join("")))

  it("C35 how the bytes are cut makes no difference to the replies, the error or what is pending", () => {
    FC.assert(
      FC.property(wire, places, FC.constantFrom(20, 200, 65_536), (whole, at, limit) => {
        const expected = plain(feed([whole], { ...options, limit }))
        expect(plain(feed(cut(whole, at), { ...options, limit }))).toEqual(expected)
        expect(plain(feed([...whole].map((byte) => Uint8Array.of(byte)), { ...options, limit }))).toEqual(expected)
      }),
      Sampling.runs({ short: 100, long: 300 })
    )
  })

  it("C35 no bytes make the parser throw, hold more than its bound, or give a reply past it", () => {
    FC.assert(
      FC.property(spicyBytes("0123456- \r\n", 400), places, (whole, at) => {
        const parser = Parser.make({ ...options, limit: 64 })
        for (const chunk of cut(whole, at)) {
          for (const reply of parser.push(chunk).replies) {
            expect(reply.rawLines.reduce((sum, line) => sum + line.length, 0)).toBeLessThanOrEqual(64)
          }
          expect(parser.pending()).toBeLessThanOrEqual(65)
        }
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })

  it("C35 a reply may be as long as the bound, and one byte more is ReplyTooLong", () => {
    const of = (length: number) => bytes(`250 ${"x".repeat(length - 6)}\r\n`)
    expect(feed([of(100), of(100)], { ...options, limit: 100 })).toMatchObject({ error: undefined, pending: 0 })
    expect(feed([of(101)], { ...options, limit: 100 }).error).toMatchObject({ _tag: "ReplyTooLong", limit: 100 })
  })

  it("C35 a reply does not keep the chunk that it came in", () => {
    const chunk = bytes("250 one\r\n250-tw")
    const parser = Parser.make(options)
    const [first] = parser.push(chunk).replies
    chunk.fill(120)
    const [second] = parser.push(bytes("o\r\n250 three\r\n")).replies
    expect(first).toMatchObject({ code: 250, lines: ["one"], rawLines: [bytes("one")] })
    expect(first!.rawLines[0]!.buffer.byteLength).toBeLessThan(chunk.length)
    expect(second).toMatchObject({ code: 250, lines: ["two", "three"] })
  })

  it("C35 bytes that stand for nothing count against the bound, and as pending", () => {
    const parser = Parser.make({ ...options, limit: 10 })
    expect(parser.skip(4)).toEqual({ replies: [] })
    parser.push(bytes("250"))
    expect(parser.pending()).toBe(7)
    const { error } = parser.skip(4)
    expect(error).toMatchObject({ _tag: "ReplyTooLong", limit: 10 })
    expect(parser.push(bytes(" ok\r\n"))).toEqual({ replies: [], error })
  })
})
