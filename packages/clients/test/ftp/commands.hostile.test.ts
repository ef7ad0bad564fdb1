/** Arguments that would send another command, or change the session without its knowledge. */
import { Net, type Socket } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Either, Fiber, Layer, Option, Redacted, type Scope, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { answering, calm, inMemory, inTime } from "./hostileServer.js"
import { connected, pattern, text } from "./networks.js"
import { against, type Peer, scripted } from "./scripted.js"

const secret = Redacted.make("hunter2")

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

describe("the log-in", () => {
  const logIn = (talk: (peer: Peer) => Effect.Effect<unknown, unknown>, options: Ftp.Defaults = {}) =>
    Effect.gen(function*() {
      const where = yield* scripted((peer) => Effect.zipRight(peer.say("220 Hello\r\n"), talk(peer)))
      const ftp = yield* Ftp.make({ ...where, ...options })
      return yield* Effect.either(Effect.scoped(Effect.flatMap(ftp.connect(), (session) => session.noop)))
    })
  const steps = (...pairs: ReadonlyArray<readonly [RegExp, string]>) => (peer: Peer) =>
    Effect.zipRight(
      Effect.forEach(pairs, ([pattern, reply]) => Effect.zipRight(peer.expect(pattern), peer.say(`${reply}\r\n`))),
      answering(peer, calm)
    )
  const account = { user: "me", password: secret, account: Redacted.make("acme") }

  it.effect.each(
    [
      ["230 at once", steps([/^USER me$/, "230 Hi"]), account],
      ["331, 230", steps([/^USER me$/, "331 ?"], [/^PASS hunter2$/, "230 Hi"]), account],
      ["331, 202", steps([/^USER me$/, "331 ?"], [/^PASS hunter2$/, "202 Superfluous"]), account],
      [
        "331, 332, 230",
        steps([/^USER me$/, "331 ?"], [/^PASS hunter2$/, "332 ?"], [/^ACCT acme$/, "230 Hi"]),
        account
      ],
      ["332, 230", steps([/^USER me$/, "332 ?"], [/^ACCT acme$/, "230 Hi"]), account],
      ["anonymous", steps([/^USER anonymous$/, "331 ?"], [/^PASS anonymous@$/, "230 Hi"]), {}],
      ["a user without a password", steps([/^USER me$/, "331 ?"], [/^PASS $/, "230 Hi"]), { user: "me" }]
    ] satisfies ReadonlyArray<readonly [string, (peer: Peer) => Effect.Effect<unknown, unknown>, Ftp.Defaults]>
  )("C34 the log-in goes as RFC 959 has it: %s", ([, talk, options]) =>
    inMemory(Effect.gen(function*() {
      expect((yield* logIn(talk, options))._tag).toBe("Right")
    })))

  it.effect.each(
    [
      ["332 without an account", steps([/^USER me$/, "332 ?"]), "LoginRefused"],
      ["530", steps([/^USER me$/, "331 ?"], [/^PASS /, "530 No"]), "LoginRefused"],
      ["421", steps([/^USER me$/, "331 ?"], [/^PASS /, "421 Too many"]), "ServiceUnavailable"],
      ["a 3yz that means nothing here", steps([/^USER me$/, "331 ?"], [/^PASS /, "350 ?"]), "LoginRefused"]
    ] as const
  )("C34 a log-in that is refused is told by its tag: %s", ([, talk, tag]) =>
    inMemory(Effect.gen(function*() {
      const result = yield* logIn(talk, { user: "me", password: secret })
      expect(result).toMatchObject({ _tag: "Left", left: { _tag: tag } })
      expect(JSON.stringify(result)).not.toContain("hunter2")
    })))

  it.effect("C34 HOST goes before USER, and its refusal ends the connecting before a password is sent", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make({ host: server.host, port: server.port, virtualHost: "ftp.example" })
      yield* Effect.scoped(ftp.connect())
      expect((yield* server.commands).slice(0, 2)).toEqual(["HOST ftp.example", "USER anonymous"])
      yield* server.setQuirks({ replies: { HOST: "504 Unknown virtual host" } })
      const before = (yield* server.commands).length
      expect(yield* Effect.flip(Effect.scoped(ftp.connect({ user: "me", password: secret })))).toMatchObject({
        _tag: "NotSupported",
        code: 504,
        command: "HOST ftp.example"
      })
      expect((yield* server.commands).slice(before)).toEqual(["HOST ftp.example"])
    })))

  it.effect("C34 a greeting that refuses is ServiceUnavailable, and one that is a 3yz or 5yz is no greeting", () =>
    inMemory(Effect.gen(function*() {
      for (
        const [greeting, tag] of [
          ["421 Too many", "ServiceUnavailable"],
          ["120 Wait\r\n421 No", "ServiceUnavailable"],
          ["554 Go away", "ProtocolViolation"],
          ["331 ?", "ProtocolViolation"]
        ] as const
      ) {
        const where = yield* scripted((peer) => peer.say(`${greeting}\r\n`))
        const ftp = yield* Ftp.make(where)
        expect(yield* Effect.flip(Effect.scoped(ftp.connect()))).toMatchObject({ _tag: tag })
      }
      // RFC 959, section 5.4: 120 says that it takes a while.
      const where = yield* scripted((peer) =>
        Effect.gen(function*() {
          yield* peer.say("120 Ready in a moment\r\n")
          yield* Effect.sleep("20 seconds")
          yield* peer.welcome
          yield* answering(peer, calm)
        })
      )
      const ftp = yield* Ftp.make(where)
      yield* inTime(Effect.scoped(Effect.flatMap(ftp.connect(), (session) => session.noop)))
    })))
})

