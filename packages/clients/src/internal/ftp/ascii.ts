/**
 * TYPE A: lines end in CR LF on the wire and in LF here. RFC 959, section 3.1.1.1.
 *
 * Each transducer keeps what a chunk's border may have cut. A chunk with nothing to change is passed on as it is.
 */
export interface Transducer {
  readonly push: (chunk: Uint8Array) => Uint8Array
  /** What was kept for a next chunk that does not come. */
  readonly end: () => Uint8Array
}

const LF = 10
const CR = 13
const empty = new Uint8Array(0)

/**
 * For uploads: each LF that has no CR before it gets one.
 */
export const toNetwork = (): Transducer => {
  let afterCR = false
  return {
    push: (chunk) => {
      if (chunk.length === 0) return chunk
      let bare = 0
      let before = afterCR
      for (const byte of chunk) {
        if (byte === LF && !before) bare++
        before = byte === CR
      }
      const first = afterCR
      afterCR = before
      if (bare === 0) return chunk
      const converted = new Uint8Array(chunk.length + bare)
      let position = 0
      before = first
      for (const byte of chunk) {
        if (byte === LF && !before) converted[position++] = CR
        converted[position++] = byte
        before = byte === CR
      }
      return converted
    },
    end: () => empty
  }
}

/**
 * For downloads: each CR LF becomes an LF. A CR alone stays: it is the server's text.
 */
export const fromNetwork = (): Transducer => {
  let heldCR = false
  return {
    push: (chunk) => {
      if (chunk.length === 0) return chunk
      const isHeld = heldCR
      heldCR = chunk[chunk.length - 1] === CR
      if (!isHeld && !chunk.includes(CR)) return chunk
      const converted = new Uint8Array(chunk.length + 1)
      let position = 0
      if (isHeld && chunk[0] !== LF) converted[position++] = CR
      const end = heldCR ? chunk.length - 1 : chunk.length
      for (let index = 0; index < end; index++) {
        if (chunk[index] === CR && chunk[index + 1] === LF) continue
        converted[position++] = chunk[index]!
      }
      return converted.subarray(0, position)
    },
    end: () => {
      if (!heldCR) return empty
      heldCR = false
      return Uint8Array.of(CR)
    }
  }
}
