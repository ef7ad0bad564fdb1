/** The options of an HTTP server, checked, with their defaults. */
import type { InvalidOption } from "@copas/core/SocketError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Limits, Options, Timeouts, WebSocketOptions } from "../../HttpServerOptions.js"
import { orFail } from "../effect/eithers.js"
import * as Values from "../optionValues.js"
import { clientReader, type ReadClient } from "./forwarded.js"

type Numbers<A> = { readonly [K in keyof A]-?: number }

/** What every connection of a server follows. Durations are milliseconds; `Infinity` is no limit. */
export interface Settings {
  readonly name: string
  readonly timeouts: Numbers<Timeouts>
  readonly limits: Numbers<Limits>
  readonly drain: number
  readonly http2: boolean | "clear"
  readonly serverHeader: string | undefined
  readonly webSocket: {
    readonly maxPayload: number
    readonly ping: number
    readonly origins: "same" | "any" | ReadonlyArray<string>
    readonly deflate: boolean
  }
  /** Reads what trusted proxies say; `undefined` where nobody is trusted. */
  readonly readClient: ReadClient | undefined
}

export const timeouts: Numbers<Timeouts> = {
  handshake: 10_000,
  headers: 10_000,
  body: 30_000,
  request: 300_000,
  handler: Infinity,
  idle: 75_000,
  send: 30_000
}

export const limits: Numbers<Limits> = {
  maxConnections: Infinity,
  maxConnectionsPerAddress: Infinity,
  maxRequestsPerConnection: Infinity,
  headerSize: 16 * 1024,
  headers: 100,
  uri: 8 * 1024,
  body: 10 * 1024 * 1024,
  streams: 100,
  streamResets: 200
}

const invalid = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(Values.invalid(option, value, expected))

const millis = (option: string, input: Duration.DurationInput): Effect.Effect<number, InvalidOption> =>
  orFail(Values.millis(option, input, 1))

const count = (option: string, value: number): Effect.Effect<number, InvalidOption> =>
  orFail(Values.count(option, value, 1))

const all = <K extends string, A>(
  option: string,
  defaults: { readonly [P in K]: number },
  given: { readonly [P in K]?: A | undefined } | undefined,
  check: (option: string, value: A) => Effect.Effect<number, InvalidOption>
): Effect.Effect<{ readonly [P in K]: number }, InvalidOption> =>
  Effect.gen(function*() {
    const checked: { [P in K]: number } = { ...defaults }
    for (const name of Object.keys(given ?? {}) as Array<K>) {
      if (!(name in defaults)) return yield* invalid(option, name, `one of ${Object.keys(defaults).join(", ")}`)
      const value = given![name]
      if (value !== undefined) checked[name] = yield* check(`${option}.${name}`, value)
    }
    return checked
  })

/** What a name or a field's value may consist of: RFC 9110, section 5.5. */
const isText = (value: unknown): value is string =>
  typeof value === "string" && /^[\u0021-\u007e](?:[\u0020-\u007e]*[\u0021-\u007e])?$/.test(value)

/** Node's parser counts in 32 bits. */
const largestHead = 2 ** 31 - 1

const webSocketOf = (options: WebSocketOptions): Effect.Effect<Settings["webSocket"], InvalidOption> =>
  Effect.gen(function*() {
    const { deflate = false, maxPayload = 1024 * 1024, origins = "same", ping = 30_000 } = options
    if (typeof deflate !== "boolean") return yield* invalid("webSocket.deflate", deflate, "a boolean")
    const isList = Array.isArray(origins) &&
      origins.every((origin) =>
        typeof origin === "string" && (origin === "null" || URL.canParse(origin) && new URL(origin).origin === origin)
      )
    if (origins !== "same" && origins !== "any" && !isList) {
      return yield* invalid("webSocket.origins", origins, `"same", "any", or origins such as "https://app.example"`)
    }
    return {
      maxPayload: yield* count("webSocket.maxPayload", maxPayload),
      ping: yield* millis("webSocket.ping", ping),
      origins,
      deflate
    }
  })

export const settingsOf = (options: Options): Effect.Effect<Settings, InvalidOption> =>
  Effect.gen(function*() {
    const { http2 = true, name = "http", serverHeader = false } = options
    if (!isText(name)) return yield* invalid("name", name, "a name of printable ASCII")
    if (serverHeader !== false && !isText(serverHeader)) {
      return yield* invalid("serverHeader", serverHeader, "false, or the value of a field")
    }
    if (typeof http2 !== "boolean" && http2 !== "clear") return yield* invalid("http2", http2, `a boolean, or "clear"`)
    const bounds = yield* all("limits", limits, options.limits, count)
    return {
      name,
      timeouts: yield* all("timeouts", timeouts, options.timeouts, millis),
      limits: { ...bounds, headerSize: Math.min(bounds.headerSize, largestHead) },
      drain: options.drain === undefined ? 30_000 : yield* millis("drain", options.drain),
      http2,
      serverHeader: serverHeader === false ? undefined : serverHeader,
      webSocket: yield* webSocketOf(options.webSocket ?? {}),
      readClient: yield* orFail(clientReader(options.trustProxy ?? false))
    }
  })
