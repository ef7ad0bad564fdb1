/**
 * The server's side of a log-in, as the test server speaks it: states that take responses and give challenges.
 */
import * as Effect from "effect/Effect"
import type * as Keys from "../../../../internal/smtp/sasl/keys.js"
import type { ChannelBinding, MechanismCrypto } from "../../../../internal/smtp/sasl/mechanism.js"

/** What the server knows. */
export interface ServerContext {
  /** Its name, in the challenge of CRAM-MD5. */
  readonly host: string
  /** The passwords by user. */
  readonly users: ReadonlyMap<string, string>
  readonly isToken: (user: string, token: string) => boolean
  /** The names of the mechanisms that it offers on this connection. */
  readonly offered: ReadonlyArray<string>
  readonly channelBinding: (type: ChannelBinding["type"]) => Uint8Array | undefined
  readonly crypto: MechanismCrypto
  readonly derive: Keys.Derive
  /** How many rounds SCRAM takes. */
  readonly rounds: number
  /** What a refused token is told: the JSON's `status` and `scope`. */
  readonly tokenRefusal: { readonly status: string; readonly scope?: string | undefined }
}

/** A challenge (334) waits for the next response; the others end the exchange (235, 535). */
export type Outcome =
  | {
    readonly _tag: "Challenge"
    readonly challenge: Uint8Array
    readonly step: (response: Uint8Array) => Effect.Effect<Outcome>
  }
  | { readonly _tag: "Accepted"; readonly user: string }
  | { readonly _tag: "Refused"; readonly detail: string }

export interface ServerMechanism {
  readonly name: string
  /** The server speaks first, so an initial response is an error (501). */
  readonly isServerFirst: boolean
  /** The first challenge. An initial response is given to its `step`, and the challenge is not sent. */
  readonly start: (context: ServerContext) => Extract<Outcome, { readonly _tag: "Challenge" }>
}

export const refused = (detail: string): Outcome => ({ _tag: "Refused", detail })

export const accepted = (user: string): Outcome => ({ _tag: "Accepted", user })

/** A challenge whose response is judged here and now. */
export const challenge = (
  bytes: Uint8Array,
  judge: (response: Uint8Array) => Outcome
): Extract<Outcome, { readonly _tag: "Challenge" }> => ({
  _tag: "Challenge",
  challenge: bytes,
  step: (response) => Effect.sync(() => judge(response))
})
