/** The client's side of a handshake of the stand-in. */
import * as Option from "effect/Option"
import { askClientKey } from "../../../TlsCallbacks.js"
import type { TlsFailure, UpgradeRequest } from "../../../TlsTransport.js"
import { violation } from "./alerts.js"
import { findCipher, fits } from "./ciphers.js"
import type { ClientNative } from "./contexts.js"
import { binderOf, Handshake, secretOf, type Surroundings } from "./handshake.js"
import { chainOf } from "./material.js"
import type { Message, NewTicket, ServerHello } from "./records.js"
import { encodeSession, type Offered, sessionFor } from "./sessions.js"
import { checkChain, identityProblem, problemOf, tooDeep, usable, vouched } from "./verify.js"

const none = new Uint8Array(0)

/** The client's side of a handshake. */
export class ClientHandshake extends Handshake {
  private readonly context: ClientNative
  private readonly random: Uint8Array
  private readonly offered: Offered | undefined
  private readonly alpn: ReadonlyArray<string>
  /** The key that was offered in the first message, for TLS 1.3. */
  private psk: Uint8Array | undefined = undefined
  private asksCertificate = false
  private expected: "ServerHello" | "Finished" | undefined = "ServerHello"
  private code: string | undefined = undefined

  constructor(request: UpgradeRequest, around: Surroundings) {
    super("client", request, around)
    this.context = request.context as ClientNative
    this.random = around.random(32)
    this.alpn = request.alpn ?? this.context.alpn
    this.offered = sessionFor(request, this.context, around.now())
    this.serverName = request.serverName
    this.localCertificate = this.context.identities[0]?.chain[0]
  }

  start(): void {
    const { alpn, context, offered, random, serverName } = this
    let psk: { readonly identity: string; readonly binder: Uint8Array } | undefined
    if (context.versions.includes("TLSv1.3")) {
      const shown = this.asked(askClientKey(context.psk, Option.none()))
      if (shown === undefined) return
      if (Option.isSome(shown.value)) {
        this.psk = shown.value.value.key
        psk = { identity: shown.value.value.identity, binder: binderOf(this.psk, random) }
      }
    }
    this.say({
      _tag: "ClientHello",
      random,
      versions: context.versions,
      ciphers: context.ciphers.map(({ name }) => name),
      groups: context.curves,
      kinds: Array.from(context.kinds),
      alpn,
      ...(serverName === undefined ? {} : { serverName }),
      ...(offered === undefined ? {} : { ticket: offered.ticket }),
      ...(psk === undefined ? {} : { psk })
    })
  }

  protected take(message: Message, before: Uint8Array): void {
    if (message._tag === "NewTicket" && this.agreed !== undefined) return this.keep(message)
    if (this.expected !== message._tag) return this.unexpected()
    if (message._tag === "ServerHello") this.takeHello(message)
    else if (message._tag === "Finished" && this.takeFinished(message.verify, before)) {
      this.expected = undefined
      if (this.isServerFirst) {
        if (this.asksCertificate) this.say({ _tag: "ClientReply", chain: this.ownChain })
        this.sayFinished()
      }
      this.done()
    }
  }

  private takeHello(hello: ServerHello): void {
    const { context, offered } = this
    const { version } = hello
    if (!context.versions.includes(version)) {
      return this.refuse({ reason: "NoSharedProtocol", code: "ERR_SSL_UNSUPPORTED_PROTOCOL" })
    }
    const cipher = findCipher(hello.cipher)
    if (cipher === undefined || !context.ciphers.includes(cipher) || !fits(cipher, version)) {
      return this.refuse({ reason: "NoSharedCipher", code: "ERR_SSL_WRONG_CIPHER_RETURNED" })
    }
    if (hello.alpn !== undefined && !this.alpn.includes(hello.alpn)) return this.refuse(violation("BAD_EXTENSION"))
    if ((hello.isResumed && offered === undefined) || (hello.isPsk && !context.hasPsk)) {
      return this.refuse(violation("BAD_PSK"))
    }
    const key = hello.isResumed ? { key: offered!.secret } : hello.isPsk ? this.pskOf(hello) : { key: none }
    if (key === undefined) return
    this.agreed = {
      version,
      cipher,
      group: hello.group,
      alpn: hello.alpn,
      isResumed: hello.isResumed,
      secret: secretOf(key.key, this.random, hello.random)
    }
    this.asksCertificate = hello.asksCertificate
    this.expected = "Finished"
    if (hello.isResumed) this.resume(offered!)
    else if (hello.isPsk) this.authorize(undefined, "psk")
    else if (!this.verify(hello)) return
    if (!this.isServerFirst) {
      this.say({
        _tag: "ClientReply",
        chain: hello.asksCertificate ? this.ownChain : [],
        ...("identity" in key ? { pskIdentity: key.identity } : {})
      })
      this.sayFinished()
    }
  }