describe("features", () => {
  const features = (lines: ReadonlyArray<string>) =>
    `211-Extensions\n${lines.map((line) => ` ${line}\n`).join("")}211 End`

  it.effect("C34 OPTS UTF8 is said where FEAT tells of it, after CLNT where there is one, and may be refused", () =>
    inMemory(Effect.gen(function*() {
      const replies = { FEAT: features(["UTF8", "CLNT", "MLST type*;size;modify*;perm;x.odd;"]), OPTS: "501 No" }
      const { server, session } = yield* connected({ quirks: { replies: { ...replies, CLNT: "500 What?" } } })
      expect((yield* server.commands).filter((line) => /^(?:CLNT|OPTS)/.test(line))).toEqual([
        "CLNT Copas",
        "OPTS UTF8 ON",
        "OPTS MLST type;size;modify;perm;"
      ])
      expect(session.features).toMatchObject({ utf8: true, clnt: true, mlst: true, size: false })
      yield* session.noop
      const ftp = yield* Ftp.make({ host: server.host, port: server.port, encoding: "windows-1252" })
      const before = (yield* server.commands).length
      yield* Effect.scoped(ftp.connect())
      expect((yield* server.commands).slice(before).some((line) => line.startsWith("OPTS UTF8"))).toBe(false)
    })))

  it.effect("C34 a server without FEAT is used all the same", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" }, quirks: { unknown: ["FEAT"] } })
      expect(session.features.all.size).toBe(0)
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect((yield* session.list()).map(({ name }) => name)).toEqual(["a"])
      expect((yield* server.commands).some((line) => line.startsWith("MLSD"))).toBe(false)
    })))

  it.effect("C34 MLSD and MLST that FEAT tells of and that are not known give way to LIST, for good", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a": "aaa", "/d/x": "x" },
        quirks: { replies: { MLSD: "500 What?", MLST: "502 Not yet" } }
      })
      expect((yield* session.list()).map(({ name }) => name)).toEqual(["a", "d"])
      expect((yield* session.list("d")).map(({ name }) => name)).toEqual(["x"])
      expect(yield* session.stat("a")).toMatchObject({ type: "file", size: 3 })
      expect(yield* session.stat("d")).toMatchObject({ type: "directory" })
      const sent = yield* server.commands
      expect(sent.filter((line) => line.startsWith("MLSD"))).toHaveLength(1)
      expect(sent.filter((line) => line.startsWith("MLST"))).toHaveLength(1)
    })))

  it.effect("C34 without SIZE a transfer is done by its end and the final reply, and says that nothing was compared", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" }, quirks: { unknown: ["SIZE"] } })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(yield* session.put("b", "bbb")).toEqual({ path: "b", bytes: 3, verified: false })
      expect((yield* server.commands).filter((line) => line.startsWith("SIZE"))).toHaveLength(1)
    })))

  it.effect("C34 a size past 2^53 is refused where it is asked for, and not compared where it is not", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": "aaa" },
        quirks: { replies: { SIZE: "213 9007199254740993" } }
      })
      expect(yield* Effect.flip(session.size("a"))).toMatchObject({ _tag: "ProtocolViolation" })
      expect(text(yield* session.get("a"))).toBe("aaa")
      yield* session.noop
    })))

  it.effect("C34 names go out and come in in the session's encoding, and raw where it has no character for them", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const latin = yield* ftp.connect({ encoding: "iso-8859-1" })
      yield* latin.put("été", "1")
      expect((yield* latin.list()).map(({ name, rawName }) => [name, [...rawName]])).toEqual([
        ["été", [0xe9, 0x74, 0xe9]]
      ])
      expect(yield* Effect.flip(latin.get("€"))).toMatchObject({ _tag: "InvalidArgument" })
      const [named] = yield* latin.list()
      expect(Either.getOrThrow(Ftp.safeName(named!, { codec: latin.codec }))).toBe("été")
      expect(Either.getOrThrow(Either.flip(Ftp.safeName(named!)))).toMatchObject({ reason: "Undecodable" })
      const utf8 = yield* ftp.connect()
      const [entry] = yield* utf8.list()
      expect(entry!.name).toBe("\uFFFDt\uFFFD")
      expect(text(yield* utf8.get(entry!.rawName))).toBe("1")
      yield* utf8.rename(entry!.rawName, "été")
      expect((yield* utf8.list()).map(({ name }) => name)).toEqual(["été"])
    })))

  it.effect("C34 layerConfig reads its options from the configuration, and shows no secret", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ users: { me: "hunter2" }, files: { "/a": "aaa" } })
      const layer = Ftp.layerConfig({
        host: Config.string("FTP_HOST"),
        port: Config.integer("FTP_PORT"),
        user: Config.string("FTP_USER"),
        password: Config.redacted("FTP_PASSWORD")
      })
      const given = (password: string) =>
        Layer.setConfigProvider(ConfigProvider.fromMap(
          new Map([
            ["FTP_HOST", server.host],
            ["FTP_PORT", `${server.port}`],
            ["FTP_USER", "me"],
            ["FTP_PASSWORD", password]
          ])
        ))
      const get = Ftp.get({ path: "a" })
      expect(text(yield* Effect.provide(get, Layer.provide(layer, given("hunter2"))))).toBe("aaa")
      const refused = yield* Effect.flip(Effect.provide(get, Layer.provide(layer, given("hunter3"))))
      expect(refused).toMatchObject({ _tag: "LoginRefused" })
      expect(JSON.stringify(refused)).not.toContain("hunter3")
      const missing = Layer.provide(layer, Layer.setConfigProvider(ConfigProvider.fromMap(new Map())))
      expect((yield* Effect.exit(Effect.provide(get, missing)))._tag).toBe("Failure")
    })))
})

