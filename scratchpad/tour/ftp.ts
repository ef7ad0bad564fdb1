/** The stop of the tour about FTP. */
import { Ftp } from "@copas/clients"
import { FtpServer } from "@copas/clients/testing"
import { NodeContext } from "@effect/platform-node"
import { Chunk, Effect, Fiber, Option, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Station } from "./station.js"

/** So many bytes, no two neighbours alike. */
const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 255)

export const ftp: Station = {
  title: "FTP, against an embedded server",
  visit: Effect.gen(function*() {
    const lines: Array<string> = []
    const server = yield* FtpServer.make({
      files: {
        "/pub/greeting.txt": "hello\r\n",
        "/pub/tree/a.bin": pattern(200_000),
        "/pub/tree/more/b.txt": "b",
        "/pub/big.bin": pattern(3_000_000)
      }
    })
    const client = yield* Ftp.make()

    const greeting = yield* client.get(`${server.url}/pub/greeting.txt;type=a`)
    lines.push(`a URL is enough: ${JSON.stringify(new TextDecoder().decode(greeting))}`)

    const session = yield* client.connect({ host: server.host, port: server.port })
    yield* session.cd("pub")
    const stored = yield* session.put("answer.txt", "good day")
    const entries = yield* session.list()
    lines.push(
      `stored ${stored.bytes} bytes, verified: ${stored.verified}; now there are ${
        entries.map(({ name }) => name).join(", ")
      }`
    )

    yield* server.setQuirks({ cutDownloadAfter: 1_000_000 })
    const cut = yield* Effect.flip(session.get("big.bin"))
    if (cut._tag !== "TransferIncomplete") return yield* cut
    yield* server.setQuirks({ cutDownloadAfter: undefined })
    const rest = yield* session.get("big.bin", { offset: cut.moved })
    lines.push(`a download cut after ${cut.moved} of ${cut.expected} bytes was resumed: ${rest.length} more`)

    yield* server.setQuirks({ chunkDelay: "20 millis" })
    const slow = yield* Effect.fork(Stream.runDrain(session.download("big.bin")))
    while ((yield* server.connections).data === 0) yield* Effect.sleep("1 millis")
    yield* Fiber.interrupt(slow)
    yield* server.setQuirks({ chunkDelay: undefined })
    lines.push(`an interrupted download was aborted; the same session says it is in ${yield* session.pwd}`)

    const local = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "copas-tour-"))),
      (local) => Effect.sync(() => rmSync(local, { recursive: true }))
    )
    const pool = yield* client.pool({ host: server.host, port: server.port, size: 2 })
    const events = yield* Stream.runCollect(pool.downloadDirectory("pub", local))
    const { bytes, files } = Option.getOrThrow(Chunk.last(events)).progress
    lines.push(`a tree over a pool: ${files.done} files, ${bytes.moved} bytes`)

    const missing = yield* Effect.flip(session.get("nothing"))
    lines.push(`a typed error: ${missing._tag}: ${missing.message}`)
    return lines
  }).pipe(Effect.provide(NodeContext.layer))
}
