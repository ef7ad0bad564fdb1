/** No text that a value of TLS gives shows a secret: not as JSON, not inspected at any depth, not in a log. */
import { Copas, Net, Tls } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeCopas } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import { inspect } from "node:util"
import * as Certificates from "../certificates.js"

interface Secret {
  readonly what: string
  readonly bytes: Uint8Array
}

/** The ways in which bytes get into a text; a part of them is enough. */
const spellings = ({ bytes }: Secret): ReadonlyArray<string> => {
  const part = Buffer.from(bytes.subarray(0, 12))
  const numbers = Array.from(part)
  return [
    part.toString("hex"),
    part.toString("hex").replace(/(..)(?=.)/g, "$1 "),
    // Whatever stands before it: base64 of 12 bytes has no rest.
    part.toString("base64"),
    part.toString("latin1"),
    numbers.join(","),
    numbers.join(", "),
    numbers.map((byte, index) => `"${index}":${byte}`).join(",")
  ]
}

const views = (value: unknown): ReadonlyArray<readonly [string, string]> => {
  const texts: Array<readonly [string, string]> = [["String", String(value)]]
  try {
    texts.push(["JSON", JSON.stringify(value) ?? ""])
  } catch {
    // What cannot be JSON shows nothing.
  }
  for (const depth of [0, 2, 8, Infinity]) {
    for (const showHidden of [false, true]) {
      for (const customInspect of [false, true]) {
        // Without its own inspection a value leads to Effect's and Node's whole runtime: 8 levels are more than any log has.
        if (!customInspect && depth === Infinity) continue
        const given = {
          depth: customInspect ? depth : Math.min(depth, 6),
          showHidden,
          customInspect,
          maxArrayLength: 64
        }
        texts.push([inspect(given), inspect(value, given)])
      }
    }
  }
  return texts
}

const networks: ReadonlyArray<readonly [string, Layer.Layer<Copas.Copas | Net.Net>]> = [
  ["Node", NodeCopas.layer],
  ["in memory", Layer.provideMerge(Copas.layer, NetMemory.layer)]
]

const random = (what: string, length: number): Secret => ({ what, bytes: Crypto.randomBytes(length) })

describe("T09 no secret is in any text", () => {
  for (const [name, network] of networks) {
    it.scopedLive(`that a value of TLS gives (${name})`, () =>
      Effect.gen(function*() {
        const root = yield* Effect.promise(() => Certificates.authority())
        const made = yield* Effect.promise(() => Certificates.make({ hosts: ["localhost"], issuer: root }))
        const [psk, tickets, passphrase] = [random("psk", 32), random("tickets", 48), "a passphrase nobody knows"]
        const identity = {
          certificate: made.chain,
          key: Certificates.encryptedKey(made, passphrase),
          passphrase
        }
        const pem = Buffer.from(made.key.replace(/-----[^-]*-----|\s/g, ""), "base64")
        const secrets: Array<Secret> = [
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
        const running = yield* Copas.addServer(served, (socket) => socket.receive())
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
          tls: Option.getOrThrow(socket.tls),
          acceptedTls: Option.getOrThrow(accepted.tls),
          status: yield* Copas.status
        }
        if (refused._tag === "Failure") values["pretty"] = Cause.pretty(refused.cause)
        const logged: Array<string> = []
        const loggers = [
          Logger.stringLogger,
          Logger.jsonLogger,
          Logger.logfmtLogger,
          Logger.map(Logger.structuredLogger, (entry) => inspect(entry, { depth: Infinity, showHidden: true }))
        ].map((logger) => Logger.map(logger, (text): void => void logged.push(text)))
        for (const [name, value] of Object.entries(values)) {
          yield* Effect.log(name, value).pipe(
            Effect.annotateLogs(name, value),
            Effect.provide(
              loggers.reduce((all, one) => Layer.merge(all, Logger.add(one)), Logger.remove(Logger.defaultLogger))
            )
          )
        }
        expect(logged.length).toBe(Object.keys(values).length * loggers.length)
        const found: Array<string> = []
        const look = (name: string, how: string, text: string): void => {
          for (const secret of secrets) {
            if (spellings(secret).some((one) => text.includes(one))) found.push(`${secret.what} in ${name} by ${how}`)
          }
        }
        for (const [name, value] of Object.entries(values)) {
          for (const [how, text] of views(value)) look(name, how, text)
        }
        logged.forEach((text, index) => look("a log", String(index), text))
        expect(found).toEqual([])
        // The search itself finds what is there.
        for (const secret of secrets) look("itself", "inspect", inspect(Buffer.from(secret.bytes)))
        expect(found.length).toBe(secrets.length)
      }).pipe(Effect.provide(network)))
  }
})
