/**
 * Where a socket is: an internet address with its port, or a path in the file system.
 *
 * @since 0.1.0
 */

/**
 * The version of the Internet Protocol that an address belongs to.
 *
 * @since 0.1.0
 * @category models
 */
export type Family = "IPv4" | "IPv6"

/**
 * An IPv4 or IPv6 address with a port. `host` is always numeric; an IPv6 address has no brackets.
 *
 * @since 0.1.0
 * @category models
 */
export interface InetAddress {
  readonly _tag: "InetAddress"
  readonly host: string
  readonly port: number
  readonly family: Family
}

/**
 * A Unix-domain address. An unnamed one, as most clients have, has the empty path.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnixAddress {
  readonly _tag: "UnixAddress"
  readonly path: string
}

/**
 * The address of a socket: a host and port, or a path.
 *
 * @since 0.1.0
 * @category models
 */
export type NetAddress = InetAddress | UnixAddress

/**
 * Makes an internet address; the form of `host` gives its family.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inet = (host: string, port: number): InetAddress => ({
  _tag: "InetAddress",
  host,
  port,
  family: host.includes(":") ? "IPv6" : "IPv4"
})

/**
 * Makes a Unix-domain address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unix = (path: string): UnixAddress => ({ _tag: "UnixAddress", path })

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`)

/**
 * The family of a numeric address; `undefined` if `host` is a name.
 *
 * An IPv6 zone (`fe80::1%eth0`) counts as part of the address (RFC 4007, section 11).
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { NetAddress } from "@copas/core"
 *
 * console.log(NetAddress.familyOf("127.0.0.1")) // IPv4
 * console.log(NetAddress.familyOf("::1")) // IPv6
 * console.log(NetAddress.familyOf("localhost")) // undefined
 * ```
 */
export const familyOf = (host: string): Family | undefined => {
  if (ipv4.test(host)) return "IPv4"
  const [address = "", zone, ...rest] = host.split("%")
  if (rest.length > 0 || zone === "") return undefined
  return isIpv6(address) ? "IPv6" : undefined
}

// RFC 4291, section 2.2: eight groups of up to four hex digits, one run of them may be `::`, the last two may be IPv4.
const isIpv6 = (text: string): boolean => {
  const halves = text.split("::")
  if (halves.length > 2 || !text.includes(":")) return false
  let groups = 0
  for (const [index, half] of halves.entries()) {
    if (half === "") continue
    const parts = half.split(":")
    for (const [position, part] of parts.entries()) {
      const isLast = index === halves.length - 1 && position === parts.length - 1
      if (isLast && ipv4.test(part)) groups += 2
      else if (/^[0-9a-f]{1,4}$/i.test(part)) groups += 1
      else return false
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}

/**
 * The port of an internet address, `undefined` for a Unix-domain one.
 *
 * Where the kind of a socket is known its port is a property: `InetListener.port`, `InetSocket.localPort`.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { NetAddress } from "@copas/core"
 *
 * console.log(NetAddress.portOf(NetAddress.inet("127.0.0.1", 80))) // 80
 * console.log(NetAddress.portOf(NetAddress.unix("/run/app.sock"))) // undefined
 * ```
 */
export const portOf = (address: NetAddress): number | undefined =>
  address._tag === "InetAddress" ? address.port : undefined

/**
 * Writes an address as people do: `127.0.0.1:80`, `[::1]:80`, or the path; an abstract name has `@` for its NUL.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = (address: NetAddress): string =>
  address._tag === "UnixAddress"
    ? address.path.replace(/^\0/, "@") || "(unnamed)"
    : formatHostPort(address.host, address.port)

/**
 * Writes a host, numeric or not, and a port as people do: an IPv6 address in brackets (RFC 3986, section 3.2.2).
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatHostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/**
 * True if both are the same address and port, or the same path.
 *
 * @since 0.1.0
 * @category guards
 */
export const equals = (a: NetAddress, b: NetAddress): boolean => format(a) === format(b)
