/** A reset is not the end of a stream, whatever Node makes of it. */
import { Net, type Socket, type SocketOptions } from "@copas/core"
import { NodeNet, NodeSocket } from "@copas/node"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import * as NodeNetModule from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const mark = 1024

type Ends = { readonly socket: Socket.Socket; readonly peer: NodeNetModule.Socket }

/** Our socket, and its peer as Node's own: on TCP or on a Unix-domain path. */
const ends = (kind: "tcp" | "unix", options: SocketOptions.CommonOptions & { readonly readSize?: number } = {}) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "copas-reset-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const path = join(folder, "s")
    const server = NodeNetModule.createServer({ allowHalfOpen: true, pauseOnConnect: true })
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    const accepted = new Promise<NodeNetModule.Socket>((resolve) => server.once("connection", resolve))
    yield* Effect.async<void>((resume) => {
      const done = (): void => resume(Effect.void)
      if (kind === "unix") server.listen(path, done)
      else server.listen(0, "127.0.0.1", done)
    })
    const { port } = kind === "tcp" ? server.address() as NodeNetModule.AddressInfo : { port: 0 }
    const socket = yield* Net.connect({
      ...(kind === "unix" ? { path } : { host: "127.0.0.1", port }),
      linger: 0,
      highWaterMark: mark,
      ...options
    })
    const peer = yield* Effect.promise(() => accepted)
    peer.on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.sync(() => peer.destroy()))
    return { socket, peer }
  })

const written = (peer: NodeNetModule.Socket, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    peer.write(bytes, () => resume(Effect.void))
  })

const closed = (peer: NodeNetModule.Socket): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    peer.once("close", () => resume(Effect.void))
  })

/** Reads until the first failure; how many bytes came. */
const drained = (socket: Socket.Socket) =>
  Effect.gen(function*() {
    let bytes = 0
    for (;;) {
      const chunk = yield* Effect.either(socket.receive())
      if (chunk._tag === "Left") return { bytes, error: chunk.left }
      bytes += chunk.right.length
    }
  })

/** Fills our buffer past its mark, so that reading is paused, and has more waiting in the system. */
const pausedAtMark = ({ peer, socket }: Ends) =>
  Effect.gen(function*() {
    yield* written(peer, new Uint8Array(mark))
    while ((yield* socket.stats).receiveBuffered < mark) {
      yield* Effect.async<void>((resume) => {
        setImmediate(() => resume(Effect.void))
      })
    }
    yield* written(peer, new Uint8Array(5000))
  })

const reset = (peer: NodeNetModule.Socket): Effect.Effect<void> => {
  peer.resetAndDestroy()
  return closed(peer)
}

const cases: ReadonlyArray<readonly [string, (before: Ends) => Effect.Effect<void, unknown, Scope.Scope>]> = [
  ["", ({ peer }) => reset(peer)],
  [" after we half-closed", ({ peer, socket }) => Effect.zipRight(socket.shutdown("send"), reset(peer))]
]

for (const [name, breakIt] of cases) {
  for (const readSize of [undefined, 65_536]) {
    it.scopedLive(
      `C20 a reset that comes while reading is paused${name} is SocketBroken, Reset${
        readSize === undefined ? "" : ", with buffers that are used again"
      }`,
      () =>
        Effect.gen(function*() {
          const both = yield* ends("tcp", readSize === undefined ? {} : { readSize })
          yield* pausedAtMark(both)
          yield* breakIt(both)
          const { error } = yield* drained(both.socket)
          expect(error).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
        }).pipe(Effect.provide(NodeNet.layer))
    )
  }
}

it.scopedLive("C20 a reset that comes together with the last bytes is SocketBroken, Reset, also without a pause", () =>
  Effect.gen(function*() {
    const { peer, socket } = yield* ends("tcp", { highWaterMark: 1 << 20 })
    const read = yield* Effect.fork(drained(socket))
    yield* Effect.yieldNow()
    yield* Effect.async<void>((resume) => {
      setImmediate(() => {
        // Both system calls are made before our end is looked at.
        peer.write(new Uint8Array(3000))
        peer.resetAndDestroy()
        resume(Effect.void)
      })
    })
    expect((yield* Fiber.join(read)).error).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
  }).pipe(Effect.provide(NodeNet.layer)))

it.scopedLive("C20 a Unix-domain peer that closes with our bytes unread, while reading is paused, is SocketBroken, Reset", () =>
  Effect.gen(function*() {
    const both = yield* ends("unix")
    yield* both.socket.send("never read")
    yield* both.socket.flush
    yield* pausedAtMark(both)
    both.peer.destroy()
    yield* closed(both.peer)
    expect((yield* drained(both.socket)).error).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
  }).pipe(Effect.provide(NodeNet.layer)))

for (const kind of ["tcp", "unix"] as const) {
  it.scopedLive(`C20 an end that comes while reading is paused is the end, and every byte before it arrives (${kind})`, () =>
    Effect.gen(function*() {
      const both = yield* ends(kind)
      yield* pausedAtMark(both)
      both.peer.end()
      const { bytes, error } = yield* drained(both.socket)
      expect([bytes, error._tag]).toEqual([mark + 5000, "SocketClosed"])
    }).pipe(Effect.provide(NodeNet.layer)))
}

it.scopedLive("C20 a reset after the peer's end takes nothing back: the peer had sent all", () =>
  Effect.gen(function*() {
    const both = yield* ends("tcp")
    yield* pausedAtMark(both)
    both.peer.end()
    yield* Effect.async<void>((resume) => {
      both.peer.once("finish", () => resume(Effect.void))
    })
    yield* reset(both.peer)
    const { bytes, error } = yield* drained(both.socket)
    expect([bytes, error._tag]).toEqual([mark + 5000, "SocketClosed"])
  }).pipe(Effect.provide(NodeNet.layer)))

it.scopedLive("C20 a socket of Node that was reset before it is taken over is SocketBroken, Reset", () =>
  Effect.gen(function*() {
    const server = NodeNetModule.createServer({ pauseOnConnect: true })
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    const accepted = new Promise<NodeNetModule.Socket>((resolve) => server.once("connection", resolve))
    yield* Effect.async<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    })
    const { port } = server.address() as NodeNetModule.AddressInfo
    const own = NodeNetModule.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    own.pause()
    yield* Effect.async<void>((resume) => {
      own.once("connect", () => resume(Effect.void))
    })
    const peer = yield* Effect.promise(() => accepted)
    yield* written(peer, new Uint8Array(3000))
    yield* reset(peer)
    const socket = yield* NodeSocket.fromNodeSocket(own, { linger: 0 })
    expect((yield* drained(socket)).error).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
  }).pipe(Effect.provide(NodeNet.layer)))
