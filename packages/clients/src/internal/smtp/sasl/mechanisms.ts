/**
 * Which mechanism logs in: those that are built in, those that fit a connection, and what comes after a refusal.
 */
import { InvalidOption } from "@copas/core/SocketError"
import type { TlsConnection } from "@copas/core/TlsConnection"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { NoMechanism } from "../../../SmtpError.js"
import * as Primitives from "../../crypto/primitives.js"
import * as Bytes from "../../text/bytes.js"
import type { Origin } from "./auth.js"
import { oauthBearer, xoauth2 } from "./bearer.js"
import * as Keys from "./keys.js"
import type { ChannelBinding, Mechanism, MechanismCrypto, MechanismName } from "./mechanism.js"
import { cramMd5, login, plain } from "./password.js"
import * as Scram from "./scram.js"
import { families } from "./scramMessage.js"

/** What a mechanism computes with, on the network at hand. */
export const cryptoOf = ({ digestNow, pbkdf2, randomBytes }: Primitives.Primitives): MechanismCrypto => ({
  randomBytes,
  digest: digestNow,
  hmac: Primitives.hmac,
  pbkdf2
})

/** More passwords and salts than one service meets. */
const keysKept = 64

/** Strongest first. What SCRAM derives is kept by the mechanisms: make them once for a service or a pool. */
export const builtIn = (rounds: Scram.Rounds = Scram.defaultRounds): ReadonlyArray<Mechanism> => {
  const derive = Keys.cached(keysKept)
  return [
    ...families.flatMap((family) => [true, false].map((isBound) => Scram.make(family, isBound, derive, rounds))),
    cramMd5,
    plain,
    login,
    oauthBearer,
    xoauth2
  ]
}

const invalid = (value: string, expected: string) =>
  Either.left(new InvalidOption({ option: "mechanisms", value: Bytes.show(value, 40), expected }))

/** RFC 4422, section 3.1. */
const grammar = /^[A-Z0-9_-]{1,20}$/

/** The option `mechanisms`: it restricts, and its order is the order of trying. A name may have any case. */
export const resolve = (
  available: ReadonlyArray<Mechanism>,
  given: ReadonlyArray<MechanismName | Mechanism> | undefined
): Either.Either<ReadonlyArray<Mechanism>, InvalidOption> => {
  if (given === undefined) return Either.right(available)
  if (given.length === 0) return invalid("none", "at least one mechanism")
  return Either.all(given.map((one): Either.Either<Mechanism, InvalidOption> => {
    const name = (typeof one === "string" ? one : one.name).toUpperCase()
    if (!grammar.test(name)) return invalid(name, "names of 1 to 20 letters, digits, hyphens and underscores")
    if (typeof one !== "string") return Either.right(one)
    const found = available.find((mechanism) => mechanism.name === name)
    return found === undefined
      ? invalid(name, available.map((mechanism) => mechanism.name).join(", "))
      : Either.right(found)
  }))
}

/** How many rounds SCRAM allows, from an option. */
export const rounds = (
  given: { readonly least?: number | undefined; readonly most?: number | undefined } = {}
): Either.Either<Scram.Rounds, InvalidOption> => {
  const { least = Scram.defaultRounds.least, most = Scram.defaultRounds.most } = given
  return [least, most].every((count) => Number.isSafeInteger(count) && count > 0) && least <= most
    ? Either.right({ least, most })
    : Either.left(
      new InvalidOption({ option: "rounds", value: `${least} to ${most}`, expected: "whole numbers, the least first" })
    )
}

/** RFC 9266 under TLS 1.3; RFC 5929 before. */
export const bindingOf = (tls: Option.Option<TlsConnection>): ChannelBinding | undefined => {
  const binding = Option.flatMap(tls, (connection) => {
    const type = connection.info.protocol === "TLSv1.3" ? "tls-exporter" : "tls-unique"
    return Option.map(connection.channelBinding(type), (data): ChannelBinding => ({ type, data }))
  })
  return Option.getOrUndefined(binding)
}

export interface Situation extends Origin {
  /** In upper case, as EHLO said on this connection. */
  readonly offered: ReadonlyArray<string>
  readonly isEncrypted: boolean
  readonly allowInsecureAuth: boolean
  readonly channelBinding: ChannelBinding | undefined
  /** What `auth` gives; a mechanism with a credential of its own fits always. */
  readonly credential: "password" | "token" | "none"
}

/** The mechanisms to try, in their order. */
export const choose = (
  mechanisms: ReadonlyArray<Mechanism>,
  situation: Situation
): Either.Either<readonly [Mechanism, ...Array<Mechanism>], NoMechanism> => {
  const { allowInsecureAuth, channelBinding, credential, isEncrypted, offered, protocol, server } = situation
  const allowed = mechanisms.filter((one) =>
    (one.credential === "none" || one.credential === credential) &&
    (isEncrypted || allowInsecureAuth || !one.isClearText) &&
    (channelBinding !== undefined || !one.needsChannelBinding)
  )
  const [first, ...others] = allowed.filter((one) => offered.includes(one.name.toUpperCase()))
  return first === undefined
    ? Either.left(
      new NoMechanism({ protocol, server, offered, allowed: allowed.map((one) => one.name), isEncrypted })
    )
    : Either.right([first, ...others])
}

/**
 * What may be tried after a refusal: the same mechanism with a new token, the next mechanism, or nothing.
 *
 * The next mechanism is tried only where the server refuses the mechanism itself (504, 534: RFC 4954, section 4). A 535 is
 * about user and password: a weaker mechanism would show them to a server that wants just that.
 */
export const afterRefusal = (refusal: {
  readonly code: number
  readonly enhancedCode: string | undefined
  /** The token can be fetched again, and was not yet. */
  readonly canRenew: boolean
}): "renew" | "next" | "stop" => {
  const { canRenew, code, enhancedCode = "" } = refusal
  // Exchange says 501 5.5.12x of a token that expires soon.
  if (canRenew && (code === 535 || (code === 501 && /^5\.5\.12\d$/.test(enhancedCode)))) return "renew"
  return code === 504 || code === 534 ? "next" : "stop"
}
