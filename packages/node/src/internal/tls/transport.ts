import { format, type NetAddress } from "@copas/core/NetAddress"
import type { TlsaRecord } from "@copas/core/TlsContext"
import { TlsError } from "@copas/core/TlsError"
import type { HandshakeEvents, TlsFailure, TlsTransport, UpgradeRequest } from "@copas/core/TlsTransport"
import type { Events, Failure, Transport } from "@copas/core/Transport"
import type * as NodeNet from "node:net"
import * as Tls from "node:tls"
import { toFailure } from "../net/errno.js"
import { NodeTransport, transportOf } from "../net/transport.js"
import * as Certificates from "./certificates.js"
import { Tap } from "./closeNotify.js"
import { NodeTlsConnection } from "./connection.js"
import * as Dane from "./dane.js"
import { codeOf, isTlsCode, reasonOf, Refusal, toTlsFailure } from "./errors.js"
import type { ClientNative, ServerNative } from "./platform.js"
import { certificateOf } from "./sessions.js"

/**
 * What Node keeps of OpenSSL below a TLS socket. `tls.Server` asks it in the same way for the result of checking the
 * client's chain; a socket that is upgraded has no `tls.Server`.
 */
interface WithNative {
  readonly ssl: { readonly verifyError: () => (Error & { readonly code: string }) | null } | null
}

const verifyError = (socket: Tls.TLSSocket): string | undefined => {
  const { ssl } = socket as unknown as WithNative
  // When it cannot be asked the peer is not trusted.
  if (typeof ssl?.verifyError !== "function") return "UNSPECIFIED"
  const error = ssl.verifyError()
  return error === null || error === undefined ? undefined : error.code
}

const ownerOf = (socket: Tls.TLSSocket): NodeTlsTransport => transportOf(socket) as NodeTlsTransport

// Shared by all sockets, as those of `NodeTransport` are.
function onEnd(this: Tls.TLSSocket): void {
  ownerOf(this).failHandshake({ reason: "ClosedInHandshake" })
}
function onSecureConnect(this: Tls.TLSSocket): void {
  ownerOf(this).clientDone()
}
function onSession(this: Tls.TLSSocket, session: Buffer): void {
  ownerOf(this).keepSession(session)
}
function onSecure(this: Tls.TLSSocket): void {
  ownerOf(this).serverDone()
}
function onTlsError(this: Tls.TLSSocket, error: Error): void {
  ownerOf(this).onError(error)
}

/** TLS over a `node:net` socket. */
class NodeTlsTransport extends NodeTransport implements TlsTransport {
  readonly tls: NodeTlsConnection
  private readonly below: NodeNet.Socket
  private readonly secured: Tls.TLSSocket
  private readonly tap: Tap | undefined
  private readonly handshake: HandshakeEvents
  private readonly request: UpgradeRequest
  private readonly offered: Buffer | undefined
  private readonly under: NodeTransport
  private ending: NodeJS.Immediate | undefined = undefined
  private isOver = false
  private isEstablished = false

  constructor(
    under: NodeTransport,
    below: NodeNet.Socket,
    secured: Tls.TLSSocket,
    tap: Tap | undefined,
    request: UpgradeRequest,
    offered: Buffer | undefined,
    handshake: HandshakeEvents
  ) {
    super(secured, under.path, under.givenOptions)
    this.under = under
    this.below = below
    this.secured = secured
    this.tap = tap
    this.handshake = handshake
    this.request = request
    this.offered = offered
    this.tls = new NodeTlsConnection(request.role, secured)
    secured.on("end", onEnd)
    if (request.role === "client") {
      secured.on("secureConnect", onSecureConnect)
      secured.on("session", onSession)
    } else {
      secured.on("secure" as "secureConnect", onSecure)
      // Errors of TLS are told so until a `tls.Server` takes the socket over, which never happens here.
      secured.on("_tlsError" as "error", onTlsError)
    }
  }

  override get localAddress(): NetAddress {
    return this.under.localAddress
  }

  override get remoteAddress(): NetAddress {
    return this.under.remoteAddress
  }

