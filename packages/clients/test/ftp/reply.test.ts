/** The parser of replies: how bytes are cut, TELNET, encodings, bounds. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Telnet from "../../src/internal/ftp/telnet.js"
import type * as Parser from "../../src/internal/replies/parser.js"
import * as Reply from "../../src/internal/replies/reply.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, bytes, cut, places, plain, spicyBytes } from "./support.js"

const replies = (
  text: string | Uint8Array,
  options?: Parameters<typeof Telnet.parser>[0]
): ReadonlyArray<Reply.Reply> => {
  const pushed = Telnet.parser(options).push(typeof text === "string" ? bytes(text) : text)
  expect(pushed.error).toBeUndefined()
  return pushed.replies
}

const short = (text: string | Uint8Array, options?: Parameters<typeof Telnet.parser>[0]) =>
  replies(text, options).map((reply) => [reply.code, ...reply.lines])

/** What a parser gives over all of its chunks. */
const feed = (chunks: ReadonlyArray<Uint8Array>, options?: Parameters<typeof Telnet.parser>[0]) => {
  const parser = Telnet.parser(options)
  const all: Array<Reply.Reply> = []
  let error: Parser.Pushed["error"]
  for (const chunk of chunks) {
    const pushed = parser.push(chunk)
    all.push(...pushed.replies)
    error = pushed.error
  }
  return { replies: plain(all), error: error === undefined ? undefined : plain(error), pending: parser.pending() }
}

