/**
 * SHA-1 and SHA-2 (FIPS 180-4), for what is defined as a digest: fingerprints, TLSA records, `tls-server-end-point`.
 * Neither fast nor for secrets.
 */
import type { DigestAlgorithm } from "../../../Certificate.js"

// ---- constants: the first bits of the fractional parts of roots of primes (sections 4.2 and 5.3)

const primes: ReadonlyArray<bigint> = ((): ReadonlyArray<bigint> => {
  const found: Array<bigint> = []
  for (let candidate = 2n; found.length < 80; candidate += 1n) {
    if (found.every((prime) => candidate % prime !== 0n)) found.push(candidate)
  }
  return found
})()

const mask64 = (1n << 64n) - 1n

/** The first 64 bits of the fraction of the root of `degree`. */
const rootFraction = (prime: bigint, degree: 2n | 3n): bigint => {
  const wanted = prime << (64n * degree)
  let low = 0n
  let high = 1n << 80n
  while (high - low > 1n) {
    const middle = (low + high) >> 1n
    if (middle ** degree <= wanted) low = middle
    else high = middle
  }
  return low & mask64
}

interface Constants {
  readonly rounds64: ReadonlyArray<bigint>
  readonly rounds32: Int32Array
  readonly start: Record<"sha256" | "sha384" | "sha512", ReadonlyArray<bigint>>
}

let memo: Constants | undefined = undefined

const constants = (): Constants => {
  if (memo !== undefined) return memo
  const rounds64 = primes.map((prime) => rootFraction(prime, 3n))
  const roots = primes.slice(0, 16).map((prime) => rootFraction(prime, 2n))
  return memo = {
    rounds64,
    rounds32: Int32Array.from(rounds64.slice(0, 64), (constant) => Number(constant >> 32n)),
    start: {
      sha256: roots.slice(0, 8).map((root) => root >> 32n),
      sha384: roots.slice(8),
      sha512: roots.slice(0, 8)
    }
  }
}

// ---- blocks

/** The message followed by a bit 1, zeros and its length in bits (section 5.1). */
const padded = (bytes: Uint8Array, block: 64 | 128): DataView => {
  const lengthBytes = block / 8
  const blocks = Math.ceil((bytes.length + 1 + lengthBytes) / block)
  const view = new DataView(new ArrayBuffer(blocks * block))
  new Uint8Array(view.buffer).set(bytes)
  view.setUint8(bytes.length, 0x80)
  view.setBigUint64(view.byteLength - 8, BigInt(bytes.length) * 8n)
  return view
}

const left = (word: number, by: number): number => (word << by) | (word >>> (32 - by))
const right = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

const sha1 = (bytes: Uint8Array): Uint8Array => {
  const view = padded(bytes, 64)
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
  const words = new Int32Array(80)
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let index = 0; index < 16; index += 1) words[index] = view.getInt32(at + 4 * index)
    for (let index = 16; index < 80; index += 1) {
      words[index] = left(words[index - 3]! ^ words[index - 8]! ^ words[index - 14]! ^ words[index - 16]!, 1)
    }
    let [a, b, c, d, e] = state as unknown as [number, number, number, number, number]
    for (let index = 0; index < 80; index += 1) {
      const [mixed, constant] = index < 20
        ? [(b & c) | (~b & d), 0x5a827999]
        : index < 40
        ? [b ^ c ^ d, 0x6ed9eba1]
        : index < 60
        ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
        : [b ^ c ^ d, 0xca62c1d6]
      const next = (left(a, 5) + mixed + e + constant + words[index]!) | 0
      e = d
      d = c
      c = left(b, 30)
      b = a
      a = next
    }
    for (const [index, value] of [a, b, c, d, e].entries()) state[index] = state[index]! + value
  }
  const digest = new DataView(new ArrayBuffer(20))
  state.forEach((word, index) => digest.setInt32(4 * index, word))
  return new Uint8Array(digest.buffer)
}

