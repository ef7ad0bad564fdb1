/** Node's TLS sockets: makes them for a handshake, and reads what the peer showed when it is done. */
import { type Answer, askAlpn, askClientKey, askServerKey } from "@copas/core/TlsCallbacks"
import type { TlsaRecord } from "@copas/core/TlsContext"
import type { TlsFailure, UpgradeRequest } from "@copas/core/TlsTransport"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as NodeNet from "node:net"
import * as Tls from "node:tls"
import * as Certificates from "./certificates.js"
import type { Tap } from "./closeNotify.js"
import * as Dane from "./dane.js"
import type { ShownByClient, ShownByServer } from "./judging.js"
import type { ClientNative, ServerNative } from "./platform.js"
import { decodeSession, type KeptSession } from "./sessions.js"

/**
 * Node's binding to OpenSSL below a TLS socket. `tls.Server` reads the result of checking the client's chain in the same
 * way; a socket that is upgraded has no `tls.Server`.
 */
interface WithNative {
  readonly ssl: {
    readonly verifyError: () => (Error & { readonly code: string }) | null
    readonly receive?: (bytes: Uint8Array) => void
  } | null
}

export const nativeOf = (socket: Tls.TLSSocket): WithNative["ssl"] => (socket as unknown as WithNative).ssl

const verifyError = (socket: Tls.TLSSocket): string | undefined => {
  const ssl = nativeOf(socket)
  // If it cannot be read, the peer is not trusted.
  if (typeof ssl?.verifyError !== "function") return "UNSPECIFIED"
  const error = ssl.verifyError()
  return error === null || error === undefined ? undefined : error.code
}

/** The mistake of a program's function in the middle of a handshake. OpenSSL must not be torn down within its own call. */
export interface Mistakes {
  failure: TlsFailure | undefined
  hasShownPsk: boolean
}

// ---- before the handshake

export const daneOf = (request: UpgradeRequest): ReadonlyArray<TlsaRecord> =>
  request.dane === undefined ? [] : Dane.usable(request.dane)

/**
 * The session to offer. A server that resumes it counts as verified, and Node shows no certificate then. So no session is
 * offered that was made under another name (RFC 8446, section 4.6.1), or whose certificate does not suffice here, and
 * none at all if the certificate has to be checked.
 */
export const offerOf = (request: UpgradeRequest): KeptSession | undefined => {
  const { psk, identityRule, sessions, verify } = request.context as ClientNative
  if (daneOf(request).length > 0) return undefined
  const session = request.session === undefined
    ? request.sessionKey === undefined ? undefined : sessions.take(request.sessionKey)
    : decodeSession(request.session)
  if (session === undefined || session.name !== request.verifyName) return undefined
  if (verify === "none") return session
  if (session.certificate === undefined) return psk === undefined ? undefined : session
  return verify === "full" &&
      Certificates.identityProblem(session.certificate, session.name, identityRule) !== undefined
    ? undefined
    : session
}

/** The result of a program's function; a mistake of it is kept for the end of the handshake. */
const answered = <A>(mistakes: Mistakes, answer: Answer<A>): A | undefined => {
  if (Either.isRight(answer)) return Option.getOrUndefined(answer.right)
  mistakes.failure ??= answer.left
  return undefined
}

export const connect = (
  request: UpgradeRequest,
  session: KeptSession | undefined,
  socket: NodeNet.Socket | Tap,
  mistakes: Mistakes
): Tls.TLSSocket => {
  const context = request.context as ClientNative
  const isDane = daneOf(request).length > 0
  const alpn = request.alpn ?? context.alpn
  const options: Tls.ConnectionOptions = {
    socket: socket as NodeNet.Socket,
    secureContext: context.secure,
    // With TLSA records the chain is checked afterwards, because some records need no authority.
    rejectUnauthorized: context.verify !== "none" && !isDane,
    // `judgeServer` checks the name, by one rule on every platform.
    checkServerIdentity: () => undefined
  }
  if (request.verifyName !== undefined) options.host = request.verifyName
  if (request.serverName !== undefined) options.servername = request.serverName
  if (alpn !== undefined) options.ALPNProtocols = [...alpn]
  if (session !== undefined) options.session = Buffer.from(session.native)
  const { psk } = context
  if (psk !== undefined) {
    options.pskCallback = (hint) => {
      const shown = answered(mistakes, askClientKey(psk, Option.fromNullable(hint)))
      mistakes.hasShownPsk = shown !== undefined
      return shown === undefined ? null : { identity: shown.identity, psk: shown.key }
    }
  }
  return Tls.connect(options)
}

export const accept = (request: UpgradeRequest, socket: NodeNet.Socket | Tap, mistakes: Mistakes): Tls.TLSSocket => {
  const { secure, settings } = request.context as ServerNative
  const options: Tls.TLSSocketOptions & { pskCallback?: unknown; pskIdentityHint?: string; ALPNCallback?: unknown } = {
    isServer: true,
    secureContext: secure,
    requestCert: settings.requestCertificate,
    // OpenSSL fails the handshake if the client shows no certificate; one that it shows is checked afterwards.
    rejectUnauthorized: settings.requireCertificate
  }
  const { alpn, chooseAlpn, chooseName, psk, pskHint } = settings
  if (alpn !== undefined) options.ALPNProtocols = alpn
  if (chooseAlpn !== undefined) {
    options.ALPNCallback = ({ protocols, servername }: { servername?: string; protocols: Array<string> }) =>
      answered(
        mistakes,
        askAlpn(chooseAlpn, { serverName: servername ? Option.some(servername) : Option.none(), protocols })
      )
  }
  if (chooseName !== undefined) options.SNICallback = chooseName as never
  if (psk !== undefined) {
    options.pskCallback = (_: unknown, identity: string) => answered(mistakes, askServerKey(psk, identity)) ?? null
  }
  if (pskHint !== undefined) options.pskIdentityHint = pskHint
  return new Tls.TLSSocket(socket as NodeNet.Socket, options)
}

// ---- what the peer showed

/** `certificate` is the server's own, of this handshake or of the session that it resumed. */
export const shownByServer = (
  secured: Tls.TLSSocket,
  request: UpgradeRequest,
  certificate: Buffer | undefined,
  hasShownPsk: boolean
): ShownByServer => ({
  certificate,
  chain: () => Certificates.chainOf(secured.getPeerCertificate(true)),
  pkixCode: secured.authorized ? undefined : String(secured.authorizationError),
  host: request.verifyName ?? "",
  hasShownPsk,
  dane: daneOf(request)
})

export const shownByClient = (secured: Tls.TLSSocket, isAsked: boolean): ShownByClient => ({
  isShown: isAsked && Certificates.rawOf(secured.getPeerCertificate()) !== undefined,
  chain: () => Certificates.chainOf(secured.getPeerCertificate(true)),
  pkixCode: verifyError(secured)
})
