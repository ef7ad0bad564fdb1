/** Every call of a session, and the one-shot calls, against the FTP server of the tests. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, Stream } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { connected, leavesNothing, networks, pattern, same, text, until } from "./networks.js"

describe.each(networks)("a session, %s", (_, layer) => {
  it.scoped("C34 put and get move a file there and back, and say that its size agreed", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected()
        const content = pattern(300_000)
        expect(yield* session.put("a", content)).toEqual({ path: "a", bytes: 300_000, verified: true })
        expect(same(yield* session.get("a"), content)).toBe(true)
        expect(same(Option.getOrThrow(yield* server.read("/a")), content)).toBe(true)
      })),
      layer
    ))

  it.scoped("S18 the string forms of get and put take a URL, with user, password and type", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const server = yield* FtpServer.make({ users: { "me@home": "s/e:c" }, files: { "/d/x y": "one\r\ntwo" } })
        const ftp = yield* Ftp.make()
        const base = `ftp://me%40home:s%2Fe%3Ac@${server.host}:${server.port}`
        expect(text(yield* ftp.get(`${base}/d/x%20y`))).toBe("one\r\ntwo")
        expect(text(yield* ftp.get(`${base}/d/x%20y;type=a`))).toBe("one\ntwo")
        expect(text(yield* ftp.get(`${base}/d;type=d`))).toBe("x y\r\n")
        yield* ftp.put(`${base}/d/new`, "text")
        expect(yield* ftp.names(`${base}/d`)).toEqual(["new", "x y"])
        expect((yield* ftp.list(`${base}/d`)).map(({ name, size }) => [name, size])).toEqual([["new", 4], ["x y", 8]])
      })),
      layer
    ))

  it.scoped("S18 the table forms take host, port, user, password, path and type apart", () =>
    Effect.provide(
      Effect.gen(function*() {
        const server = yield* FtpServer.make({ users: { me: "secret" }, files: { "/x": "one\r\n" } })
        const ftp = yield* Ftp.make({ host: server.host, port: server.port })
        const where = { user: "me", password: Redacted.make("secret") }
        expect(text(yield* ftp.get({ ...where, path: "x" }, { type: "text" }))).toBe("one\n")
        yield* ftp.put({ ...where, path: "y" }, Stream.make(pattern(10), pattern(20)))
        expect(Option.getOrThrow(yield* server.read("/y"))).toEqual(Uint8Array.from([...pattern(10), ...pattern(20)]))
      }),
      layer
    ))

  it.scoped("C34 downloads and uploads are streams and sinks", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const server = yield* FtpServer.make({ files: { "/a": pattern(100_000) } })
        const ftp = yield* Ftp.make()
        const moved = yield* Stream.run(ftp.download(`${server.url}/a`), ftp.upload(`${server.url}/b`))
        expect(moved).toEqual({ path: "b", bytes: 100_000, verified: true })
        expect(same(Option.getOrThrow(yield* server.read("/b")), pattern(100_000))).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 every command of the table does what it says", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/d/a": "aaa", "/d/e/": "" } })
        expect(yield* session.pwd).toBe("/")
        yield* session.cd("d")
        expect((yield* session.list()).map(({ name, type }) => [name, type])).toEqual([["a", "file"], [
          "e",
          "directory"
        ]])
        expect(yield* session.names()).toEqual(["a", "e"])
        expect(yield* session.size("a")).toBe(3)
        const date = new Date(Date.UTC(2020, 1, 2, 3, 4, 5))
        yield* session.setModified("a", date)
        expect((yield* session.modified("a")).date).toEqual(date)
        expect(yield* session.stat("a")).toMatchObject({ name: "a", type: "file", size: 3 })
        expect(yield* session.exists("b")).toBe(false)
        expect(yield* session.makeDirectory("x/y", { recursive: true })).toBe("/d/x/y")
        yield* session.rename("a", "x/y/b")
        yield* session.chmod("x/y/b", 0o600)
        expect(yield* session.stat("x/y/b")).toMatchObject({ permissions: 0o600 })
        yield* session.remove("x/y/b")
        yield* session.removeDirectory("x/y")
        yield* session.cdup
        expect(yield* session.pwd).toBe("/")
        expect(yield* session.system).toBe("UNIX Type: L8")
        expect((yield* session.status()).code).toBe(211)
        yield* session.noop
        expect((yield* session.command("SITE CHMOD 755 d")).code).toBe(200)
        expect((yield* session.put("", "one", { mode: "unique" })).path).toBe("unique.1")
        yield* session.put("d/log", "one")
        yield* session.put("d/log", "two", { mode: "append" })
        expect(text(yield* session.get("d/log"))).toBe("onetwo")
        expect(text(yield* session.get("d/log", { offset: 4 }))).toBe("wo")
        yield* session.put("d/log", "TWO", { offset: 3 })
        expect(text(yield* session.get("d/log"))).toBe("oneTWO")
        expect(yield* server.paths).toEqual(["/d/log", "/unique.1"])
      })),
      layer
    ))

  it.scoped("C34 calls on one session queue, and each gets its own answer", () =>
    Effect.provide(
      Effect.gen(function*() {
        const files = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`/f${index}`, `${index}`]))
        const { session } = yield* connected({ files })
        const answers = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => index),
          (index) =>
            index % 2 === 0
              ? Effect.map(session.get(`f${index}`), text)
              : Effect.map(session.size(`f${index}`), String),
          { concurrency: "unbounded" }
        )
        expect(answers).toEqual(
          Array.from({ length: 20 }, (_, index) => index % 2 === 0 ? `${index}` : `${`${index}`.length}`)
        )
      }),
      layer
    ))

  it.scoped.each(
    [
      ["EPSV, the default", {}, "EPSV"],
      ["PASV alone", { data: ["PASV"] }, "PASV"],
      ["EPRT, active", { data: "active" }, "EPRT"],
      ["PORT, active", { data: ["PORT"] }, "PORT"]
    ] satisfies ReadonlyArray<readonly [string, Ftp.Defaults, string]>
  )("C34 data connections come about by %s", ([_, options, verb]) =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/a": pattern(70_000) } }, options)
        expect(same(yield* session.get("a"), pattern(70_000))).toBe(true)
        yield* session.put("b", pattern(70_000))
        expect((yield* session.list()).length).toBe(2)
        expect((yield* server.commands).some((line) => line.startsWith(verb))).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 a refused EPSV is followed by PASV, and what worked is remembered", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { server, session } = yield* connected({
          files: { "/a": "aaa" },
          quirks: { replies: { EPSV: "500 EPSV not understood" } }
        })
        yield* session.get("a")
        yield* session.get("a")
        const arranged = (yield* server.commands).filter((line) => /^(?:EPSV|PASV)/.test(line))
        expect(arranged).toEqual(["EPSV", "PASV", "PASV"])
      }),
      layer
    ))

  it.scoped("C34 without MLSD a directory is listed by LIST, names with a dot in front included", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session } = yield* connected({
          files: { "/.hidden": "", "/a b": "12345", "/d/": "" },
          quirks: { unknown: ["MLSD", "MLST"], hidesDotFiles: true }
        })
        const entries = yield* session.list()
        expect(entries.map(({ name, type }) => [name, type])).toEqual([
          [".hidden", "file"],
          ["a b", "file"],
          ["d", "directory"]
        ])
        expect(yield* session.stat("a b")).toMatchObject({ name: "a b", type: "file", size: 5 })
        expect(yield* session.stat("d")).toMatchObject({ name: "d", type: "directory" })
        expect(yield* session.exists("e")).toBe(false)
        expect(yield* session.pwd).toBe("/")
      }),
      layer
    ))

  it.scoped("C34 names in UTF-8, with blanks, quotes and raw bytes are given back as they are", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session } = yield* connected({ files: { "/日本 \"x\"/ leading": "1", "/日本 \"x\"/ÿ": "2" } })
        const [directory] = yield* session.list()
        expect(directory!.name).toBe("日本 \"x\"")
        yield* session.cd(directory!.rawName)
        expect(yield* session.pwd).toBe("/日本 \"x\"")
        for (const entry of yield* session.list()) expect((yield* session.get(entry.rawName)).length).toBe(1)
        const raw = Uint8Array.of(0xff, 0xfe, 0x41)
        yield* session.put(raw, "raw")
        expect((yield* session.list()).some(({ rawName }) => rawName.join() === raw.join())).toBe(true)
        expect(text(yield* session.get(raw))).toBe("raw")
      }),
      layer
    ))

  it.scoped("C34 a session says QUIT and closes with its scope", () =>
    Effect.provide(
      Effect.gen(function*() {
        const server = yield* FtpServer.make()
        const ftp = yield* Ftp.make({ host: server.host, port: server.port })
        yield* Effect.scoped(Effect.flatMap(ftp.connect(), (session) => session.noop))
        expect((yield* server.commands).at(-1)).toBe("QUIT")
        yield* until(Effect.map(server.connections, ({ control }) => control === 0))
      }),
      layer
    ))

  it.scoped("C34 a call of the fiber that holds a transfer open is refused, since it would wait for itself", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session } = yield* connected({ files: { "/a": pattern(200_000) } })
        const inside = session.download("a").pipe(Stream.mapEffect(() => session.noop), Stream.runDrain)
        expect(yield* Effect.flip(inside)).toMatchObject({ _tag: "InvalidArgument" })
        yield* session.noop
        // Another fiber's call only waits.
        const other = yield* Effect.fork(session.size("a"))
        expect(yield* Fiber.join(other)).toBe(200_000)
      }),
      layer
    ))
})
