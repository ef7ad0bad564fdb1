/** The FTP server for tests, spoken to without our client. */
import { Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { FtpServer } from "../../src/testing/index.js"
import { leavesNothing, networks, until } from "./networks.js"

describe.each(networks)("the FTP server for tests, %s", (_, net) => {
  it.effect("C34 a transfer that is aborted before its first step gives its data listener back", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const server = yield* FtpServer.make({ files: { "/a": "some" } })
        const socket = yield* Net.connect({ host: server.host, port: server.port, linger: 0 })
        const upTo = (wanted: RegExp): Effect.Effect<string, unknown> =>
          Effect.flatMap(socket.receiveLine(), (line) => wanted.test(line) ? Effect.succeed(line) : upTo(wanted))
        yield* socket.send("USER anonymous\r\nPASS x\r\nEPSV\r\n")
        const port = Number(/\|(\d+)\|/.exec(yield* upTo(/^229/))![1])
        yield* socket.send("RETR a\r\nABOR\r\nNOOP\r\n")
        yield* upTo(/^226/)
        yield* upTo(/^200/)
        const error = yield* Effect.flip(Net.connect({ host: server.host, port, linger: 0 }))
        expect(error).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
      })),
      net
    ))

  it.effect.each([
    ["ABOR closes the listener of a PASV before any transfer", "ABOR\r\n", /^226/],
    ["a client that sends too many commands behind a transfer is cut", `RETR a\r\n${"PWD\r\n".repeat(200)}`, /^150/]
  ] as ReadonlyArray<readonly [string, string, RegExp]>)("C34 %s", ([, commands, wanted]) =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const server = yield* FtpServer.make({ files: { "/a": "some" } })
        const socket = yield* Net.connect({ host: server.host, port: server.port, linger: 0 })
        const upTo = (wanted: RegExp): Effect.Effect<string, unknown> =>
          Effect.flatMap(socket.receiveLine(), (line) => wanted.test(line) ? Effect.succeed(line) : upTo(wanted))
        yield* socket.send("USER anonymous\r\nPASS x\r\nEPSV\r\n")
        const port = Number(/\|(\d+)\|/.exec(yield* upTo(/^229/))![1])
        yield* socket.send(commands)
        yield* upTo(wanted)
        if (commands.startsWith("RETR")) yield* until(Effect.map(server.connections, ({ control }) => control === 0))
        const error = yield* Effect.flip(Net.connect({ host: server.host, port, linger: 0 }))
        expect(error).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
      })),
      net
    ))

  it.effect.each([["QUIT"], ["SIZE a"], ["EPSV"]])(
    "C34 a client that goes while its %s waits for a transfer that never begins leaves no listener",
    ([command]) =>
      Effect.provide(
        leavesNothing(Effect.gen(function*() {
          const server = yield* FtpServer.make({ files: { "/a": "some" } })
          const commands = ["USER anonymous", "PASS x", "EPSV", "RETR a", command]
          yield* Effect.scoped(Effect.gen(function*() {
            const socket = yield* Net.connect({ host: server.host, port: server.port, linger: 0 })
            yield* socket.send(commands.map((each) => `${each}\r\n`).join(""))
            yield* until(Effect.map(server.commands, (heard) => heard.length === commands.length))
          }))
          yield* until(Effect.map(server.connections, ({ control }) => control === 0))
        })),
        net
      )
  )

  it.effect("C34 OPTS HASH takes the algorithms that it has, and refuses others", () =>
    Effect.provide(
      Effect.scoped(Effect.gen(function*() {
        const checksums = { by: "HASH", algorithms: ["SHA-256", "MD5"] } as const
        const server = yield* FtpServer.make({ files: { "/a": "abc" }, quirks: { checksums } })
        const socket = yield* Net.connect({ host: server.host, port: server.port, linger: 0 })
        const lines = Effect.flatMap(
          socket.send(
            "USER anonymous\r\nPASS x\r\nOPTS HASH SHA-1\r\nOPTS HASH __proto__\r\nOPTS HASH md5\r\nHASH a\r\n"
          ),
          () => Effect.replicateEffect(socket.receiveLine(), 7)
        )
        expect((yield* lines).slice(3)).toEqual([
          expect.stringMatching(/^501 /),
          expect.stringMatching(/^501 /),
          "200 MD5",
          "213 MD5 0-3 900150983cd24fb0d6963f7d28e17f72 a"
        ])
      })),
      net
    ))
})
