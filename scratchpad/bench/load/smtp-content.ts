/** The messages of the SMTP workloads, for those who send them and for the sink that checks them. */

export const sender = "bench@example.test"
export const recipient = "reader@example.test"

/** By the subject the sink knows which messages came. */
export const subject = (number: number): string => `Message ${number} of the bench`

/** A text of half a kilobyte: one line of it stands for all in the check. */
export const line = "The quick brown fox jumps over the lazy dog, and the sink reads it."
export const text = Array.from({ length: 8 }, () => line).join("\r\n") + "\r\n"

export const filename = "big.bin"

const blockSize = 1 << 16
const kinds = Array.from({ length: 16 }, (_, kind) => {
  const block = Buffer.alloc(blockSize)
  for (let at = 0, value = kind + 1; at < blockSize; at += 4) {
    value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) + at
    block.writeInt32LE(value | 0, at)
  }
  return block
})

/** The attachment, block by block: neighbours differ. */
export const blocks = (size: number): number => size / blockSize
export const block = (index: number): Buffer => kinds[index % kinds.length]!
