/** Type tests of sockets, listeners and servers: kinds of address, and operations as values or functions. */
import {
  Copas,
  type DatagramSocket,
  type Dns,
  type Future,
  type Listener,
  type Lock,
  Net,
  type NetAddress,
  type Semaphore,
  type Server,
  type Socket,
  type SocketError,
  type Thread,
  type Timer,
  Tls,
  type WorkQueue
} from "@copas/core"
import { Effect, type Layer, type Scope } from "effect"
import { describe, expect, it } from "tstyche"

type Form<T> = T extends (...args: ReadonlyArray<any>) => unknown ? "function"
  : T extends Effect.Effect<any, any, any> ? "value"
  : "field"

/** The names of the functions that can never be given anything. */
type Nullary<T> = {
  [K in keyof T]-?: T[K] extends (...args: infer Args) => unknown ? Args extends readonly [] ? K : never : never
}[keyof T]

type Shared = Exclude<keyof Socket.Socket & keyof DatagramSocket.DatagramSocket, symbol>

describe("what the sockets have in common", () => {
  it("S07 an operation has the same form on stream and datagram sockets", () => {
    expect<{ [K in Shared]: Form<Socket.Socket[K]> }>().type.toBe<
      { [K in Shared]: Form<DatagramSocket.DatagramSocket[K]> }
    >()
    // What a datagram socket takes, a stream socket takes too; it has options of its own besides.
    expect<Parameters<DatagramSocket.DatagramSocket["receive"]>>().type.toBeAssignableTo<
      Parameters<Socket.Socket["receive"]>
    >()
  })

  it("S07 an operation that takes nothing is a value", () => {
    expect<Nullary<Socket.Socket>>().type.toBe<never>()
    expect<Nullary<DatagramSocket.DatagramSocket>>().type.toBe<never>()
    expect<Nullary<Listener.Listener>>().type.toBe<never>()
    expect<Nullary<Net.Service>>().type.toBe<never>()
    expect<Nullary<Copas.Service>>().type.toBe<never>()
    expect<Nullary<Dns.Service>>().type.toBe<never>()
    expect<Nullary<Thread.Thread>>().type.toBe<never>()
    expect<Nullary<Lock.Lock>>().type.toBe<never>()
    expect<Nullary<Semaphore.Semaphore>>().type.toBe<never>()
    expect<Nullary<WorkQueue.WorkQueue<number>>>().type.toBe<never>()
    expect<Nullary<Timer.Timer>>().type.toBe<never>()
    expect<Nullary<Future.Future<number>>>().type.toBe<never>()
  })
})

type BindErrors = SocketError.BindError | SocketError.InvalidOption | SocketError.UnsupportedOption
type ConnectErrors =
  | SocketError.ConnectError
  | SocketError.TlsError
  | SocketError.InvalidOption
  | SocketError.UnsupportedOption
type AddErrors = SocketError.InvalidOption | SocketError.ListenerClosed

declare const listenOptions: Net.ListenOptions
declare const connectOptions: Net.ConnectOptions
declare const net: Net.Service
declare const copas: Copas.Service
declare const inet: Listener.InetListener
declare const unix: Listener.UnixListener
declare const either: Listener.Listener
declare const context: Tls.ServerContext

