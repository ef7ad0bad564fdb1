/** Sessions, calls and pools that are interrupted after every number of steps. */
import type { Net } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory, inTime } from "./hostileServer.js"
import { connected, leavesNothing, passing, pattern, same, text, until } from "./networks.js"
import { against } from "./scripted.js"

type Call = (session: FtpSession.Session) => Effect.Effect<unknown, unknown>

const big = pattern(50_000)

/** Interrupts `call` after more and more steps, until it is through before; `then` runs behind each. */
const everywhere = (
  name: string,
  quirks: FtpServer.Quirks,
  options: Ftp.Defaults,
  call: Call,
  then: (
    session: FtpSession.Session,
    server: FtpServer.FtpServer
  ) => Effect.Effect<void, unknown>
): Effect.Effect<number, unknown, Net.Net> =>
  Sampling.everyStep(name, (steps) =>
    leavesNothing(Effect.gen(function*() {
      const { server, session } = yield* connected(
        { files: { "/a": big, "/p": big, "/t": "one\ntwo\n", "/d/x": "x" }, quirks },
        options
      )
      const fiber = yield* Effect.fork(call(session))
      yield* passing(steps)
      const isThrough = (yield* fiber.status)._tag === "Done"
      yield* Fiber.interrupt(fiber)
      yield* until(Effect.map(server.connections, ({ data }) => data === 0))
      yield* then(session, server)
      expect(yield* session.isUsable).toBe(true)
      return isThrough
    })))

/** The next transfers are whole: nothing of the interrupted one (TYPE, REST, a reply) is left in them. */
const isClean = (session: FtpSession.Session, server: FtpServer.FtpServer): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    expect(text(yield* session.get("/t", { type: "text" }))).toBe("one\ntwo\n")
    expect(same(yield* session.get("/a"), big)).toBe(true)
    expect(yield* session.put("/new", "new")).toEqual({ path: "/new", bytes: 3, verified: true })
    expect(text(Option.getOrThrow(yield* server.read("/new")))).toBe("new")
    expect((yield* session.list("/d")).map(({ name }) => name)).toEqual(["x"])
    expect(yield* session.size("/d/x")).toBe(1)
  })

const calls: ReadonlyArray<readonly [string, Call]> = [
  ["a resumed get", (session) => session.get("/a", { offset: 10_000 })],
  ["a get as text", (session) => session.get("/t", { type: "text" })],
  ["a resumed put", (session) => session.put("/b", big, { offset: 0 })],
  ["a put at an offset", (session) => session.put("/p", big.subarray(40_000), { offset: 40_000 })],
  ["a put under a name of the server's", (session) => session.put("", "x", { mode: "unique" })],
  ["cdup", (session) => session.cdup],
  ["chmod", (session) => session.chmod("/t", 0o600)],
  ["setModified", (session) => session.setModified("/t", new Date(0))],
  ["modified", (session) => session.modified("/t")],
  ["remove", (session) => session.remove("/d/nope")],
  ["removeDirectory", (session) => session.removeDirectory("/d")],
  ["exists", (session) => session.exists("/nope")],
  ["status", (session) => session.status()],
  ["system", (session) => session.system],
  ["noop", (session) => session.noop],
  ["command", (session) => session.command("SITE CHMOD 600 /t")],
  ["listLines", (session) => session.listLines("/d")]
]

