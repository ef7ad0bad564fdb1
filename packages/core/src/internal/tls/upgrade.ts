/** Starts TLS on a live socket. */
import * as Effect from "effect/Effect"
import type { Socket } from "../../Socket.js"
import type { InvalidOption, UnsupportedOption } from "../../SocketError.js"
import { type SendError } from "../../SocketError.js"
import type { ClientContext, ServerContext, UpgradeOptions } from "../../TlsContext.js"
import type { TlsError } from "../../TlsError.js"
import type { TlsPlatform, UpgradeRequest } from "../../TlsTransport.js"
import { suspendCancellable } from "../effect/suspend.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { StreamSocket } from "../socket/streamSocket.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { checkContext } from "./checks.js"
import { platformOf } from "./contexts.js"
import { Handshake, toTlsError } from "./handshake.js"
import { clientRequest, serverRequest } from "./names.js"

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
    if (socket.isClosing || outbound.ending || socket.isLent) {
      return SocketFailure.closed(socket, "upgrade", "here", SocketFailure.noBytes)
    }
    const { buffer } = inbound
    if (buffer.size > 0 && !(request.role === "server" && looksLikeHello(buffer.byteAt(0)))) {
      return fail(socket, toTlsError(subject, { reason: "BufferedPlaintext", detail: `${buffer.size} bytes` }))
    }
    if (inbound.ended) return fail(socket, toTlsError(subject, { reason: "ClosedInHandshake" }))
    // What was sent in clear goes out in clear, and the check above is made again when it has.
    if (outbound.pending > 0) {
      return Effect.zipRight(outbound.flushAll(), secure(socket, tls, request, timeout, subject))
    }
    return suspendCancellable<void, TlsError | SendError>((resume) => {
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

export const upgrade = (
  socket: Socket,
  context: ClientContext | ServerContext,
  options: UpgradeOptions
): Effect.Effect<void, TlsError | SendError | InvalidOption | UnsupportedOption> => {
  if (!(socket instanceof StreamSocket)) return Effect.dieMessage("Tls.upgrade: not a socket of this library")
  return Effect.gen(function*() {
    const tls = yield* platformOf(socket.netState)
    yield* checkContext("context", context, undefined, tls)
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
