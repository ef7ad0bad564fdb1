/**
 * The mechanisms that take an access token: OAUTHBEARER (RFC 7628), and XOAUTH2, which Google and Microsoft had before.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { orFail } from "../../options.js"
import * as Command from "../../replies/command.js"
import * as Bytes from "../../text/bytes.js"
import type { Mechanism, MechanismContext, MechanismFailure, MechanismState } from "./mechanism.js"
import * as Text from "./text.js"

/** Separates the fields of a message, and as a response to an error acknowledges it (RFC 7628, section 3.2.3). */
export const KV = "\x01"

/** RFC 6750, section 2.1. Anything else could begin another field. */
const tokens = /^[A-Za-z0-9\-._~+/]+=*$/

const tokenOf = (context: MechanismContext): Either.Either<string, MechanismFailure> =>
  Either.flatMap(Text.secretOf("token", context.token), (token) =>
    tokens.test(token)
      ? Either.right(token)
      : Text.failure("the token has a character that no access token has (RFC 6750, section 2.1)"))

const userOf = (context: MechanismContext): Either.Either<string, MechanismFailure> =>
  context.user.includes(KV) ? Text.failure("the user has a control character") : Text.plain("user", context.user)

const field = (object: object, name: string): ReadonlyArray<string> => {
  const value = (object as Readonly<Record<string, unknown>>)[name]
  return typeof value === "string" || typeof value === "number" ? [`${name} ${Bytes.show(String(value), 200)}`] : []
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The `status` and `scope` of the server's JSON; `undefined` where it is none. */
export const statusOf = (challenge: Uint8Array): string | undefined => {
  const text = Text.fromUtf8(challenge)
  const value = text === undefined ? undefined : parseJson(text)
  if (typeof value !== "object" || value === null) return undefined
  const fields = [...field(value, "status"), ...field(value, "scope")]
  return fields.length === 0 ? undefined : fields.join(", ")
}

const make = (
  name: string,
  /** What the server waits for after its error, before it refuses. */
  acknowledgement: string,
  first: (user: string, token: string, context: MechanismContext) => string
): Mechanism => {
  const over = () => Text.failing("the server sent a challenge after its refusal")
  return {
    name,
    credential: "token",
    isClearText: true,
    needsChannelBinding: false,
    start: (context) =>
      Effect.gen(function*() {
        const token = yield* orFail(tokenOf(context))
        const response = first(yield* orFail(userOf(context)), token, context)
        const state: MechanismState = {
          response: Redacted.make(Text.utf8(response)),
          missing: undefined,
          step: (challenge) => {
            const status = statusOf(challenge)
            const detail = status === undefined ? undefined : Command.hide([token], status)
            return Effect.succeed({
              response: Redacted.make(Text.utf8(acknowledgement)),
              missing: `the server has refused the token${detail === undefined ? "" : ` (${detail})`}`,
              detail,
              step: over
            })
          }
        }
        return state
      })
  }
}

export const oauthBearer = make(
  "OAUTHBEARER",
  KV,
  (user, token, { host, port }) =>
    `n,a=${Text.toSaslName(user)},${KV}host=${host}${KV}port=${port}${KV}auth=Bearer ${token}${KV}${KV}`
)

export const xoauth2 = make("XOAUTH2", "", (user, token) => `user=${user}${KV}auth=Bearer ${token}${KV}${KV}`)
