/** What the guide writes for time-outs, clocks and other calls without a counterpart. */
import { Udp } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import * as Headers from "@effect/platform/Headers"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Effect, Fiber, TestClock } from "effect"

describe("time, and the other functions of LuaSocket", () => {
  it.scoped("C19 copas.timeout is Effect.timeout: the work is interrupted, and nothing of it stays", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1" })
      const fiber = yield* Effect.fork(Effect.flip(Effect.timeout(socket.receive(), "3 seconds")))
      yield* TestClock.adjust("3 seconds")
      expect(Cause.isTimeoutException(yield* Fiber.join(fiber))).toBe(true)
      const fallback = yield* Effect.fork(
        Effect.timeoutTo(socket.receive(), {
          duration: "1 second",
          onSuccess: () => "came",
          onTimeout: () => "the call-back"
        })
      )
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fallback)).toBe("the call-back")
      const cancelled = yield* Effect.fork(Effect.delay(Effect.die("must not run"), "5 seconds"))
      yield* Fiber.interrupt(cancelled)
      yield* TestClock.adjust("10 seconds")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.effect("S20 gettime is Clock, sleep is Effect.sleep", () =>
    Effect.gen(function*() {
      const begun = yield* Clock.currentTimeMillis
      const fiber = yield* Effect.fork(Effect.sleep("2 seconds"))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      expect((yield* Clock.currentTimeMillis) - begun).toBe(2000)
    }))

  it("S20 _DATAGRAMSIZE is Udp.maxDatagramSize, what one datagram carries at most", () => {
    expect(Udp.maxDatagramSize).toBe(65507)
  })

  it("S20 headers.canonic: names of headers are the same in upper and lower case", () => {
    const headers = Headers.fromInput({ "Content-TYPE": "text/plain", "X-Thing": "1" })
    expect(headers["content-type"]).toBe("text/plain")
    expect(Headers.has(headers, "x-thing")).toBe(true)
  })
})
