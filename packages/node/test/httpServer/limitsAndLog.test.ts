/** Limits of single routes, and the access log. */
import { Sampling } from "@copas/core/testing"
import { HttpLimits, HttpLog } from "@copas/node"
import {
  Headers,
  type HttpApp,
  HttpMiddleware,
  HttpRouter,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, HashMap, Logger, Option, Stream, TestClock } from "effect"
import * as FC from "effect/FastCheck"
import { combined, type Entry, logfmt } from "../../src/internal/httpServer/logLines.js"
import { answer, connect, everything, get, last, networks, post, serve, talk } from "./serving.js"

const read = Effect.gen(function*() {
  const request = yield* HttpServerRequest.HttpServerRequest
  const text = request.url === "/stream"
    ? Stream.mkString(Stream.decodeText(request.stream))
    : request.text
  return HttpServerResponse.text(`${(yield* text).length}`)
})

for (const [name, network] of networks) {
  describe(name, () => {
    it.scopedLive("X01 a route has a limit of its own for bodies, above the server's or below, however they are read", () =>
      Effect.gen(function*() {
        const app = HttpRouter.empty.pipe(
          HttpRouter.post("/small", HttpLimits.withBody(read, 4)),
          HttpRouter.post("/stream", read.pipe(HttpLimits.withBody(4))),
          HttpRouter.post("/large", HttpLimits.withBody(read, Infinity)),
          HttpRouter.post("/other", read)
        )
        const port = yield* serve(app, { limits: { body: 8 } })
        const status = (path: string, size: number) =>
          Effect.map(talk(port, post(path, "x".repeat(size), last)), (text) => Number(/ (\d+) /.exec(text)![1]))
        expect(yield* Effect.all([status("/small", 4), status("/small", 5)])).toEqual([200, 413])
        expect(yield* Effect.all([status("/stream", 4), status("/stream", 5)])).toEqual([200, 413])
        expect(yield* Effect.all([status("/other", 8), status("/other", 9)])).toEqual([200, 413])
        expect(yield* status("/large", 100_000)).toBe(200)
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a route that takes too long is interrupted, and answered 503", () =>
      Effect.gen(function*() {
        const began = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const slow = Effect.onInterrupt(
          Effect.zipRight(Deferred.succeed(began, void 0), Effect.never),
          () => Deferred.succeed(ended, void 0)
        )
        const port = yield* serve(HttpLimits.withTimeout(slow, "3 seconds"))
        const socket = yield* connect(port)
        yield* socket.send(get("/"))
        yield* Deferred.await(began)
        yield* TestClock.adjust("3 seconds")
        expect((yield* answer(socket)).status).toBe(503)
        yield* Deferred.await(ended)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X06 the log has a line for each request, after its answer was sent, with an id that the client gets", () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const middleware = HttpMiddleware.make(HttpLog.access({
          format: "logfmt",
          write: (line) => Effect.sync(() => lines.push(line))
        }))
        const seen: Array<unknown> = []
        const logger = Logger.make(({ annotations, message }) => {
          if (String(message) !== "within") return
          seen.push(Option.getOrUndefined(HashMap.get(annotations, "request.id")))
        })
        const app = HttpRouter.empty.pipe(
          HttpRouter.get(
            "/page",
            Effect.gen(function*() {
              yield* Effect.log("within")
              seen.push(Option.getOrUndefined(yield* HttpLog.requestId))
              return HttpServerResponse.text("hello")
            })
          )
        )
        const port = yield* Effect.provide(serve(app, { middleware }), Logger.replace(Logger.defaultLogger, logger))
        const socket = yield* connect(port)
        const fields = "User-Agent: a \"b\"\r\nReferer: http://r.example/p?secret=1\r\nX-Request-Id: mine\r\n"
        yield* socket.send(get("/page?token=secret", fields) + get("/none", last))
        const { fields: { "x-request-id": id } } = yield* answer(socket)
        yield* everything(socket)
        expect(lines).toEqual([
          expect.stringMatching(
            /^time=\S+ id=\S{36} method=GET path=\/page version=1.1 status=200 bytes=5 duration_ms=[\d.]+ remote=127.0.0.1 host=a referer=http:\/\/r.example\/p user_agent="a \\x22b\\x22"$/
          ),
          expect.stringMatching(/^time=\S+ id=\S{36} method=GET path=\/none version=1.1 status=404 bytes=0 /)
        ])
        expect(lines[0]).toContain(`id=${id} `)
        expect(seen).toEqual([id, id])
      }).pipe(Effect.provide(network)))
  })
}

describe("Limits", () => {
  it.effect.each([Number.NaN, -1, 1.5, "1"])(
    "X01 a body's limit of %j is a defect that says what is right",
    (bytes) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(request(HttpLimits.withBody(read, bytes as number)))
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("a whole number, at least 0")
      })
  )

  it.effect.each([Number.NaN, -1, 0, "soon"])(
    "X01 a time-out of %j is a defect that says what is right",
    (duration) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(request(HttpLimits.withTimeout(read, duration as number)))
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("a duration above zero")
      })
  )
})

