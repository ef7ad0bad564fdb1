/** PEM text (RFC 7468), written and read. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

const begin = /-----BEGIN ([A-Z0-9 ]+)-----/

export const isPem = (text: string): boolean => text.includes("-----BEGIN ")

export const encode = (label: string, der: Uint8Array): string => {
  const lines = Encoding.encodeBase64(der).match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

export interface Block {
  readonly label: string
  /** `undefined` when it is cut, or no base64. */
  readonly der: Uint8Array | undefined
}

/** The blocks of a PEM text; other text between them is passed over (RFC 7468, section 5.2). */
export const blocks = (text: string): ReadonlyArray<Block> => {
  const found: Array<Block> = []
  for (let at = 0;;) {
    const rest = begin.exec(text.slice(at))
    if (rest === null) return found
    const label = rest[1]!
    const from = at + rest.index + rest[0].length
    const to = text.indexOf(`-----END ${label}-----`, from)
    if (to === -1) {
      found.push({ label, der: undefined })
      return found
    }
    at = to
    // Older keys have headers: RFC 1421, section 4.6.
    const body = text.slice(from, to).replace(/^[\w-]+:.*$/gm, "").replace(/\s/g, "")
    const decoded = body === "" ? undefined : Encoding.decodeBase64(body)
    found.push({ label, der: decoded !== undefined && Either.isRight(decoded) ? decoded.right : undefined })
  }
}
