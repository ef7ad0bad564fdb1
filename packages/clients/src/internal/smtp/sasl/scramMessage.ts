/**
 * The messages of SCRAM (RFC 5802, section 7), and the proofs over them: what both sides have in common.
 */
import * as Bytes from "../../text/bytes.js"
import type { Hash } from "./keys.js"
import type { ChannelBinding, MechanismCrypto } from "./mechanism.js"
import { fromUtf8, utf8 } from "./text.js"

export const hashOf = { "SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256" } as const

export type Family = keyof typeof hashOf

export const families: ReadonlyArray<Family> = ["SCRAM-SHA-256", "SCRAM-SHA-1"]

/** Begins the exchange: whether the client binds the channel (`p`), could but sees no offer (`y`), or cannot (`n`). */
export const gs2Header = (flag: string): string => `${flag},,`

/** What `c=` carries: the header, and the channel's data where it is bound. */
export const bound = (header: string, binding: ChannelBinding | undefined): Uint8Array =>
  Bytes.concat([utf8(header), binding === undefined ? Bytes.empty : binding.data])

/** RFC 5802, section 7: `printable`, so neither a comma nor a control character. */
export const nonces = /^[\x21-\x2b\x2d-\x7e]+$/

/** The values of attributes that stand in a fixed order. Extensions may follow; an `m` anywhere must be understood. */
export type Attributes =
  | { readonly _tag: "Attributes"; readonly text: string; readonly values: ReadonlyArray<string> }
  | { readonly _tag: "Malformed"; readonly detail: string }

const malformed = (detail: string): Attributes => ({ _tag: "Malformed", detail })

/** Reads `names` in their order: one letter each. */
export const attributes = (message: Uint8Array, names: string): Attributes => {
  const text = fromUtf8(message)
  if (text === undefined) return malformed("is not UTF-8")
  const parts = text.split(",")
  if (parts.some((part) => part.startsWith("m="))) return malformed("has a mandatory extension (m=), and none is known")
  const values: Array<string> = []
  for (const [index, name] of Array.from(names).entries()) {
    const part = parts[index]
    if (part === undefined || !part.startsWith(`${name}=`)) return malformed(`has no ${name}= at its place`)
    values.push(part.slice(2))
  }
  return parts.slice(names.length).every((part) => /^[A-Za-z]=[^\0]+$/.test(part))
    ? { _tag: "Attributes", text, values }
    : malformed("ends in something that is no attribute")
}

/** A whole number without a leading zero that has at most ten digits, or `undefined`. */
export const roundsOf = (text: string): number | undefined => /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined

export const authMessage = (clientFirstBare: string, serverFirst: string, clientFinal: string): Uint8Array =>
  utf8(`${clientFirstBare},${serverFirst},${clientFinal}`)

/** The client's key under the signature, or the signature under the client's key: the operation is its own inverse. */
export const proof = (
  crypto: MechanismCrypto,
  hash: Hash,
  storedKey: Uint8Array,
  message: Uint8Array,
  key: Uint8Array
): Uint8Array => {
  const signature = crypto.hmac(hash, storedKey, message)
  return signature.map((byte, index) => byte ^ key[index]!)
}
