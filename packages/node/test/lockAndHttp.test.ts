/** A lock in an HTTP server that was started in a thread. */
import { Copas, Lock } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { FetchHttpClient, HttpClient, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { createServer } from "node:http"

it.scopedLive("C28 the requests of an HTTP server that was started in a thread come into a lock one at a time", () =>
  Copas.run(Effect.gen(function*() {
    const lock = yield* Lock.make()
    const port = yield* Deferred.make<number>()
    let inside = 0
    const seen: Array<number> = []
    const app = lock.withLock(Effect.gen(function*() {
      inside += 1
      seen.push(inside)
      yield* Effect.sleep("5 millis")
      inside -= 1
      return HttpServerResponse.empty()
    }))
    const server = yield* Copas.addThread(
      Effect.gen(function*() {
        yield* HttpServer.serveEffect(Effect.orDie(app))
        const { address } = yield* HttpServer.HttpServer
        if (address._tag === "TcpAddress") yield* Deferred.succeed(port, address.port)
        return yield* Effect.never
      }).pipe(Effect.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })), Effect.scoped)
    )
    const url = `http://127.0.0.1:${yield* Deferred.await(port)}/`
    const answers = yield* Effect.forEach([1, 2, 3, 4, 5], () => HttpClient.get(url), { concurrency: "unbounded" })
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204])
    expect(seen).toEqual([1, 1, 1, 1, 1])
    yield* server.interrupt
  })).pipe(Effect.provide(Layer.merge(NodeCopas.layer, FetchHttpClient.layer))))
