/**
 * AUTH at the test server: the lines of the exchange (RFC 4954, section 4), as replies.
 */
import * as Effect from "effect/Effect"
import * as Text from "../../../../internal/smtp/sasl/text.js"
import * as Bytes from "../../../../internal/text/bytes.js"
import type { Outcome, ServerContext, ServerMechanism } from "./exchange.js"

/** A reply without its enhanced code. After a 334 the client's next line belongs to `answer`. */
export type AuthReply =
  | { readonly code: 334; readonly text: string; readonly answer: (line: string) => Effect.Effect<AuthReply> }
  | { readonly code: 235; readonly text: string; readonly user: string }
  | { readonly code: 501 | 504 | 535; readonly text: string }

const malformed: AuthReply = { code: 501, text: "The response is not base64" }

const replyTo = (outcome: Outcome): AuthReply => {
  switch (outcome._tag) {
    case "Accepted":
      return { code: 235, text: "Authentication succeeded", user: outcome.user }
    case "Refused":
      return { code: 535, text: `Authentication failed: ${outcome.detail}` }
    case "Challenge":
      return {
        code: 334,
        text: Text.toBase64(outcome.challenge),
        answer: (line) => {
          if (line === "*") return Effect.succeed({ code: 501, text: "Authentication cancelled" })
          const response = Text.fromBase64(line)
          return response === undefined ? Effect.succeed(malformed) : Effect.map(outcome.step(response), replyTo)
        }
      }
  }
}

/** The reply to `AUTH name [initial]`. A mechanism that the context does not offer is unknown. */
export const begin = (
  mechanisms: ReadonlyArray<ServerMechanism>,
  context: ServerContext,
  name: string,
  initial: string | undefined
): Effect.Effect<AuthReply> => {
  const wanted = name.toUpperCase()
  const mechanism = mechanisms.find((one) => one.name === wanted && context.offered.includes(wanted))
  if (mechanism === undefined) return Effect.succeed({ code: 504, text: "Unrecognized authentication type" })
  const first = mechanism.start(context)
  if (initial === undefined) return Effect.succeed(replyTo(first))
  if (mechanism.isServerFirst) return Effect.succeed({ code: 501, text: "This mechanism has no initial response" })
  const response = initial === "=" ? Bytes.empty : Text.fromBase64(initial)
  return response === undefined ? Effect.succeed(malformed) : Effect.map(first.step(response), replyTo)
}
