import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as NetAddress from "../../NetAddress.js"
import type { Socket } from "../../Socket.js"
import { InvalidOption, type SendError, UnsupportedOption } from "../../SocketError.js"
import type { ClientContext, ConnectTlsOptions, ServerContext, UpgradeOptions } from "../../Tls.js"
import { TlsError } from "../../TlsError.js"
import type { ClientOptions, CommonContextOptions, ServerOptions } from "../../TlsOptions.js"
import type { HandshakeEvents, TlsFailure, TlsPlatform, TlsTransport, UpgradeRequest } from "../../TlsTransport.js"
import type { Transport } from "../../Transport.js"
import type { Hub } from "../netState.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { StreamSocket } from "../socket/streamSocket.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { TlsContextTypeId } from "../typeIds.js"

// ---- contexts

const defaultTimeout = "10 seconds"

type PlatformTls = Effect.Effect<TlsPlatform, UnsupportedOption>

const checkCommon = (options: CommonContextOptions): Effect.Effect<number, InvalidOption> => {
  const { maxDepth } = options
  if (maxDepth !== undefined && !(Number.isInteger(maxDepth) && maxDepth >= 0)) {
    return Effect.fail(
      new InvalidOption({
        option: "maxDepth",
        value: String(maxDepth),
        expected: "a whole number that is not negative"
      })
    )
  }
  return TimeoutOptions.millis("handshakeTimeout", options.handshakeTimeout ?? defaultTimeout)
}

/** What the platform keeps has keys in it: it is not enumerable, so that no log and no JSON shows it. */
class Context<R extends "client" | "server"> {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId = TlsContextTypeId
  readonly role: R
  readonly handshakeTimeoutMillis: number
  declare readonly native: unknown
  constructor(role: R, handshakeTimeoutMillis: number, native: unknown) {
    this.role = role
    this.handshakeTimeoutMillis = handshakeTimeoutMillis
    Object.defineProperty(this, "native", { value: native, enumerable: false })
  }
}

export const clientContext = (
  platform: PlatformTls,
  options: ClientOptions
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    const native = yield* tls.clientContext(options)
    return new Context("client", handshakeTimeoutMillis, native)
  })

export const serverContext = (
  platform: PlatformTls,
  options: ServerOptions
): Effect.Effect<ServerContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    const tls = yield* platform
    const handshakeTimeoutMillis = yield* checkCommon(options)
    const native = yield* tls.serverContext(options)
    return new Context("server", handshakeTimeoutMillis, native)
  })

/** The platform's TLS, or why there is none. */
export const platformOf = (hub: Hub): PlatformTls =>
  Effect.suspend(() =>
    hub.platform.tls === undefined
      ? Effect.fail(
        new UnsupportedOption({ option: "tls", platform: hub.platform.name, why: "there is no TLS on it" })
      )
      : Effect.succeed(hub.platform.tls)
  )

