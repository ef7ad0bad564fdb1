/** A machine of the network: its addresses, ports and sockets. */
import * as Effect from "effect/Effect"
import { isLocalhost } from "../../../internal/net/specialNames.js"
import { afterTurn } from "../../../internal/time/eventLoop.js"
import type * as Net from "../../../Net.js"
import * as NetAddresses from "../../../NetAddress.js"
import type { Family, InetAddress, NetAddress, UnixAddress } from "../../../NetAddress.js"
import type { HostAddress } from "../../../NetPlatform.js"
import type { Failure } from "../../../Transport.js"
import { HostClock } from "../simulation/hostClock.js"
import type { MemoryDatagramTransport } from "./datagrams.js"
import type { Link } from "./link.js"
import type { MemoryListener } from "./listener.js"
import type { Network } from "./network.js"
import type { MemoryTransport } from "./transport.js"

const firstEphemeral = 49152
const lastPort = 65535

const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.")
const isWildcard = (address: string): boolean => address === "0.0.0.0" || address === "::"
const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address)

/** An abstract name (unix(7)) is no file: nothing is left of it. */
export const isAbstract = ({ path }: UnixAddress): boolean => path.startsWith("\0")

/** The holder of an address and port. */
export interface Binding {
  readonly host: string
  readonly ipv6Only: boolean
  readonly reusePort: boolean
}

const overlap = (a: Binding, b: Binding): boolean => {
  if (a.host === b.host) return true
  const covers = (wide: Binding, narrow: Binding): boolean =>
    wide.host === "0.0.0.0"
      ? !narrow.host.includes(":") || (narrow.host === "::" && !narrow.ipv6Only)
      : wide.host === "::" && (narrow.host.includes(":") || !wide.ipv6Only)
  return covers(a, b) || covers(b, a)
}

/** The bound ports of one protocol on one host. */
export class Ports<B extends Binding> {
  private readonly byPort = new Map<number, Array<B>>()
  private next = firstEphemeral

  /** False when somebody else holds it. */
  add(port: number, binding: B): boolean {
    const bound = this.byPort.get(port)
    if (bound === undefined) {
      this.byPort.set(port, [binding])
      return true
    }
    if (bound.some((other) => overlap(other, binding) && !(other.reusePort && binding.reusePort))) return false
    bound.push(binding)
    return true
  }

  remove(port: number, binding: B): void {
    const bound = this.byPort.get(port)
    const index = bound?.indexOf(binding) ?? -1
    if (index === -1) return
    if (bound!.length === 1) this.byPort.delete(port)
    else bound!.splice(index, 1)
  }

  /** A free port; `undefined` if all are taken. */
  ephemeral(isTaken: (port: number) => boolean): number | undefined {
    for (let tries = firstEphemeral; tries <= lastPort; tries += 1) {
      const port = this.next
      this.next = port === lastPort ? firstEphemeral : port + 1
      if (!this.byPort.has(port) && !isTaken(port)) return port
    }
    return undefined
  }

  /** The bindings that receive what comes to the address: exact ones, else those that listen to all addresses. */
  at(host: string, port: number): ReadonlyArray<B> {
    const bound = this.byPort.get(port)
    if (bound === undefined) return []
    const exact = bound.filter((binding) => binding.host === host)
    if (exact.length > 0) return exact
    const isIpv6 = host.includes(":")
    const family = bound.filter((binding) => binding.host === (isIpv6 ? "::" : "0.0.0.0"))
    return family.length > 0 || isIpv6 ? family : bound.filter(({ host, ipv6Only }) => host === "::" && !ipv6Only)
  }
}

/**
 * A machine of the network: its addresses, and what is open on it.
 */
export class MemoryHost {
  readonly network: Network
  readonly name: string
  /** Its own addresses; the loopback ones come on top. */
  readonly addresses: ReadonlyArray<string>
  readonly links = new Map<MemoryHost, Link>()
  readonly listeners = new Ports<MemoryListener>()
  readonly datagramPorts = new Ports<MemoryDatagramTransport>()
  readonly datagramSockets = new Set<MemoryDatagramTransport>()
  readonly paths = new Map<string, MemoryListener>()
  /** Socket files of listeners that a crash ended. */
  readonly staleFiles = new Set<string>()
  /** Every connection's end that has a descriptor here. */
  readonly endpoints = new Set<MemoryTransport>()
  /** Local ports of connections that were made from here, and how many each has. */
  readonly outgoing = new Map<number, number>()
  readonly bound = new Set<MemoryListener>()
  /** How programs reach the network from here. */
  readonly nets: Array<Net.Service> = []
  /** What its programs see of the time. */
  readonly clock: HostClock
  isUp = true

  constructor(network: Network, name: string, addresses: ReadonlyArray<string>) {
    this.network = network
    this.name = name
    this.addresses = addresses
    this.clock = new HostClock(network.clock)
  }

