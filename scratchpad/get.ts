// LuaSocket's get: fetches a URL over HTTP, HTTPS or FTP into a file, or onto the standard output.
//
// npx tsx --conditions=copas-source scratchpad/get.ts <url> [file]
import { Ftp } from "@copas/clients"
import { NodeNet, NodeUndici } from "@copas/node"
import { FileSystem, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeContext, NodeRuntime, NodeSink } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"

const [url = "", file] = process.argv.slice(2)

const overHttp = Stream.unwrap(
  HttpClient.get(url).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.map(({ stream }) => stream)
  )
)

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const bytes: Stream.Stream<Uint8Array, unknown, Ftp.Ftp | HttpClient.HttpClient> = /^ftp(e?s)?:/.test(url)
    ? Ftp.download(url)
    : overHttp
  if (file === undefined) return yield* Stream.run(bytes, NodeSink.stdout)
  yield* Stream.run(bytes, fs.sink(file))
  const { size } = yield* fs.stat(file)
  yield* Console.error(`${url}: ${size} bytes`)
})

const clients = Layer.mergeAll(NodeUndici.layerHttpClient({ timeouts: { receive: "30 seconds" } }), Ftp.layer())

program.pipe(
  Effect.provide(Layer.mergeAll(Layer.provide(clients, NodeNet.layer), NodeContext.layer)),
  NodeRuntime.runMain
)
