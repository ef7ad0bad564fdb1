/** Paths of Unix-domain sockets: length, links, stale files, abstract names. */
import { Net, SocketError, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import * as Fs from "node:fs"
import * as NodeNetwork from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Fixture from "../tls/fixture.js"
import { backTo, sockets } from "../tls/support.js"
import { turns } from "../turns.js"

const directory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "copas-unix-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** A socket file on which no process listens: closed without removing it, as by a process that was killed. */
const stale = (path: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const server = NodeNetwork.createServer().listen(path, () => {
      Fs.linkSync(path, `${path}.kept`)
      server.close(() => {
        Fs.renameSync(`${path}.kept`, path)
        resume(Effect.void)
      })
    })
  })

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  it.scoped("S10 the longest path that fits is served, a byte more is PathTooLong, counted in bytes", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const room = 107 - folder.length - 1
      const longest = Path.join(folder, "x".repeat(room))
      const listener = yield* Net.listen({ path: longest })
      const client = yield* Net.connect({ path: longest, linger: 0 })
      expect(Option.isNone((yield* listener.accept).tls)).toBe(true)
      yield* client.send("long\n")
      expect(Fs.readdirSync(folder)).toEqual(["x".repeat(room)])
      for (const name of ["x".repeat(room + 1), "é".repeat(Math.floor(room / 2) + 1), "x".repeat(5000)]) {
        const path = Path.join(folder, name)
        expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({ reason: "PathTooLong" })
        expect(yield* Effect.flip(Effect.scoped(Net.connect({ path })))).toMatchObject({ reason: "PathTooLong" })
      }
      // No shorter one was made in its stead.
      expect(Fs.readdirSync(folder)).toEqual(["x".repeat(room)])
    }))

  it.scoped("S10 a path that is empty or has a NUL in it is an InvalidOption, and nothing is made", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      for (const path of ["", Path.join(folder, "a\0b"), "\0a\0b", "\0"]) {
        for (const open of [Net.listen({ path }), Net.connect({ path })]) {
          expect(yield* Effect.flip(Effect.scoped(Effect.asVoid(open as Effect.Effect<unknown, unknown, Net.Net>))))
            .toMatchObject({ _tag: "InvalidOption", option: "path" })
        }
      }
      expect(Fs.readdirSync(folder)).toEqual([])
    }))

  it.scoped.skipIf(process.platform !== "linux")(
    "S10 abstract names: the longest, its end with the listener, and no file",
    () =>
      Effect.gen(function*() {
        const unique = `copas-unix-${process.pid}-`
        const path = `\0${unique}${"x".repeat(106 - unique.length)}`
        yield* Effect.scoped(Effect.gen(function*() {
          const listener = yield* Net.listen({ path })
          const client = yield* Net.connect({ path, linger: 0 })
          yield* client.send("abstract\n")
          expect(yield* (yield* listener.accept).receiveLine()).toBe("abstract")
          expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({ reason: "AddressInUse" })
          expect(yield* Effect.flip(Effect.scoped(Net.listen({ path: `${path}x` })))).toMatchObject({
            reason: "PathTooLong"
          })
        }))
        // The system has let go of it.
        expect(yield* Effect.flip(Effect.scoped(Net.connect({ path })))).toMatchObject({ reason: "Refused" })
        yield* Net.listen({ path })
      })
  )

  it.scoped("S10 what is there and is no socket is neither served nor removed, and both say NotASocket", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const file = Path.join(folder, "file")
      Fs.writeFileSync(file, "precious")
      Fs.mkdirSync(Path.join(folder, "folder"))
      Fs.symlinkSync("nowhere", Path.join(folder, "dangling"))
      Fs.symlinkSync("file", Path.join(folder, "link"))
      for (const name of ["file", "folder", "dangling", "link"]) {
        const path = Path.join(folder, name)
        expect([name, yield* Effect.flip(Effect.scoped(Net.listen({ path })))]).toMatchObject([
          name,
          { _tag: "BindError", reason: "NotASocket" }
        ])
        const error = yield* Effect.flip(Effect.scoped(Net.connect({ path })))
        // A link that leads nowhere is followed.
        const reason = name === "dangling" ? "PathNotFound" : "NotASocket"
        expect([name, error]).toMatchObject([name, { _tag: "ConnectError", reason }])
      }
      expect(Fs.readFileSync(file, "utf8")).toBe("precious")
      expect(Fs.readdirSync(folder).sort()).toEqual(["dangling", "file", "folder", "link"])
    }))

  it.scoped("S10 a symbolic link to somebody's live socket is not taken over, and one to a stale one does no harm", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const live = Path.join(folder, "live")
      const link = Path.join(folder, "link")
      yield* Net.listen({ path: live })
      Fs.symlinkSync("live", link)
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path: link })))).toMatchObject({ reason: "AddressInUse" })
      yield* Net.connect({ path: live, linger: 0 })
      const dead = Path.join(folder, "dead")
      yield* stale(dead)
      Fs.symlinkSync("dead", Path.join(folder, "to-dead"))
      // The link is no socket: it stays, and so does what it leads to.
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path: Path.join(folder, "to-dead") })))).toMatchObject({
        reason: "AddressInUse"
      })
      expect(Fs.lstatSync(dead).isSocket()).toBe(true)
    }))

  it.scoped("S10 a stale file is taken over with the mode that was asked for, and is gone at the end", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* directory, "stale.sock")
      yield* stale(path)
      Fs.chmodSync(path, 0o777)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Net.listen({ path, mode: 0o600 })
        expect(Fs.lstatSync(path).mode & 0o777).toBe(0o600)
        yield* Net.connect({ path, linger: 0 })
      }))
      expect(Fs.readdirSync(Path.dirname(path))).toEqual([])
    }))

  it.scoped("S10 a listener whose backlog is full is alive: its file is not taken over", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* directory, "full.sock")
      const server = yield* Effect.acquireRelease(
        Effect.async<NodeNetwork.Server>((resume) => {
          const server = NodeNetwork.createServer()
          server.listen({ path, backlog: 1 }, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({ reason: "AddressInUse" })
      expect(server.listening).toBe(true)
      expect(Fs.lstatSync(path).isSocket()).toBe(true)
    }))

  it.scoped("S10 interrupting a listen that takes a stale file over, anywhere, leaves no descriptor and no file aside", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const before = yield* sockets
      for (let round = 0; round < 16; round += 1) {
        const path = Path.join(folder, "stale.sock")
        yield* stale(path)
        const fiber = yield* Effect.fork(Effect.scoped(Net.listen({ path })))
        yield* turns(round >> 1)
        yield* Fiber.interrupt(fiber)
        yield* turns(4)
        expect(Fs.readdirSync(folder).filter((name) => name !== "stale.sock")).toEqual([])
        Fs.rmSync(path, { force: true })
      }
      yield* backTo(before)
    }))

  it.scoped("S10 T02 TLS goes over a Unix-domain socket as over any other, and verifies the name that is given", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* directory, "tls.sock")
      const listener = yield* Net.listen({ path, linger: 0, tls: yield* Fixture.serverContext() })
      const context = yield* Fixture.clientContext()
      const connect = (serverName: string) => Net.connect({ path, linger: 0, tls: { context, serverName } })
      const [client, server] = yield* Effect.all([connect("localhost"), listener.accept], { concurrency: 2 })
      yield* client.send("secret\n")
      expect(yield* server.receiveLine()).toBe("secret")
      expect(Fixture.tlsOf(server).serverName).toEqual(Option.some("localhost"))
      const wrong = yield* Effect.flip(connect("elsewhere.test"))
      expect(wrong).toMatchObject({ _tag: "TlsError", reason: "WrongHost" })
      // And by an upgrade.
      const plain = Path.join(yield* directory, "plain.sock")
      const clear = yield* Net.listen({ path: plain, linger: 0 })
      const [one, other] = yield* Effect.all([Net.connect({ path: plain, linger: 0 }), clear.accept], {
        concurrency: 2
      })
      const serving = yield* Effect.fork(Tls.upgrade(other, yield* Fixture.serverContext()))
      yield* Tls.upgrade(one, context, { serverName: "localhost" })
      yield* Fiber.join(serving)
      yield* one.send("x\n")
      expect(yield* other.receiveLine()).toBe("x")
    }))

  it.scoped("S10 a folder that may not be written to is AccessDenied where the system denies it", () =>
    Effect.gen(function*() {
      if (process.getuid?.() === 0) return
      const folder = yield* directory
      Fs.chmodSync(folder, 0o500)
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path: Path.join(folder, "x") })))).toBeInstanceOf(
        SocketError.BindError
      )
      Fs.chmodSync(folder, 0o700)
    }))
})
