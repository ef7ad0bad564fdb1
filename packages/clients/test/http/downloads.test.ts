/**
 * Downloads into files and sinks, resumed and again, and uploads: how far they are, and what is left of those that fail.
 */
import { Sampling } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { Error as PlatformError, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Sink, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { Body, Http, type HttpResponse } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing, networks, pattern, same, until } from "../ftp/networks.js"

const platforms = networks.map(([name, network]) =>
  [name, Layer.mergeAll(Layer.provideMerge(NodeHttpTransport.layer, network), NodeContext.layer)] as const
)

const content = pattern(200_000)
const other = pattern(150_000).reverse()
const strong = { ETag: "\"v1\"" }
const dated = { "Last-Modified": "Thu, 26 Nov 2026 10:00:00 GMT", Date: "Fri, 27 Nov 2026 10:00:00 GMT" }

/** A server of one file that cuts each answer after `cut` bytes of body, until told otherwise. */
const serving = (options: {
  readonly fields: Record<string, string>
  /** Answers a request with a range; default as it should. */
  readonly range?: (start: number, request: HttpPeer.Request) => HttpPeer.Answer
}) =>
  Effect.gen(function*() {
    const state = {
      cut: -50_000 as number | undefined,
      content,
      fields: options.fields,
      asked: [] as Array<string | undefined>
    }
    const peer = yield* HttpPeer.make({
      handler: (request) => {
        const range = request.header("range")
        state.asked.push(range)
        const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? NaN)
        const { content, cut, fields } = state
        const isSame = request.header("if-range") === (fields.ETag ?? fields["Last-Modified"])
        if (!Number.isNaN(start) && isSame) {
          if (options.range !== undefined) return options.range(start, request)
          if (start >= content.length) {
            return { status: 416, fields: { ...fields, "Content-Range": `bytes */${content.length}` } }
          }
          const rest = { "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}` }
          return { status: 206, fields: { ...fields, ...rest }, body: content.subarray(start), cut }
        }
        return { fields, body: content, cut }
      }
    })
    return { peer, state }
  })

const inFolder = <A, E, R>(use: (folder: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.makeTempDirectoryScoped(), fs)
  }))

