/** MODE Z: compressed data both ways, cut, wrong and hostile data, and servers without it. */
import { Tls } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as FC, Fiber, Option, Stream } from "effect"
import { deflateSync, inflateSync } from "node:zlib"
import * as Deflate from "../../src/internal/ftp/deflate.js"
import type { FtpServer } from "../../src/testing/index.js"
import { inMemory } from "./hostileServer.js"
import { connected, leavesNothing, networks, passing, pattern, same, text } from "./networks.js"
import { selfSigned } from "./selfSigned.js"

/** Of which about a tenth goes over the wire. */
const lines = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index % 977} of it\n`).join("")

const quirks: FtpServer.Quirks = { modeZ: true }
const modeZ = { modeZ: true } as const

describe.each(networks)("%s", (_, network) => {
  it.scoped("C34 in MODE Z files, listings and text move both ways, verified, and the wire has MODE Z", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const files = { "/d/text": lines(20_000), "/d/none": "", "/d/binary": pattern(300_000) }
        const { server, session } = yield* connected({ files, quirks }, { modeZ: { level: 9 } })
        expect(yield* server.commands).toEqual(expect.arrayContaining(["MODE Z", "OPTS MODE Z LEVEL 9"]))
        expect(text(yield* session.get("d/text"))).toBe(files["/d/text"])
        expect(yield* session.get("d/none")).toHaveLength(0)
        expect(same(yield* session.get("d/binary"), files["/d/binary"])).toBe(true)
        expect((yield* session.list("d")).map(({ name, size }) => [name, size])).toEqual([
          ["binary", 300_000],
          ["none", 0],
          ["text", files["/d/text"].length]
        ])
        expect(yield* session.names("d")).toEqual(["binary", "none", "text"])
        const rest = yield* Stream.runCollect(session.download("d/text", { offset: 100 }))
        expect(Array.from(rest).map(text).join("")).toBe(files["/d/text"].slice(100))

        for (const content of [files["/d/text"], "", pattern(400_000)]) {
          const up = yield* session.put("d/up", content)
          expect(up).toEqual({ path: "d/up", bytes: content.length, verified: true })
          const stored = Option.getOrThrow(yield* server.read("/d/up"))
          expect(typeof content === "string" ? text(stored) === content : same(stored, content)).toBe(true)
        }
        const half = files["/d/text"].slice(0, 1000)
        yield* session.put("d/part", half)
        yield* session.put("d/part", files["/d/text"].slice(1000), { offset: 1000 })
        expect(text(Option.getOrThrow(yield* server.read("/d/part")))).toBe(files["/d/text"])
        yield* session.put("d/part", "more", { mode: "append" })
        expect(yield* session.size("d/part")).toBe(files["/d/text"].length + 4)
        yield* session.put("d/lines", "a\nb\n", { type: "text" })
        expect(text(yield* session.get("d/lines", { type: "text" }))).toBe("a\nb\n")
      })),
      network
    ))
})

it.scoped("C34 MODE Z and TLS go together", () =>
  Effect.provide(
    Effect.gen(function*() {
      const content = lines(50_000)
      const { cert, key } = yield* selfSigned
      const tls = yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
      const { session } = yield* connected({ files: { "/a": content }, quirks, tls }, {
        ...modeZ,
        tls: "explicit",
        tlsContext: { ca: { path: cert } },
        serverName: "localhost"
      })
      expect(text(yield* session.get("a"))).toBe(content)
      expect((yield* session.put("b", content)).verified).toBe(true)
      expect(text(yield* session.get("b"))).toBe(content)
    }),
    NodeNet.layer
  ))

describe("servers without it", () => {
  const cases: ReadonlyArray<readonly [string, FtpServer.Quirks, boolean, boolean]> = [
    ["FEAT does not tell of it", {}, true, false],
    ["MODE is refused", { modeZ: true, replies: { MODE: "504 Not now" } }, true, true],
    ["it is not asked for", quirks, false, false]
  ]
  it.effect.each(cases)(
    "C34 data moves as it is where %s",
    ([, quirks, modeZ, asks]) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/a": "hello" }, quirks }, { modeZ })
        expect(text(yield* session.get("a"))).toBe("hello")
        yield* session.put("b", "there")
        expect(text(Option.getOrThrow(yield* server.read("/b")))).toBe("there")
        expect((yield* server.commands).includes("MODE Z")).toBe(asks)
      }))
  )

  it.effect("C34 a level or a ratio that there is not is InvalidOption", () =>
    inMemory(Effect.gen(function*() {
      for (const modeZ of [{ level: 10 }, { level: -1 }, { level: 1.5 }, { ratio: 0 }, { ratio: NaN }]) {
        expect(yield* Effect.flip(connected({}, { modeZ }))).toMatchObject({ _tag: "InvalidOption" })
      }
    })))
})

describe("data that is cut or wrong", () => {
  const content = lines(20_000)
  const coded = deflateSync(content).length

  it.effect.each([["cutDownloadAfter"], ["endDownloadAfter"]] as const)(
    "C34 a stream that is cut is no success, wherever, and is resumed: %s",
    ([quirk]) =>
      inMemory(Effect.gen(function*() {
        for (const at of [0, 1, 2, 100, coded >> 1, coded - 5, coded - 4, coded - 1]) {
          const { server, session } = yield* connected(
            { files: { "/a": content }, quirks: { ...quirks, [quirk]: at } },
            modeZ
          )
          const got = yield* Effect.either(session.get("a"))
          if (got._tag === "Right") {
            // What is cut is no data: the server says that it was all, and its size agrees.
            expect([quirk, at >= coded - 8, text(got.right) === content]).toEqual(["endDownloadAfter", true, true])
            continue
          }
          const error = got.left
          expect(["TransferIncomplete", "OutcomeUnknown"]).toContain(error._tag)
          if (quirk === "cutDownloadAfter" && at < coded - 8) {
            expect(error).toMatchObject({ cause: { _tag: "SocketBroken" } })
          }
          yield* server.setQuirks({ [quirk]: undefined })
          const { moved = 0 } = error as { readonly moved?: number }
          const rest = yield* session.get("a", { offset: moved })
          expect(content.endsWith(text(rest))).toBe(true)
          expect(moved + rest.length).toBe(content.length)
        }
      }))
  )

  it.effect("C34 a listing that is cut is an error", () =>
    inMemory(Effect.gen(function*() {
      const files = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`/d/file-${index}`, "x"]))
      for (const at of [1, 100, 500]) {
        const { session } = yield* connected({ files, quirks: { ...quirks, endListingAfter: at } }, modeZ)
        for (const call of [session.list("d"), session.names("d")] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
          expect(yield* Effect.flip(call)).toMatchObject({ _tag: "OutcomeUnknown" })
        }
      }
    })))

  it.effect("C34 an upload of which the server has lost the end is TransferIncomplete", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ quirks: { ...quirks, loseOfUpload: 100 } }, modeZ)
      expect(yield* Effect.flip(session.put("a", pattern(100_000)))).toMatchObject({
        _tag: "TransferIncomplete",
        expected: 100_000
      })
    })))

  it.effect("C34 data that is not coded is DataNotDecoded, and the session continues", () =>
    inMemory(Effect.gen(function*() {
      // It says yes to MODE Z, and sends the data as it is.
      const { server, session } = yield* connected({
        files: { "/a": lines(9000), "/b": "hello" },
        quirks: { modeZ: true, replies: { MODE: "200 Yes" } }
      }, modeZ)
      for (
        const call of [session.get("a"), session.list(), session.names()] as ReadonlyArray<
          Effect.Effect<unknown, unknown>
        >
      ) {
        const error = yield* Effect.flip(call)
        expect(error).toMatchObject({ _tag: "DataNotDecoded", reason: "Corrupt" })
        expect((error as Error).message).toContain("leave `modeZ` out")
      }
      expect(yield* session.size("b")).toBe(5)
      expect(yield* server.connections).toMatchObject({ control: 1 })
    })))

  it.effect("C34 a file that becomes too many times what came ends there, by its ratio, size and bound", () =>
    inMemory(Effect.gen(function*() {
      const files = { "/zeros": new Uint8Array(8 << 20) }
      const { session } = yield* connected({ files, quirks }, modeZ)
      let most = 0
      const counted = Stream.runForEach(session.download("zeros"), (chunk) => Effect.sync(() => most += chunk.length))
      expect(yield* Effect.flip(counted)).toMatchObject({ _tag: "DataNotDecoded", reason: "Ratio", ratio: 250 })
      // A piece of 32 KiB at a time is decoded, and given on until the bound.
      expect(most).toBeLessThan(9 << 20)
      expect(yield* Effect.flip(session.get("zeros", { maxBytes: 1000 }))).toMatchObject({ _tag: "MessageTooLong" })
      expect(yield* session.size("zeros")).toBe(8 << 20)
      const { session: trusting } = yield* connected({ files, quirks }, { modeZ: { ratio: 2000 } })
      expect(yield* trusting.get("zeros")).toHaveLength(8 << 20)
      // More than the size that the server has told.
      const { session: deceived } = yield* connected(
        { files, quirks: { ...quirks, replies: { SIZE: "213 5" } } },
        { modeZ: { ratio: 2000 } }
      )
      expect(yield* Effect.flip(deceived.get("zeros"))).toMatchObject({ _tag: "OutcomeUnknown" })
    })))
})

it.effect("C34 interrupted at any step of a transfer in MODE Z, the session continues and nothing stays open", () =>
  Effect.provide(
    Sampling.everyStep("a transfer in MODE Z", (steps) =>
      leavesNothing(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/a": lines(3000) }, quirks }, modeZ)
        const fiber = yield* Effect.fork(Effect.zipRight(session.get("a"), session.put("b", pattern(30_000))))
        yield* passing(steps)
        const isThrough = (yield* fiber.status)._tag === "Done"
        yield* Fiber.interrupt(fiber)
        expect(yield* session.size("a")).toBe(lines(3000).length)
        expect(text(yield* session.get("a"))).toBe(lines(3000))
        expect((yield* server.connections).data).toBe(0)
        return isThrough
      })), { stride: 23 }),
    NetMemory.layer
  ))

describe("the codec", () => {
  const cut = (bytes: Uint8Array, at: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
    const bounds = [0, ...at.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
    return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end)).filter(({ length }) => length > 0)
  }
  const inflate = (chunks: ReadonlyArray<Uint8Array>) =>
    Effect.suspend(() => {
      const left = [...chunks]
      const got: Array<Uint8Array> = []
      const inflating = new Deflate.Inflating(
        Effect.suspend(() => left.length === 0 ? Effect.fail("end" as const) : Effect.succeed(left.shift()!)),
        Infinity,
        () => "end"
      )
      const loop: Effect.Effect<never, "end" | Deflate.CodingFault> = Effect.flatMap(inflating.receive, (chunk) => {
        got.push(chunk)
        return loop
      })
      return Effect.map(Effect.flip(loop), (end) => ({ end, bytes: Buffer.concat(got) }))
    })
  const data = FC.tuple(FC.uint8Array({ maxLength: 300 }), FC.integer({ min: 1, max: 400 }))
    .map(([bytes, times]) => new Uint8Array(Buffer.concat(Array.from({ length: times }, () => bytes))))

  it("C34 what zlib coded is decoded however it was cut, and what is coded zlib decodes", () =>
    FC.assert(
      FC.asyncProperty(data, FC.array(FC.nat(), { maxLength: 5 }), async (bytes, cuts) => {
        const { bytes: decoded, end } = await Effect.runPromise(inflate(cut(deflateSync(bytes), cuts)))
        expect([end, same(decoded, bytes)]).toEqual(["end", true])
        const chunks: Array<Uint8Array> = []
        const deflating = new Deflate.Deflating((chunk) => Effect.sync(() => chunks.push(chunk)))
        await Effect.runPromise(Effect.zipRight(
          Effect.forEach(cut(bytes, cuts), (chunk) => deflating.send(chunk)),
          deflating.finish
        ))
        expect(same(inflateSync(Buffer.concat(chunks)), bytes)).toBe(true)
      }),
      Sampling.runs({ short: 30, long: 3000 })
    ))

  it.effect("C34 interrupted at any moment of a read, the next one loses no byte", () =>
    Effect.gen(function*() {
      const content = pattern(100_000)
      const coded = cut(deflateSync(content), [10_000, 50_000])
      for (let moment = 0; moment < 40; moment++) {
        let at = 0
        const data = Effect.suspend(() =>
          at < coded.length ? Effect.succeed(coded[at++]!) : Effect.fail("end" as const)
        )
        const inflating = new Deflate.Inflating(data, Infinity, () => "end")
        const got: Array<Uint8Array> = []
        const end = yield* Effect.flip(Effect.forever(Effect.gen(function*() {
          const reading = yield* Effect.fork(inflating.receive)
          yield* Effect.promise(async () => {
            for (let turn = 0; turn < moment; turn++) await undefined
          })
          yield* Fiber.interruptFork(reading)
          const exit = yield* Fiber.await(reading)
          got.push(exit._tag === "Success" ? exit.value : yield* inflating.receive)
        })))
        expect([moment, end, same(Buffer.concat(got), content)]).toEqual([moment, "end", true])
      }
    }))

  it("C34 the beginning of a stream, one with a byte changed, and one with bytes after it are never taken for whole", () =>
    FC.assert(
      FC.asyncProperty(
        data.filter(({ length }) => length > 0),
        FC.nat(),
        FC.integer({ min: 1, max: 255 }),
        FC.array(FC.nat(), { maxLength: 3 }),
        async (bytes, where, by, cuts) => {
          const whole = deflateSync(bytes)
          const short = whole.subarray(0, 1 + where % (whole.length - 1))
          const changed = Buffer.from(whole)
          // The flag of a preset dictionary and the level may be anything.
          const at = 2 + where % (whole.length - 2)
          changed[at] = changed[at]! ^ by
          for (const wrong of [short, changed, Buffer.concat([whole, Buffer.from([by])])]) {
            const { bytes: decoded, end } = await Effect.runPromise(inflate(cut(wrong, cuts)))
            if (end === "end") expect(same(decoded, bytes)).toBe(true)
            else expect(end._tag).toBe("CodingFault")
            if (wrong !== changed) expect(end).not.toBe("end")
          }
        }
      ),
      Sampling.runs({ short: 30, long: 3000 })
    ))
})
