/** The reasons of errors that a real system gives: for paths, zones, groups and large datagrams. */
import { Net, SocketError, Udp } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import { Effect, Either } from "effect"
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as NodeNetwork from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { hasIpv6, temporaryDirectory } from "../machine.js"

const isLinux = process.platform === "linux"
const hasPerl = spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0

/** Why the path cannot be connected to. */
const connecting = (path: string) =>
  Effect.scoped(Net.connect({ path })).pipe(
    Effect.flip,
    Effect.filterOrDie((error) => error._tag === "ConnectError", (error) => error)
  )

/** Why the path cannot be listened on. */
const listening = (path: string, takeOver = true) =>
  Effect.scoped(Net.listen({ path, takeOver })).pipe(
    Effect.flip,
    Effect.filterOrDie((error) => error._tag === "BindError", (error) => error)
  )

/** What it is, what to do, and nothing of ports. */
const tells = (error: { readonly message: string }, ...parts: ReadonlyArray<string>): void => {
  for (const part of parts) expect(error.message).toContain(part)
  expect(error.message).not.toMatch(/\bports?\b|see the cause/)
}

/** A process that has a socket of a type at the path, for as long as the scope lasts. */
const holding = (path: string, type: "SOCK_DGRAM" | "SOCK_SEQPACKET") =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof spawn>>((resume) => {
      const program = `
        socket(my $s, AF_UNIX, ${type}, 0) or die $!;
        bind($s, sockaddr_un($ARGV[0])) or die $!;
        ${type === "SOCK_SEQPACKET" ? "listen($s, 1) or die $!;" : ""}
        $| = 1; print "ready"; <STDIN>;
      `
      const child = spawn("perl", ["-MSocket", "-e", program, path], { stdio: ["pipe", "pipe", "inherit"] })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
    }),
    (child) =>
      Effect.async<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.stdin!.end()
      })
  )