describe("listings of names", () => {
  it.effect("S18 NLST: an empty directory or a missing one is an empty list, 450 or 550, as servers have it", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/empty/": "", "/d/a": "" } })
      expect(yield* session.names("empty")).toEqual([])
      expect(yield* session.names("d")).toEqual(["a"])
      for (const nlstMissing of [undefined, 550] as const) {
        yield* server.setQuirks({ nlstMissing })
        expect(yield* Effect.flip(session.names("nope"))).toMatchObject({ _tag: "NotFound", path: "nope" })
      }
      // These two do not tell a directory that is empty from one that is not there.
      for (const nlstMissing of ["empty", 450] as const) {
        yield* server.setQuirks({ nlstMissing })
        expect(yield* session.names("nope")).toEqual([])
        expect(yield* session.names("d")).toEqual(["a"])
      }
      yield* server.setQuirks({ replies: { NLST: "450 No files found" } })
      expect(yield* session.names("empty")).toEqual([])
      expect(yield* session.names()).toEqual([])
      yield* server.setQuirks({ replies: { NLST: "550 No files found" } })
      expect(yield* session.names("empty")).toEqual([])
      expect(yield* session.names()).toEqual([])
      expect(yield* Effect.flip(session.names("nope"))).toMatchObject({ _tag: "NotFound", path: "nope" })
      yield* server.setQuirks({ replies: { NLST: "553 Not allowed" } })
      expect(yield* Effect.flip(session.names("d"))).toMatchObject({ _tag: "FtpReplyError", code: 553 })
    })))

  it.effect("S18 NLST: names come with the directory or without it, and are the same", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/d/e/a b": "", "/d/e/c": "" } })
      for (const nlstWithDirectory of [false, true]) {
        yield* server.setQuirks({ nlstWithDirectory })
        for (const path of ["d/e", "/d/e"]) expect(yield* session.names(path)).toEqual(["a b", "c"])
      }
      yield* server.setQuirks({ extraLines: ["../../evil", "/etc/passwd"], nlstWithDirectory: false })
      expect(yield* session.names("d/e")).toEqual(["a b", "c", "../../evil", "/etc/passwd"])
    })))

  it.effect("S18 a one-shot get with ;type=d gives the names as they are sent, bounded by maxBytes", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/d/a": "", "/d/b": "" } })
      const ftp = yield* Ftp.make()
      expect(text(yield* ftp.get(`${server.url}/d;type=d`))).toBe("a\r\nb\r\n")
      expect(text(yield* ftp.get(`${server.url}/d/;type=d`))).toBe("a\r\nb\r\n")
      expect(text(yield* ftp.get(`${server.url}/;type=d`))).toBe("d\r\n")
      expect(yield* Effect.flip(ftp.get(`${server.url}/d;type=d`, { maxBytes: 3 }))).toMatchObject({
        _tag: "MessageTooLong",
        limit: 3
      })
      for (
        const call of [ftp.put(`${server.url}/d;type=d`, "x"), Stream.runDrain(ftp.download(`${server.url}/d;type=d`))]
      ) {
        expect(yield* Effect.flip(call as Effect.Effect<unknown, unknown>)).toMatchObject({ _tag: "InvalidArgument" })
      }
      expect(yield* Effect.flip(ftp.get(`${server.url}/d/`))).toMatchObject({ _tag: "InvalidArgument" })
    })))

  it.effect("S16 %2F begins at the root, all else where the log-in begins", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/etc/motd": "root" } })
      const ftp = yield* Ftp.make()
      expect(text(yield* ftp.get(`${server.url}/%2Fetc/motd`))).toBe("root")
      expect(text(yield* ftp.get(`${server.url}//etc/motd`))).toBe("root")
      expect(text(yield* ftp.get(`${server.url}/etc/motd`))).toBe("root")
      expect(text(yield* ftp.get(new URL(`${server.url}/%2Fetc/motd`)))).toBe("root")
      expect((yield* server.commands).filter((line) => line.startsWith("RETR"))).toEqual([
        "RETR /etc/motd",
        "RETR /etc/motd",
        "RETR etc/motd",
        "RETR /etc/motd"
      ])
    })))

  it.effect("S16 a put with ;type=a goes as text, and an option wins over the URL", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make()
      yield* ftp.put(`${server.url}/a;type=a`, "one\ntwo\n")
      expect(yield* server.commands).toContain("TYPE A")
      const before = (yield* server.commands).length
      yield* ftp.put(`${server.url}/a;type=a`, "one\ntwo\n", { type: "binary" })
      expect((yield* server.commands).slice(before)).not.toContain("TYPE A")
      expect(text(Option.getOrThrow(yield* server.read("/a")))).toBe("one\ntwo\n")
    })))
})

