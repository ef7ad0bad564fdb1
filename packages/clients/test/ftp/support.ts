/** Bytes for the tests of FTP's grammars: made from text, cut into pieces, made at random. */
import * as FC from "effect/FastCheck"

const encoder = new TextEncoder()

/** Text as UTF-8 bytes. */
export const bytes = (text: string): Uint8Array => encoder.encode(text)

/** Text with one byte a character. */
export const binary = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** Bytes cut into pieces at any places. */
export const cut = (whole: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const at = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((start, index) => whole.slice(start, at[index] ?? whole.length))
}

export const places: FC.Arbitrary<Array<number>> = FC.array(FC.nat(100_000), { maxLength: 12 })

/** Bytes of which many mean something to a grammar. */
export const spicyBytes = (alphabet: string, maxLength = 300): FC.Arbitrary<Uint8Array> =>
  FC.array(
    FC.oneof(
      { weight: 4, arbitrary: FC.constantFrom(...binary(alphabet)) },
      { weight: 1, arbitrary: FC.integer({ min: 0, max: 255 }) }
    ),
    { maxLength }
  ).map((array) => Uint8Array.from(array))

export const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array ? [...inner] : inner instanceof Map ? [...inner] : inner)
  )
