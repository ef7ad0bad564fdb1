/** Answers that are mutated at random: never a crash, never a wait without end, never a success that is not the answer's. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { randomFrom } from "../../../node/test/random.js"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing, text } from "../ftp/networks.js"

const platform = (seed: number) =>
  Layer.provideMerge(
    NodeHttpTransport.layer,
    NetMemory.layerWith({ chunks: "random", seed })
  )

const randomOf = (seed: number) => {
  const next = randomFrom(seed)
  const below = (most: number): number => Math.floor(next() * most)
  const pick = <A>(all: ReadonlyArray<A>): A => all[below(all.length)]!
  return { below, pick }
}

const body = Buffer.from("0123456789 the body of the answer ".repeat(8))
const chunks = (bytes: Buffer): Buffer =>
  Buffer.concat([
    ...[bytes.subarray(0, 7), bytes.subarray(7)].flatMap((part) => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from("\r\n")
    ]),
    Buffer.from("0\r\n\r\n")
  ])
const head = (fields: string): Buffer => Buffer.from(`HTTP/1.1 200 OK\r\nDate: x\r\n${fields}\r\n`)
const zipped = gzipSync(body)
const brotli = brotliCompressSync(body)

/** Valid answers with this body. */
const valid: ReadonlyArray<readonly [name: string, bytes: Buffer]> = [
  ["by length", Buffer.concat([head(`Content-Length: ${body.length}\r\n`), body])],
  ["by chunks", Buffer.concat([head("Transfer-Encoding: chunked\r\n"), chunks(body)])],
  ["gzip", Buffer.concat([head(`Content-Encoding: gzip\r\nContent-Length: ${zipped.length}\r\n`), zipped])],
  ["br in chunks", Buffer.concat([head("Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n"), chunks(brotli)])],
  [
    "after a hint",
    Buffer.concat([
      Buffer.from("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
      head(`Content-Length: ${body.length}\r\n`),
      body
    ])
  ]
]

const insertions = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  ":",
  " ",
  "0",
  "f",
  "-",
  "+",
  "HTTP/1.1 200 OK\r\n\r\n",
  "Content-Length: 1\r\n"
]

/** Changes, takes out, doubles or adds a few bytes, or cuts the end. */
const mutate = (bytes: Buffer, { below, pick }: ReturnType<typeof randomOf>): Buffer => {
  let result = Buffer.from(bytes)
  for (let left = 1 + below(3); left > 0; left--) {
    const at = below(result.length)
    const length = 1 + below(6)
    switch (below(6)) {
      case 0:
        result[at] = below(256)
        break
      case 1:
        result[at]! ^= 1 << below(8)
        break
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
        break
      case 3:
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)])
        break
      case 4:
        result = Buffer.concat([result.subarray(0, at), Buffer.from(pick(insertions)), result.subarray(at)])
        break
      case 5:
        result = result.subarray(0, at)
    }
    if (result.length === 0) break
  }
  return result
}

const known =
  /^(Http(Timeout|ProtocolViolation|HeadTooLarge)|ConnectionLost|Body(TooLarge|Truncated)|DecodeFailed|UnexpectedStatus|RedirectRefused)$/

/**
 * What a reader may take the bytes for: the body by a length, up to the end, or without the framing of chunks; decoded, it
 * is the body or nothing. A mutated head may say another length, or no coding.
 */
const isPossible = (got: Buffer, sent: Buffer): boolean => {
  const [raw, part] = [sent.toString("latin1"), got.toString("latin1")]
  return raw.includes(part) || isSpread(part, raw) || got.equals(body)
}

/** Whether all of `part` stands in `whole` in this order: the framing of chunks may stand between. */
const isSpread = (part: string, whole: string): boolean => {
  let at = 0
  for (const character of part) {
    at = whole.indexOf(character, at) + 1
    if (at === 0) return false
  }
  return true
}

it.live.each(valid)(
  "C33 a valid answer %s that is mutated is a typed error or an answer that its bytes allow",
  ([name, bytes]) =>
    Sampling.forEachSeed({ short: 40, long: 20_000 }, (seed) =>
      leavesNothing(Effect.gen(function*() {
        const random = randomOf(seed)
        const sent = mutate(bytes, random)
        const ending = random.pick(["close", "reset", "halfClose"] as const)
        const peer = yield* HttpPeer.make({
          script: (connection) =>
            Effect.zipRight(connection.request, Effect.zipRight(connection.send(sent), connection.end(ending)))
        })
        const http = yield* Http.make()
        const way = random.below(3)
        const read: Effect.Effect<Uint8Array, unknown> = way === 0
          ? http.bytes(peer.url)
          : way === 1
          ? Effect.map(http.request(peer.url), (answer) => answer.bytes)
          : Effect.scoped(Effect.flatMap(
            http.request({ url: peer.url }),
            (answer) => Effect.map(Stream.runCollect(answer.body), (parts) => Buffer.concat(Array.from(parts)))
          ))
        const exit = yield* Effect.exit(Effect.timeoutFail(read, {
          duration: "20 seconds",
          onTimeout: () => new Error("it hangs")
        }))
        const shown = JSON.stringify(sent.toString("latin1"))
        if (Exit.isSuccess(exit)) {
          const got = Buffer.from(exit.value)
          expect(isPossible(got, sent), `${name}: ${JSON.stringify(got.toString("latin1"))} of ${shown}`).toBe(true)
        } else {
          const error = Cause.squash(exit.cause) as { readonly _tag?: string }
          expect(error._tag, `${name}: ${String(error)} of ${shown}`).toMatch(known)
          expect(String(error).length).toBeLessThan(2000)
        }
        // The next request gets its own answer, whatever came before.
        const next = yield* Effect.exit(http.text(`${peer.url}/next`))
        expect(Exit.isInterrupted(next)).toBe(false)
      })).pipe(Effect.scoped, Effect.provide(platform(seed))))
)

it.live("C33 a valid answer whose end alone is cut is never a success", () =>
  Effect.forEach(
    valid,
    ([name, bytes]) =>
      Sampling.forEachIn(`a cut answer ${name}`, { to: bytes.length, stride: 11 }, (at) =>
        leavesNothing(Effect.gen(function*() {
          const peer = yield* HttpPeer.make({
            script: (connection) =>
              Effect.zipRight(connection.request, connection.send(bytes.subarray(0, at)))
          })
          const http = yield* Http.make()
          const exit = yield* Effect.exit(http.bytes(peer.url))
          expect([at, Exit.isFailure(exit)]).toEqual([at, true])
        })).pipe(Effect.scoped, Effect.provide(platform(at)))),
    { discard: true }
  ))

it.live("C33 a valid answer in pieces of any size is the answer", () =>
  Sampling.forEachSeed(
    { short: 8, long: 500 },
    (seed) =>
      Effect.forEach(valid, ([name, bytes]) =>
        Effect.gen(function*() {
          const peer = yield* HttpPeer.make({ handler: () => bytes })
          const http = yield* Http.make()
          expect([name, text(yield* http.bytes(peer.url))]).toEqual([name, body.toString()])
          expect([name, text(yield* http.bytes(peer.url))]).toEqual([name, body.toString()])
          expect((yield* peer.connections).total).toBe(1)
        }).pipe(Effect.scoped, Effect.provide(platform(seed))), { discard: true })
  ))