/** A request that no server received. */
const request = <E, R>(app: HttpApp.Default<E, R>, headers: Record<string, string> = {}) =>
  Effect.provideService(app, HttpServerRequest.HttpServerRequest, {
    method: "GET",
    url: "/p",
    originalUrl: "/p?q",
    source: {},
    headers: Headers.fromInput(headers),
    remoteAddress: Option.some("192.0.2.7")
  } as HttpServerRequest.HttpServerRequest)

describe("The access log", () => {
  const logged = (app: HttpApp.Default<unknown>, options: HttpLog.Options = {}, headers: Record<string, string> = {}) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const access = HttpLog.access({ write: (line) => Effect.sync(() => lines.push(line)), ...options })
      const fiber = yield* Effect.fork(request(access(app), headers))
      yield* TestClock.adjust("1500 millis")
      yield* Effect.exit(Fiber.interrupt(fiber))
      return lines.join("\n")
    })

  it.effect("X06 its time and duration are those of Effect's clock, in Apache's combined format", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 27, 23, 5, 9))
      const app = Effect.as(Effect.sleep("1250 millis"), HttpServerResponse.text("hello", { status: 201 }))
      const line = yield* logged(app, { requestIdFrom: "X-Trace", query: true }, {
        "x-trace": "abc-1",
        "user-agent": "curl"
      })
      expect(line).toBe(
        `192.0.2.7 - - [27/Nov/2026:23:05:10 +0000] "GET /p?q HTTP/1.1" 201 5 "-" "curl" 1250.000 abc-1`
      )
    }))

  it.effect("X06 a handler that fails, dies or is interrupted has its line too", () =>
    Effect.gen(function*() {
      const status = (app: HttpApp.Default<unknown>) => logged(app, { format: ({ status }) => `${status}` })
      expect(yield* status(Effect.fail("no"))).toBe("500")
      expect(yield* status(Effect.die("no"))).toBe("500")
      expect(yield* status(Effect.die(HttpServerResponse.empty({ status: 418 })))).toBe("418")
      expect(yield* status(Effect.never)).toBe("503")
    }))

  it.effect("X06 an id of the client's is used only where it may be, and if it is one", () =>
    Effect.gen(function*() {
      const id = (given: string, from?: string) =>
        logged(Effect.succeed(HttpServerResponse.empty()), { format: ({ id }) => id, requestIdFrom: from }, {
          "x-id": given
        })
      expect(yield* id("abc", "x-id")).toBe("abc")
      for (
        const [given, from] of [["abc", undefined], ["a b", "x-id"], ["a\nb", "x-id"], ["", "x-id"], [
          "a".repeat(129),
          "x-id"
        ]] as const
      ) {
        expect(yield* id(given, from)).toMatch(/^[\da-f-]{36}$/)
      }
    }))

  it("X06 whatever a client sends stays within its field of its line, and within bounds", () => {
    const text = FC.oneof(
      FC.array(
        FC.constantFrom(
          "\r",
          "\n",
          "\"",
          "\\",
          "\u001b[2J",
          "\0",
          " ",
          "=",
          "] ",
          "\u00e9",
          "\u2028",
          "\u{1f600}",
          "x"
        ),
        { maxLength: 8 }
      )
        .map((parts) => parts.join("")),
      FC.string({ unit: "binary" }),
      FC.constant("\u001b".repeat(1100))
    )
    const entry = FC.record<Entry>({
      at: FC.constant(new Date(0)),
      id: text,
      method: text,
      path: text,
      version: FC.constant("1.1"),
      status: FC.constant(200),
      bytes: FC.constant(undefined),
      durationMillis: FC.constant(1),
      remoteAddress: FC.option(text, { nil: undefined }),
      host: FC.option(text, { nil: undefined }),
      referer: FC.option(text, { nil: undefined }),
      userAgent: FC.option(text, { nil: undefined })
    })
    // A quoted part, or a bare one; then nothing is left of a line but blanks and names.
    const quotedPart = /"(?:[^"\\]|\\.)*"/g
    FC.assert(
      FC.property(entry, (entry) => {
        for (const line of [combined(entry), logfmt(entry)]) {
          expect(line).toMatch(/^[ -~]*$/)
          expect(line.length).toBeLessThan(8 * 4 * 1024)
          expect(line.replace(quotedPart, "Q")).not.toContain("\"")
        }
        const fields = combined(entry).replace(quotedPart, "Q").split(" ")
        expect(fields.length).toBe(12)
        expect([fields[5], fields[6], fields[8], fields[9], fields[11] !== ""]).toEqual(["Q", "200", "Q", "Q", true])
        const keys = logfmt(entry).replace(quotedPart, "Q").split(" ").map((pair) => pair.split("=").length)
        expect(new Set(keys)).toEqual(new Set([2]))
      }),
      Sampling.runs({ short: 300, long: 5000 })
    )
  })
})
