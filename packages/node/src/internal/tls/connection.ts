/** What a program sees of a connection of `node:tls`. */
import type { Certificate } from "@copas/core/Certificate"
import type { Authorization, TlsConnection, TlsInfo } from "@copas/core/TlsConnection"
import type { Version } from "@copas/core/TlsContext"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type * as Tls from "node:tls"
import * as Certificates from "./certificates.js"
import { describe } from "./ciphers.js"
import { encodeSession, type KeptSession } from "./sessions.js"

const fromText = (text: unknown): Option.Option<string> =>
  typeof text === "string" && text !== "" ? Option.some(text) : Option.none()

const groupOf = (shown: object | null): TlsInfo["group"] => {
  const { name, size, type } = (shown ?? {}) as {
    readonly name?: string
    readonly size?: number
    readonly type?: string
  }
  return size === undefined ? Option.none() : Option.some({ name: name ?? type ?? "", bits: size })
}

/** What a secure connection knows of itself. Most connections are never asked, so each part is computed when it is read. */
export class NodeTlsConnection implements TlsConnection {
  readonly role: "client" | "server"
  authorization: Authorization = { _tag: "Anonymous" }
  isResumed = false
  readonly outer: Option.Option<TlsConnection>
  readonly #socket: Tls.TLSSocket
  #newest: KeptSession | undefined = undefined
  #resumedWith: KeptSession | undefined = undefined
  private infoMemo: TlsInfo | undefined = undefined
  private peerMemo: Option.Option<Certificate> | undefined = undefined
  private chainMemo: ReadonlyArray<Certificate> | undefined = undefined

  constructor(role: "client" | "server", socket: Tls.TLSSocket, outer: TlsConnection | undefined) {
    this.role = role
    this.#socket = socket
    this.outer = Option.fromNullable(outer)
  }

  /** The client's handshake resumed this session, which has the server's certificate; Node no longer shows it. */
  resumed(session: KeptSession | undefined): void {
    this.#resumedWith = session
  }

  /** A session came, on a client. */
  came(session: KeptSession): void {
    this.#newest = session
  }

  get info(): TlsInfo {
    if (this.infoMemo !== undefined) return this.infoMemo
    const cipher = this.#socket.getCipher() as Tls.CipherNameAndProtocol | null
    const name = cipher?.name ?? ""
    const group = this.role === "client" ? this.#socket.getEphemeralKeyInfo() : null
    const info: TlsInfo = {
      protocol: (this.#socket.getProtocol() ?? "TLSv1.2") as Version,
      cipher: name,
      standardCipher: cipher?.standardName ?? "",
      ...describe(name),
      group: groupOf(group),
      compression: "none"
    }
    if (cipher !== null) this.infoMemo = info
    return info
  }

  get serverName(): Option.Option<string> {
    return fromText((this.#socket as { readonly servername?: unknown }).servername)
  }

  get alpn(): Option.Option<string> {
    return fromText(this.#socket.alpnProtocol)
  }

  get peerCertificate(): Option.Option<Certificate> {
    const raw = this.#resumedWith?.certificate
    return this.peerMemo ??= raw === undefined
      ? Certificates.fromSocket(this.#socket.getPeerCertificate())
      : Certificates.fromRaw(raw)
  }

  get peerChain(): ReadonlyArray<Certificate> {
    return this.chainMemo ??= this.#resumedWith?.certificate === undefined
      ? Certificates.chainOf(this.#socket.getPeerCertificate(true)).flatMap((raw) =>
        Option.toArray(Certificates.fromRaw(raw))
      )
      : Option.toArray(this.peerCertificate)
  }

  get localCertificate(): Option.Option<Certificate> {
    return Certificates.fromSocket(this.#socket.getCertificate())
  }

  get session(): Option.Option<Redacted.Redacted<Uint8Array>> {
    // A session up to TLS 1.2 is good for any number of connections; one of TLS 1.3 is used up.
    const session = this.#newest ?? (this.info.protocol === "TLSv1.3" ? undefined : this.#resumedWith)
    return session === undefined
      ? Option.none()
      : Option.some(Redacted.make(new Uint8Array(encodeSession(session))))
  }

  get finished(): Option.Option<Uint8Array> {
    return Option.map(Option.fromNullable(this.#socket.getFinished()), (bytes) => new Uint8Array(bytes))
  }

  get peerFinished(): Option.Option<Uint8Array> {
    return Option.map(Option.fromNullable(this.#socket.getPeerFinished()), (bytes) => new Uint8Array(bytes))
  }

  exportKeyingMaterial(
    length: number,
    label: string,
    context?: Uint8Array
  ): Option.Option<Redacted.Redacted<Uint8Array>> {
    return Option.map(this.exported(length, label, context), Redacted.make)
  }

  toJSON(): unknown {
    return {
      _id: "@copas/core/TlsConnection",
      role: this.role,
      info: this.info,
      serverName: Option.getOrUndefined(this.serverName),
      alpn: Option.getOrUndefined(this.alpn),
      authorization: this.authorization,
      isResumed: this.isResumed
    }
  }

  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  private exported(length: number, label: string, context: Uint8Array | undefined): Option.Option<Uint8Array> {
    const given = context === undefined ? undefined : Buffer.from(context)
    return Option.liftThrowable(() => {
      // Without a context the call takes two arguments: an empty one is another thing (RFC 5705, section 4).
      const bytes: Buffer | null = given === undefined
        ? (this.#socket.exportKeyingMaterial as (length: number, label: string) => Buffer)(length, label)
        : this.#socket.exportKeyingMaterial(length, label, given)
      if (bytes === null) throw new Error("closed")
      return new Uint8Array(bytes)
    })()
  }

  channelBinding(type: "tls-unique" | "tls-exporter" | "tls-server-end-point"): Option.Option<Uint8Array> {
    switch (type) {
      case "tls-exporter":
        return this.exported(32, "EXPORTER-Channel-Binding", new Uint8Array(0))
      case "tls-unique": {
        if (this.info.protocol === "TLSv1.3") return Option.none()
        // The first Finished message of the handshake: the client's, or the server's when it resumed.
        return (this.role === "client") === this.isResumed ? this.peerFinished : this.finished
      }
      case "tls-server-end-point":
        return Option.map(
          this.role === "client" ? this.peerCertificate : this.localCertificate,
          (certificate) =>
            new Uint8Array(
              Crypto.createHash(bindingHash(certificate.signatureAlgorithm)).update(certificate.der).digest()
            )
        )
    }
  }
}

/** RFC 5929, section 4.1: the signature's own hash, but SHA-256 in place of MD5 and SHA-1. */
const bindingHash = (signature: string): string =>
  /sha512/i.test(signature)
    ? "sha512"
    : /sha384/i.test(signature)
    ? "sha384"
    : /sha224/i.test(signature)
    ? "sha224"
    : "sha256"
