/** A socket of `node:net` as a `Transport`. */
import { inet, type NetAddress, unix } from "@copas/core/NetAddress"
import { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { SocketOptions } from "@copas/core/SocketOptions"
import type { Events, Failure, Transport } from "@copas/core/Transport"
import * as Duration from "effect/Duration"
import type * as NodeNet from "node:net"
import * as EndOfInput from "./endOfInput.js"
import { toFailure } from "./errno.js"
import { platformName } from "./platformName.js"

const transportKey: unique symbol = Symbol("@copas/node/transport")

interface OwnedSocket extends NodeNet.Socket {
  [transportKey]: NodeTransport
}

/** @internal */
export const transportOf = (socket: NodeNet.Socket): NodeTransport => (socket as OwnedSocket)[transportKey]

// Shared by all sockets, with the socket as `this`: ten thousand idle connections keep no closures.
function onConnect(this: OwnedSocket): void {
  this[transportKey].onConnect()
}

function onData(this: OwnedSocket, chunk: Uint8Array): void {
  this[transportKey].events?.deliver(chunk)
}

function onEnd(this: OwnedSocket): void {
  this[transportKey].onEnd()
}

function onLentEnd(this: OwnedSocket): void {
  this[transportKey].events?.ended()
}

function onError(this: OwnedSocket, error: Error): void {
  this[transportKey].onError(error)
}

function onClose(this: OwnedSocket): void {
  this[transportKey].onClose()
}

const neverKnown: NetAddress = inet("0.0.0.0", 0)

/**
 * A socket of `node:net` as a transport. It must have been made with `allowHalfOpen`.
 *
 * @internal
 */
export class NodeTransport implements Transport {
  /** Private, because a socket of Node's leads to secrets: the sessions and the context of TLS. */
  readonly #socket: NodeNet.Socket
  events: Events | undefined = undefined
  recycle: ((chunk: Uint8Array) => void) | undefined = undefined
  /** @internal */
  readonly path: string | undefined
  private local: NetAddress | undefined = undefined
  private remote: NetAddress | undefined = undefined
  protected early: Error | undefined = undefined
  protected isClosed = false
  protected options: SocketOptions

  /** `remote` is where it connects to; an accepted socket is asked. */
  constructor(socket: NodeNet.Socket, path: string | undefined, options: SocketOptions, remote?: NetAddress) {
    this.#socket = socket
    this.path = path
    this.options = options
    this.remote = remote
    if (path !== undefined) {
      // The end that connected has no name (unix(7)), and Node reports neither name.
      this.local = unix(remote === undefined ? path : "")
      this.remote ??= unix("")
    }
    ;(socket as OwnedSocket)[transportKey] = this
    // A socket that is taken over may have ended before, and Node reports that only once.
    if (socket.errored) this.early = socket.errored
    this.isClosed = socket.closed
    socket.on("error", onError)
    socket.on("close", onClose)
  }

  get socket(): NodeNet.Socket {
    return this.#socket
  }

  /** Makes the socket below be reset, in place of closed, when TLS destroys it. */
  resetWhenDestroyed(): void {
    const socket = this.#socket
    // While it connects there is no peer to tell, and Node would wait for the connection, which may never come.
    // After a half-close libuv refuses (EINVAL), and Node is left with a handle that nothing closes.
    if (this.path !== undefined || socket.destroyed || socket.connecting || socket.writableEnded) return
    const { destroy } = socket
    socket.destroy = () => {
      socket.destroy = destroy
      return socket.resetAndDestroy()
    }
  }

  open(events: Events): void {
    this.events = events
    const socket = this.#socket
    if (this.early !== undefined) events.failed(this.toFailure(this.early))
    if (this.isClosed) {
      process.nextTick(() => events.closed())
      return
    }
    socket.on("data", onData)
    socket.on("end", onEnd)
    if (socket.connecting) socket.on("connect", onConnect)
    // A socket whose connecting could not begin is destroyed, and its error event follows.
    else if (!socket.destroyed) this.sayConnected()
    // A socket that is taken over may have reported its end before.
    if (socket.readableEnded) process.nextTick(() => this.onEnd())
    // Bytes that arrived before are kept in the paused stream.
    if (socket.isPaused()) socket.resume()
  }

  protected sayConnected(): void {
    this.events?.connected()
  }

  protected toFailure(error: NodeJS.ErrnoException & { readonly address?: unknown }): Failure {
    const { address, syscall } = error
    // The local address that connecting asked for.
    if (syscall === "bind") {
      return toFailure(error, "bind", typeof address === "string" ? inet(address, 0) : this.remote)
    }
    return toFailure(error, syscall === "connect" ? "connect" : "transfer", this.remote)
  }

  /** Hands the socket over: its new owner reports all events from now on. What had arrived stays in it. */
  handOver(): NodeNet.Socket {
    const socket = this.#socket
    // A socket that was just accepted has no listeners yet.
    if (this.events === undefined) return socket
    this.events = undefined
    socket.pause()
    socket.removeListener("data", onData)
    socket.removeListener("end", onEnd)
    return socket
  }

  /**
   * Lends the socket: from now on whoever has it reads and writes it, beginning with `early`, and the events report only
   * its end. `undefined` if it cannot be used as one that was just opened: it has reported its end already, or its reads go
   * into buffers of this library.
   */
  lend(early: Uint8Array | undefined, isInitiator: boolean): NodeNet.Socket | undefined {
    const socket = this.#socket
    if (this.recycle !== undefined || socket.readableEnded || socket.destroyed) return undefined
    socket.pause()
    socket.removeListener("data", onData)
    socket.removeListener("end", onEnd)
    if (early !== undefined) socket.unshift(early) // Neither flowing nor paused: the borrower's listener for "data" starts it, as with a new socket.
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    socket.on("end", onLentEnd)
    // As a socket of `net.connect`: it ends with its peer, unless the borrower sets this.
    if (isInitiator) socket.allowHalfOpen = false
    return socket
  }

  /** The options, for a transport that stands over this one. */
  get givenOptions(): SocketOptions {
    return this.options
  }

  onConnect(): void {
    this.#socket.removeListener("connect", onConnect)
    this.applyOptions()
    this.events?.connected()
  }

  onEnd(): void {
    const { events, socket } = this
    if (events === undefined) return
    const failure = EndOfInput.examine(socket, (chunk) => this.deliverLate(chunk))
    if (failure === undefined) events.ended()
    else events.failed(this.toFailure(failure))
  }

  /** Bytes that the system still had at the end. */
  protected deliverLate(chunk: Uint8Array): void {
    this.events?.deliver(chunk)
  }

  onError(error: Error): void {
    if (this.events === undefined) this.early = error
    else this.events.failed(this.toFailure(error))
  }

  onClose(): void {
    this.isClosed = true
    this.events?.closed()
  }

  get localAddress(): NetAddress {
    if (this.local === undefined) {
      const { localAddress, localPort } = this.#socket
      if (localAddress === undefined) return neverKnown
      this.local = inet(localAddress, localPort ?? 0)
    }
    return this.local
  }

  get remoteAddress(): NetAddress {
    if (this.remote === undefined) {
      const { remoteAddress, remotePort } = this.#socket
      if (remoteAddress === undefined) return neverKnown
      this.remote = inet(remoteAddress, remotePort ?? 0)
    }
    return this.remote
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  write(chunks: ReadonlyArray<Uint8Array | string>, bytes: number): void {
    const socket = this.#socket
    const joined = chunks.length === 1 ? chunks[0]! : joinText(chunks)
    if (joined !== undefined) {
      // A text of as many bytes as characters is ASCII, which is copied and need not be encoded.
      if (typeof joined === "string") socket.write(joined, joined.length === bytes ? "latin1" : "utf8", this.onWritten)
      else socket.write(joined, this.onWritten)
      return
    }
    socket.cork()
    for (let index = 0; index < chunks.length; index += 1) {
      const chunk = chunks[index]!
      if (index === chunks.length - 1) socket.write(chunk, this.onWritten)
      else socket.write(chunk)
    }
    socket.uncork()
  }

  private onWrittenMemo: ((error?: Error | null) => void) | undefined = undefined
  private get onWritten(): (error?: Error | null) => void {
    return this.onWrittenMemo ??= (error) => {
      // The error event reports a failed write, once for the socket.
      if (!error) this.events?.written()
    }
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    // Node forgets the address with the handle, and the log line of the end needs it.
    void this.remoteAddress
    this.#socket.destroy()
  }

  reset(): void {
    const socket = this.#socket
    void this.remoteAddress
    // While it connects there is no peer to tell, and Node would wait for the connection, which may never come.
    // After a half-close libuv refuses (EINVAL), and Node is left with a handle that nothing closes.
    const canReset = this.path === undefined && !socket.destroyed && !socket.connecting && !socket.writableEnded
    if (canReset) socket.resetAndDestroy()
    else socket.destroy()
  }

  // ---- options

  /** Sets what can only be set on a connected socket. */
  private applyOptions(): void {
    const { keepAlive, noDelay } = this.options
    if (this.path === undefined && noDelay !== false) this.#socket.setNoDelay(true)
    if (keepAlive !== undefined) this.setOption("keepAlive", keepAlive)
  }

  setOption<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    const refusal = refuse(name, value, this.path !== undefined)
    if (refusal !== undefined) return refusal
    const socket = this.#socket
    const given: unknown = value
    switch (name) {
      case "noDelay": {
        socket.setNoDelay(given === true)
        break
      }
      case "keepAlive": {
        if (typeof given === "boolean") {
          socket.setKeepAlive(given)
          break
        }
        socket.setKeepAlive(true, Duration.toMillis(Duration.decode(given as Duration.DurationInput)))
        break
      }
      default:
        return unsupportedOption(name, unsupportedWhy)
    }
    this.options = { ...this.options, [name]: value }
    return undefined
  }

  getOption<K extends keyof SocketOptions>(name: K): SocketOptions[K] | UnsupportedOption {
    if (name === "noDelay") return (this.options.noDelay ?? this.path === undefined) as SocketOptions[K]
    if (name === "keepAlive") return (this.options.keepAlive ?? false) as SocketOptions[K]
    return unsupportedOption(name, unsupportedWhy)
  }
}

const unsupportedWhy = "node:net has no call for it; set it for the whole system, or leave it out"

const unsupportedOption = (option: string, why: string): UnsupportedOption =>
  new UnsupportedOption({ option, platform: platformName, why })

/** Says why `node:net` cannot set an option to a value, which makes sense in itself. */
const refuse = (
  name: keyof SocketOptions,
  value: unknown,
  isUnix: boolean
): UnsupportedOption | InvalidOption | undefined => {
  if (name !== "noDelay" && name !== "keepAlive") return unsupportedOption(name, unsupportedWhy)
  if (isUnix) {
    return unsupportedOption(name, "a Unix-domain socket has no packets to delay and no peer to probe")
  }
  if (name === "noDelay" || typeof value === "boolean") return undefined
  // The system counts in seconds; Node drops the rest.
  return Duration.toMillis(Duration.decode(value as Duration.DurationInput)) % 1000 === 0
    ? undefined
    : new InvalidOption({ option: name, value: JSON.stringify(value), expected: `whole seconds, such as "2 seconds"` })
}

const names = [
  "noDelay",
  "keepAlive",
  "keepAliveInterval",
  "keepAliveCount",
  "sendBufferSize",
  "receiveBufferSize",
  "fastOpen",
  "deferAccept",
  "dontRoute",
  "bindToDevice"
] as const satisfies ReadonlyArray<keyof SocketOptions>

/** The first option that `node:net` cannot set. */
export const unsupported = (options: SocketOptions, isUnix: boolean): UnsupportedOption | InvalidOption | undefined => {
  for (const name of names) {
    const refusal = options[name] === undefined ? undefined : refuse(name, options[name], isUnix)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** One text when all chunks are text: the system call is what costs, and one text is one call. */
const joinText = (chunks: ReadonlyArray<Uint8Array | string>): string | undefined => {
  let joined = ""
  for (const chunk of chunks) {
    if (typeof chunk !== "string") return undefined
    joined += chunk
  }
  return joined
}