describe("replies", () => {
  it("C34 a reply is given once its last line is complete, and not before", () => {
    const parser = Telnet.parser()
    expect(parser.push(bytes("220 Hel")).replies).toEqual([])
    expect(parser.pending()).toBe(7)
    const pushed = parser.push(bytes("lo\r\n331 n"))
    expect(pushed.replies).toMatchObject([{ code: 220, lines: ["Hello"] }])
    expect(parser.pending()).toBe(5)
  })

  it.each<[string, string, ReadonlyArray<ReadonlyArray<string | number>>]>([
    ["one line", "200 A\r\n", [[200, "A"]]],
    ["a code alone", "200\r\n", [[200, ""]]],
    ["a code and a blank", "200 \r\n", [[200, ""]]],
    ["bare LF", "200 A\n331 B\n", [[200, "A"], [331, "B"]]],
    ["CR CR LF", "200 A\r\r\n", [[200, "A"]]],
    ["empty lines between", "200 A\r\n\r\n  \r\n331 B\r\n", [[200, "A"], [331, "B"]]],
    ["several lines", "230-Hi\r\n230-there\r\n230 End\r\n", [[230, "Hi", "there", "End"]]],
    ["several lines, the last a code alone", "230-Hi\r\n230\r\n", [[230, "Hi", ""]]],
    ["lines without a code", "220-Hi\r\nthere\r\n\r\n220 End\r\n", [[220, "Hi", "there", "", "End"]]],
    ["lines with other codes", "220-Hi\r\n331 x\r\n331-y\r\n220 End\r\n", [[220, "Hi", "331 x", "331-y", "End"]]],
    ["an indented code", "211-Hi\r\n 211 no end\r\n211 End\r\n", [[211, "Hi", " 211 no end", "End"]]],
    ["a longer number", "213-Hi\r\n2130 x\r\n213 End\r\n", [[213, "Hi", "2130 x", "End"]]],
    ["two after another", "150-A\r\nB\r\n150 C\r\n226 D\r\n", [[150, "A", "B", "C"], [226, "D"]]],
    ["a protected reply (RFC 2228)", "631 abc=\r\n", [[631, "abc="]]]
  ])("C34 a reply is understood: %s", (_name, text, expected) => {
    expect(short(text)).toEqual(expected)
  })

  it("C34 TELNET commands, options and subnegotiations in a reply are passed over", () => {
    const text = "\xff\xfb\x01" + "22\xff\xf10 \xff\xfa\x18\x01\xff\xff220 \r\n\xff\xf0Hello\xff\xfd\x03\r\x00!\r\n"
    expect(short(binary(text))).toEqual([[220, "Hello\r!"]])
  })

  it("C34 a doubled IAC is one ÿ, and a single one in front of text is taken as it was meant", () => {
    expect(short(binary("250 \xff\xffa\r\n250 \xffa\r\n250 \xff\r\n"), { codec: Codec.latin1 })).toEqual([
      [250, "ÿa"],
      [250, "ÿa"],
      [250, "ÿ"]
    ])
  })

  it("C34 a reply is read in the session's encoding, and its bytes are kept", () => {
    const raw = binary("257 \"/\xe4\"\r\n")
    expect(replies(raw, { codec: Codec.latin1 })[0]!.lines).toEqual(["\"/ä\""])
    expect(replies(raw)[0]!.lines).toEqual(["\"/\uFFFD\""])
    expect(replies(raw)[0]!.rawLines).toEqual([binary("\"/\xe4\"")])
  })

  it.each([
    "SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/1.1 400 Bad\r\n",
    "22 x\r\n",
    "099 x\r\n",
    "700 x\r\n",
    "2200 x\r\n",
    "200:x\r\n"
  ])(
    "C34 a line that begins no reply is a ProtocolViolation: %j",
    (text) => {
      const pushed = Telnet.parser({ server: "h:21" }).push(bytes(`220 ok\r\n${text}200 later\r\n`))
      expect(pushed.replies).toMatchObject([{ code: 220 }])
      expect(pushed.error).toMatchObject({ _tag: "ProtocolViolation", server: "h:21", received: text.trim() })
    }
  )

  it("C34 after an error a parser gives the error again, and nothing else", () => {
    const parser = Telnet.parser()
    const error = parser.push(bytes("oops\r\n")).error
    expect(parser.push(bytes("220 ok\r\n"))).toEqual({ replies: [], error })
  })

  it.each([
    ["one line", "220 " + "x".repeat(70_000)],
    ["many lines", "220-x\r\n" + "y\r\n".repeat(30_000)],
    ["empty lines", "220-x\r\n" + "\n".repeat(70_000)],
    ["TELNET", "220-x\r\n" + "\xff\xf1".repeat(40_000)],
    ["a subnegotiation without end", "\xff\xfa" + "x".repeat(70_000)]
  ])("C34 a reply without end is ReplyTooLong after 64 KiB: %s", (_name, text) => {
    expect(Telnet.parser().push(binary(text)).error).toMatchObject({ _tag: "ReplyTooLong", limit: 65_536 })
  })

  it("C34 the bound counts one reply, and is met exactly", () => {
    const full = `220 ${"x".repeat(65_536 - 6)}\r\n`
    expect(replies(full.repeat(3))).toHaveLength(3)
    expect(Telnet.parser().push(bytes(`220 ${"x".repeat(65_536 - 5)}\r\n`)).error?._tag).toBe("ReplyTooLong")
  })

  const wire = FC.array(
    FC.oneof(
      FC.constantFrom("220 ok\r\n", "220-", "220 ", "\r\n", "\n", "331-a\r\n331 b\r\n", "\xff\xff", "\xff\xfa\xff\xf0"),
      FC.constantFrom("150-x\r\n", "150\r\n", " 150 y\r\n", "\r\0", "é", "oops\r\n", "\xff\xfb\x01"),
      FC.string({ maxLength: 12 })
    ),
    { maxLength: 30 }
  ).map((parts) => binary(parts.join("")))

  it("C34 how the bytes are cut makes no difference to the replies or to the error", () => {
    FC.assert(
      FC.property(wire, places, FC.constantFrom(40, 200, 65_536), (whole, at, limit) => {
        expect(feed(cut(whole, at), { limit })).toEqual(feed([whole], { limit }))
        expect(feed([...whole].map((byte) => Uint8Array.of(byte)), { limit })).toEqual(feed([whole], { limit }))
      }),
      Sampling.runs({ short: 100, long: 300 })
    )
  })

  it("C34 no bytes make the parser throw or hold more than its bound", () => {
    FC.assert(
      FC.property(spicyBytes("0122345- \r\n\xff\xfa\xf0\xfb\0", 400), (whole) => {
        const parser = Telnet.parser({ limit: 64 })
        for (const chunk of cut(whole, [7, 50, 51, 200])) {
          for (const reply of parser.push(chunk).replies) {
            expect(reply.code).toBeGreaterThanOrEqual(100)
            expect(reply.lines.join("").length).toBeLessThanOrEqual(64)
          }
          expect(parser.pending()).toBeLessThanOrEqual(65)
        }
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })

  it("C34 what a server writes by RFC 959 is what the client reads", () => {
    const line = FC.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\r\n\0]/.test(text))
    const reply = FC.record({ code: FC.integer({ min: 100, max: 659 }), lines: FC.array(line, { minLength: 1 }) })
    FC.assert(FC.property(FC.array(reply, { maxLength: 5 }), (written) => {
      const text = written.map(({ code, lines }) =>
        lines.map((each, index) => `${code}${index === lines.length - 1 ? " " : "-"}${each}\r\n`).join("")
      )
      expect(short(text.join(""))).toEqual(written.map(({ code, lines }) => [code, ...lines]))
    }))
  })

  it("C34 the kind of a reply is its first digit", () => {
    const kinds = replies("150 \r\n226 \r\n331 \r\n450 \r\n550 \r\n631 \r\n").map(Reply.kind)
    expect(kinds).toEqual(["preliminary", "completion", "intermediate", "transient", "permanent", "protected"])
  })
})
