/** What the cases of TLS share: certificates, contexts, and pairs of secure sockets. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type { Socket } from "../../Socket.js"
import type * as SocketError from "../../SocketError.js"
import * as Tls from "../../Tls.js"
import type * as TlsConnection from "../../TlsConnection.js"
import type * as TlsContext from "../../TlsContext.js"
import type { ClientOptions, ServerOptions } from "../../TlsContext.js"
import { TlsError, type TlsReason } from "../../TlsError.js"
import type { Case } from "../Case.js"
import type { Certificates, Made } from "../TlsMaterial.js"

/** One sentence of the contract of TLS. */
export type TlsCase = Case<Copas.Copas | Net.Net | Scope.Scope>

export const test = (
  title: string,
  effect: Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope>
): TlsCase => ({ title, effect: Effect.asVoid(effect) })

/** A root, and the identities that it issued. */
export interface Pki {
  readonly root: Made
  readonly intermediate: Made
  readonly server: Made
  readonly client: Made
}

/** The same for all cases: keys may take time to be made. */
export const pkiOf = (certificates: Certificates): Effect.Effect<Pki> => {
  const { make } = certificates
  const known = pkis.get(certificates)
  if (known !== undefined) return known
  const made = Effect.runSync(Effect.cached(Effect.gen(function*() {
    const root = yield* make({ name: "Test Root", isAuthority: true })
    const intermediate = yield* make({ name: "Test Intermediate", isAuthority: true, issuer: root })
    return {
      root,
      intermediate,
      server: yield* make({ hosts: ["localhost", "*.copas.test", "127.0.0.1"], issuer: intermediate }),
      client: yield* make({ name: "alice", usage: "client", issuer: root })
    }
  })))
  pkis.set(certificates, made)
  return made
}

const pkis = new WeakMap<Certificates, Effect.Effect<Pki>>()

export interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly listener: Listener.InetListener
}

export interface PairOptions {
  readonly server?: ServerOptions
  readonly client?: ClientOptions
  readonly connect?: Omit<TlsContext.ConnectTlsOptions, "context">
  readonly host?: string
}

type ContextError = TlsError | SocketError.InvalidOption | SocketError.UnsupportedOption
type OpenError =
  | ContextError
  | SocketError.BindError
  | SocketError.ConnectError
  | SocketError.AcceptError
  | SocketError.ListenerClosed

export interface Fixture {
  readonly pki: Effect.Effect<Pki>
  readonly certificates: Certificates
  readonly serverContext: (options?: ServerOptions) => Effect.Effect<Tls.ServerContext, ContextError, Net.Net>
  readonly clientContext: (options?: ClientOptions) => Effect.Effect<Tls.ClientContext, ContextError, Net.Net>
  readonly listening: (
    options?: ServerOptions
  ) => Effect.Effect<Listener.InetListener, ContextError | SocketError.BindError, Net.Net | Scope.Scope>
  /** Both ends of a connection, handshake done on both. */
  readonly pair: (options?: PairOptions) => Effect.Effect<Pair, OpenError, Net.Net | Scope.Scope>
  /** The errors of both ends of a connection that does not come about; `undefined` where that end found nothing wrong. */
  readonly failures: (options?: PairOptions) => Effect.Effect<
    { readonly client: TlsError | undefined; readonly server: TlsError | undefined },
    OpenError,
    Net.Net | Scope.Scope
  >
}

export const dialing = (
  listener: Listener.InetListener,
  tls?: Tls.ClientContext | TlsContext.ConnectTlsOptions,
  host = "localhost"
): Effect.Effect<
  Socket,
  SocketError.ConnectError | TlsError | SocketError.InvalidOption | SocketError.UnsupportedOption,
  Net.Net | Scope.Scope
> => Net.connect({ host, family: "IPv4", port: listener.port, linger: 0, tls })

export const fixture = (certificates: Certificates): Fixture => {
  const pki = pkiOf(certificates)
  const serverContext: Fixture["serverContext"] = (options) =>
    Effect.flatMap(pki, ({ server }) => Tls.server({ identity: server.identity, ...options }))
  const clientContext: Fixture["clientContext"] = (options) =>
    Effect.flatMap(pki, ({ root }) => Tls.client({ ca: root.pem, ...options }))
  const listening: Fixture["listening"] = (options) =>
    Effect.flatMap(serverContext(options), (tls) => Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls }))
  const pair: Fixture["pair"] = (options = {}) =>
    Effect.gen(function*() {
      const listener = yield* listening(options.server)
      const context = yield* clientContext(options.client)
      const [client, server] = yield* Effect.all(
        [dialing(listener, { context, ...options.connect }, options.host), listener.accept],
        { concurrency: 2 }
      )
      return { client, server, listener }
    })
  const failures: Fixture["failures"] = (options = {}) =>
    Effect.gen(function*() {
      const listener = yield* listening(options.server)
      const context = yield* clientContext(options.client)
      const [client, server] = yield* Effect.all([
        Effect.exit(dialing(listener, { context, ...options.connect }, options.host)),
        Effect.exit(listener.accept)
      ], { concurrency: 2 })
      return { client: tlsErrorOf(client), server: tlsErrorOf(server) }
    })
  return { certificates, pki, serverContext, clientContext, listening, pair, failures }
}

/** The `TlsError` of a failure, itself or as its cause. */
export const tlsErrorOf = (exit: Exit.Exit<unknown, unknown>): TlsError | undefined =>
  Exit.match(exit, {
    onSuccess: () => undefined,
    onFailure: (cause) => {
      const error = Causes.failureOf(cause)
      if (error instanceof TlsError) return error
      const inner = typeof error === "object" && error !== null && "cause" in error ? error.cause : undefined
      if (inner instanceof TlsError) return inner
      throw new Error(`it should fail with a TlsError, but ended so: ${String(error)}`)
    }
  })

export const tlsOf = (socket: Socket): TlsConnection.TlsConnection => Option.getOrThrow(socket.tls)

/** Throws unless the error is there, and for one of the reasons. */
export const because = (error: TlsError | undefined, ...reasons: ReadonlyArray<TlsReason>): void => {
  if (error === undefined) throw new Error(`it should fail with ${reasons.join(" or ")}`)
  if (!reasons.includes(error.reason)) {
    throw new Error(`the reason is ${error.reason} (${error.code}), but should be ${reasons.join(" or ")}`)
  }
}

/** Throws unless the client is refused for the reason. */
export const refused = (
  { failures }: Fixture,
  reason: TlsReason,
  options?: PairOptions
): Effect.Effect<TlsError, OpenError, Net.Net | Scope.Scope> =>
  Effect.map(failures(options), ({ client, server }) => {
    because(client, reason)
    // A client that refuses may say so, or just hang up.
    because(server, "ClosedInHandshake", "RefusedByPeer")
    return client!
  })

/** A line from each end to the other. */
export const talks = ({ client, server }: Pick<Pair, "client" | "server">): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    for (const [from, to] of [[client, server], [server, client]] as const) {
      yield* from.send("hello\n")
      const line = yield* to.receiveLine()
      if (line !== "hello") throw new Error(`the line is ${JSON.stringify(line)}`)
    }
  })