describe("interruption", () => {
  it.effect.each(calls)(
    "C34 interrupted at any step of %s, the next transfers are whole",
    ([name, call]) =>
      Effect.provide(
        Effect.gen(function*() {
          expect(yield* everywhere(name, {}, {}, call, isClean)).toBeGreaterThan(1)
        }),
        NetMemory.layer
      )
  )

  it.effect.each([[true], [false]])(
    "C34 interrupted at any step of replace, a whole file is there, and no part beside it; the server renames onto a file: %s",
    ([renamesOnto]) => {
      const test = (steps: number) =>
        leavesNothing(Effect.gen(function*() {
          const { server, session } = yield* connected({ files: { "/d/x": "old" }, quirks: { renamesOnto } })
          const sent = yield* Deferred.make<void>()
          const content = Stream.concat(
            Stream.make(pattern(9)),
            Stream.fromEffect(Effect.as(Deferred.await(sent), pattern(9)))
          )
          const fiber = yield* Effect.fork(session.replace("/d/x", content))
          yield* until(Effect.map(server.connections, ({ data }) => data === 1))
          // What comes up to here is that of a put.
          yield* Deferred.succeed(sent, undefined)
          yield* passing(steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          // The session has settled what was under way when it answers.
          yield* session.noop
          const paths = yield* server.paths
          expect(paths).toHaveLength(1)
          expect(paths[0]).toMatch(/^\/d\/x(?:\..*\.part)?$/)
          const bytes = text(Option.getOrThrow(yield* server.read(paths[0]!)))
          expect(bytes === text(pattern(9)).repeat(2) || (paths[0] === "/d/x" && bytes === "old")).toBe(true)
          return isThrough
        }))
      return Effect.provide(Sampling.everyStep("replace", test, { stride: 1 }), NetMemory.layer)
    }
  )

  it.effect.each(
    [
      ["by LIST, in a directory whose name has a blank", { unknown: ["MLSD", "MLST"] }, {}],
      ["in active mode", {}, { data: "active" }],
      ["with keep-alives", {}, { keepAlive: "1 seconds" }],
      ["with PORT alone", {}, { data: ["PORT"] }]
    ] satisfies ReadonlyArray<readonly [string, FtpServer.Quirks, Ftp.Defaults]>
  )(
    "C34 interrupted at any step of a listing and a stat %s, the session is where it was",
    ([name, quirks, options]) =>
      Effect.provide(
        Effect.gen(function*() {
          for (const call of [(it: FtpSession.Session) => it.list("/d"), (it: FtpSession.Session) => it.stat("/d")]) {
            yield* everywhere(name, quirks, options, call, (session) =>
              Effect.gen(function*() {
                // A way back that was cut short costs the session; then it says so.
                expect(yield* session.pwd).toBe("/")
                expect((yield* session.list("/d")).map(({ name }) => name)).toEqual(["x"])
              }))
          }
        }),
        NetMemory.layer
      )
  )

  it.effect.each(
    [
      ["the replies stop behind the first", "4900 millis", "never"],
      ["they come in time", "2 seconds", "2 seconds"]
    ] as const
  )("C34 an abort ends within timeouts.abort, all of it: %s", ([, first, second]) =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          const data = yield* peer.transfer("213 1000000")
          yield* data.send("some")
          yield* peer.expect(/^ABOR$/)
          yield* Effect.sleep(first)
          yield* peer.say("426 Cut\r\n226 Aborted\r\n")
          yield* peer.expect(/^PWD$/)
          if (second === "never") return
          yield* Effect.sleep(second)
          yield* peer.say("257 \"/\"\r\n")
        })
      )
      const { millis } = yield* inTime(Stream.runDrain(Stream.take(session.download("a"), 1)), "100 millis")
      expect(millis).toBeLessThanOrEqual(5200)
      expect(yield* session.isUsable).toBe(second !== "never")
    })))

  it.effect(
    "C34 interrupted at any step while it waits for its turn, a call leaves the turn to the others",
    () =>
      Effect.provide(
        Sampling.forEachIn("a call that waits for its turn", { to: 120 }, (steps) =>
          leavesNothing(Effect.gen(function*() {
            const { session } = yield* connected({ files: { "/a": big, "/t": "t" } })
            const first = yield* Effect.fork(session.get("/a"))
            const second = yield* Effect.fork(session.get("/t"))
            const third = yield* Effect.fork(session.size("/t"))
            const fourth = yield* Effect.fork(session.size("/a"))
            yield* passing(steps)
            yield* Fiber.interrupt(second)
            yield* Fiber.interrupt(third)
            expect(yield* Fiber.join(fourth)).toBe(50_000)
            expect(yield* Fiber.join(first)).toHaveLength(50_000)
            expect(yield* session.pwd).toBe("/")
          }))),
        NetMemory.layer
      )
  )

  const oneShots: ReadonlyArray<
    readonly [string, (ftp: Ftp.Service, url: string) => Effect.Effect<unknown, unknown>]
  > = [
    ["get", (ftp, url) => ftp.get(`${url}/a`)],
    ["download into an upload", (ftp, url) => Stream.run(ftp.download(`${url}/a`), ftp.upload(`${url}/b`))],
    ["names", (ftp, url) => ftp.names(`${url}/`)]
  ]
  it.effect.each(oneShots)(
    "C34 interrupted at any step of a one-shot %s, nothing is left open",
    ([name, call]) =>
      Effect.provide(
        Sampling.everyStep(`a one-shot ${name}`, (steps) =>
          leavesNothing(Effect.gen(function*() {
            const server = yield* FtpServer.make({ files: { "/a": big } })
            const ftp = yield* Ftp.make()
            const fiber = yield* Effect.fork(call(ftp, server.url))
            yield* passing(steps)
            const isThrough = (yield* fiber.status)._tag === "Done"
            yield* Fiber.interrupt(fiber)
            yield* until(Effect.map(server.connections, ({ control, data }) => control + data === 0))
            return isThrough
          })), { stride: 53 }),
        NetMemory.layer
      )
  )
})
