/** Servers that attack the client: replies without end, line ends in arguments, unexpected replies, wrong addresses. */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, Redacted, type Scope, Stream, TestClock } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { connected, leavesNothing, pattern, same, text, turn, until } from "./networks.js"
import { against, scripted } from "./scripted.js"

const inMemory = <A, E>(use: Effect.Effect<A, E, Net.Net | Scope.Scope>): Effect.Effect<A, E> =>
  Effect.provide(leavesNothing(use), NetMemory.layer)

/** Goes on with the clock until the fiber is done. */
const withTime = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    yield* until(
      Effect.zipRight(
        Effect.zipRight(turn, TestClock.adjust("1 seconds")),
        Effect.map(fiber.status, (status) => status._tag === "Done")
      )
    )
    return yield* Fiber.join(fiber)
  })

describe("replies that lie in wait", () => {
  it.effect("C34 a line end or a NUL in an argument is refused before anything is sent", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected()
      const before = yield* server.commands
      for (const path of ["a\r\nDELE b", "a\nb", "a\rb", "a\0b"]) {
        for (const call of [session.get(path), session.put(path, "x"), session.cd(path), session.rename("a", path)]) {
          const error = yield* Effect.flip(call as Effect.Effect<unknown, { readonly _tag: string }>)
          expect(error._tag === "InvalidArgument" || error._tag === "NotFound").toBe(true)
        }
        expect(yield* Effect.flip(session.command(`SITE ${path}`))).toMatchObject({ _tag: "InvalidArgument" })
      }
      const sent = (yield* server.commands).slice(before.length)
      expect(sent.filter((line) => /DELE|[\r\n\0]/.test(line))).toEqual([])
      yield* session.noop
    })))

  it.effect("C34 a URL with an encoded line end is no URL", () =>
    inMemory(Effect.gen(function*() {
      const ftp = yield* Ftp.make()
      const error = yield* Effect.flip(ftp.get("ftp://127.0.0.1/a%0d%0aDELE%20b"))
      expect(error).toMatchObject({ _tag: "InvalidArgument" })
    })))

  it.effect("C34 a reply without end is given up at its bound", () =>
    inMemory(Effect.gen(function*() {
      const where = yield* scripted((peer) => Effect.forever(peer.say(`220-${"x".repeat(1000)}\r\n`)))
      const ftp = yield* Ftp.make(where)
      expect(yield* Effect.flip(Effect.scoped(ftp.connect()))).toMatchObject({ _tag: "ReplyTooLong", limit: 65_536 })
    })))

  it.effect("C34 a listing without end is given up at its bound", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^SYST$/)
          yield* peer.say("500 What?\r\n")
          yield* peer.expect(/^TYPE I$/)
          yield* peer.say("200 Ok\r\n")
          const accept = yield* peer.passive
          const data = yield* accept
          yield* peer.expect(/^LIST$/)
          yield* peer.say("150 Ok\r\n")
          yield* Effect.ignore(Effect.forever(data.send("-rw-r--r-- 1 a b 1 Jan 01 2020 x\r\n")))
          yield* peer.expect(/^ABOR$/)
          yield* peer.say("426 Cut\r\n226 Aborted\r\n")
          yield* peer.expect(/^PWD$/)
          yield* peer.say("257 \"/\"\r\n")
        }), { listingLimit: 10_000 })
      expect(yield* Effect.flip(session.list())).toMatchObject({ _tag: "ListingTooLong", what: "listing" })
      expect(yield* session.isUsable).toBe(true)
    })))

  it.effect("C34 a reply that nobody asked for ends the session, and answers no command", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^PWD$/)
          yield* peer.say("257 \"/\"\r\n257 \"/elsewhere\"\r\n")
        })
      )
      expect(yield* session.pwd).toBe("/")
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "ProtocolViolation" })
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "SessionClosed" })
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C34 what is no FTP server is told from one", () =>
    inMemory(Effect.gen(function*() {
      const where = yield* scripted((peer) => peer.say("HTTP/1.1 400 Bad Request\r\n\r\n"))
      const ftp = yield* Ftp.make(where)
      expect(yield* Effect.flip(Effect.scoped(ftp.connect()))).toMatchObject({ _tag: "ProtocolViolation" })
    })))

  it.effect("C34 replies of several lines with codes inside are one reply each", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/a": "aaa" }, quirks: { multiline: true } })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(yield* session.pwd).toBe("/")
      expect((yield* session.list()).length).toBe(1)
    })))
})

