/** Listings by NLST and LIST, and one-shot calls by URL, on servers that differ. */
import { Net, type Socket } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, type Scope, Stream } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, text } from "./networks.js"
import { against } from "./scripted.js"

describe("listings of names", () => {
  it.effect("S18 NLST: an empty directory is an empty list, and a missing one NotFound, whichever the server says of it", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/empty/": "", "/d/a": "" } })
      expect(yield* session.names("empty")).toEqual([])
      expect(yield* session.names("d")).toEqual(["a"])
      for (const nlstMissing of [undefined, 550, "empty", 450] as const) {
        yield* server.setQuirks({ nlstMissing })
        expect(yield* Effect.flip(session.names("nope"))).toMatchObject({ _tag: "NotFound", path: "nope" })
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
