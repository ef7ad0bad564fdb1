/** The options of a client and of a request, checked, with what is the same for many requests made once. */
import type { Field, RouteLimits, WireTimeouts } from "@copas/core/HttpTransport"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { CommonOptions, CookieJar, Defaults, Expect, Retry, RetryOptions } from "../../HttpRequest.js"
import { Checks } from "../options.js"
import type { Credentials } from "./credentials.js"
import * as Auth from "./credentials.js"
import * as Fields from "./fields.js"
import type { Profiles, Routes } from "./route.js"
import { commonSecrets, type Hidden, read as readUrl } from "./url.js"

export interface RetryPolicy {
  readonly schedule: Schedule.Schedule<unknown, unknown>
  /** Milliseconds. */
  readonly maxRetryAfter: number
}

export interface Settings {
  /** What every request says: the defaults, and the caller's fields in place of them. */
  readonly fields: ReadonlyArray<Field>
  readonly auth: Credentials | undefined
  readonly redirect: boolean | "all"
  readonly maxRedirects: number
  /** The names of `keepHeaders`, in lower case. */
  readonly keep: ReadonlySet<string>
  readonly timeouts: WireTimeouts
  readonly total: number
  readonly profiles: Profiles
  /** Redirects from public hosts lead to public ones only: `addresses` is not set. */
  readonly isGuarded: boolean
  readonly cookies: CookieJar | undefined
  readonly retry: RetryPolicy | undefined
  readonly limits: { readonly body: number; readonly codings: number; readonly ratio: number }
  readonly routeLimits: RouteLimits
  readonly expect: ((status: number) => boolean) | undefined
  readonly decode: boolean
  readonly hidden: Hidden
  readonly propagateTo: "same" | "all" | ReadonlySet<string>
}

const classes: Readonly<Record<string, number>> = { "1xx": 1, "2xx": 2, "3xx": 3, "4xx": 4, "5xx": 5 }

const any = () => true
const successful = (status: number): boolean => status >= 200 && status < 300

/** Whether a status is expected. */
export const expecting = (expect: Expect): (status: number) => boolean => {
  if (expect === "any") return any
  if (expect === "2xx") return successful
  if (typeof expect === "function") return expect
  const parts: ReadonlyArray<number | string> = Array.isArray(expect) ? expect : [expect]
  return (status) =>
    parts.some((part) => typeof part === "number" ? part === status : Math.floor(status / 100) === classes[part])
}

const isExpect = (expect: Expect): boolean =>
  expect === "any" || typeof expect === "function" ||
  (Array.isArray(expect) ? expect : [expect]).every((part) =>
    typeof part === "number"
      ? Number.isInteger(part) && part >= 100 && part <= 999
      : typeof part === "string" && Object.hasOwn(classes, part)
  )

