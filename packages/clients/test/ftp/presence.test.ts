/** Is it there? What listings and looks say of what is empty, missing, forbidden or not understood, on servers that differ. */
import { NetMemory } from "@copas/core/testing"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import type { FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, leavesNothing, networks } from "./networks.js"
import { local, pooled, told } from "./pools.js"

const files = {
  "/d/a": "a",
  "/d/empty/": "",
  "/d/with blank/b": "b",
  "/d/same/same/c": "c",
  "/d/denied/x": "x"
}

const nameless = ({ name }: FtpSession.Entry): string => name

/** How servers answer what they do not list; the first of each is a good server's. */
const manners: ReadonlyArray<readonly [string, FtpServer.Quirks]> = [
  ["a good server", {}],
  ["empty is 450", { listEmpty: 450 }],
  ["empty is 550", { listEmpty: 550 }],
  ["missing is empty", { listMissing: "empty" }],
  ["missing and forbidden are empty", { listMissing: "empty", listForbidden: "empty" }],
  ["forbidden is itself", { listForbidden: "itself" }],
  ["missing is empty, forbidden itself (vsftpd)", { listMissing: "empty", listForbidden: "itself" }],
  ["missing is 501 (pyftpdlib)", { listMissing: 501, listForbidden: 501 }],
  ["empty, missing and forbidden are all 450", { listEmpty: 450, listMissing: 450 }],
  ["no paths with blanks (WS_FTP)", { pathless: { MLSD: "blanks", LIST: "blanks", NLST: "blanks" } }],
  ["no paths at all", { pathless: { MLSD: "always", LIST: "always", NLST: "always" } }],
  ["no MLSD where LIST works", { replies: { MLSD: "550 Not supported" } }],
  ["vsftpd", FtpServer.vsftpd],
  ["ProFTPD", FtpServer.proftpd],
  ["Pure-FTPd", FtpServer.pureftpd],
  ["pyftpdlib", FtpServer.pyftpdlib],
  ["IIS", FtpServer.iis],
  ["DrFTPD", FtpServer.drftpd]
]

const commands: ReadonlyArray<readonly [string, FtpServer.Quirks]> = [
  ["MLSD", {}],
  ["LIST", { unknown: ["MLSD", "MLST"] }],
  ["LIST in MS-DOS style", { unknown: ["MLSD", "MLST"], list: "dos" }],
  ["no FEAT", { unknown: ["FEAT"] }]
]

// A server that wants PRET and does not tell of it cannot be served.
const cases = manners.flatMap(([manner, quirks]) =>
  commands.map(([command, more]) => [manner, command, { ...quirks, ...more }] as const)
    .filter(([, command]) => quirks.pret !== true || command !== "no FEAT")
)

describe.each(networks)("is it there, %s", (_, net) => {
  it.effect.each(cases)(
    "C34 an empty, a missing and a forbidden directory are told apart: %s, by %s",
    ([, , quirks]) =>
      Effect.provide(
        leavesNothing(Effect.gen(function*() {
          const { session } = yield* connected({ files, quirks: { ...quirks, forbidden: ["/d/denied"] } })
          // Twice: what the session has learnt of the server must not change what it says.
          for (const _ of [1, 2]) {
            for (
              const ask of [(path: string) => Effect.map(session.list(path), (all) => all.map(nameless)), session.names]
            ) {
              expect(yield* ask("d/empty")).toEqual([])
              expect(yield* ask("d/with blank")).toEqual(["b"])
              expect(yield* ask("d/same")).toEqual(["same"])
              expect(yield* ask("d/same/same")).toEqual(["c"])
              expect([...(yield* ask("/d"))].sort()).toEqual(["a", "denied", "empty", "same", "with blank"])
              expect(yield* Effect.flip(ask("d/missing"))).toMatchObject({ _tag: "NotFound", path: "d/missing" })
              expect(["NotFound", "FtpReplyError"]).toContain((yield* Effect.flip(ask("d/denied")))._tag)
            }
            expect(yield* session.exists("d/missing")).toBe(false)
            expect(yield* session.exists("d/empty")).toBe(true)
            expect(yield* session.stat("d/same")).toMatchObject({ type: "directory" })
            expect(yield* session.pwd).toBe("/")
          }
          yield* session.cd("d/empty")
          expect(yield* session.list()).toEqual([])
          expect(yield* session.names()).toEqual([])
        })),
        net
      )
  )
})

