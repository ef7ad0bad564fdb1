/** Scripts that are interrupted at any moment: no process, descriptor or place is left. */
import { HttpServerRequest } from "@effect/platform"
import { describe, expect, it, vi } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Logger, LogLevel, Scope, Stream } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Cgi from "../../src/Cgi.js"
import { turn } from "../turns.js"
import { plain, processesIn, scripts, sh, until } from "./site.js"

/** Pipes, sockets and files of this process. */
const descriptors = (): number => Fs.readdirSync("/proc/self/fd").length

const text = "line\n".repeat(20_000)

/** Without a body, with one, or with one whose length is not told. */
const request = (kind: "none" | "told" | "untold" = "none") => {
  const body = kind === "told" ? text : new Blob([text]).stream()
  const headers = kind === "told" ? { "content-length": String(text.length) } : {}
  const options = kind === "none" ? {} : { method: "POST", headers, body, duplex: "half" }
  return HttpServerRequest.fromWeb(new Request("http://copas.test/script", options as RequestInit))
}

describe("X05 the end of CGI scripts", () => {
  it.scoped.each(["none", "told", "untold"] as const)(
    "X05 an interruption at any turn leaves nothing (body: %s)",
    (kind) =>
      Effect.gen(function*() {
        const first = kind === "none" ? "" : "read line"
        const root = yield* scripts({ "script": sh(first, plain, "echo begun", "exec sleep 1000") })
        const app = yield* Cgi.make({ root, maxConcurrent: 1 })
        const begun = yield* Deferred.make<void>()
        const whole = Effect.suspend(() =>
          Effect.scoped(Effect.gen(function*() {
            const { body } = yield* app
            if (body._tag === "Stream") yield* Stream.runForEach(body.stream, () => Deferred.succeed(begun, undefined))
          })).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request(kind)))
        )
        const before = descriptors()
        for (let turns = 0; turns < 2000; turns = turns < 30 ? turns + 1 : turns * 2) {
          const fiber = yield* Effect.fork(whole)
          for (let turned = 0; turned < turns; turned++) yield* turn
          yield* Fiber.interrupt(fiber)
          yield* until(() => processesIn(root).length === 0 && descriptors() <= before)
        }
        const fiber = yield* Effect.fork(whole)
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
      })
  )

  it.scoped.each(["none", "told", "untold"] as const)(
    "X05 the end of the handler's scope at any turn leaves nothing (body: %s)",
    (kind) =>
      Effect.gen(function*() {
        const first = kind === "none" ? "" : "read line"
        const root = yield* scripts({ "script": sh(first, plain, "echo begun", "exec sleep 1000") })
        const before = descriptors()
        for (let turns = 0; turns < 300; turns = turns < 30 ? turns + 1 : turns * 2) {
          const scope = yield* Scope.make()
          const app = yield* Scope.extend(Cgi.make({ root }), scope)
          const fiber = yield* Effect.fork(
            Effect.scoped(Effect.gen(function*() {
              const { body } = yield* app
              if (body._tag === "Stream") yield* Stream.runDrain(body.stream)
            })).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request(kind)))
          )
          for (let turned = 0; turned < turns; turned++) yield* turn
          yield* Scope.close(scope, Exit.void)
          expect(processesIn(root)).toEqual([])
          expect((yield* Fiber.await(fiber))._tag).toBe("Failure")
          yield* until(() => descriptors() <= before)
        }
      })
  )

  it.scoped("X05 an answer that was read whole leaves nothing, and its place is free before its end is seen", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "script": sh(plain, "echo done") })
      const app = yield* Cgi.make({ root, maxConcurrent: 1 })
      const before = descriptors()
      for (let time = 0; time < 20; time++) {
        const text = yield* Effect.scoped(Effect.gen(function*() {
          const { body } = yield* app
          if (body._tag !== "Stream") return ""
          const first = yield* Stream.mkString(Stream.decodeText(body.stream as Stream.Stream<Uint8Array, unknown>))
          // Within the scope of the first one.
          const second = yield* app
          return first + second.status
        })).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request()))
        expect(text).toBe("done\n200")
        yield* until(() => processesIn(root).length === 0 && descriptors() <= before)
      }
    }))

  it.scoped("X05 what a script writes to stderr is logged, with the script, however it ends", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "script": sh("printf 'one\\ntwo\\033[31m\\n' >&2", plain, "echo done", "printf 'last words' >&2", "kill -9 $$")
      })
      const logged: Array<readonly [string, unknown]> = []
      const logger = Logger.make(({ annotations, logLevel, message }) => {
        if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) {
          logged.push([String(message), [...annotations].find(([name]) => name === "cgi.script")?.[1]])
        }
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const app = yield* Cgi.make({ root })
        const { body } = yield* app
        if (body._tag === "Stream") yield* Effect.ignore(Stream.runDrain(body.stream))
      })).pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request()),
        Effect.provide(Logger.add(logger))
      )
      const script = join(root, "script")
      yield* until(() => logged.some(([line]) => line === "last words"))
      expect(logged.filter(([, by]) => by === script).map(([line]) => line)).toEqual([
        "one",
        "two\\u001b[31m",
        "last words"
      ])
      expect(logged.some(([line]) => line.includes("SIGKILL"))).toBe(true)
    }))

  it.scoped("X05 a stderr without an end does not hold the script, and is not kept", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "script": sh("head -c 3000000 /dev/zero | tr '\\0' x >&2", plain, "echo done") })
      const app = yield* Cgi.make({ root })
      const text = yield* Effect.scoped(Effect.gen(function*() {
        const { body } = yield* app
        if (body._tag !== "Stream") return ""
        const parts = yield* Stream.runCollect(body.stream)
        return Buffer.concat(Chunk.toReadonlyArray(parts) as ReadonlyArray<Uint8Array>).toString()
      })).pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request()),
        Effect.provide(Logger.minimumLogLevel(LogLevel.None))
      )
      expect(text).toBe("done\n")
    }))

  it.scoped("X05 a script that has ended is not signalled: the system may have given its number to another", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "script": sh(plain, "echo done") })
      const app = yield* Cgi.make({ root })
      const kill = vi.spyOn(process, "kill")
      yield* Effect.addFinalizer(() => Effect.sync(() => kill.mockRestore()))
      const signals = () => kill.mock.calls.map(([, signal]) => signal)
      yield* Effect.scoped(Effect.gen(function*() {
        const { body } = yield* app
        yield* until(() => signals().includes(0))
        // From now on there is another group of this number.
        kill.mockImplementation(() => true)
        if (body._tag === "Stream") yield* Stream.runDrain(body.stream)
      })).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request()))
      expect(signals().filter((signal) => signal !== 0)).toEqual([])
    }))
})
