/** Servers that end a transfer by a reply while the data connection stays open. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { answering, calm, inMemory, inTime } from "./hostileServer.js"
import { connected, pattern, same, text, until } from "./networks.js"
import { against } from "./scripted.js"

/** Such words are noticed with the first stall at the latest: the data time-out, and one abort. */
const unnoticed = 7_000
const timeouts = { data: "20 seconds", abort: "2 seconds" } as const

describe("a server that stops a transfer in words alone, while the data connection stays open and silent", () => {
  it.effect.each(
    [
      ["451 Local error", "FtpReplyError"],
      ["426 Cut", "OutcomeUnknown"],
      ["550 Gone", "NotFound"],
      ["552 Quota", "StorageExceeded"],
      ["450 Busy", "FtpReplyError"],
      ["530 Log in", "LoginRefused"]
    ] as const
  )("C34 before the first byte of a download: %s", ([said, tag]) =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.transfer("500 What?")
          yield* peer.say(`${said}\r\n`)
          yield* answering(peer, calm)
        }), { timeouts })
      const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
      expect(value).toMatchObject({ _tag: tag })
      expect(millis).toBeLessThan(unnoticed)
      yield* session.noop
    })))

  it.effect("C34 amid the first bytes of a download: what came is counted", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 100")
          yield* data.send("half")
          yield* peer.say("451 Local error\r\n")
          yield* answering(peer, calm)
        }), { timeouts })
      const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
      expect(value).toMatchObject({
        _tag: "TransferIncomplete",
        expected: 100,
        moved: 4,
        cause: { _tag: "FtpReplyError", code: 451, lines: ["Local error"] }
      })
      expect(millis).toBeLessThan(unnoticed)
      yield* session.noop
    })))

  it.effect("C34 421 amid a small download: the session is gone, and what moved is told", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 100")
          yield* data.send("half")
          yield* peer.say("421 Shutting down\r\n")
        }), { timeouts })
      const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
      expect(value).toMatchObject({ _tag: "TransferIncomplete", expected: 100, moved: 4 })
      expect(millis).toBeLessThan(unnoticed)
      expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "SessionClosed" })
    })))

  it.effect("C34 amid a small upload that the server does not read: 552 is StorageExceeded", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.transfer("")
          yield* peer.say("552 Quota\r\n")
          yield* answering(peer, calm)
        }), { timeouts })
      const { millis, value } = yield* inTime(Effect.flip(session.put("a", pattern(60_000))))
      expect(value).toMatchObject({ _tag: "StorageExceeded", path: "a" })
      expect(millis).toBeLessThan(unnoticed)
      yield* session.noop
    })))

  it.effect("C34 amid an upload of many small pieces from a slow source", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("")
          yield* data.receive()
          yield* peer.say("552 Quota\r\n")
          yield* answering(peer, calm)
        })
      )
      const source = Stream.repeatEffect(Effect.delay(Effect.succeed(pattern(1000)), "1 seconds"))
      const { value } = yield* inTime(Effect.flip(session.put("a", Stream.take(source, 200))))
      expect(value).toMatchObject({ _tag: "StorageExceeded", path: "a" })
      yield* session.noop
    })))

  it.effect("C34 amid a larger upload, which is watched", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.transfer("")
          yield* peer.say("552 Quota\r\n")
          yield* answering(peer, calm)
        }), { timeouts })
      const { millis, value } = yield* inTime(Effect.flip(session.put("a", pattern(1_000_000))))
      expect(value).toMatchObject({ _tag: "StorageExceeded", path: "a" })
      expect(millis).toBeLessThan(2000)
      yield* session.noop
    })))
})

