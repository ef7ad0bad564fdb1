/**
 * PLAIN, LOGIN and CRAM-MD5, the server's side.
 */
import { cramMd5Response } from "../../../../internal/smtp/sasl/password.js"
import * as Text from "../../../../internal/smtp/sasl/text.js"
import * as Bytes from "../../../../internal/text/bytes.js"
import * as Exchange from "./exchange.js"

const judge = ({ users }: Exchange.ServerContext, user: string, password: string): Exchange.Outcome =>
  users.get(user) === password ? Exchange.accepted(user) : Exchange.refused("wrong user or password")

/** RFC 4616, section 2: the authorization identity, which must be the user's or empty, the user, the password. */
export const plain: Exchange.ServerMechanism = {
  name: "PLAIN",
  isServerFirst: false,
  start: (context) =>
    Exchange.challenge(Bytes.empty, (response) => {
      const [identity, user, password, ...others] = Text.fromUtf8(response)?.split("\0") ?? []
      if (user === undefined || password === undefined || others.length > 0) return Exchange.refused("malformed")
      return identity === "" || identity === user
        ? judge(context, user, password)
        : Exchange.refused("acts for another user")
    })
}

/** An initial response is the user. */
export const login: Exchange.ServerMechanism = {
  name: "LOGIN",
  isServerFirst: false,
  start: (context) =>
    Exchange.challenge(
      Text.utf8("Username:"),
      (user) =>
        Exchange.challenge(Text.utf8("Password:"), (password) =>
          judge(context, Text.fromUtf8(user) ?? "", Text.fromUtf8(password) ?? ""))
    )
}

/** RFC 2195. A user may have blanks: the digest follows the last. */
export const cramMd5: Exchange.ServerMechanism = {
  name: "CRAM-MD5",
  isServerFirst: true,
  start: (context) => {
    const { crypto, host, users } = context
    const challenge = Text.utf8(`<${Text.toBase64(crypto.randomBytes(12))}@${host}>`)
    return Exchange.challenge(challenge, (response) => {
      const text = Text.fromUtf8(response) ?? ""
      const user = text.slice(0, Math.max(0, text.lastIndexOf(" ")))
      const password = users.get(user)
      return password !== undefined && text === cramMd5Response(crypto, user, password, challenge)
        ? Exchange.accepted(user)
        : Exchange.refused("wrong user or password")
    })
  }
}
