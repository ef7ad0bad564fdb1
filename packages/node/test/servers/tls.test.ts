// TLS against OpenSSL's own client and server, and curl.
import type { TlsConnection } from "@copas/core"
import { Copas, Net, type Socket, Tls, type TlsContext } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Certificates from "../certificates.js"
import * as Fixture from "../tls/fixture.js"

interface Program {
  /** Everything it has printed on both outputs. */
  readonly output: () => string
  readonly type: (text: string) => void
  /** Waits until it has printed something that matches. */
  readonly prints: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  readonly end: Effect.Effect<void>
  readonly exit: Effect.Effect<number | null>
}

/** A program that the scope ends. */
const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(command, args, { stdio: "pipe" })
      let output = ""
      let code: number | null | undefined
      const waiting = new Set<() => void>()
      const changed = (): void => waiting.forEach((look) => look())
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          output += chunk.toString("latin1")
          changed()
        })
      }
      child.stdin.on("error", () => undefined)
      child.on("close", (status) => {
        code = status
        changed()
      })
      const until = <A>(find: () => A | undefined): Effect.Effect<A> =>
        Effect.async<A>((resume) => {
          const look = (): void => {
            const found = find()
            if (found === undefined) return
            waiting.delete(look)
            resume(Effect.succeed(found))
          }
          waiting.add(look)
          look()
        })
      const program: Program & { readonly stop: () => void } = {
        output: () => output,
        type: (text) => void child.stdin.write(text),
        prints: (pattern) =>
          until(() => pattern.exec(output) ?? (code === undefined ? undefined : "gone" as const)).pipe(
            Effect.filterOrDieMessage(
              (found) => found !== "gone",
              `${command} ended without ${pattern}`
            )
          ),
        end: Effect.sync(() => void child.stdin.end()),
        exit: until(() => code),
        stop: () => void child.kill("SIGKILL")
      }
      return program
    }),
    (program) => Effect.zipRight(Effect.sync(() => program.stop()), program.exit)
  )

/** The test's certificates as files. */
const files = Effect.gen(function*() {
  const pki = yield* Fixture.TestPki
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "copas-openssl-"))),
    (path) => Effect.promise(() => Fs.rm(path, { recursive: true }))
  )
  const write = (name: string, text: string): Effect.Effect<string> => {
    const path = Path.join(folder, name)
    return Effect.as(Effect.promise(() => Fs.writeFile(path, text)), path)
  }
  return {
    write,
    root: yield* write("root.pem", pki.root.pem),
    chain: yield* write("chain.pem", pki.server.chain),
    key: yield* write("key.pem", pki.server.key),
    clientCertificate: yield* write("client.pem", pki.client.chain),
    clientKey: yield* write("client-key.pem", pki.client.key),
    folder
  }
})

const echo = (options: TlsContext.ServerOptions = {}, seen: Array<TlsConnection.TlsConnection> = []) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext(options) })
    yield* Copas.addServer(
      listener,
      (socket: Socket.Socket) =>
        Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => {
          seen.push(Fixture.tlsOf(socket))
          return socket.send(`echo ${line}\n`)
        }))
    )
    return listener.port
  })

