/** The server's side of a handshake of the stand-in. */
import * as Option from "effect/Option"
import type { Certificate } from "../../../Certificate.js"
import { askAlpn, askServerKey } from "../../../TlsCallbacks.js"
import type { Version } from "../../../TlsContext.js"
import type { UpgradeRequest } from "../../../TlsTransport.js"
import { violation } from "./alerts.js"
import { fromDer } from "./certificates.js"
import { type Cipher, fits } from "./ciphers.js"
import { findName, type ServerNative, type ServerSettings } from "./contexts.js"
import { binderOf, Handshake, secretOf, type Surroundings } from "./handshake.js"
import { chainOf, type CommonMaterial, type OwnIdentity } from "./material.js"
import type { ClientHello, ClientReply, Message } from "./records.js"
import { openTicket, sealTicket, type Ticket } from "./sessions.js"
import { equalBytes } from "./sha.js"
import { checkChain, problemOf, tooDeep } from "./verify.js"

const none = new Uint8Array(0)

/** How the connection is made secure: the cipher, and what proves who the server is. */
interface Choice {
  readonly cipher: Cipher
  readonly group: string | undefined
  readonly identity: OwnIdentity | undefined
  readonly isPsk: boolean
}

/** The server's side of a handshake. */
export class ServerHandshake extends Handshake {
  private readonly settings: ServerSettings
  private readonly seal: Uint8Array
  /** The certificates of the name that was asked for. */
  private material: CommonMaterial
  private clientRandom: Uint8Array = none
  private serverRandom: Uint8Array = none
  private code: string | undefined = undefined
  private isPsk = false
  private expected: "ClientHello" | "ClientReply" | "Finished" | undefined = "ClientHello"

  constructor(request: UpgradeRequest, around: Surroundings) {
    super("server", request, around)
    const native = request.context as ServerNative
    this.settings = native.settings
    this.seal = native.seal
    this.material = native.settings
  }

  start(): void {
    // The client speaks first.
  }

  protected take(message: Message, before: Uint8Array): void {
    if (this.expected !== message._tag) return this.unexpected()
    if (message._tag === "ClientHello") this.takeHello(message)
    else if (message._tag === "ClientReply") this.takeReply(message)
    else if (message._tag === "Finished" && this.takeFinished(message.verify, before)) this.conclude()
  }

  // ---- the client's hello

  private takeHello(hello: ClientHello): void {
    const { settings } = this
    const version = settings.versions.find((one) => hello.versions.includes(one))
    if (version === undefined) {
      return this.refuse({ reason: "NoSharedProtocol", code: "ERR_SSL_UNSUPPORTED_PROTOCOL" })
    }
    if (!this.chooseName(hello.serverName)) return
    const ticket = this.ticketOf(hello, version)
    const psk = ticket === undefined && version === "TLSv1.3" ? this.pskOf(hello) : { key: undefined }
    if (psk === undefined) return
    const choice = this.choose(hello, version, ticket, psk.key !== undefined)
    if (choice === undefined) {
      const isUnknown = hello.psk !== undefined && settings.psk !== undefined && this.material.identities.length === 0
      return this.refuse(
        isUnknown
          ? { reason: "UnknownPskIdentity", code: "ERR_SSL_PSK_IDENTITY_NOT_FOUND" }
          : { reason: "NoSharedCipher", code: "ERR_SSL_NO_SHARED_CIPHER" }
      )
    }
    const alpn = this.alpnOf(hello)
    if (alpn === undefined) return
    this.clientRandom = hello.random
    this.serverRandom = this.around.random(32)
    this.isPsk = choice.isPsk
    this.localCertificate = choice.identity?.chain[0]
    this.agreed = {
      version,
      cipher: choice.cipher,
      group: choice.group,
      alpn: Option.getOrUndefined(alpn),
      isResumed: ticket !== undefined,
      secret: secretOf(ticket?.secret ?? psk.key ?? none, hello.random, this.serverRandom)
    }
    const asksCertificate = settings.clientCertificates !== "none" && ticket === undefined && !choice.isPsk
    this.say({
      _tag: "ServerHello",
      random: this.serverRandom,
      version,
      cipher: choice.cipher.name,
      isResumed: ticket !== undefined,
      isPsk: choice.isPsk,
      chain: ticket === undefined ? (choice.identity?.chain ?? []).map(({ der }) => der) : [],
      asksCertificate,
      ...(choice.group === undefined ? {} : { group: choice.group }),
      ...(settings.pskHint === undefined || version === "TLSv1.3" ? {} : { pskHint: settings.pskHint }),
      ...Option.match(alpn, { onNone: () => ({}), onSome: (name) => ({ alpn: name }) })
    })
    if (ticket !== undefined) this.resume(ticket)
    if (this.isServerFirst) {
      if (version !== "TLSv1.3") this.sayTicket()
      this.sayFinished()
    }
    this.expected = this.isServerFirst && !asksCertificate ? "Finished" : "ClientReply"
  }

