/** What only a peer that is not Node can show. */
import type { TlsConnection } from "@copas/core"
import { Copas, Net, type Socket, Tls, type TlsContext } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Certificates from "../certificates.js"
import { temporaryDirectory } from "../machine.js"
import * as Fixture from "../tls/fixture.js"

interface Program {
  readonly output: () => string
  readonly type: (text: string) => void
  readonly prints: (pattern: RegExp) => Effect.Effect<string>
  readonly exit: Effect.Effect<string>
}

/** `openssl s_client`, which the scope ends. */
const sClient = (port: number, ...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args], { stdio: "pipe" })),
      (child) =>
        Effect.async<void>((resume) => {
          child.once("close", () => resume(Effect.void))
          if (child.exitCode !== null || !child.kill("SIGKILL")) resume(Effect.void)
        })
    ),
    (child): Program => {
      let output = ""
      let isOver = false
      const waiting = new Set<() => void>()
      const changed = (): void => waiting.forEach((look) => look())
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          output += chunk.toString("latin1")
          changed()
        })
      }
      child.stdin.on("error", () => undefined)
      child.on("close", () => {
        isOver = true
        changed()
      })
      const until = (isSo: () => boolean): Effect.Effect<string> =>
        Effect.async((resume) => {
          const look = (): void => {
            if (!isSo()) return
            waiting.delete(look)
            resume(Effect.succeed(output))
          }
          waiting.add(look)
          look()
        })
      return {
        output: () => output,
        type: (text) => void child.stdin.write(text),
        prints: (pattern) =>
          Effect.filterOrDieMessage(
            until(() => pattern.test(output) || isOver),
            (shown) => pattern.test(shown),
            `it ended without ${pattern}`
          ),
        exit: until(() => isOver)
      }
    }
  )

const write = (directory: string, name: string, text: string): Effect.Effect<string> => {
  const path = Path.join(directory, name)
  return Effect.as(Effect.promise(() => Fs.writeFile(path, text)), path)
}

const echo = (options: TlsContext.ServerOptions, seen: Array<TlsConnection.TlsConnection> = []) =>
  Effect.gen(function*() {
    const failures: Array<unknown> = []
    const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext(options) })
    yield* Copas.addServer(listener, (socket: Socket.Socket) => {
      seen.push(Fixture.tlsOf(socket))
      return Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => socket.send(`echo ${line}\n`)))
    }, { onError: (cause) => Effect.sync(() => void failures.push(cause)) })
    return { port: listener.port, failures, listener }
  })

