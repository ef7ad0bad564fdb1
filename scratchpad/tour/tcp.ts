/** The stops of the tour about TCP: files, many clients, errors, time-outs. */
import { Copas, Net, Socket } from "@copas/core"
import { Effect, Ref, Stream } from "effect"
import { createHash } from "node:crypto"
import type { Servers } from "./servers.js"
import type { Station } from "./station.js"

const host = "127.0.0.1"
const MiB = 1024 * 1024

const digest = (chunks: Iterable<Uint8Array>) => {
  const hash = createHash("sha256")
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest("hex")
}

const expectThat = (holds: boolean, what: string) => holds ? Effect.void : Effect.fail(`the tour expected that ${what}`)

const file = (servers: Servers): Station => ({
  title: "A file of 8 MiB through the echo server",
  visit: Effect.gen(function*() {
    const content = Buffer.alloc(8 * MiB)
    for (let at = 0; at < content.length; at += 4) content.writeUInt32LE((at * 2654435761) >>> 0, at)
    const socket = yield* Net.connect({ host, port: servers.echoPort })
    const upload = Stream.range(0, 127).pipe(
      Stream.map((part) => content.subarray(part * 65536, (part + 1) * 65536)),
      Stream.run(Socket.sink(socket, { endOnDone: true }))
    )
    const download = Stream.runCollect(Socket.stream(socket))
    const [, echoed] = yield* Effect.all([upload, download], { concurrency: 2 })
    const [sent, received] = [digest([content]), digest(echoed)]
    yield* expectThat(sent === received, "the digests agree")
    return [`${content.length} bytes sent and received, sha256 ${sent.slice(0, 16)}… both ways`]
  })
})

const crowd = (servers: Servers): Station => ({
  title: "1,000 clients at once on the line server",
  visit: Effect.gen(function*() {
    const answers = yield* Effect.forEach(
      Array.from({ length: 1000 }, (_, index) => index),
      (index) =>
        Effect.scoped(Effect.gen(function*() {
          const socket = yield* Net.connect({ host, port: servers.linePort })
          yield* socket.send(`client ${index}\n`)
          return (yield* socket.receiveLine()) === `CLIENT ${index}`
        })),
      { concurrency: "unbounded" }
    )
    const right = answers.filter((answer) => answer).length
    yield* expectThat(right === 1000, "each client gets its own answer")
    return [`${right} of 1000 clients got their own line back`]
  })
})

const slowReader = (servers: Servers): Station => ({
  title: "A reader that does not read",
  visit: Effect.gen(function*() {
    const socket = yield* Net.connect({ host, port: servers.echoPort, timeouts: { send: "300 millis" } })
    const sent = yield* Ref.make(0)
    const chunk = new Uint8Array(65536)
    // The echo server cannot send its answers, so it stops reading, so the send on this side waits.
    const flood = socket.send(chunk).pipe(
      Effect.zipRight(Ref.update(sent, (bytes) => bytes + chunk.length)),
      Effect.forever,
      Effect.catchTag("SocketTimeout", (error) => Effect.succeed(error))
    )
    const error = yield* flood
    const total = yield* Ref.get(sent)
    const { sendBuffered } = yield* socket.stats
    yield* expectThat(sendBuffered <= 512 * 1024, "what waits here is bounded")
    yield* socket.abort
    return [
      `after ${(total / MiB).toFixed(1)} MiB both systems were full; ${sendBuffered} bytes waited here`,
      `the sender was told: ${error._tag} (${error.operation}) after ${error.afterMillis} ms`
    ]
  })
})

const vanished = (servers: Servers): Station => ({
  title: "A peer that vanishes",
  visit: Effect.gen(function*() {
    const before = (yield* servers.line.stats).active
    const socket = yield* Net.connect({ host, port: servers.linePort })
    yield* socket.send("half a li")
    yield* socket.abort
    // The server's thread finds the reset and ends, and then its descriptor is closed, which is no step of a thread.
    while ((yield* servers.line.stats).active > before) yield* Copas.step("10 millis")
    return ["its connection was reset in the middle of a line; the server's thread ended, its descriptor is closed"]
  })
})

const throwing = (servers: Servers): Station => ({
  title: "A handler that throws",
  visit: Effect.gen(function*() {
    const other = yield* Net.connect({ host, port: servers.linePort })
    yield* other.send("first\n")
    yield* other.receiveLine()
    const socket = yield* Net.connect({ host, port: servers.linePort })
    const failures = (yield* servers.line.stats).handlerFailures
    yield* socket.send("boom\n")
    const end = yield* Effect.flip(socket.receiveLine())
    yield* other.send("still here\n")
    const answer = yield* other.receiveLine()
    const counted = (yield* servers.line.stats).handlerFailures - failures
    yield* expectThat(answer === "STILL HERE", "the other client is served")
    yield* expectThat(counted === 1, "the failure is counted")
    return [`its client was told ${end._tag}; another client continued and got "${answer}"`]
  })
})

export const stations = (servers: Servers): ReadonlyArray<Station> => [
  file(servers),
  crowd(servers),
  slowReader(servers),
  vanished(servers),
  throwing(servers)
]
