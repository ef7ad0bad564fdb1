/**
 * What a mechanism of the log-in is: a state machine that sends nothing itself.
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Errors from "../../errors.js"

/**
 * Why a mechanism cannot continue. The session cancels the exchange (`*`) and fails with `AuthenticationFailed` and this
 * `detail`; before the first line it fails with `InvalidArgument`, and nothing was sent.
 */
export class MechanismFailure extends Errors.define<MechanismFailure>("SmtpSession")("MechanismFailure", {
  /** What is wrong, without any secret: `the server's signature is wrong`. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The data that ties a log-in to its TLS connection (RFC 5056): `tls-exporter` under TLS 1.3 (RFC 9266), `tls-unique`
 * under TLS 1.2 (RFC 5929).
 */
export interface ChannelBinding {
  readonly type: "tls-exporter" | "tls-unique"
  readonly data: Uint8Array
}

/**
 * What a mechanism computes with. In memory and in a simulation everything here is synchronous and its random bytes come
 * from a seed, so a mechanism that uses nothing else behaves the same each time.
 */
export interface MechanismCrypto {
  readonly randomBytes: (length: number) => Uint8Array
  readonly digest: (hash: "sha1" | "sha256", bytes: Uint8Array) => Uint8Array
  /** RFC 2104. */
  readonly hmac: (hash: "md5" | "sha1" | "sha256", key: Uint8Array, bytes: Uint8Array) => Uint8Array
  /** A key of the hash's length (RFC 8018, section 5.2). It may be computed on another thread. */
  readonly pbkdf2: (
    hash: "sha1" | "sha256",
    password: Uint8Array,
    salt: Uint8Array,
    rounds: number
  ) => Effect.Effect<Uint8Array>
}

/**
 * What a mechanism knows about the log-in.
 */
export interface MechanismContext {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Redacted.Redacted<string> | undefined
  /** An access token (RFC 6750). */
  readonly token: Redacted.Redacted<string> | undefined
  /** The names of the mechanisms that the server offers on this connection, in upper case. */
  readonly offered: ReadonlyArray<string>
  /** `undefined` without TLS, and where the TLS connection has none. */
  readonly channelBinding: ChannelBinding | undefined
  readonly crypto: MechanismCrypto
}

/**
 * Where an exchange stands. A state is a value: `step` changes nothing, so the same state can be asked twice.
 */
export interface MechanismState {
  /**
   * What goes to the server in this state, in bytes; the session encodes it. In the first state it is the initial
   * response, or `undefined` if the server speaks first.
   */
  readonly response: Redacted.Redacted<Uint8Array> | undefined
  /**
   * Takes what the server sent (decoded, 16 KiB at most) and gives the next state, whose response goes out.
   *
   * *Interruption*: it ends what the step computes, and the session cancels the exchange.
   */
  readonly step: (challenge: Uint8Array) => Effect.Effect<MechanismState, MechanismFailure>
  /**
   * Why the log-in is not to be believed if the server accepts it now: a server that has not proved that it knows the
   * password. `undefined` if nothing is missing.
   */
  readonly missing: string | undefined
  /** What the server told by the mechanism's own means, for `AuthenticationFailed.detail`, if it refuses now. */
  readonly detail?: string | undefined
  /** The next challenge is text for people (`Username:`), so it is neither decoded nor read: `step` gets no bytes. */
  readonly ignoresChallenge?: boolean | undefined
}

/**
 * A way to log in: a name, what it needs, and its first state. It sends and receives nothing itself.
 *
 * A mechanism of your own stands in the option `mechanisms`, among the names of the built-in ones.
 */
export interface Mechanism {
  /** 1 to 20 letters, digits, hyphens and underscores (RFC 4422, section 3.1), as the server offers it. */
  readonly name: string
  /** What it logs in with. `none`: with something of its own. */
  readonly credential: "password" | "token" | "none"
  /** It shows the secret to whoever reads the connection, so it needs TLS or `allowInsecureAuth`. */
  readonly isClearText: boolean
  /** It is chosen only where the TLS connection has a channel binding. */
  readonly needsChannelBinding: boolean
  /** Fails if the user, password or token cannot be used with this mechanism. */
  readonly start: (context: MechanismContext) => Effect.Effect<MechanismState, MechanismFailure>
}

/**
 * The names of the built-in mechanisms, strongest first: for a password SCRAM (RFC 5802, 7677; `-PLUS` is bound to the
 * TLS connection, RFC 9266), CRAM-MD5 (RFC 2195), PLAIN (RFC 4616) and LOGIN; for a token OAUTHBEARER (RFC 7628) and
 * XOAUTH2.
 */
export type MechanismName =
  | "SCRAM-SHA-256-PLUS"
  | "SCRAM-SHA-256"
  | "SCRAM-SHA-1-PLUS"
  | "SCRAM-SHA-1"
  | "CRAM-MD5"
  | "PLAIN"
  | "LOGIN"
  | "OAUTHBEARER"
  | "XOAUTH2"
