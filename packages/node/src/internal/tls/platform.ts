/** `node:tls` as the platform below `Tls`: contexts and upgrades. */
import type { IdentityRule } from "@copas/core/PeerIdentity"
import type {
  AlpnOffer,
  ClientOptions,
  CommonContextOptions,
  PresharedKey,
  ServerContext,
  ServerOptions
} from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import * as TlsSettings from "@copas/core/TlsSettings"
import type { HandshakeEvents, TlsPlatform, TlsTransport, UpgradeRequest } from "@copas/core/TlsTransport"
import type { Transport } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Tls from "node:tls"
import { domainToASCII } from "node:url"
import { orFail } from "../effect/eithers.js"
import { NodeTransport } from "../net/transport.js"
import * as Certificates from "./certificates.js"
import { Refusal } from "./errors.js"
import { common, dhparam, probe } from "./material.js"
import { Sessions } from "./sessions.js"
import { upgrade } from "./transport.js"

/** The context of clients, built once. */
export interface ClientNative {
  readonly secure: Tls.SecureContext
  readonly verify: "full" | "chain" | "none"
  readonly alpn: Array<string> | undefined
  readonly sessions: Sessions
  readonly psk: ((hint: Option.Option<string>) => Option.Option<PresharedKey>) | undefined
  readonly identityRule: IdentityRule
  readonly maxDepth: number | undefined
  readonly requireCloseNotify: boolean
}

type ChooseContext = (error: Error | null, context?: Tls.SecureContext) => void

type ServerNames = ReadonlyMap<string, ServerContext>

/** What a server requires of its clients' certificates. */
export interface ClientPolicy {
  readonly requestCertificate: boolean
  readonly requireCertificate: boolean
  readonly verify: "chain" | "none"
  readonly maxDepth: number | undefined
}

interface ServerSettings extends ClientPolicy {
  /** `clientCertificates` was not set: as the context of a name, it follows the listener's policy. */
  readonly isPolicyOpen: boolean
  readonly alpn: Array<string> | undefined
  readonly chooseAlpn: ((offer: AlpnOffer) => Option.Option<string>) | undefined
  readonly nameRequired: boolean
  readonly names: ServerNames
  readonly chooseName: ((this: unknown, name: string, done: ChooseContext) => void) | undefined
  readonly psk: ServerOptions["psk"]
  readonly pskHint: string | undefined
  readonly requireCloseNotify: boolean
}

/** The context of servers, built once. It can be replaced, so each connection reads it when it begins. */
export interface ServerNative {
  secure: Tls.SecureContext
  /** It contains keys. */
  material: Redacted.Redacted<Tls.SecureContextOptions>
  /** False if it has only a pre-shared key. */
  hasCertificate: boolean
  settings: ServerSettings
}

/** A peer can make a server work by renegotiations (CVE-2011-1473); TLS 1.3 has none. */
const noRenegotiation = Crypto.constants.SSL_OP_NO_RENEGOTIATION

/** Node's own list leaves out the ciphers that a pre-shared key needs up to TLS 1.2. */
const pskCiphers = (options: CommonContextOptions, hasPsk: boolean): CommonContextOptions =>
  hasPsk && options.ciphers === undefined ? { ...options, ciphers: Tls.DEFAULT_CIPHERS.replace(":!PSK", "") } : options

const build = (material: Tls.SecureContextOptions): Effect.Effect<Tls.SecureContext, TlsError> =>
  probe("ciphers", "each of the settings can be used, but not all of them together; see `ciphers`", material)

// ---- clients

const clientPsk = (psk: ClientOptions["psk"]): ClientNative["psk"] =>
  psk === undefined || typeof psk === "function" ? psk : () => Option.some(psk)