for (const [name, layer] of platforms) {
  describe(`downloads, ${name}`, () => {
    it.live("C33 a download has its name when it is whole, and replaces the file that was there", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          const { peer, state } = yield* serving({ fields: strong })
          state.cut = undefined
          const http = yield* Http.make()
          const path = `${folder}/a.bin`
          yield* fs.writeFileString(path, "old")
          const seen: Array<HttpResponse.Progress> = []
          const names = new Set<string>()
          const done = yield* http.download(`${peer.url}/a`, { path }, {
            progress: (progress) =>
              Effect.orDie(Effect.map(fs.readDirectory(folder), (entries) => {
                seen.push(progress)
                for (const entry of entries) names.add(entry)
              }))
          })
          expect(done).toMatchObject({
            bytes: 200_000,
            resumedAt: 0,
            value: undefined,
            status: 200,
            url: `${peer.url}/a`
          })
          expect(same(yield* fs.readFile(path), content)).toBe(true)
          expect(yield* fs.readDirectory(folder)).toEqual(["a.bin"])
          expect(Array.from(names).sort()).toEqual(["a.bin", expect.stringMatching(/^a\.bin\.[0-9a-f]{16}\.part$/)])
          expect(seen.at(-1)).toEqual({ bytes: 200_000, total: 200_000 })
          expect(seen.every(({ bytes }, index) => index === 0 || bytes > seen[index - 1]!.bytes)).toBe(true)
          expect(done.timings.end).toBeGreaterThanOrEqual(done.timings.firstByte)
        })
      ).pipe(Effect.provide(layer)))

    it.live("C33 what fails or is interrupted leaves no part of it, and the file as it was", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          const { peer } = yield* serving({ fields: strong })
          const http = yield* Http.make()
          const path = `${folder}/a.bin`
          yield* fs.writeFileString(path, "old")
          expect(yield* Effect.flip(http.download(peer.url, { path }))).toMatchObject({
            _tag: "BodyTruncated",
            expected: 200_000
          })
          const silent = yield* HttpPeer.make({
            script: (connection) =>
              Effect.zipRight(
                connection.request,
                Effect.zipRight(
                  connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
                  connection.end("silence")
                )
              )
          })
          const fiber = yield* Effect.fork(http.download(silent.url, { path }))
          yield* until(Effect.map(fs.readDirectory(folder), (entries) => entries.length === 2))
          yield* Fiber.interrupt(fiber)
          const full = FileSystem.make({
            ...fs,
            open: (given, options) =>
              Effect.map(fs.open(given, options), (file) =>
                new Proxy(file, {
                  get: (target, key) =>
                    key === "writeAll"
                      ? () =>
                        Effect.fail(
                          new PlatformError.SystemError({
                            module: "FileSystem",
                            method: "writeAll",
                            reason: "Unknown",
                            description: "no space left"
                          })
                        )
                      : Reflect.get(target, key, target)
                }))
          })
          const noSpace = http.download(peer.url, { path }).pipe(Effect.provideService(FileSystem.FileSystem, full))
          expect(yield* Effect.flip(noSpace)).toMatchObject({ _tag: "SystemError", description: "no space left" })
          expect(yield* Effect.flip(http.download(peer.url, { path: `${folder}/no/a` }))).toMatchObject({
            _tag: "SystemError",
            reason: "NotFound"
          })
          expect(yield* fs.readDirectory(folder)).toEqual(["a.bin"])
          expect(yield* fs.readFileString(path)).toBe("old")
          const missing = yield* HttpPeer.make({ handler: () => ({ status: 404 }) })
          expect(yield* Effect.flip(http.download(missing.url, { path }))).toMatchObject({
            _tag: "UnexpectedStatus",
            status: 404
          })
        })
      ).pipe(Effect.provide(layer)))

    it.live("C33 with resume a download continues where it was cut, by a strong tag or a date, and is whole in the end", () =>
      Effect.forEach([strong, dated], (fields) =>
        inFolder((folder, fs) =>
          Effect.gen(function*() {
            const { peer, state } = yield* serving({ fields })
            const http = yield* Http.make()
            const path = `${folder}/a.bin`
            const get = http.download(`${peer.url}/?secret=swordfish`, { path, resume: true })
            const cut = yield* Effect.flip(get)
            expect(cut).toMatchObject({
              _tag: "BodyTruncated",
              partial: `${path}.part`,
              expected: 200_000,
              received: 150_000
            })
            expect((yield* fs.readDirectory(folder)).sort()).toEqual(["a.bin.part", "a.bin.part.json"])
            expect(yield* fs.readFileString(`${path}.part.json`)).not.toContain("swordfish")
            expect(yield* Effect.flip(get)).toMatchObject({ _tag: "BodyTruncated" })
            state.cut = undefined
            const size = Number((yield* fs.stat(`${path}.part`)).size)
            const seen: Array<HttpResponse.Progress> = []
            const done = yield* http.download(`${peer.url}/?secret=swordfish`, { path, resume: true }, {
              progress: (progress) => Effect.sync(() => seen.push(progress))
            })
            expect(done).toMatchObject({ resumedAt: size, bytes: 200_000 - size, status: 206 })
            expect(seen.at(-1)).toEqual({ bytes: 200_000, total: 200_000 })
            expect(same(yield* fs.readFile(path), content)).toBe(true)
            expect(yield* fs.readDirectory(folder)).toEqual(["a.bin"])
            expect(state.asked).toEqual([undefined, "bytes=150000-", `bytes=${size}-`])
            for (const request of yield* peer.requests) expect(request.header("accept-encoding")).toBe("identity")
          })
        )).pipe(Effect.provide(layer)))

    it.live("C33 a part of another version, of another resource, or without a note, is not continued", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          const { peer, state } = yield* serving({ fields: strong })
          const http = yield* Http.make()
          const path = `${folder}/a.bin`
          const whole = (url: string, expected: Uint8Array) =>
            Effect.gen(function*() {
              state.cut = undefined
              expect(yield* http.download(url, { path, resume: true })).toMatchObject({
                resumedAt: 0,
                bytes: expected.length
              })
              expect(same(yield* fs.readFile(path), expected)).toBe(true)
              expect(yield* fs.readDirectory(folder)).toEqual(["a.bin"])
              state.cut = -50_000
            })
          const cut = Effect.flip(http.download(`${peer.url}/a`, { path, resume: true }))
          yield* cut
          state.content = other
          state.fields = { ETag: "\"v2\"" }
          yield* whole(`${peer.url}/a`, other)
          yield* cut
          yield* whole(`${peer.url}/b`, other)
          yield* cut
          yield* fs.remove(`${path}.part.json`)
          yield* whole(`${peer.url}/a`, other)
          yield* cut
          yield* fs.writeFileString(`${path}.part.json`, "{\"resource\":1")
          yield* whole(`${peer.url}/a`, other)
          expect(state.asked.filter((range) => range !== undefined)).toEqual(["bytes=150000-"])
        })
      ).pipe(Effect.provide(layer)))

    it.live("C33 what cannot be resumed leaves no part: a weak tag, none, a fresh date, a coding", () =>
      Effect.forEach([
        { ETag: "W/\"v1\"" },
        {},
        { "Last-Modified": dated.Date, Date: dated.Date },
        { ...strong, "Content-Encoding": "gzip" }
      ], (fields: Record<string, string>) =>
        inFolder((folder, fs) =>
          Effect.gen(function*() {
            const { peer, state } = yield* serving({ fields })
            if ("Content-Encoding" in fields) state.content = gzipSync(content)
            state.cut = -100
            const http = yield* Http.make()
            const path = `${folder}/a.bin`
            const get = http.download(peer.url, { path, resume: true })
            expect(yield* Effect.flip(get)).toMatchObject({ _tag: "BodyTruncated" })
            expect(yield* fs.readDirectory(folder)).toEqual([])
            state.cut = undefined
            yield* get
            expect(same(yield* fs.readFile(path), content)).toBe(true)
          })
        )).pipe(Effect.provide(layer)))

    it.live("C33 answers to a range that do not fit begin again; one that says that all is there ends the download", () => {
      const total = content.length
      const ranged = (start: number, first: number, last: number, fields: object = {}): HttpPeer.Answer => ({
        status: 206,
        fields: { ...strong, "Content-Range": `bytes ${first}-${last}/${total}`, ...fields },
        body: content.subarray(start)
      })
      const odd: Readonly<Record<string, (start: number) => HttpPeer.Answer>> = {
        "another beginning": (start) => ranged(start, start - 1, total - 1),
        "an end past the total": (start) => ranged(start, start, total),
        "no Content-Range": (start) => ({ status: 206, fields: strong, body: content.subarray(start) }),
        "several parts": () => ({
          status: 206,
          fields: { ...strong, "Content-Type": "multipart/byteranges; boundary=a" },
          body: "--a"
        }),
        "another tag": (start) => ranged(start, start, total - 1, { ETag: "\"v9\"" }),
        "a coding": (start) => ranged(start, start, total - 1, { "Content-Encoding": "gzip" }),
        "416 of another length": () => ({ status: 416, fields: { ...strong, "Content-Range": "bytes */7" } }),
        "416 without a length": () => ({ status: 416 })
      }
      return Effect.forEach(Object.entries(odd), ([kind, range]) =>
        inFolder((folder, fs) =>
          Effect.gen(function*() {
            const { peer, state } = yield* serving({ fields: strong, range })
            const http = yield* Http.make()
            const path = `${folder}/a.bin`
            yield* Effect.flip(http.download(peer.url, { path, resume: true }))
            state.cut = undefined
            const done = yield* http.download(peer.url, { path, resume: true })
            expect(done, kind).toMatchObject({ resumedAt: 0, bytes: total })
            expect(same(yield* fs.readFile(path), content), kind).toBe(true)
            expect(yield* fs.readDirectory(folder)).toEqual(["a.bin"])
          })
        )).pipe(
          Effect.zipRight(inFolder((folder, fs) =>
            Effect.gen(function*() {
              const { peer, state } = yield* serving({ fields: strong })
              const http = yield* Http.make()
              const path = `${folder}/a.bin`
              yield* Effect.flip(http.download(peer.url, { path, resume: true }))
              yield* fs.writeFile(`${path}.part`, content)
              state.cut = undefined
              const done = yield* http.download(peer.url, { path, resume: true })
              expect(done).toMatchObject({ status: 416, resumedAt: total, bytes: 0 })
              expect(same(yield* fs.readFile(path), content)).toBe(true)
            })
          )),
          Effect.provide(layer)
        )
    })

    it.live("C33 less than the range that was asked for is BodyTruncated, and 206 to no range is a violation", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          const less = (start: number): HttpPeer.Answer => ({
            status: 206,
            fields: { ...strong, "Content-Range": `bytes ${start}-${start + 9}/200000` },
            body: content.subarray(start, start + 10)
          })
          const { peer } = yield* serving({ fields: strong, range: less })
          const http = yield* Http.make()
          const path = `${folder}/a.bin`
          const get = http.download(peer.url, { path, resume: true })
          yield* Effect.flip(get)
          expect(yield* Effect.flip(get)).toMatchObject({
            _tag: "BodyTruncated",
            expected: 200_000,
            received: 150_010,
            partial: `${path}.part`
          })
          expect(Number((yield* fs.stat(`${path}.part`)).size)).toBe(150_010)
          const unasked = yield* HttpPeer.make({ handler: () => less(0) })
          for (const resume of [false, true]) {
            const failed = yield* Effect.flip(http.download(unasked.url, { path: `${folder}/b`, resume }))
            expect(failed).toMatchObject({ _tag: "HttpProtocolViolation" })
          }
          expect(yield* Effect.flip(http.download(unasked.url, Sink.drain))).toMatchObject({
            _tag: "HttpProtocolViolation"
          })
          const asked = yield* http.download({ url: unasked.url, range: { start: 0, end: 9 } }, {
            path: `${folder}/b`,
            resume: true
          })
          expect(asked).toMatchObject({ status: 206, bytes: 10 })
          expect((yield* fs.readDirectory(folder)).sort()).toEqual(["a.bin.part", "a.bin.part.json", "b"])
        })
      ).pipe(Effect.provide(layer)))

    it.scoped("C33 a sink gets all of it and gives its value, and the rest is read where it ends early", () =>
      Effect.gen(function*() {
        const { peer, state } = yield* serving({ fields: {} })
        const http = yield* Http.make()
        const count = Sink.foldLeft(0, (sum: number, chunk: Uint8Array) => sum + chunk.length)
        expect(yield* Effect.flip(http.download(peer.url, count))).toMatchObject({ _tag: "BodyTruncated" })
        expect(yield* Effect.flip(http.download(peer.url, Sink.head<Uint8Array>()))).toMatchObject({
          _tag: "BodyTruncated"
        })
        state.cut = undefined
        expect(yield* http.download(peer.url, count)).toMatchObject({ value: 200_000, bytes: 200_000 })
        const head = yield* http.download(peer.url, Sink.head<Uint8Array>())
        expect([head.value._tag, head.bytes]).toEqual(["Some", 200_000])
        expect(yield* Effect.flip(http.download(peer.url, Sink.fail("no" as const)))).toBe("no")
      }).pipe(Effect.provide(layer)))
  })

  describe(`uploads, ${name}`, () => {
    it.live("C33 a file goes out with its length and a stream in chunks, by PUT, and each says how far it is", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          const path = `${folder}/a.json`
          yield* fs.writeFile(path, content)
          const peer = yield* HttpPeer.make({
            handler: ({ target }) => ({ status: target === "/no" ? 413 : 201, body: "done" })
          })
          const http = yield* Http.make()
          const seen: Array<HttpResponse.Progress> = []
          const progress = (progress: HttpResponse.Progress) => Effect.sync(() => void seen.push(progress))
          const done = yield* http.upload(peer.url, { path }, { progress })
          expect([done.status, done.text]).toEqual([201, "done"])
          expect(seen.at(-1)).toEqual({ bytes: 200_000, total: 200_000 })
          const stream = Stream.fromIterable([content.subarray(0, 5), content.subarray(5)])
          yield* http.upload({ url: peer.url, method: "POST" }, stream, { progress, type: "x/y" })
          expect(seen.slice(-2)).toEqual([{ bytes: 5, total: undefined }, { bytes: 200_000, total: undefined }])
          yield* http.upload(peer.url, stream, { length: 200_000 })
          const requests = yield* peer.requests
          expect(
            requests.map((
              { header, method }
            ) => [method, header("content-type"), header("content-length"), header("transfer-encoding")])
          ).toEqual([
            ["PUT", "application/json", "200000", undefined],
            ["POST", "x/y", undefined, "chunked"],
            ["PUT", "application/octet-stream", "200000", undefined]
          ])
          for (const { body } of requests) expect(same(body, content)).toBe(true)
          expect(yield* Effect.flip(http.upload(`${peer.url}/no`, { path }))).toMatchObject({
            _tag: "UnexpectedStatus",
            status: 413
          })
          expect(yield* Effect.flip(http.upload(peer.url, { path: `${path}x` }))).toMatchObject({
            _tag: "SystemError",
            reason: "NotFound"
          })
          expect(yield* Effect.flip(http.upload(peer.url, Stream.fail("mine" as const)))).toBe("mine")
          for (const length of [199_999, 200_001]) {
            expect(yield* Effect.flip(http.upload(peer.url, stream, { length }))).toMatchObject({
              _tag: "InvalidRequest",
              field: "body"
            })
          }
          expect((yield* peer.requests).filter(({ isWhole }) => isWhole)).toHaveLength(4)
        })
      ).pipe(Effect.provide(layer)))

    it.live("C33 a form of files goes out as it is read, and the server's parser gives each back", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          yield* fs.writeFile(`${folder}/a.bin`, content)
          const peer = yield* HttpPeer.make()
          const http = yield* Http.make()
          const body = Body.multipart({
            title: "é",
            file: [Body.file(`${folder}/a.bin`), Body.file(`${folder}/a.bin`, { bytes: 3 })]
          })
          yield* Effect.scoped(http.post(peer.url, { body }))
          const [request] = yield* peer.requests
          const type = request!.header("content-type")!
          const form = yield* Effect.promise(() =>
            new Response(new Uint8Array(request!.body), { headers: { "content-type": type } }).formData()
          )
          expect(form.get("title")).toBe("é")
          expect((form.getAll("file") as unknown as ReadonlyArray<File>).map(({ name, size }) => [name, size])).toEqual(
            [["a.bin", 200_000], ["a.bin", 3]]
          )
        })
      ).pipe(Effect.provide(layer)))
  })

  describe(`moving files, interrupted, ${name}`, () => {
    it.live("C33 interrupted at any step, a download and an upload leave no socket and no half file", () =>
      inFolder((folder, fs) =>
        Effect.gen(function*() {
          yield* fs.writeFile(`${folder}/up.bin`, content)
          const calls: ReadonlyArray<
            readonly [
              string,
              (http: Http.Service, url: string) => Effect.Effect<unknown, unknown, FileSystem.FileSystem>
            ]
          > = [
            ["download", (http, url) => http.download(url, { path: `${folder}/down.bin` })],
            ["resume", (http, url) => http.download(url, { path: `${folder}/resumed.bin`, resume: true })],
            ["upload", (http, url) => http.upload(url, { path: `${folder}/up.bin` })]
          ]
          for (const [call, use] of calls) {
            yield* Sampling.everyStep(`${call} ${name}`, (steps) =>
              leavesNothing(
                Effect.gen(function*() {
                  const { peer, state } = yield* serving({ fields: strong })
                  state.cut = undefined
                  const fiber = yield* Effect.fork(use(yield* Http.make(), peer.url))
                  yield* Effect.repeatN(Effect.yieldNow(), steps)
                  const isThrough = (yield* fiber.status)._tag === "Done"
                  yield* Fiber.interrupt(fiber)
                  const names = yield* fs.readDirectory(folder)
                  expect(names.filter((name) => name.startsWith("down.bin."))).toEqual([])
                  for (const whole of ["down.bin", "resumed.bin"].filter((name) => names.includes(name))) {
                    expect(same(yield* fs.readFile(`${folder}/${whole}`), content)).toBe(true)
                    yield* fs.remove(`${folder}/${whole}`)
                  }
                  return isThrough
                }).pipe(Effect.provide(NodeHttpTransport.layer))
              ), { stride: 397 })
          }
        })
      ).pipe(Effect.provide(layer)))
  })
}
