/** What holds while a file is sent: its bytes, its end, its bound, and that nothing stays open. */
import { Net } from "@copas/core"
import { HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { StaticFiles } from "../../src/index.js"
import { asking, platforms } from "./asking.js"
import * as Tree from "./tree.js"

/** What Node keeps of a body before the socket takes it, and more. */
const large = 8 << 20

/** The app's answer, without a server; the scope is the request's. */
const answerOf = <E>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest | Scope.Scope>,
  path: string,
  init: RequestInit = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, Scope.Scope> =>
  Effect.provideService(
    app,
    HttpServerRequest.HttpServerRequest,
    HttpServerRequest.fromWeb(new Request(`http://localhost${path}`, init))
  )

const bodyOf = ({ body }: HttpServerResponse.HttpServerResponse): Stream.Stream<Uint8Array, unknown> =>
  body._tag === "Stream" ? body.stream : Stream.dieMessage(`a body of ${body._tag}`)

const collect = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.map(Stream.runCollect(bodyOf(response)), (chunks) => Buffer.concat([...chunks]))

describe("sending a static file", () => {
  it.scopedLive("X02 a large file is sent as it is, whole, in ranges and in several ranges", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(300_001)
      const root = yield* Tree.make({ "large.bin": bytes })
      const app = yield* StaticFiles.make(root)
      for (
        const [range, start, end] of [[undefined, 0, 300_001], ["bytes=1-200000", 1, 200_001], [
          "bytes=-70000",
          230_001,
          300_001
        ]]
      ) {
        yield* Effect.scoped(Effect.gen(function*() {
          const response = yield* answerOf(
            app,
            "/large.bin",
            range === undefined ? {} : { headers: { range: String(range) } }
          )
          expect(response.headers["content-length"]).toBe(String(Number(end) - Number(start)))
          expect((yield* collect(response)).equals(bytes.subarray(Number(start), Number(end)))).toBe(true)
          // It may be run again, as a retried or mirrored body is.
          expect((yield* collect(response)).length).toBe(Number(end) - Number(start))
        }))
      }
      yield* Effect.scoped(Effect.gen(function*() {
        const response = yield* answerOf(app, "/large.bin", { headers: { range: "bytes=0-99999,200000-" } })
        const body = yield* collect(response)
        expect(response.headers["content-length"]).toBe(String(body.length))
        expect(body.includes(bytes.subarray(0, 100_000)) && body.includes(bytes.subarray(200_000))).toBe(true)
      }))
      yield* Tree.closed(root)
    }))

  it.scopedLive("X02 case 37: a file that becomes shorter while it is sent fails the body, wherever it ends", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({})
      const app = yield* StaticFiles.make(root)
      for (const left of [0, 1, 65_535, 65_536, 65_537, 200_000, 299_999]) {
        Tree.write(root, "large.bin", new Uint8Array(300_000))
        const failure = yield* Effect.scoped(Effect.gen(function*() {
          const response = yield* answerOf(app, "/large.bin")
          Fs.truncateSync(Path.join(root, "large.bin"), left)
          return yield* Effect.flip(collect(response))
        }))
        expect(String(failure)).toContain(`ended at byte ${left} while it was sent, and 300000 were announced`)
      }
      yield* Tree.closed(root)
    }))

  it.scopedLive("X02 a file that is replaced or grows while it is sent is sent as it was opened", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(300_000)
      const root = yield* Tree.make({ "large.bin": bytes, "log": bytes })
      const app = yield* StaticFiles.make(root)
      const replaced = yield* answerOf(app, "/large.bin")
      Tree.write(root, "new", "new")
      Fs.renameSync(Path.join(root, "new"), Path.join(root, "large.bin"))
      expect((yield* collect(replaced)).equals(bytes)).toBe(true)
      const grown = yield* answerOf(app, "/log")
      Fs.appendFileSync(Path.join(root, "log"), "more")
      expect((yield* collect(grown)).equals(bytes)).toBe(true)
    }))

  it.scoped("X02 no more files than the bound allows are sent at once; small ones do not count", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "large.bin": new Uint8Array(100_000), "small.txt": "small" })
      const app = yield* StaticFiles.make(root, { maxOpenFiles: 2 })
      const logged: Array<unknown> = []
      const quiet = Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void logged.push(message)))
      const status = (path: string, scope: Scope.Scope, init?: RequestInit) =>
        Scope.extend(answerOf(app, path, init), scope).pipe(
          Effect.map((response) => response.status),
          Effect.provide(quiet)
        )
      const [one, other] = [yield* Scope.make(), yield* Scope.make()]
      const third = yield* Effect.scope
      expect(yield* status("/large.bin", one)).toBe(200)
      expect(yield* status("/large.bin", other)).toBe(200)
      const busy = yield* Effect.provide(answerOf(app, "/large.bin"), quiet)
      expect([busy.status, busy.headers["retry-after"]]).toEqual([503, "1"])
      expect(yield* status("/large.bin", third)).toBe(503)
      expect(logged).toHaveLength(1)
      expect(yield* status("/small.txt", third)).toBe(200)
      expect(yield* status("/large.bin", third, { method: "HEAD" })).toBe(200)
      yield* Tree.closed(root, 2)
      expect(Tree.openBelow(root)).toHaveLength(2)
      yield* Scope.close(one, Exit.void)
      expect(yield* status("/large.bin", third)).toBe(200)
      yield* Scope.close(other, Exit.void)
    }))

  it.scopedLive("X02 many requests at once open few files at once", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "small.txt": "small" })
      const app = yield* StaticFiles.make(root)
      let most = 0
      const answers = yield* Effect.forEach(
        Array.from({ length: 400 }),
        () =>
          Effect.map(Effect.scoped(answerOf(app, "/small.txt")), ({ status }) => {
            most = Math.max(most, Tree.openBelow(root).length)
            return status
          }),
        { concurrency: "unbounded" }
      )
      expect(answers.every((status) => status === 200)).toBe(true)
      // 64 at once, and those that the system's threads have yet to close.
      expect(most).toBeLessThan(100)
      yield* Tree.closed(root)
    }))

  it.scopedLive.skipIf(process.platform === "win32")(
    "X02 a file that may not be read is 403, and a process without descriptors answers 503",
    () =>
      Effect.gen(function*() {
        const lines = yield* Effect.promise(() =>
          new Promise<string>((resolve, reject) => {
            // Some Nodes open all modules of a program at once.
            const command = "ulimit -n 1000; exec \"$0\" --import tsx --conditions=copas-source \"$1\""
            const program = fileURLToPath(new URL("../fixtures/noDescriptors.ts", import.meta.url))
            execFile(
              "bash",
              ["-c", command, process.execPath, program],
              (error, stdout, stderr) => error === null ? resolve(stdout) : reject(new Error(stderr))
            )
          })
        )
        expect(lines.trim().split("\n")).toEqual(["hidden 403", "page 200", "none left 503", "again 200"])
      })
  )

  it.scopedLive("X02 an option's function that throws is the program's defect, and leaves nothing open", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "a.txt": "a", "sub/index.html": "sub", "b.txt": "b", "b.txt.gz": "b" })
      const fails = (): boolean => {
        throw new Error("by the program")
      }
      for (
        const options of [{ download: fails }, { immutable: fails }, { cacheControl: [{ match: fails, value: "x" }] }]
      ) {
        const app = yield* StaticFiles.make(root, { ...options, precompressed: true, fallback: "a.txt" })
        for (const path of ["/a.txt", "/sub/", "/b.txt", "/nothing"]) {
          const defect = yield* Effect.scoped(answerOf(app, path)).pipe(
            Effect.as("no defect"),
            Effect.catchAllDefect((defect) => Effect.succeed(String(defect)))
          )
          expect(defect).toContain("by the program")
        }
      }
      yield* Tree.closed(root)
    }))

  it.scopedLive("X02 an interrupted request closes what it has opened, whenever the interruption comes", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({
        "large.bin": new Uint8Array(100_000),
        "small.txt": "small",
        "small.txt.gz": "gzip",
        "folder/a": "a",
        "sub/index.html": "index"
      })
      const app = yield* StaticFiles.make(root, { precompressed: true, listing: true, notFound: "small.txt" })
      const paths = ["/large.bin", "/small.txt", "/folder/", "/sub/", "/nothing"]
      for (let turns = 0; turns < 16; turns++) {
        for (const path of paths) {
          const init = turns % 2 === 0 ? {} : { headers: { "accept-encoding": "gzip" } }
          const fiber = yield* Effect.fork(Effect.scoped(answerOf(app, path, init)))
          for (let turn = 0; turn < turns; turn++) {
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          }
          yield* Fiber.interrupt(fiber)
        }
      }
      yield* Tree.closed(root)
    }))
})

