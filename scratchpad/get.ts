// LuaSocket's get: fetches a URL over HTTP, HTTPS or FTP into a file, or onto the standard output.
//
// npx tsx --conditions=copas-source scratchpad/get.ts <url> [file]
import { Ftp, Http } from "@copas/clients"
import { NodeCopas } from "@copas/node"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime, NodeSink } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"

const [url = "", file] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  if (/^ftp(e?s)?:/.test(url)) {
    yield* file === undefined ? Stream.run(Ftp.download(url), NodeSink.stdout) : Ftp.downloadFile(url, file)
  } else {
    yield* file === undefined ? Http.download(url, NodeSink.stdout) : Http.download(url, { path: file })
  }
  if (file === undefined) return
  const { size } = yield* fs.stat(file)
  yield* Console.error(`${url}: ${size} bytes`)
})

const clients = Layer.mergeAll(Http.layer({ proxy: "environment" }), Ftp.layer())

program.pipe(
  Effect.provide(Layer.mergeAll(Layer.provide(clients, NodeCopas.layer), NodeContext.layer)),
  NodeRuntime.runMain
)
