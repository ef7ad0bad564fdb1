/** Pools under refused, lost and interrupted sessions, and trees with hostile names. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { FileSystem, Path } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Duration, Effect, Exit, Fiber, Option, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inTime } from "./hostileServer.js"
import { leavesNothing, passing, pattern, same, text, until } from "./networks.js"
import { local, pooled, running, told } from "./pools.js"

describe("a pool", () => {
  it.effect("C34 who is interrupted at any step takes no place: afterwards all of them are there", () =>
    Effect.provide(
      Sampling.everyStep("a pool's use", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const { pool, server } = yield* pooled({ files: { "/a": pattern(20_000), "/d/": "" } }, { size: 2 })
          const use = pool.use((session) => Effect.zipRight(session.cd("d"), session.get("/a")))
          const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(use))
          yield* passing(steps)
          const done = yield* Effect.forEach(
            fibers,
            (fiber) => Effect.map(fiber.status, ({ _tag }) => _tag === "Done")
          )
          yield* Fiber.interruptAll(fibers)
          yield* until(Effect.map(server.connections, ({ data }) => data === 0))
          const { idle, open } = yield* pool.stats
          expect(open).toBe(idle)
          const met = yield* Deferred.make<void>()
          let inside = 0
          // Two at once: each waits for the other.
          yield* Effect.forEach([1, 2], () =>
            pool.use((session) =>
              Effect.gen(function*() {
                expect(yield* session.pwd).toBe("/")
                if (++inside === 2) yield* Deferred.succeed(met, undefined)
                yield* Deferred.await(met)
                expect(yield* session.get("a")).toHaveLength(20_000)
              })
            ), { concurrency: "unbounded" })
          return done.every((is) => is)
        })), { stride: 23 }),
      NetMemory.layer
    ))

  it.effect.each(
    [
      ["cd", (session) => session.cd("d")],
      ["cdup", (session) => session.cdup],
      ["CWD d", (session) => session.command("CWD d")],
      ["XCWD d", (session) => session.command("XCWD d")],
      ["XCUP", (session) => session.command("XCUP")],
      ["CDUP", (session) => session.command(["CDUP"])]
    ] satisfies ReadonlyArray<readonly [string, (session: FtpSession.Session) => Effect.Effect<unknown, unknown>]>
  )(
    "C34 a session that went elsewhere comes back to where its login began, each time, and only then: %s",
    ([, go]) =>
      running(Effect.gen(function*() {
        const replies = { XCWD: "250 There you are", XCUP: "250 There you are" }
        const { pool, server } = yield* pooled({ files: { "/d/a": "" }, quirks: { replies } }, { size: 1 })
        const last = Effect.map(server.commands, (commands) => commands.at(-1))
        yield* pool.use((session) => session.noop)
        expect(yield* last).toBe("NOOP")
        for (const _ of [1, 2]) {
          yield* pool.use(go)
          expect(yield* last).toBe("CWD /")
        }
        // The same Effect, run again.
        const again = yield* pool.use((session) => Effect.as(go(session), go(session)))
        yield* pool.use(() => again)
        expect(yield* last).toBe("CWD /")
        expect((yield* server.commands).filter((line) => line === "CWD /")).toHaveLength(4)
        expect(yield* pool.use((session) => session.pwd)).toBe("/")
      }))
  )

  it.effect("C34 a failure while a session is borrowed gives it back; a lost one is not given out again", () =>
    running(Effect.gen(function*() {
      const { pool, server } = yield* pooled({ files: { "/a": "aaa" } }, { size: 1 })
      expect(yield* Effect.flip(pool.use(() => Effect.fail("mine" as const)))).toBe("mine")
      expect(yield* Effect.exit(pool.use(() => Effect.die("oh")))).toMatchObject({ _tag: "Failure" })
      expect(yield* pool.stats).toEqual({ open: 1, idle: 1 })
      const lost = yield* pool.use((session) =>
        Effect.zipRight(
          server.setQuirks({ replies: { NOOP: "421 Bye" } }),
          Effect.as(Effect.flip(session.noop), session)
        )
      )
      yield* server.setQuirks({ replies: {} })
      expect(yield* lost.isUsable).toBe(false)
      const next = yield* pool.use((session) => Effect.as(session.noop, session))
      expect(next).not.toBe(lost)
      expect(yield* pool.stats).toEqual({ open: 1, idle: 1 })
    })))

  it.effect("C34 the pool's scope closes sessions, the idle and the borrowed; a transfer under way ends there", () =>
    running(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/a": pattern(500_000) }, quirks: { chunkDelay: "10 seconds" } })
      const ftp = yield* Ftp.make({ host: server.host, port: server.port })
      const left = yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* ftp.pool({ size: 2 })
        yield* pool.use((session) => session.noop)
        const get = yield* Effect.forkDaemon(pool.use((session) => session.get("a")))
        yield* until(Effect.map(server.connections, ({ data }) => data === 1))
        return get
      }))
      const { value } = yield* inTime(Fiber.await(left))
      expect(Exit.isFailure(value)).toBe(true)
      yield* until(Effect.map(server.connections, ({ control, data }) => control + data === 0))
    })))

  it.effect("C34 the options of a pool are checked when it is made", () =>
    running(Effect.gen(function*() {
      const ftp = yield* Ftp.make({ host: "127.0.0.1" })
      for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(yield* Effect.flip(Effect.scoped(ftp.pool({ size })))).toMatchObject({ _tag: "InvalidOption" })
      }
      const none = yield* Ftp.make()
      expect(yield* Effect.flip(Effect.scoped(none.pool()))).toMatchObject({ _tag: "InvalidOption", option: "host" })
    })))
})

describe("trees", () => {
  it.effect("C34 one progress for all of a tree: bytes, files, rate and the time left, while it moves", () =>
    running(Effect.gen(function*() {
      const path = yield* Path.Path
      const to = path.join(yield* local, "t")
      const { pool } = yield* pooled(
        { files: { "/t/a": pattern(320_000), "/t/b": pattern(320_000) }, quirks: { chunkDelay: "1 seconds" } },
        { size: 2 }
      )
      const { value: events } = yield* inTime(
        Stream.runCollect(pool.downloadDirectory("t", to, { progressEvery: "2 seconds" }))
      )
      const moving = told(events, "Moving")
      expect(moving.length).toBeGreaterThan(5)
      let before = 0
      for (const { progress } of moving) {
        expect(progress.bytes.moved).toBeGreaterThanOrEqual(before)
        before = progress.bytes.moved
      }
      const late = moving[Math.floor(moving.length / 2)]!.progress
      // 16 KiB a second for each of the two.
      expect(late.rate).toBeGreaterThan(20_000)
      expect(late.rate).toBeLessThan(50_000)
      const left = Duration.toMillis(Option.getOrThrow(late.timeLeft))
      expect(left).toBeCloseTo((late.bytes.total - late.bytes.done) / late.rate * 1000, -1)
      expect(late.bytes.total).toBe(640_000)
      const end = Option.getOrThrow(Chunk.last(events)).progress
      expect(end.bytes).toEqual({ moved: 640_000, done: 640_000, total: 640_000 })
      expect(end.files).toEqual({ done: 2, skipped: 0, failed: 0, total: 2 })
    })))

  it.effect("C34 a tree that was cut on its way up continues where it was, and no half file stands under its name", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const from = yield* local
      const content = pattern(3_000_000)
      yield* fs.writeFile(path.join(from, "big"), content)
      const { pool, server } = yield* pooled({ files: { "/t/big": "old" }, quirks: { cutUploadAfter: 1_000_000 } })
      expect(yield* Effect.flip(Stream.runDrain(pool.uploadDirectory(from, "/t")))).toMatchObject({
        _tag: "TransferIncomplete",
        direction: "upload"
      })
      expect(text(Option.getOrThrow(yield* server.read("/t/big")))).toBe("old")
      yield* server.setQuirks({ cutUploadAfter: undefined })
      const events = yield* Stream.runCollect(pool.uploadDirectory(from, "/t"))
      expect(told(events, "Transferred")).toMatchObject([{ bytes: 2_000_000, resumedFrom: 1_000_000 }])
      expect(same(Option.getOrThrow(yield* server.read("/t/big")), content)).toBe(true)
      expect(yield* server.paths).toEqual(["/t/big"])
    })))

  it.effect("C34 a part of another file is not taken for this one's: size or time has changed", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const to = path.join(yield* local, "t")
      const { pool, server } = yield* pooled({
        files: { "/t/big": pattern(600_000) },
        quirks: { endDownloadAfter: 400_000 }
      })
      yield* Effect.flip(Stream.runDrain(pool.downloadDirectory("t", to)))
      yield* server.setQuirks({ endDownloadAfter: undefined })
      const changed = pattern(600_000).map((byte) => byte ^ 255)
      yield* server.write("/t/big", changed, new Date(1_000_000_000_000))
      const events = yield* Stream.runCollect(pool.downloadDirectory("t", to))
      expect(told(events, "Transferred")).toMatchObject([{ bytes: 600_000, resumedFrom: 0 }])
      expect(same(yield* fs.readFile(path.join(to, "big")), changed)).toBe(true)
    })))

  it.effect("C34 links and special files of the server are told and left out, and so is what a filter leaves out", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const to = path.join(yield* local, "t")
      const { pool, server } = yield* pooled({
        files: { "/t/a": "1", "/t/no/b": "2" },
        quirks: {
          extraLines: ["type=OS.unix=slink:/etc/passwd;size=5; link", "type=OS.unix=chr-1/3; device"]
        }
      })
      const events = yield* Stream.runCollect(
        pool.downloadDirectory("t", to, { filter: (entry) => entry.name !== "no" })
      )
      expect(told(events, "Skipped").map((event) => "reason" in event && [event.path, event.reason]).sort()).toEqual([
        ["t/device", "Special"],
        ["t/link", "SymbolicLink"],
        ["t/no", "Filtered"]
      ])
      expect(yield* fs.readDirectory(to, { recursive: true })).toEqual(["a"])
      expect((yield* server.commands).some((line) => /MLSD t\/no|RETR .*(?:link|device)/.test(line))).toBe(false)
    })))

  it.effect("C34 no local link is followed on the way up: neither a file's nor a directory's, unless asked", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const outside = yield* local
      const from = yield* local
      yield* fs.writeFileString(path.join(outside, "secret"), "secret")
      yield* fs.writeFileString(path.join(from, "plain"), "plain")
      yield* fs.symlink(path.join(outside, "secret"), path.join(from, "file"))
      yield* fs.symlink(outside, path.join(from, "directory"))
      yield* fs.symlink(path.join(outside, "nowhere"), path.join(from, "broken"))
      const { pool, server } = yield* pooled()
      const events = yield* Stream.runCollect(pool.uploadDirectory(from, "/up"))
      expect(told(events, "Skipped").map((event) => "reason" in event && event.reason)).toEqual([
        "SymbolicLink",
        "SymbolicLink",
        "SymbolicLink"
      ])
      expect(yield* server.paths).toEqual(["/up/plain"])
      yield* fs.remove(path.join(from, "broken"))
      yield* fs.symlink("..", path.join(outside, "round"))
      yield* Stream.runDrain(
        pool.uploadDirectory(from, "/all", { followSymbolicLinks: true, filter: (name) => !name.endsWith("round") })
      )
      expect(yield* server.paths).toEqual([
        "/all/directory/secret",
        "/all/file",
        "/all/plain",
        "/up/plain"
      ])
    })))

  it.effect("C34 times are kept, both ways", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = yield* local
      const time = new Date(Date.UTC(2001, 1, 3, 4, 5, 6))
      const { pool, server } = yield* pooled()
      yield* server.write("/t/a", "aaa", time)
      yield* Stream.runDrain(pool.downloadDirectory("t", path.join(root, "t")))
      const { mtime } = yield* fs.stat(path.join(root, "t", "a"))
      expect(Option.getOrThrow(mtime)).toEqual(time)
      yield* Stream.runDrain(pool.uploadDirectory(path.join(root, "t"), "/u"))
      const modified = yield* pool.use((session) => session.modified("/u/a"))
      expect(modified.date).toEqual(time)
    })))

  it.effect("C34 what the server refuses is an event each on the way up, while the rest continues", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const from = yield* local
      for (const name of ["a", "b"]) yield* fs.writeFileString(path.join(from, name), name)
      const { pool, server } = yield* pooled({ quirks: { replies: { STOR: "553 Not here" } } })
      expect(yield* Effect.flip(Stream.runDrain(pool.uploadDirectory(from, "/t")))).toMatchObject({
        _tag: "FtpReplyError",
        code: 553
      })
      const events = yield* Stream.runCollect(pool.uploadDirectory(from, "/t", { onFailure: "continue" }))
      expect(told(events, "Failed").map((event) => "error" in event && event.error._tag)).toEqual([
        "FtpReplyError",
        "FtpReplyError"
      ])
      expect(Option.getOrThrow(Chunk.last(events))).toMatchObject({
        _tag: "Completed",
        progress: { files: { done: 0, failed: 2, total: 2 } }
      })
      expect(yield* server.paths).toEqual([])
    })))

  it.effect("C34 hostile names do not leave the directory by LIST and by MLSD alike, whatever they are", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const names = [
        "../x",
        "..",
        "..\\x",
        "/etc/x",
        "C:x",
        "NUL",
        "con.txt",
        "a/../../x",
        "aux ",
        "...",
        "\x01",
        "b\x85"
      ]
      for (const isMlsd of [true, false]) {
        const root = yield* local
        const lines = names.map((name) =>
          isMlsd ? `type=file;size=1; ${name}` : `-rw-r--r--    1 ftp      ftp      1 Jan 01  2020 ${name}`
        )
        const { pool } = yield* pooled({
          files: { "/t/good": "1" },
          quirks: { extraLines: lines, unknown: isMlsd ? [] : ["MLSD", "MLST"] }
        })
        const events = yield* Stream.runCollect(pool.downloadDirectory("t", path.join(root, "t")))
        // `..` is the parent, which stands in many listings.
        expect(told(events, "UnsafeName").length).toBe(names.length - 1)
        expect(yield* fs.readDirectory(root, { recursive: true })).toEqual(["t", "t/good"])
      }
    })))

  it.effect("C34 a tree that is interrupted at its beginning, in its middle and near its end continues from there", () =>
    running(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const to = path.join(yield* local, "t")
      const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`/t/f${index}`, pattern(5000 + index)]))
      const { pool, server } = yield* pooled({ files: { ...many, "/t/big": pattern(1_000_000) } }, { size: 3 })
      for (const count of [1, 4, 9, 15]) {
        yield* Stream.runDrain(Stream.take(pool.downloadDirectory("t", to), count))
        yield* until(Effect.map(server.connections, ({ data }) => data === 0))
      }
      const events = yield* Stream.runCollect(pool.downloadDirectory("t", to))
      expect(Option.getOrThrow(Chunk.last(events)).progress).toMatchObject({
        files: { total: 21, failed: 0 },
        bytes: { total: 1_100_190, done: 1_100_190 }
      })
      for (let index = 0; index < 20; index++) {
        expect(same(yield* fs.readFile(path.join(to, `f${index}`)), pattern(5000 + index))).toBe(true)
      }
      expect(same(yield* fs.readFile(path.join(to, "big")), pattern(1_000_000))).toBe(true)
      expect((yield* fs.readDirectory(to)).filter((name) => name.endsWith(".part"))).toEqual([])
    })))

  it.effect("C34 a lost connection amid a tree fails it once, and the next run has sessions again", () =>
    running(Effect.gen(function*() {
      const path = yield* Path.Path
      const to = path.join(yield* local, "t")
      const { pool, server } = yield* pooled({ files: { "/t/a": "1", "/t/b": "2" } }, { size: 2 })
      yield* server.setQuirks({ replies: { RETR: "421 Shutting down" } })
      expect(yield* Effect.flip(Stream.runDrain(pool.downloadDirectory("t", to)))).toMatchObject({
        _tag: "ServiceUnavailable"
      })
      yield* server.setQuirks({ replies: {} })
      const events = yield* Stream.runCollect(pool.downloadDirectory("t", to))
      expect(Option.getOrThrow(Chunk.last(events)).progress.files).toMatchObject({ done: 2, failed: 0 })
      const session: FtpSession.Session = yield* pool.session
      yield* session.noop
    })))
})