for (const [name, platform] of platforms) {
  describe(`sending a static file on ${name}`, () => {
    it.scopedLive("X02 clients that leave in the middle of a large file leave nothing open", () =>
      Effect.gen(function*() {
        const root = yield* Tree.make({ "large.bin": new Uint8Array(large) })
        const port = yield* platform.serve(yield* StaticFiles.make(root))
        yield* Effect.forEach(
          Array.from({ length: 20 }, (_, at) => at),
          (at) =>
            Effect.scoped(Effect.gen(function*() {
              const socket = yield* Net.connect({ host: "127.0.0.1", port })
              yield* socket.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
              yield* socket.receiveExactly(at * 10_000 + 1)
              if (at % 2 === 0) yield* socket.abort
            })),
          { concurrency: 10 }
        )
        yield* Tree.closed(root)
      }).pipe(Effect.provide(platform.network)))

    it.scopedLive("X02 a client that reads late gets the whole file", () =>
      Effect.gen(function*() {
        const bytes = randomBytes(large)
        const root = yield* Tree.make({ "large.bin": bytes })
        const ask = yield* asking(platform, yield* StaticFiles.make(root))
        const answer = yield* ask("/large.bin")
        expect(Buffer.from(answer.body, "latin1").equals(bytes)).toBe(true)
        yield* Tree.closed(root)
      }).pipe(Effect.provide(platform.network)))

    // @effect/platform-node's server ends such an answer as if it were whole.
    it.scopedLive.skipIf(name.startsWith("@effect"))(
      "X02 case 37: a file that becomes shorter cuts the connection",
      () =>
        Effect.gen(function*() {
          const root = yield* Tree.make({ "large.bin": new Uint8Array(4 * large) })
          const port = yield* platform.serve(yield* StaticFiles.make(root))
          const socket = yield* Net.connect({ host: "127.0.0.1", port, readSize: 4096 })
          yield* socket.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
          const head = Buffer.from(yield* socket.receiveExactly(4096)).toString("latin1")
          expect(head).toMatch(new RegExp(`content-length: ${4 * large}\r\n`, "i"))
          Fs.truncateSync(Path.join(root, "large.bin"), 100_000)
          let received = head.length
          const exit = yield* Effect.exit(
            Effect.forever(Effect.tap(socket.receive(), (bytes) => Effect.sync(() => received += bytes.length)))
          )
          expect(Exit.isFailure(exit)).toBe(true)
          expect(received).toBeLessThan(4 * large)
          yield* Tree.closed(root)
        }).pipe(Effect.provide(Layer.merge(Logger.remove(Logger.defaultLogger), platform.network)))
    )
  })
}
