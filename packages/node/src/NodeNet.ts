/**
 * The network on Node: `node:net` behind the contracts of `@copas/core`.
 *
 * @since 0.1.0
 */
import * as Dns from "@copas/core/Dns"
import * as Net from "@copas/core/Net"
import type { NetAddress } from "@copas/core/NetAddress"
import { inet } from "@copas/core/NetAddress"
import { UnsupportedOption } from "@copas/core/SocketError"
import type { ConnectTarget, ListenEvents, ListenTarget, ListenTransport, Platform } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeNet from "node:net"
import { datagrams } from "./internal/net/datagramTransport.js"
import * as Descriptors from "./internal/net/descriptors.js"
import { toFailure } from "./internal/net/errno.js"
import { LargeReads } from "./internal/net/largeReads.js"
import { platformName } from "./internal/net/platformName.js"
import * as UnixPath from "./internal/net/unixPath.js"
import * as NodeTls from "./internal/tls/platform.js"
import * as NodeDns from "./NodeDns.js"
import { NodeTransport, unsupported } from "./NodeSocket.js"

// Effect threads run in microtasks, and Node runs its ticks again when those are done: so a tick asked for by a thread
// comes when every thread that was ready has run.
const endOfTurn = (task: () => void): void => process.nextTick(task)

const connect = ({ address, localAddress, localPort, options, readSize }: ConnectTarget): NodeTransport => {
  const reads = readSize === undefined ? undefined : new LargeReads(readSize)
  const socket = new NodeNet.Socket({ allowHalfOpen: true, ...(reads === undefined ? {} : { onread: reads.onread }) })
  const path = address._tag === "UnixAddress" ? address.path : undefined
  const transport = new NodeTransport(socket, path, options, address)
  if (reads !== undefined) {
    reads.deliver = (chunk) => transport.events?.deliver(chunk)
    transport.recycle = (chunk) => reads.recycle(chunk)
  }
  if (address._tag === "UnixAddress") {
    const tooLong = UnixPath.tooLong(address.path)
    if (tooLong === undefined) socket.connect({ path: address.path })
    else socket.destroy(tooLong)
  } else {
    socket.connect({
      host: address.host,
      port: address.port,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort })
    })
  }
  return transport
}

class NodeListenTransport implements ListenTransport {
  private readonly server: NodeNet.Server
  private readonly events: ListenEvents
  private readonly target: ListenTarget
  /** The file that listening made. */
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
      if (exhausted !== undefined) events.failed(toFailure(exhausted))
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
      if (!this.server.listening) this.hasFailed = true
      if (this.isClosing) this.sayClosed()
      else events.failed(toFailure(error))
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
    const tooLong = UnixPath.tooLong(address.path)
    if (tooLong !== undefined) {
      process.nextTick(() => this.server.emit("error", tooLong))
      return
    }
    UnixPath.withMode(address.path, mode, () => this.server.listen({ path: address.path, backlog }).listening)
  }

  /** Somebody has the path: when nobody listens there any more, it is ours. */
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
    // Binding failed: Node has no handle to close, and says nothing. While it binds, it can only be closed afterwards.
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

/** What `toString` of a buffer calls in the end; the way there costs as much as decoding a short line. */
interface Slices {
  readonly latin1Slice: (start: number, end: number) => string
  readonly utf8Slice: (start: number, end: number) => string
}

const unsupportedPath = (path: string | undefined, mode: number | undefined): UnsupportedOption | undefined => {
  const refusal = path === undefined ? undefined : UnixPath.unsupported(path, mode)
  return refusal === undefined ? undefined : new UnsupportedOption({ ...refusal, platform: platformName })
}

const platformWith = (lookup: Platform["lookup"]): Platform => ({
  name: platformName,
  endOfTurn,
  connect,
  tls: NodeTls.platform,
  listen: (target, events) => new NodeListenTransport(target, events),
  datagrams,
  lookup,
  unsupported: (options, listen, path) =>
    unsupported(options, path !== undefined) ?? unsupportedPath(path, listen?.mode) ??
      (listen?.reusePort === true
        ? new UnsupportedOption({
          option: "reusePort",
          platform: platformName,
          why: "node:net has it from Node 23.1 on"
        })
        : listen?.reuseAddress === false
        ? new UnsupportedOption({ option: "reuseAddress", platform: platformName, why: "libuv always sets it" })
        : undefined),
  byteLength: (text) => Buffer.byteLength(text),
  decode: (chunk, start, end, encoding) => {
    const bytes = (chunk instanceof Buffer
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)) as unknown as Slices
    return encoding === "latin1" ? bytes.latin1Slice(start, end) : bytes.utf8Slice(start, end)
  }
})

const make: Effect.Effect<Net.Service, never, Dns.Dns> = Effect.map(
  Dns.Dns,
  (dns) => Net.make(platformWith(Dns.toPlatformLookup(dns)))
)

/**
 * The network on Node, which looks names up as the system does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Net.Net> = Layer.provide(Layer.effect(Net.Net, make), NodeDns.layer)

/**
 * The network on Node, which looks names up by `Dns`.
 *
 * @since 0.1.0
 * @category layers
 */
// A layer apart: one that both shared would be built once, with the names of whichever came first.
export const layerDns: Layer.Layer<Net.Net, never, Dns.Dns> = Layer.effect(Net.Net, make)
