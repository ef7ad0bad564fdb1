/**
 * Domains of addresses: their form, and A-labels of those that are not ASCII (RFC 5890).
 */
import { isAscii } from "./phrase.js"

/** RFC 1035, section 2.3.4. The underscore is no host's, and names of internal mail hosts have it. */
const label = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/
const unicodeLabel = /^[A-Za-z0-9_\-\u0080-\u{10ffff}]+$/u
const longestDomain = 253
/** RFC 5321, section 4.1.3: IPv4, or a tag, a colon and anything. */
const literal = /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z0-9][A-Za-z0-9-]*:[!-Z^-~]+)\]$/

/**
 * The domain in ASCII, or undefined where it is none.
 *
 * `URL` knows the mapping of UTS 46, and much more: `0x7f.1` becomes an IP address, `%2E` a dot. So it sees only a domain
 * with a label that is not ASCII, whose labels hold nothing else that it could read otherwise, and its answer must have
 * as many labels.
 */
export const toAscii = (domain: string): string | undefined => {
  if (domain.startsWith("[")) return literal.test(domain) && domain.length <= longestDomain ? domain : undefined
  const labels = domain.split(".")
  if (isAscii(domain)) {
    return labels.every((part) => label.test(part)) && domain.length <= longestDomain
      ? domain
      : undefined
  }
  if (domain.length > longestDomain || !labels.every((part) => unicodeLabel.test(part))) return undefined
  try {
    const ascii = new URL(`http://${domain}`).hostname
    const mapped = ascii.split(".")
    return mapped.length === labels.length && mapped.every((part) => label.test(part)) && ascii.length <= longestDomain
      ? ascii
      : undefined
  } catch {
    return undefined
  }
}
