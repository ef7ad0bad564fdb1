/**
 * Data connections: which way they are arranged, and by whom they are made.
 *
 * Whatever the server says, passive connections go to the control connection's host (RFC 959 lets a server name any
 * host: a bounce), and active ones are taken from there alone.
 */
import type * as Listener from "@copas/core/Listener"
import * as Net from "@copas/core/Net"
import type { InetSocket, Socket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import { within } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import { forkSequential } from "../../effect/scopes.js"
import { orFail } from "../../options.js"
import { inOwnScope } from "../../ownScope.js"
import * as Reply from "../../replies/reply.js"
import * as Address from "../address.js"
import * as Command from "../command.js"
import type { Conversation } from "./conversation.js"

/** How a data connection will come about. */
export interface Arranged {
  readonly mode: FtpError.DataMode
  /**
   * Run after the 150: the connection, or the refusal that the server sends instead of making it. `refused` waits for
   * that refusal.
   */
  readonly connect: (
    refused: Effect.Effect<Reply.Reply, Failure>
  ) => Effect.Effect<Either.Either<Socket, NotConnected>, Failure>
  /** Ends it, whether it was made or not, also while it is being made. */
  readonly cut: Effect.Effect<void>
}

/** The refusal after a 150, and why no connection came, in words. */
export interface NotConnected {
  readonly reply: Reply.Reply
  readonly why: string
}

interface Attempt {
  readonly mode: FtpError.DataMode
  readonly why: string
}

/** One way was refused or led nowhere; the next may do. */
class Refused {
  readonly _tag = "Refused"
  readonly why: string
  readonly cause: unknown
  constructor(why: string, cause?: unknown) {
    this.why = why
    this.cause = cause
  }
}

const shown = (reply: Reply.Reply): string => Reply.show(reply, 100)

const refusedBy = (reply: Reply.Reply): Refused => new Refused(shown(reply))

/** The host that the server of this session is at, as far as this side knows it by itself. */
const peerHost = (conversation: Conversation): string => {
  const { remoteAddress } = conversation.control.socket
  // Behind a proxy the connection's other end is the proxy.
  if (!conversation.settings.isDirect || remoteAddress._tag !== "InetAddress") return conversation.settings.dial.host
  return Address.unmap(remoteAddress.host)
}

const connectTo = (
  conversation: Conversation,
  host: string,
  port: number,
  isBulk: boolean
): Effect.Effect<Socket, Refused, Scope.Scope> =>
  Effect.provideService(
    conversation.settings.connector({
      host,
      port,
      purpose: "data",
      isBulk,
      isProtected: conversation.settings.isProtected,
      connectTimeout: conversation.settings.connectMillis,
      timeouts: { receive: conversation.settings.firstMillis, send: conversation.settings.dataMillis }
    }),
    Net.Net,
    conversation.net
  ).pipe(Effect.mapError((error) => new Refused(error.message, error)))

const passive = (mode: "EPSV" | "PASV", socket: Socket): Arranged => ({
  mode,
  connect: () => Effect.succeed(Either.right(socket)),
  cut: socket.abort
})

const epsv = (conversation: Conversation, isBulk: boolean): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const reply = yield* conversation.send(Command.make("EPSV"))
    if (Reply.kind(reply) !== "completion") return yield* Effect.fail(refusedBy(reply))
    const port = yield* Effect.mapError(orFail(Address.parseEpsv(reply)), (error) => new Refused(error.message, error))
    const socket = yield* connectTo(conversation, peerHost(conversation), port, isBulk)
    return passive("EPSV", socket)
  })

const pasv = (conversation: Conversation, isBulk: boolean): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const reply = yield* conversation.send(Command.make("PASV"))
    if (Reply.kind(reply) !== "completion") return yield* Effect.fail(refusedBy(reply))
    const told = yield* Effect.mapError(
      orFail(Address.parsePasv(reply)),
      (error) => new Refused(error.message, error)
    )
    const host = conversation.settings.trustPassiveHost && told.host !== "0.0.0.0"
      ? told.host
      : peerHost(conversation)
    const socket = yield* connectTo(conversation, host, told.port, isBulk)
    return passive("PASV", socket)
  })

// ---- active

const listenOn = (
  conversation: Conversation,
  host: string
): Effect.Effect<Listener.InetListener, BindError | InvalidOption | UnsupportedOption, Scope.Scope> => {
  const { activePorts } = conversation.settings
  const listen = (port: number) =>
    conversation.net.listen({
      host,
      port,
      linger: "1 seconds",
      backlog: 16,
      timeouts: { receive: conversation.settings.firstMillis, send: conversation.settings.dataMillis }
    })
  if (activePorts === undefined) return listen(0)
  const [first, last] = activePorts
  const next = (port: number): Effect.Effect<
    Listener.InetListener,
    BindError | InvalidOption | UnsupportedOption,
    Scope.Scope
  > =>
    Effect.catchTag(
      listen(port),
      "BindError",
      (error) => error.reason === "AddressInUse" && port < last ? next(port + 1) : Effect.fail(error)
    )
  return next(first)
}

/** How many connections of strangers are turned away before it is given up. */
const mostStrangers = 32

