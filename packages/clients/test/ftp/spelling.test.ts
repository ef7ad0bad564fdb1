/** Names with a byte of 255, which TELNET has twice on the wire and many servers do not. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as FC, Fiber } from "effect"
import { FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, passing, text } from "./networks.js"

describe("a byte of 255", () => {
  it.effect.each([[true], [false]])(
    "C34 what was listed can be fetched, whether the server undoubles it: %s",
    ([undoubles]) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({ quirks: { undoublesIac: undoubles } }, {
          encoding: "windows-1251"
        })
        // The disk has bytes; я is 255.
        yield* server.writeRaw(Uint8Array.from([47, 0xff]), "listed")
        const [entry] = yield* session.list()
        expect(entry!.name).toBe("я")
        for (const _ of [1, 2]) {
          expect(text(yield* session.get(entry!.rawName))).toBe("listed")
          expect(text(yield* session.get("я"))).toBe("listed")
          expect(yield* session.size("я")).toBe(6)
          expect(yield* session.exists("яя")).toBe(false)
        }
        yield* session.rename("я", "я2")
        yield* session.remove("я2")
        expect(yield* session.list()).toEqual([])
      }))
  )

  it.effect("C34 interrupted at any step of a look for what is not there, the next name is found by the right spelling", () =>
    Effect.provide(
      Sampling.everyStep("a name with a byte of 255", (steps) =>
        Effect.scoped(Effect.gen(function*() {
          const { server, session } = yield* connected({}, { encoding: "windows-1251" })
          yield* server.writeRaw(Uint8Array.from([47, 0xff]), "listed")
          const fiber = yield* Effect.fork(session.exists("zяb"))
          yield* passing(steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          expect(yield* session.size("я")).toBe(6)
          return isThrough
        })), { stride: 1 }),
      NetMemory.layer
    ))

  it.effect("C34 doubleIac: false sends it once from the beginning", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { undoublesIac: false } }, {
        encoding: "latin1",
        doubleIac: false
      })
      yield* session.put("ÿ", "x")
      expect((yield* session.list()).map(({ name }) => name)).toEqual(["ÿ"])
    })))

  interface Kind {
    readonly name: string
    readonly quirks: FtpServer.Quirks
    /** It shows how it reads the byte, whatever is on its disk. */
    readonly shows: boolean
  }
  const silent = { repeatsNames: false, unknown: ["MLST", "MLSD"] }
  const kinds: ReadonlyArray<Kind> = [
    { name: "TELNET, which repeats names", quirks: {}, shows: true },
    { name: "no TELNET, which repeats names", quirks: { undoublesIac: false }, shows: true },
    { name: "vsftpd", quirks: FtpServer.vsftpd, shows: true },
    { name: "Pure-FTPd", quirks: FtpServer.pureftpd, shows: true },
    { name: "TELNET, and silent", quirks: silent, shows: false },
    { name: "no TELNET, and silent", quirks: { ...silent, undoublesIac: false }, shows: false },
    { name: "no TELNET, silent, with MLST", quirks: { repeatsNames: false, undoublesIac: false }, shows: false }
  ]

  const changes: ReadonlyArray<
    readonly [string, (session: FtpSession.Session, name: string) => Effect.Effect<unknown, unknown>]
  > = [
    ["DELE", (session, name) => session.remove(name)],
    ["STOR", (session, name) => session.put(name, "new")],
    ["APPE", (session, name) => session.put(name, "new", { mode: "append" })],
    ["RNFR", (session, name) => session.rename(name, "moved")],
    ["RNTO", (session, name) => session.rename("other", name)],
    ["MKD", (session, name) => session.makeDirectory(name)],
    ["RMD", (session, name) => session.removeDirectory(name)],
    ["SITE CHMOD", (session, name) => session.chmod(name, 0o600)],
    ["MFMT", (session, name) => session.setModified(name, new Date(0))],
    ["replace", (session, name) => session.replace(name, "new")],
    ["CWD and DELE", (session, name) => Effect.zipRight(session.cd(name), session.remove("inner"))]
  ]

  /** What another name the server could read it as: with two for one, with one, without, without what stands after. */
  const others = (name: string): ReadonlyArray<string> =>
    [
      name.replaceAll("ÿ", "ÿÿ"),
      name.replaceAll("ÿÿ", "ÿ"),
      name.replaceAll("ÿ", ""),
      name.replaceAll(/ÿ[^]/g, ""),
      name.replaceAll(/ÿ(ÿ?)[^]?/g, "$1")
    ].filter((other) => other !== name && other !== "")

  const raw = (name: string): Uint8Array => Uint8Array.from(`/${name}`, (char) => char.charCodeAt(0))

  /** A session that knows how the server reads the byte. */
  const knowing = ({ host, port }: FtpServer.FtpServer, quirks: FtpServer.Quirks) =>
    FtpSession.connect({ host, port, encoding: "latin1", doubleIac: quirks.undoublesIac !== false })

  /** What is on the disk. */
  const onDisk = (server: FtpServer.FtpServer, quirks: FtpServer.Quirks) =>
    Effect.scoped(Effect.gen(function*() {
      const session = yield* knowing(server, quirks)
      const entries = (yield* session.listLines()).filter((line) => line._tag === "Entry" && line.role === "child")
      const found = new Map<string, string>()
      for (const entry of entries as ReadonlyArray<FtpSession.Entry>) {
        const facts = `${entry.permissions ?? ""} ${entry.modifiedAt?.date.getTime() ?? ""}`
        found.set(
          entry.name,
          entry.type === "file" ? `${facts} ${text(yield* session.get(entry.rawName))}` : entry.type
        )
      }
      return found
    }))

  it.effect.each(kinds.flatMap((kind) => changes.map(([verb, change]) => [kind.name, verb, kind, change] as const)))(
    "C34 what changes something never reaches another name: %s, %s",
    ([, verb, kind, change]) =>
      Effect.promise(() =>
        FC.assert(
          FC.asyncProperty(
            FC.array(FC.constantFrom("ÿ", "a", "b", "ð", "û", "."), { minLength: 1, maxLength: 4 })
              .map((letters) => `x${letters.join("")}`).filter((name) => name.includes("ÿ")),
            FC.boolean(),
            FC.boolean(),
            FC.boolean(),
            (name, isThere, othersAreThere, looksFirst) =>
              Effect.runPromise(inMemory(Effect.gen(function*() {
                const { server, session } = yield* connected({ quirks: kind.quirks, files: { "/other": "other" } }, {
                  encoding: "latin1"
                })
                for (const other of othersAreThere ? others(name) : []) {
                  yield* server.writeRaw(
                    raw(verb === "RMD" || verb.startsWith("CWD") ? `${other}/inner` : other),
                    "another"
                  )
                  if (verb === "RMD") {
                    yield* Effect.scoped(Effect.flatMap(
                      knowing(server, kind.quirks),
                      (inside) => inside.remove(`${other}/inner`)
                    ))
                  }
                }
                if (isThere) yield* server.writeRaw(raw(verb.startsWith("CWD") ? `${name}/inner` : name), "named")
                const before = yield* onDisk(server, kind.quirks)
                if (looksFirst) yield* Effect.ignore(session.get(name))
                const result = yield* Effect.either(change(session, name))
                if (
                  result._tag === "Left" && !kind.shows && (result.left as { _tag: string })._tag === "InvalidArgument"
                ) {
                  expect((result.left as Error).message).toContain("doubleIac")
                }
                if (kind.shows) expect(result).not.toMatchObject({ left: { _tag: "InvalidArgument" } })
                const after = yield* onDisk(server, kind.quirks)
                for (const [other, content] of before) {
                  if (other !== name && other !== "other") expect([other, after.get(other)]).toEqual([other, content])
                }
                for (const [made] of after) {
                  if (!before.has(made)) expect([name, "moved"]).toContain(made)
                }
              })))
          ),
          Sampling.runs({ short: 6, long: 300 })
        )
      )
  )
})
