/**
 * Checks that a certificate is for the host that a client connects to: one pure function, which every platform uses.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { AlternativeName, DistinguishedName } from "./Certificate.js"
import { familyOf } from "./NetAddress.js"

/**
 * The rule by which names are compared.
 *
 * `"rfc9525"`, the current rule: the host must be among the certificate's alternative names; the common name is ignored,
 * and `*` stands for exactly one whole label, the first, with at least two labels after it.
 *
 * `"rfc6125"`, the earlier rule: if a certificate has no alternative name of a host, an address or a service, its common
 * name counts (section 6.4.4), and `*` may be a part of the first label (section 6.4.3).
 *
 * @since 0.1.0
 * @category models
 */
export type IdentityRule = "rfc9525" | "rfc6125"

/**
 * The names for which a certificate was issued.
 *
 * @since 0.1.0
 * @category models
 */
export interface Presented {
  readonly subject: DistinguishedName
  readonly alternativeNames: ReadonlyArray<AlternativeName>
}

/**
 * Why a certificate is not for a host. `LegacyName` means that it would be by the rule of RFC 6125.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mismatch {
  readonly reason: "WrongHost" | "LegacyName"
  /** For a person: what was compared with what. */
  readonly detail: string
}

/**
 * The bytes of a numeric address (without its zone), `undefined` for a name.
 *
 * @since 0.1.0
 * @category conversions
 */
export const addressBytes = (host: string): Uint8Array | undefined => {
  const family = familyOf(host)
  if (family === undefined) return undefined
  const bare = host.replace(/%.*$/, "").replace(/\d+\.\d+\.\d+\.\d+$/, (dotted) => {
    if (family === "IPv4") return dotted
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  if (family === "IPv4") return Uint8Array.from(bare.split("."), Number)
  const groups = (half: string): ReadonlyArray<number> =>
    half === "" ? [] : half.split(":").map((group) => Number.parseInt(group, 16))
  const [head = "", tail] = bare.split("::")
  const [before, after] = [groups(head), groups(tail ?? "")]
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

const equalBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])

// eslint-disable-next-line no-control-regex -- what is not ASCII is looked for
const isAscii = (text: string): boolean => !/[^\u0000-\u007f]/.test(text)

/** In lower case, in ASCII (RFC 5890) and without the root's dot, as labels; `undefined` when it is no host name. */
const hostLabels = (host: string): ReadonlyArray<string> | undefined => {
  const ascii = isAscii(host)
    ? host
    : /[\s/\\@?#:%]/.test(host)
    ? undefined
    : Option.getOrUndefined(Option.liftThrowable(() => new URL(`http://${host}`).hostname)())
  const labels = ascii?.toLowerCase().replace(/\.$/, "").split(".")
  // Resolvers take "127.1" and "0x7f000001" for addresses, so such a host is no name.
  return labels?.every((label) => /^[a-z0-9_-]{1,63}$/.test(label)) === true &&
      !/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)
    ? labels
    : undefined
}

/** The labels of a presented name; `undefined` for one with a character that some reader may take for another. */
const presentedLabels = (name: string): ReadonlyArray<string> | undefined => {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".")
  return labels.every((label) => /^[a-z0-9_*-]{1,63}$/.test(label)) ? labels : undefined
}

const isSameRest = (presented: ReadonlyArray<string>, host: ReadonlyArray<string>): boolean =>
  presented.length === host.length && presented.slice(1).every((label, index) => label === host[index + 1])

type Match = "exact" | "wildcard" | "partial" | undefined

