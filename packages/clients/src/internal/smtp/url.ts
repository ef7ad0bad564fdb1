/**
 * URLs of servers: `smtp://user:password@host:587`, `smtps://host`, `lmtp://host:24`.
 */
import * as Either from "effect/Either"
import { InvalidArgument } from "../../ReplyError.js"
import * as Authority from "../authority.js"

/** `smtp` with STARTTLS or in clear, `smtps` under TLS from the first byte, `lmtp` for local delivery (RFC 2033). */
export type Scheme = "smtp" | "smtps" | "lmtp"

export interface SmtpUrl extends Authority.Authority {
  readonly scheme: Scheme
}

const shape = /^(smtps?|lmtp):\/\/([^/?#]*)\/?$/i

export const parse = (text: string): Either.Either<SmtpUrl, InvalidArgument> => {
  const refuse = (reason: string) =>
    Either.left(
      new InvalidArgument({ protocol: "smtp", what: "a URL", argument: Authority.hidden(text), reason })
    )
  const match = shape.exec(text)
  if (match === null) {
    return refuse("it is not like smtp://user:password@host:port, with smtp, smtps or lmtp, and nothing after it")
  }
  return Either.match(Authority.parse(match[2]!), {
    onLeft: refuse,
    onRight: (authority) => Either.right({ scheme: match[1]!.toLowerCase() as Scheme, ...authority })
  })
}
