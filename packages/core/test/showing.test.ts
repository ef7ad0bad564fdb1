/** What sockets, listeners and servers show of themselves in logs. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import { inspect } from "node:util"
import * as Copas from "../src/Copas.js"
import * as Net from "../src/Net.js"
import * as NetMemory from "../src/testing/NetMemory.js"
import * as Udp from "../src/Udp.js"

it.scoped("C34 sockets, listeners, datagram sockets and servers show a few words of themselves, at any depth, and nothing that hangs on them", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, name: "shown", linger: 0 })
    const port = listener.port
    const server = yield* Copas.addServer(listener, (socket) => socket.receive())
    const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
    const datagram = yield* Udp.bind({ host: "127.0.0.1" })
    yield* socket.send("what a peer may see alone")
    for (const value of [listener, server, socket, datagram]) {
      for (
        const text of [
          JSON.stringify(value),
          JSON.stringify({ value: [value] }),
          inspect(value, { depth: Infinity, showHidden: true }),
          inspect({ value: [value] }, { depth: Infinity, showHidden: true }),
          Inspectable.toStringUnknown(value),
          JSON.stringify(Inspectable.toJSON(value))
        ]
      ) {
        expect(text.length).toBeLessThan(400)
        expect(text).toContain("@copas/core/")
        expect(text).not.toMatch(/transport|platform|handler_|peer may see|settings|native/)
      }
    }
  }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer))))