describe("ports and paths", () => {
  it("S01 listening on a port gives a listener with a port, on a path one with a path", () => {
    expect(Net.listen({ port: 0 })).type.toBe<
      Effect.Effect<Listener.InetListener, BindErrors, Net.Net | Scope.Scope>
    >()
    expect(Net.listen({ path: "/run/app.sock", mode: 0o600 })).type.toBe<
      Effect.Effect<Listener.UnixListener, BindErrors, Net.Net | Scope.Scope>
    >()
    expect(Net.listen(listenOptions)).type.toBe<
      Effect.Effect<Listener.Listener, BindErrors, Net.Net | Scope.Scope>
    >()
    expect(net.listen({ port: 0 })).type.toBe<Effect.Effect<Listener.InetListener, BindErrors, Scope.Scope>>()
    expect(inet.port).type.toBe<number>()
    expect(inet.address).type.toBe<NetAddress.InetAddress>()
    expect(unix.path).type.toBe<string>()
  })

  it("S03 connecting to a port gives a socket with ports, to a path one with paths", () => {
    expect(Net.connect({ port: 80, tls: true })).type.toBe<
      Effect.Effect<Socket.InetSocket, ConnectErrors, Net.Net | Scope.Scope>
    >()
    expect(Net.connect({ path: "/run/app.sock" })).type.toBe<
      Effect.Effect<Socket.UnixSocket, ConnectErrors, Net.Net | Scope.Scope>
    >()
    expect(Net.connect(connectOptions)).type.toBe<
      Effect.Effect<Socket.Socket, ConnectErrors, Net.Net | Scope.Scope>
    >()
    expect<Socket.InetSocket["localPort"]>().type.toBe<number>()
    expect<Socket.InetSocket["remotePort"]>().type.toBe<number>()
    expect<Socket.UnixSocket["remoteAddress"]["path"]>().type.toBe<string>()
    expect<DatagramSocket.DatagramSocket["port"]>().type.toBe<number>()
  })

  it("S03 where the kind is not known there is no port and no path", () => {
    expect<Listener.Listener>().type.not.toHaveProperty("port")
    expect<Listener.Listener>().type.not.toHaveProperty("path")
    expect<Listener.UnixListener>().type.not.toHaveProperty("port")
    expect<Socket.Socket>().type.not.toHaveProperty("remotePort")
    expect<Socket.UnixSocket>().type.not.toHaveProperty("remotePort")
  })

  it("S01 a wrong or unknown option does not compile", () => {
    expect(Net.listen).type.not.toBeCallableWith({ port: "80" })
    expect(Net.listen).type.not.toBeCallableWith({ port: 80, path: "/run/app.sock" })
    expect(Net.listen).type.not.toBeCallableWith({ port: 80, mode: 0o600 })
    expect(Net.listen).type.not.toBeCallableWith({ port: 80, baklog: 5 })
    expect(Net.connect).type.not.toBeCallableWith({ host: "localhost" })
    expect(Net.connect).type.not.toBeCallableWith({ path: "/run/app.sock", localPort: 5 })
  })

  it("C04 a server's listener is the one that was given, and its handler gets what that accepts", () => {
    const added = Copas.addServer(inet, (socket) => {
      expect(socket).type.toBe<Socket.InetSocket>()
      return Effect.fail("full" as const)
    })
    expect(added).type.toBe<Effect.Effect<Server.Server<Listener.InetListener>, AddErrors, Copas.Copas>>()
    expect(copas.addServer(unix, (socket) => socket.send(socket.localAddress.path))).type.toBe<
      Effect.Effect<Server.Server<Listener.UnixListener>, AddErrors>
    >()
    expect(Copas.addServer(either, (socket) => {
      expect(socket).type.toBe<Socket.Socket>()
      return Effect.void
    })).type.toBe<Effect.Effect<Server.Server, AddErrors, Copas.Copas>>()
    expect(Copas.addServer(inet, (_: Socket.Socket) => Effect.void)).type.toBe<
      Effect.Effect<Server.Server<Listener.InetListener>, AddErrors, Copas.Copas>
    >()
    expect(Copas.addServer).type.not.toBeCallableWith(either, (socket: Socket.InetSocket) => socket.flush)
    expect<Server.Server<Listener.InetListener>>().type.toBeAssignableTo<Server.Server>()
  })

  it("C04 the handler of a layer gets the kind of socket that its options ask for", () => {
    const asked = (socket: Socket.Socket): Effect.Effect<void, SocketError.SendError, Layer.Layer<never>> =>
      Effect.zipRight(Effect.context<Layer.Layer<never>>(), socket.flush)
    type Expected = Layer.Layer<never, BindErrors, Copas.Copas | Net.Net | Layer.Layer<never>>
    expect(Copas.serve(asked, { port: 0 })).type.toBe<Expected>()
    expect(Copas.serve(asked, { path: "/run/app.sock" })).type.toBe<Expected>()
    expect(Copas.serve(asked, listenOptions)).type.toBe<Expected>()
    Copas.serve((socket) => Effect.succeed(expect(socket).type.toBe<Socket.InetSocket>()), { port: 0, name: "inet" })
    Copas.serve((socket) => Effect.succeed(expect(socket).type.toBe<Socket.UnixSocket>()), { path: "/run/app.sock" })
    Copas.serve((socket) => Effect.succeed(expect(socket).type.toBe<Socket.Socket>()), listenOptions)
    expect(Copas.serve).type.not.toBeCallableWith(asked, { port: 0, nmae: "inet" })
  })

  it("C13 a handler that does the handshake first gets the kind of socket that its listener accepts", () => {
    const given = Tls.handler(context, (socket) => Effect.as(socket.flush, "done"))
    expect(given).type.toBe<
      (
        socket: Socket.Socket
      ) => Effect.Effect<string, Exclude<ConnectErrors, SocketError.ConnectError> | SocketError.SendError>
    >()
    void Copas.addServer(
      inet,
      Tls.handler(context, (socket) => Effect.succeed(expect(socket).type.toBe<Socket.InetSocket>()))
    )
  })
})
