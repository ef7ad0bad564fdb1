/** Downloads to files and uploads from them, and resuming both. */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Stream } from "effect"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { answering, calm } from "./hostileServer.js"
import { connected, leavesNothing, networks, same, text, turn } from "./networks.js"
import { against } from "./scripted.js"

const local = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const mebibyte = 1 << 20

/** No two blocks of it alike: a buffer that was written over shows. */
const blocks = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length + 3 & ~3)
  const words = new Uint32Array(bytes.buffer)
  for (let index = 0, value = 1; index < words.length; index++) {
    value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) + index
    words[index] = value
  }
  return bytes.subarray(0, length)
}

/** A disk that takes `most` bytes at a write, and has the event loop go round at each; as a slow one does. */
const slowDisk = (most: number): Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      const pause = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      return {
        ...fs,
        open: (path: string, options?: FileSystem.OpenFileOptions) =>
          Effect.map(fs.open(path, options), (file) => {
            const writeAll = (bytes: Uint8Array): ReturnType<typeof file.writeAll> =>
              bytes.length <= most
                ? Effect.zipRight(pause, file.writeAll(bytes))
                : Effect.zipRight(
                  Effect.zipRight(pause, file.writeAll(bytes.subarray(0, most))),
                  Effect.suspend(() => writeAll(bytes.subarray(most)))
                )
            return new Proxy(file, {
              get: (target, key) => {
                if (key === "writeAll") return writeAll
                if (key === "read") return (buffer: Uint8Array) => target.read(buffer.subarray(0, most))
                const value = Reflect.get(target, key, target) as unknown
                return typeof value === "function" ? value.bind(target) : value
              }
            })
          })
      }
    })
  )