  protected override sayConnected(): void {
    if (this.isEstablished) this.events?.connected()
  }

  override open(events: Events): void {
    // What failed already, in the call that began the handshake, is told by the error event as every other failure of it.
    if (!this.isEstablished) this.early = undefined
    super.open(this.tap === undefined ? events : watching(events, this.tap))
  }

  /** What comes after the peer's close_notify is not of the secure stream (RFC 8446, section 6.1). */
  protected override deliverLate(): void {}

  // ---- how it goes

  private done(): void {
    if (this.isOver) return
    this.isOver = true
    this.isEstablished = true
    this.handshake.established()
  }

  failHandshake(failure: TlsFailure): void {
    if (this.isOver) return
    this.isOver = true
    const { context, role, sessionKey } = this.request
    // Whatever was offered, the next attempt starts anew.
    if (role === "client" && sessionKey !== undefined) (context as ClientNative).sessions.forget(sessionKey)
    this.handshake.failedHandshake(failure)
    this.secured.destroy()
  }

  override onError(error: Error): void {
    if (this.isEstablished) super.onError(error)
    else this.failHandshake(this.toHandshakeFailure(error))
    // An error of TLS after the handshake does not end the socket by itself.
    this.secured.destroy()
  }

  /**
   * TLS 1.3 passes an identity over that it does not know, and goes on to certificates (RFC 8446, section 4.2.11): on a
   * server that has none that is where it ends.
   */
  private toHandshakeFailure(error: Error): TlsFailure {
    const failure = toTlsFailure(error)
    if (this.request.role === "client" || failure.code !== "ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM") return failure
    const { material, settings } = this.request.context as ServerNative
    return settings.psk !== undefined && material.cert === undefined
      ? { ...failure, reason: "UnknownPskIdentity" }
      : failure
  }

  override onClose(): void {
    this.failHandshake({ reason: "ClosedInHandshake" })
    super.onClose()
  }

  protected override toFailure(error: Error): Failure {
    const code = codeOf(error)
    if (code === undefined || !isTlsCode(code)) return toFailure(error)
    const cause = new TlsError({ reason: reasonOf(code), subject: format(this.remoteAddress), code, cause: error })
    return { reason: "Tls", cause }
  }

  clientDone(): void {
    if (this.isOver) return
    const { secured, request } = this
    const context = request.context as ClientNative
    const dane = daneOf(request)
    this.tls.isResumed = secured.isSessionReused()
    if (this.tls.isResumed && this.offered !== undefined) this.tls.resumedWith = certificateOf(this.offered)
    const code = secured.authorized ? undefined : String(secured.authorizationError)
    if (dane.length > 0) {
      const shown = {
        chain: Certificates.chainOf(secured.getPeerCertificate(true)),
        host: request.verifyName ?? "",
        pkixCode: code
      }
      if (!Dane.vouched(dane, shown)) return this.refuse({ reason: "DaneMismatch", code })
      this.tls.authorization = { _tag: "Verified", by: "dane" }
    } else if (code === undefined) {
      const isShown = this.tls.resumedWith !== undefined ||
        Certificates.rawOf(secured.getPeerCertificate()) !== undefined
      this.tls.authorization = { _tag: "Verified", by: isShown ? "authority" : "psk" }
    } else {
      this.tls.authorization = { _tag: "Unverified", reason: reasonOf(code), code }
    }
    if (this.isTooDeep(context.maxDepth)) return
    this.done()
  }

  serverDone(): void {
    if (this.isOver) return
    const { secured } = this
    const { settings } = this.request.context as ServerNative
    this.tls.isResumed = secured.isSessionReused()
    if (settings.nameRequired && !secured.servername) {
      return this.refuse({ reason: "UnknownServerName", detail: "the client asked for none" })
    }
    if (settings.requestCertificate) {
      const isShown = Certificates.rawOf(secured.getPeerCertificate()) !== undefined
      const code = verifyError(secured)
      if (!isShown) {
        if (settings.requireCertificate && code !== undefined) return this.refuse({ reason: "NoCertificate", code })
      } else if (code === undefined) {
        this.tls.authorization = { _tag: "Verified", by: "authority" }
      } else if (settings.verify === "chain") {
        return this.refuse({ reason: reasonOf(code), code })
      } else {
        this.tls.authorization = { _tag: "Unverified", reason: reasonOf(code), code }
      }
      if (isShown && this.isTooDeep(settings.maxDepth)) return
    }
    this.done()
  }

