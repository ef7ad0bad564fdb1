/**
 * Checksums of files as FTP names them, computed here, piece by piece.
 */
import { md5, sha1 } from "@noble/hashes/legacy"
import { sha256, sha512 } from "@noble/hashes/sha2"
import type { ChecksumAlgorithm } from "../../FtpSession.js"
import * as Bytes from "../text/bytes.js"

/** The strongest first: its older command, and how many hex digits its value has. */
export const algorithms: ReadonlyArray<readonly [ChecksumAlgorithm, string, number]> = [
  ["SHA-512", "XSHA512", 128],
  ["SHA-256", "XSHA256", 64],
  ["SHA-1", "XSHA1", 40],
  ["MD5", "XMD5", 32],
  ["CRC32", "XCRC", 8]
]

export interface Running {
  readonly algorithm: ChecksumAlgorithm
  readonly update: (bytes: Uint8Array) => void
  readonly value: () => string
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value
})

const crc32 = (): Running => {
  let value = 0xffffffff
  return {
    algorithm: "CRC32",
    update: (bytes) => {
      for (const byte of bytes) value = table[(value ^ byte) & 255]! ^ (value >>> 8)
    },
    value: () => ((value ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0")
  }
}

const makers = { "SHA-512": sha512, "SHA-256": sha256, "SHA-1": sha1, MD5: md5 }

export const start = (algorithm: ChecksumAlgorithm): Running => {
  if (algorithm === "CRC32") return crc32()
  const state = makers[algorithm].create()
  return {
    algorithm,
    update: (bytes) => {
      state.update(bytes)
    },
    value: () => Bytes.hex(state.digest())
  }
}

/** The checksum of bytes that are all there. */
export const of = (algorithm: ChecksumAlgorithm, bytes: Uint8Array): string => {
  const running = start(algorithm)
  running.update(bytes)
  return running.value()
}