  /** Whether there is a context for the name that is asked for. */
  private chooseName(name: string | undefined): boolean {
    const { names, refusesUnknown } = this.settings
    this.serverName = name
    const found = name === undefined ? undefined : findName(names, name)
    if (found !== undefined) this.material = (found.native as ServerNative).settings
    else if (refusesUnknown) {
      this.refuse({
        reason: "UnknownServerName",
        detail: name === undefined ? "it named no server" : JSON.stringify(name)
      })
      return false
    }
    return true
  }

  /** The session that the client offers, where it can be resumed. */
  private ticketOf(hello: ClientHello, version: Version): Ticket | undefined {
    const { clientCertificates, ticketLifetime } = this.settings
    if (hello.ticket === undefined || ticketLifetime === undefined) return undefined
    const ticket = openTicket(hello.ticket, this.seal, this.around.now())
    return ticket !== undefined && ticket.version === version &&
        // RFC 6066, section 3: a session is for the name that it was made for.
        ticket.serverName?.toLowerCase() === hello.serverName?.toLowerCase() &&
        hello.ciphers.includes(ticket.cipher) &&
        (clientCertificates !== "require" || ticket.chain.length > 0)
      ? ticket
      : undefined
  }

  /** The key that the client offers in its first message, where it is known; `undefined` when the two differ. */
  private pskOf({ psk, random }: ClientHello): { readonly key: Uint8Array | undefined } | undefined {
    const find = this.settings.psk
    if (psk === undefined || find === undefined) return { key: undefined }
    const found = this.asked(askServerKey(find, psk.identity))
    if (found === undefined) return undefined
    const key = Option.getOrUndefined(found.value)
    if (key !== undefined && !equalBytes(binderOf(key, random), psk.binder)) {
      this.refuse(violation("BINDER_DOES_NOT_VERIFY"))
      return undefined
    }
    return { key }
  }

  private choose(
    hello: ClientHello,
    version: Version,
    ticket: Ticket | undefined,
    hasPsk: boolean
  ): Choice | undefined {
    const { material, settings } = this
    const group = settings.curves.find((name) => hello.groups.includes(name))
    const suiting = material.identities.filter(({ kind }) => hello.kinds.includes(kind) && settings.kinds.has(kind))
    const choices = settings.ciphers.flatMap((cipher): ReadonlyArray<Choice> => {
      if (!fits(cipher, version) || !hello.ciphers.includes(cipher.name)) return []
      const choice = { cipher, group, identity: undefined, isPsk: false }
      if (ticket !== undefined) return ticket.cipher === cipher.name || version === "TLSv1.3" ? [choice] : []
      if (cipher.keyExchange === "DH") {
        if (!settings.hasDhparam) return []
      } else if (group === undefined) {
        return []
      }
      switch (cipher.authentication) {
        case "PSK":
          return settings.psk === undefined ? [] : [{ ...choice, isPsk: true }]
        case "any":
          if (hasPsk) return [{ ...choice, isPsk: true }]
          return suiting.slice(0, 1).map((identity) => ({ ...choice, identity }))
        default: {
          const isRsa = cipher.authentication === "RSA"
          return suiting.filter(({ kind }) => (kind === "rsa") === isRsa).slice(0, 1).map((identity) => ({
            ...choice,
            identity
          }))
        }
      }
    })
    return choices[0]
  }