describe("addresses", () => {
  it.effect("C34 the host in a reply to PASV is not believed: the data connection goes where the session is", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": "aaa" },
        quirks: { unknown: ["EPSV"], passiveHost: "10.9.8.7" }
      })
      expect(text(yield* session.get("a"))).toBe("aaa")
    })))

  it.effect("C34 with trustPassiveHost it is believed, for who wants that", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected(
        { files: { "/a": "aaa" }, quirks: { unknown: ["EPSV"], passiveHost: "10.9.8.7" } },
        { trustPassiveHost: true }
      )
      const error = yield* Effect.flip(session.get("a"))
      expect(error).toMatchObject({ _tag: "DataConnectionFailed" })
      expect(error.message).toContain("10.9.8.7")
      expect(yield* session.isUsable).toBe(true)
    })))

  it.scoped("C34 in active mode a stranger's connection is turned away, and the server's is taken", () =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const [serverHost, clientHost, stranger] = yield* Effect.all([
        network.addHost("server"),
        network.addHost("client"),
        network.addHost("stranger")
      ])
      const listener = yield* serverHost.net.listen({ host: serverHost.addresses[0]!, port: 21, linger: 0 })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const socket = yield* listener.accept
        const expectLine = (verb: string) =>
          Effect.flatMap(
            socket.receiveLine(),
            (line) => line.startsWith(verb) ? Effect.succeed(line) : Effect.dieMessage(line)
          )
        for (
          const [verb, reply] of [["", "220 Hi"], ["USER", "230 Hi"], ["FEAT", "500 No"], ["TYPE", "200 Ok"], [
            "SIZE",
            "213 4"
          ]]
        ) {
          if (verb !== "") yield* expectLine(verb!)
          yield* socket.send(`${reply}\r\n`)
        }
        const eprt = yield* expectLine("EPRT")
        const [, , host = "", port = ""] = eprt.slice(5).split("|")
        yield* socket.send("200 Ok\r\n")
        yield* expectLine("RETR")
        yield* socket.send("150 Ok\r\n")
        const bad = yield* stranger.net.connect({ host, port: Number(port), linger: 0 })
        yield* bad.send("evil")
        yield* Effect.ignore(bad.receive())
        const good = yield* serverHost.net.connect({ host, port: Number(port), linger: 0 })
        yield* good.send("good")
        yield* good.shutdown("send")
        yield* socket.send("226 Ok\r\n")
        yield* expectLine("QUIT")
        yield* socket.close
      }))
      const ftp = yield* Effect.provideService(Ftp.make({ host: "server", data: "active" }), Net.Net, clientHost.net)
      const session = yield* ftp.connect()
      const got = yield* Effect.fork(session.get("a"))
      expect(text(yield* Fiber.join(got))).toBe("good")
    }))

  it.effect("C34 one connector makes both the control and the data connections", () =>
    inMemory(Effect.gen(function*() {
      const purposes: Array<string> = []
      const { session } = yield* connected({ files: { "/a": "aaa" } }, {
        connector: ({ host, port, purpose }) => {
          purposes.push(purpose)
          return Net.connect({ host, port })
        }
      })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(purposes).toEqual(["control", "data"])
    })))

  it.effect("C34 user and password that were set for one host are not sent to another", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/a": "aaa" } })
      const ftp = yield* Ftp.make({ host: "elsewhere", user: "me", password: Redacted.make("secret") })
      yield* ftp.get(`${server.url}/a`)
      const sent = yield* server.commands
      expect(sent).toContain("USER anonymous")
      expect(sent.join(" ")).not.toContain("secret")
    })))

  it.effect("C34 no error shows a password", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ users: { me: "right" } })
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const error = yield* Effect.flip(
        Effect.scoped(ftp.connect({ user: "me", password: Redacted.make("hunter2") }))
      )
      expect(error).toMatchObject({ _tag: "LoginRefused", user: "me", secure: false, code: 530 })
      expect(`${error.message} ${JSON.stringify(error)} ${String(error)}`).not.toContain("hunter2")
    })))

  it.effect("C34 a path that begins with a hyphen is no option of LIST", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/-R/a": "aaa" },
        quirks: { unknown: ["MLSD", "MLST"] }
      })
      expect((yield* session.list("-R")).map(({ name }) => name)).toEqual(["a"])
      expect(yield* session.names("-R")).toEqual(["a"])
      expect((yield* server.commands).some((line) => /^(?:LIST|NLST) -R/.test(line))).toBe(false)
    })))

  it.effect("C34 a server's name that leaves the directory is a typed value, never a path", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        quirks: { extraLines: ["type=file;size=1; ../../x", "type=file;size=1; a\\b", "type=file;size=1; COM1"] }
      })
      const names = (yield* session.list()).map((entry) => Ftp.safeName(entry))
      expect(names.map((name) => Either.isLeft(name) ? name.left.reason : name.right)).toEqual([
        "Separator",
        "Separator",
        "DeviceName"
      ])
    })))
})