/** For `tls: true`: built when it is first asked for, and then kept. */
export const defaultClient = (
  hub: Hub
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.suspend(() =>
    hub.defaultClient !== undefined
      ? Effect.succeed(hub.defaultClient)
      : Effect.tap(clientContext(platformOf(hub), {}), (context) => {
        hub.defaultClient = context
      })
  )

// ---- one handshake

/** The error of a handshake that failed. */
export const toTlsError = (subject: string, failure: TlsFailure): TlsError =>
  new TlsError({
    reason: failure.reason,
    subject,
    ...(failure.code === undefined ? {} : { code: failure.code }),
    ...(failure.depth === undefined ? {} : { depth: failure.depth }),
    ...(failure.detail === undefined ? {} : { detail: failure.detail }),
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  }, { disableValidation: true })

/** A handshake under way, and the time it has. `settle` is called once, unless it is abandoned before. */
export class Handshake extends Deadline implements HandshakeEvents {
  private readonly deadlines: Deadlines
  private readonly settle: (failure: TlsFailure | undefined, handshake: Handshake) => void
  private isOver = false
  readonly transport: TlsTransport

  constructor(
    tls: TlsPlatform,
    below: Transport,
    request: UpgradeRequest,
    deadlines: Deadlines,
    timeout: number,
    settle: (failure: TlsFailure | undefined, handshake: Handshake) => void
  ) {
    super()
    this.deadlines = deadlines
    this.settle = settle
    this.transport = tls.upgrade(below, request, this)
    if (timeout !== Infinity) deadlines.schedule(this, deadlines.now() + timeout)
  }

  established(): void {
    this.finish(undefined)
  }

  failedHandshake(failure: TlsFailure): void {
    this.finish(failure)
  }

  expire(): void {
    this.cut("HandshakeTimeout")
  }

  /** Ends it from this side. */
  cut(reason: "HandshakeTimeout" | "Overloaded"): void {
    if (this.isOver) return
    this.finish({ reason })
    this.transport.destroy()
  }

  /** Nobody wants to know any more. */
  abandon(): void {
    this.isOver = true
    this.deadlines.cancel(this)
  }

  private finish(failure: TlsFailure | undefined): void {
    if (this.isOver) return
    this.abandon()
    this.settle(failure, this)
  }
}

// ---- on a live socket

/** A TLS record of the kind "handshake" begins so (RFC 8446, section 5.1): no command of a text protocol does. */
const looksLikeHello = (byte: number): boolean => byte === 0x16

const fail = (socket: StreamSocket, error: TlsError): Effect.Effect<never, TlsError> => {
  // What came in clear must not be taken for an answer afterwards.
  socket.inbound.buffer.clear()
  socket.failed({ reason: "Tls", cause: error })
  return Effect.zipRight(socket.awaitClosed, Effect.fail(error))
}

/** Starts TLS on `socket`; cuts it when that fails or is interrupted. */
export const secure = (
  socket: StreamSocket,
  tls: TlsPlatform,
  request: Omit<UpgradeRequest, "early">,
  timeout: number,
  subject: string
): Effect.Effect<void, TlsError | SendError> =>
  Effect.suspend((): Effect.Effect<void, TlsError | SendError> => {
    const { inbound, outbound } = socket
    if (socket.failure !== undefined) {
      return SocketFailure.broken(socket, "upgrade", socket.failure, SocketFailure.noBytes)
    }
    if (socket.isClosing || outbound.ending) {
      return SocketFailure.closed(socket, "upgrade", "here", SocketFailure.noBytes)
    }
    if (socket.transport.tls !== undefined) return Effect.fail(toTlsError(subject, { reason: "AlreadySecure" }))
    const { buffer } = inbound
    if (buffer.size > 0 && !(request.role === "server" && looksLikeHello(buffer.byteAt(0)))) {
      return fail(socket, toTlsError(subject, { reason: "BufferedPlaintext", detail: `${buffer.size} bytes` }))
    }
    if (inbound.ended) return fail(socket, toTlsError(subject, { reason: "ClosedInHandshake" }))
    // What was sent in clear goes out in clear, and the check above is made again when it has.
    if (outbound.pending > 0) {
      return Effect.zipRight(outbound.flushAll(), secure(socket, tls, request, timeout, subject))
    }
    return Effect.async<void, TlsError | SendError>((resume) => {
      const early = buffer.size === 0 ? undefined : buffer.take(buffer.size)
      const handshake = new Handshake(
        tls,
        socket.transport,
        { ...request, early },
        socket.deadlines,
        timeout,
        (failure) => resume(failure === undefined ? Effect.void : fail(socket, toTlsError(subject, failure)))
      )
      socket.transport = handshake.transport
      handshake.transport.open(socket)
      socket.onClose(() => {
        handshake.abandon()
        resume(
          socket.failure === undefined
            ? SocketFailure.closed(socket, "upgrade", "here", SocketFailure.noBytes)
            : SocketFailure.broken(socket, "upgrade", socket.failure, SocketFailure.noBytes)
        )
      })
      return Effect.suspend(() => {
        handshake.abandon()
        socket.failed({ reason: "Aborted", cause: new Error("interrupted in the handshake") })
        return socket.awaitClosed
      })
    })
  })

// ---- names

const badName = (value: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(
    new InvalidOption({ option: "serverName", value: JSON.stringify(value), expected: "a host name or an address" })
  )

/** A name as it goes over the wire: without the root's dot, international ones in ASCII (RFC 6066, section 3). */
const asciiName = (name: string): Effect.Effect<string, InvalidOption> => {
  const bare = name.endsWith(".") ? name.slice(0, -1) : name
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/^[\u0021-\u007e]+$/.test(bare) && bare.length <= 255 && !/[/\\@?#]/.test(bare)) return Effect.succeed(bare)
  // eslint-disable-next-line no-control-regex -- as above
  if (!/[^\u0000-\u007f]/.test(bare) || /[\u0000-\u0020\u007f/\\@?#:]/.test(bare)) return badName(name)
  return Effect.mapError(
    Effect.try(() => new URL(`http://${bare}`).hostname),
    () => new InvalidOption({ option: "serverName", value: JSON.stringify(name), expected: "a host name" })
  )
}

/** What a client asks for. `host` is what it connected to, as the caller gave it. */
export const clientRequest = (
  context: ClientContext,
  options: Omit<ConnectTlsOptions, "context">,
  host: string | undefined,
  port: number
): Effect.Effect<Omit<UpgradeRequest, "early">, InvalidOption> =>
  Effect.map(asciiName(options.serverName ?? host ?? "localhost"), (name) => {
    const isNumeric = NetAddress.familyOf(name) !== undefined
    return {
      role: "client",
      context: context.native,
      serverName: isNumeric ? undefined : name,
      verifyName: name,
      sessionKey: options.sessionKey ?? NetAddress.formatHostPort(name, port),
      session: options.session === undefined ? undefined : Redacted.value(options.session),
      alpn: options.alpn,
      dane: options.dane
    }
  })

export const serverRequest = (context: ServerContext): Omit<UpgradeRequest, "early"> => ({
  role: "server",
  context: context.native,
  serverName: undefined,
  verifyName: undefined,
  sessionKey: undefined,
  session: undefined,
  alpn: undefined,
  dane: undefined
})

export const upgrade = (
  socket: Socket,
  context: ClientContext | ServerContext,
  options: UpgradeOptions
): Effect.Effect<void, TlsError | SendError | InvalidOption | UnsupportedOption> => {
  if (!(socket instanceof StreamSocket)) return Effect.dieMessage("Tls.upgrade: not a socket of this library")
  return Effect.gen(function*() {
    const tls = yield* platformOf(socket.hub)
    const timeout = options.handshakeTimeout === undefined
      ? context.handshakeTimeoutMillis
      : yield* TimeoutOptions.millis("handshakeTimeout", options.handshakeTimeout)
    const { remoteAddress } = socket
    const [host, port] = remoteAddress._tag === "InetAddress"
      ? [socket.host ?? remoteAddress.host, remoteAddress.port]
      : [socket.host, 0]
    const request = context.role === "client"
      ? yield* clientRequest(context, options, host, port)
      : serverRequest(context)
    yield* secure(socket, tls, request, timeout, socket.name)
  })
}
