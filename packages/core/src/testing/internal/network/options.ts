/** Which socket options the network can set, and their values. */
import * as Duration from "effect/Duration"
import { names } from "../../../internal/socket/options.js"
import { invalid } from "../../../internal/time/optionValues.js"
import { type InvalidOption, UnsupportedOption } from "../../../SocketError.js"
import type { SocketOptions } from "../../../SocketOptions.js"

export const platformName = "NetMemory"

const noDevices: ReadonlySet<keyof SocketOptions> = new Set([
  "fastOpen",
  "deferAccept",
  "dontRoute",
  "bindToDevice"
])

const unsupportedOption = (option: keyof SocketOptions, isUnix: boolean): UnsupportedOption | undefined =>
  noDevices.has(option)
    ? new UnsupportedOption({ option, platform: platformName, why: "its hosts have neither SYN packets nor devices" })
    : isUnix && (option === "noDelay" || option.startsWith("keepAlive"))
    ? new UnsupportedOption({
      option,
      platform: platformName,
      why: "a Unix-domain socket has no packets to delay and no peer to probe"
    })
    : undefined

export const firstUnsupported = (options: SocketOptions, isUnix: boolean): UnsupportedOption | undefined => {
  for (const name of names) {
    const refusal = options[name] === undefined ? undefined : unsupportedOption(name, isUnix)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** What a connection's end has set. */
export class EndpointOptions {
  private options: SocketOptions
  private readonly isUnix: boolean

  constructor(options: SocketOptions, isUnix: boolean) {
    this.options = options
    this.isUnix = isUnix
  }

  set<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    const refusal = unsupportedOption(name, this.isUnix)
    if (refusal !== undefined) return refusal
    const expected = wrong(name, value)
    if (expected !== undefined) return invalid(name, value, expected)
    this.options = { ...this.options, [name]: value }
    return undefined
  }

  get<K extends keyof SocketOptions>(name: K, bufferSize: number): SocketOptions[K] | UnsupportedOption {
    if (noDevices.has(name)) return unsupportedOption(name, this.isUnix)!
    const values: SocketOptions = {
      noDelay: !this.isUnix,
      keepAlive: false,
      keepAliveInterval: "75 seconds",
      keepAliveCount: 9,
      sendBufferSize: bufferSize / 2,
      receiveBufferSize: bufferSize / 2
    }
    return this.options[name] ?? values[name]
  }

  bytes(name: "sendBufferSize" | "receiveBufferSize", bufferSize: number): number {
    const value = this.options[name]
    return value === undefined || !(value >= 1) ? bufferSize / 2 : value
  }

  /** How an idle connection is probed, in milliseconds; the defaults are Linux's. */
  get keepAlive(): { readonly idle: number; readonly interval: number; readonly count: number } | undefined {
    const { keepAlive = false, keepAliveCount = 9, keepAliveInterval = "75 seconds" } = this.options
    if (keepAlive === false || this.isUnix) return undefined
    return {
      idle: keepAlive === true ? 7_200_000 : Duration.toMillis(keepAlive),
      interval: Duration.toMillis(keepAliveInterval),
      count: keepAliveCount
    }
  }
}

const wrong = (name: keyof SocketOptions, value: unknown): string | undefined => {
  if (name === "noDelay") return typeof value === "boolean" ? undefined : "true or false"
  if (name === "keepAlive" && typeof value === "boolean") return undefined
  if (name === "keepAlive" || name === "keepAliveInterval") {
    const millis = Duration.toMillis(Duration.decode(value as Duration.DurationInput))
    return millis >= 1000 && Number.isFinite(millis) ? undefined : "at least one second, and finite"
  }
  return Number.isSafeInteger(value) && (value as number) >= 1 ? undefined : "a whole number, at least 1"
}