export const sha256 = (bytes: Uint8Array): Uint8Array => {
  const view = padded(bytes, 64)
  const { rounds32, start } = constants()
  const state = Int32Array.from(start.sha256, Number)
  const words = new Int32Array(64)
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let index = 0; index < 16; index += 1) words[index] = view.getInt32(at + 4 * index)
    for (let index = 16; index < 64; index += 1) {
      const [early, late] = [words[index - 15]!, words[index - 2]!]
      words[index] = words[index - 16]! + words[index - 7]! +
        (right(early, 7) ^ right(early, 18) ^ (early >>> 3)) + (right(late, 17) ^ right(late, 19) ^ (late >>> 10))
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number
    ]
    for (let index = 0; index < 64; index += 1) {
      const one = (h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + rounds32[index]! +
        words[index]!) | 0
      const two = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + one) | 0
      d = c
      c = b
      b = a
      a = (one + two) | 0
    }
    for (const [index, value] of [a, b, c, d, e, f, g, h].entries()) state[index] = state[index]! + value
  }
  const digest = new DataView(new ArrayBuffer(32))
  state.forEach((word, index) => digest.setInt32(4 * index, word))
  return new Uint8Array(digest.buffer)
}

const right64 = (word: bigint, by: bigint): bigint => ((word >> by) | (word << (64n - by))) & mask64

const sha512 = (bytes: Uint8Array, variant: "sha384" | "sha512"): Uint8Array => {
  const view = padded(bytes, 128)
  const { rounds64, start } = constants()
  const state = Array.from(start[variant])
  const words: Array<bigint> = []
  for (let at = 0; at < view.byteLength; at += 128) {
    for (let index = 0; index < 16; index += 1) words[index] = view.getBigUint64(at + 8 * index)
    for (let index = 16; index < 80; index += 1) {
      const [early, late] = [words[index - 15]!, words[index - 2]!]
      words[index] = (words[index - 16]! + words[index - 7]! +
        (right64(early, 1n) ^ right64(early, 8n) ^ (early >> 7n)) +
        (right64(late, 19n) ^ right64(late, 61n) ^ (late >> 6n))) & mask64
    }
    let [a, b, c, d, e, f, g, h] = state as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]
    for (let index = 0; index < 80; index += 1) {
      const one = h + (right64(e, 14n) ^ right64(e, 18n) ^ right64(e, 41n)) + ((e & f) ^ (~e & mask64 & g)) +
        rounds64[index]! + words[index]!
      const two = (right64(a, 28n) ^ right64(a, 34n) ^ right64(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c))
      h = g
      g = f
      f = e
      e = (d + one) & mask64
      d = c
      c = b
      b = a
      a = (one + two) & mask64
    }
    for (const [index, value] of [a, b, c, d, e, f, g, h].entries()) state[index] = (state[index]! + value) & mask64
  }
  const digest = new DataView(new ArrayBuffer(64))
  state.forEach((word, index) => digest.setBigUint64(8 * index, word))
  return new Uint8Array(digest.buffer, 0, variant === "sha384" ? 48 : 64).slice()
}

export const digest = (algorithm: DigestAlgorithm, bytes: Uint8Array): Uint8Array =>
  algorithm === "sha1" ? sha1(bytes) : algorithm === "sha256" ? sha256(bytes) : sha512(bytes, algorithm)

// ---- what the stand-in for TLS derives

const encoder = new TextEncoder()

/** The bytes of all parts, each after its length, so that no two lists of parts give the same. */
const framed = (parts: ReadonlyArray<Uint8Array | string>): Uint8Array => {
  const encoded = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part)
  const all = new Uint8Array(encoded.reduce((sum, part) => sum + part.length + 4, 0))
  const view = new DataView(all.buffer)
  let at = 0
  for (const part of encoded) {
    view.setUint32(at, part.length)
    all.set(part, at + 4)
    at += part.length + 4
  }
  return all
}

/** A digest of all parts. */
export const mix = (...parts: ReadonlyArray<Uint8Array | string>): Uint8Array => sha256(framed(parts))

/** As many bytes as are wanted, all of them a function of the parts. */
export const expand = (length: number, ...parts: ReadonlyArray<Uint8Array | string>): Uint8Array => {
  const seed = mix(...parts)
  const bytes = new Uint8Array(length)
  for (let at = 0, counter = 0; at < length; at += 32, counter += 1) {
    bytes.set(mix(seed, String(counter)).subarray(0, Math.min(32, length - at)), at)
  }
  return bytes
}

export const equalBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])
