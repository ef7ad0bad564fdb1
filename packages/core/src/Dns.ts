/**
 * Names, addresses and records as a capability, which never blocks a thread.
 *
 * `lookup` and `reverse` ask as the system does, including its hosts file; `resolve` asks name servers for records. `Net`
 * and `Udp` look names up by the platform's own means; a platform's layer may let them use this service instead, as
 * `NodeCopas.layer` does. Then one service answers all questions about names.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { bothFamilies } from "./internal/net/bothFamilies.js"
import { isLocalhost, isNeverThere, loopbackAddresses } from "./internal/net/specialNames.js"
import { type Family, familyOf } from "./NetAddress.js"
import type { HostAddress } from "./NetPlatform.js"
import { DnsError, type UnsupportedOption } from "./SocketError.js"
import type { Failure } from "./Transport.js"

/**
 * The options of `lookup`.
 *
 * @since 0.1.0
 * @category models
 */
export interface LookupOptions {
  /** Only addresses of this family. Default both. */
  readonly family?: Family | undefined
}

/**
 * An A or AAAA record (RFC 1035, section 3.4.1; RFC 3596).
 *
 * @since 0.1.0
 * @category records
 */
export interface AddressRecord {
  readonly address: string
  /** How long it may be kept, in seconds. */
  readonly ttlSeconds: number
}

/**
 * An MX record: a host that takes mail for the name (RFC 1035, section 3.3.9).
 *
 * @since 0.1.0
 * @category records
 */
export interface MxRecord {
  readonly exchange: string
  /** Lower ones are tried first. */
  readonly priority: number
}

/**
 * An SRV record: where a service of the name is (RFC 2782).
 *
 * @since 0.1.0
 * @category records
 */
export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/**
 * An SOA record: who answers for a zone, and how long its records may be kept (RFC 1035, section 3.3.13). All times are
 * in seconds.
 *
 * @since 0.1.0
 * @category records
 */
export interface SoaRecord {
  readonly primary: string
  readonly mailbox: string
  readonly serial: number
  readonly refreshSeconds: number
  readonly retrySeconds: number
  readonly expireSeconds: number
  /** How long the absence of a name may be kept (RFC 2308). */
  readonly minimumTtlSeconds: number
}

/**
 * A CAA record: which authorities may issue certificates for the name (RFC 8659).
 *
 * @since 0.1.0
 * @category records
 */
export interface CaaRecord {
  readonly isCritical: boolean
  /** `"issue"`, `"issuewild"`, `"iodef"` … */
  readonly tag: string
  readonly value: string
}

/**
 * A NAPTR record: a rule that rewrites a name into the next one (RFC 3403).
 *
 * @since 0.1.0
 * @category records
 */
export interface NaptrRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly regexp: string
  readonly replacement: string
}

/**
 * A TLSA record: the certificate, or the authority, that a server of the name shows (RFC 6698).
 *
 * @since 0.1.0
 * @category records
 */
export interface TlsaRecord {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly data: Uint8Array
}

/**
 * The result of `resolve` for each type of record. Records with a priority come in its order.
 *
 * @since 0.1.0
 * @category records
 */
export interface Records {
  readonly A: AddressRecord
  readonly AAAA: AddressRecord
  readonly CNAME: string
  readonly MX: MxRecord
  readonly NS: string
  readonly PTR: string
  readonly SOA: SoaRecord
  readonly SRV: SrvRecord
  /** The parts of one record: a text longer than 255 bytes comes in several (RFC 1035, section 3.3.14). */
  readonly TXT: ReadonlyArray<string>
  readonly CAA: CaaRecord
  readonly NAPTR: NaptrRecord
  readonly TLSA: TlsaRecord
}

/**
 * The types of records that `resolve` asks for.
 *
 * @since 0.1.0
 * @category records
 */
export type RecordType = keyof Records

/**
 * The names of an address and a port (getnameinfo).
 *
 * @since 0.1.0
 * @category models
 */
export interface NameInfo {
  readonly host: string
  /** The name of the service at the port, such as `"http"`, or the port's number if it has none. */
  readonly service: string
}

/**
 * The operations of a resolver. Each is described at the function of its name below.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * True if `lookup` asks about each family separately, as name servers do. `make` then asks about both at once, and
   * `Net.connect` begins with the family that is known first (RFC 8305, section 3). Default false.
   */
  readonly asksByFamily?: boolean | undefined
  readonly lookup: (name: string, options?: LookupOptions) => Effect.Effect<ReadonlyArray<HostAddress>, DnsError>
  readonly reverse: (address: string) => Effect.Effect<ReadonlyArray<string>, DnsError>
  readonly nameInfo: (address: string, port: number) => Effect.Effect<NameInfo, DnsError>
  readonly resolve: <T extends RecordType>(
    name: string,
    type: T
  ) => Effect.Effect<ReadonlyArray<Records[T]>, DnsError | UnsupportedOption>
  readonly hostName: Effect.Effect<string>
}

/**
 * Names, addresses and records.
 *
 * @since 0.1.0
 * @category tags
 */
export class Dns extends Context.Tag("@copas/core/Dns")<Dns, Service>() {}

/** RFC 1035, section 2.3.4. What has a byte outside ASCII is longer when it is encoded; the platform sees to that. */
const canBeName = (name: string): boolean => {
  const labels = name.endsWith(".") ? name.slice(0, -1) : name
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (labels === "" || labels.length > 253 || /[\u0000-\u0020\u007f]/.test(labels)) return false
  return labels.split(".").every((label) => label !== "" && label.length <= 63)
}

const badName = (name: string, query: string): Effect.Effect<never, DnsError> => failing("BadName", name, query)

