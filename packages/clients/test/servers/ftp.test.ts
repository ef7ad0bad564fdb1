/** The FTP client against vsftpd, ProFTPD, Pure-FTPd and pyftpdlib: one and the same list of sentences for each. */
import { NodeNet } from "@copas/node"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted, type Scope, Stream } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Ftp, FtpSession } from "../../src/index.js"
import { last } from "../ftp/pools.js"
import { type Daemon, proftpd, pureftpd, pyftpdlib, type PyftpdMode, vsftpd } from "./ftp/daemons.js"

const mebibyte = 1 << 20

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const digestOf = (file: string): string => digest(fs.readFileSync(file))

/** No two blocks of it alike. */
const content = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  const words = new Uint32Array(bytes.buffer)
  for (let index = 0, value = 1; index < words.length; index++) {
    value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) + index
    words[index] = value
  }
  return bytes
}

const layer = Layer.merge(NodeNet.layer, NodeContext.layer)

interface Server {
  readonly name: string
  readonly start: Effect.Effect<Daemon, never, Scope.Scope>
  readonly options: (daemon: Daemon) => FtpSession.Options
  /** Names that its encoding can write. */
  readonly names?: ReadonlyArray<string>
  /** It runs as somebody who may read everything. */
  readonly isPrivileged?: boolean
}

const at = (daemon: Daemon) => ({ host: daemon.host, port: daemon.port, serverName: "localhost" })
const trusting = (daemon: Daemon) => ({ tlsContext: { ca: { path: daemon.ca } } })

const me = { user: "me", password: Redacted.make("secret") }

const pyftpd = (mode: PyftpdMode, more: Partial<FtpSession.Options> = {}): Server => ({
  name: `pyftpdlib, ${mode}`,
  start: pyftpdlib(mode),
  options: (daemon) => ({ ...at(daemon), ...me, ...more }),
  isPrivileged: true
})

