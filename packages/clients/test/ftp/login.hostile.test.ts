/** The way to a session that is logged in: refusals, strange greetings, and servers that know little. */
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Either, Layer, Redacted } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { answering, calm, inMemory, inTime } from "./hostileServer.js"
import { connected, text } from "./networks.js"
import { type Peer, scripted } from "./scripted.js"

const secret = Redacted.make("hunter2")

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
