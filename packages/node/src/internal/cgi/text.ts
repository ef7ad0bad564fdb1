/** Small facts about text that the environment and the head of the output have in common. */

/** A field's name (RFC 9110, 5.6.2). */
export const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Fields about one connection, which are neither the script's to read nor to write (RFC 3875, 4.1.18 and 6.3.4). */
export const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * A field's value is one character a byte, and Node writes an environment as UTF-8: bytes that are UTF-8 reach the script
 * as they came, and others as the characters of Latin-1.
 */
export const forEnvironment = (value: string): string => {
  // oxlint-disable-next-line no-control-regex
  if (!/[\u0080-\u00ff]/.test(value) || /[^\u0000-\u00ff]/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, "latin1"))
  } catch {
    return value
  }
}
