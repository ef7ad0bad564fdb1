/**
 * Names, addresses and records on Node: `node:dns` as the `Dns` of `@copas/core`.
 *
 * `lookup` and `nameInfo` of `layer` ask the system (getaddrinfo, getnameinfo), with its hosts file, its search domains and
 * whatever else it is configured with. These calls hold a thread of libuv's pool and cannot be cancelled, so few run at
 * once; the others wait in a queue, which an interrupted look-up leaves. If abandoned calls hold all these threads, a
 * look-up reads the hosts file and asks the name servers itself, without search domains.
 *
 * `resolve` asks name servers for exactly the given name, without hosts file and search domains. If a server fails,
 * refuses or does not answer, the next one is asked.
 *
 * @since 0.1.0
 */
import * as Dns from "@copas/core/Dns"
import type { Family } from "@copas/core/NetAddress"
import type { HostAddress } from "@copas/core/NetPlatform"
import { DnsError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import { within } from "@copas/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as NodeDns from "node:dns"
import * as Os from "node:os"
import * as HostsFile from "./internal/dns/hostsFile.js"
import * as Records from "./internal/dns/records.js"
import * as Servers from "./internal/dns/servers.js"
import { ThreadCalls, threadsForLookups } from "./internal/dns/threadCalls.js"
import { platformName } from "./internal/net/platformName.js"

/**
 * Which name servers are asked, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Name servers to ask in place of the system's: addresses, with a port if it is not 53 (`"192.0.2.1:5353"`,
   * `"[2001:db8::1]:5353"`), in this order. `lookup` and `reverse` then ask them too, without hosts file and search
   * domains.
   */
  readonly servers?: ReadonlyArray<string> | undefined
  /**
   * How long the first try of a question to a name server waits; each further try waits twice as long as the one before.
   * Default 2 seconds. Within a try that is longer than 5 seconds the question is sent again every 5 seconds.
   *
   * If the system looks names up (without `servers`) and `timeout` or `tries` is given, `timeout` times `tries` bounds a
   * whole look-up, which then fails with `TimedOut`. Otherwise the system's own time-outs apply.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** How often to ask each name server that does not answer. Default 4. */
  readonly tries?: number | undefined
}

const familyNumber = (family: Family | undefined): 0 | 4 | 6 => family === undefined ? 0 : family === "IPv4" ? 4 : 6

/** libuv's pool belongs to the process, and so does the queue for it. */
const threadCalls = new ThreadCalls(threadsForLookups())

/** Asks the system: getaddrinfo. */
const systemLookup = (
  name: string,
  family: Family | undefined,
  instead: Effect.Effect<ReadonlyArray<HostAddress>, DnsError>
): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> =>
  threadCalls.call<ReadonlyArray<HostAddress>>(
    `lookup ${familyNumber(family)} ${name}`,
    (done) =>
      NodeDns.lookup(name, { all: true, family: familyNumber(family), verbatim: true }, (error, addresses) =>
        done(
          error === null
            ? Effect.succeed(addresses.map(({ address, family }) => ({
              host: address,
              family: family === 4 ? "IPv4" as const : "IPv6" as const
            })))
            : Effect.fail(Servers.failure(error, name, "address"))
        )),
    instead
  )

const systemNameInfo = (
  address: string,
  port: number,
  instead: Effect.Effect<Dns.NameInfo, DnsError>
): Effect.Effect<Dns.NameInfo, DnsError> =>
  threadCalls.call<Dns.NameInfo>(
    `nameInfo ${port} ${address}`,
    (done) =>
      NodeDns.lookupService(address, port, (error, host, service) =>
        done(
          error === null ? Effect.succeed({ host, service }) : Effect.fail(Servers.failure(error, address, "name"))
        )),
    instead
  )

/** The options, checked. */
interface Settings {
  readonly servers: ReadonlyArray<string> | undefined
  readonly patience: Servers.Patience
  /** How long a look-up by the system may take, in milliseconds. */
  readonly systemPatience: number
}

