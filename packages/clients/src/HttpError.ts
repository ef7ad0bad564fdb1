/**
 * The errors of HTTP requests. Calls also fail with the errors of their connections: `ConnectError`, `TlsError`,
 * `ProxyError`, and `InvalidOption` and `UnsupportedOption` for options.
 *
 * There is one tag for each thing that a caller does differently. Each error has the method, the URL without user, password,
 * fragment and the values of `redactQuery`, and the number of redirects that led there. All are `Schema.TaggedError`s, so
 * they cross RPC and cluster boundaries. No text of a server decides which error it is.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import * as Errors from "./internal/errors.js"
import { adviceFor, again, at, isPassing, isRepeatable, late, refused, released } from "./internal/http/errorText.js"
import * as Retry from "./internal/retry.js"

const Phase = Schema.Literal("connect", "send", "response", "receive", "total")

/**
 * Where a request was: awaiting a connection, sending, awaiting the head of the answer, reading its body. `total` is all
 * of it.
 *
 * @since 0.2.0
 * @category models
 */
export type Phase = typeof Phase.Type

const where = {
  method: Schema.String,
  /** The URL of this hop, without its secrets. */
  url: Schema.String,
  /** How many redirects led here; 0 for the URL of the caller. */
  hop: Schema.Number,
  /**
   * True where a request that may be carried out once only, such as a POST, was, and a redirect then led to a GET. The
   * caller's request would carry it out again.
   */
  wasCarriedOut: Schema.optional(Schema.Boolean)
}

const moved = {
  /**
   * Bytes of the request that were handed to the connection, and bytes of the answer that came: head and body. Both are 0
   * of the phase `total`, which does not count them.
   */
  sent: Schema.Number,
  received: Schema.Number
}

/**
 * The request cannot be sent as it is: nothing of it was, except where `field` is `body` and the body is not as long as it
 * said.
 *
 * @since 0.2.0
 * @category errors
 */
export class InvalidRequest extends Errors.define<InvalidRequest>("HttpError")("InvalidRequest", {
  ...where,
  /** The part that is wrong: `url`, `method`, `body`, the name of an option, or `headers.` with the name of a field. */
  field: Schema.String,
  /** The fault, and what is right. */
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${at(this)}: \`${this.field}\` cannot be sent: ${this.reason}`
  }
}

/**
 * The program's own effect for a token failed: `cause` is what with. Nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class CredentialsFailed extends Errors.define<CredentialsFailed>("HttpError")("CredentialsFailed", {
  ...where,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${at(this)}: the effect of \`auth.token\` failed; nothing was sent`
  }
}

/**
 * The option `addresses` does not permit where the request, or a redirect of it, would go. Nothing was sent there.
 *
 * @since 0.2.0
 * @category errors
 */
export class AddressForbidden extends Errors.define<AddressForbidden>("HttpError")("AddressForbidden", {
  ...where,
  /** The host of the URL. */
  host: Schema.String,
  /** The addresses that were refused, where they are known. */
  addresses: Schema.Array(Schema.String),
  /** `redirect`: a public host sent the client to one that is not public, and `addresses` is not set. */
  reason: Schema.Literal("addresses", "redirect"),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const which = [this.host, ...this.addresses].join(", ")
    return this.reason === "redirect"
      ? `${at(this)}: a public host redirects to ${which}, which is not public; set \`addresses\` if that is wanted`
      : `${at(this)}: \`addresses\` does not permit ${which}`
  }
}

/**
 * A time-out expired; `phase` names which. A time-out of `connect` was before anything was sent; after the others the
 * server may have carried the request out.
 *
 * @since 0.2.0
 * @category errors
 */
