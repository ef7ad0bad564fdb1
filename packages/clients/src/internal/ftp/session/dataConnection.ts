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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import { inOwnScope } from "../../ownScope.js"
import * as Reply from "../../replies/reply.js"
import { within } from "../../within.js"
import * as Address from "../address.js"
import * as Command from "../command.js"
import type { Conversation } from "./conversation.js"

/** How a data connection will come about. `connect` is run behind the 150. */
export interface Arranged {
  readonly mode: FtpError.DataMode
  readonly connect: Effect.Effect<Socket, Failure, Scope.Scope>
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
  if (!conversation.settings.isDirect || remoteAddress._tag !== "InetAddress") return conversation.settings.host
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
      // Reads of TLS are its records, whatever `readSize` is.
      isBulk: isBulk && !conversation.settings.isProtected,
      connectTimeout: conversation.settings.connectMillis,
      timeouts: { receive: conversation.settings.firstMillis, send: conversation.settings.dataMillis }
    }),
    Net.Net,
    conversation.net
  ).pipe(Effect.mapError((error) => new Refused(error.message, error)))

const epsv = (conversation: Conversation, isBulk: boolean): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const reply = yield* conversation.send(Command.make("EPSV"))
    if (Reply.kind(reply) !== "completion") return yield* Effect.fail(refusedBy(reply))
    const port = yield* Effect.mapError(orFail(Address.parseEpsv(reply)), (error) => new Refused(error.message, error))
    const socket = yield* connectTo(conversation, peerHost(conversation), port, isBulk)
    return { mode: "EPSV", connect: Effect.succeed(socket) }
  })

const pasv = (conversation: Conversation, isBulk: boolean): Effect.Effect<Arranged, Refused | Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const reply = yield* conversation.send(Command.make("PASV"))
    if (Reply.kind(reply) !== "completion") return yield* Effect.fail(refusedBy(reply))
    const passive = yield* Effect.mapError(
      orFail(Address.parsePasv(reply)),
      (error) => new Refused(error.message, error)
    )
    const host = conversation.settings.trustPassiveHost && passive.host !== "0.0.0.0"
      ? passive.host
      : peerHost(conversation)
    const socket = yield* connectTo(conversation, host, passive.port, isBulk)
    return { mode: "PASV", connect: Effect.succeed(socket) }
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

const acceptFrom = (
  conversation: Conversation,
  listener: Listener.InetListener,
  mode: FtpError.DataMode,
  command: Command.Command
): Effect.Effect<Socket, Failure, Scope.Scope> => {
  const peer = conversation.control.socket.remoteAddress
  const expected = peer._tag === "InetAddress" ? Address.unmap(peer.host) : undefined
  const isPeer = (socket: InetSocket): boolean =>
    expected === undefined || Address.unmap(socket.remoteAddress.host) === expected
  const next = (strangers: number): Effect.Effect<Socket, { readonly message: string }, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const outer = yield* Effect.scope
        const scope = yield* Scope.make()
        const socket = yield* restore(Scope.extend(listener.accept, scope)).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        if (isPeer(socket)) {
          yield* Scope.addFinalizerExit(outer, (exit) => Scope.close(scope, exit))
          return socket
        }
        yield* socket.abort
        yield* Scope.close(scope, Exit.void)
        if (strangers + 1 >= mostStrangers) {
          return yield* Effect.fail({ message: `${mostStrangers} connections came from other hosts than ${expected}` })
        }
        return yield* restore(next(strangers + 1))
      })
    )
  const { connectMillis } = conversation.settings
  const late = () => ({ message: `the server did not connect within ${connectMillis} ms` })
  return within(next(0), connectMillis, late).pipe(
    Effect.mapError((error) =>
      new FtpError.DataConnectionFailed({
        server: conversation.server,
        command: Command.printable(command),
        attempts: [{ mode, why: error.message }]
      })
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
    const listener = yield* Effect.mapError(
      listenOn(conversation, localAddress.host),
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
    return { mode, connect: acceptFrom(conversation, listener, mode, command) }
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
