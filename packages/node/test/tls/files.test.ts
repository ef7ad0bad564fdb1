/** TLS contexts of files that change while they are in use. */
import { Net } from "@copas/core"
import { NodeNet, TlsFiles } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, TestClock } from "effect"
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../certificates.js"
import { turns, until } from "../turns.js"
import * as Fixture from "./fixture.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "tls-files-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const write = (path: string, text: string) =>
  Effect.sync(() => {
    // In one step, as tools that renew certificates do.
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  })

/** A listener with a context of files, what its clients are shown, and what was logged. */
const listening = (reload?: TlsFiles.ReloadOptions) =>
  Effect.gen(function*() {
    const { root, server } = yield* Fixture.TestPki
    const path = yield* folder
    const [certificate, key] = [join(path, "cert.pem"), join(path, "key.pem")]
    const { key: keyText } = Certificates.identity(server)
    yield* write(certificate, server.chain)
    yield* write(key, keyText)
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String([message].flat()[0])))
    const context = yield* Effect.provide(
      TlsFiles.server({ identity: { certificate: { path: certificate }, key: { path: key } } }, reload),
      Logger.replace(Logger.defaultLogger, logger)
    )
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: context })
    const serial = Effect.scoped(Effect.gen(function*() {
      const tls = yield* Fixture.clientContext({ ca: root.pem })
      const [client] = yield* Effect.all([
        Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 }),
        listener.accept
      ], { concurrency: 2 })
      const { peerCertificate } = Option.getOrThrow(client.tls)
      return Option.getOrThrow(peerCertificate).serial.toLowerCase()
    }))
    const renewed = (serial: string) =>
      Effect.flatMap(Fixture.TestPki, ({ intermediate }) =>
        Fixture.makePromise({ hosts: ["localhost"], issuer: intermediate, serial }))
    return { certificate, key, serial, logged, renewed }
  })

const layer = Layer.merge(NodeNet.layer, Fixture.layer)

describe("TLS of files", () => {
  it.scoped("X07 a renewed certificate is shown when it is next looked, and an open listener stays open", () =>
    Effect.gen(function*() {
      const { certificate, key, logged, renewed, serial } = yield* listening({ every: "10 seconds" })
      const first = yield* serial
      const next = yield* renewed("77aa")
      yield* write(certificate, next.chain)
      yield* write(key, next.key)
      expect(yield* serial).toBe(first)
      yield* TestClock.adjust("10 seconds")
      yield* until(Effect.sync(() => logged.length > 0))
      expect(yield* serial).toBe("77aa")
      yield* TestClock.adjust("1 minute")
      expect(logged).toEqual(["the files of a TLS context have changed, and are in force"])
    }).pipe(Effect.provide(layer)))

  it.scoped("X07 a certificate without its key changes nothing, is told once, and is taken when the key is there", () =>
    Effect.gen(function*() {
      const { certificate, key, logged, renewed, serial } = yield* listening({ every: "10 seconds" })
      const first = yield* serial
      const next = yield* renewed("88bb")
      yield* write(certificate, next.chain)
      yield* TestClock.adjust("10 seconds")
      yield* until(Effect.sync(() => logged.length > 0))
      yield* TestClock.adjust("30 seconds")
      yield* turns(50)
      expect(logged).toEqual(["the files of a TLS context were not taken, and those before stay in force"])
      expect(yield* serial).toBe(first)
      yield* write(key, next.key)
      yield* until(Effect.zipRight(TestClock.adjust("10 seconds"), Effect.sync(() => logged.length > 1)))
      expect(yield* serial).toBe("88bb")
    }).pipe(Effect.provide(layer)))

  it.scoped("X07 a link that leads to another file is a change", () =>
    Effect.gen(function*() {
      const { certificate, key, logged, renewed, serial } = yield* listening({ every: "10 seconds" })
      const next = yield* renewed("99cc")
      yield* write(`${certificate}.2`, next.chain)
      yield* write(`${key}.2`, next.key)
      yield* Effect.sync(() => {
        for (const path of [certificate, key]) {
          rmSync(path)
          symlinkSync(`${path}.2`, path)
        }
      })
      yield* TestClock.adjust("10 seconds")
      yield* until(Effect.sync(() => logged.length > 0))
      expect(yield* serial).toBe("99cc")
    }).pipe(Effect.provide(layer)))

  it.scoped("X07 a signal has the files read again at once, and its listener goes with the scope", () =>
    Effect.gen(function*() {
      const before = process.listenerCount("SIGUSR2")
      yield* Effect.scoped(Effect.gen(function*() {
        const { certificate, key, logged, renewed, serial } = yield* listening({ every: Infinity, signal: "SIGUSR2" })
        expect(process.listenerCount("SIGUSR2")).toBe(before + 1)
        const next = yield* renewed("66dd")
        yield* write(certificate, next.chain)
        yield* write(key, next.key)
        yield* turns(2)
        process.emit("SIGUSR2")
        yield* until(Effect.sync(() => logged.length > 0))
        expect(yield* serial).toBe("66dd")
      }))
      expect(process.listenerCount("SIGUSR2")).toBe(before)
    }).pipe(Effect.provide(layer)))

  it.scoped("X07 files that are bad, and a time that is none, fail when the context is made", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const missing = { path: join(path, "none.pem") }
      const identity = { certificate: missing, key: missing }
      expect(yield* Effect.flip(TlsFiles.server({ identity }))).toMatchObject({
        _tag: "TlsError",
        reason: "BadMaterial"
      })
      expect(yield* Effect.flip(TlsFiles.server({}, { every: 0 }))).toMatchObject({
        _tag: "InvalidOption",
        option: "every"
      })
    }).pipe(Effect.provide(layer)))
})
