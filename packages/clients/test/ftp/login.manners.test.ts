/** Log-ins and first commands on servers that want them otherwise: PBSZ, PROT, FEAT, PRET, PWD, and TLS where none was asked for. */
import { Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import { Ftp, FtpError } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, leavesNothing, pattern, text } from "./networks.js"
import { local, pooled } from "./pools.js"
import { against } from "./scripted.js"

const secured = (quirks: FtpServer.Quirks, client: Ftp.Defaults = {}) =>
  Effect.gen(function*() {
    const made = TlsMemory.identity()
    const server = yield* FtpServer.make({
      tls: yield* Tls.server({ identity: made.identity }),
      implicit: client.tls === "implicit",
      files: { "/a": "aaa" },
      quirks
    })
    const ftp = yield* Ftp.make({
      host: server.host,
      port: server.port,
      tls: "explicit",
      tlsContext: { ca: made.ca },
      serverName: "localhost",
      ...client
    })
    return { ftp, server }
  })

describe("PBSZ and PROT", () => {
  it.effect.each(
    [
      ["PBSZ is refused", { replies: { PBSZ: "500 What?" } }],
      ["PBSZ is 503", { replies: { PBSZ: "503 Not now" } }],
      ["both are refused before the log-in", { protectAfterLogIn: true }]
    ] satisfies ReadonlyArray<readonly [string, FtpServer.Quirks]>
  )("C34 PROT decides: %s", ([, quirks]) =>
    inMemory(Effect.gen(function*() {
      for (const tls of ["explicit", "implicit"] as const) {
        const { ftp, server } = yield* secured(quirks, { tls })
        const session = yield* ftp.connect()
        expect(text(yield* session.get("a"))).toBe("aaa")
        expect((yield* server.commands).filter((line) => line === "PROT P")).toHaveLength(
          "protectAfterLogIn" in quirks ? 2 : 1
        )
      }
    })))

  it.effect("C34 PROT that is refused after the log-in, too, fails it: no data goes in clear", () =>
    inMemory(Effect.gen(function*() {
      const { ftp } = yield* secured({ replies: { PROT: "503 Never" } })
      expect(yield* Effect.flip(ftp.connect())).toMatchObject({ _tag: "FtpReplyError", command: "PROT P", code: 503 })
    })))
})

describe("first commands", () => {
  it.effect("C34 a server that hangs up at FEAT is gone without it, and the error says how", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/a": "aaa" }, quirks: { hangsUpAt: ["FEAT"] } })
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const error = yield* Effect.flip(ftp.connect())
      expect(error).toMatchObject({ _tag: "SessionClosed" })
      expect(error.message).toContain("askFeatures: false")
      const session = yield* ftp.connect({ askFeatures: false })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(session.features.all.size).toBe(0)
    })))

  it.effect.each(["USER", "PASS"])(
    "C34 421 to %s in clear names TLS, and trying again cannot help",
    (verb) =>
      inMemory(Effect.gen(function*() {
        const server = yield* FtpServer.make({
          quirks: { replies: { USER: "421 Sorry, cleartext sessions are not accepted on this server." } }
        })
        const ftp = yield* Ftp.make({ host: server.host, port: server.port })
        const error = yield* Effect.flip(ftp.connect())
        expect(error).toMatchObject({ _tag: "LoginRefused", code: 421, secure: false })
        expect(error.message).toContain("set `tls`")
        expect(FtpError.canRetry(error as FtpError.LoginRefused)).toBe(false)
        // Under TLS it is what it says.
        const { ftp: under } = yield* secured({ replies: { USER: "421 Too many" } })
        expect(yield* Effect.flip(under.connect())).toMatchObject({ _tag: "ServiceUnavailable" })
      }))
  )

  it.effect("C34 PRET goes before PASV where FEAT tells of it, for each kind of transfer", () =>
    inMemory(Effect.gen(function*() {
      for (const unknown of [[], ["EPSV"], ["MLSD", "MLST"]]) {
        const { server, session } = yield* connected({ files: { "/d/a b": "aaa" }, quirks: { pret: true, unknown } })
        expect(text(yield* session.get("d/a b"))).toBe("aaa")
        yield* session.put("d/c", "ccc")
        yield* session.put("d/c", "ccc", { mode: "append" })
        yield* session.put("", "u", { mode: "unique" })
        expect((yield* session.list("d")).map(({ name }) => name).sort()).toEqual(["a b", "c"])
        expect(yield* session.names("d")).toEqual(["a b", "c"])
        const lines = yield* server.commands
        for (const [index, line] of lines.entries()) {
          const verb = line.split(" ")[0]!
          if (!["RETR", "STOR", "APPE", "STOU", "LIST", "MLSD", "NLST"].includes(verb)) continue
          expect(lines.slice(0, index).filter((each) => each.startsWith("PRET")).at(-1)).toBe(`PRET ${line}`)
        }
      }
      const { server, session } = yield* connected({ files: { "/a": "a" } })
      yield* session.get("a")
      expect((yield* server.commands).some((line) => line.startsWith("PRET"))).toBe(false)
    })))

  it.effect("C34 a refused PRET is the answer to the command that it announces, and an unknown one is not asked again", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a": "a" },
        quirks: { pret: true, replies: { PRET: "550 No such file" } }
      })
      expect(yield* Effect.flip(session.get("nope"))).toMatchObject({ _tag: "NotFound", command: "RETR nope" })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "FtpReplyError", command: "RETR a" })
      yield* server.setQuirks({ pret: false, replies: { PRET: "502 What?" } })
      expect(text(yield* session.get("a"))).toBe("a")
      const asked = (yield* server.commands).length
      expect(text(yield* session.get("a"))).toBe("a")
      expect((yield* server.commands).slice(asked)).not.toContain("PRET RETR a")
    })))
})

describe("no PWD", () => {
  it.effect("C34 a pool and its trees do without PWD; a session that moved is not lent again", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const to = yield* local
        const files = { "/t/a": "aaa", "/t/d/b": pattern(400_000) }
        const { pool, server } = yield* pooled({ files, quirks: { unknown: ["PWD"] } }, { size: 1 })
        yield* Stream.runDrain(pool.downloadDirectory("t", to))
        yield* Stream.runDrain(pool.uploadDirectory(to, "u"))
        expect((yield* server.paths).filter((path) => path.startsWith("/u"))).toEqual(["/u/a", "/u/d/b"])
        yield* pool.use((session) => session.cd("t"))
        expect(yield* pool.use((session) => session.exists("t/a"))).toBe(true)
        expect(Option.isSome(yield* server.read("/t/a"))).toBe(true)
      })),
      Layer.merge(NetMemory.layer, NodeContext.layer)
    ))

  it.effect("C34 a 257 to PWD without a path is no way back, either", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          for (;;) {
            const line = yield* peer.socket.receiveLine()
            yield* peer.say(line === "PWD" ? "257 somewhere\r\n" : line === "TYPE I" ? "200 Ok\r\n" : "550 No\r\n")
          }
        })
      )
      expect(yield* Effect.flip(session.remove("a"))).toMatchObject({ _tag: "NotFound" })
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "ProtocolViolation" })
    })))
})
