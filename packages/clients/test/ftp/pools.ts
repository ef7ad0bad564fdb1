/** What the tests of pools share: a pool on a server of its own, a directory, and events by their tag. */
import { FileSystem } from "@effect/platform"
import { Chunk, Effect } from "effect"
import { Ftp, type FtpPool } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"

export const local = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

export const pooled = (server: FtpServer.Options = {}, options: Partial<FtpPool.PoolOptions> = {}) =>
  Effect.gen(function*() {
    const started = yield* FtpServer.make(server)
    const ftp = yield* Ftp.make({ host: started.host, port: started.port })
    return { server: started, pool: yield* ftp.pool(options) }
  })

export const told = (events: Chunk.Chunk<FtpPool.TreeEvent>, tag: FtpPool.TreeEvent["_tag"]) =>
  Chunk.toReadonlyArray(events).filter((event) => event._tag === tag)
