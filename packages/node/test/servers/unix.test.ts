/** Unix-domain sockets and datagrams with nc and socat. */
import { Copas, Net, Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryDirectory } from "../machine.js"

// socat and nc are peers that know nothing of us.

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Runs a program with `input`, which is then at its end, and gives what it printed. */
const run = (command: string, args: ReadonlyArray<string>, input: string) =>
  Effect.async<string>((resume) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] })
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
    child.stderr.on("data", (chunk: Buffer) => errors += chunk.toString())
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) =>
      resume(code === 0 ? Effect.succeed(output) : Effect.die(new Error(`${command} ended with ${code}: ${errors}`))))
    child.stdin.end(input)
    return Effect.sync(() =>
      child.kill("SIGKILL")
    )
  })

/** A program that runs as long as the scope; `ready` finds in its messages that it is. */
const start = (command: string, args: ReadonlyArray<string>, ready: RegExp) =>
  Effect.acquireRelease(
    Effect.async<{ readonly output: () => string; readonly kill: () => void }>((resume) => {
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      const look = (chunk: Buffer): void => {
        output += chunk.toString()
        if (ready.test(output)) resume(Effect.succeed({ output: () => output, kill: () => child.kill("SIGKILL") }))
      }
      child.stdout.on("data", look)
      child.stderr.on("data", look)
      child.on("error", (error) => resume(Effect.die(error)))
      child.on("exit", (code) => resume(Effect.die(new Error(`${command} ended with ${code}: ${output}`))))
    }),
    ({ kill }) => Effect.sync(kill)
  )

const shout = (
  socket: {
    readonly receiveLine: () => Effect.Effect<string, any>
    readonly send: (text: string) => Effect.Effect<void, any>
  }
) => Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line.toUpperCase()}\n`)))

const served = <A, E>(path: string, use: Effect.Effect<A, E>) =>
  Copas.run(Effect.gen(function*() {
    const listener = yield* Net.listen({ path, mode: 0o600 })
    const server = yield* Copas.addServer(listener, shout)
    return yield* Effect.ensuring(use, Copas.removeServer(server))
  }))

describe("Unix-domain sockets and datagrams with other programs", () => {
  it.live("S10 nc -U talks to a served path", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "nc.sock")
      expect(yield* served(path, run("nc", ["-N", "-U", path], "one\ntwo\n"))).toBe("ONE\nTWO\n")
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))

  it.live("S10 socat talks to a served path", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "socat.sock")
      const answer = yield* served(path, run("socat", ["-t5", "-", `UNIX-CONNECT:${path}`], "hello\n"))
      expect(answer).toBe("HELLO\n")
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))

  it.live("S10 we talk to a path that socat serves", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "server.sock")
      yield* start("socat", ["-d", "-d", `UNIX-LISTEN:${path},fork`, "EXEC:cat"], /listening on/)
      const socket = yield* Net.connect({ path })
      yield* socket.send("round trip\n")
      expect(yield* socket.receiveLine()).toBe("round trip")
      const error = yield* Effect.flip(Effect.scoped(Net.listen({ path })))
      expect(error).toMatchObject({ _tag: "BindError", reason: "AddressInUse" })
      yield* socket.send("still served\n")
      expect(yield* socket.receiveLine()).toBe("still served")
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))

  it.live("S10 the file that a killed socat left behind is taken over", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* temporaryDirectory, "left.sock")
      const { kill } = yield* start("socat", ["-d", "-d", `UNIX-LISTEN:${path},fork`, "EXEC:cat"], /listening on/)
      kill()
      yield* Effect.retry(Effect.flip(Effect.scoped(Net.connect({ path }))), { while: () => true })
      expect(Fs.existsSync(path)).toBe(true)
      expect(yield* served(path, run("nc", ["-N", "-U", path], "mine now\n"))).toBe("MINE NOW\n")
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))

  it.live("C05 socat gets its datagram back from a datagram server", () =>
    Copas.run(Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1" })
      const server = yield* Copas.addServer(socket, (socket) =>
        Effect.forever(Effect.flatMap(socket.receiveFrom, ({ data, from }) =>
          socket.sendTo(text(data).toUpperCase(), from))))
      const answer = yield* run("socat", ["-t1", "-", `UDP4:127.0.0.1:${socket.port}`], "datagram")
      expect(answer).toBe("DATAGRAM")
      yield* Copas.removeServer(server)
    })).pipe(Effect.provide(NodeCopas.layer)))

  it.live("S04 ttl is what the receiver sees of a datagram", () =>
    Effect.gen(function*() {
      const told = yield* Deferred.make<string>()
      const socket = yield* Udp.bind({ host: "127.0.0.1", ttl: 23, timeouts: { receive: "10 seconds" } })
      const probe = yield* Effect.scoped(Udp.bind({ host: "127.0.0.1" }))
      const { port } = probe.localAddress
      yield* start(
        "socat",
        ["-d", "-d", "-d", `UDP4-RECVFROM:${port},bind=127.0.0.1,ip-recvttl`, "SYSTEM:echo $SOCAT_IP_TTL"],
        /receiving on|recvfrom|select|poll/
      )
      yield* socket.sendTo("how far?", { host: "127.0.0.1", port })
      yield* Deferred.succeed(told, text(yield* socket.receive()).trim())
      expect(yield* Deferred.await(told)).toBe("23")
    }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))
})