  /** `undefined` when the handshake was refused. A client that offers none is accepted without a protocol. */
  private alpnOf({ alpn, serverName }: ClientHello): Option.Option<string> | undefined {
    const { chooseAlpn } = this.settings
    if (chooseAlpn === undefined || alpn.length === 0) return Option.none()
    const chosen = this.asked(
      askAlpn(chooseAlpn, { serverName: Option.fromNullable(serverName), protocols: alpn })
    )
    if (chosen === undefined) return undefined
    if (Option.isSome(chosen.value)) return chosen.value
    this.refuse({ reason: "NoSharedAlpn", code: "ERR_SSL_NO_APPLICATION_PROTOCOL" })
    return undefined
  }

  private resume({ chain, code, psk }: Ticket): void {
    this.peerPath = chain.flatMap((der): ReadonlyArray<Certificate> => {
      const certificate = fromDer(der)
      return certificate === undefined ? [] : [certificate]
    })
    this.isPsk = psk
    this.code = code
    if (this.peerPath.length > 0) this.authorize(code, "authority")
  }

  // ---- what the client says to it

  private takeReply(reply: ClientReply): void {
    const { isPsk, settings } = this
    if (isPsk && !this.takeIdentity(reply.pskIdentity)) return
    if (settings.clientCertificates !== "none" && !isPsk && !this.verify(reply)) return
    this.expected = "Finished"
  }

  /** Up to TLS 1.2 the client says only now by which key it goes. */
  private takeIdentity(identity: string | undefined): boolean {
    const find = this.settings.psk
    if (identity === undefined || find === undefined) {
      this.unexpected()
      return false
    }
    const found = this.asked(askServerKey(find, identity))
    if (found === undefined) return false
    if (Option.isNone(found.value)) {
      this.refuse({ reason: "UnknownPskIdentity", code: "ERR_SSL_PSK_IDENTITY_NOT_FOUND" })
      return false
    }
    this.agreed = { ...this.agreed!, secret: secretOf(found.value.value, this.clientRandom, this.serverRandom) }
    return true
  }

  /** Whether the client is one that may come in. */
  private verify(reply: ClientReply): boolean {
    const { material, settings } = this
    const chain = chainOf(reply.chain)
    if (chain === undefined) {
      this.refuse({ reason: "BadCertificate", code: "ERR_SSL_BAD_CERTIFICATE" })
      return false
    }
    if (chain.length === 0) {
      if (settings.clientCertificates !== "require") return true
      this.refuse({ reason: "NoCertificate", code: "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE" })
      return false
    }
    const { code, path } = checkChain(chain, this.trust(material), "client")
    this.peerPath = path
    this.code = code
    if (code !== undefined && settings.verify === "chain") {
      this.refuse(problemOf(code))
      return false
    }
    this.authorize(code, "authority")
    const deep = tooDeep(path, settings.maxDepth)
    if (deep !== undefined) this.refuse(deep)
    return deep === undefined
  }

  private conclude(): void {
    this.expected = undefined
    const { isResumed, version } = this.agreed!
    if (!this.isServerFirst) {
      this.sayTicket()
      this.sayFinished()
    }
    this.done()
    if (version !== "TLSv1.3") return
    // As OpenSSL does it: one takes the place of the one that was used up.
    this.sayTicket()
    if (!isResumed) this.sayTicket()
  }

  private sayTicket(): void {
    const { ticketLifetime: lifetime } = this.settings
    if (lifetime === undefined) return
    const { cipher, version } = this.agreed!
    const secret = this.around.random(32)
    const ticket = sealTicket({
      seal: this.seal,
      secret,
      version,
      cipher: cipher.name,
      until: this.around.now() + lifetime,
      chain: this.peerPath.map(({ der }) => der),
      psk: this.isPsk,
      ...(this.serverName === undefined ? {} : { serverName: this.serverName }),
      ...(this.code === undefined ? {} : { code: this.code })
    })
    this.say({ _tag: "NewTicket", ticket, secret, lifetime })
  }
}