describe("replies at odd times", () => {
  it.effect.each([["small", 1000], ["large", 1_000_000]] as const)(
    "C34 a 226 before the data of a %s download ends nothing: all of it is read",
    ([, size]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer(`213 ${size}`)
            yield* peer.say("226 Done\r\n")
            for (const part of [0, 1, 2, 3, 4]) {
              yield* Effect.sleep("10 seconds")
              yield* data.send(pattern(size).slice(part * size / 5, (part + 1) * size / 5))
            }
            yield* data.shutdown("send")
            yield* answering(peer, calm)
          })
        )
        const { value } = yield* inTime(session.get("a"))
        expect(same(value, pattern(size))).toBe(true)
        yield* session.noop
      }))
  )

  it.effect("C34 a 226 in one piece with the 150 is the transfer's, not the next command's", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^TYPE I$/)
          yield* peer.say("200 Ok\r\n")
          yield* peer.expect(/^SIZE /)
          yield* peer.say("213 4\r\n")
          const accept = yield* peer.passive
          const data = yield* accept
          yield* peer.expect(/^RETR /)
          yield* peer.say("150 Here\r\n226 Done\r\n")
          yield* data.send("1234")
          yield* data.shutdown("send")
          yield* answering(peer, calm)
        })
      )
      expect(text(yield* session.get("a"))).toBe("1234")
      expect(yield* session.pwd).toBe("/")
    })))

  it.effect("C34 a transfer that is answered by 226 alone, without a 150, is one", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.expect(/^TYPE I$/)
          yield* peer.say("200 Ok\r\n")
          yield* peer.expect(/^SIZE /)
          yield* peer.say("213 4\r\n")
          const accept = yield* peer.passive
          const data = yield* accept
          yield* peer.expect(/^RETR /)
          yield* data.send("1234")
          yield* data.shutdown("send")
          yield* peer.say("226 Done\r\n")
          yield* answering(peer, calm)
        })
      )
      expect(text(yield* session.get("a"))).toBe("1234")
      expect(yield* session.pwd).toBe("/")
    })))

  it.effect.each([["small", 10], ["large", 500_000]] as const)(
    "C34 a server that never closes the data connection behind its 226 ends in a typed error, not in a hang: %s",
    ([, size]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer(`213 ${size}`)
            yield* data.send(pattern(size))
            yield* peer.say("226 Done\r\n")
            yield* answering(peer, { ...calm, SIZE: `213 ${size}` })
          }), { timeouts: { data: "20 seconds" } })
        const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
        expect(value).toMatchObject({ _tag: "OutcomeUnknown", moved: size })
        expect(millis).toBeLessThan(30_000)
        yield* session.noop
      }))
  )

  it.effect.each([["small", 10], ["large", 500_000]] as const)(
    "C34 data that ends without a final reply is OutcomeUnknown after the control time-out: %s",
    ([, size]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer(`213 ${size}`)
            yield* data.send(pattern(size))
            yield* data.shutdown("send")
          }), { timeouts: { control: "20 seconds" } })
        const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
        expect(value).toMatchObject({ _tag: "OutcomeUnknown", moved: size })
        expect(millis).toBeGreaterThanOrEqual(20_000)
        expect(millis).toBeLessThan(45_000)
        expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "SessionClosed" })
      }))
  )

  it.effect("C34 an empty file is a download of no bytes, and an upload of none", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "" } })
      expect(yield* session.get("a")).toHaveLength(0)
      expect(yield* session.put("b", "")).toEqual({ path: "b", bytes: 0, verified: true })
      expect(Option.getOrThrow(yield* server.read("/b"))).toHaveLength(0)
    })))
})

