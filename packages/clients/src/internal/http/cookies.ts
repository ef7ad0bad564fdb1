/**
 * The cookies of a jar, without effects: how RFC 6265bis (draft 20, section 5) stores and retrieves them, within bounds.
 *
 * tough-cookie reads attributes and dates, and knows the public suffixes. Its jar is not used: there `Max-Age` begins
 * again with each use, a value loses a byte 0xA0 at its ends, paths are compared decoded, `__host-` is no prefix, a
 * response in clear replaces a Secure cookie, what was removed leaves its domain and path behind, and time is the
 * system's alone.
 */
import { familyOf } from "@copas/core/NetAddress"
import type * as Tough from "tough-cookie"
import type * as Public from "../../Cookies.js"
import * as Bytes from "../text/bytes.js"

export type Library = typeof Tough

/** A cookie with its value in clear. */
export interface Cookie extends Omit<Public.Cookie, "value"> {
  readonly value: string
}

interface Stored extends Cookie {
  /** The order in which cookies of the same millisecond were made. */
  readonly index: number
  /** When it was sent or set last, counted in uses. */
  used: number
}

export type Limits = {
  readonly [K in Exclude<keyof Public.Options, "secureOnLocalhost">]-?: NonNullable<Public.Options[K]>
}

export type Reason = Public.CookieRefused["reason"]

// eslint-disable-next-line no-control-regex -- RFC 6265bis, section 5.6, step 1; and what is no byte
const unfit = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/

/** Whether a name and a value can be those of a cookie, and go into a header. */
export const isPair = (name: string, value: string): boolean =>
  !unfit.test(name + value) && name !== "" && !/[=;]|^[ \t]|[ \t]$/.test(name) && !/;|^[ \t]|[ \t]$/.test(value)

/** Attributes that are longer are left out: RFC 6265bis, section 5.6. */
const longestAttribute = 1024

/** A text of its own: a slice would keep all of the header's text alive, which no bound counts. */
const copy = (text: string): string => Bytes.toBinary(Bytes.fromBinary(text))

const trim = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, "")

const isAddress = (host: string): boolean => host.startsWith("[") || familyOf(host) !== undefined

const isWithin = (host: string, domain: string): boolean =>
  host === domain || (!isAddress(host) && host.endsWith(`.${domain}`))

const isSuffix = (library: Library, domain: string): boolean =>
  library.getPublicSuffix(domain, { ignoreError: true }) === undefined

const keyOf = (cookie: Cookie): string =>
  `${cookie.domain} ${cookie.isHostOnly ? "host" : "domain"} ${cookie.path} ${cookie.name}`

/** What a cookie costs, so that small ones are not for nothing. */
const costOf = ({ domain, name, path, value }: Cookie): number =>
  name.length + value.length + 2 * (domain.length + path.length) + 256

/** `https:` and, where that is wanted, this machine (W3C Secure Contexts, section 3.1). */
const isTrusted = (url: URL, secureOnLocalhost: boolean): boolean =>
  url.protocol === "https:" || url.protocol === "wss:" ||
  (secureOnLocalhost && /^(?:127\.[\d.]+|\[::1\]|(?:.+\.)?localhost)$/.test(url.hostname))

interface Domain {
  readonly domain: string
  readonly isHostOnly: boolean
}

/** RFC 6265bis, section 5.7, steps 8 to 10. */
const domainOf = (library: Library, host: string, attribute: string | null): Domain | Reason => {
  if (attribute === null || host === attribute || host === `[${attribute}]`) {
    const isHostOnly = attribute === null || isAddress(host) || isSuffix(library, host)
    return { domain: copy(host), isHostOnly }
  }
  if (!isWithin(host, attribute)) return "Domain"
  return isSuffix(library, attribute) ? "PublicSuffix" : { domain: copy(attribute), isHostOnly: false }
}

