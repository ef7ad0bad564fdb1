/** A pool that is smaller than asked, trees that nobody can connect for any more, their progress, and trying again. */
import { ConnectError, SocketTimeout } from "@copas/core/SocketError"
import { FileSystem } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Logger, Option, Stream } from "effect"
import { Ftp, FtpError, type FtpPool } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory, inTime } from "./hostileServer.js"
import { pattern, text, until } from "./networks.js"
import { last, local, pooled, running, told } from "./pools.js"

/** Keeps what is logged. */
const logged = (lines: Array<string>) =>
  Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message))))

const files = (count: number, directory = "/t"): { readonly [path: string]: string } =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${directory}/d${index % 7}/f${index}`, `${index}`]))

const adds = ({ files: { done, failed, skipped, total } }: FtpPool.Progress): boolean =>
  done + skipped + failed === total

describe("a pool smaller than asked", () => {
  it.effect.each([421, 530])(
    "C34 a server's limit is learnt, told once and kept, and nobody fails for it: %d",
    (code) =>
      running(Effect.gen(function*() {
        const lines: Array<string> = []
        const { pool, server } = yield* pooled({
          files: { "/a": "aaa" },
          quirks: { maxConnections: 2, tooMany: code === 530 ? "530 Too many users" : undefined }
        }, { size: 6 })
        const all = Effect.forEach(Array.from({ length: 20 }), () => pool.use((session) => session.get("a")), {
          concurrency: "unbounded"
        })
        expect((yield* Effect.provide(all, logged(lines))).map(text)).toEqual(Array.from({ length: 20 }, () => "aaa"))
        expect(lines.filter((line) => line.includes("continues with"))).toHaveLength(1)
        expect(yield* pool.limit).toEqual(Option.some(2))
        const tries = (yield* server.commands).filter((line) => line.startsWith("USER")).length
        yield* Effect.provide(all, logged(lines))
        expect((yield* server.commands).filter((line) => line.startsWith("USER"))).toHaveLength(tries)
        expect(lines.filter((line) => line.includes("continues with"))).toHaveLength(1)
        expect((yield* pool.stats).open).toBe(2)
      }))
  )

  it.effect("C34 a log-in that never works fails everybody, with a try each and no more", () =>
    running(Effect.gen(function*() {
      const { pool, server } = yield* pooled({ users: { me: "right" } }, { size: 4, user: "me" })
      const exits = yield* Effect.forEach([1, 2, 3, 4], () => Effect.exit(pool.use((session) => session.noop)), {
        concurrency: "unbounded"
      })
      expect(exits.every(Exit.isFailure)).toBe(true)
      expect((yield* server.commands).filter((line) => line.startsWith("PASS"))).toHaveLength(4)
      expect(yield* pool.limit).toEqual(Option.none())
    })))

  it.effect("C34 interrupted while it waits for one of the sessions there are, a caller takes no place", () =>
    running(Effect.gen(function*() {
      const { pool } = yield* pooled({ quirks: { maxConnections: 1 } }, { size: 3 })
      const gate = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(pool.use(() => Deferred.await(gate)))
      yield* until(Effect.map(pool.stats, ({ open }) => open === 1))
      const waiting = yield* Effect.fork(pool.use((session) => session.noop))
      yield* until(Effect.map(pool.limit, Option.isSome))
      yield* Fiber.interrupt(waiting)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(holder)
      for (const _ of [1, 2, 3]) yield* pool.use((session) => session.noop)
      expect((yield* pool.stats).open).toBe(1)
    })))

  it.effect.each(["fail", "continue"] as const)(
    "C34 a tree is copied whole with the sessions that there are: %s",
    (onFailure) =>
      running(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const to = yield* local
        const { pool } = yield* pooled({ files: files(60), quirks: { maxConnections: 2 } }, { size: 8 })
        const events = yield* Effect.provide(
          Stream.runCollect(pool.downloadDirectory("t", to, { onFailure })),
          logged([])
        )
        expect(last(events)).toMatchObject({
          _tag: "Completed",
          progress: { files: { done: 60, failed: 0, total: 60 } }
        })
        expect(told(events, "Limited")).toMatchObject([{ sessions: 2 }])
        expect((yield* fs.readDirectory(to, { recursive: true })).filter((name) => name.includes("f"))).toHaveLength(60)
        const up = yield* Stream.runCollect(pool.uploadDirectory(to, "/u", { onFailure }))
        expect(last(up)).toMatchObject({ _tag: "Completed", progress: { files: { done: 60, failed: 0, total: 60 } } })
      }))
  )

  it.effect("C34 a tree fails once nobody can connect any more, also with onFailure: continue", () =>
    running(Effect.gen(function*() {
      const to = yield* local
      const { pool, server } = yield* pooled({ files: files(300) }, { size: 4 })
      const events: Array<FtpPool.TreeEvent> = []
      const copy = pool.downloadDirectory("t", to, { onFailure: "continue" }).pipe(
        Stream.runForEach((event) => {
          events.push(event)
          return events.filter(({ _tag }) => _tag === "Transferred").length === 20
            ? server.setQuirks({ hangsUpAt: ["RETR"], maxConnections: 0 })
            : Effect.void
        })
      )
      expect(yield* Effect.flip(copy)).toMatchObject({ _tag: "ServiceUnavailable" })
      expect(events.filter(({ _tag }) => _tag === "Failed").length).toBeLessThanOrEqual(4)
      expect(events.some(({ _tag }) => _tag === "Completed")).toBe(false)
    })))
})

describe("the progress of a tree", () => {
  it.effect("C34 done, skipped and failed are the total, whatever is left out", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const to = yield* local
      const { pool } = yield* pooled({
        files: { ...files(20), "/t/no/x": "x", "/t/denied/x": "x" },
        quirks: {
          forbidden: ["/t/denied"],
          extraLines: ["type=OS.unix=slink:/etc;size=5; link", "type=OS.unix=chr-1/3; device", "type=file;size=1; ../x"]
        }
      })
      const events = yield* Stream.runCollect(
        pool.downloadDirectory("t", to, { onFailure: "continue", filter: ({ name }) => name !== "no" })
      )
      expect(adds(last(events).progress)).toBe(true)
      expect(last(events).progress.files.failed).toBe(1)
      yield* fs.symlink("/etc", `${to}/link`)
      const up = yield* Stream.runCollect(pool.uploadDirectory(to, "/u", { filter: (path) => !path.endsWith("f3") }))
      expect(adds(last(up).progress)).toBe(true)
    })))

  it.effect("C34 the rate is that of the last seconds, and small files have weight in the time left", () =>
    running(Effect.gen(function*() {
      const to = yield* local
      const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`/t/a${index}`, "x"]))
      const { pool } = yield* pooled({
        files: { ...many, "/t/zz": pattern(1_600_000) },
        quirks: { chunkDelay: "1 seconds" }
      }, { size: 1 })
      const { value: events } = yield* inTime(
        Stream.runCollect(pool.downloadDirectory("t", to, { progressEvery: "50 millis" })),
        "50 millis"
      )
      const moving = told(events, "Moving")
      // The large file moves 16 KiB a second, the small ones a byte.
      const rates = moving.map(({ progress }) => progress.rate)
      expect(Math.max(...rates)).toBeGreaterThan(10_000)
      expect(Math.min(...rates.slice(-20))).toBeLessThan(100)
      for (const { progress } of moving) {
        const left = progress.files.total - progress.files.done
        if (progress.files.done < 5 || progress.bytes.done < 1_600_000 || left < 5) continue
        expect(Duration.toSeconds(Option.getOrThrow(progress.timeLeft))).toBeGreaterThan(left / 2)
      }
    })))

  it.effect("C34 a directory of many entries is copied whole, and read as its files are taken", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const to = yield* local
      const many = Object.fromEntries(Array.from({ length: 2500 }, (_, index) => [`/t/${index}`, ""]))
      const { pool } = yield* pooled({ files: { ...many, "/t/d/x": "x" } }, { size: 4, listingMemory: 1 })
      let most = 0
      const events = yield* Stream.runCollect(
        Stream.tap(pool.downloadDirectory("t", to), ({ progress: { files } }) =>
          Effect.sync(() => {
            most = Math.max(most, files.total - files.done)
          }))
      )
      expect(last(events).progress.files).toEqual({ done: 2501, skipped: 0, failed: 0, total: 2501 })
      expect(most).toBeLessThan(1200)
      expect(yield* fs.readDirectory(to)).toHaveLength(2501)
    })))
})

describe("trying again", () => {
  it("C34 one guard takes all that a call can fail with", () => {
    const cases: ReadonlyArray<readonly [Parameters<typeof FtpError.canRetry>[0], boolean]> = [
      [new ConnectError({ reason: "Refused", target: "h:21", attempts: [], transport: "tcp" }), true],
      [new ConnectError({ reason: "HostNotFound", target: "h:21", attempts: [], transport: "tcp" }), false],
      [
        new SocketTimeout({
          operation: "receive",
          timeout: "receive",
          socket: "h",
          afterMillis: 1,
          partial: new Uint8Array(0),
          bytesSent: 0
        }),
        true
      ],
      [new FtpError.OutcomeUnknown({ command: "STOR a", lastKnown: "it was sent" }), false],
      [new FtpError.FtpReplyError({ command: "RETR a", code: 450, lines: [] }), true],
      [new FtpError.LoginRefused({ command: "USER a", code: 421, lines: [], secure: false }), false]
    ]
    for (const [error, expected] of cases) expect(FtpError.canRetry(error)).toBe(expected)
  })

  it.effect("C34 the ready schedule tries while that helps, and no longer", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/a": "aaa" }, quirks: { replies: { RETR: "450 Busy" } } })
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const get = Effect.retry(ftp.get({ path: "a" }), Ftp.retrySchedule({ within: "1 minutes" }))
      const { millis, value } = yield* inTime(Effect.flip(get))
      expect(value).toMatchObject({ _tag: "FtpReplyError", code: 450 })
      expect(millis).toBeGreaterThan(20_000)
      expect(millis).toBeLessThan(120_000)
      yield* server.setQuirks({ replies: { RETR: "553 No" } })
      const { millis: once } = yield* inTime(Effect.flip(get))
      expect(once).toBeLessThanOrEqual(1000)
      yield* server.setQuirks({ replies: {} })
      expect(text(yield* get)).toBe("aaa")
    })))
})

describe("what errors show", () => {
  it.effect("C34 an argument that cannot be sent is named after the call, and shown as it is", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const session = yield* ftp.connect()
      const before = (yield* server.commands).length
      for (
        const [call, what] of [
          [session.get("a\r\nDELE a"), "RETR"],
          [Stream.runDrain(session.download("a\r\nDELE a")), "RETR"],
          [session.put("a\r\nDELE a", ""), "STOR"],
          [session.put("a\r\nDELE a", "", { mode: "append" }), "APPE"]
        ] as const
      ) {
        const error = yield* Effect.flip(call as Effect.Effect<unknown, FtpError.FtpError>)
        expect(error).toMatchObject({ _tag: "InvalidArgument", what })
        expect(error.message).toContain("\"a\\x0d\\x0aDELE a\"")
      }
      expect((yield* server.commands).slice(before)).toEqual([])
    })))

  it.effect("C34 AUTH TLS that is not known has an advice", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* FtpServer.make()
      const ftp = yield* Ftp.make({ host: server.host, port: server.port, tls: "explicit" })
      const error = yield* Effect.flip(ftp.connect())
      expect(error).toMatchObject({ _tag: "NotSupported", code: 504 })
      expect(error.message).toContain("implicit")
    })))

  it.effect.each([
    "ftp://me:PASSWORD",
    "ftp:me:PASSWORD",
    "ftp:/me:PASSWORD",
    "ftp://me:PASSWORD/",
    "ftp://me:PASSWORD/a",
    "me:PASSWORD",
    "//me:PASSWORD",
    "ftp://me:PASSWORD@",
    "ftp://me:PASS/WORD@host:x/",
    "http://me:PASSWORD@host/",
    "ftp://me:PASSWORD@host/#",
    "ftp://me:PASSWORD%@host/",
    "ftp://me:PASSWORD@[::1",
    "ftp://me:PASSWORD#@host/"
  ])("C34 no secret stands in an error, whatever is wrong with the URL: %s", (url) =>
    inMemory(Effect.gen(function*() {
      const ftp = yield* Ftp.make()
      const error = yield* Effect.flip(ftp.get(url))
      expect(error).toMatchObject({ _tag: "InvalidArgument" })
      expect(JSON.stringify(error) + error.message).not.toMatch(/PASS|WORD/)
      expect(error.message).toContain("****")
    })))
})
