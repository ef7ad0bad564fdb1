/** Files in answers of a program's own. */
import { Net } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { type Error, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Stream } from "effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { NodeHttpPlatform } from "../../src/index.js"
import { asking, platforms } from "./asking.js"
import * as Tree from "./tree.js"

const bodyOf = ({ body }: HttpServerResponse.HttpServerResponse): Effect.Effect<Buffer, unknown> =>
  body._tag === "Uint8Array"
    ? Effect.succeed(Buffer.from(body.body))
    : body._tag === "Stream"
    ? Effect.map(Stream.runCollect(body.stream), (chunks) => Buffer.concat([...chunks]))
    : Effect.dieMessage(`a body of ${body._tag}`)

const bytes = randomBytes(200_000)

describe("files in answers", () => {
  it.scopedLive("X02 case 37: whatever part is asked for, its bytes and Content-Length are the same", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "a.bin": bytes })
      const file = new File([bytes], "a.bin", { lastModified: 5 })
      const offset = fc.oneof(fc.nat({ max: 250_000 }), fc.constantFrom(0, 65_536, 200_000))
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            offset,
            fc.option(offset, { nil: undefined }),
            fc.boolean(),
            (offset, bytesToRead, isWeb) => {
              const options = { offset, ...bytesToRead === undefined ? {} : { bytesToRead } }
              return Effect.runPromise(
                Effect.gen(function*() {
                  const response = yield* isWeb
                    ? HttpServerResponse.fileWeb(file, options)
                    : HttpServerResponse.file(Path.join(root, "a.bin"), options)
                  const expected = bytes.subarray(offset, offset + (bytesToRead ?? 200_000))
                  expect((yield* bodyOf(response)).equals(expected)).toBe(true)
                  expect(response.headers["content-length"]).toBe(String(expected.length))
                }).pipe(Effect.provide(NodeHttpPlatform.layer))
              )
            }
          ),
          { numRuns: Sampling.size({ short: 60, long: 5000 }) }
        )
      )
      yield* Tree.closed(root)
    }))

  it.scopedLive("X02 a file has its type and validators, and the answer's own fields", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "page.html": "page" })
      const path = Path.join(root, "page.html")
      const plain = yield* HttpServerResponse.file(path)
      expect([plain.status, plain.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"])
      expect(plain.headers["etag"]).toMatch(/^"4-[0-9a-f]+"$/)
      expect(plain.headers["last-modified"]).toBe(Fs.statSync(path).mtime.toUTCString())
      const own = yield* HttpServerResponse.file(path, {
        status: 203,
        contentType: "text/x-own",
        headers: { "X-Own": "1" }
      })
      expect([own.status, own.headers["content-type"], own.headers["x-own"]]).toEqual([203, "text/x-own", "1"])
      const web = yield* HttpServerResponse.fileWeb(
        new File(["web"], "a.css", { type: "text/x-web", lastModified: 5000 })
      )
      expect(web.headers).toMatchObject({
        "content-type": "text/x-web",
        "content-length": "3",
        "last-modified": "Thu, 01 Jan 1970 00:00:05 GMT"
      })
      expect((yield* HttpServerResponse.fileWeb(new File([""], "a.css"))).headers["content-type"]).toBe(
        "text/css; charset=utf-8"
      )
    }).pipe(Effect.provide(NodeHttpPlatform.layer)))

  it.scopedLive("X02 what is no file fails, and says why", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "folder/": "", "a.txt": "a" })
      const reason = (path: string, options = {}) =>
        Effect.map(
          Effect.flip(HttpServerResponse.file(Path.join(root, path), options)),
          (error: Error.PlatformError) => error._tag === "SystemError" ? error.reason : error._tag
        )
      expect(yield* reason("nothing")).toBe("NotFound")
      expect(yield* reason("a.txt/x")).toBe("NotFound")
      expect(yield* reason("folder")).toBe("BadResource")
      for (const options of [{ offset: -1 }, { bytesToRead: -1 }, { offset: NaN }]) {
        expect(yield* reason("a.txt", options)).toBe("BadArgument")
      }
      yield* Tree.closed(root)
    }).pipe(Effect.provide(NodeHttpPlatform.layer)))

  it.scopedLive("X02 case 37: the body fails if the file becomes shorter, or another one takes its place, before it is sent", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "a.bin": bytes, "b.bin": bytes, "c.bin": bytes })
      const [a, b, c] = yield* Effect.forEach(
        ["a", "b", "c"],
        (name) => HttpServerResponse.file(Path.join(root, `${name}.bin`))
      )
      Fs.truncateSync(Path.join(root, "a.bin"), 100_000)
      Fs.renameSync(Path.join(root, "c.bin"), Path.join(root, "b.bin"))
      expect(String(yield* Effect.flip(bodyOf(a!)))).toContain("ended at byte 100000")
      expect(String(yield* Effect.flip(bodyOf(b!)))).toContain("another file has taken its place")
      expect(yield* Effect.flip(bodyOf(c!))).toMatchObject({ _tag: "SystemError", reason: "NotFound" })
      yield* Tree.closed(root)
    }).pipe(Effect.provide(NodeHttpPlatform.layer)))
})

for (const [name, platform] of platforms) {
  describe(`files in answers on ${name}`, () => {
    it.scopedLive("X02 case 37: the next answer on the connection begins where it should", () =>
      Effect.gen(function*() {
        const root = yield* Tree.make({ "a.txt": "0123456789" })
        const port = yield* platform.serve(
          Effect.flatMap(
            HttpServerRequest.HttpServerRequest,
            ({ url }) =>
              url === "/file"
                ? HttpServerResponse.file(Path.join(root, "a.txt"), { bytesToRead: 3 })
                : Effect.succeed(HttpServerResponse.text("next"))
          ).pipe(Effect.provide(NodeHttpPlatform.layer))
        )
        const socket = yield* Net.connect({ host: "127.0.0.1", port })
        yield* socket.send(
          "GET /file HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        const text = Buffer.from(yield* socket.receiveAll({ maxBytes: 10_000 })).toString()
        expect(text).toMatch(/content-length: 3\r\n[^]*\r\n\r\n012HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nnext$/i)
      }).pipe(Effect.provide(platform.network)))

    it.scopedLive("X02 a large file reaches the client as it is, and HEAD opens nothing", () =>
      Effect.gen(function*() {
        const root = yield* Tree.make({ "a.bin": bytes })
        const app = Effect.provide(HttpServerResponse.file(Path.join(root, "a.bin")), NodeHttpPlatform.layer)
        const ask = yield* asking(platform, app)
        expect(Buffer.from((yield* ask("/")).body, "latin1").equals(bytes)).toBe(true)
        expect((yield* ask("/", { method: "HEAD" })).fields["content-length"]).toBe("200000")
        yield* Tree.closed(root)
      }).pipe(Effect.provide(platform.network)))
  })
}
