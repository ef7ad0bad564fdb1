/** Deadlines that come late: a turn of this process that took longer than a time-out is not the peer's fault. */
import type { SocketOptions } from "@copas/core"
import { Dns, Net, Socket, SocketError, Tls, Transport, Udp } from "@copas/core"
import { NodeDns, NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import * as Certificates from "./certificates.js"
import * as Fixture from "./tls/fixture.js"

/** The peer, in a thread of its own: it does its job while this one is blocked, and then raises the flag. */
const peerProgram = `
  const { parentPort, workerData } = require("node:worker_threads")
  const net = require("node:net"), tls = require("node:tls"), dgram = require("node:dgram")
  const flag = new Int32Array(workerData.flag)
  const raise = () => { Atomics.store(flag, 0, 1); Atomics.notify(flag, 0) }
  let connection, read = 0, wanted = Infinity, ended = false
  const look = () => { if (read >= wanted) { wanted = Infinity; raise() } }
  const plain = net.createServer({ allowHalfOpen: true }, (socket) => {
    connection = socket
    read = 0
    socket.on("data", (chunk) => { read += chunk.length; look() })
    socket.on("end", () => { socket.end(); parentPort.postMessage({ total: read }) })
    socket.on("error", () => parentPort.postMessage({ total: read }))
    socket.pause()
    parentPort.postMessage({ accepted: true })
  })
  const secure = tls.createServer(workerData.tls)
  // The server's flight goes out in the call that makes its keys.
  secure.on("keylog", () => setImmediate(raise))
  secure.on("tlsClientError", () => {})
  const udp = dgram.createSocket("udp4")
  const jobs = {
    write: () => connection.write("late", raise),
    read: ({ bytes }) => { wanted = read + bytes; connection.resume(); look() },
    end: () => connection.end(raise),
    datagram: ({ port }) => udp.send("late", port, "127.0.0.1", raise),
    readAll: () => connection.resume(),
    handshake: () => {}
  }
  parentPort.on("message", (message) => jobs[message.job](message))
  plain.listen(0, "127.0.0.1", () => secure.listen(0, "127.0.0.1", () => udp.bind(0, "127.0.0.1", () =>
    parentPort.postMessage({ ports: { plain: plain.address().port, secure: secure.address().port } }))))
`

const timeout = 40

interface Peer {
  readonly plain: number
  readonly secure: number
  readonly tell: (job: object) => void
  /** The next message of the worker. */
  readonly message: Effect.Effect<any>
  /**
   * Blocks this thread until the peer did the job and the time-out (`millis`) has expired, from where timers come next in
   * the loop.
   */
  readonly blockFor: (job: object | undefined, millis?: number) => Effect.Effect<void>
}

const block = (until: number): void => {
  while (performance.now() < until) { /* This is the turn that takes too long. */ }
}

const startPeer: Effect.Effect<Peer, never, Scope.Scope | Fixture.TestPki> = Effect.gen(function*() {
  const { server } = yield* Fixture.TestPki
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const { certificate, key } = Certificates.identity(server)
  const worker = new Worker(peerProgram, {
    eval: true,
    workerData: { flag: flag.buffer, tls: { cert: certificate, key } }
  })
  yield* Effect.addFinalizer(() => Effect.promise(() => worker.terminate()))
  const inbox: Array<any> = []
  let wake = (): void => {}
  worker.on("message", (message) => {
    inbox.push(message)
    wake()
  })
  const message: Effect.Effect<any> = Effect.async<any>((resume) => {
    const look = (): void => {
      wake = inbox.length > 0 ? () => {} : look
      if (inbox.length > 0) resume(Effect.succeed(inbox.shift()))
    }
    look()
  })
  const { ports } = yield* message
  return {
    ...ports,
    message,
    tell: (job) => worker.postMessage(job),
    blockFor: (job, millis = timeout) =>
      Effect.async<void>((resume) => {
        setImmediate(() => {
          const until = performance.now() + 2 * millis
          if (job !== undefined) {
            worker.postMessage(job)
            // The flag may stand already; it is lowered afterwards, for the next job.
            Atomics.wait(flag, 0, 0)
            Atomics.store(flag, 0, 0)
          }
          block(until)
          resume(Effect.void)
        })
      })
  }
})

const connect = (peer: Peer, options: SocketOptions.CommonOptions = {}) =>
  Effect.tap(Net.connect({ host: "127.0.0.1", port: peer.plain, linger: 0, ...options }), () => peer.message)

layer(Layer.mergeAll(NodeNet.layer, Fixture.layer), { excludeTestServices: true })("late deadlines", (it) => {
  it.scoped("C17 bytes that are in the system when the receive time-out comes are received", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* connect(peer, { timeouts: { receive: timeout } })
      const read = yield* Effect.fork(socket.receiveExactly(4))
      yield* peer.blockFor({ job: "write" })
      expect(new TextDecoder().decode(yield* Fiber.join(read))).toBe("late")
    }))

  it.scoped("C17 an end that is in the system when the receive time-out comes is the end", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* connect(peer, { timeouts: { receive: timeout } })
      const read = yield* Effect.fork(Effect.flip(socket.receive()))
      yield* peer.blockFor({ job: "end" })
      expect((yield* Fiber.join(read))._tag).toBe("SocketClosed")
    }))

  it.scoped("C17 room that is in the system when the send time-out comes is used", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* connect(peer, { timeouts: { send: timeout }, sendHighWaterMark: 0 })
      const chunk = new Uint8Array(64 * 1024)
      // Until the system takes no more.
      let sent = 0
      for (;;) {
        const exit = yield* Effect.exit(socket.send(chunk))
        if (Exit.isFailure(exit)) break
        sent += chunk.length
      }
      const waiting = yield* Effect.fork(socket.flush)
      yield* Effect.yieldNow()
      yield* peer.blockFor({ job: "read", bytes: sent })
      expect(Exit.isSuccess(yield* Fiber.await(waiting))).toBe(true)
    }))

  it.scoped("C17 a datagram that is in the system when the receive time-out comes is received", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* Udp.bind({ host: "127.0.0.1", timeouts: { receive: timeout } })
      const read = yield* Effect.fork(socket.receiveFrom)
      yield* peer.blockFor({ job: "datagram", port: socket.port })
      expect(new TextDecoder().decode((yield* Fiber.join(read)).data)).toBe("late")
    }))

  it.scoped("C17 a datagram that the system has taken when the send time-out comes is sent", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* Udp.bind({ host: "127.0.0.1", timeouts: { send: timeout } })
      const sent = yield* Effect.fork(socket.sendTo("hello", { host: "127.0.0.1", port: peer.plain }))
      yield* Effect.yieldNow()
      yield* peer.blockFor(undefined)
      expect(Exit.isSuccess(yield* Fiber.await(sent))).toBe(true)
    }))

  it.scoped("C18 a connection that stands in the system when the connect time-out comes is given", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const connecting = yield* Effect.fork(connect(peer, { timeouts: { connect: timeout } }))
      yield* Effect.yieldNow()
      yield* peer.blockFor(undefined)
      expect(Socket.isSocket(yield* Fiber.join(connecting))).toBe(true)
    }))

  it.scoped("T02 a handshake whose answer is in the system when its time comes is done", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const context = yield* Fixture.clientContext({ handshakeTimeout: timeout })
      const socket = yield* Net.connect({ host: "127.0.0.1", port: peer.secure, linger: 0 })
      const upgrading = yield* Effect.fork(Tls.upgrade(socket, context, { serverName: "localhost" }))
      yield* Effect.yieldNow()
      yield* peer.blockFor({ job: "handshake" })
      expect(Exit.isSuccess(yield* Fiber.await(upgrading))).toBe(true)
    }))

  it.scoped("C24 what the system takes of the rest when the linger time comes counts as progress", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const total = 16 * 1024 * 1024
      // What comes after the late deadline is the peer's: its thread may have to wait for a processor.
      const linger = 500
      yield* Effect.scoped(Effect.gen(function*() {
        const socket = yield* connect(peer, { linger, sendHighWaterMark: total })
        yield* socket.send(new Uint8Array(total))
        const closing = yield* Effect.fork(Effect.ignore(socket.close))
        yield* Effect.yieldNow()
        yield* peer.blockFor({ job: "read", bytes: 128 * 1024 }, linger)
        peer.tell({ job: "readAll" })
        yield* Fiber.join(closing)
      }))
      expect((yield* peer.message).total).toBe(total)
    }))

  it.scoped("C17 what the system has when the time of `Transport.within` comes is the answer", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* connect(peer)
      const read = yield* Effect.fork(Transport.within(socket.receiveExactly(4), timeout, () => "too late"))
      yield* Effect.yieldNow()
      yield* peer.blockFor({ job: "write" })
      expect(new TextDecoder().decode(yield* Fiber.join(read))).toBe("late")
    }))

  it.scoped("S09 an answer of the system's look-up that is there when its time comes is given", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const dns = yield* Dns.Dns
      // Looked up once, so that whatever is loaded by the first look-up is there.
      yield* dns.nameInfo("127.0.0.1", 7)
      const asked = yield* Effect.fork(dns.nameInfo("127.0.0.1", 7))
      yield* Effect.yieldNow()
      yield* peer.blockFor(undefined)
      expect((yield* Fiber.join(asked)).host).not.toBe("")
    }).pipe(Effect.provide(NodeDns.layerWith({ timeout, tries: 1 }))))

  it.scoped("C17 nothing in the system is a time-out, also after such a turn", () =>
    Effect.gen(function*() {
      const peer = yield* startPeer
      const socket = yield* connect(peer, { timeouts: { receive: timeout } })
      const read = yield* Effect.fork(Effect.flip(socket.receive()))
      yield* peer.blockFor(undefined)
      expect(yield* Fiber.join(read)).toBeInstanceOf(SocketError.SocketTimeout)
    }))
})
