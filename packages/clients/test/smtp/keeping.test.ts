/** The client that keeps what it is given to send. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Smtp } from "../../src/index.js"
import { text } from "../ftp/networks.js"
import { message } from "./dialogue.js"

const letter = { from: "a@a.test", to: ["b@b.test", "c@b.test"], subject: "hello", text: "hello" }

describe("layerTest", () => {
  it.effect("C35 keeps what calls, sessions, transactions and pools send, in their order", () =>
    Effect.scoped(Effect.gen(function*() {
      const test = yield* Smtp.SmtpTest
      const receipt = yield* Smtp.send(letter)
      expect(receipt).toMatchObject({
        _tag: "Complete",
        accepted: [{ recipient: "b@b.test" }, { recipient: "c@b.test" }]
      })
      const session = yield* Smtp.connect()
      yield* session.send(message("d@b.test"))
      const transaction = yield* session.transaction({ from: "<>" })
      yield* transaction.recipient("e@b.test")
      yield* transaction.data("A: b\n\nbye\n")
      const pool = yield* Smtp.pool()
      yield* Stream.runDrain(pool.sendAll(Stream.make(letter, letter)))
      const sent = yield* test.sent
      expect(sent.map(({ envelope }) => envelope.to.map(({ address }) => address).join())).toEqual([
        "b@b.test,c@b.test",
        "d@b.test",
        "e@b.test",
        "b@b.test,c@b.test",
        "b@b.test,c@b.test"
      ])
      expect(text(sent[0]!.bytes)).toContain(`Message-ID: ${receipt.messageId}\r\n`)
      expect(text(sent[2]!.bytes)).toBe("A: b\r\n\r\nbye\r\n")
      yield* test.clear
      expect(yield* test.sent).toEqual([])
    })).pipe(Effect.provide(Smtp.layerTest)))

  it.effect("C35 fails as a real one does where a message cannot be composed", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(Smtp.send({ ...letter, to: "b@b.test\r\n" })))._tag).toBe("InvalidAddress")
      expect((yield* Effect.flip(Smtp.send({ ...letter, to: [] })))._tag).toBe("InvalidMessage")
      const failing = { ...letter, attachments: [{ content: Stream.fail("no paper" as const) }] }
      expect(yield* Effect.flip(Smtp.send(failing))).toBe("no paper")
      expect(yield* Effect.flatMap(Smtp.SmtpTest, ({ sent }) => sent)).toEqual([])
    }).pipe(Effect.provide(Smtp.layerTest)))
})
