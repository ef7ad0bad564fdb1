/** Where to connect and to listen: checks of hosts, ports, families and paths. */
import * as Effect from "effect/Effect"
import { type Family, familyOf, format, formatHostPort, unix } from "../../NetAddress.js"
import type { ListenTarget } from "../../NetPlatform.js"
import type { InvalidOption } from "../../SocketError.js"
import type { ConnectOptions, ListenOptions } from "../../SocketOptions.js"
import { count, invalid } from "../time/optionValues.js"

const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(invalid(option, value, expected))

export { count }

export const port = (option: string, value: number, least: number): Effect.Effect<number, InvalidOption> =>
  Number.isInteger(value) && value >= least && value <= 65535
    ? Effect.succeed(value)
    : refuse(option, value, `a whole number from ${least} to 65535`)

const text = (option: string, value: string, what: string): Effect.Effect<string, InvalidOption> =>
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  value === "" || /[\u0000-\u0020\u007f]/.test(value) && option !== "path" || value.includes("\u0000")
    ? refuse(option, value, what)
    : Effect.succeed(value)

export const hostOf = (value: string): Effect.Effect<string, InvalidOption> =>
  // A URL writes IPv6 in brackets (RFC 3986, section 3.2.2); take it as it comes.
  text("host", value.startsWith("[") && value.endsWith("]") ? value.slice(1, -1) : value, "a host name or an address")

interface Where {
  /** As errors show it. */
  readonly shown: string
  readonly transport: "tcp" | "unix"
  readonly path: string | undefined
  readonly host: string
  readonly port: number
  readonly family: Family | undefined
}

export const familyOption = (value: Family | undefined): Effect.Effect<Family | undefined, InvalidOption> =>
  value === undefined || value === "IPv4" || value === "IPv6"
    ? Effect.succeed(value)
    : refuse("family", value, `"IPv4" or "IPv6"`)

const whereOf = (
  options: ConnectOptions | ListenOptions,
  defaultHost: string,
  leastPort: number
): Effect.Effect<Where, InvalidOption> =>
  Effect.gen(function*() {
    if (options.path !== undefined) {
      const { path } = options
      // Linux writes an abstract name so: unix(7).
      yield* text("path", path.startsWith("\0") ? path.slice(1) : path, "a path without NUL, but to begin with")
      return { shown: format(unix(path)), transport: "unix", path, host: "", port: 0, family: undefined }
    }
    const host = yield* hostOf(options.host ?? defaultHost)
    const number = yield* port("port", options.port, leastPort)
    const family = yield* familyOption(options.family)
    return { shown: formatHostPort(host, number), transport: "tcp", path: undefined, host, port: number, family }
  })

export const localAddress = (value: string | undefined): Effect.Effect<string | undefined, InvalidOption> =>
  value === undefined || familyOf(value) !== undefined
    ? Effect.succeed(value)
    : refuse("localAddress", value, "a numeric address of this machine")

export interface ConnectWhere extends Where {
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
}

export const connectTarget = (options: ConnectOptions): Effect.Effect<ConnectWhere, InvalidOption> =>
  Effect.gen(function*() {
    const where = yield* whereOf(options, "localhost", 1)
    if (options.path !== undefined) return { ...where, localAddress: undefined, localPort: undefined }
    const { localPort } = options
    if (localPort !== undefined) yield* port("localPort", localPort, 0)
    return { ...where, localAddress: yield* localAddress(options.localAddress), localPort }
  })

export interface ListenWhere extends Where {
  readonly listening: Omit<ListenTarget, "address" | "options">
}

export const listenTarget = (options: ListenOptions): Effect.Effect<ListenWhere, InvalidOption> =>
  Effect.gen(function*() {
    const where = yield* whereOf(options, "127.0.0.1", 0)
    const backlog = yield* count("backlog", options.backlog ?? 511, 1)
    const inet = options.path === undefined ? options : undefined
    const { mode, takeOver } = options.path === undefined ? { mode: undefined, takeOver: undefined } : options
    if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
      return yield* refuse("mode", mode, "permissions, from 0 to 0o777")
    }
    return {
      ...where,
      listening: {
        backlog,
        ipv6Only: inet?.ipv6Only ?? false,
        reuseAddress: inet?.reuseAddress ?? true,
        reusePort: inet?.reusePort ?? false,
        mode,
        takeOver: takeOver ?? true
      }
    }
  })
