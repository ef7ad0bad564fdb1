/** Node as the platform below `Net`. */
import type { ConnectTarget, CryptoPlatform, Platform } from "@copas/core/NetPlatform"
import { UnsupportedOption } from "@copas/core/SocketError"
import { createHash } from "node:crypto"
import * as NodeNet from "node:net"
import * as NodeTls from "../tls/platform.js"
import { datagrams } from "./datagramTransport.js"
import { missingZone } from "./errno.js"
import { LargeReads } from "./largeReads.js"
import { NodeListenTransport } from "./listening.js"
import { platformName } from "./platformName.js"
import { NodeTransport, unsupported } from "./transport.js"
import * as UnixPath from "./unixPath.js"

// Effect's threads run in microtasks, and Node runs its ticks after those. So a tick that a thread schedules runs after
// every thread that was ready.
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
    const tooLong = UnixPath.tooLong(address.path, "connect")
    if (tooLong === undefined) socket.connect({ path: address.path })
    else socket.destroy(tooLong)
  } else {
    const refusal = missingZone(address.host)
    if (refusal !== undefined) socket.destroy(refusal)
    else {
      socket.connect({
        host: address.host,
        port: address.port,
        ...(localAddress === undefined ? {} : { localAddress }),
        ...(localPort === undefined ? {} : { localPort })
      })
    }
  }
  return transport
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

const crypto: CryptoPlatform = {
  hash: (algorithm) => {
    const hash = createHash(algorithm)
    return {
      update: (bytes) => {
        hash.update(bytes)
      },
      digest: () => hash.digest()
    }
  }
}

export const platformWith = ({ asksByFamily, lookup }: Pick<Platform, "lookup" | "asksByFamily">): Platform => ({
  name: platformName,
  endOfTurn,
  connect,
  tls: NodeTls.platform,
  crypto,
  listen: (target, events) => new NodeListenTransport(target, events),
  datagrams,
  lookup,
  asksByFamily,
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
