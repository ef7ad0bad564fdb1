/**
 * Datagrams on Node: sockets of `node:dgram` as the transports of `@copas/core`.
 *
 * @since 0.1.0
 */
import type { DatagramOptions, MembershipOptions } from "@copas/core/DatagramSocket"
import type { DatagramEvents, DatagramPlatform, DatagramTarget, DatagramTransport } from "@copas/core/DatagramTransport"
import type { InetAddress } from "@copas/core/NetAddress"
import { inet } from "@copas/core/NetAddress"
import { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { Failure } from "@copas/core/Transport"
import * as Dgram from "node:dgram"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { toFailure } from "./errno.js"
import { platformName } from "./platformName.js"

const transportKey: unique symbol = Symbol("@copas/node/datagramTransport")

interface OwnedSocket extends Dgram.Socket {
  [transportKey]: NodeDatagramTransport
}

function onMessage(this: OwnedSocket, data: Uint8Array, from: Dgram.RemoteInfo): void {
  this[transportKey].events!.deliver(data, from.address, from.port)
}
function onListening(this: OwnedSocket): void {
  const transport = this[transportKey]
  transport.refresh()
  transport.isBound = true
  transport.events!.bound()
}
function onError(this: OwnedSocket, error: Error): void {
  this[transportKey].onError(error)
}
function onClose(this: OwnedSocket): void {
  this[transportKey].events!.closed()
}

/**
 * Node looks every destination up, a numeric one too, and answers a turn later. Ours are numeric, so this answers at once.
 */
const numericOnly = (
  host: string,
  _: unknown,
  done: (error: Error | null, address: string, family: number) => void
): void => done(null, host, host.includes(":") ? 6 : 4)

/** Takes what Node throws as the result, too. */
const attempt = (action: () => void, call: "send" | "join" = "send"): Failure | undefined => {
  try {
    action()
    return undefined
  } catch (error) {
    return toFailure(error, call)
  }
}

/**
 * libuv treats the zone of an interface that does not exist as no zone, and the system then chooses an interface. Linux
 * also has interfaces without an address, which Node does not list.
 */
const requireInterface = (address: string | undefined): void => {
  const zone = address?.split("%")[1]
  if (zone === undefined || process.platform === "win32" || zone in Os.networkInterfaces()) return
  if (process.platform === "linux" && Fs.existsSync(`/sys/class/net/${zone}`)) return
  throw Object.assign(new Error(`there is no interface ${zone}`), { code: "ENODEV" })
}

const names = [
  "receiveBufferSize",
  "sendBufferSize",
  "broadcast",
  "ttl",
  "multicastTtl",
  "multicastLoop",
  "multicastInterface"
] as const satisfies ReadonlyArray<keyof DatagramOptions>

class NodeDatagramTransport implements DatagramTransport {
  private socket: Dgram.Socket
  private readonly target: DatagramTarget
  events: DatagramEvents | undefined = undefined
  private local: InetAddress
  private options: DatagramOptions = {}
  private readonly memberships = new Set<{ readonly group: string; readonly options: MembershipOptions }>()
  isBound = false
  private isClosed = false
  remoteAddress: InetAddress | undefined = undefined

  constructor(target: DatagramTarget) {
    this.target = target
    this.local = target.address
    this.socket = this.make()
  }

  private make(): Dgram.Socket {
    const { address, ipv6Only, reuseAddress, reusePort } = this.target
    return Dgram.createSocket({
      type: address.family === "IPv6" ? "udp6" : "udp4",
      ipv6Only,
      reuseAddr: reuseAddress,
      lookup: numericOnly,
      ...(reusePort ? { reusePort: true } : {})
    })
  }

  open(events: DatagramEvents): void {
    this.events = events
    this.listen()
    this.socket.on("listening", onListening)
    const { host, port } = this.target.address
    this.socket.bind({ address: host, port })
  }

  onError(error: Error): void {
    const failure = this.isBound
      ? toFailure(error, "send", this.remoteAddress)
      : toFailure(error, "bind", this.target.address)
    this.events!.failed(failure)
  }

  private listen(): void {
    const { socket } = this
    ;(socket as OwnedSocket)[transportKey] = this
    socket.on("message", onMessage)
    socket.on("error", onError)
    socket.on("close", onClose)
  }

  /**
   * Linux releases a port that it chose itself when the socket is disconnected. A new socket binds the port in place of
   * the old one, within this call, because our addresses need no look-up.
   */
  private reopen(port: number): Failure | undefined {
    const old = this.socket
    old.removeAllListeners()
    // Sends that are still pending end when it closes.
    old.on("error", () => {})
    old.close()
    this.socket = this.make()
    this.listen()
    let failure: Failure | undefined
    const onBindError = (error: Error): void => {
      failure = toFailure(error, "send")
    }
    this.socket.removeListener("error", onError)
    this.socket.once("error", onBindError)
    this.socket.bind({ address: this.target.address.host, port })
    this.socket.removeListener("error", onBindError)
    this.socket.on("error", onError)
    if (failure !== undefined) return failure
    for (const name of names) {
      const value = this.options[name]
      if (value !== undefined) attempt(() => this.apply(name, value))
    }
    for (const { group, options } of this.memberships) attempt(() => this.add(group, options))
    return undefined
  }

  get localAddress(): InetAddress {
    return this.local
  }

  /** Asks the system: binding and connecting choose one. */
  refresh(): void {
    const { address, port } = this.socket.address()
    this.local = inet(address, port)
  }

  send(
    data: Uint8Array | string,
    to: InetAddress | undefined,
    done: (failure: Failure | undefined) => void
  ): void {
    const sent = (error: Error | null): void =>
      done(error ? toFailure(error, "send", to ?? this.remoteAddress) : undefined)
    try {
      if (to === undefined) this.socket.send(data, sent)
      else this.socket.send(data, to.port, to.host, sent)
    } catch (error) {
      // Node throws for some refusals, and for every call on a closed socket.
      process.nextTick(sent, error)
    }
  }

  connect(to: InetAddress, done: (failure: Failure | undefined) => void): void {
    const { socket } = this
    try {
      // Node calls back with the error, whatever its types say.
      socket.connect(to.port, to.host, (error?: Error) => {
        if (error === undefined) {
          const { address, port } = socket.remoteAddress()
          this.remoteAddress = inet(address, port)
          this.refresh()
        }
        done(error === undefined ? undefined : toFailure(error, "connect", to))
      })
    } catch (error) {
      process.nextTick(done, toFailure(error, "connect", to))
    }
  }

  disconnect(): Failure | undefined {
    const { port } = this.local
    const failure = attempt(() => this.socket.disconnect()) ?? attempt(() => this.refresh())
    if (failure !== undefined) return failure
    this.remoteAddress = undefined
    if (this.local.port === port) return undefined
    return this.reopen(port) ?? attempt(() => this.refresh())
  }

  // ---- groups

  private add(group: string, { interface: at, source }: MembershipOptions): void {
    requireInterface(at)
    if (source === undefined) this.socket.addMembership(group, at)
    else this.socket.addSourceSpecificMembership(source, group, at)
  }

  join(group: string, options: MembershipOptions): Failure | undefined {
    const failure = attempt(() => this.add(group, options), "join")
    if (failure === undefined) this.memberships.add({ group, options })
    // Linux says EADDRNOTAVAIL to a source that is heard already, others EINVAL.
    return failure?.reason === "AddressNotAvailable" && this.hears(group, options)
      ? { ...failure, reason: "AddressInUse" }
      : failure
  }

  private hears(group: string, { interface: at, source }: MembershipOptions): boolean {
    for (const { group: joined, options } of this.memberships) {
      if (joined === group && options.interface === at && options.source === source) return true
    }
    return false
  }

  leave(group: string, options: MembershipOptions): void {
    const { interface: at, source } = options
    for (const membership of this.memberships) {
      if (membership.group === group && membership.options === options) this.memberships.delete(membership)
    }
    // The system has forgotten the memberships of a socket that is closed, or of an interface that is gone.
    attempt(() =>
      source === undefined
        ? this.socket.dropMembership(group, at)
        : this.socket.dropSourceSpecificMembership(source, group, at)
    )
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    attempt(() => this.socket.close())
  }

  // ---- options

  setOption<K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    const refusal = unsupportedOption(name)
    if (refusal !== undefined) return refusal
    const failure = attempt(() => this.apply(name, value), "join")
    if (failure !== undefined) return optionRefusal(name, value, failure)
    this.options = { ...this.options, [name]: value }
    return undefined
  }

  private apply(name: keyof DatagramOptions, value: unknown): void {
    const { socket } = this
    switch (name) {
      case "broadcast":
        return socket.setBroadcast(value as boolean)
      case "ttl":
        socket.setTTL(value as number)
        return
      case "multicastTtl":
        socket.setMulticastTTL(value as number)
        return
      case "multicastLoop":
        socket.setMulticastLoopback(value as boolean)
        return
      case "multicastInterface":
        requireInterface(value as string)
        return socket.setMulticastInterface(value as string)
      case "receiveBufferSize":
        return socket.setRecvBufferSize(value as number)
      case "sendBufferSize":
        return socket.setSendBufferSize(value as number)
      case "dontRoute":
      case "bindToDevice":
        return
    }
  }

  getOption<K extends keyof DatagramOptions>(name: K): DatagramOptions[K] | UnsupportedOption {
    const refusal = unsupportedOption(name)
    if (refusal !== undefined) return refusal
    switch (name) {
      case "receiveBufferSize":
        return this.socket.getRecvBufferSize() as DatagramOptions[K]
      case "sendBufferSize":
        return this.socket.getSendBufferSize() as DatagramOptions[K]
      case "broadcast":
        return (this.options.broadcast ?? false) as DatagramOptions[K]
      case "multicastLoop":
        return (this.options.multicastLoop ?? true) as DatagramOptions[K]
      case "multicastTtl":
        return (this.options.multicastTtl ?? 1) as DatagramOptions[K]
      default:
        return this.options[name]
    }
  }
}

