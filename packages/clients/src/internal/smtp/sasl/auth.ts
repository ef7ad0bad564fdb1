/**
 * The lines of AUTH (RFC 4954, section 4): a mechanism's states as commands, and the server's 334 as its challenges.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { type Protocol, ProtocolViolation } from "../../../ReplyError.js"
import { orFail } from "../../options.js"
import * as Command from "../../replies/command.js"
import * as Bytes from "../../text/bytes.js"
import type { MechanismFailure, MechanismState } from "./mechanism.js"
import * as Text from "./text.js"

/** RFC 4954, section 4: the longest line of AUTH, with its CR LF. A longer initial response waits for the first 334. */
export const lineLimit = 12_288

/** The longest challenge, decoded. */
export const challengeLimit = 16 * 1024

/** One line of the exchange, with the state that it comes from. */
export interface Turn {
  readonly command: Command.Command
  readonly state: MechanismState
  /** The state's response did not go out with AUTH: it answers the server's first, empty challenge. */
  readonly isHeld: boolean
}

const encoded = (state: MechanismState): string =>
  state.response === undefined ? "" : Text.toBase64(Redacted.value(state.response))

/** AUTH with the initial response, `=` where it is empty; or without, where it has none or it does not fit. */
export const begin = (name: string, state: MechanismState): Turn => {
  const bare = Command.make("AUTH", name)
  if (state.response === undefined) return { command: bare, state, isHeld: false }
  const initial = encoded(state) || "="
  const fits = `AUTH ${name} ${initial}\r\n`.length <= lineLimit
  return { command: fits ? Command.make("AUTH", name, Redacted.make(initial)) : bare, state, isHeld: !fits }
}

const responseOf = (state: MechanismState): Turn => ({
  command: Command.continuation("AUTH", Redacted.make(encoded(state))),
  state,
  isHeld: false
})

/** Ends the exchange from this side: the server answers with 501. */
export const cancel: Command.Command = Command.continuation("AUTH", "*")

/** Where the conversation is, for errors. */
export interface Origin {
  readonly protocol: Protocol
  readonly server: string
}

/** The challenge of a 334: one line of strict base64 within the limit. */
export const challengeOf = (
  lines: ReadonlyArray<string>,
  { protocol, server }: Origin
): Either.Either<Uint8Array, ProtocolViolation> => {
  const [line = "", ...others] = lines
  const violation = (what: string) =>
    Either.left(new ProtocolViolation({ protocol, server, what, received: `334 ${Bytes.show(line, 80)}` }))
  if (others.length > 0) return violation("a challenge of AUTH takes more than one line")
  // Four letters for three bytes.
  if (line.length > Math.ceil(challengeLimit / 3) * 4) {
    return violation(`a challenge of AUTH has more than ${challengeLimit} bytes`)
  }
  const challenge = Text.fromBase64(line)
  return challenge === undefined ? violation("a challenge of AUTH is not base64") : Either.right(challenge)
}

/**
 * The turn after a 334. On a failure the session cancels the exchange; a violation ends the session.
 */
export const answer = (
  { isHeld, state }: Turn,
  lines: ReadonlyArray<string>,
  origin: Origin
): Effect.Effect<Turn, MechanismFailure | ProtocolViolation> =>
  // RFC 4954, section 4: this challenge is empty. Some servers put a text for people there.
  isHeld ? Effect.succeed(responseOf(state)) : Effect.gen(function*() {
    const challenge = state.ignoresChallenge === true ? Bytes.empty : yield* orFail(challengeOf(lines, origin))
    return responseOf(yield* state.step(challenge))
  })

/** Why a 235 is not to be believed at this turn; `undefined` where it is. */
export const missing = ({ isHeld, state }: Turn): string | undefined =>
  isHeld ? "the server accepts a log-in before it was given one" : state.missing
