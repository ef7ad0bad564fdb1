/** Reading answers: once, within their scope, as text, JSON and bytes, in memory that is bounded by what came. */
import { Sampling } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Sink, Stream, TestClock } from "effect"
import * as FC from "effect/FastCheck"
import { inspect } from "node:util"
import { Http } from "../../src/index.js"
import { Gathering } from "../../src/internal/gathering.js"
import { concat } from "../../src/internal/text/bytes.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing } from "../ftp/networks.js"
import { platforms } from "./support.js"

const large = "x".repeat(300_000)
const latin = Uint8Array.of(0xe4, 0x20, 0x80)
const answers: { readonly [target: string]: HttpPeer.Answer } = {
  "/json": { fields: { "Content-Type": "application/json", "X-A": "1" }, body: "{\"a\":1}" },
  "/large": { body: large },
  "/trailers": { fields: [["Set-Cookie", "a=swordfish"], ["x-B", "2"]], body: ["a", "b"], trailers: { Digest: "d" } },
  "/latin": { fields: { "Content-Type": "text/plain; charset=\"windows-1252\"" }, body: latin },
  "/bom": { body: Uint8Array.of(0xef, 0xbb, 0xbf, 0x61) },
  "/unknown": { fields: { "Content-Type": "text/plain;charset=klingon" }, body: "abc" },
  "/secret": { fields: { "Content-Type": "application/json" }, body: "{\"password\": swordfish" },
  "/empty": { status: 204 },
  "/304": { status: 304, fields: { "Content-Length": "999999999" } }
}
const answering = HttpPeer.make({
  handler: ({ target }) =>
    target === "/moved" ? { status: 302, fields: { Location: "/json#there" } } : answers[target] ?? { status: 404 }
})

for (const [name, network] of platforms) {
  describe(`reading answers, ${name}`, () => {
    it.scoped("C33 a body is read once, and not after its scope has ended", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* Http.make()
        const ways = (response: Http.Response): ReadonlyArray<Effect.Effect<unknown, unknown>> => [
          response.text,
          response.json,
          response.arrayBuffer,
          response.formData,
          response.urlParamsBody,
          response.bytes,
          response.whole,
          Stream.runDrain(response.body),
          Stream.runDrain(response.stream)
        ]
        const reasonOf = (effect: Effect.Effect<unknown, unknown>) =>
          Effect.map(Effect.flip(effect), (error) => {
            const ours = (error as { readonly cause?: unknown }).cause ?? error
            return `${(ours as { _tag: string })._tag} ${(ours as { reason: string }).reason}`
          })
        for (let way = 0; way < 9; way += 1) {
          const scope = yield* Scope.make()
          const response = yield* Scope.extend(http.get(`${peer.url}/json`), scope)
          yield* Effect.exit(ways(response)[way]!)
          for (const again of ways(response)) expect(yield* reasonOf(again)).toBe("BodyReleased read")
          const unread = yield* Scope.extend(http.get(`${peer.url}/large`), scope)
          const stream = yield* Scope.extend(http.get(`${peer.url}/large`), scope)
          const rest = yield* Scope.extend(Stream.toPull(stream.body), scope)
          yield* rest
          yield* Scope.close(scope, Exit.void)
          expect(yield* reasonOf(ways(unread)[way]!)).toBe("BodyReleased scope")
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an answer is an HttpClientResponse, and says what else there is of it", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* Http.make()
        const response = yield* http.get(`${peer.url.replace("//", "//u:swordfish@")}/moved`)
        expect(response).toMatchObject({
          status: 200,
          statusText: "OK",
          version: "1.1",
          url: `${peer.url}/json#there`,
          length: 7
        })
        expect(response.history).toMatchObject([{ method: "GET", status: 302, url: `${peer.url}/moved` }])
        expect(response.fields).toEqual([["Content-Type", "application/json"], ["X-A", "1"], ["Content-Length", "7"]])
        expect(response.timings.end).toBe(undefined)
        expect(yield* HttpClientResponse.filterStatusOk(response)).toBe(response)
        expect(HttpClientResponse.matchStatus(response, { 200: () => "fine", orElse: () => "not" })).toBe("fine")
        yield* TestClock.adjust(5)
        expect(yield* HttpClientResponse.schemaBodyJson(Schema.Struct({ a: Schema.Number }))(response)).toEqual({
          a: 1
        })
        expect(response.timings).toMatchObject({ firstByte: 0, end: 5 })
        expect(response.connection.isReused).toBe(true)
        const other = yield* http.get(`${peer.url}/trailers`)
        expect(other.length).toBe(undefined)
        const whole = yield* other.whole
        expect([whole.text, whole.trailers, whole.header("X-b"), whole.header("none")]).toEqual([
          "ab",
          [["Digest", "d"]],
          "2",
          undefined
        ])
        expect(other.cookies.toJSON()).toMatchObject({ cookies: { a: { value: "swordfish" } } })
        for (const shown of [response, other, whole, response.request]) {
          expect(`${JSON.stringify(shown)}${inspect(shown)}${shown}`).not.toContain("swordfish")
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 text is by its charset, JSON is UTF-8, and what is neither says so without the body", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* Http.make()
        const at = (path: string) => `${peer.url}${path}`
        expect(yield* http.text(at("/latin"))).toBe("ä €")
        expect((yield* http.request(at("/latin"))).text).toBe("ä €")
        expect(yield* http.text(at("/bom"))).toBe("a")
        const unknown = yield* Effect.flip(http.text(at("/unknown")))
        expect(unknown).toMatchObject({ _tag: "DecodeFailed", coding: "text" })
        expect(unknown.message).toMatch(/; read it as bytes$/)
        expect((yield* http.request(at("/unknown"))).text).toBe("abc")
        expect(yield* http.text(at("/empty"))).toBe("")
        expect(yield* http.json(at("/json"))).toEqual({ a: 1 })
        for (const path of ["/secret", "/empty"]) {
          const failed = yield* Effect.flip(http.json(at(path)))
          expect(failed).toMatchObject({ _tag: "DecodeFailed", coding: "json" })
          expect(`${failed.message}${JSON.stringify(failed)}`).not.toContain("swordfish")
        }
        const failed = yield* Effect.flip(http.json(at("/json"), Schema.Struct({ a: Schema.String })))
        expect(failed._tag).toBe("ParseError")
        expect(yield* http.bytes({ url: at("/304"), expect: 304 })).toHaveLength(0)
        expect(yield* http.bytes({ url: at("/large"), method: "HEAD", limits: { body: 5 } })).toHaveLength(0)
      }).pipe(Effect.provide(network)))

    it.live("C33 interrupted at any step, reading leaves nothing behind", () => {
      const ways: ReadonlyArray<
        readonly [string, (http: Http.Service, url: string) => Effect.Effect<unknown, unknown>, number]
      > = [
        ["text", (http, url) => http.text(`${url}/json`), 61],
        [
          "stream",
          (http, url) => Effect.scoped(Effect.flatMap(http.get(`${url}/large`), ({ body }) => Stream.runDrain(body))),
          131
        ],
        ["sink", (http, url) => http.download(`${url}/large`, Sink.drain), 131]
      ]
      return Effect.forEach(
        ways,
        ([way, use, stride]) =>
          Sampling.everyStep(`${way} ${name}`, (steps) =>
            leavesNothing(
              Effect.gen(function*() {
                const peer = yield* answering
                const fiber = yield* Effect.fork(use(yield* Http.make(), peer.url))
                yield* Effect.repeatN(Effect.yieldNow(), steps)
                const isThrough = (yield* fiber.status)._tag === "Done"
                yield* Fiber.interrupt(fiber)
                return isThrough
              }).pipe(Effect.provide(NodeHttpTransport.layer))
            ), { stride })
      ).pipe(Effect.provide(network))
    })
  })
}

