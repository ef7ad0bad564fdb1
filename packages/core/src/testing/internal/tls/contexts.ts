/** Contexts of the stand-in: the checked material of clients and servers. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { IdentityRule } from "../../../PeerIdentity.js"
import type { AlpnOffer, ClientOptions, PresharedKey, ServerContext, ServerOptions } from "../../../TlsContext.js"
import type { TlsError } from "../../../TlsError.js"
import { bad } from "./certificates.js"
import { checkDhparam, common, type CommonMaterial } from "./material.js"
import { Sessions } from "./sessions.js"
import { mix } from "./sha.js"
import { byteLength } from "./text.js"

/** What is built once for a client. */
export interface ClientNative extends CommonMaterial {
  readonly verify: "full" | "chain" | "none"
  readonly alpn: ReadonlyArray<string>
  readonly sessions: Sessions
  readonly identityRule: IdentityRule
  readonly hasPsk: boolean
  readonly psk: (hint: Option.Option<string>) => Option.Option<PresharedKey>
}

export interface ServerSettings extends CommonMaterial {
  readonly clientCertificates: "none" | "request" | "require"
  readonly verify: "chain" | "none"
  readonly chooseAlpn: ((offer: AlpnOffer) => Option.Option<string>) | undefined
  readonly names: ReadonlyMap<string, ServerContext>
  readonly refusesUnknown: boolean
  readonly hasDhparam: boolean
  readonly psk: ServerOptions["psk"]
  readonly pskHint: string | undefined
  /** `undefined` gives no tickets. */
  readonly ticketLifetime: number | undefined
}

/** What is built once for a server. It can be replaced, so connections look into it when they begin. */
export interface ServerNative {
  settings: ServerSettings
  /** What tickets are sealed with. */
  seal: Uint8Array
}

export const bytesOf = (value: Uint8Array | Redacted.Redacted<Uint8Array>): Uint8Array =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const checkAlpn = (
  protocols: ReadonlyArray<string> | undefined
): Effect.Effect<ReadonlyArray<string>, TlsError> => {
  if (protocols === undefined) return Effect.succeed([])
  const fits = protocols.every((name) => name.length > 0 && byteLength(name) < 256)
  return fits && protocols.length > 0
    ? Effect.succeed([...protocols])
    : Effect.fail(bad("alpn", "each protocol takes 1 to 255 bytes, and there must be one"))
}

export const clientContext = (options: ClientOptions): Effect.Effect<ClientNative, TlsError> =>
  Effect.gen(function*() {
    const { psk } = options
    return {
      ...(yield* common(options, psk !== undefined)),
      verify: options.verify ?? "full",
      alpn: yield* checkAlpn(options.alpn),
      sessions: new Sessions(options.sessions ?? 256),
      identityRule: options.identityRule ?? "rfc9525",
      hasPsk: psk !== undefined,
      psk: typeof psk === "function" ? psk : () => Option.fromNullable(psk)
    }
  })

// ---- servers

const nameTable = (names: ServerOptions["serverNames"]): ReadonlyMap<string, ServerContext> =>
  new Map(Object.entries(names ?? {}).map(([name, context]) => [name.toLowerCase().replace(/\.$/, ""), context]))

/** The context for a name: exact, or by a wildcard for the first label (RFC 6125, section 6.4.3). */
export const findName = (table: ReadonlyMap<string, ServerContext>, name: string): ServerContext | undefined => {
  const asked = name.toLowerCase().replace(/\.$/, "")
  const dot = asked.indexOf(".")
  return table.get(asked) ?? (dot === -1 ? undefined : table.get(`*${asked.slice(dot)}`))
}

/** The server's order decides. */
const fromList = (list: ReadonlyArray<string>) => ({ protocols }: AlpnOffer): Option.Option<string> =>
  Option.fromNullable(list.find((name) => protocols.includes(name)))

const longestLifetime = 604_800

const lifetimeOf = (tickets: ServerOptions["tickets"]): Effect.Effect<number | undefined, TlsError> => {
  if (tickets === false) return Effect.void as Effect.Effect<undefined>
  const seconds = Math.floor(Duration.toSeconds(tickets?.lifetime ?? "5 minutes"))
  // RFC 8446, section 4.6.1: seven days at most.
  return seconds >= 1 && seconds <= longestLifetime
    ? Effect.succeed(seconds * 1000)
    : Effect.fail(bad("tickets", "a lifetime of 1 second to 7 days"))
}

const settingsOf = (options: ServerOptions): Effect.Effect<ServerSettings, TlsError> =>
  Effect.gen(function*() {
    const { alpn, psk } = options
    if (options.identity === undefined && psk === undefined && options.serverNames === undefined) {
      return yield* bad("certificate", "a server needs an `identity`, or a pre-shared key")
    }
    const material = yield* common(options, psk !== undefined)
    yield* checkDhparam(options.dhparam)
    return {
      ...material,
      clientCertificates: options.clientCertificates ?? "none",
      verify: options.verify ?? "chain",
      chooseAlpn: typeof alpn === "function"
        ? alpn
        : alpn === undefined
        ? undefined
        : fromList(yield* checkAlpn(alpn)),
      names: nameTable(options.serverNames),
      refusesUnknown: options.unknownServerName === "refuse",
      hasDhparam: options.dhparam !== undefined,
      psk,
      pskHint: options.pskHint,
      ticketLifetime: yield* lifetimeOf(options.tickets)
    }
  })

/** @param random what tickets are sealed with where the options do not say */
export const serverContext = (
  options: ServerOptions,
  random: () => Uint8Array
): Effect.Effect<ServerNative, TlsError> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const keys = options.tickets === false || options.tickets?.keys === undefined
      ? undefined
      : Redacted.value(options.tickets.keys)
    if (keys !== undefined && keys.length !== 48) {
      return yield* bad("tickets", `48 bytes are needed, not ${keys.length}`)
    }
    return { settings, seal: keys === undefined ? random() : mix("ticket keys", keys) }
  })
