/** Datagram sockets of the network: delivery, groups, broadcast, lost and late datagrams. */
import type { DatagramOptions, MembershipOptions } from "../../../DatagramOptions.js"
import type { DatagramEvents, DatagramPlatform, DatagramTarget, DatagramTransport } from "../../../DatagramTransport.js"
import type { InetAddress } from "../../../NetAddress.js"
import { inet } from "../../../NetAddress.js"
import { type InvalidOption, UnsupportedOption } from "../../../SocketError.js"
import type { Failure } from "../../../Transport.js"
import type { Binding, MemoryHost } from "./host.js"
import { platformName } from "./options.js"

/** The headers of IPv4 and UDP, or of IPv6 and UDP, which a datagram adds to its bytes on a link. */
const headerBytes = 28

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"
const mappedPrefix = "::ffff:"
const unmapped = (host: string): string =>
  host.startsWith(mappedPrefix) && host.includes(".") ? host.slice(mappedPrefix.length) : host
const isBroadcast = (host: string): boolean => host === "255.255.255.255"
const isMulticast = (host: string): boolean =>
  host.includes(":") ? /^ff/i.test(host) : Number.parseInt(host, 10) >= 224 && Number.parseInt(host, 10) <= 239

const encoder = new TextEncoder()

const defaults: DatagramOptions = {
  broadcast: false,
  ttl: 64,
  multicastTtl: 1,
  multicastLoop: true,
  sendBufferSize: 212_992,
  receiveBufferSize: 212_992
}

const unsupportedOption = (option: keyof DatagramOptions): UnsupportedOption | undefined =>
  option === "dontRoute" || option === "bindToDevice"
    ? new UnsupportedOption({ option, platform: platformName, why: "its hosts have no routes and no devices" })
    : undefined

/**
 * A datagram socket of a host in memory. A link loses, delays and reorders its datagrams; a refusal comes back to a
 * connected one as the system's would, over the same link.
 */
export class MemoryDatagramTransport implements DatagramTransport, Binding {
  localAddress: InetAddress
  remoteAddress: InetAddress | undefined = undefined
  readonly host: string
  readonly ipv6Only: boolean
  readonly reusePort: boolean
  private readonly owner: MemoryHost
  private readonly target: DatagramTarget
  private events: DatagramEvents | undefined = undefined
  private options: DatagramOptions = {}
  /** Of each group, the sources that are heard; `undefined` among them hears all. */
  private readonly groups = new Map<string, Set<string | undefined>>()
  private isBound = false
  private isClosed = false

  constructor(owner: MemoryHost, target: DatagramTarget) {
    this.owner = owner
    this.target = target
    this.localAddress = target.address
    this.host = target.address.host
    this.ipv6Only = target.ipv6Only
    this.reusePort = target.reusePort || target.reuseAddress
  }

  open(events: DatagramEvents): void {
    this.events = events
    const failure = this.bind()
    this.soon(() => {
      if (this.isClosed) return
      if (failure === undefined) events.bound()
      else events.failed(failure)
    })
  }

  private bind(): Failure | undefined {
    const { network } = this.owner
    const { host, port: wanted } = this.target.address
    if (!this.owner.isUp) return network.failure("AddressNotAvailable", `the host ${this.owner.name} is down`)
    if (!this.owner.canBind(host) && !isMulticast(host)) {
      return this.owner.unknownAddress(
        "AddressNotAvailable",
        host,
        `${host} is no address of the host ${this.owner.name}`
      )
    }
    const ports = this.owner.datagramPorts
    const port = wanted === 0 ? ports.ephemeral(() => false) : wanted
    if (port === undefined) return network.failure("AddressInUse", "every ephemeral port is taken")
    if (!ports.add(port, this)) return network.failure("AddressInUse", `port ${port} is bound`)
    this.localAddress = inet(host, port)
    this.owner.datagramSockets.add(this)
    this.isBound = true
    return undefined
  }

  private soon(run: () => void): void {
    this.owner.network.soon({ run })
  }

  // ---- sending

  send(
    data: Uint8Array | string,
    to: InetAddress | undefined,
    done: (failure: Failure | undefined) => void
  ): void {
    const failure = this.isClosed
      ? this.owner.network.failure("Aborted", "the socket is closed")
      : this.route(typeof data === "string" ? encoder.encode(data) : data.slice(), to ?? this.remoteAddress!)
    this.soon(() => done(failure))
  }

  private route(data: Uint8Array, to: InetAddress): Failure | undefined {
    const { network } = this.owner
    const goal = inet(unmapped(to.host), to.port)
    const source = isWildcard(this.host) ? this.owner.sourceFor(goal.host) : this.host
    const isGroup = isMulticast(goal.host)
    if (isBroadcast(goal.host) && this.options.broadcast !== true) {
      return network.failure("AccessDenied", "broadcasting is off")
    }
    if (source === undefined && !isGroup) {
      return this.owner.unknownAddress("Unreachable", goal.host, `no way to ${goal.host}`)
    }
    const from = inet(source ?? this.owner.addresses[0] ?? "127.0.0.1", this.localAddress.port)
    if (isGroup || isBroadcast(goal.host)) {
      for (const host of this.audience(isGroup)) {
        this.carry(host, data, () => {
          for (const socket of host.datagramSockets) if (socket.hears(goal, from)) socket.arrive(data.slice(), from)
        })
      }
      return undefined
    }
    const host = this.owner.find(goal.host)
    if (host === undefined) {
      return this.owner.unknownAddress("Unreachable", goal.host, `no host has the address ${goal.host}`)
    }
    this.carry(host, data, () => {
      const receiver = host.receiverOf(goal, from)
      if (receiver === undefined) {
        host.network.link(host, this.owner).sendDatagram(headerBytes, () => this.refusedBy(to))
      } else receiver.arrive(data, from)
    })
    return undefined
  }