describe("gathering a body", () => {
  it("C33 what was gathered is what came, in memory of at most twice its length", () => {
    const chunk = FC.record({ bytes: FC.uint8Array({ maxLength: 3000 }), before: FC.nat(100), after: FC.nat(100) })
    FC.assert(
      FC.property(
        FC.array(chunk, { maxLength: 40 }),
        FC.option(FC.nat(100_000), { nil: undefined }),
        (chunks, announced) => {
          const gathering = new Gathering(announced)
          const given = chunks.filter(({ bytes }) => bytes.length > 0).map(({ after, before, bytes }) => {
            const held = new Uint8Array(before + bytes.length + after)
            held.set(bytes, before)
            return held.subarray(before, before + bytes.length)
          })
          for (const bytes of given) gathering.add(bytes)
          const expected = concat(given)
          expect(Buffer.compare(gathering.view, expected)).toBe(0)
          const { result } = gathering
          expect(Buffer.compare(result, expected)).toBe(0)
          expect(gathering.length).toBe(expected.length)
          expect(result.buffer.byteLength).toBeLessThanOrEqual(2 * expected.length)
        }
      ),
      { numRuns: Sampling.size({ short: 200, long: 100_000 }) }
    )
  })

  it("C33 a body that comes byte by byte, each in a buffer of its own, is held in one buffer", () => {
    const gathering = new Gathering(undefined)
    for (let length = 1; length <= 200_000; length += 1) {
      gathering.add(new Uint8Array(1024).subarray(7, 8))
      if (length % 9973 === 0) {
        expect(gathering.view.buffer.byteLength).toBeLessThanOrEqual(Math.max(2 * length, 64 * 1024))
      }
    }
    expect(gathering.result).toHaveLength(200_000)
  })
})
