/** Content codings: which are undone, which bodies have none, and how much may come of a few bytes. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { pattern, text } from "../ftp/networks.js"
import { failsWith, platforms, went } from "./support.js"

const words = Buffer.from("words that come again and again, ".repeat(300))
const zipped = gzipSync(words)

/** Answers with this body under these codings. */
const coded = (codings: string | ReadonlyArray<string>, body: Uint8Array, isChunked = false) =>
  HttpPeer.make({ handler: () => ({ fields: { "Content-Encoding": codings }, body: isChunked ? [body] : body }) })

describe.each(platforms)("content codings, %s", (_, platform) => {
  it.scoped.each(
    [
      ["an answer to HEAD", { method: "HEAD" }, 200],
      ["a 204", {}, 204],
      ["a 304", {}, 304]
    ] as const
  )("C33 %s with Content-Encoding and Content-Length has an empty body, no decoding, and its fields", (
    [, options, status]
  ) =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: () => ({ status, fields: { "Content-Encoding": "gzip", "Content-Length": 5 } })
      })
      const http = yield* Http.make({ pool: { connections: 1 } })
      for (let count = 0; count < 2; count++) {
        const answer = yield* http.request({ ...options, url: peer.url })
        expect([answer.status, (yield* answer.bytes).length]).toEqual([status, 0])
        expect(answer.fields).toEqual([["Content-Encoding", "gzip"], ["Content-Length", "5"]])
      }
      yield* went(peer)
    }).pipe(Effect.provide(platform)))

  const bodies: ReadonlyArray<readonly [name: string, codings: string | ReadonlyArray<string>, body: Uint8Array]> = [
    ["gzip", "gzip", zipped],
    ["gzip in capitals", "GZIP", zipped],
    ["x-gzip", "x-gzip", zipped],
    ["deflate with the head of zlib", "deflate", deflateSync(words)],
    ["raw deflate", "deflate", deflateRawSync(words)],
    ["br", "br", brotliCompressSync(words)],
    ["two members of gzip", "gzip", Buffer.concat([gzipSync(words.subarray(0, 99)), gzipSync(words.subarray(99))])],
    ["an empty member of gzip", "gzip", Buffer.concat([gzipSync(Buffer.alloc(0)), zipped])],
    ["gzip, br", "gzip, br", brotliCompressSync(zipped)],
    ["two fields", ["gzip", "br"], brotliCompressSync(zipped)],
    ["three codings", "gzip,br , deflate", deflateSync(brotliCompressSync(zipped))],
    ["identity", "identity", words],
    ["identity between others", "gzip, identity, br", brotliCompressSync(zipped)],
    ["empty elements", ", gzip,", zipped]
  ]
  it.scoped.each(bodies)(
    "C33 a body under %s is decoded, whole or byte by byte",
    ([, codings, body]) =>
      Effect.gen(function*() {
        const http = yield* Http.make()
        for (const isChunked of [false, true]) {
          const peer = yield* coded(codings, body, isChunked)
          expect(text(yield* http.bytes(peer.url))).toBe(words.toString())
        }
        const slow = yield* HttpPeer.make({
          handler: () => ({ fields: { "Content-Encoding": codings }, body: body.subarray(0), split: 1 })
        })
        expect(text(yield* http.bytes(slow.url))).toBe(words.toString())
      }).pipe(Effect.provide(platform))
  )

  const failing: ReadonlyArray<readonly [name: string, codings: string, body: Uint8Array]> = [
    ["plain text under gzip", "gzip", words],
    ["plain text under deflate", "deflate", words],
    ["plain text under br", "br", words],
    ["bytes after gzip's end", "gzip", Buffer.concat([zipped, Buffer.from("more")])],
    ["zeros after gzip's end", "gzip", Buffer.concat([zipped, Buffer.alloc(8)])],
    ["bytes after deflate's end", "deflate", Buffer.concat([deflateSync(words), Buffer.from("more")])],
    ["bytes after br's end", "br", Buffer.concat([brotliCompressSync(words), Buffer.from("more")])],
    ["a wrong checksum", "gzip", Buffer.concat([zipped.subarray(0, -8), Buffer.alloc(4), zipped.subarray(-4)])],
    ["a wrong length in gzip's trailer", "gzip", Buffer.concat([zipped.subarray(0, -4), Buffer.alloc(4)])],
    ["gzip within, plain text in it", "gzip, gzip", gzipSync(words)],
    ["the wrong order", "br, gzip", brotliCompressSync(zipped)],
    ["four codings", "gzip, gzip, gzip, gzip", gzipSync(gzipSync(gzipSync(zipped)))],
    ["six codings", "gzip, gzip, gzip, gzip, gzip, gzip", zipped],
    ["a thousand codings", Array.from({ length: 1000 }, () => "gzip").join(", "), zipped]
  ]
  it.scoped.each(failing)(
    "C33 %s is DecodeFailed, in each way to read it",
    ([, codings, body]) =>
      Effect.gen(function*() {
        const peer = yield* coded(codings, body)
        const http = yield* Http.make()
        yield* failsWith(http.bytes(peer.url), "DecodeFailed")
        yield* failsWith(http.request(peer.url), "DecodeFailed")
        const streamed = Effect.scoped(
          Effect.flatMap(http.request({ url: peer.url }), (answer) => Stream.runDrain(answer.body))
        )
        yield* failsWith(streamed, "DecodeFailed")
        expect(Buffer.compare(yield* http.bytes({ url: peer.url, decode: false }), body)).toBe(0)
      }).pipe(Effect.provide(platform))
  )

  it.scoped.each(["aes128gcm", "compress", "x-unknown", "gzip, x-unknown", "x-unknown, gzip"])(
    "C33 a body under the unknown coding %s is as it came, with the field left on",
    (codings) =>
      Effect.gen(function*() {
        const peer = yield* coded(codings, zipped)
        const http = yield* Http.make()
        const answer = yield* http.request(peer.url)
        // What is under the unknown one cannot be reached; what is over it may be taken off, and then its name, too.
        const left = answer.header("content-encoding")
        expect(left).toContain(codings.includes("x-unknown") ? "x-unknown" : codings)
        if (left === codings) expect(Buffer.compare(answer.bytes, zipped)).toBe(0)
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 an empty body under a coding is empty", () =>
    Effect.gen(function*() {
      const http = yield* Http.make()
      for (const codings of ["gzip", "deflate", "br", "gzip, br"]) {
        const peer = yield* coded(codings, Buffer.alloc(0))
        expect((yield* http.bytes(peer.url)).length).toBe(0)
      }
    }).pipe(Effect.provide(platform)))
})

