/** A listening socket of the network, with its backlog. */
import { inet, type NetAddress } from "../../../NetAddress.js"
import type { ListenTarget } from "../../../NetPlatform.js"
import type { Failure, ListenEvents, ListenTransport } from "../../../Transport.js"
import { isTooLong, longestPath } from "./connecting.js"
import type { Binding, MemoryHost } from "./host.js"
import type { Task } from "./network.js"
import type { MemoryTransport } from "./transport.js"

export class MemoryListener implements ListenTransport, Binding, Task {
  localAddress: NetAddress
  readonly host: string
  readonly ipv6Only: boolean
  readonly reusePort: boolean
  readonly target: ListenTarget
  private readonly owner: MemoryHost
  readonly listener: ListenEvents
  private failure: Failure | undefined
  private isBound = false
  isClosed = false
  private hasSaid = false

  constructor(owner: MemoryHost, target: ListenTarget, events: ListenEvents) {
    this.owner = owner
    this.target = target
    this.listener = events
    this.localAddress = target.address
    this.host = target.address._tag === "InetAddress" ? target.address.host : ""
    this.ipv6Only = target.ipv6Only
    this.reusePort = target.reusePort
    this.failure = this.bind()
    owner.network.soon(this)
  }

  private bind(): Failure | undefined {
    const { owner, target: { address } } = this
    const { network } = owner
    if (!owner.isUp) return network.failure("AddressNotAvailable", `the host ${owner.name} is down`)
    if (address._tag === "UnixAddress") {
      if (isTooLong(address.path)) return network.failure("PathTooLong", `a path has at most ${longestPath} bytes`)
      if (owner.paths.has(address.path)) return network.failure("AddressInUse", `${address.path} is listened on`)
      if (!this.target.takeOver && owner.staleFiles.has(address.path)) {
        return network.failure("AddressInUse", `${address.path} was left behind`)
      }
      owner.staleFiles.delete(address.path)
      owner.paths.set(address.path, this)
    } else {
      if (!owner.canBind(address.host)) {
        return owner.unknownAddress(
          "AddressNotAvailable",
          address.host,
          `${address.host} is no address of the host ${owner.name}`
        )
      }
      const port = address.port === 0 ? owner.ephemeralPort() : address.port
      if (port === undefined) return network.failure("AddressInUse", "every ephemeral port is taken")
      if (!owner.listeners.add(port, this)) return network.failure("AddressInUse", `port ${port} is listened on`)
      this.localAddress = inet(address.host, port)
    }
    this.isBound = true
    owner.bound.add(this)
    return undefined
  }

  run(): void {
    if (!this.hasSaid) {
      this.hasSaid = true
      if (this.failure !== undefined) this.listener.failed(this.failure)
      else if (!this.isClosed) this.listener.listening()
    }
    if (this.isClosed) this.listener.closed()
  }

  accept(endpoint: MemoryTransport): void {
    endpoint.accept(this.target.options)
    this.listener.accepted(endpoint)
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.unbind()
    this.owner.network.soon(this)
  }

  /** Nothing comes in any more. */
  unbind(): void {
    if (!this.isBound) return
    this.isBound = false
    this.owner.bound.delete(this)
    if (this.localAddress._tag === "UnixAddress") this.owner.paths.delete(this.localAddress.path)
    else this.owner.listeners.remove(this.localAddress.port, this)
  }
}
