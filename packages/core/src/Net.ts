/**
 * The network as a capability: connecting and listening.
 *
 * A platform brings the layer (`NodeNet.layer`, `NetMemory.layer`); programs ask for `Net` and run on either.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "./DatagramSocket.js"
import * as DatagramOpening from "./internal/datagram/opening.js"
import * as Opening from "./internal/net/opening.js"
import { NetState } from "./internal/netState.js"
import { observe } from "./internal/observers.js"
import * as Lending from "./internal/socket/lending.js"
import { platformOf } from "./internal/tls/contexts.js"
import { ListenerTypeId } from "./internal/typeIds.js"
import type { InetListener, Listener, UnixListener } from "./Listener.js"
import type { InetAddress } from "./NetAddress.js"
import type { CryptoPlatform, Platform } from "./NetPlatform.js"
import type { InetSocket, Socket, TraceEvent, UnixSocket } from "./Socket.js"
import type { BindError, ConnectError, InvalidOption, SocketClosed, UnsupportedOption } from "./SocketError.js"
import type {
  CommonOptions,
  ConnectOptions,
  InetConnectOptions,
  InetListenOptions,
  ListenOptions,
  UnixConnectOptions,
  UnixListenOptions
} from "./SocketOptions.js"
import type { TlsError } from "./TlsError.js"
import type { TlsPlatform } from "./TlsTransport.js"
import type { Borrower, Loan, Transport } from "./Transport.js"

export type { ConnectOptions, ListenOptions } from "./SocketOptions.js"

/**
 * Marks a `Listener`.
 *
 * @since 0.1.0
 * @category type ids
 */
export { ListenerTypeId }

/**
 * The type of `connect`: options with a port give a socket with ports, options with a path one with paths. Where the
 * options may be either, so may the socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connect<out R> {
  (
    options: InetConnectOptions
  ): Effect.Effect<InetSocket, ConnectError | TlsError | InvalidOption | UnsupportedOption, R>
  (
    options: UnixConnectOptions
  ): Effect.Effect<UnixSocket, ConnectError | TlsError | InvalidOption | UnsupportedOption, R>
  (options: ConnectOptions): Effect.Effect<Socket, ConnectError | TlsError | InvalidOption | UnsupportedOption, R>
}

/**
 * The type of `listen`, of which the same is true.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listen<out R> {
  (options: InetListenOptions): Effect.Effect<InetListener, BindError | InvalidOption | UnsupportedOption, R>
  (options: UnixListenOptions): Effect.Effect<UnixListener, BindError | InvalidOption | UnsupportedOption, R>
  (options: ListenOptions): Effect.Effect<Listener, BindError | InvalidOption | UnsupportedOption, R>
}

/**
 * The network of a program: it opens connections, listeners and datagram sockets, and knows those that are open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly connect: Connect<Scope.Scope>
  readonly listen: Listen<Scope.Scope>
  /**
   * The addresses that `connect` would try, in its order: at least one, and those that `permit` permits. For connectors that
   * hand an address to a proxy. It does not time out. *Interruption* ends the wait for an answer.
   *
   * @since 0.2.0
   */
  readonly lookup: (
    options: Pick<InetConnectOptions, "family" | "host" | "permit" | "port">
  ) => Effect.Effect<ReadonlyArray<InetAddress>, ConnectError | InvalidOption>
  /** See `Udp.bind`. */
  readonly bindUdp: (
    options: DatagramSocket.BindOptions
  ) => Effect.Effect<DatagramSocket.DatagramSocket, BindError | InvalidOption | UnsupportedOption, Scope.Scope>
  /** See `Udp.connect`. */
  readonly connectUdp: (
    options: DatagramSocket.ConnectOptions
  ) => Effect.Effect<
    DatagramSocket.DatagramSocket,
    BindError | ConnectError | InvalidOption | UnsupportedOption | SocketClosed,
    Scope.Scope
  >
  /** All datagram sockets that are open now. */
  readonly datagramSockets: Effect.Effect<ReadonlyArray<DatagramSocket.DatagramSocket>>
  /** The platform's TLS. Programs use the functions of `Tls`. */
  readonly tls: Effect.Effect<TlsPlatform, UnsupportedOption>
  /** The platform's functions for protocols that hash, prove and sign. */
  readonly crypto: CryptoPlatform
  /** All stream sockets that are open now. */
  readonly sockets: Effect.Effect<ReadonlyArray<Socket>>
  /** The bytes of all stream sockets, the closed ones included. */
  readonly bytes: Effect.Effect<{ readonly bytesReceived: number; readonly bytesSent: number }>
  /** Shows the events of every socket to `tracer` until `trace(undefined)` or the next `trace`: there is one tracer. */
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>
  /**
   * Shows the events of every socket to `listener` for as long as the scope lasts. Any number of listeners may observe,
   * beside the tracer. What a listener throws, or an `async` one rejects with, is swallowed.
   */
  readonly observe: (listener: (event: TraceEvent) => void) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Takes over a connection that the platform has already made, as `NodeSocket.fromNodeSocket` does. It calls
   * `makeTransport` once, and from then on the scope closes the transport.
   */
  readonly adopt: (
    makeTransport: () => Transport,
    options?: CommonOptions
  ) => Effect.Effect<Socket, InvalidOption | UnsupportedOption, Scope.Scope>
}

