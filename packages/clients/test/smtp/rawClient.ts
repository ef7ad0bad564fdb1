/** A client that says what a test has it say, for the SMTP server for tests. */
import { Net, type Socket } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { Effect, type Scope } from "effect"
import type { Layer } from "effect"
import { SmtpServer } from "../../src/testing/index.js"
import { leavesNothing } from "../ftp/networks.js"

export interface RawClient {
  readonly socket: Socket.Socket
  readonly say: (bytes: string | Uint8Array) => Effect.Effect<void, unknown>
  /** The next reply, its lines joined by "\n". */
  readonly hear: Effect.Effect<string, unknown>
  /** Says a line, or several, and hears a reply. */
  readonly ask: (lines: string) => Effect.Effect<string, unknown>
  /** Says each line and hears the reply to each. */
  readonly askAll: (...lines: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, unknown>
}

/** Connects, without hearing the greeting. */
export const connect = (
  server: SmtpServer.SmtpServer
): Effect.Effect<RawClient, unknown, Net.Net | Scope.Scope> =>
  Effect.map(Net.connect({ host: server.host, port: server.port, linger: 0 }), (socket): RawClient => {
    const hear: Effect.Effect<string, unknown> = Effect.flatMap(
      socket.receiveLine(),
      (line) => line.charAt(3) === "-" ? Effect.map(hear, (rest) => `${line}\n${rest}`) : Effect.succeed(line)
    )
    const ask = (lines: string) => Effect.zipRight(socket.send(`${lines}\r\n`), hear)
    return {
      socket,
      say: (bytes) => socket.send(bytes),
      hear,
      ask,
      askAll: (...lines) => Effect.forEach(lines, ask)
    }
  })

/** A server, and a client that has said EHLO (LHLO). */
export const greeted = (
  options: SmtpServer.Options = {}
): Effect.Effect<
  { readonly server: SmtpServer.SmtpServer; readonly client: RawClient; readonly ehlo: string },
  unknown,
  Net.Net | Scope.Scope
> =>
  Effect.gen(function*() {
    const server = yield* SmtpServer.make(options)
    const client = yield* connect(server)
    yield* client.hear
    const ehlo = yield* client.ask(`${options.protocol === "lmtp" ? "LHLO" : "EHLO"} client.test`)
    return { server, client, ehlo }
  })

/** Runs on a network, and leaves no socket. */
export const on = <A, E>(
  net: Layer.Layer<Net.Net>,
  use: Effect.Effect<A, E, Net.Net | Scope.Scope>
): Effect.Effect<A, E> => Effect.provide(leavesNothing(use), net)

export const inMemory = <A, E>(use: Effect.Effect<A, E, Net.Net | Scope.Scope>): Effect.Effect<A, E> =>
  on(NetMemory.layer, use)