describe("transfers that go wrong", () => {
  it.effect("C34 a download that was cut is TransferIncomplete, and can be resumed from there", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a": pattern(100_000) },
        quirks: { cutDownloadAfter: 40_000 }
      })
      const error = yield* Effect.flip(session.get("a"))
      if (error._tag !== "TransferIncomplete") return yield* Effect.die(error)
      expect(error).toMatchObject({ direction: "download", path: "a", expected: 100_000 })
      expect(error.moved <= 40_000).toBe(true)
      yield* server.setQuirks({ cutDownloadAfter: undefined })
      const rest = yield* session.get("a", { offset: error.moved })
      expect(same(rest, pattern(100_000).subarray(error.moved))).toBe(true)
    })))

  it.effect("C34 a download that ends early, with a 226, is not told as success", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": pattern(100_000) },
        quirks: { endDownloadAfter: 40_000 }
      })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({
        _tag: "TransferIncomplete",
        expected: 100_000,
        moved: 40_000
      })
      const seen = yield* Effect.either(Stream.runCount(session.download("a")))
      expect(Either.isLeft(seen)).toBe(true)
      yield* session.noop
    })))

  it.effect("C34 a 426 behind a good upload is OutcomeUnknown, and tells what the server has", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { final: "426 Failure reading network stream." } })
      const error = yield* Effect.flip(session.put("a", pattern(1000)))
      expect(error).toMatchObject({ _tag: "OutcomeUnknown", moved: 1000 })
      expect(error.message).toContain("1000 bytes")
      yield* session.noop
    })))

  it.effect("C34 an upload of which the server lost a part is TransferIncomplete", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { loseOfUpload: 10 } })
      expect(yield* Effect.flip(session.put("a", pattern(1000)))).toMatchObject({
        _tag: "TransferIncomplete",
        direction: "upload",
        expected: 1000,
        moved: 990
      })
    })))

  it.effect("C34 an upload that the server cuts is TransferIncomplete, and can be resumed", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ quirks: { cutUploadAfter: 100_000 } })
      const content = pattern(3_000_000)
      const error = yield* Effect.flip(session.put("a", content))
      if (error._tag !== "TransferIncomplete") return yield* Effect.die(error)
      expect(error).toMatchObject({ direction: "upload", expected: 3_000_000, moved: 100_000 })
      yield* server.setQuirks({ cutUploadAfter: undefined })
      yield* session.put("a", content.subarray(error.moved), { offset: error.moved })
      expect(same(yield* session.get("a"), content)).toBe(true)
    })))

  it.effect("C34 a refusal amid an upload is its error: 552 is StorageExceeded", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("")
          yield* data.receive()
          // It reads no more, and closes nothing: only the reply tells.
          yield* peer.say("552 Quota exceeded\r\n")
        })
      )
      expect(yield* Effect.flip(session.put("a", pattern(3_000_000)))).toMatchObject({
        _tag: "StorageExceeded",
        path: "a"
      })
      expect(yield* session.isUsable).toBe(true)
    })))

  it.effect("C34 the 226 may come only when the client has closed its end", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/a": pattern(1000) }, quirks: { finalAfterClose: true } })
      expect(same(yield* session.get("a"), pattern(1000))).toBe(true)
    })))

  it.effect("C34 a server that refuses SIZE in ASCII is asked in binary, and text is moved all the same", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/a": "one\ntwo" }, quirks: { sizeInAscii: true } })
      expect(text(yield* session.get("a", { type: "text" }))).toBe("one\ntwo")
      expect(yield* session.size("a")).toBe(7)
      expect(text(yield* session.get("a"))).toBe("one\ntwo")
    })))

  it.effect("C34 a final reply that never comes is OutcomeUnknown after the time-out, and the session is gone", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { final: "" } })
      const put = yield* Effect.fork(Effect.flip(session.put("a", pattern(1000))))
      expect(yield* withTime(put)).toMatchObject({ _tag: "OutcomeUnknown", moved: 1000 })
      expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "SessionClosed" })
    })))

  it.effect("C34 a peer that never finishes its end is not waited for without bound", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("")
          const all = yield* data.receiveExactly(4)
          yield* peer.say(`226 ${all.length} bytes\r\n`)
          yield* peer.expect(/^SIZE /)
          yield* peer.say("213 4\r\n")
        })
      )
      const put = yield* Effect.fork(session.put("a", "1234"))
      expect(yield* withTime(put)).toEqual({ path: "a", bytes: 4, verified: true })
    })))

  it.effect("C34 a data connection that stands still times out, and the session continues", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 100")
          yield* data.send("half")
          yield* peer.expect(/^ABOR$/)
          yield* peer.say("426 Cut\r\n226 Aborted\r\n")
          yield* peer.expect(/^PWD$/)
          yield* peer.say("257 \"/\"\r\n")
          yield* peer.expect(/^NOOP$/)
          yield* peer.say("200 Yes\r\n")
        }), { timeouts: { data: "3 seconds" } })
      const get = yield* Effect.fork(Effect.flip(session.get("a")))
      expect(yield* withTime(get)).toMatchObject({ _tag: "TransferIncomplete", expected: 100, moved: 4 })
      yield* session.noop
    })))

  it.effect("C34 a server that says nothing more times out, and the session is gone", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) => Effect.zipRight(peer.welcome, Effect.never))
      const pwd = yield* Effect.fork(Effect.flip(session.pwd))
      expect(yield* withTime(pwd)).toMatchObject({ _tag: "SocketTimeout" })
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "SessionClosed" })
    })))

  it.effect("C34 a reply that trickles in byte by byte is not waited for longer than the time-out, twice over", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          return yield* Effect.forever(Effect.zipRight(peer.say("2"), Effect.sleep("5 seconds")))
        }), { timeouts: { control: "10 seconds" } })
      const pwd = yield* Effect.fork(Effect.flip(session.pwd))
      expect((yield* withTime(pwd))._tag).toMatch(/SocketTimeout|ProtocolViolation/)
    })))

  it.effect("C34 a command that changes something is OutcomeUnknown when the connection is lost over it", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^DELE a$/)
          yield* peer.socket.abort
        })
      )
      expect(yield* Effect.flip(session.remove("a"))).toMatchObject({ _tag: "OutcomeUnknown", command: "DELE a" })
    })))

  it.effect("C34 a session that the server closed for being idle is ServiceUnavailable, then SessionClosed", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ quirks: { idle: "1 minute" } })
      yield* until(Effect.zipRight(
        TestClock.adjust("30 seconds"),
        Effect.map(server.connections, ({ control }) => control === 0)
      ))
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "ServiceUnavailable", code: 421 })
      expect(yield* Effect.flip(session.pwd)).toMatchObject({ _tag: "SessionClosed" })
    })))

  it.effect.each(["at once", "behind", "swallowed"] as const)(
    "C34 a keep-alive during a transfer never takes another reply: NOOP answered %s",
    (noop) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({
          files: { "/a": pattern(100_000) },
          quirks: { noop, chunkDelay: "10 seconds" }
        }, { keepAlive: "5 seconds", timeouts: { data: "1 minute" } })
        const get = yield* Effect.fork(session.get("a"))
        expect(same(yield* withTime(get), pattern(100_000))).toBe(true)
        expect((yield* server.commands).filter((line) => line === "NOOP").length).toBeGreaterThan(2)
        if (noop !== "swallowed") expect(yield* session.pwd).toBe("/")
      }))
  )

  it.effect("C34 an ambiguous 550 is looked into: not there, there already, or not allowed", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/d/a": "aaa" } })
      expect(yield* Effect.flip(session.remove("nope"))).toMatchObject({ _tag: "NotFound", path: "nope" })
      expect(yield* Effect.flip(session.makeDirectory("d"))).toMatchObject({ _tag: "AlreadyExists", path: "d" })
      expect(yield* Effect.flip(session.removeDirectory("d"))).toMatchObject({ _tag: "FtpReplyError", code: 550 })
      expect(yield* Effect.flip(session.get("nope"))).toMatchObject({ _tag: "NotFound" })
      yield* server.setQuirks({ replies: { NLST: "450 No files" } })
      expect(yield* session.names("d")).toEqual([])
      yield* server.setQuirks({ replies: { NLST: "550 No files" } })
      expect(yield* session.names("d")).toEqual([])
      expect(yield* Effect.flip(session.names("nope"))).toMatchObject({ _tag: "NotFound" })
    })))
})
