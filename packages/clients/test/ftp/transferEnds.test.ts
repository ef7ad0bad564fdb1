/** How a transfer ends, whoever ends it and whenever: one owner of the data connection, from before the command goes out. */
import { Net, Tls } from "@copas/core"
import { NetMemory, Sampling, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { answering, calm, inMemory, inTime } from "./hostileServer.js"
import { connected, leavesNothing, networks, pattern, text, turn, until } from "./networks.js"
import { against, type Peer } from "./scripted.js"

/** Interrupts the fiber once the server has had `line`, and the event loop has gone round. */
const interruptedAt = (
  heard: ReadonlyArray<string>,
  line: string,
  fiber: Fiber.RuntimeFiber<unknown, unknown>
): Effect.Effect<void> =>
  Effect.zipRight(
    until(Effect.sync(() => heard.some((each) => each.startsWith(line)))),
    Effect.zipRight(turn, Effect.asVoid(Fiber.interrupt(fiber)))
  )

describe.each(networks)("the end of a transfer, %s", (_, net) => {
  it.live.each(["RETR", "STOR"] as const)(
    "C34 interrupted while the 150 is awaited, the data connection is cut at once, and the session continues: %s",
    (verb) =>
      Effect.provide(
        leavesNothing(Effect.gen(function*() {
          const heard: Array<string> = []
          const session = yield* against((peer) =>
            Effect.gen(function*() {
              yield* peer.welcome
              yield* peer.expect(/^TYPE/)
              yield* peer.say("200 Ok\r\n")
              if (verb === "RETR") {
                yield* peer.expect(/^SIZE/)
                yield* peer.say("213 9\r\n")
              }
              const data = yield* Effect.flatten(peer.passive)
              heard.push(yield* peer.expect(/^(?:RETR|STOR)/))
              // Busy with the data connection, it hears nothing else.
              const end = yield* Effect.exit(data.receive())
              heard.push(Exit.isFailure(end) ? "cut" : "data")
              yield* peer.say("426 Cut\r\n")
              yield* peer.expect(/^ABOR/)
              yield* peer.say("226 Aborted\r\n")
              yield* answering(peer, calm)
            })
          )
          const call = verb === "RETR" ? session.get("a") : Effect.asVoid(session.put("a", "some"))
          const fiber = yield* Effect.fork(call)
          yield* interruptedAt(heard, verb, fiber)
          yield* session.noop
          expect(heard[1]).toBe("cut")
          expect(yield* session.isUsable).toBe(true)
        })),
        net
      )
  )

  it.live("C34 data that ended by a reset is all of it, if SIZE agrees and the server says so", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer("213 4")
            yield* data.send("four")
            yield* data.flush
            yield* turn
            yield* data.abort
            yield* peer.say("226 Done\r\n")
            yield* answering(peer, calm)
          })
        )
        const parts = yield* Stream.runCollect(session.download("a"))
        expect(Array.from(parts, text).join("")).toBe("four")
        yield* session.noop
      })),
      net
    ))

  it.live("C34 data that ended by a reset is not all of it, if SIZE or the server says otherwise", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        for (const [size, final] of [["213 5", "226 Done"], ["213 4", "426 Cut"], ["550 No", "226 Done"]] as const) {
          const session = yield* against((peer) =>
            Effect.gen(function*() {
              yield* peer.welcome
              const data = yield* peer.transfer(size)
              yield* data.send("four")
              yield* data.flush
              yield* turn
              yield* data.abort
              yield* peer.say(`${final}\r\n`)
              yield* answering(peer, { ...calm, SIZE: size, ABOR: "226 Nothing" })
            })
          )
          const error = yield* Effect.flip(Stream.runDrain(session.download("a")))
          expect(["TransferIncomplete", "OutcomeUnknown"]).toContain(error._tag)
        }
      })),
      net
    ))
})

const scriptedActive = (replies: { readonly [verb: string]: string }, talk?: (peer: Peer) => Effect.Effect<unknown>) =>
  against((peer) =>
    Effect.zipRight(
      peer.welcome,
      Effect.zipRight(
        talk === undefined ? Effect.void : talk(peer),
        answering(peer, { ...calm, SIZE: "213 3", EPRT: "200 Ok", ...replies })
      )
    ), { data: "active", timeouts: { connect: "30 seconds", control: "60 seconds" } })

