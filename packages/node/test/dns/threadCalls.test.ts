/** The queue before libuv's threads, on which the system's look-ups block. */
import { DnsError } from "@copas/core/DnsError"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { parse } from "../../src/internal/dns/hostsFile.js"
import { ThreadCalls, threadsForLookups } from "../../src/internal/dns/threadCalls.js"

/** A pool in which the test answers for the system. */
const pool = (limit: number) => {
  const calls = new ThreadCalls(limit)
  const running = new Map<string, (outcome: Effect.Effect<string, DnsError>) => void>()
  const begun: Array<string> = []
  return {
    running,
    begun,
    ask: (key: string) =>
      Effect.tap(
        Effect.fork(
          calls.call<string>(key, (done) => {
            begun.push(key)
            running.set(key, done)
          }, Effect.succeed("without a thread"))
        ),
        () => settle
      ),
    answer: (key: string, outcome: Effect.Effect<string, DnsError> = Effect.succeed(key)) =>
      Effect.zipRight(
        Effect.sync(() => {
          running.get(key)!(outcome)
          running.delete(key)
        }),
        settle
      )
  }
}

const settle = Effect.repeatN(Effect.yieldNow(), 10)

describe("look-ups in libuv's threads", () => {
  it.effect("S09 no more run at once than have a thread; the others wait in order", () =>
    Effect.gen(function*() {
      const { answer, ask, begun } = pool(2)
      const fibers = yield* Effect.forEach(["a", "b", "c", "d"], ask)
      expect(begun).toEqual(["a", "b"])
      yield* answer("b")
      expect(begun).toEqual(["a", "b", "c"])
      yield* answer("a")
      yield* answer("c")
      yield* answer("d")
      expect(yield* Fiber.joinAll(fibers)).toEqual(["a", "b", "c", "d"])
    }))

  it.effect("S09 an abandoned look-up that waits is never run", () =>
    Effect.gen(function*() {
      const { answer, ask, begun } = pool(1)
      const first = yield* ask("a")
      const second = yield* ask("b")
      const third = yield* ask("c")
      yield* Fiber.interrupt(second)
      yield* answer("a")
      yield* answer("c")
      expect(begun).toEqual(["a", "c"])
      expect(yield* Fiber.joinAll([first, third])).toEqual(["a", "c"])
    }))

  it.effect("S09 six abandoned look-ups do not starve another: it does without a thread", () =>
    Effect.gen(function*() {
      const { answer, ask, begun } = pool(2)
      for (const key of ["a", "b", "c", "d", "e", "f"]) yield* Effect.flatMap(ask(key), Fiber.interrupt)
      expect(begun).toEqual(["a", "b"])
      expect(yield* Effect.flatMap(ask("g"), Fiber.join)).toBe("without a thread")
      // A thread that is free again is used again.
      yield* answer("a")
      const next = yield* ask("h")
      yield* answer("h")
      expect(yield* Fiber.join(next)).toBe("h")
    }))

  it.effect("S09 those that wait already do without a thread when the last one is abandoned", () =>
    Effect.gen(function*() {
      const { ask } = pool(2)
      const holding = [yield* ask("a"), yield* ask("b")]
      const waiting = yield* ask("c")
      yield* Fiber.interrupt(holding[0]!)
      expect(yield* Fiber.poll(waiting)).toMatchObject({ _tag: "None" })
      yield* Fiber.interrupt(holding[1]!)
      expect(yield* Fiber.join(waiting)).toBe("without a thread")
    }))

  it.effect("S09 callers that ask the same share a look-up, also one that was abandoned", () =>
    Effect.gen(function*() {
      const { answer, ask, begun } = pool(1)
      yield* Effect.flatMap(ask("a"), Fiber.interrupt)
      const again = [yield* ask("a"), yield* ask("a")]
      yield* Fiber.interrupt(again[0]!)
      yield* answer("a")
      expect(yield* Fiber.join(again[1]!)).toBe("a")
      expect(begun).toEqual(["a"])
      // It has ended: the next one asks again.
      const later = yield* ask("a")
      yield* answer("a", Effect.fail(new DnsError({ reason: "NotFound", name: "a", query: "address" })))
      expect(Exit.isFailure(yield* Fiber.await(later))).toBe(true)
      expect(begun).toEqual(["a", "a"])
    }))

  it("S09 as many threads are used as libuv gives to slow work", () => {
    const before = process.env["UV_THREADPOOL_SIZE"]
    try {
      const sizes = [["", 2], ["1", 1], ["4", 2], ["5", 3], ["128", 64], ["junk", 2], ["0", 1]] as const
      for (const [size, threads] of sizes) {
        process.env["UV_THREADPOOL_SIZE"] = size
        expect([size, threadsForLookups()]).toEqual([size, threads])
      }
    } finally {
      if (before === undefined) delete process.env["UV_THREADPOOL_SIZE"]
      else process.env["UV_THREADPOOL_SIZE"] = before
    }
  })

  it("S09 a hosts file gives the addresses of a name, comments and other families left out", () => {
    const text =
      "# 10.0.0.9 box\n10.0.0.1\tbox box.example # 10.0.0.8 box\n::5 BOX\n10.0.0.1 box\n10.0.0.2 other\nbad box\n\n"
    const hosts = (name: string, family?: "IPv4" | "IPv6") => parse(text, name, family).map(({ host }) => host)
    expect(hosts("box")).toEqual(["10.0.0.1", "::5"])
    expect(hosts("Box.Example.")).toEqual(["10.0.0.1"])
    expect(hosts("box", "IPv6")).toEqual(["::5"])
    expect(hosts("nobody")).toEqual([])
  })
})
