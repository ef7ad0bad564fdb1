/** Bodies of requests: what is sent of them, how they fail, and answers that come while they go out. */
import { type HttpTransport, Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as Crypto from "node:crypto"
import { pattern } from "../pattern.js"
import { turn } from "../turns.js"
import {
  exchange,
  failureOf,
  fetched,
  networks,
  ok,
  pulled,
  route,
  serve,
  standing,
  turns,
  whole
} from "./exchanging.js"

const digest = (bytes: Uint8Array): string => Crypto.createHash("sha256").update(bytes).digest("hex")

/** Answers with the digest of a body that has a length. */
const digesting = serve((peer) =>
  Effect.forever(Effect.gen(function*() {
    const length = Number(/content-length: (\d+)/.exec(yield* peer.head)![1])
    yield* peer.send(ok(digest(yield* peer.socket.receiveExactly(length))))
  }))
)

/** Takes whatever comes until the end of the connection, and counts it. */
const counting = (taken: { bytes: number; text: string }) =>
  serve((peer) =>
    Effect.forever(Effect.map(peer.socket.receive(), (chunk) => {
      taken.bytes += chunk.length
      taken.text += Buffer.from(chunk).toString("latin1")
    }))
  )

const block = Buffer.alloc(65_536, "x")

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped("C33 bodies of 8 MiB arrive whole, of bytes and of pulls", () =>
      Effect.gen(function*() {
        const server = yield* digesting
        const to = yield* route(server.port)
        const bytes = pattern(8 * 1024 * 1024)
        const pieces = Array.from({ length: 80 }, (_, at) => bytes.subarray(at * 104_858, (at + 1) * 104_858))
        const bodies = [bytes, { length: bytes.length, pull: pulled(...pieces) }]
        for (const body of bodies) {
          expect((yield* fetched(to, { method: "PUT", body })).body).toBe(digest(bytes))
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a pull is asked only as fast as the server takes", () =>
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* Deferred.await(go)
            yield* peer.head
            yield* peer.socket.receiveExactly(1000 * block.length)
            yield* peer.send(ok("all"))
          })
        )
        let given = 0
        const pull = Effect.sync(() => {
          given += 1
          return given <= 1000 ? block : undefined
        })
        const to = yield* route(server.port)
        const body = { length: 1000 * block.length, pull }
        const fiber = yield* Effect.fork(fetched(to, { method: "POST", body }))
        expect(yield* standing(Effect.sync(() => given))).toBeLessThan(500)
        yield* Deferred.succeed(go, undefined)
        expect((yield* Fiber.join(fiber)).body).toBe("all")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a pull that fails is the failure of the exchange, and the server gets no whole request", () =>
      Effect.gen(function*() {
        for (const length of [undefined, 100]) {
          const taken = { bytes: 0, text: "" }
          const server = yield* counting(taken)
          let at = 0
          const pull: HttpTransport.Pull<string> = Effect.suspend(() =>
            at++ === 0 ? Effect.succeed(Buffer.from("abc")) : Effect.fail("broken")
          )
          const sent = fetched(yield* route(server.port), { method: "POST", body: { length, pull } })
          expect(yield* Effect.flip(sent)).toBe("broken")
          yield* server.awaitNone
          expect(taken.text).not.toMatch(/0\r\n\r\n$/)
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a pull that dies or is interrupted does the same to the exchange", () =>
      Effect.gen(function*() {
        const server = yield* counting({ bytes: 0, text: "" })
        const to = yield* route(server.port)
        for (const pull of [Effect.die("defect"), Effect.interrupt]) {
          const exit = yield* Effect.exit(fetched(to, { method: "POST", body: { length: 3, pull } }))
          expect(Exit.isFailure(exit)).toBe(true)
        }
        yield* server.awaitNone
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a pull of less or more than its length is BodyLength before the end is sent", () =>
      Effect.gen(function*() {
        for (
          const [length, chunks] of [[10, ["abc"]], [10, []], [2, ["abc"]], [3, ["abc", "d"]], [0, ["a"]]] as const
        ) {
          const taken = { bytes: 0, text: "" }
          const server = yield* counting(taken)
          const to = yield* route(server.port)
          const failure = yield* failureOf(fetched(to, { method: "POST", body: { length, pull: pulled(...chunks) } }))
          expect(failure).toMatchObject({ kind: "BodyLength", expected: length })
          yield* server.awaitNone
          const body = taken.text.split("\r\n\r\n")[1] ?? ""
          expect(body.length).toBeLessThan(Math.max(length, 1))
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an answer of 400 and more stops the upload, and is the result; the connection is not used again", () =>
      Effect.gen(function*() {
        for (const [status, length] of [[413, undefined], [401, 1e12], [500, 1e12]] as const) {
          const server = yield* serve((peer) =>
            Effect.gen(function*() {
              yield* peer.head
              yield* peer.send(`HTTP/1.1 ${status} No\r\nContent-Length: 3\r\n\r\nwhy`)
              return yield* Effect.forever(peer.socket.receive())
            })
          )
          const to = yield* route(server.port)
          const interrupted = yield* Deferred.make<void>()
          const first = pulled("abc")
          let isFirst = true
          const slow = Effect.suspend(() => {
            if (!isFirst) return Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            isFirst = false
            return first
          })
          expect(yield* fetched(to, { method: "POST", body: { length, pull: slow } })).toMatchObject({
            status,
            body: "why"
          })
          yield* Deferred.await(interrupted)
          yield* server.awaitNone
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body of bytes that still goes out when an answer of 400 and more comes goes no further", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            if (peer.number > 1) return yield* peer.send(ok("next"))
            yield* peer.send("HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nwhy")
            return yield* Effect.never
          })
        )
        const to = yield* route(server.port, { limits: { connections: 1 } })
        const body = Buffer.alloc(32 * 1024 * 1024)
        expect(yield* fetched(to, { method: "PUT", body })).toMatchObject({ status: 401, body: "why" })
        expect(yield* fetched(to)).toMatchObject({ body: "next", isReused: false })
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a large upload that is answered at once, by a server that then closes: the answer, and not a reset", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nwhy")
            yield* peer.socket.flush
          })
        )
        const to = yield* route(server.port)
        for (let times = 0; times < 50; times++) {
          const bodies = [
            { length: undefined, pull: Effect.succeed(block) },
            { length: 1e12, pull: Effect.succeed(block) },
            { length: 1e12, pull: Effect.zipRight(turn, Effect.succeed(block)) },
            Buffer.alloc(4 * 1024 * 1024)
          ]
          for (const body of bodies) {
            expect(yield* fetched(to, { method: "POST", body })).toMatchObject({ status: 413, body: "why" })
          }
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an answer below 400 leaves the upload running: both are whole", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for (let got = 0; got < 40 * block.length;) {
              const chunk = yield* peer.socket.receive()
              got += chunk.length
              yield* peer.send(`${chunk.length.toString(16)}\r\n${Buffer.from(chunk).toString("latin1")}\r\n`)
            }
            yield* peer.send("0\r\n\r\n")
            yield* peer.socket.receive()
          })
        )
        let given = 0
        const pull = Effect.suspend(() => {
          given += 1
          return Effect.zipRight(turn, Effect.succeed(given <= 40 ? block : undefined))
        })
        const answer = yield* fetched(yield* route(server.port), {
          method: "POST",
          body: { length: 40 * block.length, pull }
        })
        expect(answer.status).toBe(200)
        expect(answer.body.length).toBe(40 * block.length)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a pull that fails after the head has come fails the reader", () =>
      Effect.gen(function*() {
        const broken = yield* Deferred.make<void>()
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            return yield* Effect.forever(peer.socket.receive())
          })
        )
        let isFirst = true
        const pull: HttpTransport.Pull<string> = Effect.suspend(() => {
          if (!isFirst) return Effect.zipRight(Deferred.await(broken), Effect.fail("broken"))
          isFirst = false
          return Effect.succeed(Buffer.from("abc"))
        })
        const { read } = yield* exchange(yield* route(server.port), { method: "POST", body: { length: 10, pull } })
        expect(Buffer.from((yield* read)!).toString()).toBe("abc")
        const reading = yield* Effect.fork(Effect.flip(whole(read)))
        yield* turns
        yield* Deferred.succeed(broken, undefined)
        expect(yield* Fiber.join(reading)).toBe("broken")
        yield* server.awaitNone
      }).pipe(Effect.provide(network)))

    it.scoped("C33 interrupting an exchange interrupts its pull, and closes its connection", () =>
      Effect.gen(function*() {
        const pulling = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        const server = yield* counting({ bytes: 0, text: "" })
        const pull = Effect.zipRight(
          Deferred.succeed(pulling, undefined),
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
        )
        const to = yield* route(server.port)
        const fiber = yield* Effect.fork(fetched(to, { method: "POST", body: { length: 10, pull } }))
        yield* Deferred.await(pulling)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(interrupted)
        yield* server.awaitNone
        expect(yield* Effect.flatMap(Net.Net, ({ sockets }) => sockets)).toEqual([])
      }).pipe(Effect.provide(network)))
  })
}
