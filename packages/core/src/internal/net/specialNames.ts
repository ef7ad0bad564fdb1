/** Names that no name server is asked about: RFC 6761 and RFC 7686 reserve them. */
import type { Family } from "../../NetAddress.js"
import type { HostAddress } from "../../NetPlatform.js"

/** RFC 6761, section 6.3: `localhost`, and every name below it, is the loopback. */
export const isLocalhost = (name: string): boolean => /^(?:[^.]+\.)*localhost\.?$/i.test(name)

/** Names that never exist: `.invalid` (RFC 6761, section 6.4), and `.onion` outside of Tor (RFC 7686, section 2). */
export const isNeverThere = (name: string): boolean => /^(?:[^.]+\.)*(?:invalid|onion)\.?$/i.test(name)

const loopback: ReadonlyArray<HostAddress> = [
  // IPv4 first: a machine without IPv6 can listen on it too.
  { host: "127.0.0.1", family: "IPv4" },
  { host: "::1", family: "IPv6" }
]

/** The loopback addresses, of one family or of both. */
export const loopbackAddresses = (family: Family | undefined): ReadonlyArray<HostAddress> =>
  loopback.filter((address) => family === undefined || address.family === family)
