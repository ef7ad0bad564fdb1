/** Unix-domain sockets on Node: files, modes, both directions. */
import type { Listener } from "@copas/core"
import { Copas, Net, NetAddress, SocketError } from "@copas/core"
import { NodeCopas, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Scope } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryDirectory } from "../machine.js"

const modeOf = (path: string): number => Fs.lstatSync(path).mode & 0o777

const echoOnce = (listener: Listener.Listener) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* listener.accept
    yield* socket.send(`${yield* socket.receiveLine()}\n`)
  }))

const ask = (path: string, line: string) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* Net.connect({ path })
    yield* socket.send(`${line}\n`)
    return yield* socket.receiveLine()
  }))

/** A socket file that a process left behind when it was killed. */
const staleSocket = (path: string) =>
  Effect.async<void>((resume) => {
    const program = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("listening"))`
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })
    child.stdout.once("data", () => child.kill("SIGKILL"))
    child.once("exit", () =>
      resume(Fs.existsSync(path) ? Effect.void : Effect.die(new Error("the process left no socket file behind"))))
  })

describe("Unix-domain sockets on Node", () => {
  it.scoped("S10 a line goes there and back, and the file is gone when the scope has ended", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "echo.sock")
      yield* Effect.scoped(Effect.gen(function*() {
        const listener = yield* Net.listen({ path })
        expect(listener.address).toEqual(NetAddress.unix(path))
        expect(listener.path).toBe(path)
        yield* Effect.fork(echoOnce(listener))
        expect(yield* ask(path, "hello")).toBe("hello")
        expect(Fs.lstatSync(path).isSocket()).toBe(true)
      }))
      expect(Fs.existsSync(path)).toBe(false)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 the file has the mode that was asked for, narrower and wider than the process's mask", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const mask = process.umask()
      for (const mode of [0o600, 0o660, 0o666, 0o777]) {
        const path = Path.join(folder, `mode-${mode.toString(8)}.sock`)
        yield* Net.listen({ path, mode })
        expect(modeOf(path)).toBe(mode)
      }
      expect(process.umask()).toBe(mask)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 at no moment has the file more permissions than the mode allows", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const seen = new Set<number>()
      const chmod = Fs.chmodSync
      // The file exists before its mode is set: this is what others could see meanwhile.
      const spied = (path: Fs.PathLike, mode: Fs.Mode): void => {
        seen.add(modeOf(String(path)))
        chmod(path, mode)
      }
      const fs = yield* Effect.promise(() => import("node:module")).pipe(
        Effect.map((module) => ({ fs: (process as any).getBuiltinModule?.("node:fs") ?? Fs, module }))
      )
      yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          fs.fs.chmodSync = spied
          fs.module.syncBuiltinESMExports()
        }),
        () => Effect.scoped(Net.listen({ path: Path.join(folder, "narrow.sock"), mode: 0o600 })),
        () =>
          Effect.sync(() => {
            fs.fs.chmodSync = chmod
            fs.module.syncBuiltinESMExports()
          })
      )
      expect([...seen]).toEqual([0o600])
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a mode that is none is an InvalidOption", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Net.listen({ path: "/tmp/x.sock", mode: 0o1000 })))
      expect(error).toBeInstanceOf(SocketError.InvalidOption)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a socket file that a killed process left behind is taken over", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "stale.sock")
      yield* staleSocket(path)
      const refused = yield* Effect.flip(ask(path, "anybody?"))
      expect(refused).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
      const listener = yield* Net.listen({ path, mode: 0o600 })
      expect(modeOf(path)).toBe(0o600)
      yield* Effect.fork(echoOnce(listener))
      expect(yield* ask(path, "alive")).toBe("alive")
      expect(Fs.readdirSync(Path.dirname(path))).toEqual(["stale.sock"])
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a stale file stays where takeOver is false", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "stale.sock")
      yield* staleSocket(path)
      const error = yield* Effect.flip(Effect.scoped(Net.listen({ path, takeOver: false })))
      expect(error).toMatchObject({ _tag: "BindError", reason: "AddressInUse", target: path })
      expect(Fs.existsSync(path)).toBe(true)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 of many that find the same stale file one takes it over, and keeps it", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "race.sock")
      yield* staleSocket(path)
      const all = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => Effect.either(Net.listen({ path })), {
        concurrency: "unbounded"
      })
      const winners = all.filter(Either.isRight)
      expect(winners).toHaveLength(1)
      yield* Effect.fork(echoOnce(winners[0]!.right))
      expect(yield* ask(path, "mine")).toBe("mine")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a path on which somebody listens is in use, and its listener continues", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "busy.sock")
      const first = yield* Net.listen({ path })
      const error = yield* Effect.flip(Effect.scoped(Net.listen({ path })))
      expect(error).toMatchObject({ _tag: "BindError", reason: "AddressInUse" })
      // The probe that asked whether somebody listens came in, and has gone.
      yield* Effect.scoped(first.accept)
      yield* Effect.fork(echoOnce(first))
      expect(yield* ask(path, "still here")).toBe("still here")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a file that is no socket is left alone", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "precious.txt")
      Fs.writeFileSync(path, "precious")
      const error = yield* Effect.flip(Effect.scoped(Net.listen({ path })))
      expect(error).toMatchObject({ _tag: "BindError", reason: "NotASocket" })
      expect(Fs.readFileSync(path, "utf8")).toBe("precious")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a socket that somebody else has put at the path meanwhile stays when ours is closed", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "replaced.sock")
      const scope = yield* Effect.scope
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Net.listen({ path })
        Fs.unlinkSync(path)
        const other = yield* Scope.extend(Net.listen({ path }), scope)
        yield* Effect.forkIn(echoOnce(other), scope)
      }))
      expect(yield* ask(path, "the other one")).toBe("the other one")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a path that is too long is PathTooLong, to listen on and to connect to", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "x".repeat(120))
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({
        _tag: "BindError",
        reason: "PathTooLong"
      })
      expect(yield* Effect.flip(Effect.scoped(Net.connect({ path })))).toMatchObject({
        _tag: "ConnectError",
        reason: "PathTooLong"
      })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S10 a folder that is not there is PathNotFound, to listen in and to connect to", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "no-such-folder", "x.sock")
      expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({
        _tag: "BindError",
        reason: "PathNotFound"
      })
      expect(yield* Effect.flip(Effect.scoped(Net.connect({ path })))).toMatchObject({
        _tag: "ConnectError",
        reason: "PathNotFound"
      })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped.skipIf(process.platform !== "linux")(
    "S10 an abstract name needs no file, and has no mode",
    () =>
      Effect.gen(function*() {
        const path = `\0copas-test-${process.pid}`
        const listener = yield* Net.listen({ path })
        expect(NetAddress.format(listener.address)).toBe(`@copas-test-${process.pid}`)
        yield* Effect.fork(echoOnce(listener))
        expect(yield* ask(path, "abstract")).toBe("abstract")
        expect(yield* Effect.flip(Effect.scoped(Net.listen({ path: "\0other", mode: 0o600 })))).toMatchObject({
          _tag: "UnsupportedOption",
          option: "mode"
        })
        expect(yield* Effect.flip(Effect.scoped(Net.listen({ path })))).toMatchObject({ reason: "AddressInUse" })
      }).pipe(Effect.provide(NodeNet.layer))
  )

  it.live("S10 a dispatcher serves a path as it serves a port", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "served.sock")
      const answer = yield* Copas.run(Effect.gen(function*() {
        const listener = yield* Net.listen({ path })
        const server = yield* Copas.addServer(
          listener,
          (socket) => Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}!\n`))
        )
        const answer = yield* ask(path, "hi")
        yield* Copas.removeServer(server)
        return answer
      }))
      expect(answer).toBe("hi!")
      expect(Fs.existsSync(path)).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))
})
