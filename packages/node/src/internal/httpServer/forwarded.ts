/**
 * Who a request behind proxies comes from: `Forwarded` (RFC 7239) and `X-Forwarded-For`, `-Proto` and `-Host`, believed as
 * far as the option `trustProxy` goes.
 *
 * The fields are read from the right, where the nearest proxy wrote: the client is the rightmost address that is not a
 * trusted proxy's. All that is left of it, anybody can have written.
 */
import { familyOf, type NetAddress } from "@copas/core/NetAddress"
import { InvalidOption } from "@copas/core/SocketError"
import * as Either from "effect/Either"
import { BlockList } from "node:net"
import { isHost } from "./rules.js"

/**
 * Which proxies are believed: none; those at these addresses and blocks (`"10.0.0.0/8"`, `"::1"`, and `"unix"` for all peers
 * on Unix-domain sockets); or the nearest ones, this many.
 */
export type TrustProxy = false | number | ReadonlyArray<string>

/** What is known of the client. What no trusted proxy has said is `undefined`. */
export interface Client {
  /** Numeric, without a port; `undefined` on a Unix-domain socket, and where a proxy hides it. */
  readonly address: string | undefined
  readonly protocol: "http" | "https" | undefined
  readonly host: string | undefined
}

/** Reads what the proxies before `peer` have said in the fields, node's flat array, of a request. */
export type ReadClient = (peer: NetAddress, rawHeaders: ReadonlyArray<string>) => Client

/** No request comes through more proxies; each element costs a look at the trusted blocks. */
const mostHops = 32

const wrong = (value: unknown) =>
  Either.left(
    new InvalidOption({
      option: "trustProxy",
      value: typeof value === "string" ? JSON.stringify(value) : String(value),
      expected: `false, how many proxies there are, or their addresses and blocks: ["10.0.0.0/8", "::1", "unix"]`
    })
  )

/**
 * Whether the proxy this many hops away, with this address, is believed. Without an address the peer is on a Unix-domain
 * socket, and a proxy further away may be anybody's.
 */
type IsTrusted = (address: string | undefined, hop: number) => boolean

const trusted = (option: Exclude<TrustProxy, false>): Either.Either<IsTrusted, InvalidOption> => {
  if (typeof option === "number") {
    return Number.isSafeInteger(option) && option >= 0 ? Either.right((_, hop) => hop < option) : wrong(option)
  }
  if (!Array.isArray(option)) return wrong(option)
  const blocks = new BlockList()
  let isUnixTrusted = false
  for (const block of option) {
    if (block === "unix") {
      isUnixTrusted = true
      continue
    }
    if (typeof block !== "string") return wrong(block)
    const [address = "", bits, ...rest] = block.split("/")
    const family = familyOf(address)
    if (family === undefined || address.includes("%") || rest.length > 0) return wrong(block)
    const most = family === "IPv4" ? 32 : 128
    if (bits === undefined) blocks.addAddress(address, typeOf(family))
    else if (/^\d{1,3}$/.test(bits) && Number(bits) <= most) blocks.addSubnet(address, Number(bits), typeOf(family))
    else return wrong(block)
  }
  return Either.right((address, hop) => {
    if (address === undefined) return hop === 0 && isUnixTrusted
    const family = familyOf(address)
    return family !== undefined && blocks.check(address, typeOf(family))
  })
}

const typeOf = (family: "IPv4" | "IPv6"): "ipv4" | "ipv6" => family === "IPv4" ? "ipv4" : "ipv6"

/** Without the zone, which is this machine's, and as IPv4 where a dual-stack listener shows it in IPv6. */
const plain = (address: string): string => address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "")