describe("data that stands still", () => {
  it.effect.each([["small", 40_000], ["large", 3_000_000]] as const)(
    "C34 an upload that the server does not read is cut after timeouts.data, and the session continues: %s",
    ([, size]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            // Even a small one does not fit into what the systems keep.
            const accept = yield* Effect.gen(function*() {
              yield* peer.expect(/^TYPE I$/)
              yield* peer.say("200 Ok\r\n")
              return yield* peer.passive
            })
            const data = yield* accept
            yield* peer.expect(/^STOR /)
            yield* peer.say("150 Ok\r\n")
            yield* data.setOption("receiveBufferSize", 4096)
            yield* answering(peer, { ...calm, ABOR: "426 Cut\n226 Aborted", SIZE: "213 1000" })
          }), { timeouts: { data: "3 seconds" } })
        const { millis, value } = yield* inTime(Effect.either(session.put("a", pattern(size))))
        // What fits into the buffers is all sent; then the reply is what does not come, and the control time-out ends it.
        if (value._tag === "Right") throw new Error("it is not a success")
        expect(["TransferIncomplete", "OutcomeUnknown"]).toContain(value.left._tag)
        expect(millis).toBeLessThan(70_000)
        if (size > 100_000) {
          expect(value.left).toMatchObject({ _tag: "TransferIncomplete", expected: size, moved: 1000 })
          yield* session.noop
        }
      }))
  )

  it.effect("C34 slow data that keeps coming is no stall, however long all of it takes", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected(
        { files: { "/a": pattern(200_000) }, quirks: { chunkDelay: "2 seconds" } },
        { timeouts: { data: "3 seconds", control: "3 seconds" } }
      )
      const { millis, value } = yield* inTime(session.get("a"))
      expect(same(value, pattern(200_000))).toBe(true)
      expect(millis).toBeGreaterThan(20_000)
      yield* session.noop
    })))

  it.effect("C34 a slow source of an upload is no stall of the control connection either", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({}, { timeouts: { data: "3 seconds", control: "3 seconds" } })
      const source = Stream.take(Stream.repeatEffect(Effect.delay(Effect.succeed(pattern(20_000)), "30 seconds")), 6)
      const { value } = yield* inTime(session.put("a", source))
      expect(value).toEqual({ path: "a", bytes: 120_000, verified: true })
      expect(Option.getOrThrow(yield* server.read("/a"))).toHaveLength(120_000)
    })))

  it.effect.each(["at once", "behind", "swallowed"] as const)(
    "C34 a keep-alive during an upload never takes another reply, and costs the upload nothing: NOOP answered %s",
    (noop) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({ quirks: { noop } }, { keepAlive: "5 seconds" })
        const source = Stream.take(Stream.repeatEffect(Effect.delay(Effect.succeed(pattern(1000)), "7 seconds")), 6)
        const { value } = yield* inTime(Effect.either(session.put("a", source)))
        expect(value._tag === "Right" ? value.right : value.left).toMatchObject({ path: "a", bytes: 6000 })
        expect(Option.getOrThrow(yield* server.read("/a"))).toHaveLength(6000)
        expect((yield* server.commands).filter((line) => line === "NOOP").length).toBeGreaterThan(2)
        if (noop !== "swallowed") expect(yield* session.pwd).toBe("/")
      }))
  )

  it.effect("C34 a keep-alive is sent in a small, silent download, too, and stops with it", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected(
        { files: { "/a": "aaa" }, quirks: { chunkDelay: "30 seconds" } },
        { keepAlive: "5 seconds" }
      )
      expect(text((yield* inTime(session.get("a"))).value)).toBe("aaa")
      const sent = (yield* server.commands).filter((line) => line === "NOOP").length
      expect(sent).toBeGreaterThanOrEqual(4)
      yield* inTime(Effect.sleep("1 minute"))
      expect((yield* server.commands).filter((line) => line === "NOOP")).toHaveLength(sent)
    })))
})