  /** OpenSSL's own bound on depth cannot be set here; and a chain without a root has one certificate less. */
  private isTooDeep(maxDepth: number | undefined): boolean {
    if (maxDepth === undefined) return false
    const chain = Certificates.chainOf(this.secured.getPeerCertificate(true))
    const between = chain.slice(1).filter((raw) => !Certificates.isSelfIssued(raw)).length
    if (between <= maxDepth) return false
    this.refuse({ reason: "ChainTooLong", depth: between })
    return true
  }

  private refuse(failure: TlsFailure): void {
    this.failHandshake(failure)
  }

  keepSession(session: Buffer): void {
    this.tls.newest = session
    const { context, sessionKey } = this.request
    if (sessionKey === undefined || this.isOver !== this.isEstablished) return
    ;(context as ClientNative).sessions.keep(sessionKey, session, this.secured.getProtocol() !== "TLSv1.3")
  }

  // ---- what goes to the socket below

  /**
   * Until this turn of the loop is over Node takes the last write for unfinished, and would send FIN ahead of the
   * close_notify (seen on Node 20 with `tls.Server` as well).
   */
  override end(): void {
    this.ending = setImmediate(() => {
      this.ending = undefined
      this.secured.end()
    })
  }

  override destroy(): void {
    this.isOver = true
    if (this.ending === undefined) super.destroy()
    // It was to end just now: the close_notify goes first.
    else setImmediate(() => setImmediate(() => super.destroy()))
  }

  override reset(): void {
    this.isOver = true
    clearImmediate(this.ending)
    void this.remoteAddress
    const { below, secured } = this
    // As below: after a half-close, which TLS does past the socket below, libuv refuses, and a handle is left.
    const canReset = this.path === undefined && !below.destroyed && !below.connecting && !below.writableEnded &&
      !secured.writableEnded
    if (canReset) resetWhenDestroyed(below)
    secured.destroy()
  }
}

/**
 * Node destroys the socket below when it takes TLS down. To reset that one first pulls the handle away from under what TLS
 * has still to do in this turn of the loop: that is a segmentation fault (seen on Node 20).
 */
const resetWhenDestroyed = (below: NodeNet.Socket): void => {
  const { destroy } = below
  below.destroy = () => {
    below.destroy = destroy
    return below.resetAndDestroy()
  }
}

/** Tells an end that the peer did not announce as a failure. */
const watching = (events: Events, tap: Tap): Events => ({
  connected: () => events.connected(),
  deliver: (chunk) => events.deliver(chunk),
  ended: () => tap.isTruncated ? events.failed({ reason: "Truncated", cause: undefined }) : events.ended(),
  written: () => events.written(),
  failed: (failure) => events.failed(failure),
  closed: () => events.closed()
})

const daneOf = (request: UpgradeRequest): ReadonlyArray<TlsaRecord> =>
  request.dane === undefined ? [] : Dane.usable(request.dane)

/**
 * The session to offer. Node takes whoever resumes it for verified, and shows no certificate then: so one that was made
 * with another name's server is not offered, and none is where the certificate has to be looked at.
 */
const sessionOf = (request: UpgradeRequest): Buffer | undefined => {
  const context = request.context as ClientNative
  if (daneOf(request).length > 0) return undefined
  const session = request.session ??
    (request.sessionKey === undefined ? undefined : context.sessions.take(request.sessionKey))
  if (session === undefined) return undefined
  const certificate = certificateOf(session)
  if (certificate === undefined) {
    return context.psk === undefined && context.verify !== "none"
      ? undefined
      : Buffer.from(session)
  }
  const isOther = context.verify !== "chain" && !Certificates.isFor(certificate, request.verifyName ?? "")
  return isOther ? undefined : Buffer.from(session)
}