/** How a presented DNS-ID matches: `partial` is what RFC 9525, section 6.3, does not take any more. */
const matchName = (name: string, host: ReadonlyArray<string>): Match => {
  const presented = presentedLabels(name)
  if (presented === undefined || !isSameRest(presented, host)) return undefined
  const [first, asked] = [presented[0]!, host[0]!]
  if (first === asked) return "exact"
  if (presented.length < 3) return undefined
  if (first === "*") return "wildcard"
  const parts = first.split("*")
  // A wildcard within an A-label would match by its encoding, not by what a person reads (RFC 6125, section 6.4.3).
  if (parts.length !== 2 || first.startsWith("xn--") || asked.startsWith("xn--")) return undefined
  const [before, after] = [parts[0]!, parts[1]!]
  return asked.length >= before.length + after.length && asked.startsWith(before) && asked.endsWith(after)
    ? "partial"
    : undefined
}

/** The kinds of alternative names that keep the common name from counting. RFC 6125, section 6.4.4. */
const serviceKinds: ReadonlySet<AlternativeName["kind"]> = new Set(["dns", "ip", "uri", "other"])

const mostShown = 8

const shown = (names: ReadonlyArray<string>): string => {
  if (names.length === 0) return "it has no alternative names of hosts or addresses"
  const more = names.length > mostShown ? ` and ${names.length - mostShown} more` : ""
  return `it is for ${names.slice(0, mostShown).map((name) => JSON.stringify(name)).join(", ")}${more}`
}

/**
 * Compares a certificate with the host that the client asked for. Returns `undefined` if the certificate is for that host.
 *
 * - A numeric address is compared with addresses only (RFC 9525, section 6.4), byte by byte.
 * - A name is compared with DNS names only, label by label, in ASCII and without regard to case; one dot at the end, the
 *   root's, is ignored on either side. URI-IDs and SRV-IDs are for clients that ask for a service, and match no host.
 * - `*.com` is refused. The library has no list of public suffixes: authorities must not issue `*.co.uk`.
 *
 * RFC 9525, section 6.
 *
 * @since 0.1.0
 * @category predicates
 * @example
 * ```ts
 * import { PeerIdentity } from "@copas/core"
 *
 * const presented = {
 *   subject: [{ oid: "2.5.4.3", name: "CN", value: "mail.example" }],
 *   alternativeNames: []
 * }
 * console.log(PeerIdentity.check(presented, "mail.example")?.reason) // LegacyName
 * console.log(PeerIdentity.check(presented, "mail.example", "rfc6125")) // undefined
 * ```
 */
export const check = (
  { alternativeNames, subject }: Presented,
  host: string,
  rule: IdentityRule = "rfc9525"
): Mismatch | undefined => {
  const names = alternativeNames.filter(({ kind }) => kind === "dns" || kind === "ip").map(({ value }) => value)
  const wrong: Mismatch = { reason: "WrongHost", detail: `${JSON.stringify(host)}: ${shown(names)}` }
  const address = addressBytes(host)
  if (address !== undefined) {
    const isThere = alternativeNames.some(({ kind, value }) => {
      const bytes = kind === "ip" ? addressBytes(value) : undefined
      return bytes !== undefined && equalBytes(bytes, address)
    })
    return isThere ? undefined : wrong
  }
  const labels = hostLabels(host)
  if (labels === undefined) return wrong
  let partial: string | undefined
  for (const { kind, value } of alternativeNames) {
    const match = kind === "dns" ? matchName(value, labels) : undefined
    if (match === "exact" || match === "wildcard") return undefined
    if (match === "partial") partial ??= value
  }
  const commonName = alternativeNames.some(({ kind }) => serviceKinds.has(kind))
    ? undefined
    : subject.find(({ name, value }) => name === "CN" && matchName(value, labels) !== undefined)?.value
  if (partial === undefined && commonName === undefined) return wrong
  if (rule === "rfc6125") return undefined
  return {
    reason: "LegacyName",
    detail: partial === undefined
      ? `only its common name, ${JSON.stringify(commonName)}, is ${JSON.stringify(host)}`
      : `${JSON.stringify(partial)} has a wildcard within a label, and nothing else in it is ${JSON.stringify(host)}`
  }
}
