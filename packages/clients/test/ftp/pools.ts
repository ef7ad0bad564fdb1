/** What the tests of pools share: a pool on a server of its own, a directory, and events by their tag. */
import type { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { FileSystem, type Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Chunk, Effect, Layer, Option, type Scope } from "effect"
import { Ftp, type FtpPool } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { leavesNothing } from "./networks.js"

export const local = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

export const pooled = (server: FtpServer.Options = {}, options: Partial<FtpPool.PoolOptions> = {}) =>
  Effect.gen(function*() {
    const started = yield* FtpServer.make(server)
    const ftp = yield* Ftp.make({ host: started.host, port: started.port })
    return { server: started, pool: yield* ftp.pool(options) }
  })

export const told = (events: Chunk.Chunk<FtpPool.TreeEvent>, tag: FtpPool.TreeEvent["_tag"]) =>
  Chunk.toReadonlyArray(events).filter((event) => event._tag === tag)

export const last = (events: Chunk.Chunk<FtpPool.TreeEvent>): FtpPool.TreeEvent => Option.getOrThrow(Chunk.last(events))

/** In memory, with this machine's files; nothing is left of the connections. */
export const running = <A, E>(
  use: Effect.Effect<A, E, Net.Net | Scope.Scope | FileSystem.FileSystem | Path.Path>
): Effect.Effect<A, E> =>
  Effect.provide(leavesNothing(use), Layer.merge(NetMemory.layer, NodeContext.layer)) as Effect.Effect<A, E>
