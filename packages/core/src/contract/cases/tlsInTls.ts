/** TLS within TLS, as a client of an HTTPS proxy needs it: the outer connection ends at the proxy, the inner one beyond it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Net from "../../Net.js"
import * as Tls from "../../Tls.js"
import type * as TlsContext from "../../TlsContext.js"
import type { ClientOptions, ServerOptions } from "../../TlsContext.js"
import type { Certificates } from "../TlsMaterial.js"
import { failure, same, utf8 } from "./support.js"
import { dialing, fixture, type Pair, talks, test, type TlsCase, tlsOf } from "./tlsSupport.js"

interface Inner {
  readonly server?: ServerOptions
  readonly client?: ClientOptions
  readonly connect?: TlsContext.UpgradeOptions
}

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  /** Both ends of a connection with TLS in TLS. */
  const nested = (
    pair: Pick<Pair, "client" | "server">,
    { client, connect, server }: Inner = {}
  ): Effect.Effect<void, unknown, Net.Net> =>
    Effect.gen(function*() {
      const [inner, behind] = yield* Effect.all([tls.clientContext(client), tls.serverContext(server)])
      yield* Effect.all([
        Tls.upgrade(pair.client, inner, { serverName: "a.copas.test", ...connect }),
        Tls.upgrade(pair.server, behind)
      ], { concurrency: 2 })
    })

  /** One pair after another to the same listener. */
  const outer: Effect.Effect<Effect.Effect<Pair, unknown, Net.Net | Scope.Scope>, unknown, Net.Net | Scope.Scope> =
    Effect.gen(function*() {
      const listener = yield* tls.listening()
      const context = yield* tls.clientContext()
      return Effect.map(
        Effect.all([dialing(listener, { context }), listener.accept], { concurrency: 2 }),
        ([client, server]) => ({ client, server, listener })
      )
    })

  const long = new Uint8Array(300_000).map((_, index) => index % 251)

  return [
    ...(["TLSv1.2", "TLSv1.3"] as const).flatMap((maxVersion) => [
      test(
        `T02 TLS runs in TLS: what is sent arrives, and \`socket.tls\` tells of the inner and the outer one (${maxVersion})`,
        Effect.gen(function*() {
          const pair = yield* tls.pair({ client: { alpn: ["proxy"] }, server: { alpn: ["proxy"] } })
          yield* nested(pair, { server: { alpn: ["echo"] }, client: { alpn: ["echo"], maxVersion } })
          yield* talks(pair)
          const [client, server] = [tlsOf(pair.client), tlsOf(pair.server)]
          same([client.alpn, server.alpn], [Option.some("echo"), Option.some("echo")], "the protocol within")
          same(
            [client.serverName, server.serverName],
            [Option.some("a.copas.test"), Option.some("a.copas.test")],
            "the name"
          )
          same([client.info.protocol, server.info.protocol], [maxVersion, maxVersion], "the version within")
          for (const inner of [client, server]) {
            const around = Option.getOrThrow(inner.outer)
            same([around.alpn, around.serverName, Option.isNone(around.outer)], [
              Option.some("proxy"),
              Option.some("localhost"),
              true
            ], "the outer connection")
          }
          yield* Effect.all([
            pair.client.send(long),
            Effect.map(pair.server.receiveExactly(long.length), (came) => same(came, long, "what came"))
          ], { concurrency: 2 })
          yield* Effect.all([
            pair.server.send(long),
            Effect.map(pair.client.receiveExactly(long.length), (came) => same(came, long, "what came back"))
          ], { concurrency: 2 })
        })
      ),
      test(
        `T11 the end of TLS in TLS is the inner close_notify, and the other direction stays open (${maxVersion})`,
        Effect.gen(function*() {
          const pair = yield* tls.pair()
          yield* nested(pair, {
            client: { maxVersion, requireCloseNotify: true },
            server: { requireCloseNotify: true }
          })
          yield* pair.client.send("bye")
          yield* pair.client.shutdown("send")
          same(yield* pair.server.receiveAll(), utf8("bye"), "what came")
          yield* pair.server.send("and you")
          yield* pair.server.shutdown("send")
          same(yield* pair.client.receiveAll(), utf8("and you"), "what came back")
        })
      ),
      test(
        `T02 a reset of TLS in TLS reaches the peer as one (${maxVersion})`,
        Effect.gen(function*() {
          const pair = yield* tls.pair()
          yield* nested(pair, { client: { maxVersion } })
          yield* talks(pair)
          yield* pair.client.abort
          same((yield* failure(pair.server.receive(), "SocketBroken")).reason, "Reset", "the reason")
        })
      ),
      test(
        `T10 sessions are resumed within TLS (${maxVersion})`,
        Effect.gen(function*() {
          const connect = yield* outer
          const [inner, behind] = yield* Effect.all([tls.clientContext({ maxVersion }), tls.serverContext()])
          const resumed: Array<boolean> = []
          for (let round = 0; round < 3; round += 1) {
            const { client, server } = yield* connect
            yield* Effect.all([
              Tls.upgrade(client, inner, { serverName: "localhost", sessionKey: "inner" }),
              Tls.upgrade(server, behind)
            ], { concurrency: 2 })
            // After the tickets, so they have come.
            yield* server.send("x\n")
            yield* client.receiveLine()
            resumed.push(tlsOf(client).isResumed)
          }
          same(resumed, [false, true, true], "what was resumed")
        })
      )
    ]),
    test(
      "T02 an inner handshake that fails cuts the connection, and says why",
      Effect.gen(function*() {
        const pair = yield* tls.pair()
        const error = yield* Effect.flip(nested(pair, { connect: { serverName: "elsewhere.test" } }))
        same((error as { readonly reason?: unknown }).reason, "WrongHost", "the reason")
        yield* failure(pair.client.send("x"), "SocketBroken")
      })
    ),
    test(
      "T02 TLS runs in TLS in TLS",
      Effect.gen(function*() {
        const pair = yield* tls.pair()
        yield* nested(pair)
        yield* nested(pair, { connect: { serverName: "b.copas.test" } })
        yield* talks(pair)
        const second = Option.getOrThrow(tlsOf(pair.client).outer)
        same(second.serverName, Option.some("a.copas.test"), "the one around it")
        same(Option.isSome(second.outer), true, "there being one around that")
      })
    )
  ]
}
