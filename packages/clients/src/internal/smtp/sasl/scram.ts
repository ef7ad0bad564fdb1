/**
 * SCRAM, the client's side (RFC 5802, 7677, 9266): the password does not go out, and the server must prove that it knows
 * it, too.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { orFail } from "../../options.js"
import * as Bytes from "../../text/bytes.js"
import type * as Keys from "./keys.js"
import type { Mechanism, MechanismContext, MechanismFailure, MechanismState } from "./mechanism.js"
import * as Message from "./scramMessage.js"
import * as Text from "./text.js"

/** How many rounds a server may ask for: fewer are guessed too fast, more would keep this side busy at its word. */
export interface Rounds {
  readonly least: number
  readonly most: number
}

/** RFC 7677, section 4: at least 4,096. */
export const defaultRounds: Rounds = { least: 4096, most: 600_000 }

const unproven = "the server has not proved that it knows the password"

/** All that both proofs are made of. */
interface Started {
  readonly context: MechanismContext
  readonly hash: Keys.Hash
  readonly derive: Keys.Derive
  readonly rounds: Rounds
  readonly password: string
  readonly nonce: string
  readonly header: string
  readonly isBound: boolean
  readonly clientFirstBare: string
}

const done: MechanismState = {
  response: Redacted.make(Bytes.empty),
  missing: undefined,
  step: () => Text.failing("the server sent a challenge after the exchange had ended")
}

/** The server says why it refuses, and it is its turn to refuse. */
const refused = (reason: string): MechanismState => {
  const detail = `the server says ${Bytes.show(reason, 80)}`
  return { ...done, missing: detail, detail }
}

const serverFinal =
  (expected: Uint8Array) => (challenge: Uint8Array): Effect.Effect<MechanismState, MechanismFailure> => {
    const error = Message.attributes(challenge, "e")
    if (error._tag === "Attributes") return Effect.succeed(refused(error.values[0]!))
    const message = Message.attributes(challenge, "v")
    if (message._tag === "Malformed") return Text.failing(`the server's last message ${message.detail}`)
    const signature = Text.fromBase64(message.values[0]!)
    return signature !== undefined && Bytes.equals(signature, expected)
      ? Effect.succeed(done)
      : Text.failing("the server's signature is wrong, so it does not know the password")
  }

const serverFirst = (started: Started) => (challenge: Uint8Array): Effect.Effect<MechanismState, MechanismFailure> => {
  const { clientFirstBare, context, derive, hash, header, isBound, nonce, password, rounds } = started
  const message = Message.attributes(challenge, "rsi")
  if (message._tag === "Malformed") return Text.failing(`the server's first message ${message.detail}`)
  const [serverNonce, saltText, roundsText] = message.values as [string, string, string]
  if (!Message.nonces.test(serverNonce) || !serverNonce.startsWith(nonce) || serverNonce.length === nonce.length) {
    return Text.failing("the server's nonce does not begin with ours, or adds nothing to it")
  }
  const salt = Text.fromBase64(saltText)
  if (salt === undefined || salt.length === 0) return Text.failing("the server's salt is no base64, or empty")
  const count = Message.roundsOf(roundsText)
  if (count === undefined) return Text.failing("the server's number of rounds is no number")
  if (count < rounds.least || count > rounds.most) {
    return Text.failing(`the server asks for ${count} rounds; allowed are ${rounds.least} to ${rounds.most}`)
  }
  const { crypto } = context
  const binding = Text.toBase64(Message.bound(header, isBound ? context.channelBinding : undefined))
  const withoutProof = `c=${binding},r=${serverNonce}`
  const signed = Message.authMessage(clientFirstBare, message.text, withoutProof)
  return Effect.map(derive(crypto, hash, password, salt, count), (keys) => {
    const proof = Text.toBase64(Message.proof(crypto, hash, keys.stored, signed, keys.client))
    const final = serverFinal(crypto.hmac(hash, keys.server, signed))
    return {
      response: Redacted.make(Text.utf8(`${withoutProof},p=${proof}`)),
      missing: unproven,
      step: final
    }
  })
}

/**
 * The flag says whether this side binds the channel. With `y` it could, and saw no offer: a server that did offer it then
 * refuses, for somebody between has taken the offer out. RFC 5802, section 6.
 */
const flagOf = (context: MechanismContext, family: Message.Family, isBound: boolean): string => {
  const { channelBinding, offered } = context
  if (isBound && channelBinding !== undefined) return `p=${channelBinding.type}`
  return channelBinding !== undefined && !offered.includes(`${family}-PLUS`) ? "y" : "n"
}

export const make = (family: Message.Family, isBound: boolean, derive: Keys.Derive, rounds: Rounds): Mechanism => ({
  name: isBound ? `${family}-PLUS` : family,
  credential: "password",
  isClearText: false,
  needsChannelBinding: isBound,
  start: (context) =>
    Effect.gen(function*() {
      if (isBound && context.channelBinding === undefined) {
        return yield* Text.failing("the connection has no channel binding")
      }
      const user = yield* orFail(Text.prepare("user", context.user))
      const password = yield* orFail(
        Text.prepare("password", yield* orFail(Text.secretOf("password", context.password)))
      )
      const nonce = Text.toBase64(context.crypto.randomBytes(24))
      const header = Message.gs2Header(flagOf(context, family, isBound))
      const clientFirstBare = `n=${Text.toSaslName(user)},r=${nonce}`
      const hash = Message.hashOf[family]
      const started = { context, hash, derive, rounds, password, nonce, header, isBound, clientFirstBare }
      return {
        response: Redacted.make(Text.utf8(header + clientFirstBare)),
        missing: unproven,
        step: serverFirst(started)
      }
    })
})
