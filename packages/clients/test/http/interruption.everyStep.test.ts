/** Requests of every kind, interrupted after every number of steps: nothing is left, and the client works on. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing, pattern } from "../ftp/networks.js"
import { identity } from "./identities.js"
import { platforms } from "./support.js"

const yields = (count: number): Effect.Effect<void> => Effect.repeatN(Effect.yieldNow(), count)

const large = pattern(300_000)

const handler = (request: HttpPeer.Request): HttpPeer.Reply => {
  switch (request.target) {
    case "/redirect":
      return { status: 307, fields: { Location: "/landed" }, body: "elsewhere" }
    case "/gzip":
      return { fields: { "Content-Encoding": "gzip" }, body: [gzipSync(large)] }
    case "/large":
      return { body: large }
    case "/refused":
      return { status: request.header("authorization") === "Bearer 1" ? 401 : 200 }
    case "/cut":
      return { body: large, cut: -1000 }
    default:
      return { body: "landed" }
  }
}

type Call = (http: Http.Service, url: string) => Effect.Effect<unknown, unknown>

let tokens = 0
const calls: ReadonlyArray<readonly [name: string, stride: number, call: Call]> = [
  ["a small body", 5, (http, url) => http.bytes(url)],
  ["a large body", 11, (http, url) => http.bytes(`${url}/large`)],
  ["a body in gzip", 17, (http, url) => http.bytes(`${url}/gzip`)],
  ["a status alone", 5, (http, url) => Effect.scoped(http.request({ url }))],
  ["an unread large body", 11, (http, url) => Effect.scoped(http.request({ url: `${url}/large` }))],
  [
    "a stream",
    7,
    (http, url) =>
      Effect.scoped(Effect.flatMap(http.request({ url: `${url}/large` }), ({ body }) => Stream.runDrain(body)))
  ],
  [
    "a redirect with its body",
    11,
    (http, url) => http.text({ method: "POST", url: `${url}/redirect`, body: "abc", redirect: "all" })
  ],
  [
    "a streamed upload",
    17,
    (http, url) => http.text({ method: "PUT", url, body: Body.stream(Stream.make(large, large), { length: 600_000 }) })
  ],
  [
    "an upload in chunks",
    17,
    (http, url) => http.text({ method: "PUT", url, body: Body.stream(Stream.make(large, large)) })
  ],
  [
    "a token that is asked for anew",
    11,
    (http, url) =>
      http.text({ url: `${url}/refused`, auth: { token: Effect.sync(() => Redacted.make(String(1 + tokens++ % 2))) } })
  ],
  ["a body that is cut", 5, (http, url) => Effect.exit(http.bytes(`${url}/cut`))],
  [
    "four requests at once on two connections",
    17,
    (http, url) => Effect.forEach([1, 2, 3, 4], () => http.text(url), { concurrency: "unbounded" })
  ]
]

describe.each(platforms)("interruption, %s", (name, platform) => {
  it.live.each(calls)(
    "C33 interrupted at any step of %s, nothing is left open and the client works on",
    ([title, stride, call]) =>
      Effect.provide(
        Effect.gen(function*() {
          const last = yield* Sampling.everyStep(`${title}, ${name}`, (steps) =>
            leavesNothing(Effect.gen(function*() {
              const peer = yield* HttpPeer.make({ handler, memory: 1 << 20 })
              const http = yield* Http.make({ pool: { connections: 2 } })
              const fiber = yield* Effect.fork(call(http, peer.url))
              yield* yields(steps)
              const isThrough = (yield* fiber.status)._tag === "Done"
              yield* Fiber.interrupt(fiber)
              // Neither a connection nor a place in the queue is lost, and no answer is taken for another.
              const answers = yield* Effect.forEach([1, 2, 3], () => http.text(`${peer.url}/after`), { concurrency: 3 })
              expect(answers).toEqual(["landed", "landed", "landed"])
              return isThrough
            })), { stride: name === "in memory" ? stride : 3 * stride, longStride: name === "in memory" ? 1 : 7 })
          expect(last).toBeGreaterThan(1)
        }),
        platform
      )
  )

  it.live("C33 interrupted at any step of a request under TLS, nothing is left open", () =>
    Effect.provide(
      Effect.gen(function*() {
        const made = yield* identity(name)
        yield* Sampling.everyStep(`a request under TLS, ${name}`, (steps) =>
          leavesNothing(Effect.gen(function*() {
            const peer = yield* HttpPeer.make({ handler, tls: made.tls })
            const http = yield* Http.make({ tls: { ca: made.ca } })
            const fiber = yield* Effect.fork(http.bytes(`${peer.url}/large`))
            yield* yields(steps)
            const isThrough = (yield* fiber.status)._tag === "Done"
            yield* Fiber.interrupt(fiber)
            expect(yield* http.text(peer.url)).toBe("landed")
            return isThrough
          })), { stride: 43 })
      }),
      Layer.fresh(platform)
    ).pipe(Effect.scoped))

  it.live("C33 the end of the client's scope at any step of a request leaves nothing open, and the request fails", () =>
    Effect.provide(
      Sampling.everyStep(`a client that ends, ${name}`, (steps) =>
        leavesNothing(Effect.gen(function*() {
          const peer = yield* HttpPeer.make({ handler: () => Effect.never })
          const fiber = yield* Effect.scoped(Effect.gen(function*() {
            const http = yield* Http.make()
            const fiber = yield* Effect.forkDaemon(Effect.exit(http.text(peer.url)))
            yield* yields(steps)
            return fiber
          }))
          yield* Fiber.interrupt(fiber)
          return steps > 60
        })), { stride: 7 }),
      platform
    ))
})