  owns(address: string): boolean {
    return isLoopback(address) || this.addresses.includes(address)
  }

  canBind(address: string): boolean {
    return isWildcard(address) || this.owns(address)
  }

  /** The host that has the address, as seen from here. */
  find(address: string): MemoryHost | undefined {
    return isLoopback(address) || isWildcard(address) ? this : this.network.byAddress.get(address)
  }

  /** Why an address that nothing here has cannot be used. */
  unknownAddress(reason: "Unreachable" | "AddressNotAvailable", address: string, words: string): Failure {
    // RFC 4007, section 6.
    return this.network.failure(isLinkLocal(address) && !address.includes("%") ? "ZoneMissing" : reason, words)
  }

  /** The address that a packet to `to` bears as its source. */
  sourceFor(to: string): string | undefined {
    const isIpv6 = to.includes(":")
    if (isLoopback(to) || isWildcard(to)) return isIpv6 ? "::1" : "127.0.0.1"
    return this.addresses.find((address) => address.includes(":") === isIpv6)
  }

  /** The address a connection to `address` goes to: connecting to "any" goes to this host. */
  destination(address: InetAddress): InetAddress {
    return isWildcard(address.host)
      ? NetAddresses.inet(address.family === "IPv6" ? "::1" : "127.0.0.1", address.port)
      : address
  }

  lookup(name: string, family: Family | undefined): Effect.Effect<ReadonlyArray<HostAddress>, Failure> {
    return Effect.suspend(() => {
      const wanted = name.toLowerCase().replace(/\.$/, "")
      const host = this.network.hosts.get(wanted)
      const addresses = isLocalhost(wanted) || (host === this && this.addresses.length === 0)
        ? ["127.0.0.1", "::1"]
        : host?.addresses ?? []
      const found = addresses
        .map((address): HostAddress => ({ host: address, family: address.includes(":") ? "IPv6" : "IPv4" }))
        .filter((address) => family === undefined || address.family === family)
      return found.length > 0
        ? Effect.succeed(found)
        : Effect.fail(this.network.failure("HostNotFound", `no host of this network is called ${name}`))
    })
  }

  ephemeralPort(): number | undefined {
    return this.listeners.ephemeral((port) => this.outgoing.has(port))
  }

  /** Takes a local port for a connection that is made from here. */
  takePort(wanted: number | undefined, remote: NetAddress, local: string): number | undefined {
    if (wanted === undefined || wanted === 0) {
      const port = this.ephemeralPort()
      if (port !== undefined) this.outgoing.set(port, 1)
      return port
    }
    const shown = NetAddresses.format(NetAddresses.inet(local, wanted))
    for (const endpoint of this.endpoints) {
      if (NetAddresses.format(endpoint.localAddress) === shown && NetAddresses.equals(endpoint.remoteAddress, remote)) {
        return undefined
      }
    }
    this.outgoing.set(wanted, (this.outgoing.get(wanted) ?? 0) + 1)
    return wanted
  }

  /** The socket that a datagram is for: the one whose peer sent it, else the one that was bound last. */
  receiverOf(to: InetAddress, from: InetAddress): MemoryDatagramTransport | undefined {
    const bound = this.datagramPorts.at(to.host, to.port)
    return bound.find((socket) => socket.isPeer(from)) ??
      bound.filter((socket) => socket.remoteAddress === undefined).pop()
  }

  /** A connection's descriptor is released. */
  forget(endpoint: MemoryTransport): void {
    if (!this.endpoints.delete(endpoint)) return
    const { localAddress } = endpoint
    if (endpoint.role === "client" && localAddress._tag === "InetAddress") this.givePort(localAddress.port)
  }

  private givePort(port: number): void {
    const count = this.outgoing.get(port)
    if (count === undefined) return
    if (count === 1) this.outgoing.delete(port)
    else this.outgoing.set(port, count - 1)
  }

  // ---- up and down

  /**
   * No program here receives anything any more. Programs that the crash interrupts get the time to end before the
   * connections break here too: a dead machine has nothing to say about that.
   */
  crash(): void {
    this.isUp = false
    const endpoints = Array.from(this.endpoints)
    const listeners = Array.from(this.bound)
    for (const endpoint of endpoints) endpoint.freeze()
    for (const listener of listeners) {
      listener.unbind()
      const { localAddress } = listener
      if (localAddress._tag === "UnixAddress" && !isAbstract(localAddress)) this.staleFiles.add(localAddress.path)
    }
    this.network.linksChanged()
    afterTurn(() => {
      for (const endpoint of endpoints) endpoint.crash()
      for (const listener of listeners) listener.close()
    })
  }

  restart(): void {
    this.isUp = true
    this.network.linksChanged()
  }
}
