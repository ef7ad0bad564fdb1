/**
 * The error of look-ups of names, addresses and records. `SocketError` has it too, with all the others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"
import * as Advice from "./internal/advice.js"

/**
 * Why a look-up failed.
 *
 * - `NotFound`: there is no such name (NXDOMAIN, RFC 1035, section 4.1.1)
 * - `NoData`: the name exists, but has no record of the type (RFC 2308, section 2.2)
 * - `Refused`: the server answered that it will not serve us; `Unreachable`: no server could be asked
 * - `BadName`: no server was asked, because the text cannot be a name
 *
 * @since 0.1.0
 * @category models
 */
export const DnsReason = Schema.Literal(
  "NotFound",
  "NoData",
  "ServerFailure",
  "TimedOut",
  "Refused",
  "Unreachable",
  "NotImplemented",
  "BadQuery",
  "BadResponse",
  "BadName",
  "OutOfMemory",
  "Unknown"
)

/**
 * The type of `DnsReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type DnsReason = typeof DnsReason.Type

const dnsAdvice: Record<Exclude<DnsReason, "Unknown">, string> = {
  NotFound: "no such name; check the spelling",
  NoData: "the name has no record of this type; ask for another",
  ServerFailure: "the name server could not find out; try again later",
  TimedOut: "no name server answered in time; try again later, or ask another",
  Refused: "the name server will not answer us; ask another",
  Unreachable: "no name server could be asked; check the network and which servers are configured",
  NotImplemented: "the name server does not know this kind of question; ask another",
  BadQuery: "the name server did not understand the question; ask another",
  BadResponse: "the name server's answer makes no sense; ask another",
  BadName: "this cannot be a name or an address; labels have 1 to 63 bytes, the whole at most 253",
  OutOfMemory: "the system is out of memory; try again later"
}

/**
 * A name, an address or a record could not be looked up.
 *
 * @since 0.1.0
 * @category errors
 */
export class DnsError extends Schema.TaggedError<DnsError>("@copas/core/SocketError/DnsError")("DnsError", {
  reason: DnsReason,
  /** The subject of the question: a name, or an address. */
  name: Schema.String,
  /** The kind of the question: `"address"`, `"name"`, or a record type such as `"MX"`. */
  query: Schema.String,
  /** If several name servers were asked: why each of them did not answer the question. */
  attempts: Schema.optional(Schema.Array(Schema.Struct({ server: Schema.String, reason: DnsReason }))),
  cause: Schema.optional(Schema.Defect)
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { attempts = [], cause, name, query, reason } = this
    const each = attempts.length === 0
      ? ""
      : ` (${attempts.map(({ reason, server }) => `${server}: ${reason}`).join(", ")})`
    const why = reason === "Unknown" ? Advice.unknown(cause) : dnsAdvice[reason]
    return `Could not look up the ${query} of ${name}: ${reason}: ${why}${each}`
  }
}
