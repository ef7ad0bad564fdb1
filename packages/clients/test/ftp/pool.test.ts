/** Pools of sessions, and trees that are copied over them. */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { leavesNothing, networks, pattern, same, text, turn, until } from "./networks.js"
import { local, pooled, told } from "./pools.js"

const files = {
  "/tree/a": "aaa",
  "/tree/b c": "12345",
  "/tree/d/e/ü": pattern(400_000),
  "/tree/d/.hidden": "h",
  "/tree/empty/": ""
}

describe.each(networks)("a pool, %s", (_, net) => {
  const layer = Layer.merge(net, NodeContext.layer)

  it.scoped("C34 at most `size` sessions are open, and they are used again", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ files: { "/a": "aaa" } }, { size: 3 })
        expect(yield* pool.stats).toEqual({ open: 0, idle: 0 })
        let most = 0
        yield* Effect.forEach(
          Array.from({ length: 12 }),
          () =>
            pool.use((session) =>
              Effect.gen(function*() {
                most = Math.max(most, (yield* server.connections).control)
                return yield* session.get("a")
              })
            ),
          { concurrency: "unbounded" }
        )
        expect(most).toBe(3)
        expect(yield* pool.stats).toEqual({ open: 3, idle: 3 })
        expect((yield* server.commands).filter((line) => line.startsWith("USER"))).toHaveLength(3)
      })),
      layer
    ))

  it.scoped("C34 a session comes back to the directory that its login began in", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { pool } = yield* pooled({ files: { "/d/a": "aaa" } }, { size: 1 })
        yield* pool.use((session) => session.cd("d"))
        expect(yield* pool.use((session) => session.pwd)).toBe("/")
      }),
      layer
    ))

  it.scoped("C34 a session that is gone is replaced, and so is one that the server closed while it was idle", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { pool, server } = yield* pooled({ files: { "/a": "aaa" }, quirks: { idle: "1 minute" } }, { size: 1 })
        yield* pool.use((session) => session.noop)
        yield* until(Effect.zipRight(
          Effect.zipRight(turn, TestClock.adjust("20 seconds")),
          Effect.map(server.connections, ({ control }) => control === 0)
        ))
        expect(text(yield* pool.use((session) => session.get("a")))).toBe("aaa")
        yield* server.setQuirks({ replies: { PWD: "421 Bye" } })
        yield* pool.use((session) => Effect.flip(session.pwd))
        yield* server.setQuirks({ replies: {} })
        expect(text(yield* pool.use((session) => session.get("a")))).toBe("aaa")
        expect(yield* pool.stats).toEqual({ open: 1, idle: 1 })
      }),
      layer
    ))

  it.scoped("C34 a tree comes down in parallel, with one progress for all of it, and again without moving any", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const to = path.join(yield* local, "tree")
        const { pool } = yield* pooled({ files }, { size: 3 })
        const events = yield* Stream.runCollect(pool.downloadDirectory("tree", to))
        const end = Option.getOrThrow(Chunk.last(events))
        expect(end._tag).toBe("Completed")
        expect(end.progress.files).toEqual({ done: 4, skipped: 0, failed: 0, total: 4 })
        expect(end.progress.bytes).toEqual({ moved: 400_009, done: 400_009, total: 400_009 })
        expect(end.progress.isListing).toBe(false)
        expect(text(yield* fs.readFile(path.join(to, "b c")))).toBe("12345")
        expect(same(yield* fs.readFile(path.join(to, "d/e/ü")), pattern(400_000))).toBe(true)
        expect((yield* fs.readDirectory(to)).sort()).toEqual(["a", "b c", "d", "empty"])
        const again = yield* Stream.runCollect(pool.downloadDirectory("tree", to))
        expect(Option.getOrThrow(Chunk.last(again)).progress).toMatchObject({
          files: { done: 0, skipped: 4, total: 4 },
          bytes: { moved: 0, done: 400_009, total: 400_009 }
        })
      })),
      layer
    ))

  it.scoped("C34 a tree comes down in an uninterruptible region, too", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const path = yield* Path.Path
        const { pool } = yield* pooled({ files }, { size: 2 })
        const to = path.join(yield* local, "copy")
        const events = yield* Effect.uninterruptible(Stream.runCollect(pool.downloadDirectory("tree", to)))
        expect(told(events, "Completed")).toHaveLength(1)
      })),
      layer
    ))

  it.scoped("C34 a tree goes up in parallel, and again without moving any; local links are told and left out", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const from = yield* local
        yield* fs.makeDirectory(path.join(from, "d/e"), { recursive: true })
        yield* fs.writeFile(path.join(from, "d/e/big"), pattern(700_000))
        for (let index = 0; index < 20; index++) yield* fs.writeFileString(path.join(from, "d", `f${index}`), "x")
        yield* fs.symlink("/etc/hosts", path.join(from, "secret"))
        yield* fs.symlink("..", path.join(from, "d/up"))
        const { pool, server } = yield* pooled({}, { size: 3 })
        const events = yield* Stream.runCollect(pool.uploadDirectory(from, "/x/y"))
        expect(Option.getOrThrow(Chunk.last(events)).progress.files).toEqual({
          done: 21,
          skipped: 2,
          failed: 0,
          total: 23
        })
        expect(told(events, "Skipped").map((event) => "reason" in event && event.reason)).toEqual([
          "SymbolicLink",
          "SymbolicLink"
        ])
        expect(yield* server.paths).toHaveLength(21)
        expect(same(Option.getOrThrow(yield* server.read("/x/y/d/e/big")), pattern(700_000))).toBe(true)
        const again = yield* Stream.runCollect(pool.uploadDirectory(from, "/x/y"))
        expect(Option.getOrThrow(Chunk.last(again)).progress).toMatchObject({
          files: { done: 0, skipped: 23 },
          bytes: { moved: 0 }
        })
        // With the option links are followed, but not in circles.
        const followed = yield* Stream.runCollect(
          pool.uploadDirectory(path.join(from, "d"), "/z", {
            followSymbolicLinks: true,
            filter: (p) => !p.endsWith("secret")
          })
        )
        expect(Option.getOrThrow(Chunk.last(followed))._tag).toBe("Completed")
      })),
      layer
    ))

  it.scoped("C34 a hostile name in a tree is an event, and nothing is written for it", () =>
    Effect.provide(
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const root = yield* local
        const { pool } = yield* pooled({
          files: { "/t/good": "1" },
          quirks: {
            extraLines: ["type=file;size=1; ../evil", "type=dir; ..\\evil", "type=file;size=1; a/b", "no facts here"]
          }
        })
        const events = yield* Stream.runCollect(pool.downloadDirectory("t", path.join(root, "t")))
        expect(told(events, "UnsafeName")).toHaveLength(3)
        expect(told(events, "Unreadable")).toHaveLength(1)
        expect(yield* fs.readDirectory(root, { recursive: true })).toEqual(["t", "t/good"])
      }),
      layer
    ))

  it.scoped("C34 a tree that was cut continues where it was: a part is resumed under its own name", () =>
    Effect.provide(
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const to = path.join(yield* local, "t")
        const { pool, server } = yield* pooled({
          files: { "/t/big": pattern(600_000) },
          quirks: { endDownloadAfter: 400_000 }
        })
        const error = yield* Effect.flip(Stream.runDrain(pool.downloadDirectory("t", to)))
        expect(error).toMatchObject({ _tag: "TransferIncomplete", expected: 600_000, moved: 400_000 })
        expect((yield* fs.readDirectory(to)).every((name) => name.endsWith(".part"))).toBe(true)
        yield* server.setQuirks({ endDownloadAfter: undefined })
        const events = yield* Stream.runCollect(pool.downloadDirectory("t", to))
        expect(told(events, "Transferred")).toMatchObject([{ bytes: 200_000, resumedFrom: 400_000 }])
        expect(yield* fs.readDirectory(to)).toEqual(["big"])
        expect(same(yield* fs.readFile(path.join(to, "big")), pattern(600_000))).toBe(true)
      }),
      layer
    ))

  it.scoped("C34 one file's failure ends the tree, or is an event while the rest continues", () =>
    Effect.provide(
      Effect.gen(function*() {
        const path = yield* Path.Path
        const root = yield* local
        const { pool } = yield* pooled({
          files: { "/t/a": "1", "/t/b": "2" },
          quirks: { extraLines: ["type=file;size=3;modify=20200101000000; ghost"] }
        })
        expect(yield* Effect.flip(Stream.runDrain(pool.downloadDirectory("t", path.join(root, "x"))))).toMatchObject({
          _tag: "NotFound"
        })
        const events = yield* Stream.runCollect(
          pool.downloadDirectory("t", path.join(root, "y"), { onFailure: "continue" })
        )
        expect(told(events, "Failed")).toMatchObject([{ path: "t/ghost", error: { _tag: "NotFound" } }])
        expect(Option.getOrThrow(Chunk.last(events)).progress.files).toEqual({
          done: 2,
          skipped: 0,
          failed: 1,
          total: 3
        })
      }),
      layer
    ))

  it.scoped("C34 to stop reading a tree's events stops the copying, and leaves nothing open", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const path = yield* Path.Path
        const root = yield* local
        const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`/t/f${index}`, pattern(30_000)]))
        const { pool, server } = yield* pooled({ files: many }, { size: 4 })
        const copying = yield* Effect.fork(
          Stream.runCollect(Stream.take(pool.downloadDirectory("t", path.join(root, "t")), 3))
        )
        expect((yield* Fiber.join(copying)).length).toBe(3)
        yield* until(Effect.map(server.connections, ({ data }) => data === 0))
        expect((yield* pool.stats).open).toBeLessThanOrEqual(4)
        expect(same(yield* pool.use((session) => session.get("t/f7")), pattern(30_000))).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 a tree without end is given up at its bounds", () =>
    Effect.provide(
      Effect.gen(function*() {
        const path = yield* Path.Path
        const root = yield* local
        // Each directory seems to hold another one.
        const { pool } = yield* pooled({ files: { "/t/d/d/d/d/d/d/x": "1" } })
        const deep = yield* Effect.flip(
          Stream.runDrain(pool.downloadDirectory("t", path.join(root, "a"), { maxDepth: 3 }))
        )
        expect(deep).toMatchObject({ _tag: "InvalidArgument", what: "a tree" })
        const long = yield* Effect.flip(
          Stream.runDrain(pool.downloadDirectory("t", path.join(root, "b"), { maxEntries: 3 }))
        )
        expect(long).toMatchObject({ _tag: "InvalidArgument", what: "a tree" })
      }),
      layer
    ))
})
