/**
 * Names, addresses and records on Node: `node:dns` behind `Dns` of `@copas/core`.
 *
 * @since 0.1.0
 */
import * as Dns from "@copas/core/Dns"
import type { Family } from "@copas/core/NetAddress"
import type { HostAddress } from "@copas/core/NetPlatform"
import { DnsError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDns from "node:dns"
import * as Os from "node:os"
import { toDnsReason } from "./internal/net/errno.js"
import { platformName } from "./internal/net/platformName.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Name servers to ask in place of the system's: addresses, with a port where it is not 53 (`"192.0.2.1:5353"`,
   * `"[2001:db8::1]:5353"`). `lookup` and `reverse` then ask them too, and the hosts file has no say.
   */
  readonly servers?: ReadonlyArray<string> | undefined
  /**
   * How long to wait for each try of a question to a name server; each further one waits longer. Default what Node brings:
   * 2 seconds with c-ares from 1.20 on, as in Node 20.18; 5 seconds before.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** How often to ask each name server. Default 4. */
  readonly tries?: number | undefined
}

const failure = (error: unknown, name: string, query: string): DnsError =>
  new DnsError({ reason: toDnsReason(error), name, query, cause: error })

const familyNumber = (family: Family | undefined): 0 | 4 | 6 => family === undefined ? 0 : family === "IPv4" ? 4 : 6

/** As the system does it: getaddrinfo, on Node's thread pool. It cannot be taken back. */
const systemLookup = (name: string, family: Family | undefined): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> =>
  Effect.async((resume) => {
    NodeDns.lookup(name, { all: true, family: familyNumber(family), verbatim: true }, (error, addresses) =>
      resume(
        error === null
          ? Effect.succeed(addresses.map(({ address, family }) => ({
            host: address,
            family: family === 4 ? "IPv4" as const : "IPv6" as const
          })))
          : Effect.fail(failure(error, name, "address"))
      ))
  })

const nameInfo = (address: string, port: number): Effect.Effect<Dns.NameInfo, DnsError> =>
  Effect.async((resume) => {
    NodeDns.lookupService(address, port, (error, host, service) =>
      resume(error === null ? Effect.succeed({ host, service }) : Effect.fail(failure(error, address, "name"))))
  })

