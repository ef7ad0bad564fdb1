/** Which addresses a client may connect to, and which of them are public: reached from everywhere, as IANA's registries say. */
import { familyOf, type NetAddress } from "@copas/core/NetAddress"
import { InvalidOption } from "@copas/core/SocketError"
import type { ConnectOptions } from "@copas/core/SocketOptions"
import * as Either from "effect/Either"
import Ip from "ipaddr.js"
import type { CommonOptions } from "../../HttpRequest.js"
import { textOf } from "../options.js"

type Permit = ConnectOptions["permit"]

/** A block of addresses, and whether the internet reaches them. */
type Block<A> = readonly [block: [A, number], isReached: boolean]

const blocks = <A>(
  parse: (block: string) => [A, number],
  reached: ReadonlyArray<string>,
  others: ReadonlyArray<string>
): ReadonlyArray<Block<A>> => [
  ...reached.map((block) => [parse(block), true] as const),
  ...others.map((block) => [parse(block), false] as const)
]

// "Globally Reachable" in the IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771). What IANA leaves open
// ("N/A") is not public. The first block that has the address decides.
const ipv4 = blocks((block) => Ip.IPv4.parseCIDR(block), ["192.0.0.9/32", "192.0.0.10/32"], [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4"
])

// The same for IPv6. IANA assigns unicast addresses within 2000::/3 only, so what is outside of it is not public.
const ipv6 = blocks((block) => Ip.IPv6.parseCIDR(block), [
  "2001:1::1/128",
  "2001:1::2/128",
  "2001:1::3/128",
  "2001:3::/32",
  "2001:4:112::/48",
  "2001:20::/28",
  "2001:30::/28"
], ["2001::/23", "2001:db8::/32", "3fff::/20", "::/3", "4000::/2", "8000::/1"])

const isReachedIpv4 = (address: Ip.IPv4): boolean => ipv4.find(([block]) => address.match(block))?.[1] ?? true

const isReachedIpv6 = (address: Ip.IPv6): boolean => ipv6.find(([block]) => address.match(block))?.[1] ?? true

/** A block, and where IPv4 stands within the sixteen bytes of its addresses. */
type Embedding = readonly [block: [Ip.IPv6, number], places: (bytes: ReadonlyArray<number>) => Array<Places>]
/** Of four bytes. */
type Places = ReadonlyArray<number>

const last: Places = [12, 13, 14, 15]
const embedding = (block: string, places: Embedding[1]): Embedding => [Ip.IPv6.parseCIDR(block), places]

const embeddings: ReadonlyArray<Embedding> = [
  // IPv4-compatible, with :: and ::1 (RFC 4291, section 2.5.5.1); IPv4-mapped (2.5.5.2); IPv4-translated (RFC 2765).
  embedding("::/96", () => [last]),
  embedding("::ffff:0:0/96", () => [last]),
  embedding("::ffff:0:0:0/96", () => [last]),
  // NAT64 (RFC 6052, section 2.1).
  embedding("64:ff9b::/96", () => [last]),
  // NAT64 of a network's own, with a prefix of any length of RFC 6052, section 2.2 (RFC 8215). Which one it has cannot be
  // known from here, so each reading counts, except one that cannot be a destination: 0.0.0.0/8.
  embedding(
    "64:ff9b:1::/48",
    (bytes) => [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last].filter(([first]) => bytes[first!] !== 0)
  ),
  // 6to4 (RFC 3056, section 2).
  embedding("2002::/16", () => [[2, 3, 4, 5]])
]

/** The addresses of IPv4 that packets for this one end at, or `undefined` if it has none within it. */
const embedded = (address: Ip.IPv6): ReadonlyArray<Ip.IPv4> | undefined => {
  const bytes = address.toByteArray()
  const found = embeddings.find(([block]) => address.match(block))
  if (found !== undefined) return found[1](bytes).map((places) => new Ip.IPv4(places.map((place) => bytes[place]!)))
  // Teredo (RFC 4380, section 4): the server, and the client with all its bits inverted.
  return address.match(teredo)
    ? [new Ip.IPv4(bytes.slice(4, 8)), new Ip.IPv4(bytes.slice(12).map((byte) => 255 - byte))]
    : undefined
}

const teredo = Ip.IPv6.parseCIDR("2001::/32")

const isPublicAddress = (address: string): boolean => {
  if (familyOf(address) === "IPv4") return isReachedIpv4(Ip.IPv4.parse(address))
  // The zone (RFC 4007) is not part of what the registry knows, and not every one can be parsed.
  const parsed = Ip.IPv6.parse(address.split("%")[0]!)
  const inside = embedded(parsed)
  return inside === undefined ? isReachedIpv6(parsed) : inside.length > 0 && inside.every(isReachedIpv4)
}

// Names for this machine or network: RFC 6761, 6762, 8375, and what ICANN keeps for private use; and those with one label.
const localName = /^[^.]+$|(?:^|\.)(?:localhost|local|internal|home\.arpa)$/

/**
 * Whether a host is on the public internet: an address as it is, in brackets or without; a name if it is not one for this
 * machine or network, whatever it is looked up as. A path of this machine is not. Of a URL pass `hostname`: other spellings
 * of an address (`0x7f.1`, `010.0.0.1`) are not public, whatever they mean.
 */
export const isPublic = (host: string | NetAddress): boolean => {
  if (typeof host !== "string") return host._tag === "InetAddress" && isPublic(host.host)
  const bare = host.replace(/^\[(.*)\]$/, "$1")
  if (familyOf(bare) !== undefined) return isPublicAddress(bare)
  const name = bare.toLowerCase().replace(/\.$/, "")
  // WHATWG's URL takes a host for IPv4 if its last label is a number.
  return name !== "" && !/[:%\s]/.test(name) && !/(?:^|\.)(?:\d+|0x[\da-f]*)$/.test(name) && !localName.test(name)
}

/**
 * The option `permit` of a connection that says the same as `addresses`; `undefined` permits all. A Unix-domain path is not
 * an address that a peer could choose, so it is permitted.
 */
export const permitOf = (addresses: CommonOptions["addresses"]): Either.Either<Permit, InvalidOption> => {
  if (addresses === undefined || addresses === "any") return Either.right(undefined)
  const permit = addresses === "public" ? isPublic : addresses
  if (typeof permit !== "function") {
    const expected = `"any", "public" or a function of an address that gives true or false`
    return Either.left(new InvalidOption({ option: "addresses", value: textOf(addresses), expected }))
  }
  return Either.right((address) => address._tag === "UnixAddress" || permit(address))
}