  private audience(isGroup: boolean): ReadonlyArray<MemoryHost> {
    const { multicastLoop = true, multicastTtl = 1 } = this.options
    return Array.from(this.owner.network.hosts.values()).filter((host) =>
      !isGroup || (host === this.owner ? multicastLoop : multicastTtl > 0)
    )
  }

  private carry(to: MemoryHost, data: Uint8Array, arrive: () => void): void {
    this.owner.network.link(this.owner, to).sendDatagram(data.length + headerBytes, arrive)
  }

  /** ICMP, port unreachable (RFC 792): only a connected socket learns of it. */
  private refusedBy(to: InetAddress): void {
    const { remoteAddress } = this
    if (this.isClosed || remoteAddress?.host !== to.host || remoteAddress.port !== to.port) return
    this.events?.failed(this.owner.network.failure("Refused", `nobody receives at ${to.host}, port ${to.port}`))
  }

  // ---- receiving

  /** True when a datagram to a group, or to everybody, is for this socket too. */
  hears(to: InetAddress, from: InetAddress): boolean {
    if (this.localAddress.port !== to.port) return false
    if (this.remoteAddress !== undefined) return false
    if (!isWildcard(this.host) && this.host !== to.host) return false
    if (isBroadcast(to.host)) return this.localAddress.family === "IPv4"
    const sources = this.groups.get(to.host)
    return sources !== undefined && (sources.has(undefined) || sources.has(from.host))
  }

  isPeer(from: InetAddress): boolean {
    const { remoteAddress } = this
    return remoteAddress !== undefined && remoteAddress.port === from.port && unmapped(remoteAddress.host) === from.host
  }

  arrive(data: Uint8Array, from: InetAddress): void {
    if (this.isClosed) return
    const isMapped = this.localAddress.family === "IPv6" && from.family === "IPv4"
    this.events?.deliver(data, isMapped ? mappedPrefix + from.host : from.host, from.port)
  }

  // ---- the peer, and groups

  connect(to: InetAddress, done: (failure: Failure | undefined) => void): void {
    const { network } = this.owner
    const source = isWildcard(this.host) ? this.owner.sourceFor(unmapped(to.host)) : this.host
    const failure = this.isClosed
      ? network.failure("Aborted", "the socket is closed")
      : source === undefined
      ? this.owner.unknownAddress("Unreachable", to.host, `no way to ${to.host}`)
      : undefined
    if (failure === undefined) {
      this.remoteAddress = to
      this.localAddress = inet(source!, this.localAddress.port)
    }
    this.soon(() => done(failure))
  }

  disconnect(): Failure | undefined {
    this.remoteAddress = undefined
    this.localAddress = inet(this.host, this.localAddress.port)
    return undefined
  }

  join(group: string, { interface: at, source }: MembershipOptions): Failure | undefined {
    const { network } = this.owner
    if (at !== undefined && !at.startsWith("::%") && !isWildcard(at) && !this.owner.owns(at)) {
      return network.failure("AddressNotAvailable", `${at} is no address of the host ${this.owner.name}`)
    }
    const sources = this.groups.get(group) ?? new Set()
    if (sources.has(source)) return network.failure("AddressInUse", `a member of ${group} already`)
    this.groups.set(group, sources.add(source))
    return undefined
  }

  leave(group: string, { source }: MembershipOptions): void {
    const sources = this.groups.get(group)
    sources?.delete(source)
    if (sources?.size === 0) this.groups.delete(group)
  }

  // ---- options

  setOption<K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    const refusal = unsupportedOption(name)
    if (refusal === undefined) this.options = { ...this.options, [name]: value }
    return refusal
  }

  getOption<K extends keyof DatagramOptions>(name: K): DatagramOptions[K] | UnsupportedOption {
    return unsupportedOption(name) ?? this.options[name] ?? defaults[name]
  }

  // ---- the end

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.groups.clear()
    if (this.isBound) {
      this.owner.datagramPorts.remove(this.localAddress.port, this)
      this.owner.datagramSockets.delete(this)
    }
    this.soon(() => this.events?.closed())
  }
}

export const datagramsOf = (host: MemoryHost): DatagramPlatform => ({
  bind: (target) => new MemoryDatagramTransport(host, target),
  unsupported: (options) => {
    for (const name of ["dontRoute", "bindToDevice"] as const) {
      if (options[name] !== undefined) return unsupportedOption(name)
    }
    return undefined
  }
})
