/** Replies that come late, too often, too long, or never. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { type FtpSession } from "../../src/index.js"
import { answering, calm, inMemory } from "./hostileServer.js"
import { connected, pattern } from "./networks.js"
import { against } from "./scripted.js"

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