/** One hop, as one proxy described it: where the request came to it from, and how. */
interface Hop {
  /** `undefined` where the proxy hides it, or what it wrote is no address. */
  readonly address: string | undefined
  /** The proxy wrote something about the address. */
  readonly isTold: boolean
  readonly protocol?: Client["protocol"]
  readonly host?: string | undefined
}

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`; not `unknown`, nor a name that begins with `_`. */
const addressOf = (node: string): string | undefined => {
  if (node.length > 60) return undefined
  const address = /^\[([^\]]*)\](?::\w+)?$/.exec(node)?.[1] ?? (/^[^:]*:\w+$/.test(node) ? node.split(":")[0]! : node)
  return familyOf(address) === undefined ? undefined : plain(address)
}

const protocolOf = (text: string | undefined): Client["protocol"] => {
  if (text === undefined || text.length > 5) return undefined
  const lower = text.toLowerCase()
  if (lower === "https" || lower === "wss") return "https"
  return lower === "http" || lower === "ws" ? "http" : undefined
}

const hostOf = (text: string | undefined): string | undefined => text !== undefined && isHost(text) ? text : undefined

/** The last elements of a list over all fields of that name, the last one first. */
const elements = (raw: ReadonlyArray<string>, name: string): ReadonlyArray<string> | undefined => {
  let found: Array<string> | undefined
  for (let at = raw.length - 2; at >= 0; at -= 2) {
    if (raw[at]!.length !== name.length || raw[at]!.toLowerCase() !== name) continue
    found ??= []
    const value = raw[at + 1]!
    for (let end = value.length; end >= 0 && found.length <= mostHops;) {
      const comma = end === 0 ? -1 : value.lastIndexOf(",", end - 1)
      const element = value.slice(comma + 1, end).trim()
      if (element !== "") found.push(element)
      end = comma
    }
  }
  return found
}

/** The hops of `X-Forwarded-For`, the nearest one first. A proxy that overwrites a field leaves one element for all of them. */
const listed = (raw: ReadonlyArray<string>): ReadonlyArray<Hop> | undefined => {
  const addresses = elements(raw, "x-forwarded-for")
  const protocols = elements(raw, "x-forwarded-proto")
  const hosts = elements(raw, "x-forwarded-host")
  if (addresses === undefined && protocols === undefined && hosts === undefined) return undefined
  const at = (list: ReadonlyArray<string> | undefined, hop: number) => list?.[Math.min(hop, list.length - 1)]
  return (addresses ?? [""]).map((address, hop) => ({
    address: addressOf(address),
    isTold: addresses !== undefined,
    protocol: protocolOf(at(protocols, hop)),
    host: hostOf(at(hosts, hop))
  }))
}

/** A parameter of `Forwarded`, and whether the element ends with it: RFC 7239, section 4. */
const parameter = /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~:[\]-]+)|"((?:[^"\\]|\\.)*)")[ \t]*)?(;|,|$)/y

/** The hops of `Forwarded`, the nearest one first; `[]` if it breaks the grammar, which anybody left of the proxies can do. */
const forwarded = (raw: ReadonlyArray<string>): ReadonlyArray<Hop> | undefined => {
  let all: string | undefined
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]!.length === 9 && raw[at]!.toLowerCase() === "forwarded") {
      all = all === undefined ? raw[at + 1]! : `${all},${raw[at + 1]!}`
    }
  }
  if (all === undefined) return undefined
  const hops: Array<Hop> = []
  let pairs = new Map<string, string>()
  parameter.lastIndex = 0
  for (;;) {
    const match = parameter.exec(all)
    if (match === null) return []
    const [, name, token, quoted, end] = match
    if (name !== undefined) {
      const lower = name.toLowerCase()
      // RFC 7239, section 4: each parameter once an element.
      if (pairs.has(lower)) return []
      pairs.set(lower, token ?? quoted!.replace(/\\(.)/g, "$1"))
    }
    if (end === ";") continue
    if (pairs.size > 0) hops.push(hopOf(pairs))
    if (hops.length > mostHops) hops.shift()
    if (end === "") return hops.reverse()
    pairs = new Map()
  }
}

const hopOf = (pairs: ReadonlyMap<string, string>): Hop => ({
  address: addressOf(pairs.get("for") ?? ""),
  isTold: pairs.has("for"),
  protocol: protocolOf(pairs.get("proto")),
  host: hostOf(pairs.get("host"))
})

const choose = (peer: string | undefined, hops: ReadonlyArray<Hop>, isTrusted: IsTrusted): Client => {
  let chosen: Hop = { address: peer, isTold: true }
  let address = peer
  for (let hop = 0; hop < hops.length && hop < mostHops && isTrusted(chosen.address, hop); hop++) {
    chosen = hops[hop]!
    if (chosen.isTold) address = chosen.address
  }
  return { address, protocol: chosen.protocol, host: chosen.host }
}

const both = <A>(one: A, other: A): A | undefined => one === other ? one : undefined

/**
 * What the option makes of a request's fields, in time that its length bounds, whatever they hold. `undefined` believes
 * nobody.
 *
 * A proxy writes one family of fields, and passes on what a client wrote into the other one. Which one it writes cannot be
 * seen, so where a request has both, only that counts in which they agree.
 */
export const clientReader = (option: TrustProxy): Either.Either<ReadClient | undefined, InvalidOption> => {
  if (option === false) return Either.right(undefined)
  return Either.map(trusted(option), (isTrusted): ReadClient => (peer, raw) => {
    const address = peer._tag === "InetAddress" ? plain(peer.host) : undefined
    if (!isTrusted(address, 0)) return { address, protocol: undefined, host: undefined }
    const ours = forwarded(raw)
    const others = listed(raw)
    const one = choose(address, ours ?? others ?? [], isTrusted)
    if (ours === undefined || others === undefined) return one
    const other = choose(address, others, isTrusted)
    return {
      address: one.address === other.address ? one.address : address,
      protocol: both(one.protocol, other.protocol),
      host: both(one.host, other.host)
    }
  })
}
