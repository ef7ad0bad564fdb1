/** The public handle of a network: links, partitions, hosts and their checks. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Certificate } from "../../../Certificate.js"
import * as Clocks from "../../../internal/effect/clocks.js"
import { orFail } from "../../../internal/effect/eithers.js"
import * as Options from "../../../internal/net/targets.js"
import { forClock } from "../../../internal/time/deadlines.js"
import { invalid } from "../../../internal/time/optionValues.js"
import * as TimeoutOptions from "../../../internal/time/timeouts.js"
import * as Net from "../../../Net.js"
import { familyOf } from "../../../NetAddress.js"
import { InvalidOption } from "../../../SocketError.js"
import type * as NetMemory from "../../NetMemory.js"
import { CurrentHost, CurrentRun } from "../simulation/currentRun.js"
import { Programs } from "../simulation/programs.js"
import { CurrentSeed } from "../simulation/seed.js"
import { loadAuthorities } from "../tls/material.js"
import type { MemoryHost } from "./host.js"
import { conditions, ideal } from "./link.js"
import { Network } from "./network.js"
import * as MemoryPlatform from "./platform.js"
import type { MemoryTransport } from "./transport.js"

const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(invalid(option, value, expected))

const checkChunks = (chunks: NetMemory.Chunks): Effect.Effect<NetMemory.Chunks, InvalidOption> =>
  chunks === "joined" || chunks === "asSent" || chunks === "random"
    ? Effect.succeed(chunks)
    : Options.count("chunks", chunks, 1)

const authoritiesOf = (
  materials: NonNullable<NetMemory.Options["authorities"]>
): Effect.Effect<ReadonlyArray<Certificate>, InvalidOption> =>
  Effect.mapError(
    orFail(loadAuthorities("authorities", materials)),
    (error) => new InvalidOption({ option: "authorities", value: error.detail ?? "", expected: "certificates" })
  )

export const makeNetwork = (
  options: NetMemory.Options,
  isOneHost: boolean
): Effect.Effect<Network, InvalidOption> =>
  Effect.gen(function*() {
    const clock = yield* Clocks.current
    const seed = options.seed ?? (yield* CurrentSeed)
    if (!Number.isSafeInteger(seed)) return yield* refuse("seed", seed, "a whole number")
    const network = new Network(forClock(clock), {
      seed,
      isOneHost,
      link: options.link === undefined ? ideal : yield* conditions(options.link),
      chunks: yield* checkChunks(options.chunks ?? "joined"),
      bufferSize: yield* Options.count("bufferSize", options.bufferSize ?? 64 * 1024, 2),
      giveUpAfter: yield* TimeoutOptions.millis("giveUpAfter", options.giveUpAfter ?? "15 minutes"),
      connectGiveUpAfter: yield* TimeoutOptions.millis(
        "connectGiveUpAfter",
        options.connectGiveUpAfter ?? "127 seconds"
      ),
      clock,
      authorities: options.authorities === undefined ? [] : yield* authoritiesOf(options.authorities)
    })
    ;(yield* CurrentRun)?.networks.push(network)
    return network
  })

export const netOf = (host: MemoryHost): Net.Service => {
  const net = Net.make(MemoryPlatform.make(host))
  host.nets.push(net)
  return net
}

const checkClock = (
  options: NetMemory.ClockOptions
): Effect.Effect<{ readonly offsetMillis: number; readonly drift: number }, InvalidOption> => {
  const { drift = 0, offsetMillis = 0 } = options
  if (!Number.isFinite(offsetMillis)) {
    return refuse("clock.offsetMillis", String(offsetMillis), "a finite number of milliseconds")
  }
  if (!(drift > -1 && drift < Infinity)) return refuse("clock.drift", String(drift), "a finite number above -1")
  return Effect.succeed({ offsetMillis, drift })
}

const hostOf = (host: MemoryHost): NetMemory.Host => {
  const net = netOf(host)
  const programs = new Programs(host)
  return {
    name: host.name,
    addresses: host.addresses,
    net,
    layer: Layer.succeed(Net.Net, net),
    isUp: Effect.sync(() => host.isUp),
    clock: host.clock,
    setClock: (options) =>
      Effect.map(checkClock(options), ({ drift, offsetMillis }) => host.clock.set(offsetMillis, drift)),
    start: (program) =>
      programs.start(
        program.pipe(
          Effect.provideService(Net.Net, net),
          Effect.provideService(CurrentHost, host.name),
          (effect) => Clocks.withClock(effect, host.clock)
        )
      ),
    crash: programs.crash,
    restart: programs.restart
  }
}

const connectionOf = (client: MemoryTransport): NetMemory.Connection => ({
  client: client.localAddress,
  server: client.remoteAddress,
  clientHost: client.host.name,
  serverHost: client.peer!.host.name
})

/** The client's end of each connection of which at least one end stands. */
const clientsOf = (network: Network): ReadonlyArray<MemoryTransport> => {
  const clients = new Set<MemoryTransport>()
  for (const host of network.hosts.values()) {
    for (const endpoint of host.endpoints) {
      const client = endpoint.role === "client" ? endpoint : endpoint.peer
      if (client?.peer !== undefined) clients.add(client)
    }
  }
  return Array.from(clients)
}

