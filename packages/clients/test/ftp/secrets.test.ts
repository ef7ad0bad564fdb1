/** No text that a value of the FTP client gives shows a password, an account or what a secret command carries. */
import { Copas, Net, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Fiber, Redacted } from "effect"
import * as Secrets from "../../../node/test/secrets.js"
import { Ftp } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { networks } from "../copasNetworks.js"
import { until } from "./networks.js"

const password = "hunter2/correct horse"
const wrong = "battery-staple:wrong"
const account = "account-4711-billing"
const changed = "NewSecret-99-changed"
const secrets = [
  Secrets.text("the password", password),
  Secrets.text("a wrong password", wrong),
  Secrets.text("the account", account),
  Secrets.text("a changed password", changed)
]

const users = { me: password }

/** Everything that a program which uses the client holds. */
const used = Effect.gen(function*() {
  const server = yield* FtpServer.make({ users, files: { "/a": "content" } })
  const where = { host: server.host, port: server.port }
  const login = { ...where, user: "me", password: Redacted.make(password), account: Redacted.make(account) }
  const exits: Record<string, unknown> = {}
  const fails = <A, E, R>(title: string, effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.exit(effect), (exit) => {
      expect(Exit.isFailure(exit), title).toBe(true)
      exits[title] = exit
      if (Exit.isFailure(exit)) {
        exits[`${title}, pretty`] = Cause.pretty(exit.cause, { renderErrorCause: true })
        exits[`${title}, squashed`] = Cause.squash(exit.cause)
      }
    })
  const ftp = yield* Ftp.make(login)
  const session = yield* ftp.connect()
  const pool = yield* ftp.pool({ size: 2 })
  const borrowed = yield* pool.session
  yield* session.get("a")
  yield* borrowed.list()
  const configured = yield* Effect.provide(
    Effect.flatMap(Ftp.Ftp, (ftp) => Effect.as(Effect.scoped(ftp.connect()), ftp)),
    Ftp.layerConfig({
      host: Config.succeed(where.host),
      port: Config.succeed(where.port),
      user: Config.succeed("me"),
      password: Config.redacted("PASSWORD")
    })
  ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PASSWORD", password]]))))

  const at = `${server.host}:${server.port}`
  yield* fails("a wrong password", Effect.scoped(ftp.connect({ ...login, password: Redacted.make(wrong) })))
  const urls = {
    "a wrong password in a URL": `ftp://me:${encodeURIComponent(wrong)}@${at}/a`,
    "a file that is not there": `ftp://me:${encodeURIComponent(password)}@${at}/missing`,
    "a port that is none": `ftp://me:${password}@${server.host}:99999999/`,
    "another scheme": `http://me:${password}@${at}/a`,
    "a bad escape": `ftp://me:${wrong}%zz@${at}/a`,
    "a fragment": `ftp://me:${encodeURIComponent(password)}@${at}/a#b`,
    "a host that is none": `ftp://me:${wrong}@^^/a`,
    "a bare slash in the password": `ftp://me:${password}@${at}/a`,
    "an @ in the password": `ftp://me:${wrong}@x@${at}/missing%0a`,
    "a line end": `ftp://me:${wrong}%0d%0a@${at}/a`,
    "a URL that connects nowhere": `ftp://me:${wrong}@127.0.0.1:1/a`
  }
  for (const [title, url] of Object.entries(urls)) yield* fails(title, ftp.get(url))
  yield* fails("a password in clear", session.command(`PASS ${changed}`))
  yield* fails("a SITE command", session.command(`SITE PSWD ${password} ${changed}`))
  yield* fails("a SITE command as a list", session.command(["SITE", `PASSWD ${changed}`]))
  yield* fails(
    "a line end in an account",
    Effect.scoped(ftp.connect({ ...login, password: Redacted.make(`${wrong}\r\n`) }))
  )
  yield* server.setQuirks({ replies: { PASS: `530 ${password} is wrong`, ACCT: `530 ${account} is wrong` } })
  yield* fails("a server that repeats the password", Effect.scoped(ftp.connect()))
  yield* server.setQuirks({ replies: { PASS: "332 Account please", ACCT: `530-${account}\r\n530 is wrong` } })
  yield* fails("a server that repeats the account", Effect.scoped(ftp.connect()))
  yield* server.setQuirks({ replies: { PASS: `${password} is no reply` } })
  yield* fails("a server that repeats it where a reply should be", Effect.scoped(ftp.connect()))
  yield* server.setQuirks({ replies: { PASS: "", SITE: "" } })
  // Sessions whose secret command has no reply yet.
  const before = (yield* server.commands).length
  const waiting = yield* Effect.fork(Effect.scoped(ftp.connect()))
  const pending = yield* Effect.fork(session.command(`SITE PSWD ${password} ${changed}`))
  const came = Effect.map(server.commands, (all) => all.slice(before).join("\n"))
  yield* until(Effect.map(came, (all) => all.includes("SITE") && all.includes("PASS ")))
  const values = {
    ftp,
    configured,
    session,
    pool,
    borrowed,
    options: login,
    waiting,
    net: yield* Net.Net,
    sockets: yield* Effect.flatMap(Net.Net, (net) => net.sockets),
    status: yield* Copas.status,
    layer: Ftp.layer(login),
    ...exits
  }
  return { values, end: Fiber.interruptAll([waiting, pending]) }
})

describe.each(networks)("no secret is in any text, %s", (_, layer) => {
  it.scopedLive("C34 that a value of FTP gives: services, sessions, pools, errors, spans, logs", () =>
    Effect.gen(function*() {
      const recording = yield* Secrets.recording
      const { end, values } = yield* Effect.withTracer(used, recording.tracer)
      expect(recording.shown.length).toBeGreaterThan(20)
      expect(yield* Secrets.search(secrets, { ...values, spans: recording.shown })).toEqual([])
      yield* end
    }).pipe(Effect.provide(layer)))
})

it.scopedLive("C34 a session under TLS shows neither its material nor its password", () =>
  Effect.gen(function*() {
    const made = TlsMemory.identity()
    const server = yield* FtpServer.make({ users, tls: yield* Tls.server({ identity: made.identity }) })
    const options = {
      host: server.host,
      port: server.port,
      user: "me",
      password: Redacted.make(password),
      tls: "explicit",
      tlsContext: { ca: made.ca, psk: { identity: "me", key: new TextEncoder().encode(changed) } },
      serverName: "localhost"
    } as const
    const ftp = yield* Ftp.make(options)
    const session = yield* ftp.connect()
    expect(session.isSecure).toBe(true)
    expect(yield* Secrets.search(secrets, { ftp, session, pool: yield* ftp.pool() })).toEqual([])
  }).pipe(Effect.provide(NetMemory.layer)))
