/** What the cases of the contract suites share: assertions without a test runner, and pairs of connected sockets. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Causes from "../../internal/effect/causes.js"
import { hasSettled, onExit, type RunningFiber } from "../../internal/effect/fibers.js"
import { suspend, suspendCancellable } from "../../internal/effect/suspend.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type { InetSocket, Socket } from "../../Socket.js"
import type * as SocketError from "../../SocketError.js"
import type * as SocketOptions from "../../SocketOptions.js"
import type { Case } from "../Case.js"

export type { Case }

export const test = (title: string, effect: Effect.Effect<unknown, unknown, Net.Net | Scope.Scope>): Case => ({
  title,
  effect: Effect.asVoid(effect)
})

// ---- assertions

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** The UTF-8 bytes of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** Bytes as text, for comparing. */
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)

const show = (value: unknown): string => {
  if (value instanceof Uint8Array) {
    return value.length > 80 ? `${value.length} bytes` : `bytes ${JSON.stringify(textOf(value))}`
  }
  if (typeof value === "string") return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{ ${Object.entries(value).map(([key, one]) => `${key}: ${show(one)}`).join(", ")} }`
  }
  return String(value)
}

const isSameBytes = (left: Uint8Array, right: Uint8Array): boolean => {
  if (left.length !== right.length) return false
  // A loop and not `every`: the cases compare tens of megabytes.
  for (let index = 0; index < left.length; index += 1) if (left[index] !== right[index]) return false
  return true
}

const isSame = (left: unknown, right: unknown): boolean => {
  if (Object.is(left, right)) return true
  if (left instanceof Uint8Array && right instanceof Uint8Array) return isSameBytes(left, right)
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((one, index) => isSame(one, right[index]))
  }
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  const keys = Object.keys(left)
  return keys.length === Object.keys(right).length &&
    keys.every((key) => isSame((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]))
}

/** Throws unless both are structurally the same. */
export const same = (actual: unknown, expected: unknown, what = "the value"): void => {
  if (!isSame(actual, expected)) throw new Error(`${what} is ${show(actual)}, but should be ${show(expected)}`)
}

/** Throws unless `condition` holds. */
export const holds = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`it should hold that ${what}`)
}

/** Throws unless `text` has every one of `parts`. */
export const mentions = (text: string, ...parts: ReadonlyArray<string>): void => {
  for (const part of parts) {
    if (!text.includes(part)) throw new Error(`${JSON.stringify(text)} should mention ${JSON.stringify(part)}`)
  }
}

/** The error with which `effect` fails, which must have `tag`. */
export const failure = <A, E extends { readonly _tag: string }, R, Tag extends E["_tag"]>(
  effect: Effect.Effect<A, E, R>,
  tag: Tag
): Effect.Effect<Extract<E, { readonly _tag: Tag }>, never, R> =>
  Effect.flatMap(Effect.exit(effect), (exit) => failureOf(exit, tag))

/** The error of `exit`, which must have `tag`. */
export const failureOf = <A, E extends { readonly _tag: string }, Tag extends E["_tag"]>(
  exit: Exit.Exit<A, E>,
  tag: Tag
): Effect.Effect<Extract<E, { readonly _tag: Tag }>> =>
  Effect.sync(() => {
    if (Exit.isSuccess(exit)) throw new Error(`it gave ${show(exit.value)}, but should fail with ${tag}`)
    const error = Causes.failureOf(exit.cause)
    if (error === undefined || error._tag !== tag) {
      throw new Error(`it should fail with ${tag}, but ended so: ${Causes.show(exit.cause)}`)
    }
    return error as Extract<E, { readonly _tag: Tag }>
  })

/** The defect with which `effect` dies. */
export const defect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<unknown, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error(`it gave ${show(exit.value)}, but should die`)
    const found = Causes.defectOf(exit.cause)
    if (Option.isNone(found)) throw new Error(`it should die, but ended so: ${Causes.show(exit.cause)}`)
    return found.value
  })

// ---- waiting

/** Lets the event loop go round once: input and output get their turn. */
export const turn: Effect.Effect<void> = suspendCancellable<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 0)
  return Effect.sync(() => clearTimeout(timer))
})

const setImmediate = (globalThis as { readonly setImmediate?: (callback: () => void) => unknown }).setImmediate ??
  setTimeout

/** A turn that takes no millisecond, where the platform has `setImmediate`. */
const quickTurn: Effect.Effect<void> = suspend<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** What comes from this machine mostly comes within a few turns. What takes longer is waited for without spinning. */
const quickTurns = 20

/** Waits until `condition` holds. It costs no time of the clock. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> => {
  const from = (turns: number): Effect.Effect<void, E, R> =>
    Effect.flatMap(
      condition,
      (isTrue) => isTrue ? Effect.void : Effect.zipRight(turns < quickTurns ? quickTurn : turn, from(turns + 1))
    )
  return from(0)
}

/** Waits until `socket` has received this many bytes since it was made. */
export const received = (socket: Socket, bytes: number): Effect.Effect<void> =>
  until(Effect.map(socket.stats, ({ bytesReceived }) => bytesReceived >= bytes))

/** Waits until the fiber is suspended or done, so that what it does from then on is somebody else's doing. */
export const settled = (fiber: RunningFiber<unknown, unknown>): Effect.Effect<void> => until(hasSettled(fiber))

/** Waits until the fiber is done, and says how it ended. */
export const outcome = <A, E>(fiber: RunningFiber<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  suspend<Exit.Exit<A, E>>((resume) => {
    onExit(fiber, (exit) => resume(Effect.succeed(exit)))
  })

// ---- sockets

/** A listener on the loopback, on a port that the system chooses. */
export const listening = (
  options: SocketOptions.CommonOptions & { readonly backlog?: number | undefined } = {}
): Effect.Effect<
  Listener.InetListener,
  SocketError.BindError | SocketError.InvalidOption | SocketError.UnsupportedOption,
  Net.Net | Scope.Scope
> => Net.listen({ host: "127.0.0.1", port: 0, linger: 0, ...options })

export interface Pair {
  readonly listener: Listener.InetListener
  readonly client: InetSocket
  readonly server: InetSocket
}

/** What `connected` can fail with. */
export type PairError =
  | SocketError.ConnectError
  | SocketError.TlsError
  | SocketError.BindError
  | SocketError.AcceptError
  | SocketError.ListenerClosed
  | SocketError.InvalidOption
  | SocketError.UnsupportedOption

/**
 * Two ends of a connection. They do not linger unless told: both end with the same scope, and one would wait for the
 * other.
 */
export const connected = (
  options: { readonly client?: SocketOptions.CommonOptions; readonly server?: SocketOptions.CommonOptions } = {}
): Effect.Effect<Pair, PairError, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const listener = yield* listening(options.server)
    const client = yield* Net.connect({
      host: "127.0.0.1",
      port: listener.port,
      linger: 0,
      ...options.client
    })
    const server = yield* listener.accept
    return { listener, client, server }
  })

/** Sends each of `chunks` when `to` has the ones before: so they come one by one. */
export const sendApart = (
  from: Socket,
  to: Socket,
  chunks: Iterable<string | Uint8Array>
): Effect.Effect<void, SocketError.SendError> =>
  Effect.gen(function*() {
    let { bytesReceived: bytes } = yield* to.stats
    for (const chunk of chunks) {
      yield* from.send(chunk)
      bytes += typeof chunk === "string" ? utf8(chunk).length : chunk.length
      yield* received(to, bytes)
    }
  })

/** `bytes` as chunks of one byte. */
export const byteByByte = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(bytes, (byte) => Uint8Array.of(byte))

/** So many bytes, no two neighbours alike. */
export const pattern = (length: number): Uint8Array => {
  // Not `Uint8Array.from` with a callback, which takes longer than most of the tests that send these bytes.
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index += 1) bytes[index] = index * 31 + (index >> 8)
  return bytes
}

/** Forks `effect` and waits until it waits. */
export const begin = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<RunningFiber<A, E>, never, R> =>
  Effect.tap(Effect.fork(effect), settled)

export const isOpen = (socket: Socket): Effect.Effect<boolean, never, Net.Net> =>
  Effect.flatMap(Net.Net, (net) => Effect.map(net.sockets, (sockets) => sockets.includes(socket)))

export const gone = (socket: Socket): Effect.Effect<void, never, Net.Net> =>
  until(Effect.map(isOpen(socket), (open) => !open))

/** A connection whose client lives in a scope of its own, with the default linger. */
export const inScope = (
  options: SocketOptions.CommonOptions = {}
): Effect.Effect<
  { readonly scope: Scope.CloseableScope; readonly client: Socket; readonly server: Socket },
  unknown,
  Net.Net | Scope.Scope
> =>
  Effect.gen(function*() {
    const listener = yield* listening()
    const scope = yield* Scope.make()
    const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, ...options }).pipe(
      Scope.extend(scope)
    )
    const server = yield* listener.accept
    return { scope, client, server }
  })

/** Where a case connects to: a port of the loopback, without lingering. */
export const to = (port: number): { readonly host: string; readonly port: number; readonly linger: 0 } => ({
  host: "127.0.0.1",
  port,
  linger: 0
})
