/**
 * Sockets of this library as those of `@effect/platform`: any socket as its `Socket`, a listener as its `SocketServer`.
 * Effect's RPC, and everything else that uses these, then runs over Copas.
 *
 * @since 0.1.0
 */
import * as PlatformSocket from "@effect/platform/Socket"
import * as PlatformSocketServer from "@effect/platform/SocketServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Copas from "./Copas.js"
import * as Deferreds from "./internal/effect/deferreds.js"
import { suspendCancellable } from "./internal/effect/suspend.js"
import { boundHandler } from "./internal/thread/thread.js"
import * as Net from "./Net.js"
import * as NetAddress from "./NetAddress.js"
import type * as Server from "./Server.js"
import type { Socket } from "./Socket.js"
import {
  type BindError,
  type ConnectError,
  type InvalidOption,
  ListenerClosed,
  type ReceiveError,
  type SendError,
  SocketClosed,
  type TlsError,
  type UnsupportedOption
} from "./SocketError.js"

const toReadError = (error: ReceiveError): PlatformSocket.SocketError =>
  error instanceof SocketClosed
    // 1006: closed without a close frame, which is what TCP has; 1000: it was closed on this side.
    ? new PlatformSocket.SocketCloseError({ reason: "Close", code: error.by === "here" ? 1000 : 1006 })
    : new PlatformSocket.SocketGenericError({ reason: "Read", cause: error })

const toWriteError = (error: SendError): PlatformSocket.SocketError =>
  new PlatformSocket.SocketGenericError({ reason: "Write", cause: error })

const isReceiveError = (error: unknown): error is ReceiveError =>
  typeof error === "object" && error !== null && "_tag" in error &&
  (error._tag === "SocketClosed" || error._tag === "SocketTimeout" || error._tag === "SocketBroken")

const noop: Effect.Effect<void> = Effect.void

/**
 * `@effect/platform`'s socket, opened again by each `run`. `open` is scoped: the end of `run` closes what it opened.
 *
 * The handler's effects run one after the other in the reading fiber, so a slow handler slows the peer down; Effect's
 * own socket forks one for each chunk and reads on.
 */
const fromOpen = <E>(
  open: Effect.Effect<Socket, E, Scope.Scope>
): PlatformSocket.Socket => {
  let current: Socket | undefined = undefined
  let waiting: Array<(socket: Socket) => void> = []
  const opened: Effect.Effect<Socket> = suspendCancellable((resume) => {
    if (current !== undefined) {
      resume(Effect.succeed(current))
      return
    }
    const waiter = (socket: Socket): void => resume(Effect.succeed(socket))
    waiting.push(waiter)
    return Effect.sync(() => {
      waiting = waiting.filter((other) => other !== waiter)
    })
  })

  const run = <A, E1, R>(
    handler: (chunk: Uint8Array) => Effect.Effect<A, E1, R> | void,
    options?: { readonly onOpen?: Effect.Effect<void> | undefined }
  ): Effect.Effect<void, PlatformSocket.SocketError | E1, R> =>
    Effect.scoped(Effect.gen(function*() {
      const socket = yield* Effect.mapError(
        open,
        (cause) => new PlatformSocket.SocketGenericError({ reason: "Open", cause })
      )
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          current = socket
          for (const waiter of waiting.splice(0)) waiter(socket)
        }),
        () =>
          Effect.sync(() => {
            current = undefined
          })
      )
      if (options?.onOpen !== undefined) yield* options.onOpen
      yield* Effect.catchIf(
        socket.forEachChunk((chunk) => handler(chunk) ?? noop),
        isReceiveError,
        (error) => Effect.fail(toReadError(error))
      )
    }))

  return {
    [PlatformSocket.TypeId]: PlatformSocket.TypeId,
    run,
    runRaw: run,
    writer: Effect.succeed((chunk) =>
      Effect.flatMap(opened, (socket) =>
        PlatformSocket.isCloseEvent(chunk)
          ? Effect.ignore(socket.shutdown("send"))
          : Effect.mapError(socket.send(chunk), toWriteError))
    )
  }
}

