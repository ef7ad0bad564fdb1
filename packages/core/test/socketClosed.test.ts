/** The `SocketClosed` that is made without its schema's constructor, compared with one made by it. */
import { Net, SocketError } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Equal, Predicate, Schema } from "effect"

/** The end of a stream as the library makes it, which is not by the constructor. */
const ended = Effect.gen(function*() {
  const listener = yield* Net.listen({ port: 7, linger: 0 })
  const socket = yield* Net.connect({ port: 7, name: "upstream", linger: 0 })
  const peer = yield* listener.accept
  yield* peer.send("half a li")
  yield* peer.shutdown("send")
  return yield* Effect.flip(socket.receiveLine())
})

describe("the error of an end", () => {
  it.scoped("C20 is the same as one from the constructor: to Schema, to JSON, to guards, to who logs it", () =>
    Effect.gen(function*() {
      const error = yield* ended
      if (error._tag !== "SocketClosed") return expect(error._tag).toBe("SocketClosed")
      const { by, bytesSent, operation, partial, socket } = error
      const made = new SocketError.SocketClosed({ by, bytesSent, operation, partial, socket })
      expect(error).toBeInstanceOf(SocketError.SocketClosed)
      expect(error).toBeInstanceOf(Error)
      expect(Predicate.isTagged(error, "SocketClosed")).toBe(true)
      expect(error.name).toBe(made.name)
      expect(error.message).toBe(made.message)
      expect(error.message).toContain("after 9 bytes")
      expect(String(error)).toBe(String(made))
      expect(Cause.pretty(Cause.fail(error))).toContain("upstream: the peer closed the connection after 9 bytes")
      expect(JSON.stringify(Object.entries(error).sort())).toBe(JSON.stringify(Object.entries(made).sort()))
      const encode = Schema.encode(SocketError.SocketClosed)
      const wire = yield* encode(error)
      expect(wire).toEqual(yield* encode(made))
      const decoded = yield* Schema.decode(SocketError.SocketClosed)(wire)
      expect(decoded.message).toBe(error.message)
      expect(Equal.equals(decoded.partial.length, error.partial.length)).toBe(true)
      // It is an Effect that fails with itself, as all errors of Effect are.
      expect(yield* Effect.flip(error)).toBe(error)
    }).pipe(Effect.provide(NetMemory.layer)))
})
