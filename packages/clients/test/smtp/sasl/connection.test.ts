/** SCRAM with the channel bindings of real TLS connections, on both networks. */
import { Net, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Primitives from "../../../src/internal/crypto/primitives.js"
import * as Mechanisms from "../../../src/internal/smtp/sasl/mechanisms.js"
import * as Servers from "../../../src/testing/internal/smtp/sasl/mechanisms.js"
import { selfSigned } from "../../ftp/selfSigned.js"
import { context, converse, serverContext } from "./support.js"

const networks = [
  ["in memory", NetMemory.layer, Effect.sync(() => TlsMemory.identity())],
  [
    "on Node",
    NodeNet.layer,
    Effect.map(selfSigned, ({ cert, key }) => ({
      identity: { certificate: { path: cert }, key: { path: key } },
      ca: { path: cert }
    }))
  ]
] as const

type Material = Effect.Effect.Success<(typeof networks)[number][2]>

/** Both ends of one TLS connection. */
const pair = ({ ca, identity }: Material, version: "TLSv1.2" | "TLSv1.3") =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    const accept = Effect.flatMap(listener.accept, (socket) =>
      Effect.as(
        Effect.flatMap(Tls.server({ identity, maxVersion: version }), (tls) => Tls.upgrade(socket, tls)),
        socket
      ))
    const connect = Effect.flatMap(Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 }), (socket) =>
      Effect.as(
        Effect.flatMap(Tls.client({ ca }), (tls) =>
          Tls.upgrade(socket, tls, { serverName: "localhost" })),
        socket
      ))
    const [server, client] = yield* Effect.all([accept, connect], { concurrency: 2 })
    return { server, client }
  })

const names = Mechanisms.builtIn().map(({ name }) => name).filter((name) => name.endsWith("-PLUS"))

describe.each(networks)("%s", (_, layer, material) => {
  for (const [version, type] of [["TLSv1.3", "tls-exporter"], ["TLSv1.2", "tls-unique"]] as const) {
    it.effect(`C35 under ${version} SCRAM is bound to ${type}, and to no other connection`, () =>
      Effect.gen(function*() {
        const crypto = Mechanisms.cryptoOf(Primitives.make((yield* Net.Net).crypto))
        const files = yield* material
        const one = yield* pair(files, version)
        const other = yield* pair(files, version)
        for (const name of names) {
          const find = <A extends { readonly name: string }>(all: ReadonlyArray<A>): A =>
            all.find((mechanism) => mechanism.name === name)!
          for (const [isSame, end] of [[true, one.server], [false, other.server]] as const) {
            const { lines, reply } = yield* converse(
              find(Mechanisms.builtIn()),
              find(Servers.all),
              context({ password: "pencil", channelBinding: Mechanisms.bindingOf(one.client.tls), crypto }),
              serverContext({
                users: new Map([["user", "pencil"]]),
                rounds: 4096,
                crypto,
                channelBinding: (asked) =>
                  Option.getOrUndefined(Option.flatMap(end.tls, (tls) => tls.channelBinding(asked)))
              })
            )
            expect(lines[0]!.startsWith(`p=${type},,n=user,`)).toBe(true)
            expect(reply.code).toBe(isSame ? 235 : 535)
          }
        }
      }).pipe(Effect.scoped, Effect.provide(layer)))
  }
})
