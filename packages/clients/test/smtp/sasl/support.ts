/** What the tests of the log-in have in common: a context, bytes, and a nonce that is known. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Primitives from "../../../src/internal/crypto/primitives.js"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import type { MechanismContext, MechanismCrypto, MechanismState } from "../../../src/SmtpSession.js"

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (data: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(data)

/** Everything is computed here and now, and the random bytes follow from a counter. */
export const makeCrypto = (): MechanismCrypto & { readonly derived: () => number } => {
  let drawn = 0
  let derived = 0
  const made = Mechanisms.cryptoOf(Primitives.make({
    isSynchronous: true,
    randomBytes: (length) => Uint8Array.from({ length }, (_, index) => (index * 7 + 31 * drawn++) % 256)
  }))
  return {
    ...made,
    pbkdf2: (...args) => {
      derived++
      return made.pbkdf2(...args)
    },
    derived: () => derived
  }
}

/** The nonce of an example, whose text is what 24 random bytes become in base64 elsewhere. */
export const withNonce = (crypto: MechanismCrypto, nonce: string): MechanismCrypto => ({
  ...crypto,
  randomBytes: () => new Uint8Array(Buffer.from(nonce, "base64"))
})

export const context = (given: Partial<Omit<MechanismContext, "password" | "token">> & {
  readonly password?: string
  readonly token?: string
} = {}): MechanismContext => ({
  host: "server.example.com",
  port: 587,
  user: "user",
  offered: [],
  channelBinding: undefined,
  crypto: makeCrypto(),
  ...given,
  password: given.password === undefined ? undefined : Redacted.make(given.password),
  token: given.token === undefined ? undefined : Redacted.make(given.token)
})

/** A state's response as text. */
export const said = (state: MechanismState): string | undefined =>
  state.response === undefined ? undefined : text(Redacted.value(state.response))

/** What a step fails with. */
export const refusal = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (failure) => failure.message)
