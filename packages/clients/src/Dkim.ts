/**
 * DKIM signatures (RFC 6376, RFC 8463), by which a domain takes responsibility for a message.
 *
 * A `Signer` is an option of `Message.make`; several signers can sign one message, for example by RSA and by Ed25519. They
 * sign fields and body in their relaxed forms. A field that occurs once, or not at all, is signed once more often than it
 * occurs, so that no one can add another.
 *
 * The signature precedes the body. So bytes at hand are hashed where they are, and a stream runs twice: once for the hash,
 * and once for sending, while it is hashed again. If it gives other bytes the second time, the message is not sent
 * (`MessageChanged`).
 *
 * @example
 * ```ts no-run
 * import { Dkim, Message } from "@copas/clients"
 * import { Either, Redacted } from "effect"
 *
 * declare const pem: Redacted.Redacted<string>
 *
 * const signer = Either.getOrThrow(Dkim.signer({ domain: "example.test", selector: "mail", key: pem }))
 * const message = Message.make({ from: "ada@example.test", to: "c@d.test", text: "signed", dkim: signer })
 * ```
 *
 * @since 0.2.0
 */
import { InvalidOption } from "@copas/core/SocketError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as key from "./internal/dkim/key.js"
import * as Errors from "./internal/errors.js"
import { toAscii } from "./internal/mime/domain.js"

/**
 * A message could not be signed: the key is refused by the runtime, or the key service failed. Nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class DkimError extends Errors.define<DkimError>("Dkim")("DkimError", {
  domain: Schema.String,
  selector: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const how = this.cause === undefined ? "" : ", and the error in `cause`"
    return `the message could not be signed for ${this.domain} (selector ${this.selector}): check the key${how}`
  }
}

/**
 * Marks a `Signer`.
 *
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@copas/clients/Dkim")

/**
 * The type of `TypeId`.
 *
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * A signer: a domain, a selector and a key.
 *
 * @since 0.2.0
 * @category models
 */
export interface Signer {
  readonly [TypeId]: TypeId
  readonly domain: string
  readonly selector: string
  readonly algorithm: key.Algorithm
  readonly identity: string | undefined
  readonly validFor: Duration.Duration | undefined
  /** Signs what RFC 6376, section 3.7, makes of a message: its hash by Ed25519, itself by RSA. */
  readonly sign: (data: Uint8Array) => Effect.Effect<Uint8Array, DkimError>
}

/**
 * A key that is kept elsewhere, or that a simulation computes at once. It signs the bytes by RSASSA-PKCS1-v1_5 with
 * SHA-256, or by Ed25519.
 *
 * @since 0.2.0
 * @category models
 */
export interface RemoteKey {
  readonly algorithm: "rsa-sha256" | "ed25519-sha256"
  readonly sign: (bytes: Uint8Array) => Effect.Effect<Uint8Array, unknown>
}

/**
 * The options of `signer`.
 *
 * @since 0.2.0
 * @category models
 */
export interface SignerOptions {
  /** The domain that answers for the message: `d=`. */
  readonly domain: string
  /** Where in its DNS the public key stands, `<selector>._domainkey.<domain>`: `s=`. */
  readonly selector: string
  /** A private key of RSA (PKCS #8 or PKCS #1) or Ed25519 (PKCS #8) in PEM, or one that is kept elsewhere. */
  readonly key: Redacted.Redacted<string> | RemoteKey
  /** For whom it signs, within the domain: `i=`, such as `@news.example.test`. */
  readonly identity?: string | undefined
  /** How long the signature holds: `x=`, at least a second. Default: for ever. */
  readonly validFor?: Duration.DurationInput | undefined
}

const refuse = (option: string, value: string, expected: string) =>
  Either.left(new InvalidOption({ option, value, expected }))

const label = /^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*$/

/**
 * Makes a signer. The key is read at once, and imported when it first signs.
 *
 * @since 0.2.0
 * @category constructors
 */
export const signer = (options: SignerOptions): Either.Either<Signer, InvalidOption> => {
  const domain = toAscii(options.domain)
  if (domain === undefined || domain.startsWith("[")) return refuse("domain", options.domain, "a domain")
  const { identity, selector } = options
  if (!label.test(selector) || selector.length > 200) {
    return refuse("selector", selector, "labels of letters, digits and hyphens")
  }
  if (identity !== undefined) {
    const at = identity.lastIndexOf("@")
    const within = identity.slice(at + 1).toLowerCase()
    const isOfDomain = within === domain.toLowerCase() || within.endsWith(`.${domain.toLowerCase()}`)
    if (at === -1 || !isOfDomain || !/^[!-:<-~]*$/.test(identity)) {
      return refuse("identity", identity, `an address or an @ at ${domain} or below it`)
    }
  }
  const validFor = options.validFor === undefined ? undefined : Duration.decodeUnknown(options.validFor)
  if (validFor?._tag === "None" || validFor !== undefined && !(Duration.toSeconds(validFor.value) >= 1)) {
    return refuse("validFor", String(options.validFor), "a duration of at least a second")
  }
  const parsed = Redacted.isRedacted(options.key) ? key.parse(Redacted.value(options.key)) : options.key
  if (typeof parsed === "string") return refuse("key", "<redacted>", parsed)
  const failed = (cause: unknown) => new DkimError({ domain, selector, cause })
  const bySubtle = "der" in parsed ? key.signer(parsed) : undefined
  return Either.right({
    [TypeId]: TypeId,
    domain,
    selector,
    algorithm: parsed.algorithm,
    identity,
    validFor: validFor?.value,
    sign: bySubtle === undefined
      ? (data) => Effect.mapError((parsed as RemoteKey).sign(data), failed)
      : (data) => Effect.tryPromise({ try: () => bySubtle(data), catch: failed })
  })
}