describe("the end of a transfer", () => {
  it.effect.each([
    ["425 Can't open data connection", "DataConnectionFailed"],
    ["426 Cut", "DataConnectionFailed"],
    ["451 Local error", "FtpReplyError"],
    ["550 Gone", "NotFound"]
  ])(
    "C34 in active mode a refusal after the 150 is heard at once: %s",
    ([final, tag]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* scriptedActive({ RETR: `150 Here\r\n${final}` })
        const { millis, value } = yield* inTime(Effect.flip(session.get("a")), "10 millis")
        expect(value._tag).toBe(tag)
        expect(millis).toBeLessThan(1000)
        yield* session.noop
      }))
  )

  it.effect("C34 in active mode the error names whom the listener turned away", () =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const server = yield* network.addHost("server")
      const client = yield* network.addHost("client")
      const stranger = yield* network.addHost("stranger")
      const listener = yield* server.net.listen({ host: server.addresses[0]!, port: 21, linger: 0 })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const socket = yield* listener.accept
        yield* socket.send("220 Hi\r\n")
        for (;;) {
          const line = yield* socket.receiveLine()
          const [, , , port] = line.split("|")
          if (line.startsWith("EPRT")) {
            yield* Effect.forkScoped(
              Effect.ignore(Effect.flatMap(
                stranger.net.connect({ host: client.addresses[0]!, port: Number(port), linger: 0 }),
                (evil) => evil.receive()
              ))
            )
          }
          yield* socket.send(
            line.startsWith("USER") ?
              "230 Hi\r\n"
              : line.startsWith("RETR") ?
              "150 Here\r\n"
              : line === "PWD" ?
              "257 \"/\"\r\n"
              : line === "ABOR" ?
              "426 Cut\r\n226 Aborted\r\n"
              : line.startsWith("SIZE") || line === "FEAT" ?
              "500 No\r\n"
              : "200 Ok\r\n"
          )
        }
      }))
      const ftp = yield* Effect.provideService(
        Ftp.make({ host: "server", data: "active", timeouts: { connect: "3 seconds" } }),
        Net.Net,
        client.net
      )
      const session = yield* ftp.connect()
      const { value } = yield* inTime(Effect.flip(session.get("a")))
      expect(value).toMatchObject({ _tag: "DataConnectionFailed" })
      expect(value.message).toContain(stranger.addresses[0]!)
      yield* session.noop
    }).pipe(Effect.scoped))

  it.effect.each(
    [
      ["no PWD", { PWD: "502 What?" }],
      ["no ABOR", { ABOR: "502 What?" }],
      ["neither PWD nor ABOR", { PWD: "502 What?", ABOR: "502 What?" }],
      ["PWD without 257", { PWD: "250 /" }],
      ["no answer to ABOR, no PWD", { ABOR: "", PWD: "500 What?" }]
    ] satisfies ReadonlyArray<readonly [string, { readonly [verb: string]: string }]>
  )(
    "C34 an abort does not wait out its deadline, and no reply is taken for another's: %s",
    ([, replies]) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer("213 1000000")
            yield* data.send("some")
            yield* Effect.ignore(Effect.forever(data.receive()))
            yield* peer.say("426 Cut\r\n")
            yield* answering(peer, { ...calm, ...replies, SIZE: "213 7", MDTM: "213 20240102030405" })
          })
        )
        const { millis } = yield* inTime(Stream.runDrain(Stream.take(session.download("a"), 1)), "10 millis")
        expect(millis).toBeLessThan(2000)
        expect(yield* session.size("a")).toBe(7)
        expect((yield* session.modified("a")).date.getUTCFullYear()).toBe(2024)
        yield* session.noop
      }))
  )

  it.effect.each([2, 3])(
    "C34 a 226 that comes %d times is one too many, and ends no session",
    (completions) =>
      inMemory(Effect.gen(function*() {
        const { session } = yield* connected({ files: { "/a": "aaa", "/d/b": "b" }, quirks: { completions } })
        for (const _ of [1, 2, 3]) {
          expect(text(yield* session.get("a"))).toBe("aaa")
          expect(yield* session.put("c", "ccc")).toMatchObject({ verified: true })
          expect((yield* session.list("d")).map(({ name }) => name)).toEqual(["b"])
          expect(yield* session.size("a")).toBe(3)
        }
      }))
  )

  it.effect("C34 226 without end that nobody asked for ends the session", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/a": "aaa" }, quirks: { completions: 200 } })
      const calls: Effect.Effect<unknown, FtpSession.Failure> = Effect.zipRight(session.size("a"), session.noop)
      const error = yield* Effect.flip(Effect.zipRight(Effect.ignore(session.get("a")), Effect.forever(calls)))
      expect(["ProtocolViolation", "SessionClosed"]).toContain(error._tag)
      expect(yield* session.isUsable).toBe(false)
    })))

  it.effect("C34 a server that sends more than SIZE has said is stopped there", () =>
    inMemory(Effect.gen(function*() {
      for (const [size, tag] of [["213 10", "OutcomeUnknown"], ["213 100000000", "TransferIncomplete"]] as const) {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            const data = yield* peer.transfer("213 10")
            yield* Effect.ignore(Effect.forever(data.send(pattern(16_384))))
            yield* peer.say("426 Cut\r\n")
            yield* answering(peer, { ...calm, SIZE: size, ABOR: "226 Aborted" })
          })
        )
        let moved = 0
        const error = yield* Effect.flip(Stream.runForEach(session.download("a"), (chunk) =>
          Effect.sync(() => {
            moved += chunk.length
          })))
        expect(error._tag).toBe(tag)
        expect(moved).toBeLessThan(200_000)
        expect(yield* session.isUsable).toBe(true)
      }
    })))
})

describe("TLS", () => {
  it.effect("C34 interrupted at any step of a transfer under TLS, the handshake comes to its end before ABOR", () =>
    Effect.provide(
      Sampling.everyStep("a get under TLS", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const made = TlsMemory.identity()
          const server = yield* FtpServer.make({
            tls: yield* Tls.server({ identity: made.identity }),
            files: { "/a": pattern(50_000) },
            quirks: { endsAtBrokenHandshake: true }
          })
          const ftp = yield* Ftp.make({
            host: server.host,
            port: server.port,
            tls: "explicit",
            tlsContext: { ca: made.ca },
            serverName: "localhost"
          })
          const session = yield* ftp.connect()
          const fiber = yield* Effect.fork(session.get("a"))
          yield* Effect.repeatN(Effect.yieldNow(), steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          expect(yield* session.isUsable).toBe(true)
          expect(yield* session.size("/a")).toBe(50_000)
          return isThrough
        })), { stride: 7 }),
      NetMemory.layer
    ))
})
