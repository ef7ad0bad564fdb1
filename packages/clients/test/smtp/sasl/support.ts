/** What the tests of the log-in have in common: a context, bytes, and a nonce that is known. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Primitives from "../../../src/internal/crypto/primitives.js"
import type * as Command from "../../../src/internal/replies/command.js"
import * as Auth from "../../../src/internal/smtp/sasl/auth.js"
import * as Keys from "../../../src/internal/smtp/sasl/keys.js"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import * as Text from "../../../src/internal/smtp/sasl/text.js"
import type { Mechanism, MechanismContext, MechanismCrypto, MechanismState } from "../../../src/SmtpSession.js"
import * as AuthServer from "../../../src/testing/internal/smtp/sasl/auth.js"
import type * as Exchange from "../../../src/testing/internal/smtp/sasl/exchange.js"

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

export const serverContext = (given: Partial<Exchange.ServerContext>): Exchange.ServerContext => ({
  host: "server.example.com",
  users: new Map(),
  isToken: () => false,
  offered: [],
  channelBinding: () => undefined,
  crypto: makeCrypto(),
  derive: Keys.cached(4),
  rounds: 3,
  tokenRefusal: { status: "invalid_token" },
  ...given
})

export const origin = { protocol: "smtp", server: "server.example.com:587" } as const

const argument = (one: Command.Argument | undefined): string => Redacted.value(one as Redacted.Redacted<string>)

/** A whole log-in: the last reply, what the client knows then, and the client's responses. */
export const converse = (
  mechanism: Mechanism,
  server: Exchange.ServerMechanism,
  client: MechanismContext,
  known: Exchange.ServerContext
) =>
  Effect.gen(function*() {
    let turn = Auth.begin(mechanism.name, yield* mechanism.start(client))
    const lines: Array<string> = []
    const said = (line: Command.Argument | undefined): string | undefined => {
      if (line === undefined) return undefined
      const encoded = argument(line)
      lines.push(text(encoded === "=" ? new Uint8Array() : Text.fromBase64(encoded)!))
      return encoded
    }
    const offering = { ...known, offered: [...known.offered, server.name] }
    let reply = yield* AuthServer.begin([server], offering, mechanism.name, said(turn.command.args[1]))
    while (reply.code === 334) {
      turn = yield* Auth.answer(turn, [reply.text], origin)
      reply = yield* reply.answer(said(turn.command.args[0])!)
    }
    return { reply, lines, missing: Auth.missing(turn), detail: turn.state.detail }
  })