describe("success is verified", () => {
  it.effect("C34 an append to a file that was not there, of which the server lost a part, is no success", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { loseOfUpload: 10 } })
      expect(yield* Effect.flip(session.put("log", pattern(1000), { mode: "append" }))).toMatchObject({
        _tag: "TransferIncomplete",
        expected: 1000,
        moved: 990
      })
    })))

  it.effect("C34 an append to a file that is there, of which the server lost a part, is no success", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/log": pattern(500) }, quirks: { loseOfUpload: 10 } })
      expect(yield* Effect.flip(session.put("log", pattern(1000), { mode: "append" }))).toMatchObject({
        _tag: "TransferIncomplete",
        expected: 1500,
        moved: 1490
      })
    })))

  it.effect("C34 of a file that the server named itself (STOU) the size is compared, too", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { loseOfUpload: 10 } })
      expect(yield* Effect.flip(session.put("", pattern(1000), { mode: "unique" }))).toMatchObject({
        _tag: "TransferIncomplete",
        path: "unique.1",
        moved: 990
      })
    })))

  it.effect("C34 a control connection that is lost while an upload's size is compared leaves it open", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("")
          yield* Effect.ignore(Effect.forever(data.receive()))
          yield* peer.say("226 Done\r\n")
          yield* peer.expect(/^SIZE /)
          yield* peer.socket.abort
        })
      )
      expect(yield* Effect.flip(session.put("a", "1234"))).toMatchObject({ _tag: "OutcomeUnknown", moved: 4 })
    })))

  it.effect.each([[426, 1000], [451, 1000]] as const)(
    "C34 a transfer that the server ends with %d says so: the reply is in the error, with its code and lines",
    ([code, size]) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({
          files: { "/a": pattern(size) },
          quirks: { final: `${code} Not all of it`, endDownloadAfter: 400 }
        })
        const cause = { code, lines: ["Not all of it"] }
        expect(yield* Effect.flip(session.get("a"))).toMatchObject({
          _tag: "TransferIncomplete",
          expected: size,
          moved: 400,
          cause
        })
        yield* server.setQuirks({ endDownloadAfter: 0, final: `${code} Nothing of it` })
        expect((yield* Effect.flip(session.get("a")))._tag).toBe(code === 426 ? "TransferIncomplete" : "FtpReplyError")
        const up = yield* Effect.flip(session.put("b", pattern(size)))
        if (code === 426) expect(up).toMatchObject({ _tag: "OutcomeUnknown", cause: { code } })
        else expect(up).toMatchObject({ _tag: "FtpReplyError", code })
        yield* session.noop
      }))
  )

  it.effect("C34 a control connection that is lost while a short download's size is asked for again", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 10")
          yield* data.send("1234")
          yield* data.shutdown("send")
          yield* peer.say("226 Done\r\n")
          yield* peer.expect(/^SIZE /)
          yield* peer.socket.abort
        })
      )
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "TransferIncomplete", expected: 10, moved: 4 })
    })))

  it.effect("C34 an upload that grew on its way is OutcomeUnknown: somebody else writes, too", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { replies: { SIZE: "213 2000" } } })
      expect(yield* Effect.flip(session.put("a", pattern(1000)))).toMatchObject({ _tag: "OutcomeUnknown", moved: 1000 })
    })))

  it.effect("C34 a size from a listing that is out of date is asked for again", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": pattern(1000) } })
      expect(yield* session.get("a", { size: 900 })).toHaveLength(1000)
      expect((yield* server.commands).filter((line) => line === "SIZE a")).toHaveLength(1)
    })))

  it.effect("C34 with verify: false nothing is compared, and SIZE is not asked for", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } }, { verify: false })
      yield* session.get("a")
      expect(yield* session.put("b", "bbb")).toEqual({ path: "b", bytes: 3, verified: false })
      expect((yield* server.commands).some((line) => line.startsWith("SIZE"))).toBe(false)
    })))

  it.effect("C34 past maxBytes a download is given up as MessageTooLong, and the session continues", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": pattern(300_000) } })
      expect(yield* Effect.flip(session.get("a", { maxBytes: 1000 }))).toMatchObject({
        _tag: "MessageTooLong",
        limit: 1000
      })
      yield* until(Effect.map(server.connections, ({ data }) => data === 0))
      expect(yield* session.size("a")).toBe(300_000)
    })))

  it.effect("C34 a stream that fails ends its upload, and the session continues", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected()
      const source = Stream.concat(Stream.make(pattern(1000)), Stream.fail("no more" as const))
      expect(yield* Effect.flip(session.put("a", source))).toBe("no more")
      yield* until(Effect.map(server.connections, ({ data }) => data === 0))
      yield* session.noop
    })))

  it.effect("C34 an interruption just when the final reply is read leaves a session that works", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      yield* server.setQuirks({ delay: "1 seconds" })
      const get = yield* Effect.fork(session.get("a"))
      // TYPE, SIZE, EPSV and RETR are answered, and the data has come: its 226 is under way.
      yield* inTime(Effect.sleep("4500 millis"), "500 millis")
      yield* inTime(Fiber.interrupt(get))
      yield* server.setQuirks({ delay: undefined })
      expect(yield* session.size("a")).toBe(3)
      expect(yield* session.pwd).toBe("/")
    })))
})
