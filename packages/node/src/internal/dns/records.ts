/** How Node is asked for each type of record, and what its answers become: the same shapes on every version of Node. */
import type * as Dns from "@copas/core/Dns"
import * as NodeDns from "node:dns"

/** The property that is named after the tag; newer Nodes add `type` to it. */
const caaOf = ({ critical, ...properties }: NodeDns.CaaRecord): Dns.CaaRecord => {
  const [tag = "", value = ""] =
    Object.entries(properties).find(([name, value]) => name !== "type" && typeof value === "string") ?? []
  return { isCritical: critical !== 0, tag, value: String(value) }
}

const byPriority = <A extends { readonly priority: number }>(records: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.from(records).sort((a, b) => a.priority - b.priority)

/** Node has it from 22.15 and 23.9 on. */
interface WithTlsa {
  readonly resolveTlsa?: (name: string) => Promise<
    ReadonlyArray<{ certUsage: number; selector: number; match: number; data: ArrayBuffer }>
  >
}

export const canAskForTlsa = (): boolean => (NodeDns.promises.Resolver.prototype as WithTlsa).resolveTlsa !== undefined

type Ask<T extends Dns.RecordType> = (
  resolver: NodeDns.promises.Resolver,
  name: string
) => Promise<ReadonlyArray<Dns.Records[T]>>

const addressRecord = ({ address, ttl }: NodeDns.RecordWithTtl): Dns.AddressRecord => ({ address, ttlSeconds: ttl })

// Property by property: what a newer Node adds to its records does not show.
export const questions: { readonly [T in Dns.RecordType]: Ask<T> } = {
  A: async (resolver, name) => (await resolver.resolve4(name, { ttl: true })).map(addressRecord),
  AAAA: async (resolver, name) => (await resolver.resolve6(name, { ttl: true })).map(addressRecord),
  CNAME: (resolver, name) => resolver.resolveCname(name),
  MX: async (resolver, name) =>
    byPriority((await resolver.resolveMx(name)).map(({ exchange, priority }) => ({ exchange, priority }))),
  NS: (resolver, name) => resolver.resolveNs(name),
  PTR: (resolver, name) => resolver.resolvePtr(name),
  SOA: async (resolver, name) => {
    const { expire, hostmaster, minttl, nsname, refresh, retry, serial } = await resolver.resolveSoa(name)
    return [{
      primary: nsname,
      mailbox: hostmaster,
      serial,
      refreshSeconds: refresh,
      retrySeconds: retry,
      expireSeconds: expire,
      minimumTtlSeconds: minttl
    }]
  },
  SRV: async (resolver, name) =>
    byPriority(
      (await resolver.resolveSrv(name)).map(({ name, port, priority, weight }) => ({ name, port, priority, weight }))
    ),
  TXT: (resolver, name) => resolver.resolveTxt(name),
  CAA: async (resolver, name) => (await resolver.resolveCaa(name)).map(caaOf),
  NAPTR: async (resolver, name) =>
    (await resolver.resolveNaptr(name)).map(({ flags, order, preference, regexp, replacement, service }) => ({
      order,
      preference,
      flags,
      service,
      regexp,
      replacement
    })),
  TLSA: async (resolver, name) => {
    const records = await (resolver as WithTlsa).resolveTlsa!(name)
    return records.map(({ certUsage, data, match, selector }) => ({
      usage: certUsage,
      selector,
      matchingType: match,
      data: new Uint8Array(data)
    }))
  }
}

/** The name whose PTR records are the names of a numeric address: RFC 1035, section 3.5; RFC 3596, section 2.5. */
export const reverseName = (address: string): string => {
  if (!address.includes(":")) return `${address.split(".").reverse().join(".")}.in-addr.arpa`
  // URL writes the address in hexadecimal groups, an IPv4 tail too.
  const canonical = new URL(`http://[${address.replace(/%.*/, "")}]/`).hostname.slice(1, -1)
  const [before = "", after] = canonical.split("::")
  const groups = (text: string | undefined): ReadonlyArray<string> => text ? text.split(":") : []
  const head = groups(before)
  const tail = groups(after)
  const all = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail]
  const digits = all.map((group) => group.padStart(4, "0")).join("")
  return `${Array.from(digits).reverse().join(".")}.ip6.arpa`
}
