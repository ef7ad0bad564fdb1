/** Makes the errors of sockets, without a stack and without their schemas' checks. */
import * as Effect from "effect/Effect"
import type { DatagramReason, Operation } from "../../SocketError.js"
import { DatagramError, MessageTooLong, SocketBroken, SocketClosed, SocketTimeout } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import { failing, untraced, withoutTrace } from "../errors.js"
import { type Marked, markEnd } from "./conversationEnd.js"
import { brokenReason, datagramReason } from "./reasons.js"

export const noBytes = new Uint8Array(0)

interface Named extends Marked {
  readonly name: string
}

interface Closable extends Named {
  readonly isClosing: boolean
  /** Another library reads and writes it. Datagram sockets are never lent. */
  readonly isLent?: boolean
}

type ClosedFields = ConstructorParameters<typeof SocketClosed>[0]

/**
 * The end of every connection makes one, so it is made by hand: the same object as from its constructor, which takes seven
 * times as long for defaults that there are none of.
 */
const makeClosed = (fields: ClosedFields): SocketClosed => {
  const error = Reflect.construct(Error, [], SocketClosed) as SocketClosed
  return Object.assign(error, fields, { _tag: "SocketClosed" as const })
}

export const closedError = (
  socket: Closable,
  operation: Operation,
  by: "peer" | "here",
  partial: Uint8Array = noBytes,
  bytesSent = 0
): SocketClosed => {
  const reason = by === "here" && socket.isLent === true && !socket.isClosing ? "lent" : by
  const error = withoutTrace(() => makeClosed({ operation, socket: socket.name, by: reason, partial, bytesSent }))
  // What fails after `shutdown` only is a mistake of the program, not the end of the socket.
  if (by === "peer" || socket.isClosing) markEnd(error, socket)
  return error
}

export const closed = (...args: Parameters<typeof closedError>): Effect.Effect<never, SocketClosed> =>
  Effect.fail(closedError(...args))

export const timeout = (
  socket: Named,
  operation: Operation,
  timeout: SocketTimeout["timeout"],
  afterMillis: number,
  partial: Uint8Array,
  bytesSent: number
): SocketTimeout =>
  untraced(SocketTimeout, { operation, socket: socket.name, timeout, afterMillis, partial, bytesSent })

export const timedOut = (...args: Parameters<typeof timeout>): Effect.Effect<never, SocketTimeout> =>
  Effect.fail(timeout(...args))

export const brokenError = (
  socket: Named,
  operation: Operation,
  failure: Failure,
  partial: Uint8Array,
  bytesSent = 0
): SocketBroken => {
  const error = untraced(SocketBroken, {
    operation,
    socket: socket.name,
    reason: brokenReason(failure.reason),
    partial,
    bytesSent,
    cause: failure.cause
  })
  markEnd(error, socket)
  return error
}

export const broken = (...args: Parameters<typeof brokenError>): Effect.Effect<never, SocketBroken> =>
  Effect.fail(brokenError(...args))

/** A flood can cause as many of these as of datagrams. */
export const datagram = (
  socket: Named,
  operation: Operation,
  failure: { readonly reason: Failure["reason"] | DatagramReason; readonly cause?: unknown },
  target: string
): Effect.Effect<never, DatagramError> =>
  failing(DatagramError, {
    operation,
    socket: socket.name,
    target,
    reason: datagramReason(failure.reason),
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  })

export const messageTooLong = (
  socket: Named,
  operation: Operation,
  limit: number
): Effect.Effect<never, MessageTooLong> => failing(MessageTooLong, { operation, socket: socket.name, limit })