const tried = Schedule.exponential("500 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(3)))

const retryOf = (checks: Checks, retry: Retry): RetryPolicy | undefined => {
  if (retry === false) return undefined
  const minute = 60_000
  if (retry === true) return { schedule: tried, maxRetryAfter: minute }
  if (Schedule.isSchedule(retry)) {
    return { schedule: retry as Schedule.Schedule<unknown, unknown>, maxRetryAfter: minute }
  }
  const { maxRetryAfter, schedule = tried } = checks.parts("retry", retry as RetryOptions)
  if (!Schedule.isSchedule(schedule)) checks.refuse("retry.schedule", typeof schedule, "a schedule")
  return { schedule, maxRetryAfter: checks.millis("retry.maxRetryAfter", maxRetryAfter, minute) }
}

const isJar = (cookies: CookieJar): boolean =>
  typeof cookies === "object" && cookies !== null && typeof cookies.header === "function" &&
  typeof cookies.store === "function"

const dropped = (name: string): Fields.Checked => ({ fields: [], names: new Set([name]) })

const replaced = (name: string, value: string): Fields.Checked => ({ fields: [[name, value]], names: new Set([name]) })

/** The fields of the settings below, and of these options. */
const fieldsOf = (
  checks: Checks,
  options: CommonOptions & Pick<Defaults, "userAgent">,
  base: Settings | undefined,
  codings: string
): ReadonlyArray<Field> => {
  const encoding: Fields.Checked = codings === "" ? dropped("accept-encoding") : replaced("accept-encoding", codings)
  let fields: ReadonlyArray<Field> = base?.fields ?? [["accept", "*/*"], ...encoding.fields, ["user-agent", "copas"]]
  const value = (option: string, text: string): string => {
    const fault = Fields.valueFault(text)
    if (fault !== undefined) checks.refuse(option, "a text", `the value of a field: ${fault}`)
    return text
  }
  if (options.accept !== undefined) {
    fields = Fields.join(fields, replaced("accept", value("accept", options.accept)))
  }
  if (options.decode !== undefined && options.decode !== (base?.decode ?? true)) {
    fields = Fields.join(fields, options.decode ? encoding : dropped("accept-encoding"))
  }
  if (options.userAgent !== undefined) {
    const agent = options.userAgent
    fields = Fields.join(
      fields,
      agent === false ? dropped("user-agent") : replaced("user-agent", value("userAgent", agent))
    )
  }
  if (options.headers !== undefined) {
    const own = Fields.check(options.headers)
    if (Fields.isFault(own)) checks.refuse(own.field, "given", `a field that may be sent: ${own.reason}`)
    else fields = Fields.join(fields, own)
  }
  return fields
}

export type SettingsFailure = InvalidOption | UnsupportedOption | TlsError

/** What settings are made with. */
export interface Tools {
  readonly routes: Routes
  /** What `Accept-Encoding` says. */
  readonly codings: string
}

const routeOptions = ["addresses", "connector", "http2", "proxy", "serverName", "tls"] as const

/**
 * The settings that the options ask for; what they leave open is as in `base`. Without `base` they are those of a client.
 */
export const make = (
  options: Defaults,
  base: Settings | undefined,
  { codings, routes }: Tools
): Effect.Effect<Settings, SettingsFailure> =>
  Effect.suspend(() => {
    const checks = new Checks()
    const limits = checks.parts("limits", options.limits)
    const pool = checks.parts("pool", options.pool)
    const timeouts = checks.parts("timeouts", options.timeouts)
    const before = base?.timeouts
    const hasLimits = limits.head !== undefined || limits.fields !== undefined
    const routeLimits: RouteLimits = base !== undefined && !hasLimits ? base.routeLimits : {
      head: checks.count("limits.head", limits.head, base?.routeLimits.head ?? 65_536, 1),
      fields: checks.count("limits.fields", limits.fields, base?.routeLimits.fields ?? 1000, 1),
      connections: checks.count("pool.connections", pool.connections, base?.routeLimits.connections ?? 64, 1),
      idle: checks.millis("pool.idle", pool.idle, base?.routeLimits.idle ?? 4000)
    }
    const auth = options.auth === undefined ? base?.auth : Auth.make(options.auth)
    if (typeof auth === "string") checks.refuse("auth", "given", auth)
    if (options.cookies !== undefined && options.cookies !== false && !isJar(options.cookies)) {
      checks.refuse("cookies", typeof options.cookies, "a jar (`Cookies.jar`), or false")
    }
    if (options.expect !== undefined && !isExpect(options.expect)) {
      checks.refuse("expect", options.expect, `statuses, classes such as "2xx", "any", or a function`)
    }
    const settings: Omit<Settings, "profiles"> = {
      fields: fieldsOf(checks, options, base, codings),
      auth: typeof auth === "string" ? undefined : auth,
      redirect: checks.oneOf("redirect", options.redirect, base?.redirect ?? true, [true, false, "all"]),
      // Copas has no limit then; a loop needs one.
      maxRedirects: options.maxRedirects === false
        ? 50
        : checks.count("maxRedirects", options.maxRedirects, base?.maxRedirects ?? 5, 0),
      keep: options.keepHeaders === undefined
        ? base?.keep ?? new Set()
        : new Set(checks.names("keepHeaders", options.keepHeaders)),
      timeouts: base !== undefined && options.timeouts === undefined ? base.timeouts : {
        connect: checks.millis("timeouts.connect", timeouts.connect, before?.connect ?? 10_000),
        send: checks.millis("timeouts.send", timeouts.send, before?.send ?? 60_000),
        response: checks.millis("timeouts.response", timeouts.response, before?.response ?? 60_000),
        receive: checks.millis("timeouts.receive", timeouts.receive, before?.receive ?? 60_000)
      },
      total: checks.millis("timeouts.total", timeouts.total, base?.total ?? Infinity),
      isGuarded: options.addresses === undefined ? base?.isGuarded ?? true : false,
      cookies: options.cookies === undefined ? base?.cookies : options.cookies === false ? undefined : options.cookies,
      retry: options.retry === undefined ? base?.retry : retryOf(checks, options.retry),
      limits: base !== undefined && options.limits === undefined ? base.limits : {
        body: checks.limit("limits.body", limits.body, base?.limits.body ?? 16 * 1024 * 1024, 0),
        codings: checks.count("limits.codings", limits.codings, base?.limits.codings ?? 3, 0),
        ratio: checks.limit("limits.ratio", limits.ratio, base?.limits.ratio ?? 250, 1)
      },
      routeLimits,
      expect: options.expect === undefined || !isExpect(options.expect) ? base?.expect : expecting(options.expect),
      decode: options.decode ?? base?.decode ?? true,
      hidden: base?.hidden ?? hiddenOf(checks, options.redactQuery),
      propagateTo: base?.propagateTo ?? propagateTo(checks, options.propagateTo)
    }
    if (checks.fault !== undefined) return Effect.fail(checks.fault)
    const keepsRoutes = base !== undefined && routeLimits === base.routeLimits &&
      routeOptions.every((name) => options[name] === undefined)
    return keepsRoutes
      ? Effect.succeed({ ...settings, profiles: base.profiles })
      : Effect.map(routes.profiles(options, base?.profiles, routeLimits), (profiles) => ({ ...settings, profiles }))
  })

const hiddenOf = (checks: Checks, given: Defaults["redactQuery"]): Hidden =>
  given === "all" ? "all" : new Set([...commonSecrets, ...checks.names("redactQuery", given ?? [])])

const propagateTo = (checks: Checks, given: Defaults["propagateTo"]): Settings["propagateTo"] => {
  if (given === undefined || given === "same" || given === "all") return given ?? "same"
  if (given === "none") return new Set()
  const urls = Array.isArray(given) ? given.map(readUrl) : ["none"]
  if (urls.some((read) => typeof read === "string")) {
    checks.refuse("propagateTo", "given", `"same", "all", "none", or origins`)
  }
  return new Set(urls.flatMap((read) => typeof read === "string" ? [] : [read.url.origin]))
}