layer(NodeNet.layer, { excludeTestServices: true })((it) => {
  it.scoped("S10 a file where a folder should be is BadPath, and so are links that form a loop", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      Fs.writeFileSync(Path.join(folder, "file"), "")
      Fs.symlinkSync("loop", Path.join(folder, "loop"))
      for (const name of ["file/x.sock", "loop/x.sock"]) {
        const path = Path.join(folder, name)
        for (const error of [yield* connecting(path), yield* listening(path)]) {
          expect([name, error.reason, error.transport]).toEqual([name, "BadPath", "unix"])
          tells(error, path, "BadPath", "folder", "correct the path")
        }
      }
      const loop = Path.join(folder, "loop")
      expect((yield* connecting(loop)).reason).toBe("BadPath")
      expect((yield* listening(loop)).reason).toBe("NotASocket")
    }))

  it.scoped("S10 a path that is not there is PathNotFound, of a listener its folder", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const missing = Path.join(folder, "missing.sock")
      tells(yield* connecting(missing), "PathNotFound", "nothing is at the path", "start the server")
      const within = Path.join(folder, "no", "such", "x.sock")
      tells(yield* connecting(within), "PathNotFound")
      const error = yield* listening(within)
      expect(error.reason).toBe("PathNotFound")
      tells(error, "the folder of the path is not there", "make it first")
      expect((yield* listening(`${Path.join(folder, "new")}/`)).reason).toBe("PathNotFound")
      expect(Fs.readdirSync(folder)).toEqual([])
      // A name without a folder is in the current one, which is there.
      yield* Effect.scoped(Net.listen({ path: `copas-${process.pid}.sock` }))
    }))

  it.scoped("S10 a file or a folder at the path is NotASocket, and the advice does not speak of another socket", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const file = Path.join(folder, "notes.txt")
      Fs.writeFileSync(file, "precious")
      for (const path of [file, folder]) {
        const connected = yield* connecting(path)
        expect(connected.reason).toBe("NotASocket")
        tells(connected, "what is at the path is not a socket", "check the path")
        const listened = yield* listening(path)
        expect(listened.reason).toBe("NotASocket")
        tells(listened, "not a socket", "was left alone", "remove it, or use another path")
        expect(listened.message).not.toContain("another socket")
      }
      expect(Fs.readFileSync(file, "utf8")).toBe("precious")
    }))

  it.scoped("S10 a path that is taken is AddressInUse, and the advice is for a path", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "taken.sock")
      yield* Net.listen({ path })
      for (const takeOver of [true, false]) {
        const error = yield* listening(path, takeOver)
        expect(error.reason).toBe("AddressInUse")
        tells(error, "a socket is there already", "stop its program", "use another path", "`takeOver`")
      }
    }))

  it.scoped.skipIf(!hasPerl)(
    "S10 a path of a socket that is not for streams is WrongSocketType, and is not taken over",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporaryDirectory
        for (const type of isLinux ? ["SOCK_DGRAM", "SOCK_SEQPACKET"] as const : ["SOCK_DGRAM"] as const) {
          const path = Path.join(folder, type)
          yield* holding(path, type)
          const error = yield* connecting(path)
          expect([type, error.reason]).toEqual([type, "WrongSocketType"])
          tells(error, "not for streams", "check the path")
          expect((yield* listening(path)).reason).toBe("AddressInUse")
          expect(Fs.lstatSync(path).isSocket()).toBe(true)
        }
      })
  )

  // Other systems refuse what is too much.
  it.scoped.skipIf(!isLinux)(
    "S10 connecting to a listener whose backlog is full is BacklogFull",
    () =>
      Effect.gen(function*() {
        const path = Path.join(yield* temporaryDirectory, "full.sock")
        yield* Effect.acquireRelease(
          Effect.async<NodeNetwork.Server>((resume) => {
            const server = NodeNetwork.createServer((socket) => socket.destroy())
            server.listen({ path, backlog: 1 }, () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => void server.close())
        )
        // All of them in one turn, in which the listener accepts none.
        const all = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.either(Effect.scoped(Net.connect({ path, linger: 0 }))),
          { concurrency: "unbounded" }
        )
        const errors = all.filter(Either.isLeft).map(({ left }) => left)
        expect(errors.length).toBeGreaterThan(0)
        for (const error of errors) {
          expect(error).toMatchObject({ _tag: "ConnectError", reason: "BacklogFull" })
          tells(error, "try again", "`backlog`")
        }
      })
  )

  it.scoped.skipIf(!isLinux)("S10 an abstract name that no listener has is Refused", () =>
    Effect.gen(function*() {
      const error = yield* connecting(`\0copas-nobody-${process.pid}`)
      expect(error.reason).toBe("Refused")
      tells(error, `@copas-nobody-${process.pid}`, "nothing listens there")
    }))

  it.scoped("S01 a local address of another family is AddressNotAvailable", () =>
    Effect.gen(function*() {
      if (!hasIpv6) return
      const error = yield* Effect.flip(
        Effect.scoped(Net.connect({ host: "127.0.0.1", port: 9, localAddress: "::1" }))
      )
      expect(error).toMatchObject({ _tag: "ConnectError", reason: "AddressNotAvailable" })
      expect(error.message).toContain("not of the peer's family")
    }))

  it.scoped("S01 S04 a zone of no interface of this machine is ZoneMissing, of the local address too", () =>
    Effect.gen(function*() {
      if (!hasIpv6 || !isLinux) return
      const host = "fe80::1%nosuch0"
      const errors = [
        yield* Effect.flip(Effect.scoped(Net.connect({ host, port: 9 }))),
        yield* Effect.flip(Effect.scoped(Net.listen({ host, port: 0 }))),
        yield* Effect.flip(Effect.scoped(Udp.bind({ host }))),
        yield* Effect.flip(Effect.scoped(Net.connect({ host: "::1", port: 9, localAddress: "fe80::1" })))
      ]
      for (const error of errors) {
        expect(error).toMatchObject({ reason: "ZoneMissing" })
        expect(error.message).toContain("needs an interface of this machine as its zone")
      }
    }))

  it.scoped("S08 a source that is heard already is AddressInUse, as a group is", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "0.0.0.0" })
      const source = { interface: "127.0.0.1", source: "127.0.0.1" }
      yield* socket.join("232.1.1.8", source)
      const error = yield* Effect.flip(socket.join("232.1.1.8", source))
      expect(error).toMatchObject({ _tag: "DatagramError", reason: "AddressInUse", operation: "join" })
      expect(error.message).toContain("a member of the group already")
    }))

  it.scoped.skipIf(!isLinux)("S08 more groups than the system allows is TooManyGroups", () =>
    Effect.gen(function*() {
      const most = Number(Fs.readFileSync("/proc/sys/net/ipv4/igmp_max_memberships", "utf8"))
      if (most > 200) return
      const socket = yield* Udp.bind({ host: "0.0.0.0" })
      const join = (index: number) => socket.join(`239.255.78.${index}`, { interface: "127.0.0.1" })
      for (let index = 1; index <= most; index += 1) yield* join(index)
      const error = yield* Effect.flip(join(most + 1))
      expect(error).toMatchObject({ _tag: "DatagramError", reason: "TooManyGroups", operation: "join" })
      expect(error.message).toContain("leave one, or join with another socket")
    }))

  it.scoped.skipIf(!hasIpv6)(
    "S08 an IPv6 interface that is not here is AddressNotAvailable, not any interface",
    () =>
      Effect.gen(function*() {
        const socket = yield* Udp.bind({ host: "::1" })
        const error = yield* Effect.flip(Effect.scoped(socket.join("ff01::7a", { interface: "::%nosuch0" })))
        expect(error).toMatchObject({ _tag: "DatagramError", reason: "AddressNotAvailable", operation: "join" })
        expect(error.message).toContain("there is no such address or interface on this machine")
        const refused = yield* Effect.flip(socket.setOption("multicastInterface", "::%nosuch0"))
        expect(refused.message).toContain("must be the address of an interface of this machine (the system says ")
        const loopback = Object.keys(Os.networkInterfaces()).find((name) => name.startsWith("lo"))
        yield* Effect.scoped(socket.join("ff01::7a", { interface: `::%${loopback}` }))
        yield* socket.setOption("multicastInterface", `::%${loopback}`)
      })
  )

  it.scoped("S04 a datagram that is too large says how many bytes cannot be sent", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1" })
      const error = yield* Effect.flip(socket.sendTo(new Uint8Array(65_508), { host: "127.0.0.1", port: 9 }))
      expect(error).toBeInstanceOf(SocketError.MessageTooLong)
      expect(error.message).toMatch(/a datagram of more than 65507 bytes cannot be sent here; send less at a time$/)
    }))

  it.scoped("S04 the address of no interface is an InvalidOption that says so", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1" })
      const error = yield* Effect.flip(socket.setOption("multicastInterface", "192.0.2.77"))
      expect(error).toMatchObject({ _tag: "InvalidOption", option: "multicastInterface" })
      expect(error.message).toContain("must be the address of an interface of this machine (the system says ")
    }))
})