layer(Layer.merge(NodeCopas.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  it.scoped("T02 s_client that renegotiates (R, TLS 1.2) is refused, and others are served", () =>
    Effect.gen(function*() {
      const { port } = yield* echo({})
      for (const legacy of [[], ["-legacy_renegotiation"]]) {
        const client = yield* sClient(port, "-tls1_2", ...legacy)
        client.type("before\n")
        yield* client.prints(/echo before/)
        expect(client.output()).toMatch(/Secure Renegotiation IS supported/)
        // A line of its own: what s_client reads at once must begin with the letter.
        client.type("R\n")
        yield* client.prints(/RENEGOTIATING/)
        const shown = yield* client.exit
        expect(shown).toMatch(/no renegotiation/i)
      }
      const other = yield* sClient(port)
      other.type("after\n")
      yield* other.prints(/echo after/)
    }))

  it.scoped("T02 key updates of TLS 1.3 (k, K) continue in the middle of a conversation", () =>
    Effect.gen(function*() {
      const { port } = yield* echo({})
      const client = yield* sClient(port, "-tls1_3")
      client.type("one\n")
      yield* client.prints(/echo one/)
      for (const letter of ["k", "K"]) {
        client.type(`${letter}\n`)
        yield* client.prints(/KEYUPDATE/)
        client.type(`after ${letter === "k" ? "one side" : "both"}\n`)
        yield* client.prints(letter === "k" ? /echo after one side/ : /echo after both/)
      }
    }))

  it.scoped("T02 TLS 1.0 and 1.1, compression and SSL 3 are not had by default", () =>
    Effect.gen(function*() {
      const { port } = yield* echo({})
      for (const flag of ["-tls1", "-tls1_1"]) {
        const shown = yield* (yield* sClient(port, flag, "-cipher", "ALL:@SECLEVEL=0")).exit
        expect(shown).toMatch(/alert protocol version|no protocols available/)
      }
      const client = yield* sClient(port, "-tls1_2", "-comp")
      client.type("x\n")
      yield* client.prints(/echo x/)
      expect(client.output()).toMatch(/Compression: NONE/)
    }))

  for (const flag of ["-tls1_2", "-tls1_3"]) {
    it.scoped(`T03 T10 T12 s_client cannot take its session from one name to another where certificates are asked for (${flag})`, () =>
      Effect.gen(function*() {
        const { root, server } = yield* Fixture.TestPki
        const directory = yield* temporaryDirectory
        const others = yield* Effect.promise(() => Certificates.authority({ name: "Others" }))
        const mallory = yield* Fixture.makePromise({ name: "mallory", usage: "client", issuer: others })
        const own = Certificates.identity(server)
        const seen: Array<TlsConnection.TlsConnection> = []
        const { port } = yield* echo({
          serverNames: {
            "ours.copas.test": yield* Tls.server({ identity: own, clientCertificates: "require", ca: root.pem }),
            "theirs.copas.test": yield* Tls.server({ identity: own, clientCertificates: "require", ca: others.pem })
          }
        }, seen)
        const shown = [
          "-cert",
          yield* write(directory, "mallory.pem", mallory.pem),
          "-key",
          yield* write(directory, "mallory-key.pem", mallory.key)
        ]
        const session = Path.join(directory, "session.pem")
        const theirs = yield* sClient(port, flag, "-servername", "theirs.copas.test", ...shown, "-sess_out", session)
        theirs.type("one\n")
        yield* theirs.prints(/echo one/)
        theirs.type("Q\n")
        yield* theirs.exit
        expect(seen.map(({ authorization }) => authorization._tag)).toEqual(["Verified"])
        const kept = yield* Effect.promise(() => Fs.stat(session).then(() => true, () => false))
        const ours = yield* sClient(
          port,
          flag,
          "-servername",
          "ours.copas.test",
          ...(kept ? ["-sess_in", session] : [])
        )
        ours.type("two\n")
        expect(yield* ours.exit).not.toContain("echo two")
        expect(seen).toHaveLength(1)
      }))

    it.scoped(`T03 T10 a session that s_client resumes has its name (${flag})`, () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        const { server } = yield* Fixture.TestPki
        const seen: Array<TlsConnection.TlsConnection> = []
        const named = yield* Tls.server({ identity: Certificates.identity(server) })
        const { port } = yield* echo({ serverNames: { "a.copas.test": named }, unknownServerName: "refuse" }, seen)
        const session = Path.join(directory, "session.pem")
        for (const file of [["-sess_out", session], ["-sess_in", session]]) {
          const client = yield* sClient(port, flag, "-servername", "a.copas.test", ...file)
          client.type("x\n")
          yield* client.prints(/echo x/)
          client.type("Q\n")
          yield* client.exit
        }
        expect(seen.map(({ isResumed, serverName }) => [isResumed, Option.getOrNull(serverName)])).toEqual([
          [false, "a.copas.test"],
          [true, "a.copas.test"]
        ])
      }))
  }

  it.scoped("T10 the ticket's lifetime that s_client is told is the one that was set, 5 minutes otherwise", () =>
    Effect.gen(function*() {
      for (const [options, seconds] of [[{}, 300], [{ tickets: { lifetime: "1 minute" } }, 60]] as const) {
        const { port } = yield* echo(options)
        const client = yield* sClient(port, "-tls1_2")
        yield* client.prints(new RegExp(`lifetime hint: ${seconds} `))
      }
    }))
})