const clientContext = (options: ClientOptions): Effect.Effect<ClientNative, TlsError> =>
  Effect.gen(function*() {
    const material = yield* common(pskCiphers(options, options.psk !== undefined))
    const alpn = yield* orFail(TlsSettings.checkAlpn(options.alpn))
    const { psk } = options
    if (psk !== undefined && typeof psk !== "function") {
      yield* orFail(TlsSettings.checkPsk("psk.key", psk.key))
      yield* orFail(TlsSettings.checkPsk("psk.identity", psk.identity))
    }
    const secure = yield* build({ ...material, secureOptions: noRenegotiation })
    return {
      secure,
      verify: options.verify ?? "full",
      alpn,
      sessions: new Sessions(options.sessions ?? 256),
      psk: clientPsk(options.psk),
      identityRule: options.identityRule ?? "rfc9525",
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

// ---- servers

const native = (context: ServerContext): ServerNative => context.native as ServerNative

/** The name as clients send it: ASCII, in lower case, without the root's dot (RFC 6066, section 3). */
const asAsked = (name: string): string => (domainToASCII(name) || name.toLowerCase()).replace(/\.$/, "")

const nameTable = (names: ServerOptions["serverNames"]): ServerNames =>
  new Map(Object.entries(names ?? {}).map(([name, context]) => [asAsked(name), context]))

/** The context for a name: exact, or by a wildcard for the first label (RFC 6125, section 6.4.3). */
const findName = (table: ServerNames, name: string): ServerContext | undefined => {
  const asked = name.toLowerCase().replace(/\.$/, "")
  const dot = asked.indexOf(".")
  return table.get(asked) ?? (dot === -1 ? undefined : table.get(`*${asked.slice(dot)}`))
}

const serverSettings = (options: ServerOptions): Effect.Effect<ServerSettings, TlsError> =>
  Effect.gen(function*() {
    const { alpn, pskHint, serverNames } = options
    if (pskHint !== undefined) yield* orFail(TlsSettings.checkPsk("pskHint", pskHint))
    const table = nameTable(serverNames)
    const refusing = options.unknownServerName === "refuse"
    return {
      isPolicyOpen: options.clientCertificates === undefined,
      requestCertificate: options.clientCertificates !== undefined && options.clientCertificates !== "none",
      requireCertificate: options.clientCertificates === "require",
      verify: options.verify ?? "chain",
      alpn: typeof alpn === "function" ? undefined : yield* orFail(TlsSettings.checkAlpn(alpn)),
      chooseAlpn: typeof alpn === "function" ? alpn : undefined,
      nameRequired: refusing,
      names: table,
      // Each connection has its own: see `accept`.
      chooseName: undefined,
      psk: options.psk,
      pskHint,
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

const serverMaterial = (options: ServerOptions): Effect.Effect<Tls.SecureContextOptions, TlsError> =>
  Effect.gen(function*() {
    const { psk, tickets } = options
    yield* orFail(TlsSettings.checkServer(options))
    const { keys, lifetimeSeconds } = yield* orFail(TlsSettings.checkTickets(tickets))
    const material: Tls.SecureContextOptions = {
      ...(yield* common(pskCiphers(options, psk !== undefined))),
      honorCipherOrder: true,
      // Without it OpenSSL refuses to resume sessions with client certificates.
      sessionIdContext: "copas",
      secureOptions: noRenegotiation | (tickets === false ? Crypto.constants.SSL_OP_NO_TICKET : 0)
    }
    const dh = yield* dhparam(options.dhparam)
    if (dh !== undefined) material.dhparam = dh
    // OpenSSL's own default is two hours.
    material.sessionTimeout = lifetimeSeconds
    if (keys !== undefined) material.ticketKeys = Buffer.from(keys)
    return material
  })

const serverContext = (options: ServerOptions): Effect.Effect<ServerNative, TlsError> =>
  Effect.gen(function*() {
    const material = yield* serverMaterial(options)
    return {
      material: Redacted.make(material),
      hasCertificate: material.cert !== undefined,
      settings: yield* serverSettings(options),
      secure: yield* build(material)
    }
  })

// ---- one connection

/** The parts of Node's binding to OpenSSL for which Node has no public call. */
interface WithNative {
  readonly ssl:
    | {
      readonly setVerifyMode?: (request: boolean, require: boolean) => void
      sni_context?: unknown
    }
    | null
}

const nativeOf = (socket: unknown): WithNative["ssl"] => (socket as WithNative).ssl

/** Contexts that were derived from others, by what they were derived for, for as long as both are reachable. */
const derived = new WeakMap<Tls.SecureContext, WeakMap<object, Tls.SecureContext>>()

const derive = (from: ServerNative, reason: object, changes: Tls.SecureContextOptions): Tls.SecureContext => {
  let made = derived.get(from.secure)
  if (made === undefined) derived.set(from.secure, made = new WeakMap())
  let secure = made.get(reason)
  if (secure === undefined) {
    made.set(reason, secure = Tls.createSecureContext({ ...Redacted.value(from.material), ...changes }))
  }
  return secure
}

const withoutTickets = {}

/**
 * The context that a connection begins with. OpenSSL resumes a session that was made under one name under any other,
 * because it looks at names too late: the session would carry a client's certificate over to a name whose authorities
 * never checked it. So if certificates are asked for under any name, there are no tickets.
 */
const initial = (server: ServerNative): Tls.SecureContext => {
  const { names, requestCertificate } = server.settings
  if (names.size === 0) return server.secure
  const isAsked = requestCertificate ||
    Array.from(names.values()).some((context) => native(context).settings.requestCertificate)
  if (!isAsked) return server.secure
  const secureOptions = (Redacted.value(server.material).secureOptions ?? 0) | Crypto.constants.SSL_OP_NO_TICKET
  return derive(server, withoutTickets, { secureOptions })
}

/** The context of a name. If it leaves clients' certificates to the listener, it also has the listener's authorities. */
const named = (server: ServerNative, found: ServerNative): Tls.SecureContext => {
  const { ca, crl } = Redacted.value(server.material)
  if (!found.settings.isPolicyOpen || Redacted.value(found.material).ca !== undefined || ca === undefined) {
    return found.secure
  }
  return derive(found, server.material, { ca, ...(crl === undefined ? {} : { crl }) })
}

/** Accepts with the connection's own settings, which the name that the client asks for may change. */
const accept = (transport: Transport, request: UpgradeRequest, events: HandshakeEvents): TlsTransport => {
  const server = request.context as ServerNative
  const { settings } = server
  const hasNames = settings.names.size > 0 || settings.nameRequired
  const own: ServerNative = hasNames ? { ...server, secure: initial(server) } : server
  if (hasNames) {
    own.settings = {
      ...settings,
      chooseName(name, done) {
        const context = findName(settings.names, name)
        if (context === undefined) {
          done(
            settings.nameRequired
              ? new Refusal({ reason: "UnknownServerName", detail: JSON.stringify(name) })
              : null
          )
          return
        }
        const found = native(context)
        if (!found.settings.isPolicyOpen) {
          const { maxDepth, requestCertificate, requireCertificate, verify } = found.settings
          const ssl = nativeOf(this)
          if (typeof ssl?.setVerifyMode !== "function") {
            done(new Refusal({ reason: "Unknown", detail: "the name's own settings cannot be applied" }))
            return
          }
          ssl.setVerifyMode(requestCertificate, requireCertificate)
          own.settings = { ...own.settings, maxDepth, requestCertificate, requireCertificate, verify }
        }
        done(null, named(server, found))
      }
    }
  }
  const made = upgrade(transport, hasNames ? { ...request, context: own } : request, events)
  // Up to TLS 1.2 a session keeps the name that it was made under only if the server accepts the name as soon as it comes.
  // With this set Node does so; otherwise a resumed session has no `serverName`, and a strict server refuses it.
  const ssl = made instanceof NodeTransport ? nativeOf(made.socket) : undefined
  if (ssl) ssl.sni_context = own.secure.context
  return made
}

/** Node's TLS as a `TlsPlatform`. */
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
      const material = { ...Redacted.value(current.material), ticketKeys: Crypto.randomBytes(48) }
      return Effect.map(build(material), (secure) => {
        Object.assign(current, { material: Redacted.make(material), secure })
      })
    }),
  upgrade: (transport, request, events) =>
    request.role === "server" ? accept(transport, request, events) : upgrade(transport, request, events),
  certificates: Certificates.read
}
