import type { ServerContext } from "@copas/core/Tls"
import type { TlsError } from "@copas/core/TlsError"
import type { ClientOptions, CommonContextOptions, PresharedKey, ServerOptions } from "@copas/core/TlsOptions"
import type { TlsPlatform } from "@copas/core/TlsTransport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Tls from "node:tls"
import * as Certificates from "./certificates.js"
import { Refusal } from "./tlsErrors.js"
import { bad, common, dhparam, tryPart } from "./tlsMaterial.js"
import { Sessions } from "./tlsSessions.js"
import { upgrade } from "./tlsTransport.js"

/** What is built once for a client. */
export interface ClientNative {
  readonly secure: Tls.SecureContext
  readonly verify: "full" | "chain" | "none"
  readonly alpn: Array<string> | undefined
  readonly sessions: Sessions
  readonly psk: ((hint: string | null) => Tls.PSKCallbackNegotation | null) | undefined
  readonly maxDepth: number | undefined
  readonly requireCloseNotify: boolean
}

type ServerNames = ReadonlyMap<string, ServerContext>

interface ServerSettings {
  readonly requestCertificate: boolean
  readonly requireCertificate: boolean
  readonly verify: "chain" | "none"
  readonly alpn: Array<string> | undefined
  readonly chooseAlpn: ((offer: { servername: string; protocols: Array<string> }) => string | undefined) | undefined
  readonly nameRequired: boolean
  readonly chooseName:
    | ((name: string, done: (error: Error | null, context?: Tls.SecureContext) => void) => void)
    | undefined
  readonly psk: ((socket: Tls.TLSSocket, identity: string) => Uint8Array | null) | undefined
  readonly pskHint: string | undefined
  readonly maxDepth: number | undefined
  readonly requireCloseNotify: boolean
}

/** What is built once for a server. It can be replaced, so connections look into it when they begin. */
export interface ServerNative {
  secure: Tls.SecureContext
  material: Tls.SecureContextOptions
  settings: ServerSettings
}

const bytesOf = (value: Uint8Array | Redacted.Redacted<Uint8Array>): Uint8Array =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

// ---- checks

const checkAlpn = (
  protocols: ReadonlyArray<string> | undefined
): Effect.Effect<Array<string> | undefined, TlsError> => {
  if (protocols === undefined) return Effect.void as Effect.Effect<undefined>
  const fits = protocols.every((name) => {
    const { length } = Buffer.from(name)
    return length > 0 && length < 256
  })
  return fits && protocols.length > 0
    ? Effect.succeed([...protocols])
    : Effect.fail(bad("alpn", "each protocol takes 1 to 255 bytes, and there must be one", undefined))
}

/** A renegotiation is a way to make a server work (CVE-2011-1473), and TLS 1.3 has none. */
const noRenegotiation = Crypto.constants.SSL_OP_NO_RENEGOTIATION

/** Node's own list leaves out the ciphers that a pre-shared key needs up to TLS 1.2. */
const pskCiphers = (options: CommonContextOptions, hasPsk: boolean): CommonContextOptions =>
  hasPsk && options.ciphers === undefined ? { ...options, ciphers: Tls.DEFAULT_CIPHERS.replace(":!PSK", "") } : options

// ---- clients

const clientPsk = (psk: ClientOptions["psk"]): ClientNative["psk"] => {
  if (psk === undefined) return undefined
  const show = ({ identity, key }: PresharedKey): Tls.PSKCallbackNegotation => ({ identity, psk: bytesOf(key) })
  if (typeof psk !== "function") return () => show(psk)
  return (hint) =>
    Option.match(psk(Option.fromNullable(hint)), {
      onNone: () => null,
      onSome: show
    })
}

