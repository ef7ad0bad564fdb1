/** What the tests of TLS share: a root, a server, and pairs of connected sockets. */
import type { Listener, TlsConnection } from "@copas/core"
import { Net, type Socket, Tls, type TlsContext } from "@copas/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Certificates from "../certificates.js"

export interface Pki {
  readonly root: Certificates.Made
  readonly intermediate: Certificates.Made
  readonly server: Certificates.Made
  readonly client: Certificates.Made
}

/** Made once for a file: keys take time. */
export class TestPki extends Context.Tag("test/TestPki")<TestPki, Pki>() {}

export const layer: Layer.Layer<TestPki> = Layer.effect(
  TestPki,
  Effect.promise(async () => {
    const root = await Certificates.authority()
    const intermediate = await Certificates.make({ name: "Test Intermediate", isAuthority: true, issuer: root })
    return {
      root,
      intermediate,
      server: await Certificates.make({ hosts: ["localhost", "*.copas.test", "127.0.0.1"], issuer: intermediate }),
      client: await Certificates.make({ name: "alice", usage: "client", issuer: root })
    }
  })
)

export const makePromise = (wanted: Certificates.Wanted): Effect.Effect<Certificates.Made> =>
  Effect.promise(() => Certificates.make(wanted))

export const serverContext = (options: TlsContext.ServerOptions = {}) =>
  Effect.flatMap(TestPki, ({ server }) => Tls.server({ identity: Certificates.identity(server), ...options }))

export const clientContext = (options: TlsContext.ClientOptions = {}) =>
  Effect.flatMap(TestPki, ({ root }) => Tls.client({ ca: root.pem, ...options }))

export interface Pair {
  readonly client: Socket.InetSocket
  readonly server: Socket.InetSocket
  readonly listener: Listener.InetListener
}

export interface PairOptions {
  readonly server?: TlsContext.ServerOptions
  readonly client?: TlsContext.ClientOptions
  readonly connect?: Omit<TlsContext.ConnectTlsOptions, "context">
  readonly host?: string
}

/** Both ends of a connection, handshake done on both. */
export const pair = (options: PairOptions = {}) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* serverContext(options.server) })
    const context = yield* clientContext(options.client)
    const ends = yield* Effect.all([
      Net.connect({
        host: options.host ?? "localhost",
        family: "IPv4",
        port: listener.port,
        tls: { context, ...options.connect },
        linger: 0
      }),
      listener.accept
    ], { concurrency: 2 })
    const pair: Pair = { client: ends[0], server: ends[1], listener }
    return pair
  })

/** How a connection fails on both ends. */
export const failures = (options: PairOptions = {}) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* serverContext(options.server) })
    const context = yield* clientContext(options.client)
    const client = yield* Effect.either(Net.connect({
      host: options.host ?? "localhost",
      family: "IPv4",
      port: listener.port,
      tls: { context, ...options.connect },
      linger: 0
    }))
    const server = yield* Effect.flip(listener.accept)
    return { client, server: server._tag === "AcceptError" ? server.cause : server }
  })

export const tlsOf = (socket: Socket.Socket): TlsConnection.TlsConnection => Option.getOrThrow(socket.tls)