describe("listings by LIST", () => {
  it.effect("S18 a server that prints as MS-DOS does is read, and never asked for -a", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a b.txt": "12345", "/d/x": "", "/ leading": "1" },
        quirks: { list: "dos", unknown: ["MLSD", "MLST"] }
      })
      expect((yield* session.list()).map(({ name, size, type }) => [name, type, size])).toEqual([
        [" leading", "file", 1],
        ["a b.txt", "file", 5],
        ["d", "directory", undefined]
      ])
      expect((yield* session.list("d")).map(({ name }) => name)).toEqual(["x"])
      expect((yield* server.commands).filter((line) => line.startsWith("LIST"))).toEqual(["LIST", "LIST d"])
    })))

  it.effect("S18 a server that takes -a for a name is noticed, and asked no more", () =>
    inMemory(Effect.gen(function*() {
      const heard: Array<string> = []
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          let accept: Effect.Effect<Socket.Socket, unknown, Scope.Scope> = Effect.die("no EPSV")
          const net = yield* Net.Net
          for (;;) {
            const line = yield* peer.socket.receiveLine()
            heard.push(line)
            const verb = line.split(" ")[0]!
            if (verb === "QUIT") return
            if (verb === "EPSV") {
              const listener = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
              accept = listener.accept
              yield* peer.say(`229 (|||${listener.port}|)\r\n`)
            } else if (line === "LIST -a") yield* peer.say("550 -a: no such file\r\n")
            else if (verb === "LIST") {
              const data = yield* accept
              yield* peer.say("150 Here\r\n")
              yield* data.send("total 4\r\n-rw-r--r-- 1 a b 5 Jan 01 2020 one -> two\r\n")
              yield* data.shutdown("send")
              yield* peer.say("226 Done\r\n")
            } else yield* peer.say(verb === "SYST" ? "215 UNIX Type: L8\r\n" : "200 Ok\r\n")
          }
        })
      )
      for (const _ of [1, 2, 3]) expect((yield* session.list()).map(({ name }) => name)).toEqual(["one -> two"])
      expect(heard.filter((line) => line.startsWith("LIST"))).toEqual(["LIST -a", "LIST", "LIST", "LIST"])
      expect(heard.filter((line) => line === "SYST")).toHaveLength(1)
    })))
})

