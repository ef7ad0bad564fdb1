/**
 * A network in memory: hosts, addresses, ports and paths, without the system's sockets.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { forClock } from "../internal/deadlines.js"
import * as Net from "../Net.js"
import * as Links from "./internal/link.js"
import { Network } from "./internal/network.js"
import * as MemoryPlatform from "./internal/platform.js"

export interface Service {
  readonly todo: Network
}

export class NetMemory extends Context.Tag("@copas/core/testing/NetMemory")<NetMemory, Service>() {}

export const layer: Layer.Layer<Net.Net | NetMemory> = Layer.effectContext(Effect.gen(function*() {
  const clock = yield* Effect.clock
  const network = new Network(forClock(clock), {
    seed: 0, link: Links.ideal, chunks: "joined", bufferSize: 65536, giveUpAfter: 900_000, connectGiveUpAfter: 127_000
  })
  const host = network.addHost("localhost", [])
  return Context.make(Net.Net, Net.make(MemoryPlatform.make(host))).pipe(Context.add(NetMemory, { todo: network }))
}))
