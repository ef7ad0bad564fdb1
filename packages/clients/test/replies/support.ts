/** A channel with a peer that says what a test has it say. */
import { Net } from "@copas/core"
import { expect } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Channel } from "../../src/internal/replies/channel.js"
import * as Parser from "../../src/internal/replies/parser.js"
import * as Codec from "../../src/internal/text/codec.js"
import { text, until } from "../ftp/networks.js"

export interface Peer {
  /** Waits until these lines have come, and nothing after them. */
  readonly hears: (lines: string) => Effect.Effect<void, unknown>
  readonly says: (lines: string) => Effect.Effect<void, unknown>
  /** All that has come. */
  readonly heard: () => string
}

export const connected: Effect.Effect<
  { readonly channel: Channel; readonly peer: Peer },
  unknown,
  Net.Net | Scope.Scope
> = Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
  const { port } = listener
  const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
  const other = yield* listener.accept
  let heard = ""
  yield* Effect.forkScoped(Effect.ignore(other.forEachChunk((chunk) =>
    Effect.sync(() => {
      heard += text(chunk)
    })
  )))
  const server = `127.0.0.1:${port}`
  const channel = new Channel(socket, {
    server,
    wire: { protocol: "smtp", codec: Codec.utf8 },
    parser: Parser.make({ protocol: "smtp", server, inner: "code" }),
    replyMillis: 60_000
  })
  const says = (lines: string) => Effect.zipRight(other.send(lines), other.flush)
  const hears = (lines: string) =>
    Effect.suspend(() => {
      const whole = heard.length + lines.length
      return Effect.map(until(Effect.sync(() => heard.length >= whole || heard.endsWith(lines))), () => {
        expect(heard.endsWith(lines)).toBe(true)
      })
    })
  return { channel, peer: { hears, says, heard: () => heard } }
})
