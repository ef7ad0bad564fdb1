/** The functions of ltn12 that read and write files. */
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"

it.scoped("S14 ltn12.source.file and sink.file are FileSystem's stream and sink", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    yield* fs.writeFileString(`${folder}/from.txt`, "line by line\n")
    yield* Stream.run(fs.stream(`${folder}/from.txt`), fs.sink(`${folder}/to.txt`))
    expect(yield* fs.readFileString(`${folder}/to.txt`)).toBe("line by line\n")
  }).pipe(Effect.provide(NodeContext.layer)))
