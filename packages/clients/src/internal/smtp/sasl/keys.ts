/**
 * The keys of SCRAM (RFC 5802, section 3), derived once for each password, salt and number of rounds (section 5.1): a pool
 * that opens eight connections computes PBKDF2 once.
 */
import * as Effect from "effect/Effect"
import * as Fibers from "../../effect/fibers.js"
import * as Bytes from "../../text/bytes.js"
import type { MechanismCrypto } from "./mechanism.js"
import { utf8 } from "./text.js"

export type Hash = "sha1" | "sha256"

export interface Keys {
  readonly client: Uint8Array
  readonly stored: Uint8Array
  readonly server: Uint8Array
}

export type Derive = (
  crypto: MechanismCrypto,
  hash: Hash,
  password: string,
  salt: Uint8Array,
  rounds: number
) => Effect.Effect<Keys>

const derive: Derive = (crypto, hash, password, salt, rounds) =>
  Effect.map(Effect.suspend(() => crypto.pbkdf2(hash, utf8(password), salt, rounds)), (salted) => {
    const client = crypto.hmac(hash, salted, utf8("Client Key"))
    return {
      client,
      stored: crypto.digest(hash, client),
      server: crypto.hmac(hash, salted, utf8("Server Key"))
    }
  })

/**
 * Keeps the `capacity` keys that were used last. They are known by a hash: the cache holds no password.
 *
 * One derivation runs at a time, and whoever waited for it looks again: an interrupted one takes nothing from the others.
 */
export const cached = (capacity: number): Derive => {
  const known = new Map<string, Keys>()
  const turn = Fibers.makeSemaphore(1)
  return (crypto, hash, password, salt, rounds) => {
    const id = Bytes.toBinary(
      crypto.digest("sha256", Bytes.concat([utf8(`${hash} ${rounds} ${salt.length} `), salt, utf8(password)]))
    )
    const find = Effect.sync(() => {
      const keys = known.get(id)
      if (keys === undefined) return undefined
      known.delete(id)
      known.set(id, keys)
      return keys
    })
    const remember = (keys: Keys): void => {
      known.set(id, keys)
      if (known.size > capacity) known.delete(known.keys().next().value!)
    }
    const deriveOnce = Effect.tap(
      derive(crypto, hash, password, salt, rounds),
      (keys) => Effect.sync(() => remember(keys))
    )
    const isKnown = (keys: Keys | undefined): keys is Keys => keys !== undefined
    const findOr = (otherwise: Effect.Effect<Keys>): Effect.Effect<Keys> =>
      Effect.filterOrElse(find, isKnown, () => otherwise)
    return findOr(turn.withPermits(1)(findOr(deriveOnce)))
  }
}
