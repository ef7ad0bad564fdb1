/** No text that a value of the SMTP client gives shows a password, a token or what AUTH carries. */
import { Copas, Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Fiber, Redacted } from "effect"
import * as Secrets from "../../../node/test/secrets.js"
import { Smtp, type SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { networks } from "../copasNetworks.js"
import { until } from "../ftp/networks.js"
import { message } from "./dialogue.js"

const password = "hunter2/correct horse"
const wrong = "battery-staple:wrong"
const token = "token-4711-of-the-key-service"
const secrets = [
  Secrets.text("the password", password),
  Secrets.text("a wrong password", wrong),
  Secrets.text("the token", token)
]

/** Everything that a program which uses the client holds. */
const used = Effect.gen(function*() {
  const server = yield* SmtpServer.make({ users: { ada: password }, tokens: { ada: token }, allowInsecureAuth: true })
  const where = { host: server.host, port: server.port, tls: "none", allowInsecureAuth: true } as const
  const login = { ...where, auth: { user: "ada", password: Redacted.make(password) } }
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
  const smtp = yield* Smtp.make(login)
  const session = yield* smtp.connect()
  const pool = yield* smtp.pool({ size: 2 })
  yield* pool.send(message())
  yield* session.send(message())
  const configured = yield* Effect.provide(
    Effect.flatMap(Smtp.Smtp, (smtp) => Effect.as(Effect.scoped(smtp.connect()), smtp)),
    Smtp.layerConfig({
      host: Config.succeed(where.host),
      port: Config.succeed(where.port),
      tls: Config.succeed("none"),
      auth: Config.map(Config.redacted("PASSWORD"), (password) => ({ user: "ada", password }))
    })
  ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PASSWORD", password]]))))

  const by = (mechanism: SmtpSession.MechanismName, credential: SmtpSession.Auth) => ({
    ...where,
    auth: { user: "ada", ...credential, mechanisms: [mechanism] }
  })
  const mechanisms = ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"] as const
  for (const mechanism of mechanisms) {
    const options = by(mechanism, { password: Redacted.make(wrong) })
    yield* fails(`a wrong password by ${mechanism}`, Effect.scoped(smtp.connect(options)))
  }
  for (const mechanism of ["XOAUTH2", "OAUTHBEARER"] as const) {
    const options = by(mechanism, { token: Effect.succeed(Redacted.make(wrong)) })
    yield* fails(`a wrong token by ${mechanism}`, Effect.scoped(smtp.connect(options)))
  }
  const at = `${server.host}:${server.port}`
  const urls = {
    "a wrong password in a URL": `smtp://ada:${encodeURIComponent(wrong)}@${at}`,
    "a port that is none": `smtp://ada:${wrong}@${server.host}:99999999/`,
    "another scheme": `http://ada:${wrong}@${at}`,
    "a path": `smtp://ada:${wrong}@${at}/path`,
    "a bare slash in the password": `smtp://ada:${password}@${at}`,
    "a line end": `smtp://ada:${wrong}%0d%0a@${at}`
  }
  for (const [title, url] of Object.entries(urls)) yield* fails(title, Effect.scoped(smtp.connect(url)))
  yield* fails(
    "AUTH as a command",
    session.command(`AUTH PLAIN ${Buffer.from(`\0ada\0${password}`).toString("base64")}`)
  )
  yield* fails("AUTH as a list", session.command(["AUTH", "PLAIN", Redacted.make(password)]))
  yield* fails("a secret in another command", session.command(["XAUTH", Redacted.make(password)]))
  const encoded = Buffer.from(`\0ada\0${password}`).toString("base64")
  const plain = by("PLAIN", { password: Redacted.make(password) })
  for (const reply of [`535 ${encoded} is wrong`, `${encoded} is no reply`, `334 ${password}`]) {
    yield* server.setQuirks({ replies: { AUTH: reply } })
    yield* fails(`a server that says ${reply.slice(0, 3)} and repeats it`, Effect.scoped(smtp.connect(plain)))
  }
  yield* server.setQuirks({ replies: undefined, endings: { AUTH: "silence" } })
  const before = (yield* server.commands).length
  const waiting = yield* Effect.fork(Effect.scoped(smtp.connect(plain)))
  yield* until(Effect.map(server.commands, (all) => all.slice(before).some((line) => line.startsWith("AUTH"))))
  const values = {
    smtp,
    configured,
    session,
    pool,
    options: login,
    waiting,
    net: yield* Net.Net,
    sockets: yield* Effect.flatMap(Net.Net, (net) => net.sockets),
    status: yield* Copas.status,
    layer: Smtp.layer(login),
    ...exits
  }
  return { values, end: Fiber.interrupt(waiting) }
})

describe.each(networks)("no secret is in any text, %s", (_, layer) => {
  it.scopedLive("C35 that a value of SMTP gives: services, sessions, pools, errors, spans, logs", () =>
    Effect.gen(function*() {
      const recording = yield* Secrets.recording
      const traced = Effect.provideService(used, Smtp.traced, true)
      const { end, values } = yield* Effect.withTracer(traced, recording.tracer)
      expect(recording.shown.length).toBeGreaterThan(20)
      expect(yield* Secrets.search(secrets, { ...values, spans: recording.shown })).toEqual([])
      yield* end
    }).pipe(Effect.provide(layer)))
})