/** The cookie that a field `Set-Cookie` of a response from `url` sets, or why it sets none. */
const parse = (
  library: Library,
  text: string,
  url: URL,
  now: number,
  limits: Limits,
  isTrusted: boolean
): Cookie | Reason => {
  const end = text.indexOf(";")
  const pair = end < 0 ? text : text.slice(0, end)
  const equals = pair.indexOf("=")
  const [name, value] = [trim(pair.slice(0, Math.max(0, equals))), trim(pair.slice(equals + 1))]
  if (name === "" || unfit.test(text)) return "Syntax"
  if (name.length + value.length > limits.maxCookieBytes) return "TooLarge"
  const attributes = library.Cookie.parse(end < 0 ? "x=" : `x=${text.slice(end)}`)
  if (attributes === undefined) return "Syntax"
  const place = domainOf(library, url.hostname, attributes.domain)
  if (typeof place === "string") return place
  const given = attributes.path === null || attributes.path.length > longestAttribute ? undefined : attributes.path
  const path = given ?? library.defaultPath(url.pathname)
  if (path.length > longestAttribute) return "TooLarge"
  if (attributes.secure && !isTrusted) return "Insecure"
  // Section 5.7, steps 20 to 22: servers may read names without regard to case.
  if (/^__secure-/i.test(name) && !attributes.secure) return "Prefix"
  if (/^__host-/i.test(name) && !(attributes.secure && attributes.domain === null && given === "/")) return "Prefix"
  const { expires, maxAge, sameSite } = attributes
  const ends = maxAge !== null
    ? (Number(maxAge) > 0 ? now + Number(maxAge) * 1000 : -1)
    : expires instanceof Date
    ? expires.getTime()
    : undefined
  return {
    name: copy(name),
    value: copy(value),
    ...place,
    path: copy(path),
    isSecure: attributes.secure,
    isHttpOnly: attributes.httpOnly,
    ...(sameSite === "strict" || sameSite === "lax" || sameSite === "none" ? { sameSite } : {}),
    // The last time that a Date can show.
    ...(ends === undefined ? {} : { expires: Math.min(ends, 8.64e15) }),
    created: now
  }
}

const isExpired = (cookie: Cookie, now: number): boolean => cookie.expires !== undefined && cookie.expires <= now

export class Cookies {
  /** By registrable domain (`example.co.uk`), so that a site that floods the jar pushes out its own cookies. */
  private readonly sites = new Map<string, Map<string, Stored>>()
  private readonly costs = new Map<string, number>()
  private readonly limits: Limits
  private readonly secureOnLocalhost: boolean
  private cost = 0
  private uses = 0
  count = 0

  constructor(limits: Limits, secureOnLocalhost: boolean) {
    this.limits = limits
    this.secureOnLocalhost = secureOnLocalhost
  }

  /** The value of the field `Cookie`, or `undefined` if there is nothing to send: section 5.8.3. */
  header(library: Library, url: URL, now: number): string | undefined {
    const site = this.siteOf(library, url.hostname)
    const isSecure = isTrusted(url, this.secureOnLocalhost)
    const found: Array<Stored> = []
    for (const cookie of this.sites.get(site)?.values() ?? []) {
      if (isExpired(cookie, now)) this.drop(site, cookie)
      else if (
        (cookie.isHostOnly ? cookie.domain === url.hostname : isWithin(url.hostname, cookie.domain)) &&
        (isSecure || !cookie.isSecure) && library.pathMatch(url.pathname, cookie.path)
      ) found.push(cookie)
    }
    if (found.length === 0) return undefined
    for (const cookie of found) cookie.used = ++this.uses
    return found
      .sort((a, b) => b.path.length - a.path.length || a.created - b.created || a.index - b.index)
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ")
  }

