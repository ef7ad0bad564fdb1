/**
 * The mechanisms that a password alone is enough for: PLAIN (RFC 4616), LOGIN, and CRAM-MD5 (RFC 2195).
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { orFail } from "../../options.js"
import * as Bytes from "../../text/bytes.js"
import type { Mechanism, MechanismContext, MechanismFailure, MechanismState } from "./mechanism.js"
import * as Text from "./text.js"

interface Account {
  readonly user: string
  readonly password: string
}

const accountOf = (context: MechanismContext): Effect.Effect<Account, MechanismFailure> =>
  Effect.gen(function*() {
    const user = yield* orFail(Text.plain("user", context.user))
    const password = yield* orFail(Text.plain("password", yield* orFail(Text.secretOf("password", context.password))))
    return { user, password }
  })

/** The last state of an exchange. */
const last = (response: string): MechanismState => ({
  response: Redacted.make(Text.utf8(response)),
  missing: undefined,
  step: () => Text.failing("the server sent a challenge after the exchange had ended")
})

const unfinished = "the server accepts a log-in whose exchange has not ended"

const make = (
  name: string,
  isClearText: boolean,
  first: (account: Account, context: MechanismContext) => MechanismState
): Mechanism => ({
  name,
  credential: "password",
  isClearText,
  needsChannelBinding: false,
  start: (context) => Effect.map(accountOf(context), (account) => first(account, context))
})

export const plain = make("PLAIN", true, ({ password, user }) => last(`\0${user}\0${password}`))

/**
 * It has no RFC. The prompts are `Username:` and `Password:` by custom alone, and servers send others, so the first is
 * answered by the user and the second by the password.
 */
export const login = make("LOGIN", true, ({ password, user }) => ({
  response: undefined,
  missing: unfinished,
  ignoresChallenge: true,
  step: () =>
    Effect.succeed({
      ...last(user),
      missing: unfinished,
      ignoresChallenge: true,
      step: () => Effect.succeed(last(password))
    })
}))

export const cramMd5Response = (
  crypto: Pick<MechanismContext["crypto"], "hmac">,
  user: string,
  password: string,
  challenge: Uint8Array
): string => `${user} ${Bytes.hex(crypto.hmac("md5", Text.utf8(password), challenge))}`

export const cramMd5 = make("CRAM-MD5", false, ({ password, user }, { crypto }) => ({
  response: undefined,
  missing: unfinished,
  step: (challenge) =>
    challenge.length === 0
      ? Text.failing("the server's challenge is empty")
      : Effect.succeed(last(cramMd5Response(crypto, user, password, challenge)))
}))
