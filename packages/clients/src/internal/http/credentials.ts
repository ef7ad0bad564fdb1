/** Credentials of requests: Basic (RFC 7617) and bearer tokens (RFC 6750), as what `Authorization` says. */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { Auth } from "../../HttpRequest.js"
import { valueFault } from "./fields.js"

/** The value of the field, or how to get a token. Both are functions, so that nothing shows them. */
export type Credentials =
  | { readonly value: () => string; readonly token?: undefined }
  | { readonly token: Effect.Effect<Redacted.Redacted<string>, unknown>; readonly value?: undefined }

const control = /\p{Cc}/u

/** Credentials of a user; or what is wrong with them. */
export const basic = (user: string, password: string): Credentials | string => {
  if (user.includes(":")) return "a user cannot have a colon (RFC 7617)"
  if (control.test(user) || control.test(password)) return "user and password cannot have control characters (RFC 7617)"
  const value = `Basic ${Encoding.encodeBase64(`${user}:${password}`)}`
  return { value: () => value }
}

/** What the field says with a token; or what is wrong with it. */
export const bearer = (token: unknown): { readonly value: string } | string => {
  if (!Redacted.isRedacted(token)) return "the token is not redacted: wrap it by `Redacted.make`"
  const text: unknown = Redacted.value(token)
  const fault = valueFault(text) ?? (text === "" ? "it is empty" : undefined)
  return fault === undefined ? { value: `Bearer ${text as string}` } : `the token cannot be sent: ${fault}`
}

export const make = (auth: Auth): Credentials | string => {
  if (typeof auth !== "object" || auth === null) return "it is neither user and password nor a token"
  if ("user" in auth) {
    const { password, user } = auth
    if (typeof user !== "string") return "the user is no text"
    if (password !== undefined && !Redacted.isRedacted(password)) {
      return "the password is not redacted: wrap it by `Redacted.make`"
    }
    return basic(user, password === undefined ? "" : Redacted.value(password))
  }
  if (Effect.isEffect(auth.token) && !Redacted.isRedacted(auth.token)) return { token: auth.token }
  const fixed = bearer(auth.token)
  return typeof fixed === "string" ? fixed : { value: () => fixed.value }
}
