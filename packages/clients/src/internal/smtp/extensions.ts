/**
 * What a server can do, from its reply to EHLO (RFC 5321, section 4.1.1.1) or LHLO (RFC 2033).
 */
import type * as Reply from "../replies/reply.js"

export interface Limits {
  /** The most messages on one connection. */
  readonly mailMax: number | undefined
  /** The most recipients of one transaction. */
  readonly rcptMax: number | undefined
}

export interface Extensions {
  /** What the server calls itself. */
  readonly name: string
  /** Every keyword in capitals, with its parameters as they came. A keyword may have several lines (AUTH). */
  readonly all: ReadonlyMap<string, ReadonlyArray<string>>
  /** RFC 2920. */
  readonly pipelining: boolean
  /** The most bytes of a message (SIZE, RFC 1870), where the server tells one. */
  readonly sizeLimit: number | undefined
  /** Whether MAIL takes SIZE=. */
  readonly size: boolean
  readonly startTls: boolean
  /** The mechanisms of AUTH in capitals (RFC 4954), those of `AUTH=` among them. */
  readonly auth: ReadonlyArray<string>
  /** RFC 6152. */
  readonly eightBitMime: boolean
  /** RFC 6531. */
  readonly smtpUtf8: boolean
  /** BDAT: RFC 3030. */
  readonly chunking: boolean
  readonly binaryMime: boolean
  /** RFC 3461. */
  readonly dsn: boolean
  readonly enhancedStatusCodes: boolean
  /** RFC 8689. */
  readonly requireTls: boolean
  /** RFC 2852. */
  readonly deliverBy: boolean
  /** The shortest time in seconds after which the server returns a message (RFC 2852, section 2), where it tells one. */
  readonly deliverByLeast: number | undefined
  /** RFC 6710. */
  readonly priority: boolean
  /** RFC 9422. */
  readonly limits: Limits
}

const none: ReadonlyArray<string> = []

const make = (name: string, all: ReadonlyMap<string, ReadonlyArray<string>>): Extensions => {
  const parameters = (keyword: string): ReadonlyArray<string> => all.get(keyword) ?? none
  const words = (keyword: string): ReadonlyArray<string> =>
    parameters(keyword).flatMap((line) => line.split(/[ \t]+/)).filter((word) => word !== "")
  const limit = (word: string): number | undefined => {
    const value = words("LIMITS").find((one) => one.toUpperCase().startsWith(`${word}=`))?.slice(word.length + 1)
    return value !== undefined && /^[1-9]\d{0,9}$/.test(value) ? Number(value) : undefined
  }
  // Zero, and no number at all, mean that no limit is told.
  const size = words("SIZE").find((word) => /^\d{1,15}$/.test(word))
  const least = words("DELIVERBY").flatMap((word) => word.split(",")).find((word) => /^\d{1,9}$/.test(word))
  return {
    name,
    all,
    pipelining: all.has("PIPELINING"),
    sizeLimit: size === undefined || Number(size) === 0 ? undefined : Number(size),
    size: all.has("SIZE"),
    startTls: all.has("STARTTLS"),
    auth: [...new Set(words("AUTH").map((word) => word.toUpperCase()))],
    eightBitMime: all.has("8BITMIME"),
    smtpUtf8: all.has("SMTPUTF8"),
    chunking: all.has("CHUNKING"),
    binaryMime: all.has("BINARYMIME"),
    dsn: all.has("DSN"),
    enhancedStatusCodes: all.has("ENHANCEDSTATUSCODES"),
    requireTls: all.has("REQUIRETLS"),
    deliverBy: all.has("DELIVERBY"),
    deliverByLeast: least === undefined ? undefined : Number(least),
    priority: all.has("MT-PRIORITY"),
    limits: { mailMax: limit("MAILMAX"), rcptMax: limit("RCPTMAX") }
  }
}

/** What is known before EHLO, and of a server that knows only HELO. */
export const unknown = make("", new Map())

// `AUTH=` is what some servers said before RFC 2554; their `AUTH=LOGIN PLAIN` counts as `AUTH LOGIN PLAIN`.
const line = /^([^\s=]+)(?:[ \t]+|=|$)(.*)$/

/** What the reply to EHLO says. What cannot be understood stands in `all` as text, or is left out if it has no keyword. */
export const parse = (reply: Reply.Reply): Extensions => {
  const [first = "", ...lines] = reply.lines
  const all = new Map<string, ReadonlyArray<string>>()
  for (const text of lines) {
    const match = line.exec(text.trim())
    if (match === null) continue
    const keyword = match[1]!.toUpperCase()
    all.set(keyword, [...(all.get(keyword) ?? none), match[2]!.trim()])
  }
  return make(first.trim().split(/[ \t]/)[0]!, all)
}
