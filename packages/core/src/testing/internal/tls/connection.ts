/** What a program sees of a connection of the stand-in: info, bindings, exported material. */
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Certificate, DigestAlgorithm } from "../../../Certificate.js"
import type { Authorization, TlsConnection, TlsInfo } from "../../../TlsConnection.js"
import { curveBits, findCipher } from "./ciphers.js"
import type { Agreed, Handshake } from "./handshake.js"
import { digest, expand } from "./sha.js"

/** What a connection shows before its handshake has agreed on anything. */
const nothing: Agreed = {
  version: "TLSv1.2",
  cipher: findCipher("TLS_AES_256_GCM_SHA384")!,
  group: undefined,
  alpn: undefined,
  isResumed: false,
  secret: new Uint8Array(32)
}

/** RFC 5929, section 4.1: the signature's own hash, but SHA-256 in place of MD5 and SHA-1. */
const bindingHash = (signature: string): DigestAlgorithm =>
  /sha512/i.test(signature) ? "sha512" : /sha384/i.test(signature) ? "sha384" : "sha256"

/**
 * What a connection of the stand-in for TLS tells about itself. The Finished messages, the exported keys and the bindings
 * are the same on both ends where those of TLS are; anybody on the way could compute them.
 */
export class MemoryTlsConnection implements TlsConnection {
  readonly role: "client" | "server"
  readonly outer: Option.Option<TlsConnection>
  readonly #handshake: Handshake

  constructor(handshake: Handshake, outer: TlsConnection | undefined) {
    this.role = handshake.role
    this.#handshake = handshake
    this.outer = Option.fromNullable(outer)
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

  private get agreed(): Agreed {
    return this.#handshake.agreed ?? nothing
  }

  get info(): TlsInfo {
    const { cipher, group, isResumed, version } = this.agreed
    const shown = this.role === "server" || group === undefined || (isResumed && version !== "TLSv1.3")
      ? undefined
      : group
    return {
      protocol: version,
      cipher: cipher.name,
      standardCipher: cipher.standardName,
      bits: cipher.bits,
      encryption: cipher.encryption,
      keyExchange: cipher.keyExchange,
      authentication: cipher.authentication,
      mac: cipher.mac,
      group: Option.map(Option.fromNullable(shown), (name) => ({ name, bits: curveBits(name) })),
      compression: "none"
    }
  }

  get serverName(): Option.Option<string> {
    return Option.fromNullable(this.#handshake.serverName)
  }

  get alpn(): Option.Option<string> {
    return Option.fromNullable(this.agreed.alpn)
  }

  get authorization(): Authorization {
    return this.#handshake.authorization
  }

  get peerCertificate(): Option.Option<Certificate> {
    return Option.fromNullable(this.#handshake.peerPath[0])
  }

  get peerChain(): ReadonlyArray<Certificate> {
    return this.#handshake.peerPath
  }

  get localCertificate(): Option.Option<Certificate> {
    return Option.fromNullable(this.#handshake.localCertificate)
  }

  get isResumed(): boolean {
    return this.agreed.isResumed
  }

  get session(): Option.Option<Redacted.Redacted<Uint8Array>> {
    return Option.map(Option.fromNullable(this.#handshake.session), (bytes) => Redacted.make(bytes.slice()))
  }

  get finished(): Option.Option<Uint8Array> {
    return Option.map(Option.fromNullable(this.#handshake.finished[this.role]), (bytes) => bytes.slice())
  }

  get peerFinished(): Option.Option<Uint8Array> {
    const { finished } = this.#handshake
    return Option.map(
      Option.fromNullable(this.role === "client" ? finished.server : finished.client),
      (bytes) => bytes.slice()
    )
  }

  private exported(length: number, label: string, context: Uint8Array | undefined): Option.Option<Uint8Array> {
    const { agreed } = this.#handshake
    if (agreed === undefined || !Number.isInteger(length) || length < 0) return Option.none()
    // Without a context it is another thing than with an empty one: RFC 5705, section 4.
    return Option.some(
      context === undefined
        ? expand(length, "exporter", agreed.secret, label)
        : expand(length, "exporter", agreed.secret, label, context)
    )
  }

  exportKeyingMaterial(
    length: number,
    label: string,
    context?: Uint8Array
  ): Option.Option<Redacted.Redacted<Uint8Array>> {
    return Option.map(this.exported(length, label, context), Redacted.make)
  }

  channelBinding(type: "tls-unique" | "tls-exporter" | "tls-server-end-point"): Option.Option<Uint8Array> {
    switch (type) {
      case "tls-exporter":
        return this.exported(32, "EXPORTER-Channel-Binding", new Uint8Array(0))
      case "tls-unique": {
        const { isResumed, version } = this.agreed
        if (version === "TLSv1.3") return Option.none()
        // The first Finished message of the handshake: the client's, or the server's when it resumed.
        return (this.role === "client") === isResumed ? this.peerFinished : this.finished
      }
      case "tls-server-end-point":
        return Option.map(
          this.role === "client" ? this.peerCertificate : this.localCertificate,
          ({ der, signatureAlgorithm }) => digest(bindingHash(signatureAlgorithm), der)
        )
    }
  }
}