const make = ({ patience, servers, systemPatience }: Settings): Dns.Service => {
  const ask = <A>(name: string, query: string, question: Servers.Question<A>): Effect.Effect<A, DnsError> =>
    Servers.ask(servers, patience, name, query, question)

  const found = <A>(
    name: string,
    query: string,
    question: Servers.Question<ReadonlyArray<A>>
  ): Effect.Effect<ReadonlyArray<A>, DnsError> =>
    // An answer may contain only an alias.
    Effect.filterOrFail(
      ask(name, query, question),
      (records) => records.length > 0,
      () => new DnsError({ reason: "NoData", name, query })
    )

  const bounded = <A>(effect: Effect.Effect<A, DnsError>, name: string, query: string): Effect.Effect<A, DnsError> =>
    within(effect, systemPatience, () => new DnsError({ reason: "TimedOut", name, query }))

  const resolve = <T extends Dns.RecordType>(
    name: string,
    type: T
  ): Effect.Effect<ReadonlyArray<Dns.Records[T]>, DnsError | UnsupportedOption> =>
    type === "TLSA" && !Records.canAskForTlsa()
      ? Effect.fail(
        new UnsupportedOption({ option: type, platform: platformName, why: "node:dns has it from 22.15 and 23.9 on" })
      )
      : found(name, type, (resolver) => Records.questions[type](resolver, name))

  const reverse = (address: string): Effect.Effect<ReadonlyArray<string>, DnsError> =>
    servers === undefined
      // c-ares reads the hosts file, too.
      ? ask(address, "name", (resolver) => resolver.reverse(address))
      : found(address, "name", (resolver) => resolver.resolvePtr(Records.reverseName(address)))

  const byServers = Dns.make({
    asksByFamily: true,
    lookup: (name, options) => {
      const family = options?.family ?? "IPv4"
      return Effect.map(
        found(name, "address", (resolver) => family === "IPv4" ? resolver.resolve4(name) : resolver.resolve6(name)),
        (addresses) => addresses.map((host) => ({ host, family }))
      )
    },
    reverse,
    nameInfo: (address, port) =>
      bounded(
        systemNameInfo(
          address,
          port,
          Effect.map(reverse(address), ([host = address]) => ({ host, service: String(port) }))
        ),
        address,
        "name"
      ),
    resolve,
    hostName: Effect.sync(() => Os.hostname())
  })
  if (servers !== undefined) return byServers

  /** Looks a name up as the system would, as far as that needs no thread. */
  const withoutThread = (
    name: string,
    options: Dns.LookupOptions | undefined
  ): Effect.Effect<ReadonlyArray<HostAddress>, DnsError> =>
    Effect.filterOrElse(
      HostsFile.lookup(name, options?.family),
      (addresses) => addresses.length > 0,
      () => byServers.lookup(name, options)
    )
  return Dns.make({
    ...byServers,
    asksByFamily: false,
    lookup: (name, options) =>
      bounded(systemLookup(name, options?.family, withoutThread(name, options)), name, "address")
  })
}

const defaultTimeout = 2000
const defaultTries = 4

/**
 * The system's names and name servers.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Dns.Dns> = Layer.sync(
  Dns.Dns,
  () =>
    make({
      servers: undefined,
      patience: { timeout: defaultTimeout, tries: defaultTries },
      systemPatience: Infinity
    })
)

/**
 * Names by other name servers than the system's, or with other time-outs.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<Dns.Dns, InvalidOption> =>
  Layer.effect(
    Dns.Dns,
    Effect.gen(function*() {
      const { servers, timeout, tries } = options
      const millis = timeout === undefined
        ? defaultTimeout
        : Option.match(Duration.decodeUnknown(timeout), { onNone: () => Number.NaN, onSome: Duration.toMillis })
      if (!(millis >= 1 && millis <= 0x7fffffff)) {
        return yield* new InvalidOption({
          option: "timeout",
          value: typeof timeout === "string" ? JSON.stringify(timeout) : String(timeout),
          expected: `a duration above zero that is not infinite: milliseconds as a number, or text such as "5 seconds"`
        })
      }
      if (tries !== undefined && !(Number.isInteger(tries) && tries >= 1)) {
        return yield* new InvalidOption({
          option: "tries",
          value: String(tries),
          expected: "a whole number, at least 1"
        })
      }
      if (servers !== undefined && (servers.length === 0 || !servers.every(Servers.isServer))) {
        return yield* new InvalidOption({
          option: "servers",
          value: JSON.stringify(servers),
          expected: "at least one numeric address, with or without a port"
        })
      }
      const patience = { timeout: millis, tries: tries ?? defaultTries }
      return make({
        servers: servers === undefined ? undefined : Array.from(servers),
        patience,
        systemPatience: timeout === undefined && tries === undefined ? Infinity : millis * patience.tries
      })
    })
  )
