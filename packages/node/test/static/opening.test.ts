/** Opening below a directory: nothing outside of it is ever handed out, whoever changes links meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { type Handle, openWithin, rootAt } from "../../src/internal/static/opening.js"
import * as Tree from "./tree.js"

const text = (handle: Handle): Effect.Effect<string> =>
  Effect.promise(() => handle.read(0, Number(handle.stats.size))).pipe(
    Effect.map((bytes) => Buffer.from(bytes).toString()),
    Effect.ensuring(Effect.sync(handle.close))
  )

const statusOf = (root: string, ...names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const handle = yield* openWithin(yield* rootAt(root), names)
    handle.close()
    return 200
  }).pipe(Effect.catchAll((refusal) => Effect.succeed(refusal.status)))

const { platform } = process
const be = (name: string) => () => void Object.defineProperty(process, "platform", { value: name })

describe.each([["as the kernel says", platform], ["as the path says, without /proc", "darwin"]])(
  "opening below a directory, %s",
  (_, name) => {
    beforeAll(be(name))
    afterAll(be(platform))

    it.scopedLive.skipIf(platform === "win32")(
      "X02 links are followed within the directory, and never out of it",
      () =>
        Effect.gen(function*() {
          const outside = yield* Tree.make({ "secret.txt": "secret", "folder/deep.txt": "deep" })
          const root = yield* Tree.make({
            "page.txt": "page",
            "sub/page.txt": "sub",
            "near": "->sub/page.txt",
            "nearFolder": "->sub",
            "far": `->${outside}/secret.txt`,
            "farFolder": `->${outside}/folder`,
            "twice": "->far",
            "loop": "->loop",
            "dangling": "->nothing",
            // Begins as the root does, and is not below it.
            "sibling": "->../sibling"
          })
          const at = yield* rootAt(root)
          for (
            const [names, content] of [[["near"], "sub"], [["nearFolder", "page.txt"], "sub"], [
              ["page.txt"],
              "page"
            ]] as const
          ) {
            expect(yield* Effect.flatMap(openWithin(at, names), text)).toBe(content)
          }
          const sibling = `${root}-sibling`
          Fs.writeFileSync(sibling, "beside")
          Fs.symlinkSync(sibling, Path.join(root, "beside"))
          yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(sibling)))
          for (
            const names of [
              ["far"],
              ["farFolder"],
              ["farFolder", "deep.txt"],
              ["twice"],
              ["loop"],
              ["dangling"],
              ["beside"],
              ["nothing"],
              ["page.txt", "x"],
              ["x".repeat(300)]
            ]
          ) {
            expect([names, yield* statusOf(root, ...names)]).toEqual([names, 404])
          }
          yield* Tree.closed(root)
          yield* Tree.closed(outside)
        })
    )

    it.scopedLive.skipIf(platform === "win32")(
      "X02 what is no file neither blocks nor harms",
      () =>
        Effect.gen(function*() {
          const root = yield* Tree.make({ "folder/": "" })
          execFileSync("mkfifo", [Path.join(root, "fifo")])
          const server = Net.createServer().listen(Path.join(root, "socket"))
          yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
          yield* Effect.promise(() => new Promise((resolve) => server.once("listening", resolve)))
          const at = yield* rootAt(root)
          const fifo = yield* openWithin(at, ["fifo"])
          expect([fifo.stats.isFile(), fifo.stats.isFIFO()]).toEqual([false, true])
          fifo.close()
          const folder = yield* openWithin(at, [])
          expect([folder.stats.isDirectory(), folder.realPath]).toEqual([true, root])
          folder.close()
          expect(yield* statusOf(root, "socket")).toBe(404)
          expect((yield* Effect.flip(rootAt(Path.join(root, "nothing")))).why).toBe("ENOENT")
          expect((yield* Effect.flip(rootAt(Path.join(root, "fifo")))).why).toBe("ENOTDIR")
          yield* Tree.closed(root)
        })
    )

    it.scopedLive.skipIf(platform === "win32")(
      "X02 a link that changes while it is opened never hands out what is outside",
      () =>
        Effect.gen(function*() {
          const outside = yield* Tree.make({ "page.txt": "secret" })
          const root = yield* Tree.make({ "in/page.txt": "inside", "link": "->in" })
          const at = yield* rootAt(root)
          let isOver = false
          const flips = Effect.promise(async () => {
            const next = Path.join(root, "next")
            for (let i = 0; !isOver; i++) {
              await Fs.promises.symlink(i % 2 === 0 ? outside : "in", next)
              await Fs.promises.rename(next, Path.join(root, "link"))
            }
          })
          const flipping = yield* Effect.fork(flips)
          const seen = new Set<string>()
          for (let i = 0; i < 1500; i++) {
            seen.add(
              yield* openWithin(at, ["link", "page.txt"]).pipe(
                Effect.flatMap(text),
                Effect.catchAll((refusal) => Effect.succeed(String(refusal.status)))
              )
            )
          }
          isOver = true
          yield* Fiber.join(flipping)
          expect([...seen].filter((one) => one !== "404")).toEqual(["inside"])
        })
    )

    it.scopedLive.skipIf(platform === "win32")(
      "X02 a root that is a link is followed when a deploy moves it",
      () =>
        Effect.gen(function*() {
          const root = yield* Tree.make({ "1/page.txt": "first", "2/page.txt": "second", "current": "->1" })
          const at = yield* rootAt(Path.join(root, "current"))
          const page = Effect.flatMap(openWithin(at, ["page.txt"]), text)
          expect(yield* page).toBe("first")
          Fs.symlinkSync("2", Path.join(root, "next"))
          Fs.renameSync(Path.join(root, "next"), Path.join(root, "current"))
          expect(yield* page).toBe("second")
          Fs.rmSync(Path.join(root, "1"), { recursive: true })
          expect(yield* page).toBe("second")
        })
    )

    it.scopedLive.skipIf(platform !== "linux")(
      "X02 an interrupted opening leaves nothing open, whenever it comes",
      () =>
        Effect.gen(function*() {
          const root = yield* Tree.make({ "page.txt": "page" })
          const at = yield* rootAt(root)
          for (let turns = 0; turns < 60; turns++) {
            const begun = yield* Deferred.make<void>()
            const fiber = yield* Effect.fork(
              Effect.uninterruptibleMask((restore) =>
                Effect.zipRight(Deferred.succeed(begun, undefined), restore(openWithin(at, ["page.txt"]))).pipe(
                  Effect.tap((handle) => Effect.sync(handle.close))
                )
              )
            )
            yield* Deferred.await(begun)
            for (let turn = 0; turn < turns % 12; turn++) {
              yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
            }
            const exit = yield* Fiber.interrupt(fiber)
            expect(Exit.isInterrupted(exit) || Exit.isSuccess(exit)).toBe(true)
          }
          yield* Tree.closed(root)
        })
    )

    it.scopedLive("X02 a handle that is closed while it is read closes after the read", () =>
      Effect.gen(function*() {
        const root = yield* Tree.make({ "page.txt": "x".repeat(1 << 20) })
        const handle = yield* openWithin(yield* rootAt(root), ["page.txt"])
        const reading = handle.read(0, 1 << 20)
        handle.close()
        handle.close()
        const bytes = yield* Effect.promise(() => reading)
        expect(Buffer.from(bytes).every((byte) => byte === 120)).toBe(true)
        yield* Tree.closed(root)
      }))
  }
)