export class HttpTimeout extends Errors.define<HttpTimeout>("HttpError")("HttpTimeout", {
  ...where,
  ...moved,
  phase: Phase,
  /** The time-out, in milliseconds. */
  after: Schema.Number,
  /** Of `connect`: what was tried. */
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same request may be sent again without being carried out twice. */
  get canRetry(): boolean {
    return isRepeatable(this) || this.phase === "connect" && this.wasCarriedOut !== true
  }
  override get message(): string {
    const bytes = this.phase === "total" ? "" : ` (${this.sent} bytes sent, ${this.received} received)`
    return `${at(this)}: ${late[this.phase]} within ${Math.round(this.after)} ms${bytes}; ` +
      `raise \`timeouts.${this.phase}\`, or try again later`
  }
}

/**
 * The connection ended or broke before the answer was whole.
 *
 * @since 0.2.0
 * @category errors
 */
export class ConnectionLost extends Errors.define<ConnectionLost>("HttpError")("ConnectionLost", {
  ...where,
  ...moved,
  phase: Phase,
  /** The connection had carried a request before: a server may close such a one at any time. */
  isReused: Schema.Boolean,
  /** Whether the same request may be sent again without being carried out twice: none of it was sent, or it is idempotent. */
  canRetry: Schema.Boolean,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const bytes = `${this.sent} bytes sent, ${this.received} received`
    return `${at(this)}: the connection was lost (${this.phase}): ${this.detail} (${bytes}); ${again(this.canRetry)}`
  }
}

/**
 * The server sent something that is no answer of HTTP (RFC 9112, RFC 9113). The connection is closed.
 *
 * @since 0.2.0
 * @category errors
 */
export class HttpProtocolViolation extends Errors.define<HttpProtocolViolation>("HttpError")("HttpProtocolViolation", {
  ...where,
  ...moved,
  /** The text that came. */
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${at(this)}: the server does not speak HTTP as it must: ${this.detail}; check host, port and scheme`
  }
}

/**
 * The head of the answer exceeds `limits.head` or `limits.fields`. The connection is closed.
 *
 * @since 0.2.0
 * @category errors
 */
export class HttpHeadTooLarge extends Errors.define<HttpHeadTooLarge>("HttpError")("HttpHeadTooLarge", {
  ...where,
  detail: Schema.String
}) {
  override get message(): string {
    return `${
      at(this)
    }: the head of the answer is too large: ${this.detail}; raise \`limits.head\` or \`limits.fields\``
  }
}

/**
 * The body of the answer exceeds a limit. The rest is not read, and the connection is closed.
 *
 * - `bytes`: a body in memory has more bytes than `limits.body`
 * - `ratio`: decoding made more than `limits.ratio` bytes of one, once more than 1 MiB came out
 *
 * @since 0.2.0
 * @category errors
 */
export class BodyTooLarge extends Errors.define<BodyTooLarge>("HttpError")("BodyTooLarge", {
  ...where,
  reason: Schema.Literal("bytes", "ratio"),
  limit: Schema.Number,
  /** Bytes of the body that came, and bytes that were made of them. */
  received: Schema.Number,
  decoded: Schema.Number
}) {
  override get message(): string {
    return this.reason === "bytes"
      ? `${at(this)}: the body has more than ${this.limit} bytes; raise \`limits.body\`, or read it as a stream`
      : `${at(this)}: the body grows more than ${this.limit} times by decoding (${this.received} bytes became ` +
        `${this.decoded}); raise \`limits.ratio\` if you trust the server`
  }
}

/**
 * The body of the answer ended before its end. What came of it is not to be taken for the whole.
 *
 * @since 0.2.0
 * @category errors
 */
export class BodyTruncated extends Errors.define<BodyTruncated>("HttpError")("BodyTruncated", {
  ...where,
  /** The bytes that were announced, where they were. */
  expected: Schema.optional(Schema.Number),
  /** The bytes of the body that came. */
  received: Schema.Number,
  detail: Schema.String,
  /** The file that keeps what came, if there is one. */
  partial: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same request may be sent again without being carried out twice. */
  get canRetry(): boolean {
    return isRepeatable(this)
  }
  override get message(): string {
    const of = this.expected === undefined ? "" : ` of ${this.expected}`
    const kept = this.partial === undefined ? "" : `; what came is in ${this.partial}`
    return `${at(this)}: the body was cut after ${this.received}${of} bytes: ${this.detail}${kept}; try again`
  }
}

/**
 * The body of the answer is not what its fields say: other bytes under a content coding, more than `limits.codings` of
 * them, or no JSON.
 *
 * @since 0.2.0
 * @category errors
 */
export class DecodeFailed extends Errors.define<DecodeFailed>("HttpError")("DecodeFailed", {
  ...where,
  /** `gzip`, `deflate`, `br`, `zstd`, or `json` and `text`. */
  coding: Schema.String,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const isText = this.coding === "json" || this.coding === "text"
    return `${at(this)}: the body cannot be read as ${this.coding}: ${this.detail}; ` +
      (isText ? "read it as bytes" : "`decode: false` gives it as it came")
  }
}

/**
 * The body of the answer can be read no more: it was read before, its scope has ended, or nobody began to read it in time.
 *
 * @since 0.2.0
 * @category errors
 */
export class BodyReleased extends Errors.define<BodyReleased>("HttpError")("BodyReleased", {
  ...where,
  reason: Schema.Literal("read", "scope", "unread")
}) {
  override get message(): string {
    return `${at(this)}: the body is gone: ${released[this.reason]}`
  }
}

/**
 * The server redirects more often than `maxRedirects` allows.
 *
 * @since 0.2.0
 * @category errors
 */
export class TooManyRedirects extends Errors.define<TooManyRedirects>("HttpError")("TooManyRedirects", {
  ...where,
  limit: Schema.Number,
  /** The URLs that were asked, in order, and the one that was not asked any more. */
  chain: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `${at(this)}: more than ${this.limit} redirects (… ${
      this.chain.slice(-3).join(" → ")
    }); raise \`maxRedirects\` if it is no loop`
  }
}

/**
 * A redirect is not followed, though redirects are.
 *
 * - `Insecure`: from `https:` to `http:`; `redirect: "all"` follows it
 * - `Method`: `redirect: true` does not repeat this method, and the call has no use for the 3xx itself
 * - `Body`: it asks for the body again, which is given once only (`Body.stream`)
 * - `Scheme`: to neither `http:` nor `https:`
 * - `Location`: several different ones, or no URL. Without one the 3xx is the answer
 *
 * @since 0.2.0
 * @category errors
 */
export class RedirectRefused extends Errors.define<RedirectRefused>("HttpError")("RedirectRefused", {
  ...where,
  reason: Schema.Literal("Insecure", "Method", "Body", "Scheme", "Location"),
  status: Schema.Number,
  /** Where it leads, without its secrets. */
  location: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${at(this)}: the redirect to ${JSON.stringify(this.location ?? "")} (${this.status}) is not followed: ${
      refused[this.reason]
    }`
  }
}

const decoder = new TextDecoder()

/**
 * The status of the answer is none of those that the caller expects: of `text`, `bytes`, `json` and `download` 2xx, of
 * other calls those of `expect`.
 *
 * @since 0.2.0
 * @category errors
 */
export class UnexpectedStatus extends Errors.define<UnexpectedStatus>("HttpError")("UnexpectedStatus", {
  ...where,
  status: Schema.Number,
  statusText: Schema.String,
  contentType: Schema.optional(Schema.String),
  /** The first 4 KiB of the body, decoded. They are the server's: it may repeat there what it was sent. */
  body: Schema.Uint8ArrayFromBase64,
  /** How long the server asks to wait (`Retry-After`), in milliseconds. */
  retryAfter: Schema.optional(Schema.Number)
}) {
  /** `body` as text (UTF-8). */
  get text(): string {
    return decoder.decode(this.body)
  }
  /** Whether the status says that it may pass (408, 425, 429, 500, 502, 503, 504), and the method may be repeated. */
  get canRetry(): boolean {
    return isPassing(this, this.status)
  }
  override get message(): string {
    return `${at(this)}: the server answered ${this.status} ${this.statusText}`.trimEnd() +
      `; ${adviceFor(this.status)}`
  }
}

/**
 * Every error of this module.
 *
 * @since 0.2.0
 * @category errors
 */
export type HttpError =
  | InvalidRequest
  | CredentialsFailed
  | AddressForbidden
  | HttpTimeout
  | ConnectionLost
  | HttpProtocolViolation
  | HttpHeadTooLarge
  | BodyTooLarge
  | BodyTruncated
  | DecodeFailed
  | BodyReleased
  | TooManyRedirects
  | RedirectRefused
  | UnexpectedStatus

/**
 * Whether the same request can succeed when it is sent again, and is not carried out twice: the connection could not be
 * made for a reason that may pass, or the method is idempotent (RFC 9110, section 9.2.2) and the failure may pass.
 *
 * @since 0.2.0
 * @category guards
 */
export const canRetry = (error: unknown): boolean => {
  const { _tag, canRetry } = (error ?? {}) as { _tag?: string; canRetry?: unknown }
  switch (_tag) {
    case "HttpTimeout":
    case "ConnectionLost":
    case "BodyTruncated":
    case "UnexpectedStatus":
      return canRetry === true
    default:
      return Retry.isPassing(error)
  }
}
