/** What the cases of the dispatcher share. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type * as Server from "../../Server.js"
import type * as Socket from "../../Socket.js"
import type * as SocketOptions from "../../SocketOptions.js"
import type * as Thread from "../../Thread.js"
import type { ErrorHandler } from "../../Thread.js"
import type { Case } from "../Case.js"
import { listening, same, until } from "./support.js"

/** One sentence of the contract of the dispatcher. */
export type DispatcherCase = Case<Copas.Copas | Net.Net>

export const test = (
  title: string,
  effect: Effect.Effect<unknown, unknown, Copas.Copas | Net.Net>
): DispatcherCase => ({ title, effect: Effect.asVoid(effect) })

/** Waits until the thread is in a pause. */
export const asleep = (thread: Thread.Thread): Effect.Effect<void, never, Copas.Copas> =>
  until(
    Effect.map(Copas.status, ({ threads }) =>
      threads.some(({ id, state }) => id === thread.id && (state === "sleeping" || state === "inactive")))
  )

export interface Failures {
  readonly handler: ErrorHandler
  readonly seen: Array<{ readonly text: string; readonly thread: string; readonly socket: string | undefined }>
}

/** An error handler that keeps what it got. */
export const keeping = (): Failures => {
  const seen: Failures["seen"] = []
  return {
    seen,
    handler: (cause, { socket, thread }) =>
      Effect.sync(() => {
        seen.push({
          text: String(Cause.squash(cause)),
          thread: thread.name,
          socket: Option.getOrUndefined(Option.map(socket, (one) => one.name))
        })
      })
  }
}

export type Handler = (socket: Socket.Socket) => Effect.Effect<unknown, unknown>

export const echo: Handler = (socket) => socket.forEachLine((line) => socket.send(`${line}\n`))

export const dial = (
  listener: Listener.InetListener,
  options: SocketOptions.CommonOptions = {}
): Effect.Effect<Socket.InetSocket, unknown, Net.Net | Scope.Scope> =>
  Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, ...options })

/** Asks and waits for the answer. */
export const ask = (socket: Socket.Socket, question: string): Effect.Effect<string, unknown> =>
  Effect.zipRight(socket.send(`${question}\n`), socket.receiveLine())

/** Runs `use` with a server; when it is done the server is removed, so that run ends. */
export const serving = <E>(
  handler: Handler,
  use: (server: Server.Server<Listener.InetListener>) => Effect.Effect<unknown, E, Copas.Copas | Net.Net | Scope.Scope>,
  options: Server.ServerOptions & { readonly listen?: SocketOptions.CommonOptions & { readonly backlog?: number } } = {}
): Effect.Effect<unknown, unknown, Copas.Copas | Net.Net> =>
  Copas.run(Effect.gen(function*() {
    const { listen, ...serverOptions } = options
    const listener = yield* listening({ linger: "2 seconds", ...listen })
    const server = yield* Copas.addServer(listener, handler, serverOptions)
    yield* Effect.scoped(use(server))
    yield* Copas.removeServer(server)
  }))

export const nothingLeft = Effect.gen(function*() {
  const { servers, sockets, threads, timers } = yield* Copas.status
  same([servers.length, sockets.length, threads.length, timers], [0, 0, 0, 0], "servers, sockets, threads, timers")
})
