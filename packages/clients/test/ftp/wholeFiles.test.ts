/** Files that are replaced as a whole, checksums, and a log-in at an FTP proxy. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, Stream } from "effect"
import { createHash } from "node:crypto"
import { Ftp, type FtpSession } from "../../src/index.js"
import type { Conversation } from "../../src/internal/ftp/session/conversation.js"
import * as Files from "../../src/internal/ftp/session/files.js"
import type { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, passing, pattern, same, text, until } from "./networks.js"
import { scripted } from "./scripted.js"

const files = { "/d/a": "old" }

it.effect("C34 a whole file in memory holds none of the chunks in which it came, however many they are", () =>
  Effect.gen(function*() {
    const content = pattern(10_000)
    const memory = new Uint8Array(1)
    let at = 0
    const receive = Effect.sync(() => {
      if (at === content.length) return undefined
      // The first is held until a second comes; all later ones are the same byte of memory.
      const chunk = at === 0 ? new Uint8Array(1) : memory
      chunk[0] = content[at++]!
      return chunk
    })
    const download = {
      receive,
      recycle: () => {},
      expected: Option.none<number>(),
      result: () => ({ path: "", bytes: at, verified: false })
    }
    const got = yield* Files.collect({ server: "s" } as Conversation, Effect.succeed(download))
    expect(same(got, content)).toBe(true)
    expect(got.buffer.byteLength).toBeLessThanOrEqual(2 * content.length)
  }))

describe("replace", () => {
  it.effect.each(
    [
      ["a server that renames onto a file", {}],
      ["a server that does not", { renamesOnto: false }]
    ] satisfies ReadonlyArray<readonly [string, FtpServer.Quirks]>
  )(
    "C34 a file is put in place as a whole, under its final name: %s",
    ([, quirks]) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({ files, quirks })
        for (const [content, expected] of [["new", "new"], [Stream.make(pattern(9)), text(pattern(9))]] as const) {
          const done = yield* session.replace("d/a", content)
          expect(done).toMatchObject({ path: "d/a", verified: true })
          expect(text(Option.getOrThrow(yield* server.read("/d/a")))).toBe(expected)
        }
        yield* session.replace("d/fresh", "1")
        expect(yield* server.paths).toEqual(["/d/a", "/d/fresh"])
      }))
  )

  it.effect("C34 what fails or is interrupted before leaves the old file, and no part", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files })
      const source = Stream.concat(Stream.make(pattern(1000)), Stream.fail("no more" as const))
      expect(yield* Effect.flip(session.replace("d/a", source))).toBe("no more")
      expect(yield* server.paths).toEqual(["/d/a"])
      yield* server.setQuirks({ loseOfUpload: 1 })
      expect(yield* Effect.flip(session.replace("d/a", "new"))).toMatchObject({ _tag: "TransferIncomplete" })
      expect(yield* server.paths).toEqual(["/d/a"])
      yield* server.setQuirks({ loseOfUpload: undefined })
      const fiber = yield* Effect.fork(session.replace("d/a", Stream.concat(Stream.make(pattern(10)), Stream.never)))
      yield* until(Effect.map(server.connections, ({ data }) => data === 1))
      yield* Fiber.interrupt(fiber)
      expect(yield* server.paths).toEqual(["/d/a"])
      expect(text(Option.getOrThrow(yield* server.read("/d/a")))).toBe("old")
    })))

  it.effect.each(
    [
      ["RNFR", {}, "RNFR"],
      ["RNTO", { DELE: "550 May not be removed" }, "RNTO"]
    ] satisfies ReadonlyArray<readonly [string, FtpServer.Quirks["replies"], string]>
  )(
    "C34 a refused %s leaves the old file, and is the error",
    ([verb, others, command]) =>
      inMemory(Effect.gen(function*() {
        const replies = { ...others, [verb]: "550 May not be renamed" }
        const { server, session } = yield* connected({ files, quirks: { replies } })
        const error = yield* Effect.flip(session.replace("d/a", "new"))
        expect(error).toHaveProperty("command", expect.stringMatching(`^${command} `))
        expect(text(Option.getOrThrow(yield* server.read("/d/a")))).toBe("old")
        const removed = (yield* server.commands).filter((line) => line.startsWith("DELE "))
        expect(removed.at(-1)).toMatch(/\.part$/)
        // The server of the second refuses that, too.
        if (verb === "RNFR") expect(yield* server.paths).toEqual(["/d/a"])
      }))
  )

  it.effect("C34 where the old file is gone and the new one may not have its name, its part is kept", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files, quirks: { replies: { RNTO: "553 Not here" } } })
      expect(yield* Effect.flip(session.replace("d/a", "new"))).toMatchObject({ _tag: "FtpReplyError", code: 553 })
      const [part, ...others] = yield* server.paths
      expect(others).toEqual([])
      expect(part).toMatch(/^\/d\/a\..*\.part$/)
      expect(text(Option.getOrThrow(yield* server.read(part!)))).toBe("new")
    })))
})

const digests: ReadonlyArray<readonly [FtpSession.ChecksumAlgorithm, string]> = [
  ["SHA-512", "sha512"],
  ["SHA-256", "sha256"],
  ["SHA-1", "sha1"],
  ["MD5", "md5"]
]

describe("checksums", () => {
  it.effect.each([...digests, ["CRC32", ""] as const])(
    "C34 checksum is what the server computes, by HASH and by the commands before it: %s",
    ([algorithm, name]) =>
      inMemory(Effect.gen(function*() {
        const bytes = pattern(100_000)
        const value = name === "" ? undefined : createHash(name).update(bytes).digest("hex")
        for (const by of ["HASH", "X"] as const) {
          const { session } = yield* connected(
            { files: { "/a": bytes }, quirks: { checksums: { by, algorithms: [algorithm] } } },
            { verify: "checksum" }
          )
          const sum = yield* session.checksum("a")
          expect(sum.algorithm).toBe(algorithm)
          if (value !== undefined) expect(sum.value).toBe(value)
          expect(yield* session.checksum("a", algorithm)).toEqual(sum)
          // Both sides agree, on the way down and up.
          expect(yield* session.get("a")).toHaveLength(100_000)
          expect(yield* session.put("b", bytes)).toMatchObject({ verified: true })
          expect(yield* Effect.flip(session.checksum("nope"))).toMatchObject({ _tag: "NotFound" })
        }
      }))
  )

  it.effect("C34 interrupted at any step of a checksum by another algorithm, the next one is by its own", () =>
    Effect.provide(
      Sampling.everyStep("a checksum", (steps) =>
        Effect.scoped(Effect.gen(function*() {
          const { session } = yield* connected({
            files: { "/a": "abc" },
            quirks: { checksums: { by: "HASH", algorithms: ["SHA-256", "MD5"] } }
          })
          const sum = yield* session.checksum("a")
          const fiber = yield* Effect.fork(session.checksum("a", "MD5"))
          yield* passing(steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          expect(yield* session.checksum("a")).toEqual(sum)
          return isThrough
        })), { stride: 1 }),
      NetMemory.layer
    ))

  it.effect("C34 the CRC32 of the digits from 1 to 9 is the catalogue's check value", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": "123456789" },
        quirks: { checksums: { by: "X", algorithms: ["CRC32"] } }
      })
      expect(yield* session.checksum("a")).toEqual({ algorithm: "CRC32", value: "cbf43926" })
    })))

  it.effect("C34 with verify: checksum a difference is OutcomeUnknown, and a server without one is believed", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a": "aaa" },
        quirks: {
          checksums: { by: "HASH", algorithms: ["SHA-256"] },
          replies: { HASH: `213 SHA-256 0-3 ${"0".repeat(64)} a` }
        }
      }, { verify: "checksum" })
      for (
        const call of [session.get("a"), session.put("b", "bbb")] as ReadonlyArray<Effect.Effect<unknown, unknown>>
      ) {
        const error = yield* Effect.flip(call)
        expect(error).toMatchObject({ _tag: "OutcomeUnknown" })
        expect(String(error)).toContain("SHA-256")
      }
      yield* server.setQuirks({ replies: { HASH: "502 Not now" } })
      expect(text(yield* session.get("a"))).toBe("aaa")
      const { session: plain } = yield* connected({ files: { "/a": "aaa" } }, { verify: "checksum" })
      expect(text(yield* plain.get("a"))).toBe("aaa")
      expect(yield* Effect.flip(plain.checksum("a"))).toMatchObject({ _tag: "NotSupported" })
      expect(yield* Effect.flip(session.checksum("a", "MD5"))).toMatchObject({ _tag: "NotSupported" })
    })))
})

describe("an FTP proxy", () => {
  const secret = (text: string) => Redacted.make(text)
  const cases: ReadonlyArray<readonly [string, Partial<FtpSession.LoginProxy>, ReadonlyArray<string>]> = [
    ["user@host", {}, ["USER me@files.example", "PASS mine"]],
    ["user@host, with a log-in", { user: "p", password: secret("theirs") }, [
      "USER p",
      "PASS theirs",
      "USER me@files.example",
      "PASS mine"
    ]],
    ["site", { order: "site", user: "p", password: secret("theirs") }, [
      "USER p",
      "PASS theirs",
      "SITE files.example",
      "USER me",
      "PASS mine"
    ]],
    ["open", { order: "open" }, ["OPEN files.example", "USER me", "PASS mine"]],
    ["combined", { order: "combined", user: "p", password: secret("theirs") }, [
      "USER me@p@files.example",
      "PASS mine@theirs"
    ]]
  ]
  it.effect.each(cases)(
    "C34 the session logs in at the proxy, and at the server through it: %s",
    ([, proxy, expected]) =>
      inMemory(Effect.gen(function*() {
        const heard: Array<string> = []
        const where = yield* scripted((peer) =>
          Effect.gen(function*() {
            yield* peer.say("220 Proxy\r\n")
            for (;;) {
              const line = yield* peer.socket.receiveLine()
              if (line === "QUIT") return
              if (!line.startsWith("FEAT")) heard.push(line)
              yield* peer.say(
                line.startsWith("USER") ? "331 ?\r\n" : line.startsWith("FEAT") ? "500 What?\r\n" : "230 Hi\r\n"
              )
            }
          })
        )
        const ftp = yield* Ftp.make({
          host: "files.example",
          user: "me",
          password: secret("mine"),
          loginProxy: { ...where, ...proxy }
        })
        const session = yield* ftp.connect()
        expect(heard).toEqual(expected)
        expect(session.server).toBe("files.example:21")
      }))
  )

  it.effect("C34 a proxy that refuses is LoginRefused, and no password stands in the error", () =>
    inMemory(Effect.gen(function*() {
      const where = yield* scripted((peer) =>
        Effect.gen(function*() {
          yield* peer.say("220 Proxy\r\n")
          yield* peer.expect(/^USER/)
          yield* peer.say("331 ?\r\n")
          yield* peer.expect(/^PASS/)
          yield* peer.say("530 Not with theirs-secret\r\n")
        })
      )
      const ftp = yield* Ftp.make({
        host: "files.example",
        loginProxy: { ...where, user: "p", password: secret("theirs-secret") }
      })
      const error = yield* Effect.flip(ftp.connect())
      expect(error).toMatchObject({ _tag: "LoginRefused", user: "p" })
      expect(JSON.stringify(error) + error.message).not.toContain("theirs-secret")
    })))

  it.effect("C34 an order that there is not is InvalidOption, before anything is sent", () =>
    inMemory(Effect.gen(function*() {
      const order = "user" as "user@host"
      const ftp = yield* Ftp.make({ host: "files.example", loginProxy: { host: "proxy.example", order } })
      expect(yield* Effect.flip(ftp.connect())).toMatchObject({ _tag: "InvalidOption", option: "loginProxy.order" })
    })))
})
