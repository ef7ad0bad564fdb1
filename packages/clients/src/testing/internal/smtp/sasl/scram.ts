/**
 * SCRAM, the server's side (RFC 5802, 7677, 9266).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ChannelBinding } from "../../../../internal/smtp/sasl/mechanism.js"
import * as Message from "../../../../internal/smtp/sasl/scramMessage.js"
import * as Text from "../../../../internal/smtp/sasl/text.js"
import * as Bytes from "../../../../internal/text/bytes.js"
import * as Exchange from "./exchange.js"

interface ClientFirst {
  readonly header: string
  readonly binding: ChannelBinding | undefined
  readonly bare: string
  readonly user: string
  readonly nonce: string
}

const isBindingType = (type: string): type is ChannelBinding["type"] => type === "tls-exporter" || type === "tls-unique"

/** RFC 5802, section 6: what the flag may be, and the data that it binds. `undefined` is right, and binds nothing. */
const bindingOf = (
  flag: string,
  family: Message.Family,
  isBound: boolean,
  context: Exchange.ServerContext
): Either.Either<ChannelBinding | undefined, string> => {
  if (!flag.startsWith("p=")) {
    return isBound
      ? Either.left("the mechanism asks for a channel binding")
      : flag === "y" && context.offered.includes(`${family}-PLUS`)
      ? Either.left("server-does-support-channel-binding")
      : Either.right(undefined)
  }
  const type = flag.slice(2)
  const data = isBindingType(type) ? context.channelBinding(type) : undefined
  return !isBound || !isBindingType(type) || data === undefined
    ? Either.left("unsupported-channel-binding-type")
    : Either.right({ type, data })
}

const readFirst = (
  response: Uint8Array,
  family: Message.Family,
  isBound: boolean,
  context: Exchange.ServerContext
): Either.Either<ClientFirst, string> => {
  const [, header = "", flag = "", identity = "", bare = ""] =
    /^((n|y|p=[A-Za-z0-9.-]+),(?:a=([^,]+))?,)(.*)$/s.exec(Text.fromUtf8(response) ?? "") ?? []
  const message = Message.attributes(Text.utf8(bare), "nr")
  if (message._tag === "Malformed") return Either.left(`the client's first message ${message.detail}`)
  const [name, nonce] = message.values as [string, string]
  const user = Text.fromSaslName(name)
  if (user === undefined) return Either.left("invalid-username-encoding")
  if (!Message.nonces.test(nonce)) return Either.left("the client's nonce is not printable")
  if (identity !== "" && identity !== name) return Either.left("acts for another user")
  return Either.map(bindingOf(flag, family, isBound, context), (binding) => ({ header, binding, bare, user, nonce }))
}

/** The user whose prepared name it is, with the prepared password. */
const accountOf = ({ users }: Exchange.ServerContext, name: string): readonly [string, string] | undefined => {
  for (const [user, password] of users) {
    const prepared = Either.all([Text.prepare("user", user), Text.prepare("password", password)])
    if (Either.isRight(prepared) && prepared.right[0] === name) return [user, prepared.right[1]]
  }
  return undefined
}

const clientFinal =
  (context: Exchange.ServerContext, family: Message.Family, first: ClientFirst, serverFirst: string, nonce: string) =>
  (response: Uint8Array): Effect.Effect<Exchange.Outcome> => {
    const refused = (detail: string) => Effect.succeed(Exchange.refused(detail))
    const { crypto, derive, rounds } = context
    const hash = Message.hashOf[family]
    const message = Message.attributes(response, "cr")
    if (message._tag === "Malformed") return refused(`the client's last message ${message.detail}`)
    const [bound, returned] = message.values as [string, string]
    const end = message.text.lastIndexOf(",p=")
    const given = end === -1 ? undefined : Text.fromBase64(message.text.slice(end + 3))
    if (given === undefined) return refused("the client's proof is missing")
    if (bound !== Text.toBase64(Message.bound(first.header, first.binding))) {
      return refused("channel-bindings-dont-match")
    }
    if (returned !== nonce) return refused("the client's nonce is another")
    const account = accountOf(context, first.user)
    if (account === undefined) return refused("unknown-user")
    const [user, password] = account
    const signed = Message.authMessage(first.bare, serverFirst, message.text.slice(0, end))
    return Effect.map(derive(crypto, hash, password, saltOf(context, first.user), rounds), (keys) => {
      if (given.length !== keys.stored.length) return Exchange.refused("invalid-proof")
      const client = Message.proof(crypto, hash, keys.stored, signed, given)
      if (!Bytes.equals(crypto.digest(hash, client), keys.stored)) return Exchange.refused("invalid-proof")
      const signature = Text.toBase64(crypto.hmac(hash, keys.server, signed))
      return Exchange.challenge(
        Text.utf8(`v=${signature}`),
        (last) => last.length === 0 ? Exchange.accepted(user) : Exchange.refused("more was sent after the proof")
      )
    })
  }

/** The same for each log-in of a user, so that a client derives its keys once. */
const saltOf = ({ crypto, host }: Exchange.ServerContext, user: string): Uint8Array =>
  crypto.digest("sha256", Text.utf8(`${host} ${user}`)).subarray(0, 16)

export const make = (family: Message.Family, isBound: boolean): Exchange.ServerMechanism => ({
  name: isBound ? `${family}-PLUS` : family,
  isServerFirst: false,
  start: (context) => ({
    _tag: "Challenge",
    challenge: Bytes.empty,
    step: (response) =>
      Effect.sync(() =>
        Either.match(readFirst(response, family, isBound, context), {
          onLeft: Exchange.refused,
          onRight: (first): Exchange.Outcome => {
            const nonce = first.nonce + Text.toBase64(context.crypto.randomBytes(18))
            const salt = Text.toBase64(saltOf(context, first.user))
            const serverFirst = `r=${nonce},s=${salt},i=${context.rounds}`
            return {
              _tag: "Challenge",
              challenge: Text.utf8(serverFirst),
              step: clientFinal(context, family, first, serverFirst, nonce)
            }
          }
        })
      )
  })
})
