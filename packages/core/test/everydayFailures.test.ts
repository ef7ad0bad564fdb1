/** What peers do every day is a line at Debug; what fails for another reason is an error. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { begin, listening, turn, until } from "../src/contract/cases/support.js"
import * as Copas from "../src/Copas.js"
import * as Net from "../src/Net.js"
import type { Socket } from "../src/Socket.js"
import * as NetMemory from "../src/testing/NetMemory.js"

const logged = (handler: (socket: Socket) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    const lines: Array<readonly [string, string]> = []
    const logger = Logger.make(({ logLevel, message }) => {
      // Effect itself says so of a fiber that fails, at Debug: that is not the dispatcher's line.
      if (!String(message).startsWith("Fiber terminated")) lines.push([logLevel.label, String(message)])
    })
    const program = Effect.gen(function*() {
      const listener = yield* listening()
      const server = yield* Copas.addServer(listener, handler, { name: "daily" })
      yield* begin(Effect.scoped(Effect.gen(function*() {
        const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
        yield* socket.send("half")
        yield* until(Effect.map(server.stats, ({ active }) => active === 1))
        yield* turn
        yield* socket.abort
      })))
      yield* until(Effect.map(server.stats, ({ handlerFailures }) => handlerFailures === 1))
      yield* until(Effect.sync(() => lines.length > 0))
    })
    yield* Effect.scoped(program).pipe(
      Effect.provide(Layer.mergeAll(
        Layer.provideMerge(Copas.layer, NetMemory.layer),
        Logger.replace(Logger.defaultLogger, logger)
      )),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    return lines
  })

it.effect("C08 a reset by the peer during a read is one line at Debug, and is counted", () =>
  Effect.gen(function*() {
    const lines = yield* logged((socket) => socket.receiveLine())
    expect(lines.map(([level]) => level)).toEqual(["DEBUG"])
    expect(lines[0]![1]).toMatch(/^daily:handler_1: .*Reset/)
    expect(lines[0]![1]).not.toContain("\n")
  }))

it.effect("C08 a handler that fails for another reason, also after a reset, is an error", () =>
  Effect.gen(function*() {
    const lines = yield* logged((socket) => Effect.mapError(socket.receiveLine(), () => "my own"))
    expect(lines.map(([level]) => level)).toEqual(["ERROR"])
  }))