const failing = (reason: DnsError["reason"], name: string, query: string): Effect.Effect<never, DnsError> =>
  Effect.fail(new DnsError({ reason, name, query }))

/** The records of a name that RFC 6761 reserves; `undefined` for any other name. */
const reserved = (
  name: string,
  type: RecordType
): Effect.Effect<ReadonlyArray<AddressRecord>, DnsError> | undefined => {
  if (isNeverThere(name)) return failing("NotFound", name, type)
  if (!isLocalhost(name)) return undefined
  return type === "A" || type === "AAAA"
    ? Effect.succeed(
      loopbackAddresses(type === "A" ? "IPv4" : "IPv6").map(({ host }) => ({ address: host, ttlSeconds: 0 }))
    )
    : failing("NoData", name, type)
}

/**
 * Checks the questions before `service` gets them. It answers these itself:
 *
 * - what cannot be a name or an address: `BadName`
 * - the address of a numeric address: that address
 * - `localhost` and names below it: the loopback, whatever a hosts file says (RFC 6761, section 6.3)
 * - names in `.invalid` and `.onion`: `NotFound` (RFC 6761, section 6.4; RFC 7686)
 *
 * With `asksByFamily`, a look-up of both families asks about both at once; once one has an address, the other has 50 ms
 * left to answer (RFC 8305, section 3).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (service: Service): Service => ({
  asksByFamily: service.asksByFamily,
  lookup: (name, options) => {
    const numeric = familyOf(name)
    if (numeric !== undefined) {
      return options?.family === undefined || options.family === numeric
        ? Effect.succeed([{ host: name, family: numeric }])
        : failing("NoData", name, "address")
    }
    if (!canBeName(name)) return badName(name, "address")
    if (isLocalhost(name)) return Effect.succeed(loopbackAddresses(options?.family))
    if (isNeverThere(name)) return failing("NotFound", name, "address")
    return options?.family === undefined && service.asksByFamily === true
      ? bothFamilies((family) => service.lookup(name, { family }))
      : service.lookup(name, options)
  },
  reverse: (address) => familyOf(address) === undefined ? badName(address, "name") : service.reverse(address),
  nameInfo: (address, port) =>
    familyOf(address) === undefined || !(Number.isInteger(port) && port >= 0 && port <= 65535)
      ? badName(`${address}, port ${port}`, "name")
      : service.nameInfo(address, port),
  resolve: <T extends RecordType>(name: string, type: T) =>
    canBeName(name)
      ? reserved(name, type) as Effect.Effect<ReadonlyArray<Records[T]>, DnsError> | undefined ??
        service.resolve(name, type)
      : badName(name, type),
  hostName: service.hostName
})

/**
 * Makes the `lookup` of a platform from a service.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toPlatformLookup = (
  service: Service
): (host: string, family: Family | undefined) => Effect.Effect<ReadonlyArray<HostAddress>, Failure> =>
(host, family) =>
  Effect.mapError(service.lookup(host, { family }), (error): Failure => ({
    reason: error.reason === "NotFound" || error.reason === "NoData" || error.reason === "BadName"
      ? "HostNotFound"
      : "LookupFailed",
    cause: error
  }))

/**
 * Looks up the addresses of a name, in the order of preference (getaddrinfo). LuaSocket's `toip` and `getaddrinfo`.
 *
 * If the service asks name servers directly, it asks about each family separately. Once one family has an address, the
 * other has 50 ms left to answer (RFC 8305, section 3), so the result may lack the slower family; name a `family` to wait
 * for it.
 *
 * *Interruption* ends the wait at once; the answer to a question that the system cannot cancel is dropped.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Dns } from "@copas/core"
 * import { DnsMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const names = DnsMemory.layer({ hosts: { "mail.example": ["192.0.2.25", "2001:db8::25"] } })
 *
 * Dns.lookup("mail.example").pipe(
 *   Effect.map((found) => found.map(({ host }) => host).join(" ")),
 *   Effect.catchTag("DnsError", (error) => Effect.succeed(error.reason)),
 *   Effect.provide(names),
 *   Effect.runPromise
 * ).then(console.log) // 192.0.2.25 2001:db8::25
 * ```
 */
export const lookup = (
  name: string,
  options?: LookupOptions
): Effect.Effect<ReadonlyArray<HostAddress>, DnsError, Dns> => Effect.flatMap(Dns, (dns) => dns.lookup(name, options))

/**
 * Looks up the names of a numeric address. LuaSocket's `tohostname`.
 *
 * *Interruption* ends the wait at once.
 *
 * @since 0.1.0
 * @category accessors
 */
export const reverse = (address: string): Effect.Effect<ReadonlyArray<string>, DnsError, Dns> =>
  Effect.flatMap(Dns, (dns) => dns.reverse(address))

/**
 * Looks up the name of a numeric address, and of the service at a port (getnameinfo).
 *
 * *Interruption* ends the wait at once.
 *
 * @since 0.1.0
 * @category accessors
 */
export const nameInfo = (address: string, port: number): Effect.Effect<NameInfo, DnsError, Dns> =>
  Effect.flatMap(Dns, (dns) => dns.nameInfo(address, port))

/**
 * Asks name servers for the records of a type that a name has. A type that the platform cannot ask for is
 * `UnsupportedOption`.
 *
 * *Interruption* cancels the question.
 *
 * @since 0.1.0
 * @category accessors
 */
export const resolve = <T extends RecordType>(
  name: string,
  type: T
): Effect.Effect<ReadonlyArray<Records[T]>, DnsError | UnsupportedOption, Dns> =>
  Effect.flatMap(Dns, (dns) => dns.resolve(name, type))

/**
 * The name of this machine. LuaSocket's `gethostname`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const hostName: Effect.Effect<string, never, Dns> = Effect.flatMap(Dns, (dns) => dns.hostName)