/** Setsockopt(2) knows the codes of joining groups. */
const optionRefusal = (
  option: keyof DatagramOptions,
  value: unknown,
  { cause, reason }: Failure
): InvalidOption | UnsupportedOption => {
  if (reason === "Unsupported") {
    return new UnsupportedOption({ option, platform: platformName, why: "this system does not have it" })
  }
  const said = cause instanceof Error ? ` (the system says "${cause.message}")` : ""
  const expected = reason === "OutOfMemory" || reason === "TooManyGroups"
    ? "smaller: the system has no room for that much"
    : reason === "AccessDenied"
    ? "a value that this process may set"
    : option === "multicastInterface"
    ? "the address of an interface of this machine"
    : "a value that the system takes"
  return new InvalidOption({ option, value: String(value), expected: `${expected}${said}` })
}

const unsupportedOption = (option: keyof DatagramOptions): UnsupportedOption | undefined =>
  option === "dontRoute" || option === "bindToDevice"
    ? new UnsupportedOption({ option, platform: platformName, why: "node:dgram has no call for it" })
    : undefined

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
const hasReusePort = process.platform !== "win32" && (major > 23 || major === 23 && minor >= 1 ||
  major === 22 && minor >= 12)

/** Datagram sockets on Node. */
export const datagrams: DatagramPlatform = {
  bind: (target) => new NodeDatagramTransport(target),
  unsupported: (options, target) => {
    for (const name of ["dontRoute", "bindToDevice"] as const) {
      if (options[name] !== undefined) return unsupportedOption(name)
    }
    return target?.reusePort === true && !hasReusePort
      ? new UnsupportedOption({
        option: "reusePort",
        platform: platformName,
        why: "node:dgram has it from Node 22.12 and 23.1 on, where the system has it"
      })
      : undefined
  }
}
