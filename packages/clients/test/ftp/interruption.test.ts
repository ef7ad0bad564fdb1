/** What an interruption aborts, within which time, and what remains open. */
import type { Net } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream, TestClock } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { connected, leavesNothing, passing, pattern, turn, until } from "./networks.js"

type Call = (session: FtpSession.Session) => Effect.Effect<unknown, unknown>

const calls: ReadonlyArray<readonly [string, Call]> = [
  ["pwd", (session) => session.pwd],
  ["cd", (session) => session.cd("d")],
  ["list", (session) => session.list()],
  ["names", (session) => session.names()],
  ["stat", (session) => session.stat("a")],
  ["size", (session) => session.size("a")],
  ["rename", (session) => session.rename("a", "b")],
  ["makeDirectory", (session) => session.makeDirectory("x/y/z", { recursive: true })],
  ["a refused remove, with the look behind it", (session) => Effect.ignore(session.remove("nope"))],
  ["get", (session) => session.get("a")],
  ["a resumed get", (session) => session.get("a", { offset: 10_000 })],
  ["get as text", (session) => session.get("a", { type: "text" })],
  ["download", (session) => Stream.runDrain(session.download("a"))],
  ["put", (session) => session.put("b", pattern(50_000))],
  ["append", (session) => session.put("a", pattern(50_000), { mode: "append" })],
  ["upload", (session) => Stream.run(Stream.make(pattern(20_000), pattern(20_000)), session.upload("b"))]
]

/** Interrupts `call` after more and more steps, until it is through before the interruption comes. */
const everywhere = (
  name: string,
  quirks: FtpServer.Quirks,
  options: Ftp.Defaults,
  call: Call
): Effect.Effect<number, unknown, Net.Net> =>
  Sampling.everyStep(name, (steps) =>
    leavesNothing(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": pattern(50_000), "/d/": "" }, quirks }, options)
      const fiber = yield* Effect.fork(call(session))
      yield* passing(steps)
      const isThrough = (yield* fiber.status)._tag === "Done"
      yield* Fiber.interrupt(fiber)
      // Nothing of a transfer outlives it.
      yield* until(Effect.map(server.connections, ({ data }) => data === 0))
      // It is usable: a next command gets its own answer. (A server that answers nothing has it given up: see below.)
      const after = yield* Effect.either(session.size("/a"))
      expect(yield* session.isUsable).toBe(true)
      if (after._tag === "Left") expect(after.left).toMatchObject({ _tag: "NotFound", command: "SIZE /a" })
      expect(yield* session.pwd).toMatch(/^\/(?:d)?$/)
      const entries = yield* session.list("/")
      expect(entries.some(({ name }) => name === "d")).toBe(true)
      return isThrough
    })))

describe("interruption", () => {
  it.effect.each(calls)(
    "C34 interrupted at any step of %s, a session answers the next command rightly",
    ([name, call]) =>
      Effect.provide(
        Effect.gen(function*() {
          const steps = yield* everywhere(name, {}, {}, call)
          expect(steps).toBeGreaterThan(1)
        }),
        NetMemory.layer
      )
  )

  it.effect.each(
    [
      ["one reply to ABOR alone", { abort: "lone" }, {}],
      ["active mode", {}, { data: "active" }],
      ["PASV behind a refused EPSV", { unknown: ["EPSV"] }, {}],
      ["replies of many lines", { multiline: true }, {}]
    ] satisfies ReadonlyArray<readonly [string, FtpServer.Quirks, Ftp.Defaults]>
  )("C34 the same with %s", ([name, quirks, options]) =>
    Effect.provide(
      Effect.gen(function*() {
        for (const [call, run] of [calls[9]!, calls[13]!]) {
          yield* everywhere(`${call} with ${name}`, quirks, options, run)
        }
      }),
      NetMemory.layer
    ))

  it.effect("C34 a server that does not answer ABOR costs the session, within the deadline", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected({
          files: { "/a": pattern(500_000) },
          quirks: { abort: "silent", chunkDelay: "1 minute" }
        }, { timeouts: { abort: "5 seconds" } })
        const fiber = yield* Effect.fork(session.get("a"))
        yield* until(Effect.map(server.connections, ({ data }) => data === 1))
        const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* until(Effect.zipRight(
          Effect.zipRight(turn, TestClock.adjust("1 seconds")),
          Effect.map(interrupting.status, (status) => status._tag === "Done")
        ))
        expect(yield* session.isUsable).toBe(false)
        expect(yield* Effect.flip(session.noop)).toMatchObject({ _tag: "SessionClosed" })
      })),
      NetMemory.layer
    ))

  it.effect("C34 to stop reading a download aborts it, and the session continues", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/a": pattern(1_000_000) } })
        const [first] = yield* Stream.runCollect(Stream.take(session.download("a"), 1))
        expect(first!.length).toBeGreaterThan(0)
        expect(yield* server.commands).toContain("ABOR")
        expect(yield* session.size("a")).toBe(1_000_000)
      })),
      NetMemory.layer
    ))

  it.effect("C34 interrupted at any step of connecting, nothing is left open", () =>
    Effect.provide(
      Sampling.everyStep("connecting", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const server = yield* FtpServer.make()
          const ftp = yield* Ftp.make({ host: server.host, port: server.port })
          const fiber = yield* Effect.fork(Effect.scoped(Effect.flatMap(ftp.connect(), (session) => session.noop)))
          yield* passing(steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          yield* until(Effect.map(server.connections, ({ control }) => control === 0))
          return isThrough
        }))),
      NetMemory.layer
    ))
})