const forConnections = (
  network: Network,
  which: ((connection: NetMemory.Connection) => boolean) | undefined,
  use: (client: MemoryTransport, server: MemoryTransport) => void
): Effect.Effect<number> =>
  Effect.sync(() => {
    const chosen = clientsOf(network).filter((client) => which === undefined || which(connectionOf(client)))
    for (const client of chosen) use(client, client.peer!)
    return chosen.length
  })

const addressesFor = (
  network: Network,
  wanted: ReadonlyArray<string> | undefined
): Effect.Effect<ReadonlyArray<string>, InvalidOption> => {
  if (wanted === undefined) return Effect.sync(() => [network.freeAddress()])
  return Effect.forEach(wanted, (address) =>
    familyOf(address) === undefined
      ? refuse("addresses", address, "numeric addresses")
      : network.byAddress.has(address)
      ? refuse("addresses", address, "addresses that no other host of the network has")
      : Effect.succeed(address))
}

/** What users do to a network. */
export const control = (network: Network): NetMemory.Network => {
  const hosts = new Map<string, NetMemory.Host>()
  for (const host of network.hosts.values()) hosts.set(host.name, hostOf(host))
  const named = (name: string): Effect.Effect<MemoryHost, InvalidOption> => {
    const host = network.hosts.get(name.toLowerCase())
    return host === undefined ? refuse("host", name, "the name of a host of this network") : Effect.succeed(host)
  }
  return {
    addHost: (name, options) =>
      Effect.gen(function*() {
        if (name === "" || /\s/.test(name) || familyOf(name) !== undefined) {
          return yield* refuse("name", name, "a host name")
        }
        if (network.hosts.has(name.toLowerCase())) return yield* refuse("name", name, "a name that no host has yet")
        const { drift, offsetMillis } = yield* checkClock(options?.clock ?? {})
        const host = network.addHost(name, yield* addressesFor(network, options?.addresses))
        if (offsetMillis !== 0 || drift !== 0) host.clock.set(offsetMillis, drift)
        const added = hostOf(host)
        hosts.set(name, added)
        return added
      }),
    hosts: Effect.sync(() => Array.from(hosts.values())),
    connections: Effect.sync(() => clientsOf(network).map(connectionOf)),
    setLink: (link, between) =>
      Effect.gen(function*() {
        const changed = yield* conditions(link)
        if (between === undefined) {
          network.setAll(changed)
          return
        }
        if ("from" in between) {
          network.setPair(yield* named(between.from), yield* named(between.to), changed)
          return
        }
        const [one, other] = [yield* named(between[0]), yield* named(between[1])]
        network.setPair(one, other, changed)
        network.setPair(other, one, changed)
      }),
    setChunks: (chunks) =>
      Effect.map(checkChunks(chunks), (changed) => {
        network.chunks = changed
      }),
    partition: (groups) =>
      Effect.gen(function*() {
        if (groups !== undefined && "from" in groups) {
          network.partitionOneWay(
            yield* Effect.forEach(groups.from, named),
            yield* Effect.forEach(groups.to, named)
          )
          return
        }
        const found = groups === undefined
          ? undefined
          : yield* Effect.forEach(groups, (group) => Effect.forEach(group, named))
        network.partition(found)
      }),
    heal: Effect.sync(() => network.heal()),
    vanish: (end, which) =>
      forConnections(network, which, (client, server) => (end === "client" ? client : server).vanish()),
    resetConnections: (which) =>
      forConnections(network, which, (client, server) => {
        for (const endpoint of [client, server]) endpoint.cut()
      })
  }
}
