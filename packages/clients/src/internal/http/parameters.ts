/** Names and values of forms and queries. */

/** The values by name of a record, of which some repeat their name; or pairs as they are. */
export const pairsOf = <A>(given: object): ReadonlyArray<readonly [string, A]> =>
  Symbol.iterator in given
    ? Array.from(given as Iterable<readonly [string, A]>)
    : Object.entries(given).flatMap(([name, value]: [string, A | ReadonlyArray<A> | undefined]) =>
      value === undefined
        ? []
        : Array.isArray(value)
        ? value.map((one: A) => [name, one] as const)
        : [[name, value as A]]
    )

/** As WHATWG URL, section 5, has it. */
export const encode = (fields: object): URLSearchParams => {
  if (fields instanceof URLSearchParams) return fields
  const encoded = new URLSearchParams()
  for (const [name, value] of pairsOf<unknown>(fields)) encoded.append(name, String(value))
  return encoded
}