/** Whom a listener turned away, in words. */
const turnedAway = (strangers: ReadonlyArray<string>, expected: string | undefined): string => {
  if (strangers.length === 0) return ""
  const [who, were] = strangers.length === 1
    ? ["a connection from another host", "was"]
    : [`${strangers.length} connections from other hosts`, "were"]
  return `; ${who} than ${expected} ${were} turned away: ${[...new Set(strangers)].slice(0, 3).join(", ")}`
}

const acceptFrom = (
  conversation: Conversation,
  listener: Listener.InetListener,
  mode: FtpError.DataMode,
  command: Command.Command,
  scope: Scope.Scope
) =>
(refused: Effect.Effect<Reply.Reply, Failure>): Effect.Effect<Either.Either<Socket, NotConnected>, Failure> => {
  const peer = conversation.control.socket.remoteAddress
  const expected = peer._tag === "InetAddress" ? Address.unmap(peer.host) : undefined
  const isPeer = (socket: InetSocket): boolean =>
    expected === undefined || Address.unmap(socket.remoteAddress.host) === expected
  const strangers: Array<string> = []
  const failed = (why: string): FtpError.DataConnectionFailed =>
    new FtpError.DataConnectionFailed({
      server: conversation.server,
      command: Command.printable(command),
      attempts: [{ mode, why: why + turnedAway(strangers, expected) }]
    })
  const next: Effect.Effect<Socket, FtpError.DataConnectionFailed> = Effect.suspend(() =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const own = yield* forkSequential(scope)
        const socket = yield* restore(Scope.extend(listener.accept, own)).pipe(
          Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))),
          Effect.mapError((error) => failed(error.message))
        )
        if (isPeer(socket)) return socket
        strangers.push(Address.unmap(socket.remoteAddress.host))
        yield* socket.abort
        yield* Scope.close(own, Exit.void)
        if (strangers.length >= mostStrangers) return yield* failed("the server did not connect")
        return yield* restore(next)
      })
    )
  )
  const { connectMillis } = conversation.settings
  // Both sides can be interrupted also in an uninterruptible region.
  return Effect.raceFirst(
    Effect.interruptible(Effect.map(
      within(next, connectMillis, () => failed(`the server did not connect within ${Math.round(connectMillis)} ms`)),
      Either.right
    )),
    Effect.interruptible(
      Effect.map(refused, (reply) => Either.left({ reply, why: shown(reply) + turnedAway(strangers, expected) }))
    )
  )
}

const active = (
  conversation: Conversation,
  mode: "EPRT" | "PORT",
  command: Command.Command
): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const { localAddress } = conversation.control.socket
    if (localAddress._tag !== "InetAddress") return yield* Effect.fail(new Refused("there is no address to tell"))
    const scope = yield* Effect.flatMap(Effect.scope, forkSequential)
    const listener = yield* Effect.mapError(
      Scope.extend(listenOn(conversation, localAddress.host), scope),
      (error) => new Refused(error.message, error)
    )
    const { port } = listener
    const told = conversation.settings.activeAddress ?? Address.unmap(localAddress.host)
    const argument = yield* Effect.mapError(
      orFail(mode === "EPRT" ? Address.formatEprt(told, port) : Address.formatPort(told, port)),
      (error) => new Refused(error.message, error)
    )
    const reply = yield* conversation.send(Command.make(mode, argument))
    if (Reply.kind(reply) !== "completion") return yield* Effect.fail(refusedBy(reply))
    return {
      mode,
      connect: acceptFrom(conversation, listener, mode, command, scope),
      cut: Scope.close(scope, Exit.void)
    }
  })

// ---- in order

const arrangeBy = (
  conversation: Conversation,
  mode: FtpError.DataMode,
  command: Command.Command,
  isBulk: boolean
): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  mode === "EPSV"
    ? epsv(conversation, isBulk)
    : mode === "PASV"
    ? pasv(conversation, isBulk)
    : active(conversation, mode, command)

/**
 * Arranges a data connection for `command`: the way that worked before, then the others in their order. What a way that
 * failed had opened is closed at once.
 */
export const arrange = (
  conversation: Conversation,
  command: Command.Command,
  isBulk: boolean
): Effect.Effect<Arranged, Failure, Scope.Scope> => {
  const { modes } = conversation.settings
  const remembered = conversation.mode
  const order = remembered === undefined ? modes : [remembered, ...modes.filter((mode) => mode !== remembered)]
  const attempts: Array<Attempt> = []
  const next = (index: number, cause: unknown): Effect.Effect<Arranged, Failure, Scope.Scope> =>
    Effect.suspend(() => {
      const mode = order[index]
      if (mode === undefined) {
        return Effect.fail(
          new FtpError.DataConnectionFailed({
            server: conversation.server,
            command: Command.printable(command),
            attempts,
            ...(cause === undefined ? {} : { cause })
          })
        )
      }
      return inOwnScope(arrangeBy(conversation, mode, command, isBulk)).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            conversation.mode = mode
          })
        ),
        Effect.catchAll((error): Effect.Effect<Arranged, Failure, Scope.Scope> => {
          if (!(error instanceof Refused)) return Effect.fail(error)
          attempts.push({ mode, why: error.why })
          if (conversation.mode === mode) conversation.mode = undefined
          return next(index + 1, error.cause)
        })
      )
    })
  return next(0, undefined)
}