/** What Node calls a CAA record: the property's name is its tag. */
const caaOf = (record: NodeDns.CaaRecord): Dns.CaaRecord => {
  const { critical, ...properties } = record
  const [tag = "", value = ""] = Object.entries(properties).find(([, value]) => typeof value === "string") ?? []
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

type Ask<T extends Dns.RecordType> = (
  resolver: NodeDns.promises.Resolver,
  name: string
) => Promise<ReadonlyArray<Dns.Records[T]>>

const addressRecord = ({ address, ttl }: NodeDns.RecordWithTtl): Dns.AddressRecord => ({ address, ttlSeconds: ttl })

const questions: { readonly [T in Dns.RecordType]: Ask<T> } = {
  A: async (resolver, name) => (await resolver.resolve4(name, { ttl: true })).map(addressRecord),
  AAAA: async (resolver, name) => (await resolver.resolve6(name, { ttl: true })).map(addressRecord),
  CNAME: (resolver, name) => resolver.resolveCname(name),
  MX: async (resolver, name) => byPriority(await resolver.resolveMx(name)),
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
  SRV: async (resolver, name) => byPriority(await resolver.resolveSrv(name)),
  TXT: (resolver, name) => resolver.resolveTxt(name),
  CAA: async (resolver, name) => (await resolver.resolveCaa(name)).map(caaOf),
  NAPTR: (resolver, name) => resolver.resolveNaptr(name),
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

const make = (options: Options, makeResolver: () => NodeDns.promises.Resolver): Dns.Service => {
  /** A resolver for each question: to cancel takes back all that a resolver was asked. */
  const ask = <A>(
    name: string,
    query: string,
    question: (resolver: NodeDns.promises.Resolver) => Promise<A>
  ): Effect.Effect<A, DnsError> =>
    Effect.async((resume) => {
      const resolver = makeResolver()
      question(resolver).then(
        (answer) => resume(Effect.succeed(answer)),
        (error) => resume(Effect.fail(failure(error, name, query)))
      )
      return Effect.sync(() => resolver.cancel())
    })

  const resolve = <T extends Dns.RecordType>(
    name: string,
    type: T
  ): Effect.Effect<ReadonlyArray<Dns.Records[T]>, DnsError | UnsupportedOption> =>
    type === "TLSA" && (NodeDns.promises.Resolver.prototype as WithTlsa).resolveTlsa === undefined
      ? Effect.fail(
        new UnsupportedOption({ option: type, platform: platformName, why: "node:dns has it from 22.15 and 23.9 on" })
      )
      // An answer may hold nothing but an alias.
      : Effect.filterOrFail(
        ask(name, type, (resolver) => questions[type](resolver, name)),
        (found) => found.length > 0,
        () => new DnsError({ reason: "NoData", name, query: type })
      )

  const addresses = (name: string, family: Family): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> =>
    Effect.map(
      ask(name, "address", (resolver) => family === "IPv4" ? resolver.resolve4(name) : resolver.resolve6(name)),
      (found) => found.map((host) => ({ host, family }))
    )

  /** RFC 6761, section 6.3: no server is asked for `localhost`. */
  const isLocal = (name: string): boolean => /^(?:.*\.)?localhost\.?$/i.test(name)

  const serverLookup = (
    name: string,
    family: Family | undefined
  ): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> => {
    if (isLocal(name)) {
      const loopback: ReadonlyArray<HostAddress> = [
        { host: "127.0.0.1", family: "IPv4" },
        { host: "::1", family: "IPv6" }
      ]
      return Effect.succeed(loopback.filter((one) => family === undefined || one.family === family))
    }
    if (family !== undefined) return addresses(name, family)
    return Effect.flatMap(
      Effect.all([Effect.either(addresses(name, "IPv6")), Effect.either(addresses(name, "IPv4"))], { concurrency: 2 }),
      ([six, four]) => {
        const found = [six, four].flatMap((one) => one._tag === "Right" ? one.right : [])
        if (found.length > 0) return Effect.succeed(found)
        // One family without an address says less than what went wrong with the other.
        const errors = [six, four].flatMap((one) => one._tag === "Left" ? [one.left] : [])
        return Effect.fail(errors.find(({ reason }) => reason !== "NoData") ?? errors[0]!)
      }
    )
  }

  const asksServers = options.servers !== undefined
  return Dns.make({
    lookup: (name, lookupOptions) =>
      asksServers ? serverLookup(name, lookupOptions?.family) : systemLookup(name, lookupOptions?.family),
    reverse: (address) => ask(address, "name", (resolver) => resolver.reverse(address)),
    nameInfo,
    resolve,
    hostName: Effect.sync(() => Os.hostname())
  })
}

/**
 * The system's names and name servers.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Dns.Dns> = Layer.sync(Dns.Dns, () => make({}, () => new NodeDns.promises.Resolver()))

/**
 * Other name servers than the system's, or other patience with them.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<Dns.Dns, InvalidOption> =>
  Layer.effect(
    Dns.Dns,
    Effect.gen(function*() {
      const { servers, timeout, tries } = options
      const millis = timeout === undefined ? undefined : Duration.toMillis(timeout)
      if (millis !== undefined && !(millis >= 1 && millis <= 0x7fffffff)) {
        return yield* new InvalidOption({
          option: "timeout",
          value: String(timeout),
          expected: "above zero and finite"
        })
      }
      if (tries !== undefined && !(Number.isInteger(tries) && tries >= 1)) {
        return yield* new InvalidOption({
          option: "tries",
          value: String(tries),
          expected: "a whole number, at least 1"
        })
      }
      const makeResolver = (): NodeDns.promises.Resolver => {
        const resolver = new NodeDns.promises.Resolver({
          ...(millis === undefined ? {} : { timeout: Math.ceil(millis) }),
          ...(tries === undefined ? {} : { tries })
        })
        if (servers !== undefined) resolver.setServers(servers)
        return resolver
      }
      yield* Effect.try({
        try: () => {
          if (servers?.length === 0) throw new Error("no servers")
          makeResolver()
        },
        catch: () =>
          new InvalidOption({
            option: "servers",
            value: JSON.stringify(servers),
            expected: "at least one numeric address, with or without a port"
          })
      })
      return make(options, makeResolver)
    })
  )
