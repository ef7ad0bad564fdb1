/** No text that a value of TLS gives shows a secret: not as JSON, not inspected at any depth, not in a log. */
import { Copas, Net, Tls } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeCopas } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Certificates from "../certificates.js"
import * as Secrets from "../secrets.js"

const networks: ReadonlyArray<readonly [string, Layer.Layer<Copas.Copas | Net.Net>]> = [
  ["Node", NodeCopas.layer],
  ["in memory", Layer.provideMerge(Copas.layer, NetMemory.layer)]
]

/** Contexts, listeners, servers, connections, errors: what a program that uses TLS holds, and the secrets in it. */
const used = Effect.gen(function*() {
  const root = yield* Effect.promise(() => Certificates.authority())
  const made = yield* Effect.promise(() => Certificates.make({ hosts: ["localhost"], issuer: root }))
  const [psk, tickets, passphrase] = [
    Secrets.random("psk", 32),
    Secrets.random("tickets", 48),
    "a passphrase nobody knows"
  ]
  const identity = {
    certificate: made.chain,
    key: Certificates.encryptedKey(made, passphrase),
    passphrase
  }
  const pem = Buffer.from(made.key.replace(/-----[^-]*-----|\s/g, ""), "base64")
  const secrets: Array<Secrets.Secret> = [
    psk,
    tickets,
    { what: "key", bytes: pem.subarray(36) },
    { what: "passphrase", bytes: Buffer.from(passphrase) }
  ]
  const keyedServer = yield* Tls.server({ psk: () => Option.some(psk.bytes) })
  const server = yield* Tls.server({
    identity,
    tickets: { keys: Redacted.make(tickets.bytes) }
  })
  const client = yield* Tls.client({ ca: root.pem, identity, maxVersion: "TLSv1.2" })
  const upToDate = yield* Tls.client({ ca: root.pem, identity })
  const keyed = yield* Tls.client({ psk: { identity: "me", key: psk.bytes } })
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: server })
  const port = listener.port
  const [socket, accepted] = yield* Effect.all([
    Net.connect({ host: "localhost", family: "IPv4", port, linger: 0, tls: client }),
    listener.accept
  ], { concurrency: 2 })
  yield* accepted.send("x\n")
  yield* socket.receiveLine()
  const session = Option.flatMap(socket.tls, (tls) => tls.session)
  secrets.push({ what: "session", bytes: Redacted.value(Option.getOrThrow(session)).subarray(20) })
  expect(Option.isSome(session)).toBe(true)
  const exported = Option.flatMap(socket.tls, (tls) => tls.exportKeyingMaterial(32, "EXPORTER-test"))
  secrets.push({ what: "exported", bytes: Redacted.value(Option.getOrThrow(exported)) })
  const refused = yield* Effect.exit(
    Net.connect({ host: "127.0.0.1", port, tls: { context: client, serverName: "elsewhere.test" } })
  )
  const served = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls: server })
  const running = yield* Copas.addServer(
    served,
    (socket) => Effect.flatMap(socket.receive(), (bytes) => socket.send(bytes))
  )
  const tls13 = yield* Net.connect({
    host: "localhost",
    family: "IPv4",
    port: served.port,
    linger: 0,
    tls: upToDate
  })
  yield* tls13.send("x")
  yield* tls13.receive()
  const wrong = yield* Effect.exit(Tls.server({ identity: { ...identity, passphrase: `${passphrase}!` } }))
  const swapped = yield* Effect.exit(Tls.server({ identity: { certificate: passphrase, key: passphrase } }))
  const shortKeys = yield* Effect.exit(
    Tls.server({ identity, tickets: { keys: Redacted.make(tickets.bytes.subarray(1)) } })
  )
  const values: Record<string, unknown> = {
    server,
    keyedServer,
    client,
    keyed,
    listener,
    socket,
    accepted,
    running,
    session,
    exported,
    refused,
    tls13,
    upToDate,
    wrong,
    swapped,
    shortKeys,
    net: yield* Net.Net,
    copas: yield* Copas.Copas,
    sockets: yield* Effect.flatMap(Net.Net, (net) => net.sockets),
    tls: Option.getOrThrow(socket.tls),
    acceptedTls: Option.getOrThrow(accepted.tls),
    status: yield* Copas.status
  }
  if (refused._tag === "Failure") values["pretty"] = Cause.pretty(refused.cause)
  return { secrets, values }
})

describe("T09 no secret is in any text", () => {
  for (const [name, network] of networks) {
    it.scopedLive(`that a value of TLS gives (${name})`, () =>
      Effect.gen(function*() {
        const recording = yield* Secrets.recording
        const values = yield* Effect.withTracer(used, recording.tracer)
        expect(yield* Secrets.search(values.secrets, { ...values.values, spans: recording.shown })).toEqual([])
      }).pipe(Effect.provide(network)))
  }
})
