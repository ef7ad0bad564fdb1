import { Copas, Net, Tls, type Socket } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Certificates from "./certificates.js"

it.live("smoke", () =>
  Effect.gen(function*() {
    const root = yield* Effect.promise(() => Certificates.authority())
    const made = yield* Effect.promise(() => Certificates.make({ hosts: ["localhost", "127.0.0.1"], issuer: root }))
    const server = yield* Tls.server({ identity: Certificates.identity(made), alpn: ["b", "a"] })
    const client = yield* Tls.client({ ca: root.pem, alpn: ["a", "b"] })
    const listener = yield* Net.listen({ port: 0, tls: server })
    const port = listener.address._tag === "InetAddress" ? listener.address.port : 0
    yield* Copas.addServer(listener, (socket: Socket.Socket) =>
      Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`))))
    const socket = yield* Net.connect({ host: "localhost", port, tls: client })
    yield* socket.send("hello\n")
    expect(yield* socket.receiveLine()).toBe("hello")
    const tls = Option.getOrThrow(socket.tls)
    expect(tls.info).toMatchObject({ protocol: "TLSv1.3" })
    console.log(tls.info, tls.alpn, tls.serverName, tls.authorization, tls.peerChain.map(String))
    const again = yield* Net.connect({ host: "localhost", port, tls: client })
    expect(Option.getOrThrow(again.tls).isResumed).toBe(true)
    const failed = yield* Effect.flip(Net.connect({ host: "localhost", port, tls: true }))
    console.log(failed.message)
  }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer)))
