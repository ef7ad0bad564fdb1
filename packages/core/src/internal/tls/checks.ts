/** What options of TLS are checked for before anything is built or opened with them. */
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Redacted from "effect/Redacted"
import { InvalidOption } from "../../SocketError.js"
import type {
  ClientOptions,
  CommonContextOptions,
  ConnectTlsOptions,
  ServerOptions,
  TlsaRecord
} from "../../TlsContext.js"
import type { TlsPlatform } from "../../TlsTransport.js"
import { count } from "../time/optionValues.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { TlsContextTypeId } from "../typeIds.js"

const defaultTimeout = "10 seconds"

export const checkCommon = (options: CommonContextOptions): Effect.Effect<number, InvalidOption> => {
  const { maxDepth } = options
  const timeout = TimeoutOptions.millis("handshakeTimeout", options.handshakeTimeout ?? defaultTimeout)
  return maxDepth === undefined ? timeout : Effect.zipRight(count("maxDepth", maxDepth, 0), timeout)
}

/** What the platform keeps has keys in it: it is private, so that no log, no JSON and no inspection shows it. */
export class Context<R extends "client" | "server"> {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId = TlsContextTypeId
  readonly role: R
  readonly handshakeTimeoutMillis: number
  readonly #native: unknown
  readonly #platform: TlsPlatform
  constructor(role: R, handshakeTimeoutMillis: number, native: unknown, platform: TlsPlatform) {
    this.role = role
    this.handshakeTimeoutMillis = handshakeTimeoutMillis
    this.#native = native
    this.#platform = platform
  }
  get native(): unknown {
    return this.#native
  }
  isOf(platform: TlsPlatform): boolean {
    return this.#platform === platform
  }
  toJSON(): unknown {
    return {
      _id: "@copas/core/TlsContext",
      role: this.role,
      handshakeTimeoutMillis: this.handshakeTimeoutMillis
    }
  }
  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

const invalid = (option: string, value: string, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(new InvalidOption({ option, value, expected }))

/** Types forbid all of this; a program without them must not fail in the middle of a handshake instead. */
export const checkContext = (
  option: string,
  context: unknown,
  role: "client" | "server" | undefined,
  platform: TlsPlatform
): Effect.Effect<void, InvalidOption> => {
  const expected = role === "client"
    ? "a context for clients, made by `Tls.client`"
    : role === "server"
    ? "a context for servers, made by `Tls.server`"
    : "a context made by `Tls.client` or `Tls.server`"
  if (!(context instanceof Context)) return invalid(option, "something else", expected)
  if (role !== undefined && context.role !== role) return invalid(option, `a context for ${context.role}s`, expected)
  return context.isOf(platform)
    ? Effect.void
    : invalid(option, "a context of another network", "a context that was made with the same `Net`")
}

const checkServerNames = (
  names: ServerOptions["serverNames"],
  platform: TlsPlatform
): Effect.Effect<void, InvalidOption> => {
  if (names === undefined) return Effect.void
  if (typeof names !== "object" || names === null) return invalid("serverNames", String(names), "contexts by name")
  return Effect.forEach(
    Object.entries(names),
    ([name, context]) => checkContext(`serverNames[${JSON.stringify(name)}]`, context, "server", platform),
    { discard: true }
  )
}

const checkOneOf = (
  option: string,
  value: unknown,
  allowed: ReadonlyArray<string>
): Effect.Effect<void, InvalidOption> =>
  value === undefined || allowed.includes(value as string)
    ? Effect.void
    : invalid(option, JSON.stringify(value) ?? typeof value, allowed.map((one) => JSON.stringify(one)).join(" or "))

const checkFunction = (option: string, value: unknown, other: string): Effect.Effect<void, InvalidOption> =>
  value === undefined || typeof value === "function" ? Effect.void : invalid(option, typeof value, other)

export const checkClient = (options: ClientOptions): Effect.Effect<void, InvalidOption> => {
  const { alpn, identityRule, psk, sessions, verify } = options
  return Effect.all([
    checkOneOf("verify", verify, ["full", "chain", "none"]),
    checkOneOf("identityRule", identityRule, ["rfc9525", "rfc6125"]),
    alpn === undefined || Array.isArray(alpn) ? Effect.void : invalid("alpn", typeof alpn, "a list of protocols"),
    typeof psk === "object" && psk !== null ? Effect.void : checkFunction("psk", psk, "a key or a function"),
    sessions === undefined ? Effect.void : count("sessions", sessions, 0)
  ], { discard: true })
}

export const checkServer = (options: ServerOptions, platform: TlsPlatform): Effect.Effect<void, InvalidOption> => {
  const { alpn, clientCertificates, psk, serverNames, tickets, unknownServerName, verify } = options
  const lifetime = tickets === false ? undefined : tickets?.lifetime
  return Effect.all([
    lifetime === undefined ? Effect.void : TimeoutOptions.millis("tickets.lifetime", lifetime),
    checkOneOf("verify", verify, ["chain", "none"]),
    checkOneOf("clientCertificates", clientCertificates, ["none", "request", "require"]),
    checkOneOf("unknownServerName", unknownServerName, ["default", "refuse"]),
    Array.isArray(alpn) ? Effect.void : checkFunction("alpn", alpn, "a list of protocols or a function"),
    checkFunction("psk", psk, "a function"),
    checkServerNames(serverNames, platform)
  ], { discard: true })
}

const isByte = (value: unknown, most: number): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most

export const checkConnect = (
  { alpn, dane, session }: Omit<ConnectTlsOptions, "context">
): Effect.Effect<void, InvalidOption> => {
  if (alpn !== undefined && !(Array.isArray(alpn) && alpn.length > 0 && alpn.every(isProtocol))) {
    return invalid("alpn", JSON.stringify(alpn), "protocols of 1 to 255 bytes")
  }
  if (session !== undefined && !(Redacted.isRedacted(session) && Redacted.value(session) instanceof Uint8Array)) {
    return invalid("session", typeof session, "what `TlsConnection.session` gave")
  }
  if (dane === undefined) return Effect.void
  if (!Array.isArray(dane)) return invalid("dane", typeof dane, "a list of TLSA records")
  for (const [index, record] of (dane as ReadonlyArray<TlsaRecord | null | undefined>).entries()) {
    for (const field of ["usage", "selector", "matchingType"] as const) {
      const value: unknown = record?.[field]
      if (!isByte(value, 255)) return invalid(`dane[${index}].${field}`, String(value), "a whole number from 0 to 255")
    }
    const data: unknown = record?.data
    if (!(data instanceof Uint8Array)) return invalid(`dane[${index}].data`, typeof data, "a Uint8Array")
  }
  return Effect.void
}

const encoder = new TextEncoder()

const isProtocol = (name: unknown): boolean => {
  if (typeof name !== "string") return false
  const { length } = encoder.encode(name)
  return length > 0 && length < 256
}
