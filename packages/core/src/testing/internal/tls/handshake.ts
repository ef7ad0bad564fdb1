/** What both sides of a handshake of the stand-in for TLS have in common. */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type { Certificate } from "../../../Certificate.js"
import type { Answer } from "../../../TlsCallbacks.js"
import type { Authorization } from "../../../TlsConnection.js"
import type { Version } from "../../../TlsContext.js"
import type { TlsFailure, UpgradeRequest } from "../../../TlsTransport.js"
import { violation } from "./alerts.js"
import type { Cipher } from "./ciphers.js"
import { encodeMessage, type Heard, type Message } from "./records.js"
import { equalBytes, expand, mix } from "./sha.js"
import { problemOf, type Trust } from "./verify.js"

/** What a handshake needs of the network, and of the transport that it is made on. */
export interface Surroundings {
  readonly random: (length: number) => Uint8Array
  /** Milliseconds since 1970, on the network's clock. */
  readonly now: () => number
  /** Those that come with the network. */
  readonly authorities: ReadonlyArray<Certificate>
  /** Sends a message. */
  readonly say: (message: Uint8Array) => void
  readonly established: () => void
  readonly refuse: (failure: TlsFailure) => void
}

/** What was agreed, as far as it is known. */
export interface Agreed {
  readonly version: Version
  readonly cipher: Cipher
  readonly group: string | undefined
  readonly alpn: string | undefined
  readonly isResumed: boolean
  readonly secret: Uint8Array
}

export type Role = "client" | "server"

const other = (role: Role): Role => role === "client" ? "server" : "client"

/** Both sides compute the same from the same messages: it is what would be secret, and is not. */
export const secretOf = (key: Uint8Array, client: Uint8Array, server: Uint8Array): Uint8Array =>
  mix("secret", key, client, server)

/** What a client shows before the server said anything, so that it sees whether both have the same key. */
export const binderOf = (key: Uint8Array, random: Uint8Array): Uint8Array => mix("binder", key, random)

export abstract class Handshake {
  readonly role: Role
  readonly request: UpgradeRequest
  protected readonly around: Surroundings
  private transcript: Uint8Array = new Uint8Array(0)
  agreed: Agreed | undefined = undefined
  authorization: Authorization = { _tag: "Anonymous" }
  /** The peer's certificate first, then its issuers as far as they are known. */
  peerPath: ReadonlyArray<Certificate> = []
  localCertificate: Certificate | undefined = undefined
  serverName: string | undefined = undefined
  /** The newest that came, on a client. */
  session: Uint8Array | undefined = undefined
  readonly finished: { client: Uint8Array | undefined; server: Uint8Array | undefined } = {
    client: undefined,
    server: undefined
  }
  isOver = false

  constructor(role: Role, request: UpgradeRequest, around: Surroundings) {
    this.role = role
    this.request = request
    this.around = around
  }

  abstract start(): void

  /** One message of the peer. */
  hear({ bytes, message }: Heard): void {
    const before = this.transcript
    if (message._tag !== "NewTicket") this.record(bytes)
    this.take(message, before)
  }

  /** @param before the transcript without the message */
  protected abstract take(message: Message, before: Uint8Array): void

  protected say(message: Message): void {
    const bytes = encodeMessage(message)
    if (message._tag !== "NewTicket") this.record(bytes)
    this.around.say(bytes)
  }

  private record(bytes: Uint8Array): void {
    this.transcript = mix(this.transcript, bytes)
  }

  protected refuse(failure: TlsFailure): void {
    this.isOver = true
    this.around.refuse(failure)
  }

  protected unexpected(): void {
    this.refuse(violation("UNEXPECTED_MESSAGE"))
  }

  protected done(): void {
    this.isOver = true
    this.around.established()
  }

  /** What somebody else's function gave; what it did wrong fails the handshake. */
  protected asked<A>(answer: Answer<A>): { readonly value: Option.Option<A> } | undefined {
    if (Either.isRight(answer)) return { value: answer.right }
    this.refuse(answer.left)
    return undefined
  }

  // ---- the end of the handshake, on both sides

  private verifyData(role: Role, transcript: Uint8Array): Uint8Array {
    const length = this.agreed!.version === "TLSv1.3" ? 32 : 12
    return expand(length, `${role} finished`, this.agreed!.secret, transcript)
  }

  protected sayFinished(): void {
    const verify = this.verifyData(this.role, this.transcript)
    this.finished[this.role] = verify
    this.say({ _tag: "Finished", verify })
  }

  /** Whether both sides have seen the same messages, and have the same key. */
  protected takeFinished(verify: Uint8Array, before: Uint8Array): boolean {
    const expected = this.verifyData(other(this.role), before)
    if (!equalBytes(verify, expected)) {
      this.refuse(
        violation(this.agreed!.version === "TLSv1.3" ? "DIGEST_CHECK_FAILED" : "DECRYPTION_FAILED_OR_BAD_RECORD_MAC")
      )
      return false
    }
    this.finished[other(this.role)] = verify
    return true
  }

  /** The server's Finished comes first, except in a full handshake of before TLS 1.3. */
  protected get isServerFirst(): boolean {
    return this.agreed!.isResumed || this.agreed!.version === "TLSv1.3"
  }

  // ---- certificates

  protected trust(
    material: {
      readonly authorities: ReadonlyArray<Certificate> | undefined
      readonly revocationLists: Trust["revocationLists"]
    }
  ): Trust {
    return {
      authorities: material.authorities ?? this.around.authorities,
      revocationLists: material.revocationLists,
      now: this.around.now()
    }
  }

  /** What is reported of a certificate with this fault, or of one without. */
  protected authorize(code: string | undefined, by: "authority" | "psk", identity?: TlsFailure): void {
    this.authorization = code === undefined
      ? { _tag: "Verified", by }
      : { _tag: "Unverified", reason: code === identity?.code ? identity.reason : problemOf(code).reason, code }
  }
}
