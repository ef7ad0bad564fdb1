/** Sending again: who is tried again, by which schedule, and what is told of it. Case 51. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule, TestClock } from "effect"
import { Smtp, SmtpError } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { timed } from "../ftp/hostileServer.js"
import { leavesNothing } from "./dialogue.js"

/** Sends with retries while the clock continues. */
const sent = (
  options: SmtpServer.Options,
  to: ReadonlyArray<string>,
  send: Parameters<typeof Smtp.sendWithRetry>[1] = {},
  meanwhile: (server: SmtpServer.SmtpServer) => Effect.Effect<unknown, unknown> = () => Effect.void
) =>
  Effect.provide(
    leavesNothing(Effect.gen(function*() {
      const server = yield* SmtpServer.make(options)
      const layer = Smtp.layer({ host: server.host, port: server.port, tls: "none" })
      const letter = { from: "a@a.test", to, subject: "hello", text: "hello" }
      const fiber = yield* Effect.fork(
        Effect.provide(Effect.either(Smtp.sendWithRetry(letter, send)), layer)
      )
      yield* meanwhile(server)
      const { millis, value } = yield* timed(fiber, "30 seconds")
      return { messages: yield* server.messages, millis, value }
    })),
    NetMemory.layer
  )

const ids = (messages: ReadonlyArray<SmtpServer.Message>): ReadonlyArray<string | undefined> =>
  messages.map(({ bytes }) => /^Message-ID: (.*)\r$/im.exec(new TextDecoder().decode(bytes))?.[1])

describe("retry", () => {
  it.effect("C35 #51 greylisted recipients are tried later, with the same Message-ID, and nobody gets it twice", () =>
    Effect.gen(function*() {
      const { messages, millis, value } = yield* sent(
        { quirks: { recipients: { "d@b.test": "550 5.1.1 no" }, greylist: "4 minutes" } },
        ["b@b.test", "c@b.test", "d@b.test"]
      )
      expect(value).toMatchObject({
        _tag: "Right",
        right: {
          _tag: "Partial",
          accepted: [{ recipient: "b@b.test" }, { recipient: "c@b.test" }],
          rejected: [{ recipient: "d@b.test", code: 550 }]
        }
      })
      expect(messages).toHaveLength(1)
      expect(millis).toBeGreaterThanOrEqual(240_000)
      expect(millis).toBeLessThan(500_000)
    }))

  it.effect("C35 #51 some have it and others are deferred: only these are tried again, and the receipts are joined", () =>
    Effect.gen(function*() {
      const { messages, value } = yield* sent(
        { quirks: { recipients: { "c@b.test": "450 4.2.1 busy" } } },
        ["b@b.test", "c@b.test"],
        {},
        (server) => Effect.zipRight(server.awaitMessages(1), server.setQuirks({ recipients: undefined }))
      )
      expect(value).toMatchObject({ right: { _tag: "Complete" } })
      expect(messages.map(({ envelope }) => envelope.recipients.map(({ address }) => address))).toEqual([
        ["b@b.test"],
        ["c@b.test"]
      ])
      expect(new Set(ids(messages)).size).toBe(1)
      expect(ids(messages)[0]).toMatch(/^<.*@a\.test>$/)
    }))

  it.effect("C35 #15 what may have been delivered is not sent again", () =>
    Effect.gen(function*() {
      const { messages, value } = yield* sent({ quirks: { endings: { DOT: "reset" } } }, ["b@b.test"])
      expect(value).toMatchObject({ left: { _tag: "DeliveryUnknown" } })
      expect(messages).toHaveLength(1)
    }))

  it.effect("C35 a permanent refusal is told at once, and so are those who are deferred when the schedule ends", () =>
    Effect.gen(function*() {
      const at = yield* sent({ quirks: { recipients: { "*": "550 no", "b@b.test": "550 no" } } }, ["b@b.test"])
      expect(at.value).toMatchObject({ left: { _tag: "RecipientsRejected" } })
      expect(at.millis).toBeLessThan(120_000)
      const late = yield* sent(
        { quirks: { recipients: { "b@b.test": "550 no", "c@b.test": "450 later" } } },
        ["b@b.test", "c@b.test"],
        { schedule: Smtp.retrySchedule({ delays: ["1 minutes"], within: "5 minutes" }) }
      )
      expect(late.value).toMatchObject({
        left: { _tag: "RecipientsRejected", rejected: [{ recipient: "b@b.test" }, { recipient: "c@b.test" }] }
      })
      expect(late.millis).toBeGreaterThan(240_000)
    }))

  it.effect("C35 the schedule waits 1, 5, 15, 30 and 60 minutes, spread by a fifth, for four days", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(Effect.fail(
        new SmtpError.ServiceUnavailable({
          protocol: "smtp",
          command: "MAIL",
          code: 421,
          lines: []
        })
      ))
      const delays: Array<number> = []
      const fiber = yield* Effect.fork(
        Effect.retry(
          Effect.fail(failure),
          Schedule.tapOutput(
            Schedule.delays(Smtp.retrySchedule()),
            (delay) => Effect.sync(() => delays.push(Duration.toMinutes(delay)))
          )
        ).pipe(Effect.ignore)
      )
      yield* TestClock.adjust("5 days")
      yield* Fiber.join(fiber)
      for (const [index, minutes] of [1, 5, 15, 30, 60, 60].entries()) {
        expect(delays[index]).toBeGreaterThanOrEqual(minutes * 0.8)
        expect(delays[index]).toBeLessThanOrEqual(minutes * 1.2)
      }
      const total = delays.reduce((sum, minutes) => sum + minutes, 0)
      expect(total).toBeGreaterThan(4 * 24 * 60 - 75)
      expect(total).toBeLessThan(4 * 24 * 60 + 75)
    }))

  it("C35 canRetry: 4yz and lost connections, and never what may have been delivered", () => {
    const replied = { protocol: "smtp", phase: "data", command: "DATA", lines: [] } as const
    expect(SmtpError.canRetry(new SmtpError.MessageRejected({ ...replied, code: 451 }))).toBe(true)
    expect(SmtpError.canRetry(new SmtpError.MessageRejected({ ...replied, code: 554 }))).toBe(false)
    expect(SmtpError.canRetry(new SmtpError.SessionClosed({ protocol: "smtp", why: "x" }))).toBe(true)
    const unknown = new SmtpError.DeliveryUnknown({ protocol: "smtp", recipients: [], lastKnown: "x" })
    expect(SmtpError.canRetry(unknown)).toBe(false)
    expect(SmtpError.canRetry("x")).toBe(false)
  })
})
