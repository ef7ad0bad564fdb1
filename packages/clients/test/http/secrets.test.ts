/** No text that a value of the HTTP client gives shows a password, a token, a cookie or a secret of a query. */
import { NetMemory } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Layer, Redacted } from "effect"
import * as Secrets from "../../../node/test/secrets.js"
import { Body, Cookies, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"

const password = "hunter2/correct horse"
const token = "token-4711-of-the-key-service"
const header = "x-secret-0815-of-a-header"
const cookie = "session-cookie-2342-value"
const parameter = "parameter-1337-of-a-query"
const fragment = "fragment-9001-of-a-url"
const proxied = "proxy-password-1984"
const basic = (user: string, secret: string) => Buffer.from(`${user}:${secret}`).toString("base64")

const secrets = [
  Secrets.text("the password", password),
  // The last bytes of "ada:" and what follows stand together in base64.
  Secrets.text("Basic", basic("ada", password)),
  Secrets.text("the token", token),
  Secrets.text("a header", header),
  Secrets.text("a cookie", cookie),
  Secrets.text("a parameter", parameter),
  Secrets.text("a fragment", fragment),
  Secrets.text("the proxy's password", proxied),
  Secrets.text("the proxy's Basic", basic("ada", proxied))
]

const platform = Layer.provideMerge(NodeHttpTransport.layer, NetMemory.layer)

/** Everything that a program which uses the client holds. What a server says is the server's, and it says no secret here. */
const used = Effect.gen(function*() {
  const other = yield* HttpPeer.make({ handler: () => ({ body: "other" }) })
  const peer = yield* HttpPeer.make({
    handler: ({ target }): HttpPeer.Reply => {
      if (!target.startsWith("/")) return { status: 407, ending: "close" }
      const answers: Record<string, HttpPeer.Reply> = {
        "/401": { status: 401, body: "no" },
        "/cut": { body: "0123456789", cut: -5 },
        "/gone": { cut: 0 },
        "/violation": "SSH-2.0-x\r\n\r\n",
        "/loop": { status: 302, fields: { Location: `/loop?access_token=${parameter}` } },
        "/scheme": { status: 302, fields: { Location: `file://eve:${encodeURIComponent(password)}@a/` } },
        "/none": { status: 302, fields: { Location: `http://eve:${encodeURIComponent(password)}@a b/` } },
        "/away": { status: 302, fields: { Location: `${other.url}/` } },
        "/coded": { fields: { "Content-Encoding": "gzip" }, body: "plain" },
        "/large": { body: "x".repeat(2000) }
      }
      return answers[target.replace(/\?.*/, "")] ?? { body: "abc" }
    }
  })
  const jar = yield* Cookies.jar()
  yield* jar.store(new URL(peer.url), [`a=${cookie}; Path=/`])
  const values: Record<string, unknown> = {}
  const auth = { user: "ada", password: Redacted.make(password) }
  const query = `access_token=${parameter}&sig=${parameter}#${fragment}`
  const authority = `ada:${encodeURIComponent(password)}@127.0.0.1:${peer.port}`
  const byUrl = (path: string) => `http://${authority}${path}?${query}`
  const headers = { "X-Secret": header }

  const http = yield* Http.make({ auth, cookies: jar, headers })
  const byToken = yield* Http.make({ auth: { token: Effect.succeed(Redacted.make(token)) } })
  const through = yield* Http.make({ proxy: `http://ada:${proxied}@127.0.0.1:${peer.port}` })
  const configured = yield* Effect.provide(
    Http.Http,
    Http.layerConfig({ auth: Config.map(Config.redacted("PASSWORD"), (password) => ({ user: "ada", password })) })
  ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PASSWORD", password]]))))
  Object.assign(values, { http, byToken, through, configured, jar, client: http.client })

  // Answers: their own URL shows a query and a fragment, which are not secrets to the program that asked for it.
  const target = { url: `http://${authority}/`, headers }
  const whole = yield* http.request(target.url)
  const streamed = yield* http.request(target)
  Object.assign(values, {
    whole,
    streamed,
    headers: streamed.headers,
    request: streamed.request,
    text: yield* streamed.text
  })
  const led = yield* http.request({ ...target, url: `http://${authority}/away` })
  Object.assign(values, {
    led,
    bytes: yield* led.bytes,
    byToken1: yield* byToken.request({ url: peer.url, body: "x" })
  })

  const fails = <A, E, R>(title: string, effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.exit(effect), (exit) => {
      expect(Exit.isFailure(exit), title).toBe(true)
      if (Exit.isSuccess(exit)) return
      values[title] = exit
      values[`${title}, pretty`] = Cause.pretty(exit.cause, { renderErrorCause: true })
    })
  for (const path of ["/401", "/cut", "/gone", "/violation", "/loop", "/scheme", "/none", "/coded"]) {
    yield* fails(path, http.text({ url: byUrl(path), headers }))
    yield* fails(`${path} by a token`, byToken.text({ url: `${peer.url}${path}?${query}` }))
  }
  yield* fails("/large", http.text({ url: byUrl("/large"), limits: { body: 1000 } }))
  yield* fails("nobody there", http.text(`http://ada:${encodeURIComponent(password)}@127.0.0.1:1/?${query}`))
  yield* fails("a proxy", through.text({ url: "http://a.test/", headers }))
  yield* fails("a wrong proxy", http.text({ url: peer.url, proxy: `ftp://ada:${proxied}@a.test` }))
  const wrong: Record<string, object> = {
    "no URL": { url: `http://ada:${password}@a b/?${query}` },
    "another scheme": { url: `ftp://ada:${encodeURIComponent(password)}@a.test/?${query}` },
    "a line end in the URL": { url: `http://ada:${encodeURIComponent(password)}@a.test/\r\n?${query}` },
    "a line end in a field": { url: byUrl("/"), headers: { "X-Secret": `${header}\r\n` } },
    "a field that is not the caller's": { url: byUrl("/"), headers: { "Proxy-Authorization": `Basic ${header}` } },
    "a line end in a token": { url: byUrl("/"), auth: { token: Redacted.make(`${token}\n`) } },
    "a line end in a password": { url: peer.url, auth: { user: "ada", password: Redacted.make(`${password}\r`) } },
    "a password that is not redacted": { url: peer.url, auth: { user: "ada", password } },
    "a token that is not redacted": { url: peer.url, auth: { token } },
    "a token that fails": { url: byUrl("/"), auth: { token: Effect.fail("no key service") } },
    "a wrong body": { url: byUrl("/"), body: 7, headers },
    "a wrong option": { url: byUrl("/"), redirect: "some", headers }
  }
  for (const [title, options] of Object.entries(wrong)) yield* fails(title, http.text(options as never))
  yield* fails("a body that fails", http.text({ url: byUrl("/"), body: Body.jsonValue(1n), headers }))
  return values
})

describe("secrets", () => {
  it.scopedLive("C33 no value, error, log or span of the client shows one", () =>
    Effect.gen(function*() {
      const spans = yield* Secrets.recording
      const values = yield* Effect.withTracer(used, spans.tracer)
      expect(spans.shown.length).toBeGreaterThan(20)
      const shown = Object.fromEntries(spans.shown.map((span, index) => [`span ${index}`, span]))
      expect(yield* Secrets.search(secrets, { ...values, ...shown })).toEqual([])
    }).pipe(Effect.provide(platform)))
})
