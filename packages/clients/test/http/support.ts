/** What the tests of the HTTP client share: both networks with a transport, clients, and reading what a peer was asked. */
import type { HttpTransport, Net } from "@copas/core"
import { NodeHttpTransport } from "@copas/node"
import { expect } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpPeer } from "../../src/testing/index.js"
import { networks } from "../ftp/networks.js"

/** Both networks: what holds on one holds on the other. */
export const platforms: ReadonlyArray<
  readonly [string, Layer.Layer<Net.Net | HttpTransport.HttpTransport>]
> = networks.map(([name, network]) => [name, Layer.provideMerge(NodeHttpTransport.layer, network)])

/** A peer that answers by targets. */
export const answering = (answers: { readonly [target: string]: HttpPeer.Reply }) =>
  HttpPeer.make({ handler: ({ target }) => answers[target] ?? { status: 404, body: target } })

/** A peer that says these bytes to the first request of each connection, and then ends as asked. */
export const saying = (bytes: string | Uint8Array, ending: HttpPeer.Ending = "close") =>
  HttpPeer.make({
    script: (connection) =>
      Effect.gen(function*() {
        yield* connection.request
        yield* connection.send(bytes)
        if (ending !== "keep") return yield* connection.end(ending)
        return yield* connection.serve
      })
  })

/** `GET /a` and so on, of all that a peer was asked. */
export const asked = (peer: HttpPeer.HttpPeer): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(peer.requests, (requests) => requests.map(({ method, target }) => `${method} ${target}`))

/** The names of the fields that a peer was sent, in lower case. */
export const namesOf = (request: HttpPeer.Request): ReadonlyArray<string> =>
  request.fields.map(([name]) => name.toLowerCase())

/** The failure, which has this tag. */
export const failsWith = <T extends string, A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tag: T
): Effect.Effect<Extract<E, { readonly _tag: T }>, A, R> =>
  Effect.map(Effect.flip(effect), (error) => {
    expect((error as { readonly _tag?: string })._tag, String(error)).toBe(tag)
    return error as Extract<E, { readonly _tag: T }>
  })

/** Scripts and handlers did what they were written to. */
export const went = (peer: HttpPeer.HttpPeer): Effect.Effect<void> =>
  Effect.map(peer.failures, (failures) => expect(failures).toEqual([]))
