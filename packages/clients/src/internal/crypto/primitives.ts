/**
 * Hashes, keyed hashes, derived keys and random bytes, by the fastest means that is there.
 *
 * WebCrypto computes on another thread, which a simulation's clock takes for idleness. Where the platform says so, all is
 * computed here and now.
 */
import type { CryptoPlatform, IncrementalHash } from "@copas/core/NetPlatform"
import { hmac as nobleHmac } from "@noble/hashes/hmac"
import { md5, sha1 } from "@noble/hashes/legacy"
import { pbkdf2 as noblePbkdf2 } from "@noble/hashes/pbkdf2"
import { sha256 } from "@noble/hashes/sha2"
import * as Effect from "effect/Effect"

export type Hash = "sha1" | "sha256"

const noble = { md5, sha1, sha256 }
const webName = { sha1: "SHA-1", sha256: "SHA-256" }

export interface Primitives {
  readonly randomBytes: (length: number) => Uint8Array
  /** A hash that is fed piece by piece. */
  readonly incremental: (hash: Hash) => IncrementalHash
  /** The hash of few bytes, here and now. */
  readonly digestNow: (hash: Hash, bytes: Uint8Array) => Uint8Array
  /** A key of the hash's length. RFC 8018, section 5.2. */
  readonly pbkdf2: (hash: Hash, password: Uint8Array, salt: Uint8Array, rounds: number) => Effect.Effect<Uint8Array>
}

const digestNow = (hash: Hash, bytes: Uint8Array): Uint8Array => noble[hash](bytes)

/** RFC 2104. */
export const hmac = (hash: Hash | "md5", key: Uint8Array, bytes: Uint8Array): Uint8Array =>
  nobleHmac(noble[hash], key, bytes)

const lengthOf = { sha1: 20, sha256: 32 }

export const make = (platform: CryptoPlatform): Primitives => {
  const isSynchronous = platform.isSynchronous === true
  return {
    digestNow,
    randomBytes: platform.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length))),
    incremental: platform.hash ?? ((hash) => {
      const running = noble[hash].create()
      return {
        update: (bytes) => {
          running.update(bytes)
        },
        digest: () => running.digest()
      }
    }),
    pbkdf2: (hash, password, salt, rounds) =>
      isSynchronous
        ? Effect.sync(() => noblePbkdf2(noble[hash], password, salt, { c: rounds, dkLen: lengthOf[hash] }))
        : Effect.promise(() =>
          crypto.subtle.importKey("raw", password, { name: "PBKDF2" }, false, ["deriveBits"])
            .then((key) =>
              crypto.subtle.deriveBits(
                { name: "PBKDF2", hash: webName[hash], salt, iterations: rounds },
                key,
                lengthOf[hash] * 8
              )
            )
            .then((bits) => new Uint8Array(bits))
        )
  }
}
