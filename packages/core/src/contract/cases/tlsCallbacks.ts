/** Functions that users give to contexts: whatever they do fails one handshake, typed, and nothing else. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Net from "../../Net.js"
import * as Tls from "../../Tls.js"
import type { ClientOptions, ServerOptions } from "../../TlsContext.js"
import type { Certificates } from "../TlsMaterial.js"
import { failure, holds, same } from "./support.js"
import { dialing, fixture, talks, test, type TlsCase } from "./tlsSupport.js"

const oops = new Error("oops")
const boom = (): never => {
  throw oops
}
const key = new Uint8Array(32).fill(7)
/** What types forbid, and a program without them gives. */
const wrong = (value: unknown): () => never => () => value as never

const given: ReadonlyArray<readonly [what: string, value: unknown]> = [
  ["nothing", undefined],
  ["null", null],
  ["a text", "x"],
  ["a number", 3],
  ["a promise", Promise.resolve(Option.none())],
  ["some number", Option.some(7)],
  ["some nothing", Option.some(undefined)],
  ["some object", Option.some({})]
]

interface Callback {
  readonly name: string
  readonly server: (call: () => never) => ServerOptions
  readonly client: (call: () => never) => ClientOptions
  readonly good: { readonly server: ServerOptions; readonly client: ClientOptions }
  readonly wrong: ReadonlyArray<readonly [what: string, value: unknown]>
  readonly side: "server" | "client"
}

const psk = { identity: "me", key }

const callbacks = (["TLSv1.2", "TLSv1.3"] as const).flatMap((maxVersion): ReadonlyArray<Callback> => [
  {
    name: `alpn of a server (${maxVersion})`,
    side: "server",
    server: (alpn) => ({ maxVersion, alpn }),
    client: () => ({ alpn: ["a", "b"] }),
    good: { server: { maxVersion, alpn: () => Option.some("b") }, client: { alpn: ["a", "b"] } },
    wrong: [
      ...given,
      ["what was not offered", Option.some("c")],
      ["an empty name", Option.some("")],
      ["another case", Option.some("A")]
    ]
  },
  {
    name: `psk of a server (${maxVersion})`,
    side: "server",
    server: (psk) => ({ identity: undefined, maxVersion, psk }),
    client: () => ({ psk }),
    good: { server: { identity: undefined, maxVersion, psk: () => Option.some(key) }, client: { psk } },
    wrong: [
      ...given,
      ["an empty key", Option.some(new Uint8Array(0))],
      ["too long a key", Option.some(new Uint8Array(513))],
      ["a text for a key", Option.some(Redacted.make("secret"))]
    ]
  },
  {
    name: `psk of a client (${maxVersion})`,
    side: "client",
    server: () => ({ identity: undefined, maxVersion, psk: () => Option.some(key) }),
    client: (psk) => ({ psk }),
    good: {
      server: { identity: undefined, maxVersion, psk: () => Option.some(key) },
      client: { psk: () => Option.some(psk) }
    },
    wrong: [
      ...given,
      ["no identity", Option.some({ key })],
      ["an empty identity", Option.some({ identity: "", key })],
      ["an identity with NUL", Option.some({ identity: "a\0b", key })],
      ["too long an identity", Option.some({ identity: "x".repeat(257), key })],
      ["no key", Option.some({ identity: "me" })],
      ["an empty key", Option.some({ identity: "me", key: new Uint8Array(0) })],
      ["too long a key", Option.some({ identity: "me", key: new Uint8Array(70_000) })]
    ]
  }
])

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)
  return [
    ...callbacks.map(({ client, good, name, server, side, wrong: values }) =>
      test(
        `T04 T09 whatever ${name} does fails its own handshake, typed, and no other connection`,
        Effect.gen(function*() {
          const standing = yield* tls.pair(good)
          const thrown = yield* tls.failures({ server: server(boom), client: client(boom) })
          same(thrown[side]?.reason, "Unknown", "the reason of what was thrown")
          holds(thrown[side]?.cause === oops, "the cause is what was thrown")
          for (const [what, value] of values) {
            const { client: connected, server: accepted } = yield* tls.failures({
              server: server(wrong(value)),
              client: client(wrong(value))
            })
            holds(connected !== undefined && accepted !== undefined, `${what} fails both sides`)
          }
          yield* talks(standing)
          yield* talks(yield* tls.pair(good))
        })
      )
    ),
    test(
      "T03 a context of another role, or of nothing, is `InvalidOption` wherever one is taken",
      Effect.gen(function*() {
        const server = yield* tls.serverContext()
        const client = yield* tls.clientContext()
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: server })
        for (const bad of [client, {}, 7, null]) {
          const names = { "a.copas.test": bad as never }
          same(
            (yield* failure(tls.serverContext({ serverNames: names }), "InvalidOption")).option,
            `serverNames["a.copas.test"]`,
            "the option"
          )
          yield* failure(
            Effect.flatMap(
              tls.pki,
              ({ server: { identity } }) => Tls.replace(server, { identity, serverNames: names })
            ),
            "InvalidOption"
          )
          yield* failure(Tls.rotateTicketKeys(bad as never), "InvalidOption")
          yield* failure(Net.listen({ host: "127.0.0.1", port: 0, tls: bad as never }), "InvalidOption")
        }
        for (const bad of [server, { context: {} }, 7]) yield* failure(dialing(listener, bad as never), "InvalidOption")
        const plain = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
        const socket = yield* dialing(plain)
        yield* failure(Tls.upgrade(socket, {} as never), "InvalidOption")
      })
    ),
    test(
      "T01 what a connection gives for TLS is checked before it connects",
      Effect.gen(function*() {
        const context = yield* tls.clientContext()
        const listener = yield* tls.listening()
        const bad: ReadonlyArray<readonly [string, object]> = [
          ["alpn", { alpn: [] }],
          ["alpn", { alpn: [""] }],
          ["alpn", { alpn: ["x".repeat(256)] }],
          ["alpn", { alpn: "h2" }],
          ["session", { session: new Uint8Array(3) }],
          ["session", { session: Redacted.make("x") }],
          ["dane[0].usage", { dane: [{}] }],
          ["dane[0].usage", { dane: [{ usage: "3", selector: 1, matchingType: 1, data: key }] }],
          ["dane[0].data", { dane: [{ usage: 3, selector: 1, matchingType: 1, data: "x" }] }],
          ["serverName", { serverName: "a b" }]
        ]
        for (const [option, given] of bad) {
          const error = yield* failure(dialing(listener, { context, ...given }), "InvalidOption")
          same(error.option, option, "the option")
        }
      })
    )
  ]
}