describe("is it there", () => {
  it.effect("C34 a mirror of a missing directory fails, and one of an empty directory completes", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const to = yield* local
        for (const [, quirks] of manners) {
          const { pool } = yield* pooled({ files, quirks: { unknown: ["MLSD", "MLST"], ...quirks } })
          expect(yield* Effect.flip(Stream.runDrain(pool.downloadDirectory("d/missing", `${to}/missing`))))
            .toMatchObject(
              { _tag: "NotFound" }
            )
          yield* Stream.runDrain(pool.downloadDirectory("d/empty", `${to}/empty`))
        }
      })),
      Layer.merge(NetMemory.layer, NodeContext.layer)
    ))

  it.effect.each(["itself", "empty", 550] as const)(
    "C34 a directory that may not be read is a failure of its own in a tree, not a directory in itself: %s",
    (listForbidden) =>
      Effect.provide(
        leavesNothing(Effect.gen(function*() {
          const to = yield* local
          for (const unknown of [[], ["MLSD", "MLST"]]) {
            const { pool } = yield* pooled({ files, quirks: { forbidden: ["/d/denied"], listForbidden, unknown } })
            const events = yield* Stream.runCollect(
              pool.downloadDirectory("d", `${to}/${unknown.length}`, { onFailure: "continue" })
            )
            expect(told(events, "Failed")).toMatchObject([{ path: "d/denied" }])
            expect(told(events, "Transferred")).toHaveLength(3)
          }
        })),
        Layer.merge(NetMemory.layer, NodeContext.layer)
      )
  )

  it.effect("C34 what worked is remembered: a server that lists no paths is asked with one once", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files, quirks: { pathless: { MLSD: "always" } } })
      for (const path of ["d", "d/same", "d/with blank"]) yield* session.list(path)
      const asked = (yield* server.commands).filter((line) => line.startsWith("MLSD"))
      expect(asked).toEqual(["MLSD d", "MLSD", "MLSD", "MLSD"])
      expect((yield* server.commands).filter((line) => line.startsWith("PWD"))).toEqual(["PWD"])
    })))

  it.effect("C34 a refused MKD has the server's reply, since what is to be made is never there", () =>
    inMemory(Effect.gen(function*() {
      for (const unknown of [[], ["MLST", "MLSD"]]) {
        for (const reply of ["550 Permission denied", "553 Not here", "450 Later"]) {
          const { session } = yield* connected({ files, quirks: { unknown, replies: { MKD: reply } } })
          expect(yield* Effect.flip(session.makeDirectory("d/new"))).toMatchObject({
            _tag: "FtpReplyError",
            command: "MKD d/new",
            code: Number(reply.slice(0, 3))
          })
          expect(yield* Effect.flip(session.makeDirectory("d/empty"))).toMatchObject({ _tag: "AlreadyExists" })
        }
      }
    })))

  it.effect.each([450, 500, 501, 502, 504, 521, 530, 550, 553])(
    "C34 whatever MKD answers to a directory that is there, recursive accepts it, and no file in its place: %d",
    (code) =>
      inMemory(Effect.gen(function*() {
        for (const unknown of [[], ["MLST", "MLSD"]]) {
          const { session } = yield* connected({ files, quirks: { unknown, replies: { MKD: `${code} No` } } })
          yield* session.makeDirectory("d/empty", { recursive: true })
          yield* session.makeDirectory("/d/same/same/", { recursive: true })
          yield* Effect.flip(session.makeDirectory("d/a", { recursive: true }))
          yield* Effect.flip(session.makeDirectory("d/new", { recursive: true }))
          yield* session.noop
        }
      }))
  )

  it.effect("C34 SIZE, MDTM and RETR of what is there and has none of it is no NotFound; of what is missing it is", () =>
    inMemory(Effect.gen(function*() {
      for (const unknown of [[], ["MLST", "MLSD"]]) {
        for (const code of [550, 501, 553]) {
          const { server, session } = yield* connected({ files, quirks: { unknown } })
          const asks: ReadonlyArray<(path: string) => Effect.Effect<unknown, unknown>> = [
            session.size,
            session.modified,
            session.get
          ]
          for (const ask of asks) {
            expect(yield* Effect.flip(ask("d/same"))).toMatchObject({ _tag: "FtpReplyError" })
            expect(yield* Effect.flip(ask("d/missing"))).toMatchObject({ _tag: "NotFound", path: "d/missing" })
          }
          yield* server.setQuirks({ replies: { RETR: `${code} No` } })
          expect(yield* Effect.flip(session.get("d/a"))).toMatchObject({ _tag: "FtpReplyError", code })
        }
      }
    })))

  it.effect("C34 MLST that is refused to what is there is not asked again", () =>
    inMemory(Effect.gen(function*() {
      for (const reply of ["550 Not supported", "501 What?", "504 No"]) {
        const { server, session } = yield* connected({ files, quirks: { replies: { MLST: reply } } })
        expect(yield* session.stat("d/same")).toMatchObject({ type: "directory" })
        expect(yield* session.stat("d/a")).toMatchObject({ type: "file", size: 1 })
        expect(yield* session.exists("nope")).toBe(false)
        expect((yield* server.commands).filter((line) => line.startsWith("MLST"))).toHaveLength(1)
      }
    })))

  it.effect("C34 a file is no directory, whatever the server lists of it", () =>
    inMemory(Effect.gen(function*() {
      for (const unknown of [[], ["MLST", "MLSD"]]) {
        const { server, session } = yield* connected({ files, quirks: { unknown } })
        expect(yield* Effect.flip(session.list("d/a"))).toMatchObject({ _tag: "FtpReplyError" })
        expect(Option.isSome(yield* server.read("/d/a"))).toBe(true)
      }
    })))

  it.effect("C34 without PWD a look by CWD would not find back: what the server says is believed", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files, quirks: { unknown: ["PWD", "MLSD", "MLST"] } })
      expect(yield* session.list("d/empty")).toEqual([])
      expect((yield* session.list("d/with blank")).map(nameless)).toEqual(["b"])
      expect(yield* Effect.flip(session.list("d/missing"))).toMatchObject({ _tag: "NotFound" })
      expect((yield* server.commands).some((line) => line.startsWith("CWD"))).toBe(false)
    })))
})
