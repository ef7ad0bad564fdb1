/** Transactions: senders, recipients, content, LMTP, SMTPUTF8: cases 10 to 13 and 19 to 23. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Option } from "effect"
import type { SmtpSession } from "../../src/index.js"
import { inTime } from "../ftp/hostileServer.js"
import { against, alone, content, follow, hello, inMemory, message, one, works } from "./dialogue.js"

const three = ["b@b.test", "c@b.test", "d@b.test"]
const grouped = "C: MAIL FROM:<a@a.test>\nC: RCPT TO:<b@b.test>\nC: RCPT TO:<c@b.test>\nC: RCPT TO:<d@b.test>\nC: DATA"
const accepted = ({ accepted }: SmtpSession.Receipt): ReadonlyArray<string> =>
  accepted.map(({ recipient }) => recipient)

describe("transactions", () => {
  it.effect("C35 #10 one recipient of three is refused, with PIPELINING: the others get it, and every status is read", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING", "SIZE 10000")}
        C: MAIL FROM:<a@a.test> SIZE=15
        C: RCPT TO:<b@b.test>
        C: RCPT TO:<c@b.test>
        C: RCPT TO:<d@b.test>
        C: DATA
        S: 250 2.1.0 ok
        S: 250 2.1.5 ok
        S: 550 5.1.1 no such user
        S: 251 2.1.5 forwarded
        S: 354 go
        ${content}
        S: 250 2.0.0 Ok: queued as 4XyZ12
        ${works}
      `)
      const receipt = yield* session.send(message(three))
      expect(receipt).toMatchObject({
        _tag: "Partial",
        accepted: [{ recipient: "b@b.test", reply: { code: 250 } }, { recipient: "d@b.test", reply: { code: 251 } }],
        rejected: [{
          recipient: "c@b.test",
          code: 550,
          enhancedCode: "5.1.1",
          lines: ["no such user"],
          canRetry: false
        }],
        reply: { code: 250, enhancedCode: "2.0.0" },
        size: 15,
        extensions: ["PIPELINING", "SIZE"]
      })
      expect(receipt.queueId).toEqual(Option.some("4XyZ12"))
      yield* session.noop
    })))

  it.effect("C35 #10 one recipient of three is refused, without PIPELINING", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello()}
        C: MAIL FROM:<a@a.test>
        S: 250 ok
        C: RCPT TO:<b@b.test>
        S: 250 ok
        C: RCPT TO:<c@b.test>
        S: 450 4.2.1 later
        C: RCPT TO:<d@b.test>
        S: 250 ok
        C: DATA
        S: 354 go
        ${content}
        S: 250 ok
        ${works}
      `)
      const receipt = yield* session.send(message(three))
      expect(accepted(receipt)).toEqual(["b@b.test", "d@b.test"])
      expect(receipt.rejected).toMatchObject([{ recipient: "c@b.test", code: 450, canRetry: true }])
      yield* session.noop
    })))

  it.effect("C35 #11 one of three is refused while DATA went out with it: the message itself goes to the others", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING")}
        ${grouped}
        S: 250 ok
        S: 501 5.1.3 bad address
        S: 250 ok
        S: 250 ok
        S: 354 go
        ${content}
        S: 250 ok
        ${works}
      `)
      expect(accepted(yield* session.send(message(three)))).toEqual(["c@b.test", "d@b.test"])
      yield* session.noop
    })))

  it.effect.each(
    [
      ["354", "S: 354 go\nC: .\nS: 554 no valid recipients\nC: RSET\nS: 250 ok"],
      ["354, and the empty message accepted", "S: 354 go\nC: .\nS: 250 ok\nC: RSET\nS: 250 ok"],
      ["554", "S: 554 5.5.1 no valid recipients\nC: RSET\nS: 250 ok"],
      ["503", "S: 503 need RCPT\nC: RSET\nS: 250 ok"]
    ] as const
  )(
    "C35 #12 all recipients are refused, and DATA is answered by %s: nobody gets it, and the session works on",
    ([, end]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against(`
        ${hello("PIPELINING")}
        ${grouped}
        S: 250 ok
        S: 550 5.1.1 no
        S: 550 5.1.1 no
        S: 450 4.2.0 later
        ${end}
        ${one}
        ${content}
        S: 250 ok
        C: QUIT
      `)
        const error = yield* Effect.flip(session.send(message(three)))
        expect(error).toMatchObject({ _tag: "RecipientsRejected", severity: "transient", accepted: [] })
        expect((yield* session.send(message()))._tag).toBe("Complete")
      }))
  )

  it.effect("C35 #12a MAIL is accepted, and each RCPT refused because of the sender", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING")}
        ${grouped}
        S: 250 2.1.0 ok
        S: 553 5.1.8 <a@a.test>: domain not found
        S: 553 5.1.8 <a@a.test>: domain not found
        S: 553 5.1.8 <a@a.test>: domain not found
        S: 554 5.5.1 no valid recipients
        C: RSET
        S: 250 ok
        ${works}
      `)
      expect(yield* Effect.flip(session.send(message(three)))).toMatchObject({
        _tag: "SenderRejected",
        sender: "a@a.test",
        code: 553,
        enhancedCode: "5.1.8"
      })
      yield* session.noop
    })))

  it.effect("C35 #13 MAIL is refused, and RCPT and DATA after it: by MAIL's reply, and without RSET", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(
        `${hello("PIPELINING")}\n${alone}\nS: 550 5.7.1 not you\nS: 503 no MAIL\nS: 503 no RCPT\n${works}`
      )
      expect(yield* Effect.flip(session.send(message()))).toMatchObject({
        _tag: "SenderRejected",
        code: 550,
        enhancedCode: "5.7.1",
        command: "MAIL FROM:<a@a.test>"
      })
      yield* session.noop
    })))

  it.effect("C35 #13 a recipient is accepted although MAIL was refused, and DATA goes ahead: the connection is cut", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("PIPELINING")}\n${alone}\nS: 550 no\nS: 250 ok\nS: 354 go`)
      expect((yield* Effect.flip(session.send(message())))._tag).toBe("SenderRejected")
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 #19 LMTP: a reply for each accepted recipient", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(
        `
        S: 220 lmtp
        C: LHLO [127.0.0.1]
        S: 250-lmtp
        S: 250 PIPELINING
        C: MAIL FROM:<a@a.test>
        C: RCPT TO:<b@b.test>
        C: RCPT TO:<c@b.test>
        C: RCPT TO:<d@b.test>
        C: RCPT TO:<e@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 550 5.1.1 nobody
        S: 250 ok
        S: 354 go
        ${content}
        S: 250 2.0.0 kept
        S: 550 5.2.1 disabled
        S: 452 4.2.2 full
        ${works}
      `,
        { protocol: "lmtp" }
      )
      const receipt = yield* session.send(message([...three, "e@b.test"]))
      expect(receipt.accepted).toMatchObject([{ recipient: "b@b.test", reply: { code: 250, lines: ["kept"] } }])
      expect(receipt.rejected).toMatchObject([
        { recipient: "d@b.test", code: 550, command: "RCPT TO:<d@b.test>" },
        { recipient: "c@b.test", code: 550, canRetry: false },
        { recipient: "e@b.test", code: 452, canRetry: true }
      ])
      yield* session.noop
    })))

  it.effect("C35 #20 a deadline around a send holds although no single reply is late, and nothing is delivered", () =>
    Effect.gen(function*() {
      const commands: Array<string> = []
      const { millis, value } = yield* inTime(
        inMemory(Effect.gen(function*() {
          const session = yield* against((peer) =>
            Effect.zipRight(
              follow(peer, hello("PIPELINING")),
              Effect.forever(Effect.flatMap(peer.socket.receiveLine(), (line) => {
                commands.push(line)
                return Effect.zipRight(Effect.sleep("11 seconds"), peer.say("250 ok\r\n"))
              }))
            )
          )
          const many = Array.from({ length: 125 }, (_, index) => `user${index}@b.test`)
          return yield* Effect.exit(Effect.timeout(session.send(message(many)), "60 seconds"))
        }))
      )
      expect(String(value)).toContain("TimeoutException")
      expect(millis).toBeLessThanOrEqual(61_000)
      expect(commands).not.toContain(".")
    }))

  const jürgen = "jürgen@b.test"

  it.effect("C35 #21 a non-ASCII local part, and no SMTPUTF8: that recipient is not tried, the others get it", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("PIPELINING")}\n${one}\n${content}\nS: 250 ok\nC: QUIT`)
      const receipt = yield* session.send(message([jürgen, "b@b.test"]))
      expect(accepted(receipt)).toEqual(["b@b.test"])
      expect(receipt).toMatchObject({
        _tag: "Partial",
        rejected: [{ recipient: jürgen, code: 0, missing: "SMTPUTF8" }]
      })
      expect(yield* Effect.flip(session.send(message(jürgen)))).toMatchObject({ _tag: "RecipientsRejected" })
    })))

  it.effect("C35 #22 SMTPUTF8 is said only where an address needs it", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING", "SMTPUTF8", "8BITMIME")}
        ${one}
        ${content}
        S: 250 ok
        C: MAIL FROM:<a@a.test> BODY=8BITMIME SMTPUTF8
        C: RCPT TO:<${jürgen}>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        ${content}
        S: 250 ok
        C: QUIT
      `)
      yield* session.send(message())
      expect((yield* session.send(message(jürgen))).extensions).toContain("SMTPUTF8")
    })))

  it.effect("C35 #23 a non-ASCII domain is an A-label in the envelope", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING")}
        C: MAIL FROM:<a@a.test>
        C: RCPT TO:<info@xn--bcher-kva.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        ${content}
        S: 250 ok
        C: QUIT
      `)
      expect(accepted(yield* session.send(message("info@bücher.test")))).toEqual(["info@xn--bcher-kva.test"])
    })))

  it.effect("C35 what failed before is reset once, and a server without RSET costs the session alone", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(
        `${
          hello("PIPELINING")
        }\n${alone}\nS: 250 ok\nS: 550 no\nS: 503 no\nC: RSET\nS: 500 what?\nC: RSET\nS: 500 what?`
      )
      expect((yield* Effect.flip(session.send(message())))._tag).toBe("RecipientsRejected")
      expect((yield* Effect.flip(session.send(message())))._tag).toBe("SessionClosed")
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C35 a refused content leaves nothing to reset, and says whether it was the size", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING")}
        ${one}
        ${content}
        S: 554 5.7.1 looks like spam
        ${one}
        ${content}
        S: 552 5.3.4 too big
        ${one}
        ${content}
        S: 552 5.2.2 mailbox full
        ${alone}
        S: 250 ok
        S: 250 ok
        S: 451 4.3.0 not now
        C: RSET
        S: 250 ok
        C: QUIT
      `)
      const errors = yield* Effect.replicateEffect(Effect.flip(session.send(message())), 4)
      expect(errors).toMatchObject([
        { _tag: "MessageRejected", phase: "final", code: 554 },
        { _tag: "MessageTooLarge", code: 552 },
        { _tag: "MessageRejected", code: 552, enhancedCode: "5.2.2" },
        { _tag: "MessageRejected", phase: "data", code: 451, severity: "transient" }
      ])
    })))

  it.effect("C35 partial: \"none\" asks for every recipient before DATA, and resets where one is refused", () =>
    inMemory(Effect.gen(function*() {
      const envelope = "C: MAIL FROM:<a@a.test>\nC: RCPT TO:<b@b.test>\nC: RCPT TO:<c@b.test>\nC: RCPT TO:<d@b.test>"
      const session = yield* against(`
        ${hello("PIPELINING")}
        ${envelope}
        S: 250 ok
        S: 250 ok
        S: 550 no
        S: 250 ok
        C: RSET
        S: 250 ok
        ${envelope}
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 250 ok
        C: DATA
        S: 354 go
        ${content}
        S: 250 ok
        C: QUIT
      `)
      expect(yield* Effect.flip(session.send(message(three), { partial: "none" }))).toMatchObject({
        _tag: "RecipientsRejected",
        accepted: ["b@b.test", "d@b.test"],
        rejected: [{ recipient: "c@b.test" }]
      })
      expect((yield* session.send(message(three), { partial: "none" }))._tag).toBe("Complete")
    })))

  it.effect("C35 a transaction step by step: a refusal is a value, and an unfinished one is reset", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("DSN", "SIZE")}
        C: MAIL FROM:<a@a.test> SIZE=15 RET=HDRS ENVID=a+2Bb
        S: 250 ok
        C: RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+3Dy@b.test
        S: 250 ok
        C: RCPT TO:<c@b.test> ORCPT=rfc822;c@b.test
        S: 550 no
        C: DATA
        S: 354 go
        ${content}
        S: 250 ok id=1abC-0002
        C: MAIL FROM:<>
        S: 250 ok
        C: RSET
        S: 250 ok
        C: QUIT
      `)
      yield* Effect.scoped(Effect.gen(function*() {
        const transaction = yield* session.transaction({
          from: "a@a.test",
          size: 15,
          dsn: { return: "headers", envelopeId: "a+b" }
        })
        const first = yield* transaction.recipient("b@b.test", {
          notify: ["success", "delay"],
          originalRecipient: "x=y@b.test"
        })
        expect(Either.isRight(first)).toBe(true)
        expect(Either.isLeft(yield* transaction.recipient("c@b.test"))).toBe(true)
        const receipt = yield* transaction.data("A: b\n\nhello")
        expect(receipt).toMatchObject({ _tag: "Partial", queueId: Option.some("1abC-0002") })
        expect((yield* Effect.flip(transaction.data("again")))._tag).toBe("InvalidArgument")
        expect((yield* Effect.flip(transaction.recipient("e@b.test")))._tag).toBe("InvalidArgument")
      }))
      yield* Effect.scoped(session.transaction({ from: "<>" }))
    })))

  it.effect("C35 extensions that are asked for and missing: an error before MAIL, or told in the receipt", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("PIPELINING")}\n${one}\n${content}\nS: 250 ok\nC: QUIT`)
      expect(yield* Effect.flip(session.send(message(), { requireTls: true }))).toMatchObject({
        extension: "REQUIRETLS"
      })
      expect(
        yield* Effect.flip(session.send(message(), { deliverBy: { within: "1 hours", otherwise: "return" } }))
      ).toMatchObject({ extension: "DELIVERBY" })
      const receipt = yield* session.send(message(), { priority: 3, dsn: { notify: "never" } })
      expect(receipt.leftOut).toEqual(["MT-PRIORITY", "DSN"])
    })))

  it.effect("C35 the server's limits are kept without trying: RCPTMAX makes several transactions, MAILMAX ends them", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`
        ${hello("PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2")}
        C: MAIL FROM:<a@a.test>
        C: RCPT TO:<b@b.test>
        C: RCPT TO:<c@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        ${content}
        S: 250 ok
        C: MAIL FROM:<a@a.test>
        C: RCPT TO:<d@b.test>
        C: RCPT TO:<e@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 no
        S: 354 go
        ${content}
        S: 250 ok
        C: QUIT
      `)
      const receipt = yield* session.send(message([...three, "e@b.test", "f@b.test"]))
      expect(accepted(receipt)).toEqual(three)
      const rejected = Object.fromEntries(receipt.rejected.map(({ canRetry, recipient }) => [recipient, canRetry]))
      expect(rejected).toEqual({ "e@b.test": false, "f@b.test": true })
      expect(yield* session.isUsable).toBe(false)
      expect((yield* Effect.flip(session.send(message())))._tag).toBe("SessionClosed")
    })))

  it.effect("C35 a message to nobody is refused, and a recipient that is given twice is named once", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against(`${hello("PIPELINING")}\n${one}\n${content}\nS: 250 ok\nC: QUIT`)
      expect(yield* Effect.flip(session.send(message([])))).toMatchObject({ _tag: "InvalidMessage", where: "to" })
      expect(accepted(yield* session.send(message(["b@b.test", "b@b.test"])))).toEqual(["b@b.test"])
    })))

  it.effect("C35 many recipients go out in windows, while the replies are read", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* follow(peer, hello("PIPELINING"))
          // A server that reads a line only when its reply was taken: both sides could wait for each other.
          const loop: Effect.Effect<void, unknown> = Effect.flatMap(peer.socket.receiveLine(), (line) =>
            Effect.zipRight(
              Effect.zipRight(
                peer.say(line === "DATA" ? "354 go\r\n" : `250 ${"x".repeat(400)}\r\n`),
                peer.socket.flush
              ),
              line === "DATA" ? Effect.void : loop
            ))
          yield* loop
          yield* follow(peer, `${content}\nS: 250 ok\nC: QUIT`)
        })
      )
      const many = Array.from({ length: 2000 }, (_, index) => `user${index}@b.test`)
      expect((yield* session.send(message(many))).accepted).toHaveLength(2000)
    })))
})