describe("replies", () => {
  it.effect.each(
    [
      ["426 and 226", "426 Cut\n226 Aborted"],
      ["226 alone", "226 Aborted"],
      ["426 alone", "426 Cut"],
      ["225 alone", "225 Nothing to abort"],
      ["226 twice: the transfer was through", "226 Complete\n226 Aborted"],
      ["426 and 225", "426 Cut\n225 Aborted"],
      ["500, and 426 since the data broke", "500 ABOR?\n426 Broken"],
      ["the other way round", "226 Aborted\n426 Cut"],
      ["451 and 226", "451 Local error\n226 Aborted"]
    ] as const
  )(
    "C34 whatever ABOR is answered by, the next command gets its own reply: %s",
    ([, replies]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer("213 1000000")
            yield* data.send(pattern(1000))
            yield* answering(peer, { ...calm, ABOR: replies, SIZE: "213 5" })
          })
        )
        expect(yield* Stream.runCollect(Stream.take(session.download("a"), 1))).toHaveLength(1)
        expect(yield* session.size("b")).toBe(5)
        expect(yield* session.pwd).toBe("/")
      }))
  )

  it.effect("C34 a 426 that comes late, behind a lone 226, is nobody's answer", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 1000000")
          yield* data.send(pattern(1000))
          yield* peer.expect(/^ABOR$/)
          yield* peer.say("226 Aborted\r\n")
          yield* peer.expect(/^PWD$/)
          yield* peer.say("257 \"/\"\r\n426 Cut\r\n")
          yield* peer.expect(/^SIZE/)
        })
      )
      yield* Stream.runDrain(Stream.take(session.download("a"), 1))
      const first = yield* Effect.either(session.size("b"))
      expect(first).toMatchObject({ _tag: "Left", left: { _tag: "ProtocolViolation" } })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C34 a 426 that comes when the next command is out already is not that one's reply either", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 1000000")
          yield* data.send(pattern(1000))
          yield* peer.expect(/^ABOR$/)
          yield* peer.say("226 Aborted\r\n")
          yield* peer.expect(/^PWD$/)
          yield* peer.say("257 \"/\"\r\n")
          yield* peer.expect(/^DELE/)
          yield* peer.say("426 Cut\r\n250 Gone\r\n")
        })
      )
      yield* Stream.runDrain(Stream.take(session.download("a"), 1))
      expect(yield* Effect.flip(session.remove("b"))).toMatchObject({ _tag: "ProtocolViolation" })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C34 preliminary replies without end, and replies that wait behind each other without end, are given up", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.zipRight(peer.welcome, Effect.zipRight(peer.expect(/^PWD$/), peer.say("150 Wait\r\n".repeat(100))))
      )
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "ProtocolViolation" })
      const other = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^PWD$/)
          return yield* Effect.forever(peer.say("200 And on\r\n".repeat(3000)))
        })
      )
      expect((yield* Effect.flip(other.pwd))._tag).toBe("ProtocolViolation")
      expect(yield* other.isUsable).toBe(false)
    })))

  it.effect("C34 a 3yz or 6yz to a command that has none is a ProtocolViolation", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      for (const code of [331, 350, 631]) {
        yield* server.setQuirks({ replies: { NOOP: `${code} ?` } })
        expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "ProtocolViolation" })
      }
    })))

  it.effect("C34 a reply of more than replyLimit bytes ends the session, whatever it answers", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({}, { replyLimit: 1000 })
      yield* server.setQuirks({ replies: { SYST: `215 ${"x".repeat(2000)}` } })
      expect(yield* Effect.flip(session.system)).toMatchObject({ _tag: "ReplyTooLong", limit: 1000 })
      expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "SessionClosed" })
    })))

  it.effect("C34 STAT gives its lines, of the session and of a path, and SITE CHMOD its mode", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      expect(yield* session.status()).toEqual({ code: 211, lines: ["A server for tests", " all is well", "End"] })
      yield* server.setQuirks({ replies: { STAT: "213-Status of a:\n-rw-r--r-- 1 a b 3 Jan 01 2020 a\n213 End" } })
      expect((yield* session.status("a")).lines[1]).toContain("-rw-r--r--")
      yield* server.setQuirks({ replies: { STAT: "550 No such file" } })
      expect(yield* Effect.flip(session.status("nope"))).toMatchObject({ _tag: "NotFound", path: "nope" })
      yield* server.setQuirks({ replies: {} })
      yield* session.chmod("a", 0o7)
      expect(yield* server.commands).toContain("SITE CHMOD 007 a")
      expect(yield* Effect.flip(session.chmod("nope", 0o600))).toMatchObject({ _tag: "NotFound" })
      yield* server.setQuirks({ unknown: ["SITE"] })
      expect(yield* Effect.flip(session.chmod("a", 0o600))).toMatchObject({ _tag: "NotSupported" })
    })))

  it.effect("C34 a lost connection is OutcomeUnknown for what changes something, and itself for what only looks", () =>
    inMemory(Effect.gen(function*() {
      const cases: ReadonlyArray<
        readonly [string, RegExp, (session: FtpSession.Session) => Effect.Effect<unknown, { readonly _tag: string }>]
      > = [
        ["OutcomeUnknown", /^MKD/, (session) => session.makeDirectory("a")],
        ["OutcomeUnknown", /^RMD/, (session) => session.removeDirectory("a")],
        ["OutcomeUnknown", /^SITE/, (session) => session.chmod("a", 0o600)],
        ["OutcomeUnknown", /^MFMT/, (session) => session.setModified("a", new Date(0))],
        ["OutcomeUnknown", /^XYZZY/, (session) => session.command("XYZZY")],
        ["SocketBroken", /^PWD/, (session) => session.pwd],
        ["SocketBroken", /^STAT/, (session) => session.status()]
      ]
      for (const [tag, pattern, call] of cases) {
        const session = yield* against((peer) =>
          Effect.zipRight(peer.welcome, Effect.zipRight(peer.expect(pattern), peer.socket.abort))
        )
        expect((yield* Effect.flip(call(session)))._tag).toBe(tag)
      }
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^RNFR/)
          yield* peer.say("350 ?\r\n")
          yield* peer.expect(/^RNTO/)
          yield* peer.socket.abort
        })
      )
      expect(yield* Effect.flip(session.rename("a", "b"))).toMatchObject({ _tag: "OutcomeUnknown", command: "RNTO b" })
    })))

  it.effect("C34 calls that wait when the session is lost fail with SessionClosed, each", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.zipRight(peer.welcome, Effect.zipRight(peer.expect(/^PWD/), peer.socket.abort))
      )
      const first = yield* Effect.fork(Effect.flip(session.pwd))
      const others = yield* Effect.forEach(
        [session.noop, session.size("a"), session.get("a")],
        (call) => Effect.fork(Effect.flip(call as Effect.Effect<unknown, { readonly _tag: string }>))
      )
      expect((yield* Fiber.join(first))._tag).toBe("SocketBroken")
      for (const other of others) expect((yield* Fiber.join(other))._tag).toBe("SessionClosed")
    })))
})
