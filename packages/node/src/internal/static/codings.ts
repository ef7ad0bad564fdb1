/** Which content coding of a file a client gets: RFC 9110, 12.5.3. */
import Negotiator from "negotiator"

/** A coding that a file beside the file may have, from the smallest one on. */
export type Coding = "br" | "zstd" | "gzip"

export const all: ReadonlyArray<Coding> = ["br", "zstd", "gzip"]

/** What the name of the compressed file has behind that of the file. */
export const suffix: Readonly<Record<Coding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" }

/**
 * The codings that the client takes, the most wanted first, of those that there may be; empty if it takes none, not even
 * the file as it is. A client that says nothing gets the file as it is.
 */
export const accepted = (
  field: string | undefined,
  mayBe: ReadonlyArray<Coding>
): ReadonlyArray<Coding | "identity"> => {
  // The library compares names and `q` as they are written; `x-gzip` is gzip's old name (RFC 9110, 8.4.1.3).
  const accept = field?.toLowerCase().replace(/\bx-gzip\b/g, "gzip")
  const negotiator = new Negotiator({ headers: accept === undefined ? {} : { "accept-encoding": accept } })
  const encodings = negotiator.encodings.bind(negotiator) as (
    available: ReadonlyArray<string>,
    options: { readonly preferred: ReadonlyArray<string> }
  ) => ReadonlyArray<Coding | "identity">
  return encodings([...mayBe, "identity"], { preferred: mayBe })
}
