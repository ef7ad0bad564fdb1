/**
 * Names in memory: a table that answers in place of the system and of name servers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Dns from "../Dns.js"
import { familyOf } from "../NetAddress.js"
import type { HostAddress } from "../NetPlatform.js"
import { DnsError, type DnsReason } from "../SocketError.js"

/**
 * The answers of the resolver. A name that is not here is `NotFound`, except `localhost`, which is the loopback.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  /** The addresses of each name. The reverse follows from it. */
  readonly hosts?: Readonly<Record<string, ReadonlyArray<string>>> | undefined
  /** The records of each name; those of type A and AAAA come from `hosts` unless they are here. */
  readonly records?:
    | Readonly<Record<string, { readonly [T in Dns.RecordType]?: ReadonlyArray<Dns.Records[T]> }>>
    | undefined
  /** Names that fail, and why. */
  readonly failures?: Readonly<Record<string, DnsReason>> | undefined
  /** The name of the machine. Default `"localhost"`. */
  readonly hostName?: string | undefined
}

/** Names are the same in upper and lower case, and with a dot at the end (RFC 4343). */
const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, "")

const tableOf = <A>(record: Readonly<Record<string, A>> | undefined): ReadonlyMap<string, A> =>
  new Map(Object.entries(record ?? {}).map(([name, value]) => [canonical(name), value]))

/**
 * A resolver that answers from the table, at once and without a network.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (table: Table): Dns.Service => {
  const hosts = new Map([["localhost", ["127.0.0.1", "::1"] as ReadonlyArray<string>], ...tableOf(table.hosts)])
  const records = tableOf(table.records)
  const failures = tableOf(table.failures)
  const fail = (reason: DnsReason, name: string, query: string): Effect.Effect<never, DnsError> =>
    Effect.fail(new DnsError({ reason, name, query }))
  const failing = (name: string, query: string): Effect.Effect<never, DnsError> | undefined => {
    const reason = failures.get(canonical(name))
    return reason === undefined ? undefined : fail(reason, name, query)
  }
  const answer = <A>(
    name: string,
    query: string,
    found: ReadonlyArray<A> | undefined
  ): Effect.Effect<ReadonlyArray<A>, DnsError> => {
    if (found !== undefined && found.length > 0) return Effect.succeed(found)
    const isKnown = hosts.has(canonical(name)) || records.has(canonical(name))
    return fail(isKnown ? "NoData" : "NotFound", name, query)
  }
  const addressesOf = (name: string): ReadonlyArray<HostAddress> | undefined =>
    hosts.get(canonical(name))?.map((host) => ({ host, family: familyOf(host) ?? "IPv4" }))
  const addressRecords = (name: string, type: Dns.RecordType): ReadonlyArray<Dns.AddressRecord> | undefined =>
    type !== "A" && type !== "AAAA" ? undefined : addressesOf(name)
      ?.filter(({ family }) => family === (type === "A" ? "IPv4" : "IPv6"))
      .map(({ host }) => ({ address: host, ttlSeconds: 0 }))
  return Dns.make({
    lookup: (name, options) =>
      Effect.suspend(() =>
        failing(name, "address") ??
          answer(
            name,
            "address",
            addressesOf(name)?.filter(({ family }) => options?.family === undefined || family === options.family)
          )
      ),
    reverse: (address) =>
      Effect.suspend(() =>
        failing(address, "name") ?? answer(
          address,
          "name",
          Array.from(hosts).filter(([, addresses]) => addresses.includes(address)).map(([name]) => name)
        )
      ),
    nameInfo: (address, port) =>
      Effect.suspend(() => {
        const found = Array.from(hosts).find(([, addresses]) => addresses.includes(address))
        return failing(address, "name") ?? (found === undefined
          ? fail("NotFound", address, "name")
          : Effect.succeed({ host: found[0], service: String(port) }))
      }),
    resolve: <T extends Dns.RecordType>(name: string, type: T) =>
      Effect.suspend(() =>
        failing(name, type) ??
          answer(
            name,
            type,
            records.get(canonical(name))?.[type] as ReadonlyArray<Dns.Records[T]> | undefined ??
              addressRecords(name, type) as ReadonlyArray<Dns.Records[T]> | undefined
          )
      ),
    hostName: Effect.succeed(table.hostName ?? "localhost")
  })
}

/**
 * The table as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (table: Table): Layer.Layer<Dns.Dns> => Layer.sync(Dns.Dns, () => make(table))