const servers: ReadonlyArray<Server> = [
  { name: "vsftpd", start: vsftpd("plain"), options: at },
  {
    name: "vsftpd with TLS that must be resumed",
    start: vsftpd("explicit"),
    options: (daemon) => ({ ...at(daemon), ...trusting(daemon), tls: "explicit" })
  },
  {
    name: "vsftpd with implicit TLS",
    start: vsftpd("implicit"),
    options: (daemon) => ({ ...at(daemon), ...trusting(daemon), tls: "implicit" })
  },
  {
    name: "ProFTPD with TLS",
    start: proftpd,
    options: (daemon) => ({
      ...at(daemon),
      ...trusting(daemon),
      ...me,
      tls: "explicit"
    })
  },
  { name: "Pure-FTPd", start: pureftpd("plain"), options: (daemon) => ({ ...at(daemon), ...me }) },
  {
    name: "Pure-FTPd with TLS",
    start: pureftpd("explicit"),
    options: (daemon) => ({ ...at(daemon), ...trusting(daemon), ...me, tls: "explicit" })
  },
  pyftpd("plain"),
  {
    ...pyftpd("tls"),
    options: (daemon) => ({ ...at(daemon), ...trusting(daemon), ...me, tls: "explicit" })
  },
  pyftpd("dos"),
  { ...pyftpd("latin1", { encoding: "latin1" }), names: ["café.txt", " leading", ".hidden", "ÿ"] },
  pyftpd("no-epsv"),
  pyftpd("epsv-only"),
  pyftpd("bad-pasv")
]

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(fs.realpathSync("/tmp"), "copas-local-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const usualNames = ["日本語.txt", " leading", ".hidden", "a -> b"]

describe.each(servers.map((server) => [server.name, server] as const))("%s", (_, server) => {
  const { isPrivileged = false, names: special = usualNames, options, start } = server
  const session = (more: Partial<FtpSession.Options> = {}) =>
    Effect.gen(function*() {
      const daemon = yield* start
      const session = yield* FtpSession.connect({ ...options(daemon), ...more })
      yield* session.cd(daemon.directory)
      return { daemon, session }
    })

  it.scopedLive("C34 64 MiB go up and come down with the same digest", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session: it } = yield* session()
        const bytes = content(64 * mebibyte)
        const up = yield* it.put("big", bytes)
        expect(up).toEqual({ path: "big", bytes: bytes.length, verified: true })
        expect(digestOf(path.join(daemon.files, "big"))).toBe(digest(bytes))
        expect(digest(yield* it.get("big"))).toBe(digest(bytes))
        expect(yield* it.size("big")).toBe(bytes.length)
      }),
      layer
    ))

  it.scopedLive("C34 a transfer that was cut in the middle is resumed, both ways", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session: it } = yield* session()
        const local = yield* temporary
        const bytes = content(16 * mebibyte)
        fs.writeFileSync(path.join(local, "a"), bytes)

        const sent = Stream.concat(Stream.make(bytes.subarray(0, 5 * mebibyte)), Stream.never)
        const up = yield* Effect.fork(it.put("a", sent))
        const there = path.join(daemon.files, "a")
        while (!fs.existsSync(there) || fs.statSync(there).size < mebibyte) yield* Effect.sleep("5 millis")
        yield* Fiber.interrupt(up)
        expect(yield* it.isUsable).toBe(true)
        const resumed = yield* it.uploadFile(path.join(local, "a"), "a", { resume: true })
        expect(resumed.verified).toBe(true)
        expect(resumed.bytes).toBeLessThan(bytes.length)
        expect(digestOf(there)).toBe(digest(bytes))

        const part = path.join(local, "b")
        const [first] = yield* Stream.runCollect(Stream.take(it.download("a"), 1))
        fs.writeFileSync(part, first!)
        expect(yield* it.isUsable).toBe(true)
        const rest = yield* it.downloadFile("a", part, { resume: true })
        expect(rest).toEqual({ path: "a", bytes: bytes.length - first!.length, verified: true })
        expect(digestOf(part)).toBe(digest(bytes))
      }),
      layer
    ))

  it.scopedLive("C34 2,000 entries are listed, names with blanks, dots and UTF-8 included", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session: it } = yield* session()
        const names = Array.from({ length: 1996 }, (_, index) => `file number ${index}.txt`)
          .concat(special)
        fs.mkdirSync(path.join(daemon.files, "many"))
        // Whoever the server writes as may replace them.
        fs.chmodSync(path.join(daemon.files, "many"), 0o777)
        for (const [index, name] of names.entries()) {
          const file = path.join(daemon.files, "many", name)
          fs.writeFileSync(file, "x".repeat(index % 7))
          fs.chmodSync(file, 0o666)
        }
        const entries = yield* it.list("many")
        expect(new Set(entries.map(({ name }) => name))).toEqual(new Set(names))
        const bySize = new Map(entries.map(({ name, size }) => [name, size]))
        for (const [index, name] of names.entries()) expect(bySize.get(name)).toBe(index % 7)
        for (const name of special) {
          yield* it.put(`many/${name}`, name)
          expect(new TextDecoder().decode(yield* it.get(`many/${name}`))).toBe(name)
        }
        expect((yield* it.names("many")).length).toBeGreaterThanOrEqual(1996)
      }),
      layer
    ))

  it.scopedLive("C34 active mode moves files, too", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session: it } = yield* session({ data: "active" })
        const bytes = content(mebibyte)
        yield* it.put("active", bytes)
        expect(digest(yield* it.get("active"))).toBe(digest(bytes))
        expect((yield* it.list()).map(({ name }) => name)).toContain("active")
      }),
      layer
    ))

  it.scopedLive("C34 what is empty, missing, forbidden or a file is told apart", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session: it } = yield* session()
        for (const name of ["empty", "with blank", "denied", "entered"]) fs.mkdirSync(path.join(daemon.files, name))
        for (const name of ["with blank", "denied", "entered"]) {
          fs.writeFileSync(path.join(daemon.files, name, "x"), "x")
        }
        fs.writeFileSync(path.join(daemon.files, "file"), "x")
        fs.chmodSync(path.join(daemon.files, "denied"), 0o700)
        fs.chmodSync(path.join(daemon.files, "entered"), 0o711)
        for (const _ of [1, 2]) {
          for (
            const ask of [(path: string) => Effect.map(it.list(path), (all) => all.map(({ name }) => name)), it.names]
          ) {
            expect(yield* ask("empty")).toEqual([])
            expect(yield* ask("with blank")).toEqual(["x"])
            expect(yield* Effect.flip(ask("missing"))).toMatchObject({ _tag: "NotFound" })
            yield* Effect.flip(ask("file"))
            if (!isPrivileged) {
              expect(["NotFound", "FtpReplyError"]).toContain((yield* Effect.flip(ask("denied")))._tag)
            }
          }
          // It can be entered, and not be read.
          if (!isPrivileged) expect(yield* Effect.flip(it.list("entered"))).toMatchObject({ _tag: "FtpReplyError" })
        }
        expect(yield* it.exists("missing")).toBe(false)
        expect(yield* it.stat("empty")).toMatchObject({ type: "directory" })
        expect(yield* it.stat("file")).toMatchObject({ type: "file", size: 1 })
        expect(yield* Effect.flip(it.get("empty"))).toMatchObject({ _tag: "FtpReplyError" })
        expect(yield* Effect.flip(it.makeDirectory("missing/new"))).toMatchObject({ _tag: "FtpReplyError" })
        yield* it.makeDirectory("empty", { recursive: true })
        yield* it.makeDirectory("a/b/c", { recursive: true })
        expect(yield* it.isUsable).toBe(true)
      }),
      layer
    ))

  it.scopedLive("C34 interrupted at any moment of a transfer, the session continues", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session: it } = yield* session()
        yield* it.put("a", content(mebibyte))
        for (let micros = 0; micros < 12_000; micros += 400) {
          const call: Effect.Effect<unknown, unknown> = micros % 800 === 0
            ? it.get("a")
            : it.put("b", content(mebibyte))
          const fiber = yield* Effect.fork(call)
          yield* Effect.sleep(Duration.micros(BigInt(micros)))
          yield* Fiber.interrupt(fiber)
          expect(yield* it.isUsable).toBe(true)
          expect(yield* it.size("a")).toBe(mebibyte)
        }
      }),
      layer
    ))

  it.scopedLive("C34 refusals have their tags, and the session continues", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { session: it } = yield* session()
        yield* it.makeDirectory("d")
        expect(yield* Effect.flip(it.get("nope"))).toMatchObject({ _tag: "NotFound" })
        expect(yield* Effect.flip(it.remove("nope"))).toMatchObject({ _tag: "NotFound" })
        expect(yield* Effect.flip(it.makeDirectory("d"))).toMatchObject({ _tag: "AlreadyExists" })
        expect(yield* it.stat("d")).toMatchObject({ type: "directory" })
        yield* it.rename("d", "e")
        yield* it.removeDirectory("e")
        expect(yield* it.exists("e")).toBe(false)
        expect(yield* it.isUsable).toBe(true)
      }),
      layer
    ))

  it.scopedLive("C34 a tree of some hundred files goes up and comes down in parallel, and again without moving any", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* start
        const ftp = yield* Ftp.make(options(daemon))
        const pool = yield* ftp.pool({ size: 4 })
        const local = yield* temporary
        const expected = new Map<string, string>()
        for (let index = 0; index < 300; index++) {
          const name = path.join(`d ${index % 5}`, `é${index % 3}`, `file ${index}`)
          const file = path.join(local, "up", name)
          fs.mkdirSync(path.dirname(file), { recursive: true })
          const bytes = content(index % 50 === 0 ? mebibyte : index * 4)
          fs.writeFileSync(file, bytes)
          expected.set(name, digest(bytes))
        }
        const remote = `${daemon.directory}/tree`
        const up = yield* Stream.runCollect(pool.uploadDirectory(path.join(local, "up"), remote))
        expect(last(up).progress.files).toEqual({ done: 300, skipped: 0, failed: 0, total: 300 })
        const down = yield* Stream.runCollect(pool.downloadDirectory(remote, path.join(local, "down")))
        expect(last(down)._tag).toBe("Completed")
        expect(last(down).progress.files).toEqual({ done: 300, skipped: 0, failed: 0, total: 300 })
        for (const [name, hash] of expected) expect(digestOf(path.join(local, "down", name))).toBe(hash)
        const again = yield* Stream.runCollect(pool.downloadDirectory(remote, path.join(local, "down")))
        expect(last(again).progress.files).toEqual({ done: 0, skipped: 300, failed: 0, total: 300 })
        expect((yield* pool.stats).open).toBeLessThanOrEqual(4)
      }),
      layer
    ))

  it.scopedLive.skipIf(server.name.startsWith("pyftpdlib") && server.name !== "pyftpdlib, latin1")(
    "C34 names with a byte of 255 are the files that they name, also where others lie beside them",
    () =>
      Effect.provide(
        Effect.gen(function*() {
          const { daemon, session: it } = yield* session({ encoding: "latin1" })
          const names = [
            "x",
            "xb",
            "x\xff",
            "x\xff\xff",
            "x\xffb",
            "x\xff\xffb",
            "x\xff\xff\xff\xff",
            "x\xff\xfb",
            "x\xff\xfba"
          ]
          // pyftpdlib decodes what it receives.
          const onDisk = server.name.startsWith("pyftpdlib") ? "utf8" : "latin1"
          const at = (name: string): Buffer =>
            Buffer.concat([Buffer.from(`${daemon.files}/`), Buffer.from(name, onDisk)])
          fs.chmodSync(daemon.files, 0o777)
          for (const name of names) {
            fs.writeFileSync(at(name), name)
            fs.chmodSync(at(name), 0o666)
          }
          // The first command with the byte changes something.
          yield* it.remove("x\xffb")
          yield* it.put("x\xffnew", "new")
          yield* it.rename("x\xff\xfb", "x\xffmoved")
          expect(fs.readFileSync(at("x\xffnew"), "utf8")).toBe("new")
          const left = names.filter((name) => name !== "x\xffb" && name !== "x\xff\xfb")
          const there = fs.readdirSync(daemon.files, { encoding: "buffer" }).map((name) => name.toString(onDisk))
          expect(new Set(there.filter((name) => name.startsWith("x")))).toEqual(
            new Set([...left, "x\xffnew", "x\xffmoved"])
          )
          for (const name of left) {
            expect(fs.readFileSync(at(name), "utf8")).toBe(name)
            expect(new TextDecoder().decode(yield* it.get(name))).toBe(name)
          }
        }),
        layer
      )
  )

  it.scopedLive("C34 8 transfers run over one pool", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* start
        const ftp = yield* Ftp.make(options(daemon))
        const pool = yield* ftp.pool({ size: 8 })
        const bytes = content(4 * mebibyte)
        const indices = Array.from({ length: 8 }, (_, index) => index)
        yield* Effect.forEach(
          indices,
          (index) => pool.use((session) => session.put(`${daemon.directory}/p${index}`, bytes)),
          { concurrency: "unbounded" }
        )
        const digests = yield* Effect.forEach(
          indices,
          (index) => pool.use((session) => Effect.map(session.get(`${daemon.directory}/p${index}`), digest)),
          { concurrency: "unbounded" }
        )
        expect(new Set(digests)).toEqual(new Set([digest(bytes)]))
        expect(yield* pool.stats).toEqual({ open: 8, idle: 8 })
      }),
      layer
    ))
})

