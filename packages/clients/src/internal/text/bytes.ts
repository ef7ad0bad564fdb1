/**
 * Bytes as text and back.
 *
 * Grammars run over "binary" strings: one character for each byte (0 to 255). So a regular expression works on bytes of
 * an unknown encoding, positions in the string are positions in the bytes, and nothing is lost on the way back.
 */

export const empty: Uint8Array = new Uint8Array(0)

const decoder = new TextDecoder("latin1")
const remapped = /[^\0-\xff]/

export const toBinary = (bytes: Uint8Array): string => {
  // By far the fastest, but the platform's "latin1" is windows-1252, which has other characters for 0x80 to 0x9F.
  const text = decoder.decode(bytes)
  if (!remapped.test(text)) return text
  let exact = ""
  for (const byte of bytes) exact += String.fromCharCode(byte)
  return exact
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

export const hex = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0")
  return text
}

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
