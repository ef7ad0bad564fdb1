/**
 * The SMTP test server, and its connections' lives.
 */
import * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { InetSocket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Options, SmtpServer } from "../../SmtpServer.js"
import * as Listening from "../listening.js"
import { Client, End, limit } from "./client.js"
import * as Commands from "./commands.js"
import * as Envelope from "./envelope.js"
import { Shared } from "./shared.js"

const converse = (shared: Shared, socket: InetSocket, isImplicit: boolean): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const client = new Client(shared, socket, shared.total)
    if (isImplicit) yield* Tls.upgrade(socket, shared.options.tls!)
    const { idle, maxConnections } = shared.quirks
    const { most, reply } = limit(maxConnections, Infinity, "421 4.7.0 Too many connections")
    if (shared.open > most) return yield* client.reply(reply)
    const protocol = shared.options.protocol === "lmtp" ? "LMTP" : "ESMTP"
    yield* client.reply(client.refusal ?? `220 ${shared.name} ${protocol} A server for tests`)
    if (idle !== undefined) yield* socket.setTimeouts({ receive: idle })
    yield* client.reader.line(Envelope.longestLineOfAll).pipe(
      Effect.flatMap((line) => Commands.perform(client, line)),
      Effect.forever,
      Effect.catchIf(
        (error) => (error as { readonly _tag?: string })._tag === "SocketTimeout",
        () => client.send(client.plain("421 4.4.2 Idle for too long"))
      )
    )
  }).pipe(
    Effect.catchIf((error) => error instanceof End, ({ how }) =>
      how === "close"
        ? Effect.void
        // What was sent is to arrive before the reset does.
        : Effect.ignore(socket.flush).pipe(Effect.zipRight(Effect.yieldNow()), Effect.zipRight(socket.abort)))
  )

export const make = (
  options: Options
): Effect.Effect<SmtpServer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const shared = new Shared(options, net)
    const host = options.host ?? "127.0.0.1"
    const isImplicit = options.implicit === true && options.tls !== undefined
    const port = yield* Listening.serve(
      net,
      { host, port: options.port },
      (socket) => converse(shared, socket, isImplicit),
      (change) => shared.count(change)
    )
    const scheme = options.protocol === "lmtp" ? "lmtp" : isImplicit ? "smtps" : "smtp"
    const messages = Effect.sync(() => Array.from(shared.messages))
    return {
      host,
      port,
      url: `${scheme}://${NetAddress.formatHostPort(host, port)}`,
      messages,
      awaitMessages: (count) => Effect.zipRight(shared.until(() => shared.messages.length >= count), messages),
      reports: Effect.sync(() => Array.from(shared.reports)),
      commands: Effect.sync(() => Array.from(shared.commands)),
      connections: Effect.sync(() => ({ open: shared.open, total: shared.total, most: shared.most })),
      setQuirks: (quirks) =>
        Effect.sync(() => {
          shared.quirks = { ...shared.quirks, ...quirks }
          shared.changed()
        })
    }
  })
