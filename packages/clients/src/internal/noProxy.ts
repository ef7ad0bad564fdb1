/** The grammar of `NO_PROXY`: the hosts that are connected to directly, though there is a proxy. */
import Ip from "ipaddr.js"

type Address = Ip.IPv4 | Ip.IPv6

/** A host and a port that are to be connected to, in the form in which they are compared. */
interface Target {
  /** Lower case, without a dot at the end. */
  readonly name: string
  /** The address, if it is one. */
  readonly address: Address | undefined
  readonly port: number
}

type Rule = (target: Target) => boolean

// Only this can be one. Of other names ipaddr.js finds out by exceptions, which cost more than all the rest.
const likeAddress = /:|(?:^|\.)(?:\d+|0x[\da-f]+)$/i

/** The value of an address, however it is spelled and whatever its zone: IPv4 within IPv6 is IPv4. */
const addressOf = (host: string): Address | undefined => {
  const bare = host.replace(/%.*$/, "")
  return likeAddress.test(bare) && Ip.isValid(bare) ? Ip.process(bare) : undefined
}

const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

const nameOf = (host: string): string => host.toLowerCase().replace(/\.$/, "")

/** An address and a prefix: RFC 4632, section 3.1, and RFC 4291, section 2.3. */
const blockRule = (part: string): Rule | undefined => {
  if (!part.includes("/") || !Ip.isValidCIDR(part)) return undefined
  const block = Ip.parseCIDR(part)
  return ({ address }) => address !== undefined && address.kind() === block[0].kind() && address.match(block)
}

const hostRule = (host: string): Rule => {
  const wanted = addressOf(unbracketed(host))
  if (wanted !== undefined) {
    const value = wanted.toNormalizedString()
    return ({ address }) => address?.toNormalizedString() === value
  }
  const name = nameOf(host.replace(/^\*?\.+/, ""))
  return (target) =>
    name !== "" && target.address === undefined && (target.name === name || target.name.endsWith(`.${name}`))
}

const ruleOf = (part: string): Rule => {
  const block = blockRule(part)
  if (block !== undefined) return block
  // An address of IPv6 with a port has brackets.
  const [, host, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(part) ?? []
  if (host === undefined) return hostRule(part)
  const rule = hostRule(host)
  return (target) => target.port === Number(port) && rule(target)
}

/**
 * Reads a list, and gives whether a host is in it. Its parts are parted by commas or blanks, as curl reads them:
 *
 * - `example.test`, `.example.test`, `*.example.test`: the name and every name below it
 * - an address or a block of addresses (`10.0.0.0/8`, `fd00::/8`), compared by value; names are not looked up for it
 * - any name or address with a port (`example.test:8080`, `[::1]:443`): that port alone
 * - `*` as the whole list: every host
 */
export const parse = (list: string): (host: string, port: number) => boolean => {
  if (list.trim() === "*") return () => true
  const rules = list.split(/[\s,]+/).filter((part) => part !== "").map(ruleOf)
  return (host, port) => {
    const bare = unbracketed(host)
    const name = nameOf(bare)
    const target: Target = { name, address: addressOf(name), port }
    return rules.some((rule) => rule(target))
  }
}