  /** Stores what a field `Set-Cookie` says, or gives the reason why not: section 5.7. */
  set(library: Library, url: URL, text: string, now: number): Reason | undefined {
    const isSecure = isTrusted(url, this.secureOnLocalhost)
    const cookie = parse(library, text, url, now, this.limits, isSecure)
    if (typeof cookie === "string") return cookie
    const site = this.siteOf(library, cookie.domain)
    for (const other of this.sites.get(site)?.values() ?? []) {
      // Step 16: the answer to a request in clear is anybody's.
      if (
        !isSecure && other.isSecure && other.name === cookie.name && !isExpired(other, now) &&
        (isWithin(other.domain, cookie.domain) || isWithin(cookie.domain, other.domain)) &&
        library.pathMatch(cookie.path, other.path)
      ) return "Insecure"
    }
    this.put(site, cookie, now)
    return undefined
  }

  /** Puts back cookies that were saved, except those of a domain that is a public suffix by now. */
  restore(library: Library, saved: ReadonlyArray<Cookie>, now: number): void {
    for (const cookie of saved) {
      const isTooLarge = cookie.name.length + cookie.value.length > this.limits.maxCookieBytes
      if (!isTooLarge && (cookie.isHostOnly || !isSuffix(library, cookie.domain))) {
        this.put(this.siteOf(library, cookie.domain), cookie, now)
      }
    }
  }

  /** Those that have not expired, oldest first. */
  list(now: number): ReadonlyArray<Cookie> {
    this.removeIf((cookie) => isExpired(cookie, now))
    const all = Array.from(this.sites.values(), (site) => Array.from(site.values())).flat()
    return all.sort((a, b) => a.created - b.created || a.index - b.index)
      .map(({ index: _index, used: _used, ...cookie }) => cookie)
  }

  removeIf(condition: (cookie: Cookie) => boolean): number {
    const before = this.count
    for (const [site, cookies] of this.sites) {
      for (const cookie of cookies.values()) if (condition(cookie)) this.drop(site, cookie)
    }
    return before - this.count
  }

  private siteOf(library: Library, host: string): string {
    return isAddress(host) ? host : library.getPublicSuffix(host, { ignoreError: true }) ?? host
  }

  private put(site: string, cookie: Cookie, now: number): void {
    const old = this.sites.get(site)?.get(keyOf(cookie))
    if (old !== undefined) this.drop(site, old)
    if (isExpired(cookie, now)) return
    const use = ++this.uses
    const stored = { ...cookie, created: old?.created ?? cookie.created, index: old?.index ?? use, used: use }
    const cookies = this.sites.get(site) ?? new Map<string, Stored>()
    this.sites.set(site, cookies.set(keyOf(stored), stored))
    this.add(site, 1, costOf(stored))
    const sameDomain = Array.from(cookies.values()).filter((other) => other.domain === stored.domain)
    if (sameDomain.length > this.limits.maxPerDomain) this.evict(site, sameDomain, now)
    while (this.count > this.limits.maxCookies || this.cost > this.limits.maxBytes) {
      let [largest, most] = ["", -1]
      for (const [site, cost] of this.costs) if (cost > most) [largest, most] = [site, cost]
      this.evict(largest, Array.from(this.sites.get(largest)!.values()), now)
    }
  }

  /** Drops one that has expired, else the one that was used the longest ago: section 5.7, at its end. */
  private evict(site: string, cookies: ReadonlyArray<Stored>, now: number): void {
    const lastUse = (cookie: Stored): number => isExpired(cookie, now) ? -1 : cookie.used
    this.drop(site, cookies.reduce((first, other) => lastUse(other) < lastUse(first) ? other : first))
  }

  private drop(site: string, cookie: Stored): void {
    const cookies = this.sites.get(site)!
    cookies.delete(keyOf(cookie))
    this.add(site, -1, -costOf(cookie))
    if (cookies.size > 0) return
    this.sites.delete(site)
    this.costs.delete(site)
  }

  private add(site: string, count: number, cost: number): void {
    this.count += count
    this.cost += cost
    this.costs.set(site, (this.costs.get(site) ?? 0) + cost)
  }
}
