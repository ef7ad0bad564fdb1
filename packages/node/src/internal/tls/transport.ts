/** The transport of a secure connection: how the handshake goes, and how bytes flow. */
import { format, type NetAddress } from "@copas/core/NetAddress"
import type { Authorization } from "@copas/core/TlsConnection"
import { TlsError } from "@copas/core/TlsError"
import type { HandshakeEvents, TlsFailure, TlsTransport, UpgradeRequest } from "@copas/core/TlsTransport"
import type { Events, Failure, Transport } from "@copas/core/Transport"
import * as Either from "effect/Either"
import type * as NodeNet from "node:net"
import * as Tls from "node:tls"
import { NodeTransport, transportOf } from "../net/transport.js"
import * as Certificates from "./certificates.js"
import { Tap } from "./closeNotify.js"
import { NodeTlsConnection } from "./connection.js"
import { codeAsTold, codeOf, isTlsCode, reasonOf, Refusal, toTlsFailure } from "./errors.js"
import { judgeClient, judgeServer } from "./judging.js"
import type { ClientNative, ServerNative } from "./platform.js"
import { accept, connect, type Mistakes, nativeOf, offerOf, shownByClient, shownByServer } from "./secured.js"
import type { KeptSession } from "./sessions.js"

const ownerOf = (socket: Tls.TLSSocket): NodeTlsTransport => transportOf(socket) as NodeTlsTransport

