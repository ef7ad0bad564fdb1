/** Credentials: they go to the origin that was named, or to the proxy, and to nobody else, whatever redirects say. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Logger, Redacted, TestClock } from "effect"
import * as fc from "effect/FastCheck"
import { inspect } from "node:util"
import { Cookies, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { keepingTracer, type Kept } from "../keepingTracer.js"
import { identity } from "./identities.js"
import { answering, namesOf, platforms } from "./support.js"

/** A proxy that tunnels everything to loopback, whatever the name. */
const tunnelling = HttpPeer.make({
  script: (connection) =>
    Effect.gen(function*() {
      const { target } = yield* connection.request
      yield* connection.answer({})
      yield* connection.tunnel("127.0.0.1", Number(target.split(":").at(-1)))
    })
})

describe.each(platforms)("credentials, %s", (name, platform) => {
  it.scoped("C33 the proxy's credentials go to the proxy alone, also after a redirect to https: or past the proxy", () =>
    Effect.gen(function*() {
      const { ca, tls } = yield* identity(name)
      const proxy = yield* tunnelling
      const secure = yield* HttpPeer.make({ tls, handler: () => ({ body: "secure" }) })
      const direct = yield* HttpPeer.make({ handler: () => ({ body: "direct" }) })
      const first = yield* answering({
        "/secure": { status: 302, fields: { Location: `https://localhost:${secure.port}/` } },
        "/direct": { status: 302, fields: { Location: `http://127.0.0.1:${direct.port}/` } },
        "/back": { status: 302, fields: { Location: `http://localhost:${direct.port}/` } }
      })
      const provider = ConfigProvider.fromMap(
        new Map([
          ["http_proxy", `http://ada:secret@127.0.0.1:${proxy.port}`],
          ["https_proxy", `http://ada:secret@127.0.0.1:${proxy.port}`],
          ["no_proxy", "127.0.0.1"]
        ])
      )
      const http = yield* Effect.withConfigProvider(Http.make({ proxy: "environment", tls: { ca } }), provider)
      const base = `http://localhost:${first.port}`
      expect(yield* http.text(`${base}/secure`)).toBe("secure")
      expect(yield* http.text(`${base}/direct`)).toBe("direct")
      expect(yield* http.text(`${base}/back`)).toBe("direct")
      const login = `Basic ${btoa("ada:secret")}`
      const connects = yield* proxy.requests
      expect(new Set(connects.map(({ target }) => target))).toEqual(
        new Set([`localhost:${first.port}`, `localhost:${secure.port}`, `localhost:${direct.port}`])
      )
      expect(connects.every((request) => request.header("proxy-authorization") === login)).toBe(true)
      for (const peer of [first, secure, direct]) {
        for (const request of yield* peer.requests) expect(request.head).not.toMatch(/proxy-|secret|authorization/i)
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 credentials for one proxy are not those of another with the same host", () =>
    Effect.gen(function*() {
      const proxy = yield* tunnelling
      const peer = yield* HttpPeer.make()
      const http = yield* Http.make()
      const through = (user: string) =>
        http.text({ url: peer.url, proxy: `http://${user}:secret@127.0.0.1:${proxy.port}` })
      for (const user of ["ada", "eve", "ada"]) yield* through(user)
      const connects = yield* proxy.requests
      expect(connects.map((request) => request.header("proxy-authorization"))).toEqual([
        `Basic ${btoa("ada:secret")}`,
        `Basic ${btoa("eve:secret")}`,
        // The third used the first one's connection.
        ...(connects.length > 2 ? [`Basic ${btoa("ada:secret")}`] : [])
      ])
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 userinfo of the URL is Basic, decoded; neither it nor the fragment is in the request or in any error", () =>
    Effect.gen(function*() {
      const shown: Array<string> = []
      const logger = Logger.make(({ annotations, cause, message }) => {
        shown.push(inspect([message, annotations, Cause.pretty(cause)], { depth: 9 }))
      })
      const spans: Array<Kept> = []
      const tracer = keepingTracer(spans)
      const peer = yield* HttpPeer.make({
        handler: ({ target }): HttpPeer.Reply => {
          const answers: Record<string, HttpPeer.Reply> = {
            "/refused": { status: 401, body: "no" },
            "/cut": { body: "0123456789", cut: -5 },
            "/violation": "SSH-2.0-x\r\n\r\n",
            "/loop": { status: 302, fields: { Location: "/loop" } },
            "/scheme": { status: 302, fields: { Location: "file://eve:stolen@a/" } },
            "/gone": { cut: 0 },
            "/coded": { fields: { "Content-Encoding": "gzip" }, body: "plain" }
          }
          return answers[target.replace(/\?.*/, "")] ?? { body: "abc" }
        }
      })
      const authority = `u%40x:p%3Aw-secret@127.0.0.1:${peer.port}`
      const http = yield* Http.make()
      const targets = ["/", "/refused", "/cut", "/violation", "/loop", "/scheme", "/gone", "/coded"]
      for (const target of targets) {
        const url = `http://${authority}${target}?q=1#frag?not=query`
        const exit = yield* Effect.exit(http.text({ url, headers: { "X-Secret": "w-secret" } })).pipe(
          Effect.withSpan("test"),
          Effect.withTracer(tracer)
        )
        expect([target, Exit.isSuccess(exit)]).toEqual([target, target === "/"])
        if (Exit.isFailure(exit)) {
          const error = Cause.squash(exit.cause)
          shown.push(String(error), JSON.stringify(exit), inspect(error, { depth: 9 }), Cause.pretty(exit.cause))
          yield* Effect.logError("it failed", exit.cause).pipe(
            Effect.provide(Logger.replace(Logger.defaultLogger, logger))
          )
        }
      }
      const request = (yield* peer.requests)[0]!
      expect(request.header("authorization")).toBe(`Basic ${btoa("u@x:p:w-secret")}`)
      expect(request.target).toBe("/?q=1")
      expect(request.header("host")).toBe(`127.0.0.1:${peer.port}`)
      for (const { head } of yield* peer.requests) {
        expect(head.replace(/^(Authorization|X-Secret): .*$/gim, "")).not.toMatch(/secret|frag|referer|u@x|u%40x/i)
      }
      expect(spans.length).toBeGreaterThan(targets.length)
      for (const { attributes, events, exit } of spans) shown.push(inspect([attributes, events, exit], { depth: 9 }))
      shown.push(inspect(http, { depth: 9 }), JSON.stringify(http) ?? "")
      const all = shown.join("\n")
      for (const secret of ["w-secret", "p%3Aw", "stolen", btoa("u@x:p:w-secret"), "#frag"]) {
        expect(all.includes(secret), all.slice(Math.max(0, all.indexOf(secret) - 300), all.indexOf(secret) + 50)).toBe(
          false
        )
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a token is asked for again once at 401, goes to its origin alone, and the second 401 is the answer", () =>
    Effect.gen(function*() {
      let tokens = 0
      const auth = { token: Effect.sync(() => Redacted.make(`token-${++tokens}`)) }
      const other = yield* HttpPeer.make({ handler: () => ({ status: 401 }) })
      const peer = yield* HttpPeer.make({
        handler: (request): HttpPeer.Reply => {
          if (request.target === "/away") return { status: 302, fields: { Location: other.url } }
          return { status: request.header("authorization") === "Bearer token-2" ? 200 : 401 }
        }
      })
      const http = yield* Http.make({ auth })
      expect((yield* http.request(peer.url)).status).toBe(200)
      expect(tokens).toBe(2)
      expect((yield* http.request(peer.url)).status).toBe(401)
      expect(tokens).toBe(4)
      expect((yield* http.request(`${peer.url}/away`)).status).toBe(401)
      const sent = yield* other.requests
      // Nothing that could be refreshed was sent there.
      expect(sent.map(namesOf).flat()).not.toContain("authorization")
      expect(sent).toHaveLength(1)
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 cookies go where their Path, Secure and host say, and expired ones nowhere", () =>
    Effect.gen(function*() {
      const other = yield* HttpPeer.make()
      const peer = yield* answering({
        "/": {
          fields: {
            "Set-Cookie": [
              "private=1; Path=/private; HttpOnly",
              "secure=1; Path=/; Secure",
              "gone=1; Path=/; Max-Age=0",
              "past=1; Path=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
              "dated=a%0d%0aX: y=z\"; Path=/; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
              "plain=1"
            ]
          }
        },
        "/private/x": {},
        "/other": { status: 302, fields: { Location: other.url.replace("127.0.0.1", "localhost") } }
      })
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const http = yield* Http.make({ cookies: yield* Cookies.jar() })
      for (const target of ["/", "/private/x", "/other"]) yield* http.request(peer.url + target)
      const sent = (yield* peer.requests).map((request) => request.header("cookie")?.split("; ").sort())
      const dated = "dated=a%0d%0aX: y=z\""
      expect(sent).toEqual([undefined, [dated, "plain=1", "private=1"], [dated, "plain=1"]])
      const [asked] = yield* other.requests
      expect(namesOf(asked!)).not.toContain("cookie")
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 cookies that claim what they may not are refused, and a host-only one of localhost works", () =>
    Effect.gen(function*() {
      const peer = yield* answering({
        "/": {
          fields: {
            "Set-Cookie": [
              "__Host-a=1; Secure; Path=/; Domain=localhost",
              "__Secure-b=1; Path=/",
              "__host-c=1; Path=/; Domain=localhost",
              "__SECURE-d=1; Path=/",
              "e=1; Path=/; Domain=com",
              "f=1; Path=/; Domain=other.test",
              "ok=1; Path=/",
              "local=1; Path=/; Domain=localhost"
            ]
          }
        }
      })
      const http = yield* Http.make({ cookies: yield* Cookies.jar() })
      const url = peer.url.replace("127.0.0.1", "localhost")
      yield* http.request(url)
      yield* http.request(url)
      const [, second] = yield* peer.requests
      const sent = second!.header("cookie")?.split("; ") ?? []
      expect(sent).toContain("ok=1")
      expect(sent.filter((cookie) => !/^(ok|local)=1$/.test(cookie))).toEqual([])
    }).pipe(Effect.provide(platform)))
})

// ---- The kind

const statuses = fc.constantFrom(301, 302, 303, 307, 308)
const shapes = fc.constantFrom("plain", "userinfo", "localhost", "schemeless", "fragment", "query")
const names = [
  "Authorization",
  "cookie",
  "X-Api-Key",
  "PROXY-AUTHORIZATION",
  "X-Amz-Security-Token",
  "Origin",
  "referer"
]

it.live("C33 whatever the redirects, no secret of the caller reaches a second origin", () =>
  Effect.gen(function*() {
    const path = fc.array(fc.record({ status: statuses, peer: fc.nat(2), shape: shapes }), {
      minLength: 1,
      maxLength: 5
    })
    const request = fc.record({
      method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
      redirect: fc.constantFrom<true | "all">(true, "all"),
      byUrl: fc.boolean(),
      names: fc.subarray(names),
      path
    })
    const context = yield* Effect.context<Effect.Effect.Context<ReturnType<typeof Http.make>>>()
    let current: ReadonlyArray<{ readonly status: number; readonly peer: number; readonly shape: string }> = []
    const peers: Array<HttpPeer.HttpPeer> = []
    const location = (step: (typeof current)[number], at: number): string => {
      const { host, port } = peers[step.peer]!
      const userinfo = step.shape === "userinfo" ? "eve:pass@" : ""
      const name = step.shape === "localhost" ? "localhost" : host
      const end = step.shape === "fragment" ? "#x" : step.shape === "query" ? "?secret-free" : ""
      return `${step.shape === "schemeless" ? "" : "http:"}//${userinfo}${name}:${port}/${at}${end}`
    }
    const handler = ({ target }: HttpPeer.Request): HttpPeer.Reply => {
      const at = Number(/^\/(\d+)/.exec(target)?.[1] ?? 0)
      const step = current[at]
      return step === undefined
        ? { body: "landed" }
        : { status: step.status, fields: { Location: location(step, at + 1) } }
    }
    for (let count = 0; count < 3; count++) peers.push(yield* HttpPeer.make({ handler }))
    const http = yield* Http.make({ auth: { user: "ada", password: Redacted.make("s3cret") } })
    const before = [0, 0, 0]
    yield* Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(request, ({ byUrl, method, names, path, redirect }) =>
          Effect.runPromise(Effect.provide(
            Effect.gen(function*() {
              current = path
              const url = byUrl ? peers[0]!.url.replace("//", "//bob:s3cret@") : peers[0]!.url
              const fields = Object.fromEntries(names.map((name) => [name, "s3cret"]))
              yield* Effect.exit(Effect.scoped(http.request({ method, url: `${url}/0`, redirect, headers: fields })))
              const origin = peers[0]!.port
              for (const [index, peer] of peers.entries()) {
                const requests = (yield* peer.requests).slice(before[index])
                before[index]! += requests.length
                for (const { head } of requests) {
                  const isNamed = peer.port === origin && head.includes(`127.0.0.1:${origin}`)
                  if (!isNamed) expect(head).not.toMatch(/s3cret|YWRhOnMzY3JldA|Ym9iOnMzY3JldA|ZXZlOnBhc3M/)
                }
              }
            }),
            context
          ))),
        Sampling.runs({ short: 40, long: 5000 })
      )
    )
  }).pipe(Effect.scoped, Effect.provide(platforms[0]![1])))
