/** The client against servers of node:http in the same process: what it says is understood, and what they say, too. */
import { NodeHttpTransport, NodeNet } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Schema, type Scope, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib"
import { Body, Http } from "../../src/index.js"
import { leavesNothing, pattern } from "../ftp/networks.js"

const platform = Layer.provideMerge(NodeHttpTransport.layer, NodeNet.layer)

const served = (listener: http.RequestListener, options: http.ServerOptions = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<http.Server>((resume) => {
        const server = http.createServer(options, listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Answers with what it was asked: method, target, fields in pairs, and the digest of the body. */
const echo: http.RequestListener = (request, response) => {
  const hash = createHash("sha256")
  let size = 0
  request.on("data", (chunk: Buffer) => {
    hash.update(chunk)
    size += chunk.length
  })
  request.on("end", () => {
    response.setHeader("Content-Type", "application/json")
    response.end(JSON.stringify({
      method: request.method,
      target: request.url,
      fields: request.rawHeaders,
      size,
      digest: hash.digest("hex")
    }))
  })
}

const Echoed = Schema.Struct({
  method: Schema.String,
  target: Schema.String,
  fields: Schema.Array(Schema.String),
  size: Schema.Number,
  digest: Schema.String
})

const live = (
  title: string,
  use: Effect.Effect<void, unknown, Effect.Effect.Context<ReturnType<typeof Http.make>> | Scope.Scope>
) => it.live(title, () => leavesNothing(use).pipe(Effect.provide(platform)))

live(
  "C33 node:http understands every method and every kind of body, sent whole and in chunks",
  Effect.gen(function*() {
    const url = yield* served(echo)
    const client = yield* Http.make()
    const bytes = pattern(1_000_000)
    const stream = Stream.make(bytes.subarray(0, 1), bytes.subarray(1, 500_000), bytes.subarray(500_000))
    const bodies: ReadonlyArray<readonly [Body.Body | undefined, size: number, framing: string]> = [
      [undefined, 0, ""],
      ["", 0, ""],
      ["text ü", 7, "content-length"],
      [bytes, bytes.length, "content-length"],
      [Body.stream(stream, { length: bytes.length }), bytes.length, "content-length"],
      [Body.stream(stream), bytes.length, "transfer-encoding"],
      [Body.from(Effect.succeed(stream)), bytes.length, "transfer-encoding"],
      // How a body without bytes is framed is for undici to say, by the method.
      [Body.stream(Stream.empty), 0, ""]
    ]
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
      for (const [body, size, framing] of bodies) {
        const got = yield* client.json(
          { method, url: `${url}/a?b=c`, ...(body === undefined ? {} : { body: body as string }) },
          Echoed
        )
        expect([got.method, got.target, got.size]).toEqual([method, "/a?b=c", size])
        if (size === bytes.length) expect(got.digest).toBe(digest(bytes))
        const names = got.fields.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
        if (framing !== "") expect([method, size, names]).toEqual([method, size, expect.arrayContaining([framing])])
      }
    }
  })
)

live(
  "C33 what node:http says in chunks, by length and under each coding arrives whole",
  Effect.gen(function*() {
    const bytes = randomBytes(2_000_000)
    const url = yield* served((request, response) => {
      const [, how] = request.url!.split("/")
      switch (how) {
        case "gzip":
        case "deflate":
        case "br": {
          const coder = how === "gzip" ? createGzip() : how === "deflate" ? createDeflate() : createBrotliCompress()
          response.setHeader("Content-Encoding", how)
          coder.pipe(response)
          coder.end(bytes)
          return
        }
        case "length":
          response.setHeader("Content-Length", bytes.length)
          return response.end(bytes)
        case "close":
          response.setHeader("Connection", "close")
          response.useChunkedEncodingByDefault = false
          response.removeHeader("Transfer-Encoding")
          return response.end(bytes)
        case "trailers":
          response.setHeader("Trailer", "X-Digest")
          response.write(bytes)
          response.addTrailers({ "X-Digest": digest(bytes) })
          return response.end()
        default:
          for (let at = 0; at < bytes.length; at += 100_000) response.write(bytes.subarray(at, at + 100_000))
          return response.end()
      }
    })
    const client = yield* Http.make()
    for (const how of ["chunks", "length", "close", "gzip", "deflate", "br"]) {
      expect([how, digest(yield* client.bytes(`${url}/${how}`))]).toEqual([how, digest(bytes)])
    }
    const answer = yield* client.request({ url: `${url}/trailers` })
    expect(answer.trailers).toEqual([])
    expect(digest(yield* answer.bytes)).toBe(digest(bytes))
    expect(answer.trailers).toEqual([["X-Digest", digest(bytes)]])
  })
)

live(
  "C33 a hundred requests at once on four connections each get their own answer, also from a server that closes often",
  Effect.gen(function*() {
    const url = yield* served((request, response) => response.end(request.url), { keepAlive: true })
    const often = yield* served((request, response) => response.end(request.url))
    const client = yield* Http.make({ pool: { connections: 4 } })
    for (const base of [url, often]) {
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, at) => at),
        (at) => client.text(`${base}/${at}`),
        { concurrency: "unbounded" }
      )
      expect(answers).toEqual(answers.map((_, at) => `/${at}`))
    }
  })
)

live(
  "C33 requests to a server of node:http that closes each connection after one answer, or while it is idle, all succeed",
  Effect.gen(function*() {
    let count = 0
    const url = yield* served((request, response) => {
      count++
      // Sometimes it says so, and sometimes it just closes.
      if (count % 3 === 0) response.setHeader("Connection", "close")
      response.end(request.url)
      if (count % 3 === 1) response.on("finish", () => request.socket.destroySoon())
    })
    const client = yield* Http.make({ pool: { connections: 2 } })
    for (let at = 0; at < 60; at++) expect(yield* client.text(`${url}/${at}`)).toBe(`/${at}`)
  })
)