/**
 * The network.
 *
 * @since 0.1.0
 * @category tags
 */
export class Net extends Context.Tag("@copas/core/Net")<Net, Service>() {}

/**
 * Makes the network of a platform.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (platform: Platform): Service => {
  const netState = new NetState(platform)
  return {
    connect: ((options: ConnectOptions) => Opening.connect(netState, options)) as Service["connect"],
    listen: ((options: ListenOptions) => Opening.listen(netState, options)) as Service["listen"],
    lookup: (options) => Opening.lookup(netState, options),
    bindUdp: (options) => DatagramOpening.bind(netState, options),
    connectUdp: (options) => DatagramOpening.connect(netState, options),
    datagramSockets: Effect.sync(() => Array.from(netState.datagramSockets)),
    tls: platformOf(netState),
    crypto: platform.crypto ?? {},
    sockets: Effect.sync(() => Array.from(netState.sockets)),
    bytes: Effect.sync(() => netState.bytes),
    trace: (tracer) =>
      Effect.sync(() => {
        netState.observers.set(tracer)
      }),
    observe: (listener) => observe(() => netState.observers, listener),
    adopt: (makeTransport, options) => Opening.adopt(netState, makeTransport, options ?? {})
  }
}

/**
 * Connects to a host and port, or to a Unix-domain socket; the scope closes the socket.
 *
 * If a name stands for several addresses, `connect` races them: the next attempt starts when one fails, or 250 ms after it
 * began (Happy Eyeballs, RFC 8305, section 5). Leaving the scope after success flushes, half-closes and waits for the
 * peer, all within `linger`; after a failure or an interruption it cuts the connection. *Interruption* while connecting
 * leaves no descriptor.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Net } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const greeting = Effect.scoped(Effect.gen(function*() {
 *   const socket = yield* Net.connect({ host: "mail.example", port: 25, timeouts: { connect: "5 seconds" } })
 *   return yield* socket.receiveLine()
 * })).pipe(
 *   Effect.catchTag("ConnectError", (error) => Effect.succeed(`nobody home: ${error.reason}`))
 * )
 *
 * Effect.runPromise(greeting.pipe(Effect.provide(NetMemory.layer))).then(console.log) // nobody home: HostNotFound
 * ```
 */
export const connect = ((options: ConnectOptions) => Effect.flatMap(Net, (net) => net.connect(options))) as Connect<
  Net | Scope.Scope
>

/**
 * Listens on an address and port, or on a path; the scope closes the listener, and accepted connections continue.
 *
 * *Interruption* while binding leaves no descriptor.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Net, NetAddress } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const listener = yield* Net.listen({ host: "127.0.0.1", port: 7 })
 *   return NetAddress.format(listener.address)
 * }))
 *
 * Effect.runPromise(program.pipe(Effect.provide(NetMemory.layer))).then(console.log) // 127.0.0.1:7
 * ```
 */
export const listen = ((options: ListenOptions) => Effect.flatMap(Net, (net) => net.listen(options))) as Listen<
  Net | Scope.Scope
>

/**
 * Lends a socket to what `borrow` makes of it: from then on that reads and writes the connection. For authors of platforms;
 * programs use `NodeSocket.lend` of `@copas/node`.
 *
 * `borrow` is called once, and at once. Reads and writes of other fibers that wait fail with `SocketClosed`,
 * `by: "lent"`. Name, trace, counts, time-outs, `abort` and the scope stay the socket's. Fails with `SocketClosed` if the
 * socket is closed, broken, shut down for sending, or lent already. *Interruption* does nothing: it does not wait.
 *
 * @since 0.2.0
 * @category platforms
 */
export const lend: <B extends Borrower>(
  socket: Socket,
  borrow: (loan: Loan) => B
) => Effect.Effect<B, SocketClosed> = Lending.lend