describe("TLS", () => {
  it.scopedLive("C34 a certificate that is not trusted ends the session before the password is sent", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* vsftpd("explicit")
        const error = yield* Effect.flip(FtpSession.connect({ ...at(daemon), tls: "explicit" }))
        expect(error).toMatchObject({ _tag: "TlsError" })
      }),
      layer
    ))

  it.scopedLive("C34 a data connection that does not resume the session is TlsResumptionRequired", () =>
    Effect.provide(
      Effect.gen(function*() {
        const daemon = yield* vsftpd("explicit")
        const session = yield* FtpSession.connect({
          ...at(daemon),
          tls: "explicit",
          // No sessions are kept, so none can be resumed.
          tlsContext: { ca: { path: daemon.ca }, sessions: 0 }
        })
        expect(yield* Effect.flip(session.list())).toMatchObject({ _tag: "TlsResumptionRequired", code: 522 })
      }),
      layer
    ))
})

describe("MODE Z of ProFTPD, under TLS", () => {
  const connected = Effect.gen(function*() {
    const daemon = yield* proftpd
    const options = { ...at(daemon), ...trusting(daemon), ...me, tls: "explicit" as const }
    return { daemon, session: yield* FtpSession.connect({ ...options, modeZ: { level: 3 } }) }
  })
  const text = Array.from({ length: 40_000 }, (_, index) => `line ${index * 7919 % 10_007} of it\n`).join("")

  it.scopedLive("C34 files and listings come down, whole and from an offset", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session } = yield* connected
        const files = { text: text.repeat(40), none: "", binary: content(16 * mebibyte) }
        for (const [name, bytes] of Object.entries(files)) {
          fs.writeFileSync(path.join(daemon.files, name), bytes)
          expect(digest(yield* session.get(name))).toBe(digestOf(path.join(daemon.files, name)))
        }
        expect((yield* session.get("text", { offset: text.length * 39 })).length).toBe(text.length)
        for (let index = 0; index < 1000; index++) fs.writeFileSync(path.join(daemon.files, `file ${index}`), "x")
        expect(yield* session.list()).toHaveLength(1003)
      }),
      layer
    ))

  // It waits for some time after each read of what arrives, so no more goes up.
  it.scopedLive("C34 files go up, and are appended to and resumed", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { daemon, session } = yield* connected
        const local = yield* temporary
        fs.writeFileSync(path.join(local, "up"), text)
        const there = path.join(daemon.files, "up")
        expect(yield* session.put("up", text.slice(0, 1000))).toMatchObject({ bytes: 1000, verified: true })
        const rest = yield* session.uploadFile(path.join(local, "up"), "up", { resume: true })
        expect(rest).toEqual({ path: "up", bytes: text.length - 1000, verified: true })
        expect(digestOf(there)).toBe(digestOf(path.join(local, "up")))
        yield* session.put("up", "more", { mode: "append" })
        expect(fs.readFileSync(there, "utf8")).toBe(`${text}more`)
        yield* session.put("none", "")
        expect(fs.statSync(path.join(daemon.files, "none")).size).toBe(0)
      }),
      layer
    ))
})
