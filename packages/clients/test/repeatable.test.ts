/** A simulation of the clients is the same twice with one seed: every command, name, number and event of the network. */
import { Copas, Net, Tls } from "@copas/core"
import { NetMemory, Simulation, TlsMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope, Stream } from "effect"
import { Ftp, Smtp } from "../src/index.js"
import { FtpServer, SmtpServer } from "../src/testing/index.js"

type Say = (what: unknown) => void
type Used = Effect.Effect<unknown, unknown, Net.Net | Copas.Copas | Scope.Scope>

const password = Redacted.make("a password")

const ftp = (say: Say): Used =>
  Effect.gen(function*() {
    const made = TlsMemory.identity()
    const tls = yield* Tls.server({ identity: made.identity })
    const server = yield* FtpServer.make({ users: { me: "a password" }, files: { "/d/a": "content" }, tls })
    const ftp = yield* Ftp.make({
      host: server.host,
      port: server.port,
      user: "me",
      password,
      tls: "explicit",
      tlsContext: { ca: made.ca },
      serverName: "localhost"
    })
    const session = yield* ftp.connect()
    yield* session.get("d/a")
    yield* session.put("d/b", Stream.make(new Uint8Array(70_000)))
    yield* session.replace("d/a", "whole")
    const pool = yield* ftp.pool({ size: 3 })
    yield* Effect.replicateEffect(pool.use((session) => session.list("d")), 5, { concurrency: "unbounded" })
    say(yield* server.commands)
  })

const smtp = (say: Say): Used =>
  Effect.gen(function*() {
    const made = TlsMemory.identity()
    const server = yield* SmtpServer.make({
      tls: yield* Tls.server({ identity: made.identity }),
      users: { me: "a password" }
    })
    const smtp = yield* Smtp.make({
      host: server.host,
      port: server.port,
      tlsContext: { ca: made.ca },
      serverName: "localhost",
      auth: { user: "me", password }
    })
    const pool = yield* smtp.pool({ size: 3 })
    const message = {
      from: "a@a.test",
      to: "b@b.test",
      subject: "hello",
      text: "hello",
      html: "<b>hello</b>",
      attachments: [{ filename: "a.bin", content: new Uint8Array(1000) }]
    }
    say(yield* Effect.replicateEffect(pool.send(message), 7, { concurrency: "unbounded" }))
    say(yield* server.commands)
    for (const { bytes } of yield* server.messages) say(new TextDecoder().decode(bytes))
  })

/** What happened, in the words of all that shows something. */
const told = (use: (say: Say) => Used) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const say: Say = (what) => log.push(JSON.stringify(what))
    yield* Effect.flatMap(Net.Net, (net) => net.observe(say))
    yield* Copas.observe(say)
    yield* use(say)
    say(yield* Copas.status)
    return log
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer)))

describe.each(Object.entries({ ftp, smtp }))("%s", (_, use) => {
  it.effect("C34 C35 a simulation with one seed is the same each time, in all that it shows", () =>
    Effect.gen(function*() {
      const first = yield* Simulation.run(told(use), { seed: 1 })
      assert.isAbove(first.length, 30)
      assert.deepStrictEqual(yield* Simulation.run(told(use), { seed: 1 }), first)
      assert.notDeepEqual(yield* Simulation.run(told(use), { seed: 2 }), first)
    }))
})
