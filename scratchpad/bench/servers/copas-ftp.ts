import { Ftp } from "@copas/clients"
import { NodeNet } from "@copas/node"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as readline from "node:readline"

const [mode, port, size, local] = process.argv.slice(2) as [string, string, string, string, string]
const mebibyte = 1 << 20
const block = Buffer.alloc(65536, "copas")

const blocks = Stream.repeatEffect(Effect.succeed<Uint8Array>(block)).pipe(Stream.take(Number(size) / block.length))

const program = Effect.gen(function*() {
  const ftp = yield* Ftp.make({ host: "127.0.0.1", port: Number(port) })
  const pool = yield* ftp.pool({ size: mode === "ftp-files" ? 8 : 1 })
  const rounds = {
    "ftp-download": pool.use((session) =>
      Stream.runFold(session.download("big"), 0, (count, chunk) => count + chunk.length)
    ).pipe(Effect.map((count) => count / mebibyte)),
    "ftp-upload": pool.use((session) => session.put("pub/up", blocks)).pipe(
      Effect.map(({ bytes }) => bytes / mebibyte)
    ),
    "ftp-files": Effect.suspend(() => {
      const to = path.join(local, "files")
      fs.rmSync(to, { recursive: true, force: true })
      return Stream.runLast(pool.downloadDirectory("small", to))
    }).pipe(Effect.map((last) => last._tag === "Some" ? last.value.progress.files.done : 0))
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
