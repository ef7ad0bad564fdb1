/** A channel against a peer that says what the test has it say, on both networks. */
import type { Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, type Scope } from "effect"
import type { Channel } from "../../src/internal/replies/channel.js"
import * as Command from "../../src/internal/replies/command.js"
import * as Ledger from "../../src/internal/replies/ledger.js"
import { startTls } from "../../src/internal/replies/startTls.js"
import * as Bytes from "../../src/internal/text/bytes.js"
import { networks, turn, until } from "../ftp/networks.js"
import { bytes } from "../ftp/support.js"
import { connected } from "./support.js"

/** Waits until something has come that was not read, or not entered. */
const buffered = (channel: Channel): Effect.Effect<void> =>
  until(Effect.map(channel.socket.stats, ({ receiveBuffered }) => receiveBuffered > 0 || !channel.isQuiet))

describe.each(networks)("a channel, %s", (_name, network) => {
  const scoped = <E>(title: string, use: Effect.Effect<void, E, Net.Net | Scope.Scope>): void =>
    it.live(title, () => use.pipe(Effect.scoped, Effect.provide(network)))

  scoped(
    "C35 a group goes out whole, each command gets its reply, and 354 is the reply to DATA",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const group = yield* channel.submitAll([
        [Command.make("MAIL", "FROM:<a@x.example>")],
        [Command.make("RCPT", "TO:<b@y.example>"), { accepts: (code) => code !== 354 }],
        [Command.make("DATA")]
      ])
      expect(channel.owed).toBe(3)
      yield* peer.hears("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n")
      yield* peer.says("250 Ok\r\n550-5.1.1 No\r\n550 5.1.1 such user\r\n354 Go")
      const [mail, rcpt] = yield* Effect.all(group.slice(0, 2).map((exchange) => channel.await(exchange)))
      expect([mail!.code, rcpt!.code]).toEqual([250, 550])
      expect(rcpt!.lines).toEqual(["5.1.1 No", "5.1.1 such user"])
      yield* peer.says(" ahead\r\n")
      expect((yield* channel.await(group[2]!)).code).toBe(354)
      const end = Ledger.exchange(Command.make("DATA"))
      yield* channel.submitBytes(bytes("Hi\r\n.\r\n"), [end])
      yield* peer.hears("Hi\r\n.\r\n")
      yield* peer.says("250 Queued\r\n")
      expect((yield* channel.await(end)).lines).toEqual(["Queued"])
      expect(channel.isQuiet).toBe(true)
    })
  )

  scoped(
    "C35 of a group with a command that cannot be sent nothing goes out, and nothing is owed",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const failed = yield* Effect.flip(
        channel.submitAll([[Command.make("MAIL", "FROM:<a>")], [Command.make("RCPT", "TO:<b>\r\nRSET")]])
      )
      expect(failed).toMatchObject({ _tag: "InvalidArgument", protocol: "smtp", what: "RCPT" })
      expect(channel.owed).toBe(0)
      yield* channel.submit(Command.make("NOOP"))
      yield* peer.hears("NOOP\r\n")
      expect(peer.heard()).toBe("NOOP\r\n")
    })
  )

  scoped(
    "C35 the reply to a command whose sender was interrupted is read before the next, and is not its",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const send = (verb: string) => Effect.flatMap(channel.submit(Command.make(verb)), (one) => channel.await(one))
      const first = yield* Effect.fork(send("RSET"))
      yield* peer.hears("RSET\r\n")
      yield* Fiber.interrupt(first)
      expect(channel.owed).toBe(1)
      const next = yield* Effect.fork(Effect.zipRight(channel.settle, send("NOOP")))
      yield* turn
      expect(peer.heard()).toBe("RSET\r\n")
      yield* peer.says("250 reset\r\n")
      yield* peer.hears("NOOP\r\n")
      yield* peer.says("250 noop\r\n")
      expect((yield* Fiber.join(next)).lines).toEqual(["noop"])
    })
  )

  scoped(
    "C35 a reply that nobody asked for ends the session before the next command is sent",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      yield* peer.says("250 out of the blue\r\n")
      yield* buffered(channel)
      yield* channel.settle
      const refused = yield* Effect.flip(channel.submit(Command.make("NOOP")))
      expect(refused).toMatchObject({ _tag: "ProtocolViolation", received: "250 out of the blue" })
      const closed = yield* Effect.flip(channel.submit(Command.make("NOOP")))
      expect(closed).toMatchObject({ _tag: "SessionClosed", protocol: "smtp", why: refused.message })
      expect(peer.heard()).toBe("")
    })
  )

  scoped(
    "C35 a surplus reply after the last one is not the next command's, which is not sent",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const noop = yield* channel.submit(Command.make("NOOP"))
      yield* peer.hears("NOOP\r\n")
      yield* peer.says("250 Ok\r\n250 and more\r\n")
      expect((yield* channel.await(noop)).lines).toEqual(["Ok"])
      yield* buffered(channel)
      const failed = yield* Effect.flip(Effect.zipRight(channel.settle, channel.submit(Command.make("RSET"))))
      expect(failed).toMatchObject({ _tag: "ProtocolViolation", received: "250 and more" })
      expect(peer.heard()).toBe("NOOP\r\n")
    })
  )

  for (const surplus of ["250 and more\r\n", "250-and", "25"]) {
    scoped(
      `C35 what came before a command was sent is not its reply, also within a turn and in part: ${
        JSON.stringify(surplus)
      }`,
      Effect.gen(function*() {
        const { channel, peer } = yield* connected
        const noop = yield* channel.submit(Command.make("NOOP"))
        yield* peer.hears("NOOP\r\n")
        yield* peer.says("250 Ok\r\n")
        yield* channel.await(noop)
        yield* peer.says(surplus)
        yield* buffered(channel)
        const failed = yield* Effect.flip(channel.submit(Command.make("RSET")))
        expect(failed).toMatchObject({ _tag: "ProtocolViolation", protocol: "smtp" })
        expect(peer.heard()).toBe("NOOP\r\n")
      })
    )
  }

  scoped(
    "C35 empty lines between replies are nobody's and harm nobody",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      for (const [verb, before] of [["NOOP", ""], ["RSET", "\n"]] as const) {
        const exchange = yield* channel.submit(Command.make(verb))
        yield* peer.hears(`${verb}\r\n`)
        yield* peer.says(`${before}250 ${verb}\r\n`)
        expect((yield* channel.await(exchange)).lines).toEqual([verb])
        yield* peer.says("\r\n \r")
        yield* buffered(channel)
      }
    })
  )

  scoped(
    "C35 an answer to content that comes before its end is the content's, once it is entered before",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const end = Ledger.exchange(Command.make("DATA"))
      yield* channel.submitBytes(Bytes.empty, [end])
      yield* channel.socket.send("a part\r\n")
      yield* peer.says("552 Too much\r\n")
      yield* buffered(channel)
      yield* channel.submitBytes(bytes(".\r\n"), [])
      expect((yield* channel.await(end)).code).toBe(552)
      yield* peer.hears("a part\r\n.\r\n")
    })
  )

  scoped(
    "C35 a reply that does not come in time ends the session, so a late one is nobody's",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const noop = yield* channel.submit(Command.make("NOOP"))
      const failed = yield* Effect.flip(channel.await(noop, { within: 1 }))
      expect(failed).toMatchObject({ _tag: "SocketTimeout", operation: "receive" })
      yield* Effect.ignore(peer.says("250 late\r\n"))
      expect(yield* Effect.flip(channel.settle)).toMatchObject({ _tag: "SessionClosed" })
      expect(yield* Effect.flip(channel.submit(Command.make("RSET")))).toMatchObject({ _tag: "SessionClosed" })
    })
  )

  scoped(
    "C35 the time for one reply does not hold for the next one, nor over a time that was set for all",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      const patience = () => Duration.toMillis(channel.socket.timeouts.receive!)
      const asked = (reading?: { readonly within: number }) =>
        Effect.gen(function*() {
          const exchange = yield* channel.submit(Command.make("NOOP"))
          const reply = yield* Effect.fork(channel.await(exchange, reading))
          yield* Effect.yieldNow()
          const whileWaiting = patience()
          yield* peer.says("250 Ok\r\n")
          yield* Fiber.join(reply)
          return whileWaiting
        })
      expect(yield* asked({ within: 20_000 })).toBe(20_000)
      expect(yield* asked()).toBe(60_000)
      expect(yield* asked({ within: 20_000 })).toBe(20_000)
      expect(yield* asked({ within: 30_000 })).toBe(30_000)
      yield* channel.patient(90_000)
      expect(yield* asked()).toBe(90_000)
    })
  )

  scoped(
    "C35 the greeting answers no command, and 421 in its place is ServiceUnavailable",
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      yield* peer.says("220-Hello\r\n220 there\r\n")
      expect((yield* channel.greeting()).lines).toEqual(["Hello", "there"])
      const next = yield* Effect.fork(
        Effect.flip(Effect.flatMap(channel.submit(Command.make("NOOP")), channel.await.bind(channel)))
      )
      yield* peer.hears("NOOP\r\n")
      yield* peer.says("421 Bye\r\n")
      expect(yield* Fiber.join(next)).toMatchObject({ _tag: "ServiceUnavailable", command: "NOOP", lines: ["Bye"] })
    })
  )

  it.live.each([
    ["nothing", "", true],
    ["a reply", "250 PWNED\r\n", false],
    ["a part of one", "25", false],
    ["an empty line", "\r\n", false]
  ])("C35 STARTTLS: %s came in clear after the go-ahead", ([_what, behind, isRight]) =>
    Effect.gen(function*() {
      const { channel, peer } = yield* connected
      let upgraded = false
      const say = Effect.flatMap(channel.submit(Command.make("STARTTLS")), (exchange) => channel.await(exchange))
      const upgrade = Effect.sync(() => {
        upgraded = true
      })
      const exit = yield* Effect.fork(Effect.exit(startTls(channel, "STARTTLS", say, upgrade)))
      yield* peer.hears("STARTTLS\r\n")
      yield* peer.says(`220 Go ahead\r\n${behind}`)
      const result = yield* Fiber.join(exit)
      expect([Exit.isSuccess(result), upgraded]).toEqual([isRight, isRight])
      expect(channel.lost === undefined).toBe(isRight)
      if (Exit.isFailure(result)) expect(JSON.stringify(result.cause)).toContain("ProtocolViolation")
    }).pipe(Effect.scoped, Effect.provide(network)))
})