const connect = (
  request: UpgradeRequest,
  session: Buffer | undefined,
  socket: NodeNet.Socket | Tap
): Tls.TLSSocket => {
  const context = request.context as ClientNative
  const isDane = daneOf(request).length > 0
  const alpn = request.alpn ?? context.alpn
  let isPsk = false
  const options: Tls.ConnectionOptions = {
    socket: socket as NodeNet.Socket,
    secureContext: context.secure,
    // With TLSA records it is looked at afterwards: some of them stand for themselves.
    rejectUnauthorized: context.verify !== "none" && !isDane,
    checkServerIdentity: (host, certificate) =>
      context.verify === "chain" || (isPsk && Certificates.rawOf(certificate) === undefined)
        ? undefined
        : Tls.checkServerIdentity(host, certificate)
  }
  if (request.verifyName !== undefined) options.host = request.verifyName
  if (request.serverName !== undefined) options.servername = request.serverName
  if (alpn !== undefined) options.ALPNProtocols = [...alpn]
  if (session !== undefined) options.session = session
  const { psk } = context
  if (psk !== undefined) {
    options.pskCallback = (hint) => {
      const shown = psk(hint)
      isPsk = shown !== null
      return shown
    }
  }
  return Tls.connect(options)
}

const accept = (request: UpgradeRequest, socket: NodeNet.Socket | Tap): Tls.TLSSocket => {
  const { secure, settings } = request.context as ServerNative
  const options: Tls.TLSSocketOptions & { pskCallback?: unknown; pskIdentityHint?: string; ALPNCallback?: unknown } = {
    isServer: true,
    secureContext: secure,
    requestCert: settings.requestCertificate,
    // OpenSSL fails the handshake when no certificate is shown; what is shown is looked at afterwards.
    rejectUnauthorized: settings.requireCertificate
  }
  if (settings.alpn !== undefined) options.ALPNProtocols = settings.alpn
  if (settings.chooseAlpn !== undefined) options.ALPNCallback = settings.chooseAlpn
  if (settings.chooseName !== undefined) options.SNICallback = settings.chooseName as never
  if (settings.psk !== undefined) options.pskCallback = settings.psk
  if (settings.pskHint !== undefined) options.pskIdentityHint = settings.pskHint
  return new Tls.TLSSocket(socket as NodeNet.Socket, options)
}

/** See the contract. */
export const upgrade = (transport: Transport, request: UpgradeRequest, handshake: HandshakeEvents): TlsTransport => {
  const under = transport as NodeTransport
  // May look at what others made, and is done before anything is given away.
  const offered = request.role === "client" ? sessionOf(request) : undefined
  const below = under.handOver()
  if (request.early !== undefined) below.unshift(request.early)
  const { requireCloseNotify } = request.role === "client"
    ? request.context as ClientNative
    : (request.context as ServerNative).settings
  const tap = requireCloseNotify ? new Tap(below) : undefined
  let secured: Tls.TLSSocket
  let failure: TlsFailure | undefined
  try {
    if (below.destroyed) throw new Refusal({ reason: "ClosedInHandshake" })
    secured = request.role === "client" ? connect(request, offered, tap ?? below) : accept(request, tap ?? below)
  } catch (error) {
    failure = error instanceof Refusal
      ? error.failure
      : { reason: "BadMaterial", code: codeOf(error), cause: error }
    // One that never starts, so that there is something to hold and to close.
    secured = new Tls.TLSSocket(below, {
      secureContext: request.role === "client"
        ? (request.context as ClientNative).secure
        : (request.context as ServerNative).secure
    })
  }
  tap?.watch(secured)
  const upgraded = new NodeTlsTransport(under, below, secured, tap, request, offered, handshake)
  if (failure !== undefined) {
    const told = failure
    process.nextTick(() => {
      upgraded.failHandshake(told)
      below.destroy()
    })
  }
  return upgraded
}
