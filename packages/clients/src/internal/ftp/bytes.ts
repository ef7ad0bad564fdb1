/**
 * Bytes as text and back.
 *
 * Grammars run over "binary" strings: one character for each byte (0 to 255). So a regular expression works on bytes of
 * an unknown encoding, positions in the string are positions in the bytes, and nothing is lost on the way back. The
 * platform's "latin1" decoder will not do: it is windows-1252, which maps 0x80 to 0x9F elsewhere.
 */

const step = 8192

export const empty: Uint8Array = new Uint8Array(0)

export const toBinary = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  if (end - start <= step) return String.fromCharCode(...bytes.subarray(start, end))
  let text = ""
  for (let position = start; position < end; position += step) {
    text += String.fromCharCode(...bytes.subarray(position, Math.min(position + step, end)))
  }
  return text
}

export const fromBinary = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}

export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const bytes = new Uint8Array(length)
  let position = 0
  for (const chunk of chunks) {
    bytes.set(chunk, position)
    position += chunk.length
  }
  return bytes
}

export const equals = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false
  }
  return true
}

export const startsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  bytes.length >= prefix.length && equals(bytes.subarray(0, prefix.length), prefix)

const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Text that may stand in a message or a log: control and direction characters are written out, the length is bounded.
 */
export const show = (text: string, limit = 200): string => {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return cut.replace(hidden, (character) => {
    const point = character.codePointAt(0)!
    const hex = point.toString(16)
    return point < 256 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`
  })
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * The same for bytes. They are cut before they are decoded, so that a huge line costs nothing.
 */
export const showBytes = (bytes: Uint8Array, limit = 200): string =>
  show(utf8.decode(bytes.subarray(0, limit)), limit) + (bytes.length > limit ? "…" : "")