/**
 * A connected socket as the `Socket` of `@effect/platform`. `run` reads until the peer finishes; the socket's own scope
 * closes it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromSocket = (socket: Socket): PlatformSocket.Socket => fromOpen(Effect.succeed(socket))

/**
 * A client's socket as the `Socket` of `@effect/platform`. Each `run` makes a new connection, as RPC clients require.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeConnect = (
  options: Net.ConnectOptions
): Effect.Effect<PlatformSocket.Socket, never, Net.Net> =>
  Effect.map(
    Net.Net,
    (net) => fromOpen<ConnectError | InvalidOption | TlsError | UnsupportedOption>(net.connect(options))
  )

/**
 * `makeConnect` as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConnect = (
  options: Net.ConnectOptions
): Layer.Layer<PlatformSocket.Socket, never, Net.Net> => Layer.effect(PlatformSocket.Socket, makeConnect(options))

const toPlatformAddress = (address: NetAddress.NetAddress): PlatformSocketServer.Address =>
  address._tag === "UnixAddress"
    ? { _tag: "UnixAddress", path: address.path }
    : { _tag: "TcpAddress", hostname: address.host, port: address.port }

/**
 * A Copas server as the `SocketServer` of `@effect/platform`: each connection is a thread of the dispatcher, with a name,
 * and counted. `run` serves until it is interrupted or the scope of the server ends. Then the handlers are interrupted and
 * their connections closed, before the services that they use are released.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeServer = <RE = never>(
  options: Net.ListenOptions & Server.ServerOptions<RE>
): Effect.Effect<
  PlatformSocketServer.SocketServer["Type"],
  BindError | InvalidOption | UnsupportedOption,
  Copas.Copas | Net.Net | Scope.Scope | Exclude<RE, Scope.Scope>
> =>
  Effect.gen(function*() {
    const copas = yield* Copas.Copas
    const listener = yield* Net.listen(options)
    const onError = boundHandler(options.onError, yield* Effect.context<Exclude<RE, Scope.Scope>>())
    const released = yield* Deferred.make<never, PlatformSocketServer.SocketServerError>()
    const running = new Set<Server.Server>()
    const end = (server: Server.Server) =>
      Effect.suspend(() =>
        running.delete(server) ? copas.removeServer(server, { keepOpen: true, interrupt: true }) : Effect.void
      )
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const cause = new ListenerClosed({ address: NetAddress.format(listener.address) })
        Deferreds.complete(
          released,
          Exit.fail(new PlatformSocketServer.SocketServerError({ reason: "Unknown", cause }))
        )
        return Effect.forEach(Array.from(running), end, { discard: true })
      })
    )
    return {
      address: toPlatformAddress(listener.address),
      run: <R, E, A>(handler: (socket: PlatformSocket.Socket) => Effect.Effect<A, E, R>) =>
        Effect.acquireUseRelease(
          Effect.mapBoth(
            copas.addServer(listener, (socket) => handler(fromSocket(socket)) as Effect.Effect<A, E, R>, {
              ...options,
              onError
            }),
            {
              onSuccess: (server) => {
                running.add(server)
                return server
              },
              onFailure: (cause) => new PlatformSocketServer.SocketServerError({ reason: "Open", cause })
            }
          ),
          () => Deferred.await(released),
          end
        ) as Effect.Effect<never, PlatformSocketServer.SocketServerError, R>
    }
  })

/**
 * `makeServer` as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServer = <RE = never>(
  options: Net.ListenOptions & Server.ServerOptions<RE>
): Layer.Layer<
  PlatformSocketServer.SocketServer,
  BindError | InvalidOption | UnsupportedOption,
  Copas.Copas | Net.Net | Exclude<RE, Scope.Scope>
> => Layer.scoped(PlatformSocketServer.SocketServer, makeServer(options))
