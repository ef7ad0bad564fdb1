/**
 * Users, passwords and challenges as SASL wants them: prepared text (SASLprep, RFC 4013), bytes of UTF-8, base64.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as base64 from "../../mime/base64.js"
import { runAll } from "../../mime/transducer.js"
import * as Bytes from "../../text/bytes.js"
import { MechanismFailure } from "./mechanism.js"

const encoder = new TextEncoder()
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** `undefined` where the bytes are not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

export const toBase64 = (bytes: Uint8Array): string => Bytes.toBinary(runAll(base64.encoder(0), bytes))

const letters = /^[A-Za-z0-9+/]*={0,2}$/

/** Strict: the alphabet alone, whole groups, padding at the end. `undefined` where it is anything else. */
export const fromBase64 = (text: string): Uint8Array | undefined => {
  if (text.length % 4 !== 0 || !letters.test(text)) return undefined
  const decoder = base64.decoder(false)
  const bytes = runAll(decoder, Bytes.fromBinary(text))
  return decoder.fault === undefined ? bytes : undefined
}

export const failure = (detail: string): Either.Either<never, MechanismFailure> =>
  Either.left(new MechanismFailure({ detail }))

export const failing = (detail: string): Effect.Effect<never, MechanismFailure> =>
  Effect.fail(new MechanismFailure({ detail }))

// RFC 3454: tables C.1.2 and B.1.
const spaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
const nothings = /[\u00ad\u1806\u200c\u2060\ufeff]|\u034f|[\u180b-\u180d]|\u200d|[\ufe00-\ufe0f]/gu
// Tables C.2 to C.9 and A.1. The categories are those of the runtime's Unicode, newer than RFC 3454's 3.2: what was
// assigned since then is a character of a password like any other.
const prohibited =
  /[\p{Cc}\p{Co}\p{Cs}\p{Cn}\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u

/**
 * SASLprep: both sides derive the same key from however a password was typed. `what` names the text in the failure, which
 * does not show it.
 *
 * The rule on mixed directions (RFC 3454, section 6) is left out: no runtime tells a character's direction, and a server
 * that has the rule refuses such a password by itself.
 */
export const prepare = (what: string, text: string): Either.Either<string, MechanismFailure> => {
  const prepared = text.replace(spaces, " ").replace(nothings, "").normalize("NFKC")
  return prepared === ""
    ? failure(`the ${what} is empty`)
    : prohibited.test(prepared)
    ? failure(`the ${what} has a character that SASLprep (RFC 4013) prohibits`)
    : Either.right(prepared)
}

const NUL = "\0"

/**
 * The text as it is, where SASLprep is the server's affair. What UTF-8 cannot hold is refused: replaced, it would be
 * another password.
 */
export const plain = (what: string, text: string): Either.Either<string, MechanismFailure> =>
  text === ""
    ? failure(`the ${what} is empty`)
    : text.includes(NUL) || /\p{Cs}/u.test(text)
    ? failure(`the ${what} has a NUL or half of a surrogate pair`)
    : Either.right(text)

/** The secret that a mechanism logs in with. */
export const secretOf = (
  what: "password" | "token",
  secret: Redacted.Redacted<string> | undefined
): Either.Either<string, MechanismFailure> =>
  secret === undefined ? failure(`there is no ${what}`) : Either.right(Redacted.value(secret))

/** RFC 5802, section 5.1: a name within a message of attributes. */
export const toSaslName = (text: string): string => text.replaceAll("=", "=3D").replaceAll(",", "=2C")

/** `undefined` where an `=` begins neither `=2C` nor `=3D`. */
export const fromSaslName = (name: string): string | undefined =>
  /=(?!2C|3D)/.test(name) ? undefined : name.replaceAll("=2C", ",").replaceAll("=3D", "=")
