/**
 * What sending shows to those who watch: spans by the names of OpenTelemetry's conventions, and metrics.
 */
import type { Socket } from "@copas/core/Socket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import { firstError } from "../effect/causes.js"
import { hasTracer, millisOf, withFiber } from "../effect/fibers.js"
import { record } from "../effect/metrics.js"
import { reference } from "../effect/references.js"
import type { Receipt } from "./receipt.js"

/** Whether each command has a span. */
export const traced = reference("@copas/clients/Smtp/traced", () => false)

// ---- metrics

const outcomes = ["complete", "partial", "rejected", "unknown", "failed"] as const
type Outcome = typeof outcomes[number]

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const messages = counter("smtp_messages_total", "Transactions by outcome.")
const byOutcome = Object.fromEntries(
  outcomes.map((outcome) => [outcome, Metric.tagged(messages, "outcome", outcome)])
) as Record<Outcome, typeof messages>
const recipients = counter("smtp_recipients_total", "Recipients by what the server said.")
const accepted = Metric.tagged(recipients, "outcome", "accepted")
const rejected = Metric.tagged(recipients, "outcome", "rejected")
const bytes = counter("smtp_message_bytes_total", "Bytes of messages that were accepted.")
const duration = Metric.histogram(
  "smtp_phase_duration_seconds",
  MetricBoundaries.exponential({ start: 0.001, factor: 4, count: 10 }),
  "How long connecting and transactions took."
)
const phases = {
  connect: Metric.tagged(duration, "phase", "connect"),
  transaction: Metric.tagged(duration, "phase", "transaction")
}

interface Failed {
  readonly _tag?: string
  readonly code?: number
  readonly enhancedCode?: string
  readonly rejected?: ReadonlyArray<unknown>
}

const refusals = new Set(["SenderRejected", "RecipientsRejected", "MessageRejected", "MessageTooLarge"])

const outcomeOf = (exit: Exit.Exit<Receipt, unknown>, error: Failed | undefined): Outcome => {
  if (Exit.isSuccess(exit)) return exit.value._tag === "Complete" ? "complete" : "partial"
  if (error?._tag === "DeliveryUnknown") return "unknown"
  return refusals.has(error?._tag ?? "") ? "rejected" : "failed"
}

/** Takes the time of `use`. `ended` is run with its exit. */
export const timed = <A, E, R>(
  phase: keyof typeof phases,
  use: Effect.Effect<A, E, R>,
  ended: (exit: Exit.Exit<A, E>) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    const start = millisOf(clock)
    return Effect.onExit(use, (exit) => {
      record(phases[phase], (millisOf(clock) - start) / 1000)
      return ended(exit)
    })
  })

const count = (exit: Exit.Exit<Receipt, unknown>): void => {
  const error = firstError(exit) as Failed | undefined
  record(byOutcome[outcomeOf(exit, error)], 1)
  const refused = Exit.isSuccess(exit) ? exit.value.rejected.length : error?.rejected?.length ?? 0
  if (refused > 0) record(rejected, refused)
  if (Exit.isFailure(exit)) return
  record(accepted, exit.value.accepted.length)
  record(bytes, exit.value.size)
}

// ---- spans

export interface Watched {
  readonly protocol: "smtp" | "lmtp"
  readonly host: string
  readonly port: number
}

const describe = (span: Tracer.Span, exit: Exit.Exit<Receipt, unknown>, error: Failed | undefined): void => {
  const tell = (name: string, value: unknown): void => {
    if (value !== undefined) span.attribute(name, value)
  }
  if (Exit.isSuccess(exit)) {
    const { accepted, rejected, reply, size } = exit.value
    tell("smtp.response.status_code", reply.code)
    tell("smtp.response.enhanced_status_code", reply.enhancedCode)
    tell("smtp.recipients.accepted", accepted.length)
    tell("smtp.recipients.rejected", rejected.length)
    tell("smtp.message.size", size)
  } else {
    tell("error.type", error?._tag ?? "interrupted")
    tell("smtp.response.status_code", error?.code)
    tell("smtp.response.enhanced_status_code", error?.enhancedCode)
    tell("smtp.recipients.rejected", error?.rejected?.length)
  }
}

/** A span of `use`. Without a tracer there is none: two spans are a quarter of what a small message costs. */
const span = <E, R>(
  name: string,
  attributes: () => Readonly<Record<string, unknown>>,
  use: Effect.Effect<Receipt, E, R>
): Effect.Effect<Receipt, E, R> =>
  withFiber((fiber) =>
    hasTracer(fiber)
      ? Effect.useSpan(name, { kind: "client", captureStackTrace: false, attributes: attributes() }, (span) =>
        Effect.withParentSpan(
          Effect.onExit(use, (exit) =>
            Effect.sync(() => describe(span, exit, firstError(exit) as Failed | undefined))),
          span
        ))
      : use
  )

const attributesOf = ({ host, port, protocol }: Watched) => ({
  "server.address": host,
  "server.port": port,
  "network.protocol.name": protocol
})

/** A span of one message from end to end (`smtp.send`): connecting, or the wait for a session, included. */
export const send = (watched: Watched) => <E, R>(use: Effect.Effect<Receipt, E, R>): Effect.Effect<Receipt, E, R> =>
  span("smtp.send", () => attributesOf(watched), use)

/** A span of one transaction (`smtp.transaction`), which counts. One that fails is left by `leave`. */
export const transaction = <E, R>(
  watched: Watched,
  socket: Socket,
  use: Effect.Effect<Receipt, E, R>,
  leave: () => Effect.Effect<void>
): Effect.Effect<Receipt, E, R> => {
  const attributes = () => {
    const version = Option.map(socket.tls, ({ info }) => info.protocol.replace(/^TLSv/, ""))
    return Option.isNone(version)
      ? attributesOf(watched)
      : { ...attributesOf(watched), "tls.protocol.version": version.value }
  }
  return timed("transaction", span("smtp.transaction", attributes, use), (exit) => {
    count(exit)
    return Exit.isSuccess(exit) ? Effect.void : leave()
  })
}
