/** The plan of a request: its target read and checked, before anything is sent. */
import type { Field, WireBody, WireRequest, WireTimeouts } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { Body } from "../../Body.js"
import { isReplayable } from "../../Body.js"
import { InvalidRequest } from "../../HttpError.js"
import type { Range, RequestOptions, Target } from "../../HttpRequest.js"
import { textOf } from "../options.js"
import { isTagged } from "./body.js"
import * as Auth from "./credentials.js"
import * as Fields from "./fields.js"
import { encode } from "./parameters.js"
import * as Settings from "./settings.js"
import * as Urls from "./url.js"

/**
 * This and `Sent` are classes because they are held while the answer is awaited. Of literals that outlive a collection V8
 * (in Node 20) learns to allocate the next ones among the old objects, and what those lead to is kept until the old ones
 * are collected: a tenth of the CPU time of small requests.
 */
export class Plan<E, R> {
  readonly settings: Settings.Settings
  readonly method: string
  /** Without user and password. */
  readonly url: URL
  /** What the first hop says, without credentials and cookies. */
  readonly fields: ReadonlyArray<Field>
  readonly auth: Auth.Credentials | undefined
  readonly body: Body<E, R> | undefined

  constructor(
    settings: Settings.Settings,
    method: string,
    url: URL,
    fields: ReadonlyArray<Field>,
    auth: Auth.Credentials | undefined,
    body: Body<E, R> | undefined
  ) {
    this.settings = settings
    this.method = method
    this.url = url
    this.fields = fields
    this.auth = auth
    this.body = body
  }
}

/** What a hop sends. */
export class Sent<E> implements WireRequest<E> {
  readonly method: string
  readonly url: URL
  readonly fields: ReadonlyArray<Field>
  readonly body: WireBody<E> | undefined
  readonly timeouts: WireTimeouts
  readonly isRepeated: boolean

  constructor(
    method: string,
    url: URL,
    fields: ReadonlyArray<Field>,
    body: WireBody<E> | undefined,
    timeouts: WireTimeouts,
    isRepeated: boolean
  ) {
    this.method = method
    this.url = url
    this.fields = fields
    this.body = body
    this.timeouts = timeouts
    this.isRepeated = isRepeated
  }
}

const none = {}

/** Options that are the request's alone: one without any other has the settings of its client. */
const alone: ReadonlySet<string> = new Set<keyof RequestOptions | "url">([
  "url",
  "method",
  "headers",
  "auth",
  "body",
  "query",
  "range"
])

const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** What the field `Range` says. */
const rangeOf = (range: Range): string | undefined => {
  if (typeof range !== "object" || range === null) return undefined
  if ("last" in range) return isIndex(range.last) ? `bytes=-${range.last}` : undefined
  const { end, start } = range
  const isRange = isIndex(start) && (end === undefined || isIndex(end) && end >= start)
  return isRange ? `bytes=${start}-${end ?? ""}` : undefined
}

export const known: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"])

const isBody = (body: unknown): boolean => typeof body === "string" || body instanceof Uint8Array || isTagged(body)

/** Reads a target: at once, if it has no option that takes an effect. */
export const make = <E, R>(
  target: Target<E, R>,
  base: Settings.Settings,
  tools: Settings.Tools
): Plan<E, R> | Effect.Effect<Plan<E, R>, InvalidRequest | Settings.SettingsFailure> => {
  const isUrl = typeof target === "string" || target instanceof URL
  if (isUrl) {
    const read = Urls.read(target)
    if (typeof read !== "string" && read.login === undefined) {
      return plain(base, "GET", read.url, undefined)
    }
  }
  const options = (isUrl || typeof target !== "object" || target === null ? none : target) as RequestOptions<E, R>
  const given: unknown = isUrl ? target : (target as { readonly url?: unknown } | undefined)?.url
  const asked: unknown = options.method ?? (options.body === undefined ? "GET" : "POST")
  const name = textOf(asked)
  const upper = name.toUpperCase()
  const method = known.has(upper) ? upper : name
  const read = Urls.read(given as string | URL)

  const refuse = (field: string, reason: string) =>
    Effect.fail(
      new InvalidRequest({
        method: Fields.methodFault(asked) === undefined ? method : "?",
        url: typeof read === "string" ? Urls.showUnread(textOf(given)) : Urls.show(read.url, base.hidden),
        hop: 0,
        field,
        reason
      })
    )

  const wrongMethod = Fields.methodFault(asked)
  if (wrongMethod !== undefined) return refuse("method", wrongMethod)
  if (typeof read === "string") return refuse("url", read)
  const { login, url } = read
  const login_ = login === undefined ? undefined : Auth.basic(login.user, Redacted.value(login.password))
  if (typeof login_ === "string") return refuse("url", login_)
  if (options === none) return plain(base, method, url, login_)

  const own = options.headers === undefined ? undefined : Fields.check(options.headers)
  if (own !== undefined && Fields.isFault(own)) return refuse(own.field, own.reason)
  const wrongAccept = options.accept === undefined ? undefined : Fields.valueFault(options.accept)
  if (wrongAccept !== undefined) return refuse("accept", wrongAccept)
  const auth = options.auth === undefined ? undefined : Auth.make(options.auth)
  if (typeof auth === "string") return refuse("auth", auth)
  const { body, query, range } = options
  if (body !== undefined && !isBody(body)) {
    return refuse("body", "it is neither text nor bytes nor a body of the module Body")
  }
  if (query !== undefined) {
    if (typeof query !== "object" || query === null) return refuse("query", "it is neither a record nor pairs")
    const encoded = Either.try(() => encode(query).toString())
    if (Either.isLeft(encoded)) return refuse("query", "it has what is no pair, or what makes no text")
    Urls.addQuery(url, encoded.right)
  }
  const bytes = range === undefined ? undefined : rangeOf(range)
  if (range !== undefined && bytes === undefined) {
    return refuse("range", "it is { start, end } or { last }, in whole bytes; `end` is included")
  }
  if (options.retry && body !== undefined && !isReplayable(body as Body<unknown, unknown>)) {
    return refuse("retry", "the body can be given once only; use `Body.from` or `Body.file`")
  }

  const planned = (settings: Settings.Settings): Plan<E, R> => {
    let fields = settings.fields
    // What comes is a part of the coded bytes, which cannot be decoded by itself.
    if (bytes !== undefined) {
      const names = new Set(["range", "accept-encoding"])
      fields = Fields.join(fields, { fields: [["range", bytes], ["accept-encoding", "identity"]], names })
    }
    if (own !== undefined) fields = Fields.join(fields, own)
    return new Plan(settings, method, url, fields, auth ?? login_ ?? settings.auth, body)
  }
  const isPlain = Object.entries(options).every(([name, value]) => value === undefined || alone.has(name))
  if (isPlain) return planned(base)
  const { auth: _, headers: __, ...others } = options
  return Effect.map(Settings.make(others, base, tools), planned)
}

const plain = <E, R>(
  settings: Settings.Settings,
  method: string,
  url: URL,
  login: Auth.Credentials | undefined
): Plan<E, R> => new Plan(settings, method, url, settings.fields, login ?? settings.auth, undefined)
