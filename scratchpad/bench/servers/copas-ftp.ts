/** Rounds of FTP with this library. */
import { Ftp } from "@copas/clients"
import { NodeNet } from "@copas/node"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as readline from "node:readline"
import { mebibyte } from "./client-rounds.js"
import { told } from "./ftp-rounds.js"

const { big, ca, local, port, round: mode } = told

const program = Effect.gen(function*() {
  const ftp = yield* Ftp.make({
    host: "127.0.0.1",
    port,
    ...(ca === undefined ? {} : { tls: "explicit", serverName: "localhost", tlsContext: { ca: { path: ca } } })
  })
  const pool = yield* ftp.pool({ size: mode === "ftp-files" || mode === "ftp-far" ? 8 : 1 })
  const files = Effect.suspend(() => {
    const to = path.join(local, "files")
    fs.rmSync(to, { recursive: true, force: true })
    return Stream.runLast(pool.downloadDirectory("small", to))
  }).pipe(Effect.map((last) => last._tag === "Some" ? last.value.progress.files.done : 0))
  const rounds = {
    "ftp-download": pool.use((session) => session.downloadFile("big", path.join(local, "big"))).pipe(
      Effect.map(({ bytes }) => bytes / mebibyte)
    ),
    "ftp-stream": pool.use((session) =>
      Stream.runFold(session.download("big"), 0, (bytes, chunk) => bytes + chunk.length)
    ).pipe(Effect.map((bytes) => bytes / mebibyte)),
    "ftp-upload": pool.use((session) => session.uploadFile(big, "pub/up")).pipe(
      Effect.map(({ bytes }) => bytes / mebibyte)
    ),
    "ftp-files": files,
    "ftp-far": files
  }
  const round = rounds[mode as keyof typeof rounds]
  process.stdout.write("READY 0\n")
  for (;;) {
    const line = yield* nextLine
    if (line === undefined) break
    process.stdout.write(`DONE ${yield* round}\n`)
  }
})

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const nextLine = Effect.promise(async () => {
  const { done, value } = await lines.next()
  return done === true ? undefined : value
})

Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Layer.merge(NodeNet.layer, NodeContext.layer)))
).catch((error: unknown) => {
  console.log(error)
  process.exit(1)
})
