/** FTP over the in-memory stand-in for TLS. */
import { Net, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, TestClock } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { leavesNothing, pattern, same } from "./networks.js"

const served = (options: FtpServer.Options = {}, made = TlsMemory.identity()) =>
  Effect.gen(function*() {
    const server = yield* FtpServer.make({ tls: yield* Tls.server({ identity: made.identity }), ...options })
    const ftp = yield* Ftp.make({
      host: server.host,
      port: server.port,
      tls: options.implicit === true ? "implicit" : "explicit",
      tlsContext: { ca: made.ca },
      serverName: "localhost"
    })
    return { ftp, server }
  })

describe("FTP over TLS in memory", () => {
  for (const chunks of ["joined", "random"] as const) {
    for (const implicit of [false, true]) {
      it.effect(`C34 control and data connections are under TLS, implicit ${implicit}, chunks ${chunks}`, () =>
        Effect.provide(
          leavesNothing(Effect.gen(function*() {
            const { ftp, server } = yield* served({ implicit, files: { "/a": pattern(100_000) } })
            const session = yield* ftp.connect()
            expect(session.isSecure).toBe(true)
            expect(same(yield* session.get("a"), pattern(100_000))).toBe(true)
            yield* session.put("b", pattern(100_000))
            expect(same(Option.getOrThrow(yield* server.read("/b")), pattern(100_000))).toBe(true)
            const open = yield* Effect.flatMap(Net.Net, (net) => net.sockets)
            expect(open.map((socket) => socket.tls).every(Option.isSome)).toBe(true)
          })),
          NetMemory.layerWith({ chunks })
        ))
    }
  }

  it.effect("C34 what comes in clear after the reply to AUTH TLS fails the session", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { ftp, server } = yield* served({ quirks: { behindAuth: "230 Welcome\r\n" } })
        yield* Effect.flip(ftp.connect())
        expect((yield* server.commands).some((line) => line.startsWith("PASS"))).toBe(false)
      })),
      NetMemory.layer
    ))

  it.effect("C34 a certificate that expires while a program runs fails its next session", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { ftp } = yield* served({}, TlsMemory.identity({ notAfter: 3_600_000 }))
        yield* Effect.scoped(ftp.connect())
        yield* TestClock.adjust("2 hours")
        expect(String(yield* Effect.flip(ftp.connect()))).toContain("Expired")
      })),
      NetMemory.layer
    ))
})
