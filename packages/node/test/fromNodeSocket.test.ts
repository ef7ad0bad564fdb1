/** Sockets of `node:net` that this library takes over. */
import * as Net from "@copas/core/Net"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import * as NodeNetModule from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeNet from "../src/NodeNet.js"
import * as NodeSocket from "../src/NodeSocket.js"

/** A plain `node:net` server, and a client of it that is connected. */
const plainPair = (options: NodeNetModule.SocketConstructorOpts = {}, path?: string) =>
  Effect.acquireRelease(
    Effect.async<
      {
        readonly server: NodeNetModule.Server
        readonly client: NodeNetModule.Socket
        readonly peer: NodeNetModule.Socket
      }
    >(
      (resume) => {
        const server = NodeNetModule.createServer({ allowHalfOpen: true })
        const client = new NodeNetModule.Socket(options)
        server.once("connection", (peer) => {
          const done = (): void => resume(Effect.succeed({ server, client, peer }))
          if (client.connecting) client.once("connect", done)
          else done()
        })
        const connect = (): void => {
          const address = server.address()
          if (typeof address === "string") client.connect(address)
          else client.connect(address!.port, "127.0.0.1")
        }
        if (path === undefined) server.listen(0, "127.0.0.1", connect)
        else server.listen(path, connect)
      }
    ),
    ({ client, peer, server }) =>
      Effect.sync(() => {
        client.destroy()
        peer.destroy()
        server.close()
      })
  )

const closed = (socket: NodeNetModule.Socket): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (socket.closed) resume(Effect.void)
    else socket.once("close", () => resume(Effect.void))
  })

const provided = Effect.provide(NodeNet.layer)

it.scoped("C14 a node:net socket that is taken over reads, writes and is closed by its scope", () =>
  Effect.gen(function*() {
    const { client, peer } = yield* plainPair({ allowHalfOpen: true })
    const scope = yield* Scope.make()
    const socket = yield* NodeSocket.fromNodeSocket(client, { name: "taken", linger: 0 }).pipe(Scope.extend(scope))
    expect(socket.name).toBe("taken")
    peer.write("hello\n")
    expect(yield* socket.receiveLine()).toBe("hello")
    const came = Effect.async<string>((resume) => {
      peer.once("data", (data) => resume(Effect.succeed(data.toString())))
    })
    yield* socket.send("and back")
    expect(yield* came).toBe("and back")
    expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([socket])
    yield* Scope.close(scope, Exit.void)
    expect(client.closed).toBe(true)
    expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([])
  }).pipe(provided))

it.scoped("C14 bytes that Node had buffered before are delivered first", () =>
  Effect.gen(function*() {
    const { client, peer } = yield* plainPair({ allowHalfOpen: true })
    client.pause()
    peer.write("early\n")
    yield* Effect.async<void>((resume) => {
      client.once("readable", () => resume(Effect.void))
    })
    client.removeAllListeners("readable")
    const socket = yield* NodeSocket.fromNodeSocket(client, { linger: 0 })
    peer.write("late\n")
    expect(yield* socket.receiveLine()).toBe("early")
    expect(yield* socket.receiveLine()).toBe("late")
  }).pipe(provided))

it.scoped("C14 a peer that half-closes still gets its reply, also from a socket made without allowHalfOpen", () =>
  Effect.gen(function*() {
    const { client, peer } = yield* plainPair()
    const socket = yield* NodeSocket.fromNodeSocket(client, { linger: 0 })
    peer.end("question\n")
    expect(yield* socket.receiveLine()).toBe("question")
    expect((yield* Effect.flip(socket.receiveLine()))._tag).toBe("SocketClosed")
    const came = Effect.async<string>((resume) => {
      peer.once("data", (data) => resume(Effect.succeed(data.toString())))
    })
    yield* socket.send("answer\n")
    expect(yield* came).toBe("answer\n")
  }).pipe(provided))

it.scoped("C14 a socket that is closed already is taken over as a broken one, and released", () =>
  Effect.gen(function*() {
    const { client } = yield* plainPair({ allowHalfOpen: true })
    client.destroy()
    yield* closed(client)
    const scope = yield* Scope.make()
    const socket = yield* NodeSocket.fromNodeSocket(client).pipe(Scope.extend(scope))
    const error = yield* Effect.flip(Effect.asVoid(socket.receive()))
    expect(["SocketBroken", "SocketClosed"]).toContain(error._tag)
    yield* Scope.close(scope, Exit.void)
    expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([])
  }).pipe(provided))

it.scoped("C14 a wrong option is refused, and the socket is left as it was", () =>
  Effect.gen(function*() {
    const { client, peer } = yield* plainPair({ allowHalfOpen: true })
    const error = yield* Effect.flip(NodeSocket.fromNodeSocket(client, { highWaterMark: 0 }))
    expect(error).toMatchObject({ _tag: "InvalidOption", option: "highWaterMark" })
    const came = Effect.async<string>((resume) => {
      client.once("data", (data) => resume(Effect.succeed(data.toString())))
    })
    peer.write("still here")
    expect(yield* came).toBe("still here")
  }).pipe(provided))

it.scoped("C14 a Unix-domain socket that is taken over can be aborted", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "copas-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const { client, peer } = yield* plainPair({ allowHalfOpen: true }, join(folder, "socket"))
    const socket = yield* NodeSocket.fromNodeSocket(client)
    peer.write("hello\n")
    expect(yield* socket.receiveLine()).toBe("hello")
    expect(socket.remoteAddress._tag).toBe("UnixAddress")
    yield* socket.abort
    expect(client.closed).toBe(true)
  }).pipe(provided))
