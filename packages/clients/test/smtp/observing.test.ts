/** Spans and metrics of sending. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Metric, Option, Stream } from "effect"
import { Message, Smtp } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { keepingTracer, type Kept } from "../keepingTracer.js"
import { inMemory, leavesNothing, message } from "./dialogue.js"

interface Shown {
  readonly name: string
  readonly parent: string | undefined
  readonly kind: string
  readonly attributes: Record<string, unknown>
}

/** Sends with a tracer that keeps all spans. */
const spansOf = (options: SmtpServer.Options, isTraced: boolean, to: ReadonlyArray<string> = ["b@b.test"]) =>
  Effect.provide(
    leavesNothing(Effect.gen(function*() {
      const spans: Array<Kept> = []
      const tracer = keepingTracer(spans)
      const server = yield* SmtpServer.make(options)
      const smtp = yield* Smtp.make({ host: server.host, port: server.port, tls: "none" })
      yield* smtp.send(message(to)).pipe(
        Effect.exit,
        Effect.provideService(Smtp.traced, isTraced),
        Effect.withTracer(tracer)
      )
      return spans.map((span): Shown => ({
        name: span.name,
        kind: span.kind,
        parent: Option.getOrUndefined(Option.map(span.parent, (parent) => parent._tag === "Span" ? parent.name : "")),
        attributes: Object.fromEntries(span.attributes)
      })).filter(({ name }) => name.startsWith("smtp."))
    })),
    NetMemory.layer
  )

describe("observing", () => {
  it.effect("C35 a message has two spans, without an address or a subject", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf({ quirks: { recipients: { "no@b.test": "550 5.1.1 no" } } }, false, [
        "b@b.test",
        "no@b.test"
      ])
      expect(spans).toMatchObject([
        { name: "smtp.send", kind: "client", attributes: { "network.protocol.name": "smtp" } },
        {
          name: "smtp.transaction",
          parent: "smtp.send",
          attributes: {
            "server.address": "127.0.0.1",
            "smtp.response.status_code": 250,
            "smtp.response.enhanced_status_code": "2.0.0",
            "smtp.recipients.accepted": 1,
            "smtp.recipients.rejected": 1,
            "smtp.message.size": 15
          }
        }
      ])
      expect(spans).toHaveLength(2)
      expect(JSON.stringify(spans)).not.toContain("b.test")
    }))

  it.effect("C35 a failure has its tag and its code", () =>
    Effect.gen(function*() {
      const [, transaction] = yield* spansOf({ quirks: { replies: { DOT: "554 5.7.1 spam" } } }, false)
      expect(transaction!.attributes).toMatchObject({
        "error.type": "MessageRejected",
        "smtp.response.status_code": 554,
        "smtp.response.enhanced_status_code": "5.7.1"
      })
    }))

  it.effect("C35 without a tracer no span is made", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* SmtpServer.make()
      const smtp = yield* Smtp.make({ host: server.host, port: server.port, tls: "none" })
      const spans: Array<string> = []
      const content = Stream.unwrap(Effect.map(Effect.option(Effect.currentSpan), (span) => {
        if (Option.isSome(span)) spans.push(span.value.name)
        return Stream.make(new TextEncoder().encode("A: b\r\n\r\nhello\r\n"))
      }))
      const envelope = { from: "a@a.test", to: "b@b.test" } as const
      const sent = smtp.send(Either.getOrThrow(Message.raw(content, { envelope, body: "7bit" })))
      yield* sent
      expect(spans).toEqual([])
      yield* Effect.withTracer(sent, keepingTracer())
      expect(spans).toEqual(["smtp.transaction"])
    })))

  it.effect("C35 commands have spans where Smtp.traced is set", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf({ extensions: [] }, true)
      const commands = spans.filter(({ name }) => name === "smtp.command").map(({ attributes }) =>
        attributes["smtp.command.name"]
      )
      expect(commands).toEqual(["EHLO", "MAIL", "RCPT", "DATA"])
    }))

  it.effect("C35 messages, recipients and bytes are counted by outcome", () =>
    Effect.gen(function*() {
      const read = Effect.map(Metric.snapshot, (pairs) => {
        const counts: Record<string, number> = {}
        for (const { metricKey, metricState } of pairs) {
          if (!metricKey.name.startsWith("smtp_")) continue
          const tags = Chunk.toReadonlyArray(Chunk.fromIterable(metricKey.tags)).map(({ value }) => value)
          const state = metricState as { readonly count?: number | bigint }
          counts[[metricKey.name, ...tags].join(" ")] = Number(state.count ?? 0)
        }
        return counts
      })
      const before = yield* read
      yield* spansOf({ quirks: { recipients: { "no@b.test": "550 no" } } }, false, ["b@b.test", "no@b.test"])
      yield* spansOf({ quirks: { endings: { DOT: "reset" } } }, false)
      const after = yield* read
      const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
      expect(grown("smtp_messages_total partial")).toBe(1)
      expect(grown("smtp_messages_total unknown")).toBe(1)
      expect(grown("smtp_recipients_total accepted")).toBe(1)
      expect(grown("smtp_recipients_total rejected")).toBe(1)
      expect(grown("smtp_message_bytes_total")).toBe(15)
      expect(grown("smtp_phase_duration_seconds transaction")).toBe(2)
    }))
})