// Shared by all sockets, as those of `NodeTransport` are.
function onEnd(this: Tls.TLSSocket): void {
  ownerOf(this).endedEarly()
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

interface Parts {
  readonly under: NodeTransport
  readonly below: NodeNet.Socket
  readonly secured: Tls.TLSSocket
  readonly tap: Tap | undefined
  readonly request: UpgradeRequest
  readonly offered: KeptSession | undefined
  readonly mistakes: Mistakes
  readonly handshake: HandshakeEvents
}

/** The time that a refused client has to read the alert. */
const refusalMillis = 1000

/** TLS over a `node:net` socket, or over TLS. Its parts hold keys and sessions, so they are private. */
class NodeTlsTransport extends NodeTransport implements TlsTransport {
  readonly tls: NodeTlsConnection
  readonly #parts: Parts
  private ending: NodeJS.Immediate | undefined = undefined
  private tickets: NodeJS.Immediate | undefined = undefined
  private isOver = false
  private isEstablished = false
  #certificate: Buffer | undefined = undefined

  constructor(parts: Parts) {
    const { request, secured, under } = parts
    super(secured, under.path, under.givenOptions)
    this.#parts = parts
    this.tls = new NodeTlsConnection(request.role, secured, under instanceof NodeTlsTransport ? under.tls : undefined)
    secured.on("end", onEnd)
    if (request.role === "client") {
      secured.on("secureConnect", onSecureConnect)
      secured.on("session", onSession)
    } else {
      secured.on("secure" as "secureConnect", onSecure)
      // Node reports errors of TLS in this way until a `tls.Server` takes the socket over, which never happens here.
      secured.on("_tlsError" as "error", onTlsError)
    }
  }

  override get localAddress(): NetAddress {
    return this.#parts.under.localAddress
  }

  override get remoteAddress(): NetAddress {
    return this.#parts.under.remoteAddress
  }

  protected override sayConnected(): void {
    if (this.isEstablished) this.events?.connected()
  }

  override open(events: Events): void {
    const { tap } = this.#parts
    // If the call that began the handshake failed already, the error event reports it, as every other failure.
    if (!this.isEstablished) this.early = undefined
    super.open(tap === undefined ? events : watching(events, tap))
  }

  /** What comes after the peer's close_notify is not of the secure stream (RFC 8446, section 6.1). */
  protected override deliverLate(): void {}

  // ---- how it goes

  /**
   * OpenSSL reports the end of a handshake of TLS 1.3 before it writes the server's tickets, and Node runs what is due
   * between the two: what a server sends then would reach the client before its session. So a server begins a turn later.
   */
  private done(): void {
    const { request, secured } = this.#parts
    if (request.role === "client" || secured.getProtocol() !== "TLSv1.3") this.establish()
    else this.tickets = setImmediate(() => this.establish())
  }

  private establish(): void {
    if (this.isOver) return
    this.isOver = true
    this.isEstablished = true
    this.#parts.handshake.established()
  }

  /** The peer finished before the handshake was. */
  endedEarly(): void {
    if (this.tickets === undefined) this.failHandshake({ reason: "ClosedInHandshake" })
  }

  failHandshake(failure: TlsFailure): void {
    if (this.isOver) return
    this.isOver = true
    const { handshake, mistakes, request, secured } = this.#parts
    const { context, role, sessionKey } = request
    // The next attempt begins without a session.
    if (role === "client" && sessionKey !== undefined) (context as ClientNative).sessions.forget(sessionKey)
    handshake.failedHandshake(mistakes.failure ?? failure)
    secured.destroy()
  }

  override onError(error: Error): void {
    if (this.isEstablished) super.onError(error)
    else this.failHandshake(this.toHandshakeFailure(error))
    // An error of TLS after the handshake does not end the socket by itself. A refused connection is being ended already.
    if (!this.isRefusing) this.#parts.secured.destroy()
  }

  /**
   * TLS 1.3 ignores an identity that it does not know, and continues with certificates (RFC 8446, section 4.2.11). On a
   * server without a certificate the handshake fails there.
   */
  private toHandshakeFailure(error: Error): TlsFailure {
    const failure = toTlsFailure(error)
    const { request } = this.#parts
    if (request.role === "client" || failure.code !== "ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM") return failure
    const { hasCertificate, settings } = request.context as ServerNative
    return settings.psk !== undefined && !hasCertificate ? { ...failure, reason: "UnknownPskIdentity" } : failure
  }

  /** An end without close_notify can be told, and a handshake be awaited, only while the bytes pass through here. */
  override lend(early: Uint8Array | undefined, isInitiator: boolean): NodeNet.Socket | undefined {
    const { secured, tap } = this.#parts
    const lent = tap === undefined && this.isEstablished ? super.lend(early, isInitiator) : undefined
    if (lent === undefined) return undefined // Node says so itself only of what `tls.connect` and a `tls.Server` made; node:http2 waits for it.
    ;(secured as unknown as { secureConnecting: boolean }).secureConnecting = false
    // Errors become events of the socket, as when a `tls.Server` hands it out.
    const released = (secured as unknown as { readonly _releaseControl?: () => boolean })._releaseControl?.()
    if (released === true) secured.removeListener("_tlsError", onTlsError)
    return lent
  }

  override onClose(): void {
    this.failHandshake({ reason: "ClosedInHandshake" })
    super.onClose()
  }

  protected override toFailure(error: Error): Failure {
    const code = codeOf(error)
    if (code === undefined || !isTlsCode(code)) return super.toFailure(error)
    const cause = new TlsError({
      reason: reasonOf(code),
      subject: format(this.remoteAddress),
      code: codeAsTold(code),
      cause: error
    })
    return { reason: "Tls", cause }
  }

  /** Judges the peer. Whatever the peer shows must not throw out of an event handler, which would end the process. */
  private judge(verdict: () => Either.Either<Authorization, TlsFailure>): void {
    if (this.isOver) return
    const { mistakes } = this.#parts
    let judged: Either.Either<Authorization, TlsFailure>
    try {
      judged = mistakes.failure === undefined ? verdict() : Either.left(mistakes.failure)
    } catch (cause) {
      judged = Either.left({ reason: "Unknown", detail: "what the peer showed cannot be read", cause })
    }
    if (Either.isLeft(judged)) {
      this.refuse(judged.left)
      return
    }
    this.tls.authorization = judged.right
    this.done()
  }

  clientDone(): void {
    this.judge(() => {
      const { mistakes, offered, request, secured } = this.#parts
      this.tls.isResumed = secured.isSessionReused()
      const resumed = this.tls.isResumed ? offered : undefined
      this.tls.resumed(resumed)
      this.#certificate = resumed?.certificate ?? Certificates.rawOf(secured.getPeerCertificate())
      const shown = shownByServer(secured, request, this.#certificate, mistakes.hasShownPsk)
      return judgeServer(request.context as ClientNative, shown)
    })
  }

  serverDone(): void {
    this.judge(() => {
      const { request, secured } = this.#parts
      const { settings } = request.context as ServerNative
      this.tls.isResumed = secured.isSessionReused()
      if (settings.nameRequired && !secured.servername) {
        return Either.left({ reason: "UnknownServerName", detail: "it named no server" })
      }
      return judgeClient(settings, shownByClient(secured, settings.requestCertificate))
    })
  }

  private isRefusing = false

  /**
   * Refuses a peer whose handshake OpenSSL accepted. Node has no call for an alert, and with TLS 1.3 a client has finished
   * by now, so closing would look like the server's normal end. So OpenSSL gets a record that is none, and answers with a
   * fatal alert of its own. A peer that ignores both the alert and the end is cut off.
   */
  private refuse(failure: TlsFailure): void {
    const { below, handshake, mistakes, request, secured } = this.#parts
    const ssl = nativeOf(secured)
    if (request.role === "client" || typeof ssl?.receive !== "function") return this.failHandshake(failure)
    this.isOver = true
    this.isRefusing = true
    handshake.failedHandshake(mistakes.failure ?? failure)
    // OpenSSL reports the end of the handshake from within its own call, while its last message is still being written.
    setImmediate(() => {
      if (!secured.destroyed) nativeOf(secured)?.receive?.(noRecord)
      // The alert is on its way. Read and drop what the client sends meanwhile: unread bytes would become a reset, which
      // can overtake the alert.
      const cut = setTimeout(() => secured.destroy(), refusalMillis)
      below.once("close", () => clearTimeout(cut))
      below.once("end", () => secured.destroy())
      secured.once("end", () => secured.destroy())
      if (below.destroyed) return
      below.end()
      below.resume()
      secured.resume()
    })
  }

  keepSession(native: Buffer): void {
    const { request, secured } = this.#parts
    const { context, sessionKey, verifyName } = request
    const session: KeptSession = { native, name: verifyName ?? "", certificate: this.#certificate }
    this.tls.came(session)
    if (sessionKey === undefined || this.isOver !== this.isEstablished) return
    ;(context as ClientNative).sessions.keep(sessionKey, session, secured.getProtocol() !== "TLSv1.3")
  }

  // ---- what goes to the socket below

  /**
   * Until this turn of the loop ends, Node treats the last write as unfinished, and would send FIN before the close_notify
   * (seen on Node 20, with `tls.Server` as well).
   */
  override end(): void {
    this.ending = setImmediate(() => {
      this.ending = undefined
      this.#parts.secured.end()
    })
  }

  override destroy(): void {
    this.isOver = true
    if (this.isRefusing) return
    if (this.ending === undefined) super.destroy()
    // It is about to end: the close_notify goes first.
    else setImmediate(() => setImmediate(() => super.destroy()))
  }

  override reset(): void {
    this.isOver = true
    clearImmediate(this.ending)
    void this.remoteAddress
    const { secured, under } = this.#parts
    // Node destroys the socket below when it tears TLS down. If that one is reset first, TLS uses its handle later in this
    // turn of the loop, which is a segmentation fault (seen on Node 20). After a half-close, which TLS does without the
    // socket below, libuv refuses to reset.
    if (!secured.writableEnded) under.resetWhenDestroyed()
    secured.destroy()
  }

  override resetWhenDestroyed(): void {
    if (!this.#parts.secured.writableEnded) this.#parts.under.resetWhenDestroyed()
  }
}

/** A record of TLS (RFC 8446, section 5.1) of the greatest length, which no key decrypts. */
const noRecord: Buffer = Buffer.concat([Buffer.from([23, 3, 3, 0x41, 0x00]), Buffer.alloc(0x4100, 0xff)])

/** Reports an end without close_notify as a failure. */
const watching = (events: Events, tap: Tap): Events => ({
  connected: () => events.connected(),
  deliver: (chunk) => events.deliver(chunk),
  ended: () => tap.isTruncated ? events.failed({ reason: "Truncated", cause: undefined }) : events.ended(),
  written: () => events.written(),
  failed: (failure) => events.failed(failure),
  closed: () => events.closed()
})

/** `TlsPlatform.upgrade`. */
export const upgrade = (transport: Transport, request: UpgradeRequest, handshake: HandshakeEvents): TlsTransport => {
  const under = transport as NodeTransport
  // It may throw for bytes that others made, so it comes before the socket is taken over.
  const offered = request.role === "client" ? offerOf(request) : undefined
  const below = under.handOver()
  if (request.early !== undefined) below.unshift(request.early)
  const { requireCloseNotify } = request.role === "client"
    ? request.context as ClientNative
    : (request.context as ServerNative).settings
  const tap = requireCloseNotify ? new Tap(below) : undefined
  const mistakes: Mistakes = { failure: undefined, hasShownPsk: false }
  let secured: Tls.TLSSocket
  let failure: TlsFailure | undefined
  try {
    if (below.destroyed) throw new Refusal({ reason: "ClosedInHandshake" })
    secured = request.role === "client"
      ? connect(request, offered, tap ?? below, mistakes)
      : accept(request, tap ?? below, mistakes)
  } catch (error) {
    failure = error instanceof Refusal
      ? error.failure
      : { reason: "BadMaterial", code: codeOf(error), cause: error }
    // A socket that never starts, so that there is one to hold and to close.
    secured = new Tls.TLSSocket(below, {
      secureContext: request.role === "client"
        ? (request.context as ClientNative).secure
        : (request.context as ServerNative).secure
    })
  }
  tap?.watch(secured)
  const upgraded = new NodeTlsTransport({ under, below, secured, tap, request, offered, mistakes, handshake })
  // A client's function for keys may have been asked already.
  failure ??= mistakes.failure
  if (failure !== undefined) {
    const told = failure
    process.nextTick(() => {
      upgraded.failHandshake(told)
      below.destroy()
    })
  }
  return upgraded
}
