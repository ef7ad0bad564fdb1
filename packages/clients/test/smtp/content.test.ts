/** The content on its way: failures within it, after it, dots, BDAT: cases 14 to 18. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Either, FastCheck as FC, Fiber, Stream } from "effect"
import { Message } from "../../src/index.js"
import { inTime } from "../ftp/hostileServer.js"
import { bytes, cut, places } from "../ftp/support.js"
import { against, content, follow, hello, inMemory, message, one, type Peer, until, works } from "./dialogue.js"

/** Takes a session through MAIL, RCPT and DATA, and gives all that comes after the go-ahead. */
const collecting = (after: (peer: Peer, text: () => string) => Effect.Effect<unknown, unknown>) => {
  let heard = ""
  return {
    heard: () => heard,
    talk: (peer: Peer) =>
      Effect.gen(function*() {
        yield* follow(peer, `${hello("PIPELINING")}\n${one}`)
        yield* Effect.forkScoped(Effect.ignore(peer.socket.forEachChunk((chunk) =>
          Effect.sync(() => {
            heard += Buffer.from(chunk).toString("latin1")
          })
        )))
        yield* after(peer, () => heard)
      }).pipe(Effect.zipRight(Effect.never), Effect.scoped)
  }
}

describe("content", () => {
  const broken = (stream: Stream.Stream<Uint8Array, string>): Message.Message<string> => {
    const made = Message.raw(stream, { envelope: { from: "a@a.test", to: "b@b.test" }, body: "7bit" })
    return Either.getOrThrow(made)
  }

  it.effect("C35 #14 the content's stream fails: the connection is cut without a dot, and the error is the stream's", () =>
    inMemory(Effect.gen(function*() {
      const { heard, talk } = collecting(() => Effect.void)
      const session = yield* against(talk)
      const big = Stream.make(bytes("x\r\n".repeat(50_000)))
      const error = yield* Effect.flip(session.send(broken(Stream.concat(big, Stream.fail("out of paper")))))
      expect(error).toBe("out of paper")
      expect(heard()).not.toMatch(/\n\.\r\n/)
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 #14 an interruption within the content cuts the connection without a dot", () =>
    inMemory(Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const { heard, talk } = collecting(() => Effect.void)
      const session = yield* against(talk)
      const stream = Stream.concat(
        Stream.make(bytes("x\r\n".repeat(50_000))),
        Stream.unwrap(Effect.as(Deferred.succeed(begun, undefined), Stream.never))
      )
      const fiber = yield* Effect.fork(session.send(broken(stream)))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      expect(heard()).not.toMatch(/\n\.\r\n/)
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect.each([[10, "fewer"], [40, "more"]] as const)(
    "C35 #14 a stream of %s bytes where 20 were announced: MessageChanged, and no dot (%s)",
    ([size]) =>
      inMemory(Effect.gen(function*() {
        const { heard, talk } = collecting(() => Effect.void)
        const session = yield* against(talk)
        const sized = Either.getOrThrow(Message.raw(Stream.make(new Uint8Array(size).fill(65)), {
          envelope: { from: "a@a.test", to: "b@b.test" },
          size: 20,
          body: "7bit"
        }))
        expect((yield* Effect.flip(session.send(sized)))._tag).toBe("MessageChanged")
        expect(heard()).not.toContain(".")
      }))
  )

  it.effect.each(
    [
      ["the connection is lost", "X"],
      ["the server sends nothing that can be understood", "S: hm"],
      ["the server hangs up", "S: 999 x"]
    ] as const
  )("C35 #15 %s after the dot: DeliveryUnknown", ([, end]) =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("PIPELINING")}\n${one}\n${content}\n${end}`)
      expect(yield* Effect.flip(session.send(message()))).toMatchObject({
        _tag: "DeliveryUnknown",
        recipients: ["b@b.test"]
      })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 #15 no reply to the dot within timeouts.final: DeliveryUnknown", () =>
    Effect.gen(function*() {
      const { millis, value } = yield* inTime(
        inMemory(Effect.gen(function*() {
          const session = yield* against((peer) =>
            Effect.zipRight(follow(peer, `${hello("PIPELINING")}\n${one}\n${content}`), Effect.never)
          )
          return yield* Effect.flip(session.send(message()))
        })),
        "30 seconds"
      )
      expect(value._tag).toBe("DeliveryUnknown")
      expect(millis).toBeGreaterThanOrEqual(600_000)
      expect(millis).toBeLessThan(700_000)
    }))

  it.effect("C35 #15 no reply to the last BDAT: DeliveryUnknown", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING", "CHUNKING")}
        C: MAIL FROM:<a@a.test>
        C: RCPT TO:<b@b.test>
        S: 250 ok
        S: 250 ok
        C: BDAT 15 LAST
        C: A: b
        C:
        C: hello
        X
      `)
      const error = yield* Effect.flip(session.send(message(), { chunking: "prefer" }))
      expect(error._tag).toBe("DeliveryUnknown")
    })))

  /** What a server makes of what comes after 354: the message, and what is left for commands. */
  const received = (text: string): { readonly body: string; readonly rest: string } => {
    const lines = text.split("\r\n")
    const dot = lines.indexOf(".")
    const body = lines.slice(0, dot).map((line) => line.startsWith(".") ? line.slice(1) : line)
    return { body: body.map((line) => `${line}\r\n`).join(""), rest: lines.slice(dot + 1).join("\r\n") }
  }
  const naive = (text: string): string => {
    const lines = text.replace(/\r\n|\r|\n/g, "\r\n")
    return lines === "" || lines.endsWith("\r\n") ? lines : `${lines}\r\n`
  }

  const delivered = (parts: Message.Content, raw: Message.RawOptions) =>
    inMemory(Effect.gen(function*() {
      const { heard, talk } = collecting((peer, text) =>
        Effect.gen(function*() {
          yield* until(Effect.sync(() => /(?:^|\r\n)\.\r\n/.test(text())))
          yield* peer.say("250 ok\r\n")
        })
      )
      const session = yield* against(talk)
      yield* session.send(Either.getOrThrow(Message.raw(parts, raw)))
      return received(heard())
    }))
  const envelope = { from: "a@a.test", to: "b@b.test" } as const

  const bodies = [".", "..", ".\r", "\n.\n", "\r.\r", "\r\n.\r\n", "", "a\n.\nMAIL FROM:<x@y>\r\n", "\r\r\n\n.", "x\r"]
  it.effect.each(bodies.map((body) => [JSON.stringify(body), body] as const))(
    "C35 #16 the body %s arrives as one message, cut at any byte",
    ([, body]) =>
      Effect.gen(function*() {
        const wanted = { body: naive(body), rest: "" }
        expect(yield* delivered(bytes(body), { envelope })).toEqual(wanted)
        for (let at = 0; at <= body.length; at++) {
          const pieces = Stream.make(bytes(body.slice(0, at)), bytes(body.slice(at)))
          expect(yield* delivered(pieces, { envelope, body: "7bit" })).toEqual(wanted)
        }
      })
  )

  it.effect("C35 #16 whatever the body, the server sees one message and no command (property)", () =>
    Effect.gen(function*() {
      const samples = FC.sample(
        FC.tuple(FC.array(FC.constantFrom("\r", "\n", ".", "a", " ", "\r\n.\r\n", "QUIT"), { maxLength: 30 }), places),
        60
      )
      for (const [parts, at] of samples) {
        const body = parts.join("")
        const wanted = { body: naive(body), rest: "" }
        expect(yield* delivered(body, { envelope })).toEqual(wanted)
        const stream = Stream.fromIterable(cut(bytes(body), at))
        expect(yield* delivered(stream, { envelope, body: "7bit" })).toEqual(wanted)
      }
    }))

  it.effect("C35 #17 binary content: ExtensionMissing without CHUNKING or BINARYMIME, before MAIL", () =>
    inMemory(Effect.gen(function*() {
      for (const extensions of [[], ["CHUNKING"], ["BINARYMIME"]]) {
        const session = yield* against(`${hello(...extensions)}\n${works}`)
        const error = yield* Effect.flip(session.send(message("b@b.test", "A: b\r\n\r\n\0"), { body: "binarymime" }))
        expect(error).toMatchObject({
          _tag: "ExtensionMissing",
          extension: extensions[0] === "CHUNKING" ? "BINARYMIME" : "CHUNKING"
        })
        yield* session.noop
      }
    })))

  it.effect("C35 #17 binary content goes out by BDAT, byte for byte", () =>
    inMemory(Effect.gen(function*() {
      const binary = Either.getOrThrow(
        Message.raw(Uint8Array.of(46, 10, 0, 255, 13, 46), { envelope, body: "binarymime" })
      )
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* follow(
            peer,
            `
            ${hello("PIPELINING", "CHUNKING", "BINARYMIME")}
            C: MAIL FROM:<a@a.test> BODY=BINARYMIME
            C: RCPT TO:<b@b.test>
            S: 250 ok
            S: 250 ok
            C: BDAT 6 LAST
          `
          )
          expect([...yield* peer.socket.receiveExactly(6)]).toEqual([46, 10, 0, 255, 13, 46])
          yield* follow(peer, "S: 250 ok\nC: QUIT")
        })
      )
      expect((yield* session.send(binary)).extensions).toEqual(["PIPELINING", "BINARYMIME", "CHUNKING"])
    })))

  it.effect("C35 #18 CHUNKING is not used unasked, and a stall says what was sent", () =>
    Effect.gen(function*() {
      const { value } = yield* inTime(
        inMemory(Effect.gen(function*() {
          const session = yield* against((peer) =>
            Effect.zipRight(follow(peer, `${hello("PIPELINING", "CHUNKING")}\n${one}`), Effect.never)
          )
          const big = Stream.map(Stream.range(1, 20_000), () => bytes(`${"x".repeat(998)}\r\n`))
          return yield* Effect.flip(session.send(broken(big)))
        })),
        "20 seconds"
      )
      expect(value).toMatchObject({ _tag: "SocketTimeout", operation: "send" })
      expect(String(value)).toContain("the content")
    }))

  it.effect("C35 a refusal within the content is the error, and the connection is cut", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* follow(peer, `${hello("PIPELINING")}\n${one}`)
          yield* peer.socket.receiveExactly(100_000)
          yield* peer.say("552 5.3.4 too much\r\n")
          yield* Effect.ignore(Effect.forever(peer.socket.receive()))
        })
      )
      const endless = Stream.repeatValue(bytes(`${"x".repeat(998)}\r\n`))
      const error = yield* Effect.flip(session.send(broken(endless)))
      expect(error).toMatchObject({ _tag: "MessageTooLarge", code: 552 })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 a reply of success before the end of the content ends the session, and no dot is sent", () =>
    inMemory(Effect.gen(function*() {
      const { heard, talk } = collecting((peer) => peer.say("250 ok\r\n"))
      const session = yield* against(talk)
      const endless = Stream.repeatValue(bytes(`${"x".repeat(998)}\r\n`))
      expect(yield* Effect.flip(session.send(broken(endless)))).toMatchObject({ _tag: "ProtocolViolation" })
      expect(heard()).not.toMatch(/\n\.\r\n/)
    })))

  it.effect("C35 a chunk of BDAT that is refused: no more of it is sent, and the session works on after RSET", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* follow(
            peer,
            `
            ${hello("CHUNKING")}
            C: MAIL FROM:<a@a.test>
            S: 250 ok
            C: RCPT TO:<b@b.test>
            S: 250 ok
          `
          )
          const line = yield* peer.expect(/^BDAT \d+$/)
          yield* peer.socket.receiveExactly(Number(line.slice(5)))
          yield* follow(peer, `S: 452 4.3.1 disk full\nC: RSET\nS: 250 ok\n${works}`)
        })
      )
      const big = Stream.repeatValue(bytes(`${"x".repeat(998)}\r\n`))
      const error = yield* Effect.flip(session.send(broken(big), { chunking: "prefer" }))
      expect(error).toMatchObject({ _tag: "MessageRejected", code: 452, severity: "transient" })
      yield* session.noop
    })))
})
