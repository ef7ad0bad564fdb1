/** Resetting a connection with TLS at any point of its life gives its descriptor back. */
import { Net, type Socket, Tls, type TlsContext } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { turn } from "../turns.js"
import * as Fixture from "./fixture.js"
import { sockets } from "./support.js"

/** Descriptors are closed a turn after the socket says so. */
const settledAt = (before: number): Effect.Effect<number> =>
  Effect.gen(function*() {
    for (let turns = 0; turns < 50 && (yield* sockets) > before; turns += 1) yield* turn
    return (yield* sockets)
  })

type Ends = Fixture.Pair
type Needs = Net.Net | Fixture.TestPki | Scope.Scope

const ended = (socket: Socket.Socket): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(Effect.forever(socket.receive())))

const moments: Record<string, (ends: Ends) => Effect.Effect<unknown, unknown, Needs>> = {
  "while nothing happens": () => Effect.void,
  "at once after a send": ({ client, server }) => Effect.zip(client.send("hello"), server.send("hello")),
  "after shutdown": ({ client, server }) => Effect.zip(client.shutdown("send"), server.shutdown("send")),
  "in the turn of its shutdown": ({ client, server }) =>
    Effect.zip(Effect.fork(client.shutdown("send")), Effect.fork(server.shutdown("send"))).pipe(
      Effect.zipLeft(Effect.yieldNow())
    ),
  "a turn after its shutdown": ({ client, server }) =>
    Effect.zip(Effect.fork(client.shutdown("send")), Effect.fork(server.shutdown("send"))).pipe(
      Effect.zipLeft(turn)
    ),
  "after the peer's end": ({ client, server }) => Effect.zipRight(server.shutdown("send"), ended(client)),
  "after both ends": ({ client, server }) =>
    Effect.zipRight(
      Effect.zip(server.shutdown("send"), ended(client)),
      Effect.zip(Effect.fork(client.shutdown("send")), Effect.yieldNow())
    ),
  "with bytes that the peer does not read": ({ client }) =>
    Effect.zipRight(Effect.fork(Effect.ignore(client.send(new Uint8Array(20_000_000)))), turn)
}

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const kinds: Record<string, TlsContext.ClientOptions & TlsContext.ServerOptions> = {
    "TLS 1.3": {},
    "TLS 1.2": { maxVersion: "TLSv1.2" },
    "close_notify required": { requireCloseNotify: true }
  }
  for (const [kind, options] of Object.entries(kinds)) {
    for (const [moment, wait] of Object.entries(moments)) {
      it.effect.skipIf(!existsSync("/proc/self/fd"))(
        `C39 aborting ${moment} leaves no descriptor (${kind})`,
        () =>
          Effect.gen(function*() {
            const before = yield* sockets
            yield* Effect.scoped(Effect.gen(function*() {
              const ends = yield* Fixture.pair({ client: options, server: options })
              yield* wait(ends)
              yield* ends.client.abort
              yield* ends.server.abort
            }))
            expect(yield* settledAt(before)).toBe(before)
          })
      )
    }
  }

  it.scoped("C09 without lingering, what was sent in the turn of the close is encrypted and goes to the system", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      yield* server.send("hello\n")
      yield* client.receiveLine()
      yield* client.send("one\n")
      yield* client.send("two\n")
      yield* client.close
      expect([yield* server.receiveLine(), yield* server.receiveLine()]).toEqual(["one", "two"])
    }))

  it.scoped("C39 aborting tells the peer by a reset", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      yield* client.send("hello")
      yield* server.receive()
      yield* client.abort
      const error = yield* Effect.flip(server.receive())
      expect(error).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
    }))

  it.effect("C39 aborting at any turn while TLS is at work does not bring the process down", () =>
    Effect.gen(function*() {
      yield* Sampling.forEachSeed({ short: 21, long: 60 }, (round) =>
        Effect.scoped(Effect.gen(function*() {
          const ends = yield* Fixture.pair()
          const [first, second] = round % 2 === 0 ? [ends.client, ends.server] : [ends.server, ends.client]
          yield* Effect.fork(Effect.ignore(Effect.forever(first.send(new Uint8Array(round * 1000 + 1)))))
          yield* Effect.fork(ended(second))
          for (let turned = 0; turned < round % 7; turned += 1) yield* turn
          yield* (round % 3 === 0 ? second : first).abort
          yield* (round % 3 === 0 ? first : second).abort
        })))
    }))

  it.effect.skipIf(!existsSync("/proc/self/fd"))(
    "C39 interrupting a handshake at any turn leaves no descriptor",
    () =>
      Effect.gen(function*() {
        const before = yield* sockets
        for (let turns = 0; turns < 12; turns += 1) {
          yield* Effect.scoped(Effect.gen(function*() {
            const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
            const context = yield* Fixture.clientContext()
            const connecting = yield* Effect.fork(
              Net.connect({ host: "127.0.0.1", port: listener.port, tls: { context }, linger: 0 })
            )
            for (let turned = 0; turned < turns; turned += 1) yield* turn
            yield* Fiber.interrupt(connecting)
          }))
          expect([turns, yield* settledAt(before)]).toEqual([turns, before])
        }
      })
  )

  it.effect.skipIf(!existsSync("/proc/self/fd"))(
    "C39 aborting a socket in its handshake leaves no descriptor",
    () =>
      Effect.gen(function*() {
        const before = yield* sockets
        for (let turns = 0; turns < 12; turns += 1) {
          yield* Effect.scoped(Effect.gen(function*() {
            const listener = yield* Net.listen({ port: 0, linger: 0 })
            const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
            const server = yield* listener.accept
            const upgrades = [
              Tls.upgrade(client, yield* Fixture.clientContext()),
              Tls.upgrade(server, yield* Fixture.serverContext())
            ]
            const upgrading = yield* Effect.fork(
              Effect.all(upgrades.map((upgrade) => Effect.exit(upgrade)), { concurrency: 2 })
            )
            for (let turned = 0; turned < turns; turned += 1) yield* turn
            yield* (turns % 2 === 0 ? client : server).abort
            yield* Fiber.await(upgrading)
          }))
          expect([turns, yield* settledAt(before)]).toEqual([turns, before])
        }
      })
  )
})
