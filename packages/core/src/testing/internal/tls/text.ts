/** Text and bytes in UTF-8, without a platform. */
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

export const encode = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? encoder.encode(chunk) : chunk

/** How many bytes `text` takes in UTF-8; half a surrogate pair becomes U+FFFD, three bytes. */
export const byteLength = (text: string): number => {
  let bytes = text.length
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code < 0x80) continue
    if (code < 0x800) {
      bytes += 1
      continue
    }
    bytes += 2
    if (code < 0xd800 || code > 0xdbff) continue
    const next = text.charCodeAt(index + 1)
    if (next >= 0xdc00 && next <= 0xdfff) index += 1
  }
  return bytes
}

export const decode = (chunk: Uint8Array, start: number, end: number, encoding: "utf-8" | "latin1"): string => {
  const part = chunk.subarray(start, end)
  if (encoding === "utf-8") return decoder.decode(part)
  // TextDecoder's "latin1" is windows-1252.
  let text = ""
  for (let index = 0; index < part.length; index += 8192) {
    text += String.fromCharCode(...part.subarray(index, index + 8192))
  }
  return text
}