const sClient = (port: number, ...args: ReadonlyArray<string>) =>
  run("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args])

/** No output of `-accept 0` is the same in all versions, so a free port is looked for first. */
const sServer = (...args: ReadonlyArray<string | ReadonlyArray<string>>) =>
  Effect.gen(function*() {
    const server = yield* run("openssl", ["s_server", "-accept", "127.0.0.1:0", ...args.flat()])
    const [, port] = yield* server.prints(/ACCEPT (?:127\.0\.0\.1:)?(\d+)/)
    return { server, port: Number(port) }
  })

const connect = (
  port: number,
  options: TlsContext.ClientOptions = {},
  more: Omit<TlsContext.ConnectTlsOptions, "context"> = {}
) =>
  Effect.flatMap(
    Fixture.clientContext(options),
    (context) => Net.connect({ host: "127.0.0.1", port, linger: 0, tls: { context, serverName: "localhost", ...more } })
  )

layer(Layer.merge(NodeCopas.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  for (const [flag, version] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]] as const) {
    it.scoped(`T01 openssl s_client talks to a server, verifies it, and agrees on ${version}`, () =>
      Effect.gen(function*() {
        const { root } = yield* files
        const port = yield* echo()
        const client = yield* sClient(
          port,
          flag,
          "-CAfile",
          root,
          "-verify_return_error",
          "-verify_hostname",
          "localhost"
        )
        yield* client.prints(/Verify return code: 0 \(ok\)/)
        expect(client.output()).toContain(version)
        client.type("hello\n")
        yield* client.prints(/echo hello/)
      }))

    it.scoped(`T01 a client talks to openssl s_server, verifies it, and agrees on ${version}`, () =>
      Effect.gen(function*() {
        const { chain, key } = yield* files
        const { port, server } = yield* sServer("-cert", chain, "-cert_chain", chain, "-key", key, flag)
        const socket = yield* connect(port)
        expect(Fixture.tlsOf(socket)).toMatchObject({
          authorization: { _tag: "Verified" },
          info: { protocol: version }
        })
        yield* socket.send("from copas\n")
        yield* server.prints(/from copas/)
        server.type("from openssl\n")
        expect(yield* socket.receiveLine()).toBe("from openssl")
      }))
  }

  it.scoped("T03 T04 s_client asks for a name and offers protocols", () =>
    Effect.gen(function*() {
      const { root } = yield* files
      const pki = yield* Fixture.TestPki
      const other = yield* Fixture.makePromise({ hosts: ["other.test"], issuer: pki.root })
      const seen: Array<TlsConnection.TlsConnection> = []
      const port = yield* echo({
        alpn: ["two", "one"],
        serverNames: { "other.test": yield* Tls.server({ identity: Certificates.identity(other) }) }
      }, seen)
      const client = yield* sClient(
        port,
        "-servername",
        "other.test",
        "-alpn",
        "one,two",
        "-CAfile",
        root,
        "-verify_return_error"
      )
      yield* client.prints(/ALPN protocol: two/)
      expect(client.output()).toMatch(/subject=.*other\.test/)
      client.type("x\n")
      yield* client.prints(/echo x/)
      expect(seen[0]).toMatchObject({ serverName: Option.some("other.test"), alpn: Option.some("two") })
    }))

  it.scoped("T03 T04 s_server chooses by name and protocol", () =>
    Effect.gen(function*() {
      const { chain, key, write } = yield* files
      const pki = yield* Fixture.TestPki
      const other = yield* Fixture.makePromise({ hosts: ["other.test"], issuer: pki.root })
      const own = ["-cert", chain, "-cert_chain", chain, "-key", key]
      const alpn = yield* sServer(own, "-alpn", "h2,http/1.1")
      const agreed = yield* connect(alpn.port, { alpn: ["http/1.1"] })
      expect(Fixture.tlsOf(agreed).alpn).toEqual(Option.some("http/1.1"))
      const { port } = yield* sServer(
        own,
        "-servername",
        "other.test",
        "-cert2",
        yield* write("other.pem", other.chain),
        "-key2",
        yield* write("other-key.pem", other.key)
      )
      const socket = yield* connect(port, {}, { serverName: "other.test" })
      expect(Option.getOrThrow(Fixture.tlsOf(socket).peerCertificate).alternativeNames[0]?.value).toBe("other.test")
    }))

  it.scoped("T12 s_client shows its certificate, and is refused without one", () =>
    Effect.gen(function*() {
      const { clientCertificate, clientKey } = yield* files
      const { root } = yield* Fixture.TestPki
      const seen: Array<TlsConnection.TlsConnection> = []
      const port = yield* echo({ clientCertificates: "require", ca: root.pem }, seen)
      const client = yield* sClient(port, "-cert", clientCertificate, "-key", clientKey)
      client.type("it is me\n")
      yield* client.prints(/echo it is me/)
      expect(Option.getOrThrow(seen[0]!.peerCertificate).subject[0]?.value).toBe("alice")
      const nobody = yield* sClient(port)
      yield* nobody.prints(/certificate required|alert/i)
    }))

  it.scoped("T12 s_server demands a certificate", () =>
    Effect.gen(function*() {
      const { chain, key, root } = yield* files
      const { client } = yield* Fixture.TestPki
      const { port, server } = yield* sServer(
        "-cert",
        chain,
        "-cert_chain",
        chain,
        "-key",
        key,
        "-CAfile",
        root,
        "-Verify",
        "3",
        "-verify_return_error"
      )
      // It serves one at a time.
      yield* Effect.scoped(Effect.gen(function*() {
        const socket = yield* connect(port, { identity: Certificates.identity(client) })
        yield* socket.send("me\n")
        yield* server.prints(/alice/)
      }))
      // With TLS 1.3 the refusal comes when the client reads.
      const refused = yield* Effect.flip(Effect.flatMap(connect(port), (other) => other.receive()))
      expect(refused).toMatchObject({ _tag: "SocketBroken", reason: "Tls", cause: { reason: "RefusedByPeer" } })
    }))

  const psk = "0707070707070707070707070707070707070707070707070707070707070707"

  it.scoped("T09 pre-shared keys agree with s_client and s_server", () =>
    Effect.gen(function*() {
      const key = new Uint8Array(Buffer.from(psk, "hex"))
      const port = yield* echo({
        identity: undefined,
        psk: (identity) => identity === "device-1" ? Option.some(key) : Option.none()
      })
      for (const flags of [["-tls1_2", "-cipher", "PSK"], ["-tls1_3"]]) {
        const client = yield* sClient(port, ...flags, "-psk", psk, "-psk_identity", "device-1")
        client.type("x\n")
        yield* client.prints(/echo x/)
      }
      const server = yield* sServer("-nocert", "-psk", psk, "-psk_identity", "device-1", "-tls1_2", "-cipher", "PSK")
      const socket = yield* connect(server.port, { psk: { identity: "device-1", key } })
      expect(Fixture.tlsOf(socket).authorization).toEqual({ _tag: "Verified", by: "psk" })
    }))

  for (const flag of ["-tls1_2", "-tls1_3"]) {
    it.scoped(`T10 s_client resumes its session, and so do we with s_server (${flag})`, () =>
      Effect.gen(function*() {
        const { chain, folder, key } = yield* files
        const seen: Array<TlsConnection.TlsConnection> = []
        const port = yield* echo({}, seen)
        const session = Path.join(folder, "session.pem")
        const first = yield* sClient(port, flag, "-sess_out", session)
        first.type("one\n")
        yield* first.prints(/echo one/)
        first.type("Q\n")
        yield* first.exit
        const second = yield* sClient(port, flag, "-sess_in", session)
        second.type("two\n")
        yield* second.prints(/echo two/)
        expect(seen.map(({ isResumed }) => isResumed)).toEqual([false, true])

        const server = yield* sServer("-cert", chain, "-cert_chain", chain, "-key", key, flag, "-rev")
        const context = yield* Fixture.clientContext()
        const tls = { context, serverName: "localhost" }
        const round = Effect.scoped(Effect.gen(function*() {
          const socket = yield* Net.connect({ host: "127.0.0.1", port: server.port, linger: 0, tls })
          yield* socket.send("abc\n")
          expect(yield* socket.receiveLine()).toBe("cba")
          return Fixture.tlsOf(socket).isResumed
        }))
        expect(yield* Effect.all([round, round, round])).toEqual([false, true, true])
      }))
  }

  it.scoped("T05 an expired certificate, another name's and an unknown authority of s_server fail with their reasons", () =>
    Effect.gen(function*() {
      const { write } = yield* files
      const { root } = yield* Fixture.TestPki
      const stranger = yield* Effect.promise(() => Certificates.authority({ name: "Stranger" }))
      const cases = [
        ["Expired", { hosts: ["localhost"], issuer: root, notBefore: new Date(0), notAfter: new Date(1e12) }],
        ["WrongHost", { hosts: ["other.test"], issuer: root }],
        ["Untrusted", { hosts: ["localhost"], issuer: stranger }],
        ["SelfSigned", { hosts: ["localhost"] }]
      ] as const
      for (const [reason, wanted] of cases) {
        const made = yield* Fixture.makePromise(wanted)
        const { port } = yield* sServer(
          "-cert",
          yield* write("bad.pem", made.pem),
          "-key",
          yield* write("bad-key.pem", made.key)
        )
        expect(yield* Effect.flip(connect(port))).toMatchObject({ _tag: "TlsError", reason })
      }
    }))

  it.scoped("T02 s_client -starttls smtp upgrades in the middle of the protocol", () =>
    Effect.gen(function*() {
      const { root } = yield* files
      const context = yield* Fixture.serverContext()
      const listener = yield* Net.listen({ port: 0 })
      yield* Copas.addServer(listener, (socket: Socket.Socket) =>
        Effect.gen(function*() {
          yield* socket.send("220 copas.test ESMTP\r\n")
          yield* socket.receiveLine()
          yield* socket.send("250-copas.test\r\n250 STARTTLS\r\n")
          yield* socket.receiveLine()
          yield* socket.send("220 go ahead\r\n")
          yield* Tls.upgrade(socket, context)
          const line = yield* socket.receiveLine()
          yield* socket.send(`250 secure ${line}\r\n`)
        }))
      const client = yield* sClient(
        listener.port,
        "-starttls",
        "smtp",
        "-CAfile",
        root,
        "-verify_return_error",
        "-quiet"
      )
      client.type("NOOP\r\n")
      yield* client.prints(/250 secure NOOP/)
    }))

  it.scoped("T02 the end of our side is a close_notify, which OpenSSL asks for", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      yield* Copas.addServer(listener, (socket: Socket.Socket) => socket.send("all of it\n"))
      for (const flag of ["-tls1_2", "-tls1_3"]) {
        const client = yield* sClient(listener.port, "-msg", flag)
        yield* client.exit
        expect(client.output()).toContain("all of it")
        expect(client.output()).toMatch(/<<< .*Alert.*warning close_notify/)
        expect(client.output()).not.toContain("unexpected eof")
      }
    }))

  it.scoped("T01 curl fetches from a server over TLS, by name, with verification and a client certificate", () =>
    Effect.gen(function*() {
      const { clientCertificate, clientKey, root } = yield* files
      const pki = yield* Fixture.TestPki
      const listener = yield* Net.listen({
        port: 0,
        tls: yield* Fixture.serverContext({ alpn: ["http/1.1"], clientCertificates: "request", ca: pki.root.pem })
      })
      const page = (socket: Socket.Socket) =>
        Effect.gen(function*() {
          while ((yield* socket.receiveLine()) !== "") { /* the head */ }
          const who = Option.match(Fixture.tlsOf(socket).peerCertificate, {
            onNone: () => "nobody",
            onSome: ({ subject }) => subject[0]!.value
          })
          yield* socket.send(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${who.length}\r\n\r\n${who}`)
        })
      yield* Copas.addServer(listener, page)
      const port = listener.port
      const url = `https://www.copas.test:${port}/`
      const common = ["-sS", "--cacert", root, "--resolve", `www.copas.test:${port}:127.0.0.1`, url]
      const anonymous = yield* run("curl", common)
      expect([yield* anonymous.exit, anonymous.output()]).toEqual([0, "nobody"])
      const known = yield* run("curl", ["--cert", clientCertificate, "--key", clientKey, ...common])
      expect([yield* known.exit, known.output()]).toEqual([0, "alice"])
      const untrusting = yield* run("curl", ["-sS", "--resolve", `www.copas.test:${port}:127.0.0.1`, url])
      expect(yield* untrusting.exit).toBe(60)
    }))
})
