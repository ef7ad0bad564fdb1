/** Bodies that are cut: never a short success, however they are framed, coded and read. */
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, type Scope, Sink, Stream } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { Http } from "../../src/index.js"
import type { HttpPeer } from "../../src/testing/index.js"
import { failsWith, platforms, saying, went } from "./support.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "copas-http-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
)

const json = Buffer.from(JSON.stringify({ words: "all the words that there are ".repeat(200) }))

const head = (fields: string): string => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${fields}\r\n`
const coded = (coding: string, bytes: Buffer, kept: number): Buffer =>
  Buffer.concat([
    Buffer.from(head(`Content-Encoding: ${coding}\r\nContent-Length: ${kept}\r\n`)),
    bytes.subarray(0, kept)
  ])
const chunked = (coding: string, bytes: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(head(`Content-Encoding: ${coding}\r\nTransfer-Encoding: chunked\r\n`)),
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from("\r\n0\r\n\r\n")
  ])

const zipped = gzipSync(json)
/** Each is cut in its own way; the first is `Content-Length: 10` and three bytes. */
const cuts: ReadonlyArray<readonly [name: string, bytes: string | Buffer, expected: number | undefined]> = [
  ["by its length", `${head("Content-Length: 10\r\n")}{"a`, 10],
  ["by its length, before its first byte", head("Content-Length: 10\r\n"), 10],
  ["by its length, at the last byte", `${head("Content-Length: 3\r\n")}{}`, 3],
  ["within a chunk", `${head("Transfer-Encoding: chunked\r\n")}5\r\n{"a`, undefined],
  ["after a chunk", `${head("Transfer-Encoding: chunked\r\n")}2\r\n{}\r\n`, undefined],
  ["within a chunk's size", `${head("Transfer-Encoding: chunked\r\n")}2\r\n{}\r\n1`, undefined],
  ["before its first chunk", head("Transfer-Encoding: chunked\r\n"), undefined],
  ["within the last chunk", `${head("Transfer-Encoding: chunked\r\n")}2\r\n{}\r\n0\r\n`, undefined],
  ["within its trailers", `${head("Transfer-Encoding: chunked\r\n")}2\r\n{}\r\n0\r\nA: b\r\n`, undefined],
  ["in gzip's trailer", coded("gzip", zipped, zipped.length - 4), undefined],
  ["at gzip's trailer", coded("gzip", zipped, zipped.length - 8), undefined],
  ["within gzip's data", coded("gzip", zipped, zipped.length >> 1), undefined],
  ["within gzip's head", coded("gzip", zipped, 5), undefined],
  ["within gzip, in whole chunks", chunked("gzip", zipped.subarray(0, -1)), undefined],
  ["within a second member of gzip", chunked("gzip", Buffer.concat([zipped, zipped.subarray(0, -3)])), undefined],
  ["within deflate", chunked("deflate", deflateSync(json).subarray(0, -5)), undefined],
  ["within deflate's checksum", chunked("deflate", deflateSync(json).subarray(0, -2)), undefined],
  ["within raw deflate", chunked("deflate", deflateRawSync(json).subarray(0, -1)), undefined],
  ["within br", chunked("br", brotliCompressSync(json).subarray(0, -1)), undefined],
  ["within the inner one of two codings", chunked("gzip, br", brotliCompressSync(zipped.subarray(0, -4))), undefined]
]

type Read = (http: Http.Service, url: string) => Effect.Effect<unknown, unknown, Scope.Scope>

const ways: Readonly<Record<string, Read>> = {
  text: (http, url) => http.text(url),
  bytes: (http, url) => http.bytes(url),
  json: (http, url) => http.json(url),
  "the first form": (http, url) => http.request(url),
  stream: (http, url) => Effect.flatMap(http.request({ url }), ({ body }) => Stream.runDrain(body)),
  whole: (http, url) => Effect.flatMap(http.request({ url }), ({ whole }) => whole),
  sink: (http, url) => http.download(url, Sink.drain)
}

const once = (_: string, reply: string | Buffer, ending?: HttpPeer.Ending) => saying(reply, ending)

describe.each(platforms)("cut bodies, %s", (_, platform) => {
  it.scoped.each(cuts)(
    "C33 a body that is cut %s is BodyTruncated, in every way to read it",
    ([name, bytes, expected]) =>
      Effect.gen(function*() {
        const peer = yield* once(name, bytes)
        const http = yield* Http.make()
        for (const [way, read] of Object.entries(ways)) {
          const error = yield* failsWith(read(http, peer.url), "BodyTruncated")
          expect([way, error]).toMatchObject([way, { method: "GET", url: `${peer.url}/`, hop: 0 }])
          if (expected !== undefined) expect([way, (error as { expected?: number }).expected]).toEqual([way, expected])
        }
        yield* went(peer)
      }).pipe(Effect.provide(platform))
  )

  it.scoped.each(cuts)(
    "C33 a file whose download is cut %s is not there under its name",
    ([name, bytes]) =>
      Effect.gen(function*() {
        const peer = yield* once(name, bytes)
        const http = yield* Http.make()
        const where = yield* folder
        const file = path.join(where, "wanted")
        const error = yield* failsWith(http.download(peer.url, { path: file }), "BodyTruncated")
        const left = fs.readdirSync(where)
        expect(left).not.toContain("wanted")
        // What is kept is named in the error, and nothing else is left.
        const { partial } = error as { readonly partial?: string }
        expect(left.map((name) => path.join(where, name))).toEqual(partial === undefined ? [] : [partial])
        yield* went(peer)
      }).pipe(Effect.provide(Layer.merge(platform, NodeFileSystem.layer)))
  )

  it.scoped("C33 a file that was there is as it was after a download that is cut", () =>
    Effect.gen(function*() {
      const peer = yield* once("", `${head("Content-Length: 10\r\n")}abc`)
      const http = yield* Http.make()
      const file = path.join(yield* folder, "wanted")
      fs.writeFileSync(file, "before")
      yield* failsWith(http.download(peer.url, { path: file }), "BodyTruncated")
      expect(fs.readFileSync(file, "utf8")).toBe("before")
    }).pipe(Effect.provide(Layer.merge(platform, NodeFileSystem.layer))))

  it.scoped("C33 a body that a reset cuts is an error in every way to read it, and a shorter one before it is none", () =>
    Effect.gen(function*() {
      const peer = yield* once("", `${head("Content-Length: 10\r\n")}{"a`, "reset")
      const http = yield* Http.make()
      for (const [way, read] of Object.entries(ways)) {
        const error = yield* Effect.flip(read(http, peer.url)) as Effect.Effect<{ readonly _tag: string }, unknown>
        expect([way, error._tag]).toEqual([way, expect.stringMatching(/^(BodyTruncated|ConnectionLost)$/)])
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a body that only the connection's end frames is whole at an end in order, and lost at a reset", () =>
    Effect.gen(function*() {
      const http = yield* Http.make()
      const orderly = yield* once("", `${head("")}{}`)
      for (const [way, read] of Object.entries(ways)) yield* Effect.orDieWith(read(http, orderly.url), () => way)
      const cut = yield* once("", `${head("")}{}`, "reset")
      for (const [way, read] of Object.entries(ways)) {
        const error = yield* Effect.flip(read(http, cut.url)) as Effect.Effect<{ readonly _tag: string }, unknown>
        expect([way, error._tag]).toEqual([way, "ConnectionLost"])
      }
    }).pipe(Effect.provide(platform)))
})
