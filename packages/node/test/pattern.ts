/** Bytes of which no two neighbours are alike, the same ones for the same length. */
export const pattern = (length: number): Uint8Array => {
  // Not `Uint8Array.from` with a callback, which takes longer than most of the tests that send these bytes.
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index += 1) bytes[index] = index * 31 + (index >> 8)
  return bytes
}
