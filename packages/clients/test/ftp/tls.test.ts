/** FTP over TLS on Node: AUTH TLS, implicit TLS, protection of data connections. */
import { Net, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { leavesNothing, pattern, same, text } from "./networks.js"
import { selfSigned } from "./selfSigned.js"

const served = (options: FtpServer.Options = {}) =>
  Effect.gen(function*() {
    const { cert, key } = yield* selfSigned
    const tls = yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
    const server = yield* FtpServer.make({ tls, ...options })
    const ftp = yield* Ftp.make({
      host: server.host,
      port: server.port,
      tls: options.implicit === true ? "implicit" : "explicit",
      tlsContext: { ca: { path: cert } },
      serverName: "localhost"
    })
    return { ftp, server }
  })

const onNode = <A, E>(use: Effect.Effect<A, E, Net.Net | Scope.Scope>): Effect.Effect<A, E> =>
  Effect.provide(leavesNothing(use), NodeNet.layer)

describe("FTP over TLS", () => {
  it.effect.each([["explicit", false], ["implicit", true]] as const)(
    "C34 control and data connections are under TLS, %s, and data connections resume the session",
    ([, implicit]) =>
      onNode(Effect.gen(function*() {
        const { ftp, server } = yield* served({ implicit, files: { "/a": pattern(300_000) } })
        const session = yield* ftp.connect()
        expect(session.isSecure).toBe(true)
        expect(same(yield* session.get("a"), pattern(300_000))).toBe(true)
        yield* session.put("b", pattern(300_000))
        expect(same(Option.getOrThrow(yield* server.read("/b")), pattern(300_000))).toBe(true)
        expect((yield* session.list()).map(({ name }) => name)).toEqual(["a", "b"])
        const sent = yield* server.commands
        expect(sent.indexOf("PROT P")).toBeLessThan(sent.findIndex((line) => line.startsWith("PASS")))
        const resumed = (yield* Effect.flatMap(Net.Net, (net) => net.sockets)).map((socket) => socket.tls)
        expect(resumed.every(Option.isSome)).toBe(true)
      }))
  )

  it.effect("C34 what comes in clear after the reply to AUTH TLS fails the session, before anything else is sent", () =>
    onNode(Effect.gen(function*() {
      const { ftp, server } = yield* served({ quirks: { behindAuth: "230 Welcome\r\n" } })
      const error = yield* Effect.flip(Effect.scoped(ftp.connect()))
      expect(["ProtocolViolation", "TlsError"]).toContain(error._tag)
      expect(yield* server.commands).toEqual(["AUTH TLS"])
    })))

  it.effect("C34 a server without TLS gets no password from a client that asks for it", () =>
    onNode(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make({ host: server.host, port: server.port, tls: "explicit" })
      expect(yield* Effect.flip(Effect.scoped(ftp.connect()))).toMatchObject({ _tag: "NotSupported", code: 504 })
      expect(yield* server.commands).toEqual(["AUTH TLS"])
    })))

  it.effect("C34 with PROT C the data is in clear, for who asks for it", () =>
    onNode(Effect.gen(function*() {
      const { ftp, server } = yield* served({ files: { "/a": "aaa" } })
      const session = yield* ftp.connect({ protectData: false })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(yield* server.commands).toContain("PROT C")
    })))

  it.effect("S16 ftpes: asks for TLS and ftps: begins with it, on the ports of each", () =>
    onNode(Effect.gen(function*() {
      const { ftp, server } = yield* served({ files: { "/a": "aaa" } })
      const where = `localhost:${server.port}`
      expect(text(yield* ftp.get(`ftpes://127.0.0.1:${server.port}/a`))).toBe("aaa")
      expect(text(yield* ftp.get(`ftpes://${where}/a`))).toBe("aaa")
      expect((yield* server.commands).filter((line) => line === "AUTH TLS")).toHaveLength(2)
    })))
})
