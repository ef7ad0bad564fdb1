/** Greetings, replies, extensions, and the end of a session: cases 1 to 9. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as FC, Option } from "effect"
import { SmtpSession } from "../../src/index.js"
import * as Parser from "../../src/internal/replies/parser.js"
import type { Reply } from "../../src/internal/replies/reply.js"
import * as Extensions from "../../src/internal/smtp/extensions.js"
import { inTime } from "../ftp/hostileServer.js"
import { bytes, cut, places } from "../ftp/support.js"
import { scripted } from "../scripted.js"
import { against, content, follow, hello, inMemory, message } from "./dialogue.js"

const extensions = (...lines: ReadonlyArray<string>): Extensions.Extensions =>
  Extensions.parse({ code: 250, lines: ["mx.test hello", ...lines], rawLines: [] })

const mails = "C: MAIL FROM:<a@a.test>\nC: RCPT TO:<b@b.test>\nC: DATA"

describe("replies", () => {
  it.effect("C35 #1 a greeting of three lines is one reply, and EHLO goes out after its last line", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        S: 220-mx.test
        S: 220-be patient
        S: 220
        C: EHLO [127.0.0.1]
        S: 250 mx.test
      `)
      expect(session.greeting.lines).toEqual(["mx.test", "be patient", ""])
    })))

  it("C35 #2 replies are the same however they are cut (property)", () => {
    const all = bytes(
      "220-mx.test\r\n220 ü\r\n250-mx\r\n250-SIZE 1000\r\n250 HELP\r\n354 go\r\n550-5.1.1 nö\r\n550 5.1.1 no\r\n221\r\n"
    )
    const read = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<readonly [number, ReadonlyArray<string>]> => {
      const parser = Parser.make({ protocol: "smtp", inner: "code" })
      const replies: Array<Reply> = chunks.flatMap((chunk) => [...parser.push(chunk).replies])
      return replies.map(({ code, lines }) => [code, lines])
    }
    const whole = read([all])
    expect(whole.map(([code]) => code)).toEqual([220, 250, 354, 550, 221])
    FC.assert(FC.property(places, (at) => {
      expect(read(cut(all, at))).toEqual(whole)
    }))
    expect(read(Array.from(all, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  it("C35 #3 keywords have no case, AUTH= counts as AUTH, and what is not understood is kept as text", () => {
    const parsed = extensions(
      "8bitmime",
      "size 1000",
      "AUTH=LOGIN PLAIN",
      "AUTH PLAIN XOAUTH2",
      " ",
      "X-STRANGE a=b;c",
      "Size"
    )
    expect(parsed).toMatchObject({ name: "mx.test", eightBitMime: true, sizeLimit: 1000, pipelining: false })
    expect(parsed.auth).toEqual(["LOGIN", "PLAIN", "XOAUTH2"])
    expect(parsed.all.get("X-STRANGE")).toEqual(["a=b;c"])
    expect(parsed.all.get("SIZE")).toEqual(["1000", ""])
  })

  it.effect.each([500, 502, 504, 550])(
    "C35 #4 EHLO refused with %s: HELO, and no extensions",
    (code) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against(`
        S: 220 mx.test
        C: EHLO [127.0.0.1]
        S: ${code} no
        C: HELO [127.0.0.1]
        S: 250 mx.test
      `)
        expect(session.extensions.all.size).toBe(0)
      }))
  )

  it.effect.each([500, 502, 504, 550])(
    "C35 #4 EHLO refused with %s where TLS is required: TlsRequired, and no HELO",
    (code) =>
      inMemory(Effect.gen(function*() {
        const error = yield* Effect.flip(
          against(`S: 220 mx.test\nC: EHLO [127.0.0.1]\nS: ${code} no\nC: QUIT`, { tls: "starttls" })
        )
        expect(error._tag).toBe("TlsRequired")
      }))
  )

  it.effect("C35 #4 EHLO refused otherwise is an error of the phase hello", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(against("S: 220 mx.test\nC: EHLO [127.0.0.1]\nS: 451 4.3.0 later\nC: QUIT"))
      expect(error).toMatchObject({ _tag: "SmtpReplyError", phase: "hello", code: 451, enhancedCode: "4.3.0" })
    })))

  it.effect.each(
    [
      ["MAIL", "C: MAIL FROM:<a@a.test>\nS: 421 4.3.2 closing"],
      ["RCPT", "C: MAIL FROM:<a@a.test>\nS: 250 ok\nC: RCPT TO:<b@b.test>\nS: 421 closing"],
      ["DATA", "C: MAIL FROM:<a@a.test>\nS: 250 ok\nC: RCPT TO:<b@b.test>\nS: 250 ok\nC: DATA\nS: 421 closing"],
      [
        ".",
        `C: MAIL FROM:<a@a.test>\nS: 250 ok\nC: RCPT TO:<b@b.test>\nS: 250 ok\nC: DATA\nS: 354 go\n${content}\nS: 421 no`
      ]
    ] as const
  )("C35 #5 421 as the answer to %s ends the session", ([command, script]) =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello()}\n${script}`)
      const error = yield* Effect.flip(session.send(message()))
      expect(error).toMatchObject({ _tag: "ServiceUnavailable", code: 421 })
      if (error._tag === "ServiceUnavailable") expect(error.command.startsWith(command)).toBe(true)
      expect(yield* session.isUsable).toBe(false)
      expect((yield* Effect.flip(session.noop))._tag).toBe("SessionClosed")
    })))

  it.effect.each([["NOOP", "noop"], ["RSET", "reset"]] as const)(
    "C35 #5 421 as the answer to %s ends the session",
    ([verb, call]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against(`${hello()}\nC: ${verb}\nS: 421 closing`)
        expect(yield* Effect.flip(session[call])).toMatchObject({ _tag: "ServiceUnavailable", command: verb })
        expect(yield* session.isUsable).toBe(false)
      }))
  )

  it.effect("C35 #5 421 that comes unasked between two commands is no other command's reply", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello()}\nC: NOOP\nS: 250 ok\nS: 421 idle for too long`)
      yield* session.noop
      const error = yield* Effect.flip(session.noop)
      expect(error).toMatchObject({ _tag: "ServiceUnavailable", code: 421 })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 #6 a refusal in four lines: all of them are in the error, without the enhanced code", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello()}
        C: MAIL FROM:<a@a.test>
        S: 550-5.7.1 your address is on a list
        S: 550-5.7.1 see http://list.test
        S: 550-5.7.1
        S: 550 5.7.1 good bye
        C: QUIT
      `)
      const error = yield* Effect.flip(session.send(message()))
      expect(error).toMatchObject({
        _tag: "SenderRejected",
        enhancedCode: "5.7.1",
        lines: ["your address is on a list", "see http://list.test", "", "good bye"]
      })
      expect(error.message).toContain("see http://list.test")
    })))

  it.effect.each([["no answer", ""], ["a reset", "X"], ["a late 221", "S: 221 bye"]] as const)(
    "C35 #7 QUIT answered by %s: what was accepted stays accepted, and the scope ends in time",
    ([, end]) =>
      Effect.gen(function*() {
        const done = yield* inTime(inMemory(Effect.gen(function*() {
          const session = yield* against((peer) =>
            follow(
              peer,
              `${
                hello("PIPELINING")
              }\n${mails}\nS: 250 ok\nS: 250 ok\nS: 354 go\n${content}\nS: 250 ok\nC: QUIT\n${end}`
            )
          )
          return yield* session.send(message())
        })))
        expect(done.value._tag).toBe("Complete")
        expect(done.millis).toBeLessThanOrEqual(6000)
      })
  )

  it("C35 #8 SIZE without a number, and SIZE 0, are no limit", () => {
    expect(extensions("SIZE")).toMatchObject({ size: true, sizeLimit: undefined })
    expect(extensions("SIZE 0")).toMatchObject({ size: true, sizeLimit: undefined })
    expect(extensions("SIZE lots")).toMatchObject({ size: true, sizeLimit: undefined })
  })

  it.effect("C35 #8 a message of a known size above the limit fails before MAIL is sent", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("SIZE 1000")}\nC: NOOP\nS: 250 ok\nC: QUIT`)
      const error = yield* Effect.flip(
        session.send(message("b@b.test", `A: b\r\n\r\n${"x".repeat(990)}\r\n`.repeat(2)))
      )
      expect(error).toMatchObject({ _tag: "MessageTooLarge", limit: 1000 })
      yield* session.noop
    })))

  it.effect.each(
    [
      ["a reply without end", "250-x\r\n".repeat(20_000), "ReplyTooLong"],
      ["a line without end", "2".repeat(100_000), "ReplyTooLong"],
      ["a code that is none", "2x0 hello\r\n", "ProtocolViolation"],
      ["a line of another code", "250-a\r\n251 b\r\n", "ProtocolViolation"]
    ] as const
  )("C35 #9 %s ends the session", ([, text, tag]) =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* follow(peer, `${hello()}\nC: NOOP`)
          yield* Effect.ignore(peer.say(text))
        })
      )
      expect((yield* Effect.flip(session.noop))._tag).toBe(tag)
      expect((yield* Effect.flip(session.noop))._tag).toBe("SessionClosed")
    })))

  it.effect("C35 #9 a reply that nobody asked for ends the session, and is nobody's", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello()}\nC: NOOP\nS: 250 ok\nS: 250 and more`)
      yield* session.noop
      expect((yield* Effect.flip(session.send(message())))._tag).toBe("ProtocolViolation")
    })))

  it.effect("C35 #9 the lines of EHLO are bounded", () =>
    inMemory(Effect.gen(function*() {
      const many = Array.from({ length: 1001 }, (_, index) => `X-${index}`)
      expect((yield* Effect.flip(against(hello(...many))))._tag).toBe("ProtocolViolation")
    })))

  it.effect("C35 a greeting that refuses is an error with its code", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(against("S: 554 5.7.1 not you\nC: QUIT"))
      expect(error).toMatchObject({ _tag: "SmtpReplyError", phase: "greeting", code: 554, lines: ["not you"] })
    })))

  it.effect("C35 a greeting that never comes: the error says what is wrong most often", () =>
    Effect.gen(function*() {
      const { millis, value } = yield* inTime(inMemory(Effect.flip(against(() => Effect.never))))
      expect(value._tag).toBe("SocketTimeout")
      expect(value.message).toContain("tls: \"implicit\"")
      expect(millis).toBeLessThanOrEqual(31_000)
    }))

  it.effect("C35 #37 the name of a container is refused, and the default is the literal of the local address", () =>
    inMemory(Effect.gen(function*() {
      const error = yield* Effect.flip(SmtpSession.connect({ host: "127.0.0.1", tls: "none", name: "web_1" }))
      expect(error).toMatchObject({ _tag: "InvalidOption", option: "name" })
      const where = yield* scripted((peer) => follow(peer, "S: 220 x\nC: EHLO localhost\nS: 250 x\nC: QUIT"))
      const session = yield* SmtpSession.connect({ ...where, tls: "none", name: "localhost" })
      expect(Option.isNone(session.tls)).toBe(true)
    })))

  it.effect("C35 VRFY, EXPN, HELP and other commands", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello()}
        C: VRFY ada
        S: 252 2.1.5 send some mail
        C: VRFY ada
        S: 250 Ada <ada@a.test>
        C: VRFY nobody
        S: 550 5.1.1 no
        C: EXPN all
        S: 250-<a@a.test>
        S: 250 <b@a.test>
        C: HELP
        S: 214 read the RFC
        C: XYZZY plugh
        S: 250 nothing happens
        C: RSET
        S: 250 ok
        C: QUIT
      `)
      expect(yield* session.verify("ada")).toMatchObject({ isCertain: false, reply: { enhancedCode: "2.1.5" } })
      expect((yield* session.verify("ada")).isCertain).toBe(true)
      expect(yield* Effect.flip(session.verify("nobody"))).toMatchObject({
        _tag: "SmtpReplyError",
        command: "VRFY nobody"
      })
      expect(yield* session.expand("all")).toEqual(["<a@a.test>", "<b@a.test>"])
      expect((yield* session.help()).lines).toEqual(["read the RFC"])
      expect((yield* session.command("XYZZY plugh")).code).toBe(250)
      yield* session.reset
      expect((yield* Effect.flip(session.command("MAIL FROM:<x>")))._tag).toBe("InvalidArgument")
      expect((yield* Effect.flip(session.command("NOOP\r\nRSET")))._tag).toBe("InvalidArgument")
      expect((yield* Effect.flip(session.verify("a\nb")))._tag).toBe("InvalidArgument")
      expect((yield* Effect.flip(session.verify("ä")))._tag).toBe("InvalidArgument")
    })))

  it.effect("C35 a fiber with a transaction open that calls the session is refused", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello()}\nC: MAIL FROM:<>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: QUIT`)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* session.transaction({ from: "<>" })
        expect((yield* Effect.flip(session.noop))._tag).toBe("InvalidArgument")
      }))
    })))
})
