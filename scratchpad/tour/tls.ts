/** The stop of the tour about TLS. */
import type { Socket } from "@copas/core"
import { Copas, Net, Tls } from "@copas/core"
import { Effect, Option } from "effect"
import { selfSigned } from "./certificate.js"
import type { Station } from "./station.js"

const echo = (socket: Socket.Socket) => socket.forEachLine((line) => socket.send(`${line}\n`))

export const tls: Station = {
  title: "TLS: a server with a certificate of its own",
  visit: Effect.gen(function*() {
    const identity = yield* selfSigned
    const context = yield* Tls.server({ identity, alpn: ["echo/1"] })
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, tls: context })
    const server = yield* Copas.addServer(listener, echo, { name: "secure", onError: () => Effect.void })
    const port = listener.port

    const trusting = yield* Tls.client({ ca: identity.certificate, alpn: ["echo/1"] })
    const socket = yield* Net.connect({ host: "localhost", port, tls: { context: trusting } })
    yield* socket.send("secret\n")
    const answer = yield* socket.receiveLine()
    const info = Option.getOrThrow(socket.tls).info

    const wary = yield* Tls.client()
    const refused = yield* Effect.flip(Net.connect({ host: "localhost", port, tls: { context: wary } }))
    yield* Copas.removeServer(server)
    return [
      `"${answer}" came back by ${info.protocol} with ${info.cipher}`,
      `a client that does not know the certificate refused it: ${refused._tag}${
        refused._tag === "TlsError" ? `, ${refused.reason}` : ""
      }`
    ]
  })
}
