/**
 * What a server can do, from its reply to FEAT: RFC 2389, section 3.
 */
import type * as Reply from "../replies/reply.js"

export interface Fact {
  /** In small letters: fact names are equal whatever their case (RFC 3659, section 7.5). */
  readonly name: string
  /** Whether the server sends it now. OPTS MLST changes that. */
  readonly enabled: boolean
}

export interface Features {
  /** Every feature in capitals, with its parameters as they came. A name may have several lines (AUTH). */
  readonly all: ReadonlyMap<string, ReadonlyArray<string>>
  /** MLST and MLSD are there (RFC 3659, section 7.8: the one name stands for both). */
  readonly mlst: boolean
  readonly facts: ReadonlyArray<Fact>
  /** REST for stream mode. */
  readonly restStream: boolean
  readonly size: boolean
  readonly mdtm: boolean
  readonly mfmt: boolean
  readonly mff: boolean
  readonly utf8: boolean
  /** `/` separates, `.` and `..` are what they are on Unix (RFC 3659, section 6). */
  readonly tvfs: boolean
  readonly epsv: boolean
  readonly eprt: boolean
  readonly host: boolean
  readonly clnt: boolean
  /** The mechanisms of AUTH in capitals: `TLS`, `TLS-C`, `SSL` … */
  readonly auth: ReadonlyArray<string>
  readonly pbsz: boolean
  readonly prot: boolean
  readonly ccc: boolean
  /** PRET must precede PASV (DrFTPD). */
  readonly pret: boolean
  readonly modeZ: boolean
  /** The algorithms of HASH in capitals, the selected one first. */
  readonly hash: ReadonlyArray<string>
}

const words = (parameters: ReadonlyArray<string>): ReadonlyArray<string> =>
  parameters.flatMap((parameter) => parameter.split(/[;,\s]+/)).filter((word) => word !== "")

const facts = (parameters: ReadonlyArray<string>): ReadonlyArray<Fact> =>
  words(parameters).map((word) => ({ name: word.replace(/\*$/, "").toLowerCase(), enabled: word.endsWith("*") }))

const isWord = (word: string) => (parameter: string): boolean => words([parameter.toUpperCase()]).includes(word)

const fromMap = (all: ReadonlyMap<string, ReadonlyArray<string>>): Features => {
  const of = (name: string): ReadonlyArray<string> => all.get(name) ?? []
  const hashes = words(of("HASH")).map((word) => word.toUpperCase())
  return {
    all,
    mlst: all.has("MLST") || all.has("MLSD"),
    facts: facts(of("MLST")),
    restStream: of("REST").some(isWord("STREAM")),
    size: all.has("SIZE"),
    mdtm: all.has("MDTM"),
    mfmt: all.has("MFMT"),
    mff: all.has("MFF"),
    utf8: all.has("UTF8") || all.has("UTF-8"),
    tvfs: all.has("TVFS"),
    epsv: all.has("EPSV"),
    eprt: all.has("EPRT"),
    host: all.has("HOST"),
    clnt: all.has("CLNT"),
    auth: [...new Set(words(of("AUTH")).map((word) => word.toUpperCase()))],
    pbsz: all.has("PBSZ"),
    prot: all.has("PROT"),
    ccc: all.has("CCC"),
    pret: all.has("PRET"),
    modeZ: of("MODE").some(isWord("Z")),
    hash: [...hashes.filter((word) => word.endsWith("*")), ...hashes.filter((word) => !word.endsWith("*"))]
      .map((word) => word.replace(/\*$/, ""))
  }
}

/**
 * Of a server that does not know FEAT, or has nothing to tell. It may know commands all the same.
 */
export const none: Features = fromMap(new Map())

/**
 * The first line and the last are talk. RFC 2389 wants one blank before each feature; some servers put none, and some
 * the reply's code.
 */
export const parse = (reply: Reply.Reply): Features => {
  const all = new Map<string, Array<string>>()
  for (const line of reply.lines.slice(1, -1)) {
    const text = line.trim()
    if (text === "") continue
    const space = text.search(/\s/)
    const name = (space < 0 ? text : text.slice(0, space)).toUpperCase()
    const parameters = space < 0 ? [] : [text.slice(space).trim()]
    const known = all.get(name)
    if (known === undefined) all.set(name, parameters)
    else known.push(...parameters)
  }
  return fromMap(all)
}
