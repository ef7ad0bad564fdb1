/**
 * OAUTHBEARER (RFC 7628) and XOAUTH2, the server's side.
 */
import { KV } from "../../../../internal/smtp/sasl/bearer.js"
import * as Text from "../../../../internal/smtp/sasl/text.js"
import * as Bytes from "../../../../internal/text/bytes.js"
import * as Exchange from "./exchange.js"

/** The user and the fields of a message; `undefined` where it is malformed. */
type Read = (message: string) => { readonly user: string; readonly fields: ReadonlyArray<string> } | undefined

const readBearer: Read = (message) => {
  const [header = "", ...fields] = message.split(KV)
  const [, name] = /^n,a=([^,]*),$/.exec(header) ?? []
  const user = name === undefined ? undefined : Text.fromSaslName(name)
  return user === undefined ? undefined : { user, fields }
}

const readXoauth2: Read = (message) => {
  const [first = "", ...fields] = message.split(KV)
  return first.startsWith("user=") ? { user: first.slice(5), fields } : undefined
}

const make = (name: string, acknowledgement: string, read: Read): Exchange.ServerMechanism => ({
  name,
  isServerFirst: false,
  start: ({ isToken, tokenRefusal }) =>
    Exchange.challenge(Bytes.empty, (response) => {
      const message = Text.fromUtf8(response) ?? ""
      const told = message.endsWith(KV + KV) ? read(message.slice(0, -2)) : undefined
      if (told === undefined) return Exchange.refused("malformed")
      const { fields, user } = told
      const token = fields.find((field) => /^auth=bearer /i.test(field))?.slice("auth=Bearer ".length)
      return token !== undefined && isToken(user, token)
        ? Exchange.accepted(user)
        : Exchange.challenge(Text.utf8(JSON.stringify(tokenRefusal)), (answer) =>
          Exchange.refused(
            Text.fromUtf8(answer) === acknowledgement ? "the token is refused" : "the error was not acknowledged"
          ))
    })
})

export const oauthBearer = make("OAUTHBEARER", KV, readBearer)

export const xoauth2 = make("XOAUTH2", "", readXoauth2)
