/** Contexts of the stand-in: the checked material of clients and servers. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { orFail } from "../../../internal/effect/eithers.js"
import type { IdentityRule } from "../../../PeerIdentity.js"
import type { AlpnOffer, ClientOptions, PresharedKey, ServerContext, ServerOptions } from "../../../TlsContext.js"
import type { TlsError } from "../../../TlsError.js"
import * as TlsSettings from "../../../TlsSettings.js"
import { checkDhparam, common, type CommonMaterial } from "./material.js"
import { Sessions } from "./sessions.js"
import { mix } from "./sha.js"

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

export const clientContext = (options: ClientOptions): Effect.Effect<ClientNative, TlsError> =>
  Effect.gen(function*() {
    const { psk } = options
    if (psk !== undefined && typeof psk !== "function") {
      yield* orFail(TlsSettings.checkPsk("psk.key", psk.key))
      yield* orFail(TlsSettings.checkPsk("psk.identity", psk.identity))
    }
    return {
      ...(yield* orFail(common(options, psk !== undefined))),
      verify: options.verify ?? "full",
      alpn: (yield* orFail(TlsSettings.checkAlpn(options.alpn))) ?? [],
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

const settingsOf = (options: ServerOptions): Effect.Effect<ServerSettings, TlsError> =>
  Effect.gen(function*() {
    const { alpn, psk } = options
    yield* orFail(TlsSettings.checkServer(options))
    const { lifetimeSeconds } = yield* orFail(TlsSettings.checkTickets(options.tickets))
    if (options.pskHint !== undefined) yield* orFail(TlsSettings.checkPsk("pskHint", options.pskHint))
    const material = yield* orFail(common(options, psk !== undefined))
    yield* orFail(checkDhparam(options.dhparam))
    return {
      ...material,
      clientCertificates: options.clientCertificates ?? "none",
      verify: options.verify ?? "chain",
      chooseAlpn: typeof alpn === "function"
        ? alpn
        : alpn === undefined
        ? undefined
        : fromList((yield* orFail(TlsSettings.checkAlpn(alpn))) ?? []),
      names: nameTable(options.serverNames),
      refusesUnknown: options.unknownServerName === "refuse",
      hasDhparam: options.dhparam !== undefined,
      psk,
      pskHint: options.pskHint,
      ticketLifetime: options.tickets === false ? undefined : lifetimeSeconds * 1000
    }
  })

/** @param random what tickets are sealed with where the options do not say */
export const serverContext = (
  options: ServerOptions,
  random: () => Uint8Array
): Effect.Effect<ServerNative, TlsError> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const { keys } = yield* orFail(TlsSettings.checkTickets(options.tickets))
    return { settings, seal: keys === undefined ? random() : mix("ticket keys", keys) }
  })
