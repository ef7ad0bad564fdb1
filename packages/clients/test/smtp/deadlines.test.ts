/** Time-outs, and deadlines of the caller's: they hold at every phase. Case 20. */
import { Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Redacted, Stream } from "effect"
import { Message, Smtp } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { inTime } from "../ftp/hostileServer.js"
import { leavesNothing, until } from "./dialogue.js"

const endless = (content: Stream.Stream<Uint8Array>) =>
  Either.getOrThrow(Message.raw(content, {
    envelope: { from: "a@a.test", to: ["b@b.test", "c@b.test"] },
    body: "7bit"
  }))
const block = new Uint8Array(50_000).fill(65)
const messages: Readonly<Record<string, Message.Message>> = {
  // A server that reads on gets what the clock gives, and not what the machine can send meanwhile.
  CONTENT: endless(Stream.repeatEffect(Effect.as(Effect.sleep("1 seconds"), block))),
  STALL: endless(Stream.repeatValue(block))
}
const small = Either.getOrThrow(
  Message.raw("A: b\r\n\r\nhello\r\n", { envelope: { from: "a@a.test", to: "b@b.test" } })
)

/** Sends to a server that falls silent, and gives what became of it and how long that took. */
const silentAt = (
  phase: string,
  use: (send: Effect.Effect<unknown, unknown>) => Effect.Effect<unknown, unknown>,
  timeouts: NonNullable<Smtp.Defaults["timeouts"]> = {}
) =>
  Effect.provide(
    leavesNothing(Effect.gen(function*() {
      const made = TlsMemory.identity()
      const server = yield* SmtpServer.make({
        tls: yield* Tls.server({ identity: made.identity }),
        users: { ada: "password" },
        quirks: phase === "STALL" ? { stallAfter: 100_000 } : { endings: { [phase]: "silence" } }
      })
      const smtp = yield* Smtp.make({
        host: server.host,
        port: server.port,
        tlsContext: { ca: made.ca },
        serverName: "localhost",
        auth: { user: "ada", password: Redacted.make("password") },
        timeouts
      })
      const sent = yield* inTime(Effect.exit(use(smtp.send(messages[phase] ?? small))))
      // The server lets go of what stalls there when it is told to read on.
      yield* server.setQuirks({ stallAfter: undefined, endings: undefined })
      yield* until(Effect.map(server.connections, ({ open }) => open === 0))
      return { ...sent, messages: yield* server.messages }
    })),
    NetMemory.layer
  )

const phases = ["CONNECT", "EHLO", "STARTTLS", "TLS", "AUTH", "CHALLENGE", "MAIL", "RCPT", "DATA", "CONTENT", "STALL"]

describe("deadlines", () => {
  it.effect.each(phases)(
    "C35 #20 a caller's deadline holds while the server is silent at %s",
    (phase) =>
      Effect.gen(function*() {
        const { messages, millis, value } = yield* silentAt(phase, (send) => Effect.timeout(send, "20 seconds"))
        expect(Exit.isFailure(value)).toBe(true)
        expect(String(value)).toContain("TimeoutException")
        expect(millis).toBeLessThanOrEqual(22_000)
        expect(messages).toEqual([])
      })
  )

  it.effect("C35 #20 after the dot a deadline waits as long as timeouts.close allows", () =>
    Effect.gen(function*() {
      const { millis, value } = yield* silentAt("DOT", (send) => Effect.timeout(send, "20 seconds"))
      expect(Exit.isFailure(value)).toBe(true)
      expect(millis).toBeGreaterThanOrEqual(25_000)
      expect(millis).toBeLessThanOrEqual(28_000)
    }))

  it.effect.each(
    [
      ["CONNECT", "greeting", "SocketTimeout"],
      ["EHLO", "command", "SocketTimeout"],
      ["TLS", "connect", "TlsError"],
      ["AUTH", "command", "SocketTimeout"],
      ["MAIL", "command", "SocketTimeout"],
      ["DATA", "command", "SocketTimeout"],
      ["STALL", "data", "SocketTimeout"],
      ["DOT", "final", "DeliveryUnknown"]
    ] as const
  )("C35 silent at %s: timeouts.%s ends it", ([phase, timeout, tag]) =>
    Effect.gen(function*() {
      const others = { connect: "1 hours", greeting: "1 hours", command: "1 hours", data: "1 hours", final: "1 hours" }
      const { millis, value } = yield* silentAt(phase, (send) => send, {
        ...others as object,
        [timeout]: "40 seconds",
        close: "1 seconds"
      })
      expect(Exit.isFailure(value) && value.cause._tag === "Fail" ? value.cause.error : value).toMatchObject({
        _tag: tag
      })
      expect(millis).toBeGreaterThanOrEqual(40_000)
      expect(millis).toBeLessThanOrEqual(45_000)
    }))
})
