/** A whole sending in a simulation: it takes no time but the network's, and the same seed gives the same bytes. */
import { Tls } from "@copas/core"
import { NetMemory, Simulation, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Either, Redacted, TestClock } from "effect"
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { Dkim, Smtp } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { text } from "../ftp/networks.js"

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
const signer = Either.getOrThrow(Dkim.signer({
  domain: "a.test",
  selector: "s",
  key: { algorithm: "rsa-sha256", sign: (bytes) => Effect.sync(() => sign("sha256", bytes, privateKey)) }
}))

/** A log-in by SCRAM under TLS, and a signed message with an attachment. */
const sent = Effect.scoped(Effect.gen(function*() {
  const made = TlsMemory.identity()
  const server = yield* SmtpServer.make({
    tls: yield* Tls.server({ identity: made.identity }),
    users: { ada: "a password" },
    requireAuth: true
  })
  const smtp = yield* Smtp.make({
    host: server.host,
    port: server.port,
    tlsContext: { ca: made.ca },
    serverName: "localhost",
    auth: { user: "ada", password: Redacted.make("a password"), mechanisms: ["SCRAM-SHA-256"] }
  })
  const start = yield* Clock.currentTimeMillis
  yield* smtp.send({
    from: "a@a.test",
    to: "b@b.test",
    subject: "hello",
    text: "hello",
    attachments: [{ filename: "a.bin", content: new Uint8Array(10_000) }],
    dkim: signer
  })
  const millis = (yield* Clock.currentTimeMillis) - start
  const [received] = yield* server.messages
  return { bytes: text(received!.bytes), millis }
}))

const digest = ({ bytes }: { readonly bytes: string }) => createHash("sha256").update(bytes).digest("hex")

describe("simulation", () => {
  it.effect("C35 a log-in by SCRAM and a signed message: the same seed gives the same bytes, at once", () =>
    Effect.gen(function*() {
      const run = (seed: number) => Simulation.run(Effect.provide(sent, NetMemory.layer), { seed, maxTime: "1 minute" })
      const [first, again, other] = [yield* run(1), yield* run(1), yield* run(2)]
      expect(first.bytes).toMatch(/^DKIM-Signature:/)
      expect(first.millis).toBeLessThan(5000)
      expect(digest(again)).toBe(digest(first))
      expect(digest(other)).not.toBe(digest(first))
    }))

  it.effect("C35 a log-in by SCRAM and a signed message under a test's clock: it does not move", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1000)
      const { bytes, millis } = yield* Effect.provide(sent, NetMemory.layer)
      expect(millis).toBe(0)
      expect(bytes).toContain("Date: Thu, 01 Jan 1970 00:00:01 +0000")
    }))
})