describe.each(networks)("files, %s", (_, net) => {
  const layer = Layer.merge(net, NodeContext.layer)

  it.scoped("C34 a large file comes to the disk and goes from it without a byte changed, in binary and as text", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const where = yield* local
        const content = blocks(6 * mebibyte + 13)
        const { server, session } = yield* connected({ files: { "/a": content } })
        yield* session.downloadFile("a", path.join(where, "a"))
        expect(same(yield* fs.readFile(path.join(where, "a")), content)).toBe(true)
        expect(yield* session.uploadFile(path.join(where, "a"), "b")).toEqual({
          path: "b",
          bytes: content.length,
          verified: true
        })
        expect(same(Option.getOrThrow(yield* server.read("/b")), content)).toBe(true)

        const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index}`).join("\n")
        yield* server.write("/t", lines)
        yield* session.downloadFile("t", path.join(where, "t"), { type: "text" })
        expect((yield* fs.readFileString(path.join(where, "t"))) === lines).toBe(true)
        yield* session.uploadFile(path.join(where, "t"), "u", { type: "text" })
        expect(text(Option.getOrThrow(yield* server.read("/u"))) === lines).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 a disk that takes a little at a time gets each byte once, whatever is read meanwhile", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const where = yield* local
        const content = blocks(8 * mebibyte)
        const { server, session } = yield* connected({ files: { "/a": content } })
        yield* Effect.provide(session.downloadFile("a", path.join(where, "a")), slowDisk(20_000))
        expect(same(yield* fs.readFile(path.join(where, "a")), content)).toBe(true)
        yield* Effect.provide(session.uploadFile(path.join(where, "a"), "b"), slowDisk(50_000))
        expect(same(Option.getOrThrow(yield* server.read("/b")), content)).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 downloadFile resumes what came in part, refuses what is no part, and moves nothing twice", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const to = path.join(yield* local, "a")
        const content = blocks(400_000)
        const { server, session } = yield* connected({ files: { "/a": content } })
        yield* fs.writeFile(to, content.subarray(0, 150_000))
        expect(yield* session.downloadFile("a", to, { resume: true })).toEqual({
          path: "a",
          bytes: 250_000,
          verified: true
        })
        expect(same(yield* fs.readFile(to), content)).toBe(true)
        const before = (yield* server.commands).length
        expect(yield* session.downloadFile("a", to, { resume: true })).toEqual({ path: "a", bytes: 0, verified: true })
        expect((yield* server.commands).slice(before).some((line) => line.startsWith("RETR"))).toBe(false)
        yield* fs.writeFile(to, new Uint8Array(400_001))
        expect(yield* Effect.flip(session.downloadFile("a", to, { resume: true }))).toMatchObject({
          _tag: "InvalidArgument"
        })
        // Without `resume` what was there is replaced.
        yield* session.downloadFile("a", to)
        expect(same(yield* fs.readFile(to), content)).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 uploadFile resumes what the server has, refuses what is no part, and moves nothing twice", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const from = path.join(yield* local, "a")
        const content = blocks(400_000)
        yield* fs.writeFile(from, content)
        const { server, session } = yield* connected({ files: { "/a": content.subarray(0, 150_000) } })
        expect(yield* session.uploadFile(from, "a", { resume: true })).toEqual({
          path: "a",
          bytes: 250_000,
          verified: true
        })
        expect(same(Option.getOrThrow(yield* server.read("/a")), content)).toBe(true)
        expect(yield* session.uploadFile(from, "a", { resume: true })).toEqual({ path: "a", bytes: 0, verified: true })
        yield* server.write("/a", new Uint8Array(400_001))
        expect(yield* Effect.flip(session.uploadFile(from, "a", { resume: true }))).toMatchObject({
          _tag: "InvalidArgument"
        })
        yield* session.uploadFile(from, "new", { resume: true })
        expect(same(Option.getOrThrow(yield* server.read("/new")), content)).toBe(true)
      })),
      layer
    ))

  it.scoped("C34 nothing local is touched for a file that cannot be had", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const to = path.join(yield* local, "a")
        yield* fs.writeFileString(to, "kept")
        const { session } = yield* connected()
        expect(yield* Effect.flip(session.downloadFile("nope", to))).toMatchObject({ _tag: "NotFound" })
        expect(yield* fs.readFileString(to)).toBe("kept")
        expect(yield* Effect.flip(session.uploadFile(`${to}.nope`, "x"))).toMatchObject({ _tag: "SystemError" })
        yield* session.noop
      })),
      layer
    ))

  it.scoped("C34 a disk that fails ends the transfer with its error, and the session continues", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const path = yield* Path.Path
        const where = yield* local
        const { session } = yield* connected({ files: { "/a": blocks(1_000_000) } })
        const nowhere = path.join(where, "no such directory", "a")
        expect(yield* Effect.flip(session.downloadFile("a", nowhere))).toMatchObject({ _tag: "SystemError" })
        expect(yield* session.size("a")).toBe(1_000_000)
      })),
      layer
    ))

  it.scoped("S18 one-shot files take a URL, ;type= and resume", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const where = yield* local
        const server = yield* FtpServer.make({ files: { "/d/a": "one\r\ntwo\r\n" } })
        const ftp = yield* Ftp.make()
        yield* ftp.downloadFile(`${server.url}/d/a;type=a`, path.join(where, "a"))
        expect(yield* fs.readFileString(path.join(where, "a"))).toBe("one\ntwo\n")
        yield* ftp.uploadFile(path.join(where, "a"), `${server.url}/d/b;type=a`)
        expect((yield* server.commands).filter((line) => line === "TYPE A").length).toBe(2)
        yield* ftp.uploadFile(path.join(where, "a"), `${server.url}/d/c`)
        expect(text(Option.getOrThrow(yield* server.read("/d/c")))).toBe("one\ntwo\n")
        yield* fs.writeFileString(path.join(where, "c"), "one\n")
        const rest = yield* ftp.downloadFile(`${server.url}/d/c`, path.join(where, "c"), { resume: true })
        expect(rest).toMatchObject({ bytes: 4 })
        expect(yield* fs.readFileString(path.join(where, "c"))).toBe("one\ntwo\n")
      })),
      layer
    ))
})

describe("files on odd networks", () => {
  it.scoped("C34 a server that reads slowly gets what was on the disk, though the buffers are used again", () =>
    Effect.provide(
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const from = path.join(yield* local, "a")
        const content = blocks(5 * mebibyte)
        yield* fs.writeFile(from, content)
        // The sender's and the receiver's systems keep next to nothing, and chunks come in any size.
        const network = yield* NetMemory.make({ bufferSize: 4096, chunks: "random", seed: 7 })
        const host = yield* network.addHost("here")
        yield* Effect.gen(function*() {
          const { server, session } = yield* connected()
          expect(yield* session.uploadFile(from, "a")).toMatchObject({ bytes: content.length, verified: true })
          expect(same(Option.getOrThrow(yield* server.read("/a")), content)).toBe(true)
          // Reads of less than may wait: without care both buffers wait at once.
          for (const most of [3000, 20_000]) {
            yield* Effect.provide(session.uploadFile(from, "b"), slowDisk(most))
            expect(same(Option.getOrThrow(yield* server.read("/b")), content)).toBe(true)
          }
          yield* session.downloadFile("a", `${from}2`)
          expect(same(yield* fs.readFile(`${from}2`), content)).toBe(true)
        }).pipe(Effect.provideService(Net.Net, host.net))
      }),
      NodeContext.layer
    ))

  it.scoped.each([1000, 3000, 100_000])(
    "C34 an upload of reads of %d bytes to a peer that hardly takes any: no buffer is read into while it waits",
    (most) =>
      Effect.provide(
        Effect.gen(function*() {
          const fs = yield* FileSystem.FileSystem
          const path = yield* Path.Path
          const from = path.join(yield* local, "a")
          const content = blocks(400_000)
          yield* fs.writeFile(from, content)
          const got = yield* Deferred.make<Uint8Array>()
          const session = yield* against((peer) =>
            Effect.gen(function*() {
              yield* peer.welcome
              const data = yield* peer.transfer("")
              const chunks: Array<Uint8Array> = []
              const loop: Effect.Effect<void, unknown> = Effect.flatMap(
                Effect.zipRight(turn, data.receive({ maxBytes: 2000 })),
                (chunk) => {
                  chunks.push(chunk)
                  return loop
                }
              )
              yield* Effect.ignore(loop)
              yield* data.shutdown("send")
              yield* Deferred.succeed(got, Buffer.concat(chunks))
              yield* peer.say("226 Done\r\n")
              yield* answering(peer, { ...calm, SIZE: "213 400000" })
            })
          )
          yield* Effect.provide(session.uploadFile(from, "a"), slowDisk(most))
          expect(same(yield* Deferred.await(got), content)).toBe(true)
        }),
        Layer.merge(NetMemory.layer, NodeContext.layer)
      )
  )

  it.scoped("C34 text keeps its line ends when each byte comes alone", () =>
    Effect.provide(
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const where = yield* local
        const network = yield* NetMemory.make({ chunks: 1 })
        const host = yield* network.addHost("here")
        yield* Effect.gen(function*() {
          const { server, session } = yield* connected({ files: { "/t": "a\r\nb\n\rc\r\r\nd\r" } })
          yield* session.downloadFile("t", path.join(where, "t"), { type: "text" })
          expect(yield* fs.readFileString(path.join(where, "t"))).toBe("a\nb\n\rc\r\nd\r")
          yield* session.uploadFile(path.join(where, "t"), "u", { type: "text" })
          expect(text(Option.getOrThrow(yield* server.read("/u")))).toBe("a\nb\n\rc\nd\r")
          expect((yield* session.list()).map(({ name }) => name)).toEqual(["t", "u"])
        }).pipe(Effect.provideService(Net.Net, host.net))
      }),
      NodeContext.layer
    ))

  it.scoped("C34 what a stream gives of a download stays as it was: only files give their chunks back", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const content = blocks(4 * mebibyte)
        const { session } = yield* connected({ files: { "/a": content } })
        const chunks = yield* Stream.runCollect(session.download("a"))
        expect(same(Buffer.concat(Array.from(chunks)), content)).toBe(true)
      })),
      NodeNet.layer
    ))
})
