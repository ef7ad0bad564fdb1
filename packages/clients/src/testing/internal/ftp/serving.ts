/**
 * The FTP test server, and its connections' lives.
 */
import * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { InetSocket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bytes from "../../../internal/text/bytes.js"
import type { FtpServer, Options } from "../../FtpServer.js"
import * as Listening from "../listening.js"
import { Client, type Shared } from "./client.js"
import * as Commands from "./commands.js"
import * as Disk from "./disk.js"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const converse = (shared: Shared, socket: InetSocket, isImplicit: boolean): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    if (isImplicit) yield* Tls.upgrade(socket, shared.tls!)
    const client = new Client(shared, socket, isImplicit)
    const { idle, maxConnections, tooMany } = shared.quirks
    const isTooMany = maxConnections !== undefined && shared.control > maxConnections
    const isRefused = isTooMany && tooMany === undefined
    client.refusal = isTooMany ? tooMany : undefined
    yield* client.reply(isRefused ? "421 Too many connections" : "220 A server for tests")
    if (isRefused) return
    if (idle !== undefined) yield* socket.setTimeouts({ receive: idle })
    const loop: Effect.Effect<void, unknown> = Effect.suspend(() =>
      client.isOver
        ? Effect.void
        : Effect.zipRight(
          Effect.flatMap(client.line, (line) => Commands.perform(client, line)),
          loop
        )
    )
    yield* loop.pipe(
      Effect.catchIf(
        (error) => (error as { readonly _tag?: string })._tag === "SocketTimeout",
        () => client.reply("421 Idle for too long")
      ),
      Effect.ensuring(client.end)
    )
  })

export const make = (
  options: Options
): Effect.Effect<FtpServer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const disk = new Disk.Disk()
    const start = new Date(yield* Clock.currentTimeMillis)
    const put = (path: string, content: string | Uint8Array, modified: Date): void => {
      const binary = Disk.binaryOf(path)
      if (path.endsWith("/")) {
        disk.write(`${binary}x`, Bytes.empty, modified)
        disk.remove(`${binary}x`)
      } else disk.write(binary, typeof content === "string" ? encoder.encode(content) : content, modified)
    }
    for (const [path, content] of Object.entries(options.files ?? {})) put(path, content, start)
    const shared: Shared = {
      disk,
      net,
      tls: options.tls,
      users: options.users,
      commands: [],
      quirks: options.quirks ?? {},
      control: 0,
      data: 0
    }
    const host = options.host ?? "127.0.0.1"
    const isImplicit = options.implicit === true && options.tls !== undefined
    const port = yield* Listening.serve(
      net,
      { host, port: options.port },
      (socket) => converse(shared, socket, isImplicit),
      (change) => {
        shared.control += change
      }
    )
    return {
      host,
      port,
      url: `ftp://${NetAddress.formatHostPort(host, port)}`,
      read: (path) =>
        Effect.sync(() => Option.map(Option.fromNullable(disk.get(Disk.binaryOf(path))), (node) => node.bytes)),
      write: (path, content, modified) =>
        Effect.map(Clock.currentTimeMillis, (now) => put(path, content, modified ?? new Date(now))),
      writeRaw: (path, content) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          disk.write(
            Bytes.toBinary(path),
            typeof content === "string" ? encoder.encode(content) : content,
            new Date(now)
          )
        }),
      paths: Effect.sync(() => disk.files.map((path) => decoder.decode(Bytes.fromBinary(path)))),
      commands: Effect.sync(() => Array.from(shared.commands)),
      connections: Effect.sync(() => ({ control: shared.control, data: shared.data })),
      setQuirks: (quirks) =>
        Effect.sync(() => {
          shared.quirks = { ...shared.quirks, ...quirks }
        })
    }
  })
