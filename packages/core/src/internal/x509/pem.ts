/** PEM, the textual encoding of certificates and keys (RFC 7468). */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

export const isPem = (text: string): boolean => text.includes("-----BEGIN ")

export const encode = (label: string, der: Uint8Array): string => {
  const lines = Encoding.encodeBase64(der).match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

export interface Block {
  readonly label: string
  /** The block as it stands in the text, with its first and last line. */
  readonly text: string
  /** The headers of older encrypted keys (RFC 1421, section 4.6), or the empty string. */
  readonly headers: string
  /** `undefined` when it is cut, or no base64; `problem` says which. */
  readonly der: Uint8Array | undefined
  readonly problem: string | undefined
}

/** The blocks of a PEM text; other text between them is skipped (RFC 7468, section 5.2). */
export const blocks = (text: string): ReadonlyArray<Block> => {
  const found: Array<Block> = []
  const begin = /-----BEGIN ([A-Z0-9 ]{1,64})-----/g
  for (let match = begin.exec(text); match !== null; match = begin.exec(text)) {
    const label = match[1]!
    const end = `-----END ${label}-----`
    const to = text.indexOf(end, begin.lastIndex)
    if (to === -1) {
      const problem = `has no line "${end}", so the text is cut or two blocks are mixed up`
      found.push({ label, text: text.slice(match.index), headers: "", der: undefined, problem })
      return found
    }
    const inside = text.slice(begin.lastIndex, to)
    begin.lastIndex = to + end.length
    const headers = inside.match(/^[\w-]+:.*$/gm) ?? []
    const body = inside.replace(/^[\w-]+:.*$/gm, "").replace(/\s/g, "")
    const decoded = Encoding.decodeBase64(body)
    const der = body !== "" && Either.isRight(decoded) ? decoded.right : undefined
    found.push({
      label,
      text: `${text.slice(match.index, begin.lastIndex)}\n`,
      headers: headers.join("\n"),
      der,
      problem: der !== undefined ? undefined : body === "" ? "is empty" : "contains characters that are not base64"
    })
  }
  return found
}
