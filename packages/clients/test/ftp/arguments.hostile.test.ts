/** Arguments that would send another command, or change the session without its knowledge. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, pattern, text } from "./networks.js"

/** Every call that takes a path, with it. */
const withPath = (session: FtpSession.Session, path: FtpSession.Path): ReadonlyArray<readonly [string, unknown]> => [
  ["cd", session.cd(path)],
  ["list", session.list(path)],
  ["listLines", session.listLines(path)],
  ["names", session.names(path)],
  ["stat", session.stat(path)],
  ["exists", session.exists(path)],
  ["size", session.size(path)],
  ["modified", session.modified(path)],
  ["setModified", session.setModified(path, new Date(0))],
  ["remove", session.remove(path)],
  ["makeDirectory", session.makeDirectory(path)],
  ["makeDirectory, recursive", session.makeDirectory(path, { recursive: true })],
  ["removeDirectory", session.removeDirectory(path)],
  ["rename from", session.rename(path, "x")],
  ["rename to", session.rename("a", path)],
  ["chmod", session.chmod(path, 0o600)],
  ["get", session.get(path)],
  ["get as text", session.get(path, { type: "text" })],
  ["get, resumed", session.get(path, { offset: 1 })],
  ["download", Stream.runDrain(session.download(path))],
  ["put", session.put(path, "x")],
  ["append", session.put(path, "x", { mode: "append" })],
  ["upload", Stream.run(Stream.make(pattern(3)), session.upload(path))],
  ["status", session.status(path)],
  ["command", session.command(["SITE", path])]
]

describe("arguments", () => {
  it.effect.each(["\r", "\n", "\0", "\r\n", "\t", "\x7f", "\x1b"])(
    "C34 %j in any argument of any call is refused, as text and as bytes, and nothing of it is sent",
    (control) =>
      inMemory(Effect.gen(function*() {
        for (const unknown of [[], ["MLSD", "MLST"]]) {
          const { server, session } = yield* connected({ files: { "/a": "aaa" }, quirks: { unknown } })
          const before = (yield* server.commands).length
          const path = `evil${control}DELE a`
          for (const given of [path, new TextEncoder().encode(path)]) {
            for (const [name, call] of withPath(session, given)) {
              const error = yield* Effect.flip(call as Effect.Effect<unknown, { readonly _tag: string }>)
              expect([name, error._tag]).toEqual([name, "InvalidArgument"])
            }
          }
          const sent = (yield* server.commands).slice(before)
          expect(sent.filter((line) => /evil|DELE/.test(line))).toEqual([])
          expect(yield* session.size("a")).toBe(3)
        }
      }))
  )

  it.effect.each(
    [
      ["user", { user: "me\r\nDELE a" }],
      ["password", { user: "me", password: Redacted.make("hunter2\r\nDELE a") }],
      ["account", { user: "me", account: Redacted.make("hunter2\nDELE a") }],
      ["virtualHost", { virtualHost: "h\r\nDELE a" }]
    ] satisfies ReadonlyArray<readonly [string, Ftp.Defaults]>
  )(
    "C34 a line end in the option %s is refused, and shows no secret",
    ([, options]) =>
      inMemory(Effect.gen(function*() {
        const server = yield* FtpServer.make({ quirks: { replies: { PASS: "332 And the account?" } } })
        const ftp = yield* Ftp.make({ host: server.host, port: server.port })
        const error = yield* Effect.flip(Effect.scoped(ftp.connect(options)))
        expect(error).toMatchObject({ _tag: "InvalidArgument" })
        expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("hunter2")
        expect((yield* server.commands).filter((line) => /DELE/.test(line))).toEqual([])
      }))
  )

  it.effect.each([
    "ftp://me%0d%0aDELE%20a:x@127.0.0.1/a",
    "ftp://me:x%0d%0aDELE%20a@127.0.0.1/a",
    "ftp://me:x@127.0.0.1/a%0aDELE%20a",
    "ftp://me:x@127.0.0.1/a%00",
    "ftp://me:x@127.0.0.1/d%0d/a",
    "ftp://me:x@127.0.0.1/a\r\nDELE a"
  ])(
    "S16 no call takes a URL with a line end or NUL in it, and none connects: %j",
    (url) =>
      inMemory(Effect.gen(function*() {
        const server = yield* FtpServer.make()
        const ftp = yield* Ftp.make({ port: server.port })
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          ftp.get(url),
          ftp.put(url, "x"),
          Stream.runDrain(ftp.download(url)),
          Stream.run(Stream.make(pattern(1)), ftp.upload(url)),
          ftp.list(url),
          ftp.names(url),
          Effect.scoped(ftp.connect(url))
        ]
        for (const call of calls) expect(yield* Effect.flip(call)).toMatchObject({ _tag: "InvalidArgument" })
        expect(yield* server.commands).toEqual([])
      }))
  )

  it.effect("C34 a path that begins with a hyphen is an option of no command", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/-R/a": "aaa", "/-l": "x" },
        quirks: { unknown: ["MLSD", "MLST"] }
      })
      expect((yield* session.listLines("-R")).length).toBeGreaterThan(0)
      yield* session.names("-R")
      yield* session.status("-R")
      yield* session.chmod("-l", 0o600)
      expect(text(yield* session.get("-l"))).toBe("x")
      expect((yield* server.commands).filter((line) => /^(?:LIST|NLST|STAT|SITE CHMOD \d+) -(?!a$)/.test(line)))
        .toEqual([])
    })))

  it.effect("C34 an offset, a mode, a date or a type that is none is refused before anything is sent", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      const before = (yield* server.commands).length
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        session.get("a", { offset: -1 }),
        session.get("a", { offset: 1.5 }),
        session.get("a", { offset: Number.NaN }),
        session.get("a", { offset: 2 ** 53 }),
        session.put("a", "x", { offset: -1 }),
        session.put("a", "x", { offset: 1, mode: "append" }),
        session.put("a", "x", { offset: 1, mode: "unique" }),
        session.chmod("a", 0o10000),
        session.chmod("a", 1.5),
        session.setModified("a", new Date(Number.NaN))
      ]
      for (const call of calls) expect(yield* Effect.flip(call)).toMatchObject({ _tag: "InvalidArgument" })
      expect(yield* server.commands).toHaveLength(before)
    })))

  it.effect("C34 what would change the session behind its back does not go by `command`", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      const before = (yield* server.commands).length
      const words = "RETR STOR STOU APPE LIST NLST MLSD PASV EPSV PORT EPRT REST TYPE MODE STRU ABOR PRET AUTH PBSZ " +
        "PROT CCC REIN USER PASS ACCT QUIT HOST ADAT RNFR RNTO"
      for (const word of words.split(" ")) {
        for (const line of [word, word.toLowerCase(), `${word} x`]) {
          expect(yield* Effect.flip(session.command(line))).toMatchObject({ _tag: "InvalidArgument" })
        }
      }
      for (const line of ["", " NOOP", "NOOP\tx", "NO-OP", "\r\nNOOP"]) {
        expect(yield* Effect.flip(session.command(line))).toMatchObject({ _tag: "InvalidArgument" })
      }
      expect(yield* server.commands).toHaveLength(before)
      expect(yield* session.command(["STAT"])).toMatchObject({ code: 211 })
      expect(yield* Effect.flip(session.command("XYZZY a"))).toMatchObject({ _tag: "NotSupported", code: 500 })
    })))
})