describe.each(platforms)("decoding without bounds, %s", (_, platform) => {
  const zeros = gzipSync(Buffer.alloc(64 << 20), { level: 9 })
  const layered = gzipSync(gzipSync(Buffer.alloc(256 << 20), { level: 9 }), { level: 9 })
  it.live.each(
    [
      ["gzip", "gzip", zeros],
      ["deflate", "deflate", deflateSync(Buffer.alloc(64 << 20), { level: 9 })],
      ["br", "br", brotliCompressSync(Buffer.alloc(64 << 20))],
      ["two layers", "gzip, gzip", layered],
      [
        "many members",
        "gzip",
        Buffer.concat(Array.from({ length: 200 }, () => gzipSync(Buffer.alloc(1 << 20), { level: 9 })))
      ]
    ] as const
  )("C33 a few bytes of %s that become many are BodyTooLarge within a few buffers, and the connection is cut", (
    [, codings, bomb]
  ) =>
    Effect.gen(function*() {
      // It continues for ever after that.
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.send(`HTTP/1.1 200 OK\r\nContent-Encoding: ${codings}\r\n\r\n`)
            return yield* Effect.forever(connection.send(bomb, { split: 10_000 }))
          })
      })
      const http = yield* Http.make({ limits: { body: 1 << 30 } })
      let most = 0
      const drained = Effect.scoped(Effect.flatMap(http.request({ url: peer.url }), (answer) =>
        Stream.runForEach(answer.body, (chunk) =>
          Effect.sync(() => {
            most += chunk.length
          }))))
      const error = yield* failsWith(drained, "BodyTooLarge")
      expect(error.reason).toBe("ratio")
      // The million that is free, what the ratio allows for one read of 64 KiB, and two buffers.
      const bound = (1 << 20) + 250 * 65_536 + 2 * 65_536
      expect(most).toBeLessThan(bound)
      expect(error.decoded).toBeLessThan(bound)
      yield* failsWith(http.bytes(peer.url), "BodyTooLarge")
      yield* peer.awaitOpen(0)
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.live("C33 an honest log passes whatever its length, at a ratio of about twenty", () =>
    Effect.gen(function*() {
      const megabytes = Sampling.size({ short: 48, long: 5000 })
      const lines = Array.from(
        { length: 16_000 },
        (_, row) =>
          `2026-01-01T00:${row / 60 % 60 | 0}:${row % 60} host GET /path/${
            row * 7919 % 997
          } 200 some words of a log that are the same\n`
      )
      const log = Buffer.from(lines.join("")).subarray(0, 1 << 20)
      const member = gzipSync(log)
      expect(log.length / member.length).toBeGreaterThan(15)
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
            for (let count = 0; count < megabytes; count++) yield* connection.send(member)
          })
      })
      const http = yield* Http.make()
      const got = createHash("sha256")
      const answer = yield* http.request({ url: peer.url })
      yield* Stream.runForEach(answer.body, (chunk) => Effect.sync(() => got.update(chunk)))
      const wanted = createHash("sha256")
      for (let count = 0; count < megabytes; count++) wanted.update(log)
      expect(got.digest("hex")).toBe(wanted.digest("hex"))
      yield* went(peer)
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.scoped("C33 a body in memory is BodyTooLarge past its limit: by length at once, in chunks and decoded when it is reached", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ target }): HttpPeer.Reply => {
          switch (target) {
            case "/length":
              return { fields: { "Content-Length": 1 << 30 }, body: "abc", ending: "silence" }
            case "/chunks":
              return { body: [pattern(600), pattern(600)] }
            case "/coded":
              return { fields: { "Content-Encoding": "gzip" }, body: zipped }
            default:
              return { body: pattern(1000) }
          }
        }
      })
      const http = yield* Http.make({ limits: { body: 1000 } })
      for (const target of ["/length", "/chunks", "/coded"]) {
        const error = yield* failsWith(http.bytes(peer.url + target), "BodyTooLarge")
        expect(error).toMatchObject({ reason: "bytes", limit: 1000 })
      }
      expect((yield* http.bytes(peer.url)).length).toBe(1000)
    }).pipe(Effect.provide(platform)))
})
