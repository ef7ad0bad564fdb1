/**
 * Calls the functions that programs give to TLS contexts, and checks their results: for platforms that bring TLS.
 *
 * A peer causes the call, in the middle of a handshake and within the platform's event handler. Whatever the function does
 * (it throws, returns a value of another type, or chooses what was not offered) must fail that handshake and nothing
 * else.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AlpnOffer, PresharedKey } from "./TlsContext.js"
import type { TlsFailure } from "./TlsTransport.js"

/**
 * The result of a function, or how the handshake fails.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer<A> = Either.Either<Option.Option<A>, TlsFailure>

/**
 * The largest pre-shared key, and the longest identity and hint, that OpenSSL and Node accept, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export const longestPsk = { key: 512, text: 256 } as const

const mistake = (part: "alpn" | "psk", detail: string, cause?: unknown): Either.Either<never, TlsFailure> =>
  Either.left({
    reason: "Unknown",
    detail: `the \`${part}\` function ${detail}`,
    cause: cause ?? new TypeError(`the \`${part}\` function ${detail}`)
  })

const kindOf = (value: unknown): string =>
  value === null ? "null" : value instanceof Promise ? "a promise" : Array.isArray(value) ? "an array" : typeof value

const ask = (part: "alpn" | "psk", call: () => unknown): Answer<unknown> => {
  let given: unknown
  try {
    given = call()
  } catch (cause) {
    return mistake(part, "threw", cause)
  }
  return Option.isOption(given) ? Either.right(given) : mistake(part, `gave ${kindOf(given)}, not an Option`)
}

const encoder = new TextEncoder()

const bytesOf = (key: unknown): Uint8Array | undefined => {
  const bytes = Redacted.isRedacted(key) ? Redacted.value(key) : key
  return bytes instanceof Uint8Array ? bytes : undefined
}

const checkedKey = (key: unknown): Either.Either<Uint8Array, TlsFailure> => {
  const bytes = bytesOf(key)
  if (bytes === undefined) return mistake("psk", `gave ${kindOf(key)} as a key, not a Uint8Array`)
  return bytes.length >= 1 && bytes.length <= longestPsk.key
    ? Either.right(bytes)
    : mistake("psk", `gave a key of ${bytes.length} bytes; TLS takes 1 to ${longestPsk.key}`)
}

/**
 * Asks a server's `alpn` function which of the offered protocols it chooses; `None` refuses the connection.
 *
 * @since 0.1.0
 * @category callbacks
 */
export const askAlpn = (
  choose: (offer: AlpnOffer) => Option.Option<string>,
  offer: AlpnOffer
): Answer<string> =>
  Either.flatMap(ask("alpn", () => choose(offer)), (given): Answer<string> => {
    if (Option.isNone(given)) return Either.right(Option.none())
    const { value } = given
    if (typeof value !== "string") return mistake("alpn", `chose ${kindOf(value)}, not a string`)
    return offer.protocols.includes(value) ? Either.right(Option.some(value)) : Either.left({
      reason: "NoSharedAlpn",
      code: "ERR_TLS_ALPN_CALLBACK_INVALID_RESULT",
      detail: `the \`alpn\` function chose ${JSON.stringify(value)}, which the client did not offer`
    })
  })

/**
 * Asks a server's `psk` function for the key of an identity; `None` refuses the connection.
 *
 * @since 0.1.0
 * @category callbacks
 */
export const askServerKey = (
  find: (identity: string) => Option.Option<Uint8Array | Redacted.Redacted<Uint8Array>>,
  identity: string
): Answer<Uint8Array> =>
  Either.flatMap(
    ask("psk", () => find(identity)),
    (given): Answer<Uint8Array> =>
      Option.isNone(given) ? Either.right(Option.none()) : Either.map(checkedKey(given.value), Option.some)
  )

/**
 * A pre-shared key and its identity, checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface FoundKey {
  readonly identity: string
  readonly key: Uint8Array
}

/**
 * Asks a client's `psk` function for the key and the identity to show for a hint; `None` continues without a key.
 *
 * @since 0.1.0
 * @category callbacks
 */
export const askClientKey = (
  find: (hint: Option.Option<string>) => Option.Option<PresharedKey>,
  hint: Option.Option<string>
): Answer<FoundKey> =>
  Either.flatMap(ask("psk", () => find(hint)), (given): Answer<FoundKey> => {
    if (Option.isNone(given)) return Either.right(Option.none())
    const shown: unknown = given.value
    if (typeof shown !== "object" || shown === null) return mistake("psk", `gave ${kindOf(shown)}, not a key`)
    const { identity, key } = shown as { readonly identity?: unknown; readonly key?: unknown }
    if (typeof identity !== "string") return mistake("psk", `gave ${kindOf(identity)} as an identity, not a string`)
    const { length } = encoder.encode(identity)
    if (length < 1 || length > longestPsk.text || identity.includes("\0")) {
      return mistake("psk", `gave an identity of ${length} bytes; TLS takes 1 to ${longestPsk.text}, without NUL`)
    }
    return Either.map(checkedKey(key), (bytes) => Option.some({ identity, key: bytes }))
  })