  /** The key that both sides go by: that of the first message, or one that is found by the server's hint. */
  private pskOf(
    { pskHint, version }: ServerHello
  ): { readonly key: Uint8Array; readonly identity?: string } | undefined {
    if (version === "TLSv1.3") {
      if (this.psk !== undefined) return { key: this.psk }
      this.refuse(violation("BAD_PSK"))
      return undefined
    }
    const found = this.asked(askClientKey(this.context.psk, Option.fromNullable(pskHint)))
    if (found === undefined) return undefined
    if (Option.isNone(found.value)) {
      this.refuse({ reason: "UnknownPskIdentity", code: "ERR_SSL_PSK_IDENTITY_NOT_FOUND" })
      return undefined
    }
    return { key: found.value.value.key, identity: found.value.value.identity }
  }

  private get ownChain(): ReadonlyArray<Uint8Array> {
    return (this.context.identities[0]?.chain ?? []).map(({ der }) => der)
  }

  private resume({ certificates, code }: Offered): void {
    this.peerPath = certificates
    this.code = code
    this.authorize(code, certificates.length === 0 ? "psk" : "authority")
  }

  /** Whether the server is who it should be. */
  private verify(hello: ServerHello): boolean {
    const { context, request } = this
    const chain = chainOf(hello.chain)
    if (chain === undefined || chain.length === 0) {
      this.refuse({ reason: "BadCertificate", code: "ERR_SSL_BAD_CERTIFICATE" })
      return false
    }
    const trust = this.trust(context)
    const { code, path } = checkChain(chain, trust, "server")
    const host = request.verifyName ?? ""
    const asked = { host, rule: context.identityRule }
    const identity: TlsFailure | undefined = context.verify === "chain" ? undefined : identityProblem(chain[0]!, asked)
    this.peerPath = path
    this.code = code ?? identity?.code
    const records = usable(request.dane)
    if (records.length > 0) {
      if (!vouched(records, path, this.code, asked, trust.now)) {
        this.refuse({ reason: "DaneMismatch", code: this.code })
        return false
      }
      this.authorization = { _tag: "Verified", by: "dane" }
    } else {
      if (this.code !== undefined && context.verify !== "none") {
        this.refuse(code === undefined && identity !== undefined ? identity : problemOf(this.code))
        return false
      }
      this.authorize(this.code, "authority", identity)
    }
    const deep = tooDeep(path, context.maxDepth)
    if (deep !== undefined) this.refuse(deep)
    return deep === undefined
  }

  private keep({ lifetime, secret, ticket }: NewTicket): void {
    const { cipher, version } = this.agreed!
    const { sessionKey } = this.request
    this.session = encodeSession({
      ticket,
      secret,
      name: this.request.verifyName ?? "",
      version,
      cipher: cipher.name,
      until: this.around.now() + lifetime,
      chain: this.peerPath.map(({ der }) => der),
      ...(this.code === undefined ? {} : { code: this.code })
    })
    if (sessionKey !== undefined) this.context.sessions.keep(sessionKey, this.session, version !== "TLSv1.3")
  }

  /** Whatever was offered, the next attempt begins without a session. */
  forget(): void {
    const { sessionKey } = this.request
    if (sessionKey !== undefined) this.context.sessions.forget(sessionKey)
  }
}
