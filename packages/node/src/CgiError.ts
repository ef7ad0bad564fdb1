/**
 * Why a CGI script did not answer a request. Each error is a response, too: an `HttpApp` may fail with it, and the client gets
 * its status and nothing of its message.
 *
 * @since 0.2.0
 */
import * as ErrorSummary from "@copas/core/ErrorSummary"
import * as Respondable from "@effect/platform/HttpServerRespondable"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { STATUS_CODES } from "node:http"

const answer = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  Effect.succeed(HttpServerResponse.text(`${status} ${STATUS_CODES[status]}\n`, { status, headers }))

/**
 * The request reaches no script: there is none (404), it may not be run (403), the request is wrong (400), its length is not
 * known (411), it is too large (413), or the script would write its own status line (501).
 *
 * @since 0.2.0
 * @category errors
 */
export class CgiRefused extends Schema.TaggedError<CgiRefused>("@copas/node/CgiError/CgiRefused")("CgiRefused", {
  status: Schema.Literal(400, 403, 404, 411, 413, 501),
  /** The fault, and what would be right. */
  why: Schema.String
}) {
  static {
    ErrorSummary.summarize(this)
  }

  /**
   * Says what was refused, and why.
   *
   * @since 0.2.0
   */
  override get message(): string {
    return `no CGI script runs: ${this.why} (${this.status})`
  }

  /**
   * The response.
   *
   * @since 0.2.0
   */
  [Respondable.symbol]() {
    return answer(this.status)
  }
}

/**
 * As many scripts run as may at once, or the handler's scope has ended. The client gets 503 with `Retry-After: 1`.
 *
 * @since 0.2.0
 * @category errors
 */
export class CgiBusy extends Schema.TaggedError<CgiBusy>("@copas/node/CgiError/CgiBusy")("CgiBusy", {
  /** Scripts that run, those that are being ended among them. */
  running: Schema.Number
}) {
  static {
    ErrorSummary.summarize(this)
  }

  /**
   * Says how many run.
   *
   * @since 0.2.0
   */
  override get message(): string {
    return `${this.running} CGI scripts run: raise \`maxConcurrent\`, or ask again`
  }

  /**
   * The response.
   *
   * @since 0.2.0
   */
  [Respondable.symbol]() {
    return answer(503, { "retry-after": "1" })
  }
}

/** Codes that mean that the machine has no more of something now. */
const exhausted: ReadonlySet<string> = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT"])

/**
 * The system refused a process, or a file for the request's body. `ENOENT`: the interpreter that the script's first line names
 * is not there; `EACCES`: it may not be run; `E2BIG`: query, fields and `env` are too long together. The client gets 431 for
 * `E2BIG`, 503 where the machine has no more processes, descriptors, memory or disk, and else 500.
 *
 * @since 0.2.0
 * @category errors
 */
export class CgiSystemFailed
  extends Schema.TaggedError<CgiSystemFailed>("@copas/node/CgiError/CgiSystemFailed")("CgiSystemFailed", {
    operation: Schema.Literal("spawn", "spool"),
    script: Schema.String,
    /** The system's code, `ENOENT` for example. */
    code: Schema.String,
    cause: Schema.optional(Schema.Defect)
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  /**
   * Says what failed, and what to do.
   *
   * @since 0.2.0
   */
  override get message(): string {
    const advice = this.operation === "spool"
      ? "the request's body could not be kept in the folder for temporary files"
      : this.code === "ENOENT"
      ? "the interpreter that its first line names is not there"
      : this.code === "EACCES"
      ? "it may not be executed; make it executable, or name an `interpreter`"
      : this.code === "E2BIG"
      ? "query, fields and `env` are too long together"
      : "the system made no process"
    return `CGI script ${this.script}: ${this.code}: ${advice}`
  }

  /**
   * The response.
   *
   * @since 0.2.0
   */
  [Respondable.symbol]() {
    return answer(this.code === "E2BIG" ? 431 : exhausted.has(this.code) ? 503 : 500)
  }
}

/**
 * The script did not answer as RFC 3875 has it: its output has no head or a wrong one, it stood still (504), a signal ended it,
 * it wrote less than its Content-Length, it led in a circle, or the handler's scope ended. The client gets 502 or 504, or, where
 * the head has gone out, a connection that is cut.
 *
 * @since 0.2.0
 * @category errors
 */
export class CgiFailed extends Schema.TaggedError<CgiFailed>("@copas/node/CgiError/CgiFailed")("CgiFailed", {
  script: Schema.String,
  reason: Schema.Literal("BadHead", "Timeout", "Killed", "Truncated", "Redirects", "Closed"),
  /** The failure, and what to do. */
  why: Schema.String
}) {
  static {
    ErrorSummary.summarize(this)
  }

  /**
   * Says which script, and what it did.
   *
   * @since 0.2.0
   */
  override get message(): string {
    return `CGI script ${this.script}: ${this.why}`
  }

  /**
   * The response.
   *
   * @since 0.2.0
   */
  [Respondable.symbol]() {
    return answer(this.reason === "Timeout" ? 504 : this.reason === "Closed" ? 503 : 502)
  }
}

/**
 * Every error of `Cgi`.
 *
 * @since 0.2.0
 * @category errors
 */
export type CgiError = CgiRefused | CgiBusy | CgiSystemFailed | CgiFailed
