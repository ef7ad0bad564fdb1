/** What a failure of undici's, of a socket or of the system means to an exchange. Nothing is told by the text of messages. */
import { type FailureKind, HttpTransportFailure, type Phase } from "@copas/core/HttpTransport"
import { SocketTimeout } from "@copas/core/SocketError"
import * as Predicate from "effect/Predicate"
import type { Duplex } from "node:stream"

/** Where an exchange was when it failed. */
export interface Where {
  readonly phase: Phase
  readonly sent: number
  readonly received: number
  /** Bytes of the answer's body that came. */
  readonly came: number
  readonly isReused: boolean
  /** The length that the answer announces for its body, if it does. */
  readonly announced: number | undefined
  /** The framing of the body tells its end: a length, chunks, or HTTP/2. */
  readonly isFramed: boolean
  readonly stream: Duplex | undefined
  readonly isMultiplexed: boolean
}

/** A connection that closed before the request was given to it: nothing was sent, so another one may have it. */
export const unusedCode = "COPAS_CONNECTION_UNUSED"

const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : ""

/** undici expects the body of an answer that has none, 304 for example, to be as long as its field says. */
export const isLengthOnly = (error: unknown): boolean => codeOf(error) === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"

export const isUnused = (error: unknown): boolean => codeOf(error) === unusedCode

export const make = (
  where: Where,
  kind: FailureKind,
  detail: string,
  rest: { readonly expected?: number | undefined; readonly cause?: unknown } = {}
): HttpTransportFailure =>
  new HttpTransportFailure({
    kind,
    phase: where.phase,
    detail,
    sent: where.sent,
    received: kind === "Truncated" ? where.came : where.received,
    isReused: where.isReused,
    expected: rest.expected,
    cause: rest.cause
  })

const endedEarly = "the connection ended before the body did"

/** undici's own codes. */
const byCode: Readonly<Record<string, readonly [kind: FailureKind, detail: string]>> = {
  UND_ERR_HEADERS_OVERFLOW: ["HeadTooLarge", "the fields are longer than the limit"],
  // undici asserts what servers should do.
  ERR_ASSERTION: ["Violation", "the answer does not match the protocol"],
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: ["BodyLength", "the body is not as long as it said"],
  UND_ERR_INVALID_ARG: ["Refused", "undici cannot send such a request"],
  UND_ERR_NOT_SUPPORTED: ["Refused", "undici does not send the field Expect"],
  UND_ERR_DESTROYED: ["Closed", "the transport's scope has ended"],
  UND_ERR_CLOSED: ["Closed", "the transport's scope has ended"]
}

export const lost = (where: Where, detail: string, cause: unknown): HttpTransportFailure =>
  where.phase === "receive" && where.isFramed
    ? make(where, "Truncated", detail, { expected: where.announced, cause })
    : make(where, "Lost", detail, { cause })

/**
 * The beginning of what came in place of an answer, made printable. What stands further behind is not shown, and is taken
 * out of the error: there may be secrets in fields.
 */
const shown = (where: Where, error: unknown): string => {
  if (!Predicate.hasProperty(error, "data") || typeof error.data !== "string") return ""
  const { data } = error
  // The error becomes a `cause`, and programs print those whole.
  error.data = undefined
  const line = data.length >= where.received ? data.slice(0, 24).split(/[\r\n]/)[0]! : ""
  return line === "" ? "" : `: ${JSON.stringify(line)}`
}

export const of = (where: Where, error: unknown): HttpTransportFailure => {
  const code = codeOf(error)
  const known = byCode[code]
  if (known !== undefined) {
    const isOwn = known[0] === "Refused" && error instanceof Error
    return make(where, known[0], isOwn ? `${known[1]}: ${error.message}` : known[1], { cause: error })
  }
  // undici means to give these the codes of its parser, HPE_…, and gives them none (7.30).
  if (error instanceof Error && (error.name === "HTTPParserError" || code.startsWith("HPE_"))) {
    const beginning = shown(where, error)
    if (where.stream?.readableEnded === true) return lost(where, endedEarly, error)
    return make(where, "Violation", `${error.message}${beginning}`, { cause: error })
  }
  switch (code) {
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
      // undici says it of every wrong byte after a length: in the head that is no length of a body.
      return where.phase === "receive"
        ? lost(where, endedEarly, error)
        : make(where, "Violation", "the fields of the head do not agree on the body's length", { cause: error })
    case "UND_ERR_SOCKET": {
      const { isMultiplexed, stream } = where
      if (stream === undefined || isMultiplexed || stream.readableEnded || stream.errored !== error) {
        return lost(where, "the server closed the connection", error)
      }
      return make(where, "Violation", "an answer that nobody asked for: before the request, or of status 100 or 101", {
        cause: error
      })
    }
  }
  if (error instanceof SocketTimeout) {
    return make(where, "TimedOut", error.operation, { expected: error.afterMillis, cause: error })
  }
  return lost(where, code === "" ? "the connection broke" : `the connection broke (${code})`, error)
}