const clientContext = (options: ClientOptions): Effect.Effect<ClientNative, TlsError> =>
  Effect.gen(function*() {
    const material = yield* common(pskCiphers(options, options.psk !== undefined))
    const alpn = yield* checkAlpn(options.alpn)
    const secure = yield* tryPart(
      "ciphers",
      undefined,
      () => Tls.createSecureContext({ ...material, secureOptions: noRenegotiation })
    )
    return {
      secure,
      verify: options.verify ?? "full",
      alpn,
      sessions: new Sessions(options.sessions ?? 256),
      psk: clientPsk(options.psk),
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

// ---- servers

const native = (context: ServerContext): ServerNative => context.native as ServerNative

const nameTable = (names: ServerOptions["serverNames"]): ServerNames =>
  new Map(Object.entries(names ?? {}).map(([name, context]) => [name.toLowerCase().replace(/\.$/, ""), context]))

/** The context for a name: exact, or by a wildcard for the first label (RFC 6125, section 6.4.3). */
const findName = (table: ServerNames, name: string): ServerContext | undefined => {
  const asked = name.toLowerCase().replace(/\.$/, "")
  const dot = asked.indexOf(".")
  return table.get(asked) ?? (dot === -1 ? undefined : table.get(`*${asked.slice(dot)}`))
}

/** Node destroys the socket with what a callback throws; a mistake in one is still told as what it is. */
const serverPsk = (psk: ServerOptions["psk"]): ServerSettings["psk"] =>
  psk === undefined
    ? undefined
    : (_, identity) => Option.match(psk(identity), { onNone: () => null, onSome: bytesOf })

const serverSettings = (options: ServerOptions): Effect.Effect<ServerSettings, TlsError> =>
  Effect.gen(function*() {
    const { alpn, serverNames } = options
    const table = nameTable(serverNames)
    const refusing = options.unknownServerName === "refuse"
    return {
      requestCertificate: options.clientCertificates !== undefined && options.clientCertificates !== "none",
      requireCertificate: options.clientCertificates === "require",
      verify: options.verify ?? "chain",
      alpn: typeof alpn === "function" ? undefined : yield* checkAlpn(alpn),
      chooseAlpn: typeof alpn !== "function"
        ? undefined
        : ({ protocols, servername }) =>
          Option.getOrUndefined(
            alpn({ serverName: servername ? Option.some(servername) : Option.none(), protocols })
          ),
      nameRequired: refusing,
      chooseName: table.size === 0 && !refusing ? undefined : (name, done) => {
        const found = findName(table, name)
        if (found !== undefined) done(null, native(found).secure)
        else if (refusing) done(new Refusal({ reason: "UnknownServerName", detail: JSON.stringify(name) }))
        else done(null)
      },
      psk: serverPsk(options.psk),
      pskHint: options.pskHint,
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

const serverMaterial = (options: ServerOptions): Effect.Effect<Tls.SecureContextOptions, TlsError> =>
  Effect.gen(function*() {
    const { psk, tickets } = options
    if (options.identity === undefined && psk === undefined && options.serverNames === undefined) {
      return yield* bad("certificate", "a server needs an `identity`, or a pre-shared key", undefined)
    }
    const material: Tls.SecureContextOptions = {
      ...(yield* common(pskCiphers(options, psk !== undefined))),
      honorCipherOrder: true,
      // Without it OpenSSL refuses to resume sessions with client certificates.
      sessionIdContext: "copas",
      secureOptions: noRenegotiation | (tickets === false ? Crypto.constants.SSL_OP_NO_TICKET : 0)
    }
    const dh = yield* dhparam(options.dhparam)
    if (dh !== undefined) material.dhparam = dh
    if (tickets === undefined || tickets === false) return material
    if (tickets.keys !== undefined) {
      const keys = Redacted.value(tickets.keys)
      if (keys.length !== 48) return yield* bad("tickets", `48 bytes are needed, not ${keys.length}`, undefined)
      material.ticketKeys = Buffer.from(keys)
    }
    if (tickets.lifetime !== undefined) {
      const seconds = Math.floor(Duration.toSeconds(tickets.lifetime))
      // RFC 8446, section 4.6.1: seven days at most.
      if (!(seconds >= 1 && seconds <= 604_800)) {
        return yield* bad("tickets", "a lifetime of 1 second to 7 days", undefined)
      }
      material.sessionTimeout = seconds
    }
    return material
  })

const build = (material: Tls.SecureContextOptions): Effect.Effect<Tls.SecureContext, TlsError> =>
  tryPart("ciphers", undefined, () => Tls.createSecureContext(material))

const serverContext = (options: ServerOptions): Effect.Effect<ServerNative, TlsError> =>
  Effect.gen(function*() {
    const material = yield* serverMaterial(options)
    return { material, settings: yield* serverSettings(options), secure: yield* build(material) }
  })

/** Node's TLS behind the contract. */
export const platform: TlsPlatform = {
  clientContext,
  serverContext,
  replaceServer: (context, options) =>
    Effect.map(serverContext(options), (made) => {
      Object.assign(context as ServerNative, made)
    }),
  rotateTickets: (context) =>
    Effect.suspend(() => {
      const current = context as ServerNative
      const material = { ...current.material, ticketKeys: Crypto.randomBytes(48) }
      return Effect.map(build(material), (secure) => {
        Object.assign(current, { material, secure })
      })
    }),
  upgrade,
  certificates: Certificates.read
}
