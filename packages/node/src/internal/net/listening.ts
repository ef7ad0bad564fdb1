/** A listening socket of `node:net` as a `ListenTransport`. */
import { inet, type NetAddress } from "@copas/core/NetAddress"
import type { ListenTarget } from "@copas/core/NetPlatform"
import type { ListenEvents, ListenTransport } from "@copas/core/Transport"
import * as NodeNet from "node:net"
import * as Descriptors from "./descriptors.js"
import { toFailure } from "./errno.js"
import { NodeTransport } from "./transport.js"
import * as UnixPath from "./unixPath.js"

export class NodeListenTransport implements ListenTransport {
  private readonly server: NodeNet.Server
  private readonly events: ListenEvents
  private readonly target: ListenTarget
  /** The socket file that listening created. */
  private file: string | undefined = undefined
  private hasTakenOver = false
  private address: NetAddress
  private hasFailed = false
  private isClosing = false
  private isClosed = false

  constructor(target: ListenTarget, events: ListenEvents) {
    const { address, options } = target
    this.events = events
    this.target = target
    this.address = address
    const path = address._tag === "UnixAddress" ? address.path : undefined
    this.server = NodeNet.createServer({
      allowHalfOpen: true,
      noDelay: path === undefined && options.noDelay !== false
    })
    this.server.on("connection", (socket) => {
      const transport = new NodeTransport(socket, path, options)
      if (options.keepAlive !== undefined) transport.setOption("keepAlive", options.keepAlive)
      events.accepted(transport)
      const exhausted = Descriptors.exhaustion(socket)
      if (exhausted !== undefined) events.failed(toFailure(exhausted, "accept", address))
    })
    this.server.on("listening", () => {
      if (this.isClosing) {
        this.closeHandle()
        return
      }
      const bound = this.server.address()
      if (address._tag === "UnixAddress") this.file = UnixPath.identityOf(address.path)
      if (bound !== null && typeof bound === "object") this.address = inet(bound.address, bound.port)
      events.listening()
    })
    this.server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" && path !== undefined && target.takeOver && !this.hasTakenOver) {
        this.takeOver(path, error)
        return
      }
      const { listening } = this.server
      if (!listening) this.hasFailed = true
      if (this.isClosing) this.sayClosed()
      else events.failed(toFailure(error, listening ? "accept" : "bind", address))
    })
    this.server.on("close", () => this.sayClosed())
    this.listen()
  }

  private listen(): void {
    const { address, backlog, ipv6Only, mode } = this.target
    if (address._tag === "InetAddress") {
      this.server.listen({ host: address.host, port: address.port, backlog, ipv6Only })
      return
    }
    const tooLong = UnixPath.tooLong(address.path, "bind")
    if (tooLong !== undefined) {
      process.nextTick(() => this.server.emit("error", tooLong))
      return
    }
    UnixPath.withMode(address.path, mode, () => this.server.listen({ path: address.path, backlog }).listening)
  }

  /** The path is in use: if no process listens there any more, it is taken over. */
  private takeOver(path: string, error: Error): void {
    this.hasTakenOver = true
    UnixPath.takeOver(path, (isFree) => {
      if (isFree && !this.isClosing) this.listen()
      else this.server.emit("error", error)
    })
  }

  get localAddress(): NetAddress {
    return this.address
  }

  close(): void {
    if (this.isClosing) return
    this.isClosing = true
    if (this.server.listening) this.closeHandle()
    // If binding failed, Node has no handle to close and reports nothing. While it binds, it can only be closed afterwards.
    else if (this.hasFailed) process.nextTick(() => this.sayClosed())
  }

  private closeHandle(): void {
    // Node's own "close" event waits for every connection that was ever accepted. The handle is gone after the closing
    // phase of this turn of the loop.
    const { address } = this.target
    if (address._tag === "UnixAddress") UnixPath.closeKeeping(address.path, this.file, () => this.server.close())
    else this.server.close()
    setImmediate(() => setImmediate(() => this.sayClosed()))
  }

  private sayClosed(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.events.closed()
  }
}
