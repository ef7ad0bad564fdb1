/** The options of clients and requests: what they make of a request, and how wrong ones are refused before anything is sent. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted } from "effect"
import { Body, Http, type HttpRequest } from "../../src/index.js"
import { failure, type Scripted, scripted, type Sent } from "./scriptedTransport.js"

const provided = ({ layer }: Scripted) => Effect.provide(Layer.merge(layer, NetMemory.layer))

/** What a client with these defaults sends for a target. */
const sentFor = (
  target: Http.Target<any, any>,
  defaults: Http.Defaults = {},
  answer: (sent: Sent, count: number) => ReturnType<Parameters<typeof scripted>[0]> = () => ({})
): Effect.Effect<Sent, unknown> => {
  const peer = scripted(answer)
  return Effect.flatMap(Http.make(defaults), (http) => http.bytes({ expect: "any", ...asOptions(target) })).pipe(
    Effect.map(() => peer.sent.at(-1)!),
    provided(peer)
  ) as Effect.Effect<Sent, unknown>
}

const asOptions = (target: Http.Target<any, any>) =>
  typeof target === "string" || target instanceof URL ? { url: target } : target

const url = "http://a.test/p"

describe("what a request says", () => {
  it.effect("C33 by default it accepts any type, and names the client and the codings that the platform undoes", () =>
    Effect.gen(function*() {
      const sent = yield* sentFor(url)
      expect([sent.method, sent.url, sent.body]).toEqual(["GET", url, "none"])
      // This transport undoes none.
      expect(sent.fields).toEqual([["accept", "*/*"], ["user-agent", "copas"]])
    }))

  const cases: ReadonlyArray<readonly [string, Http.Target, Http.Defaults, Record<string, string | undefined>]> = [
    ["its own fields in place of the client's", { url, headers: { "X-A": "2", B: "3" } }, { headers: { "x-a": "1" } }, {
      "x-a": "2",
      b: "3"
    }],
    ["none where it says so", { url, headers: { "USER-AGENT": undefined } }, {}, { "user-agent": undefined }],
    ["several values in several fields", { url, headers: { a: ["1", "2"] } }, {}, { a: "1, 2" }],
    ["numbers as text", { url, headers: { a: 1 } }, {}, { a: "1" }],
    ["pairs in their order", { url, headers: new Headers({ a: "1" }) }, {}, { a: "1" }],
    ["accept", { url, accept: "text/x" }, { accept: "text/y" }, { accept: "text/x" }],
    ["the client's name", url, { userAgent: "me/1" }, { "user-agent": "me/1" }],
    ["no name", url, { userAgent: false }, { "user-agent": undefined }],
    ["a range, uncoded", { url, range: { start: 5, end: 9 } }, {}, {
      range: "bytes=5-9",
      "accept-encoding": "identity"
    }],
    ["an open range", { url, range: { start: 5 } }, {}, { range: "bytes=5-" }],
    ["the last bytes", { url, range: { last: 3 } }, {}, { range: "bytes=-3" }],
    ["Basic of a user without password", { url, auth: { user: "ada" } }, {}, {
      authorization: `Basic ${btoa("ada:")}`
    }],
    ["a token", { url, auth: { token: Redacted.make("t") } }, {}, { authorization: "Bearer t" }],
    ["the URL's login before the client's", "http://me:pw@a.test/p", { auth: { user: "ada" } }, {
      authorization: `Basic ${btoa("me:pw")}`
    }],
    ["its own login before the URL's", { url: "http://me:pw@a.test/p", auth: { user: "ada" } }, {}, {
      authorization: `Basic ${btoa("ada:")}`
    }],
    ["its own Authorization before the client's", { url, headers: { authorization: "X y" } }, {
      auth: { user: "ada" }
    }, { authorization: "X y" }],
    ["UTF-8 in Basic", { url, auth: { user: "ä", password: Redacted.make("ß") } }, {}, {
      authorization: `Basic ${Buffer.from("ä:ß").toString("base64")}`
    }]
  ]
  it.effect.each(cases)("C33 %s", ([, target, defaults, fields]) =>
    Effect.gen(function*() {
      const sent = yield* sentFor(target, defaults)
      for (const [name, value] of Object.entries(fields)) expect([name, sent.header(name)]).toEqual([name, value])
      expect(sent.url).toBe(url)
    }))

  const queries: ReadonlyArray<readonly [string, string, HttpRequest.RequestOptions["query"], string]> = [
    ["a record", "http://a.test/", { a: "b c", d: ["1", "2"], e: undefined, f: 3 }, "http://a.test/?a=b+c&d=1&d=2&f=3"],
    ["pairs", "http://a.test/", [["a", "ü&="]], "http://a.test/?a=%C3%BC%26%3D"],
    ["URLSearchParams", "http://a.test/", new URLSearchParams("x=y"), "http://a.test/?x=y"],
    ["what the URL has already, as it is", "http://a.test/?q=%20+#f", { a: 1 }, "http://a.test/?q=%20+&a=1#f"],
    ["nothing", "http://a.test/?q", {}, "http://a.test/?q"]
  ]
  it.effect.each(queries)(
    "C33 the query is added: %s",
    ([, url, query, result]) => Effect.map(sentFor({ url, query }), (sent) => expect(sent.url).toBe(result))
  )

  it.effect("C33 a body is posted, and its type is the caller's if given", () =>
    Effect.gen(function*() {
      const text = yield* sentFor({ url, body: "ä" })
      expect([text.method, text.header("content-type"), text.body]).toEqual([
        "POST",
        "text/plain;charset=UTF-8",
        new TextEncoder().encode("ä")
      ])
      const own = yield* sentFor({
        url,
        method: "put",
        headers: { "Content-Type": "text/x" },
        body: Body.form({ a: 1 })
      })
      expect([own.method, own.header("content-type")]).toEqual(["PUT", "text/x"])
    }))

  it.effect("C33 the simple form posts text as a form, as LuaSocket does, and gives any status", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 404, body: "none" }))
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
      const answer = yield* http.request(url, "a=b")
      expect([answer.status, answer.text]).toEqual([404, "none"])
      expect([peer.sent[0]!.method, peer.sent[0]!.header("content-type")]).toEqual([
        "POST",
        "application/x-www-form-urlencoded"
      ])
      yield* http.request(url)
      expect(peer.sent[1]!.method).toBe("GET")
      expect(peer.open()).toBe(0)
    }))

  it.effect("C33 each call is its method, and its scope holds the answer", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({}))
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
      const calls = ["get", "head", "post", "put", "patch", "del", "options"] as const
      for (const call of calls) {
        yield* Effect.scoped(Effect.map(http[call](url), () => expect(peer.open()).toBe(1)))
        expect(peer.open()).toBe(0)
      }
      expect(peer.sent.map(({ method }) => method)).toEqual([
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS"
      ])
    }))
})

describe("routes", () => {
  it.effect("C33 requests of the same options have equal routes, and those of others have not", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({}))
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
      const connector = Http.unix("/run/x.sock")
      const permit = () => true
      const tls = { verify: "none" } as const
      const distinct: ReadonlyArray<object> = [
        {},
        { connector },
        { proxy: "http://proxy.test:1" },
        { proxy: "http://me:pw@proxy.test:1" },
        { addresses: "public" },
        { addresses: permit },
        { http2: "prefer" },
        { serverName: "b.test" },
        { limits: { head: 1000 } },
        { tls }
      ]
      for (const options of [...distinct, ...distinct]) yield* http.bytes({ url: "https://a.test/", ...options })
      const keys: Array<unknown> = []
      const numbers = peer.sent.map(({ route }) => {
        const { connect, http, limits, origin, permit, serverName, tls } = route
        const key = [connect, http, origin, permit, serverName, tls, ...Object.values(limits)]
        const known = keys.findIndex((other) => key.every((part, index) => part === (other as typeof key)[index]))
        return known === -1 ? keys.push(key) - 1 : known
      })
      const each = distinct.map((_, index) => index)
      expect(numbers).toEqual([...each, ...each])
    }))
})

describe("redirected routes", () => {
  it.effect("C33 serverName is for the origin of the URL alone, and public servers lead to public addresses only", () =>
    Effect.gen(function*() {
      const peer = scripted(({ url }) => {
        const next = Number(new URL(url).pathname.slice(1)) + 1
        const hosts = ["a.test", "a.test", "b.test", "a.test"]
        return next === 4
          ? {}
          : { status: 302, remote: "93.184.216.34", fields: [["Location", `https://${hosts[next]}/${next}`]] }
      })
      const http = yield* Effect.provide(Http.make({ serverName: "c.test" }), Layer.merge(peer.layer, NetMemory.layer))
      yield* http.bytes("https://a.test/0")
      expect(peer.sent.map(({ route, url }) => [url, route.serverName, route.permit !== undefined])).toEqual([
        ["https://a.test/0", "c.test", false],
        ["https://a.test/1", "c.test", false],
        ["https://b.test/2", undefined, true],
        ["https://a.test/3", "c.test", true]
      ])
    }))
})

describe("wrong options", () => {
  const wrong: ReadonlyArray<readonly [option: string, options: object]> = [
    ["timeouts.connect", { timeouts: { connect: 0 } }],
    ["timeouts.send", { timeouts: { send: -1 } }],
    ["timeouts.response", { timeouts: { response: "soon" } }],
    ["timeouts.receive", { timeouts: { receive: Number.NaN } }],
    ["timeouts.total", { timeouts: { total: 0 } }],
    ["limits.head", { limits: { head: 0 } }],
    ["limits.fields", { limits: { fields: 1.5 } }],
    ["limits.body", { limits: { body: -1 } }],
    ["limits.codings", { limits: { codings: "3" } }],
    ["limits.ratio", { limits: { ratio: 0 } }],
    ["maxRedirects", { maxRedirects: -1 }],
    ["maxRedirects", { maxRedirects: Infinity }],
    ["redirect", { redirect: "some" }],
    ["http2", { http2: true }],
    ["expect", { expect: "6xx" }],
    ["expect", { expect: [99] }],
    ["cookies", { cookies: {} }],
    ["connector", { connector: "http://proxy.test" }],
    ["proxy", { proxy: "proxy.test:8080" }],
    ["proxy", { proxy: "ftp://proxy.test" }],
    ["proxy", { proxy: "http://proxy.test:0" }],
    ["proxy", { proxy: "socks5://a b" }],
    ["proxy", { proxy: "http://me:%zz@proxy.test" }],
    ["proxy", { proxy: "socks4://me:pw@proxy.test" }],
    ["addresses", { addresses: "private" }],
    ["retry.schedule", { retry: { schedule: 3 } }],
    ["retry.maxRetryAfter", { retry: { maxRetryAfter: -1 } }]
  ]
  it.effect.each(wrong)(
    "C33 %s is refused by name, of a client when it is made and of a request before it is sent",
    ([option, options]) =>
      Effect.gen(function*() {
        const peer = scripted(() => ({}))
        const environment = Layer.merge(peer.layer, NetMemory.layer)
        const made = yield* Effect.flip(Effect.provide(Http.make(options), environment))
        expect([made._tag, "option" in made && made.option]).toEqual(["InvalidOption", option])
        const http = yield* Effect.provide(Http.make(), environment)
        const asked = yield* Effect.flip(http.bytes({ url, ...options }))
        expect([asked._tag, "option" in asked && asked.option]).toEqual(["InvalidOption", option])
        expect(peer.sent).toEqual([])
      })
  )

  const ofClient: ReadonlyArray<readonly [option: string, options: object]> = [
    ["pool.connections", { pool: { connections: 0 } }],
    ["pool.idle", { pool: { idle: "never" } }],
    ["propagateTo", { propagateTo: ["nowhere"] }],
    ["userAgent", { userAgent: "a\r\nb" }],
    ["accept", { accept: "a\nb" }],
    ["headers.x-a", { headers: { "X-A": "a\0b" } }],
    ["headers.host", { headers: { Host: "b.test" } }],
    ["auth", { auth: { user: "a:b" } }]
  ]
  it.effect.each(ofClient)(
    "C33 %s of a client is refused by name when it is made",
    ([option, options]) =>
      Effect.gen(function*() {
        const made = yield* Effect.flip(Http.make(options)).pipe(provided(scripted(() => ({}))))
        expect([made._tag, "option" in made && made.option]).toEqual(["InvalidOption", option])
      })
  )

  const oneShot = Body.stream(undefined as never)
  const ofRequest: ReadonlyArray<readonly [field: string, target: unknown]> = [
    ["url", ""],
    ["url", "a.test"],
    ["url", "//a.test/"],
    ["url", "ftp://a.test/"],
    ["url", "http://a.test/a\r\nX: y"],
    ["url", "http://a.test/\0"],
    ["url", "http://%zz:x@a.test/"],
    ["url", "http://a%3Ab:x@a.test/"],
    ["url", "http://a%0d%0a:x@a.test/"],
    ["url", undefined],
    ["url", {}],
    ["url", 7],
    ["method", { url, method: "G ET" }],
    ["method", { url, method: "" }],
    ["method", { url, method: "connect" }],
    ["headers.a b", { url, headers: { "a b": "c" } }],
    ["headers.a\\r\\nb", { url, headers: { "a\r\nb": "c" } }],
    ["headers", { url, headers: 7 }],
    ["headers.x-a", { url, headers: { "x-a": {} } }],
    ["headers.proxy-authorization", { url, headers: { "Proxy-Authorization": "x" } }],
    ["auth", { url, auth: { user: "a", password: "plain" } }],
    ["auth", { url, auth: { token: "plain" } }],
    ["auth", { url, auth: { token: Redacted.make("") } }],
    ["body", { url, body: 7 }],
    ["body", { url, body: { _tag: "Replayable" } }],
    ["query", { url, query: "a=b" }],
    ["range", { url, range: { start: -1 } }],
    ["range", { url, range: { start: 5, end: 4 } }],
    ["range", { url, range: { last: 0.5 } }],
    ["range", { url, range: "bytes=0-1" }],
    ["retry", { url, retry: true, body: oneShot }]
  ]
  it.effect.each(ofRequest)(
    "C33 %s of a request is InvalidRequest, and nothing is sent: %j",
    ([field, target]) =>
      Effect.gen(function*() {
        const peer = scripted(() => ({}))
        const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
        const error = yield* Effect.flip(http.bytes(target as string))
        expect([error._tag, "field" in error && error.field]).toEqual(["InvalidRequest", field])
        expect(error.message).toContain(`\`${field}\``)
        expect(peer.sent).toEqual([])
      })
  )
})

describe("what errors show", () => {
  const shown: ReadonlyArray<readonly [string, Http.Defaults, string]> = [
    ["http://me:pw@a.test/p?q=1#secret", {}, "http://a.test/p?q=1"],
    ["http://a.test/?a=1&ACCESS_TOKEN=x&sig=y&b", {}, "http://a.test/?a=1&ACCESS_TOKEN=REDACTED&sig=REDACTED&b"],
    ["http://a.test/?%61pi_key=x", {}, "http://a.test/?%61pi_key=REDACTED"],
    ["http://a.test/?mine=x&a=y", { redactQuery: ["MINE"] }, "http://a.test/?mine=REDACTED&a=y"],
    ["http://a.test/?a=x&b", { redactQuery: "all" }, "http://a.test/?a=REDACTED&REDACTED"]
  ]
  it.effect.each(shown)("C33 %s with %j is %s", ([url, defaults, text]) =>
    Effect.gen(function*() {
      const http = yield* Http.make(defaults).pipe(provided(scripted(() => failure("Violation"))))
      const error = yield* Effect.flip(http.bytes(url))
      expect([error._tag, "url" in error && error.url]).toEqual(["HttpProtocolViolation", text])
    }))

  it.effect("C33 a URL that cannot be read is shown without what may be a password, and cut", () =>
    Effect.gen(function*() {
      const http = yield* Http.make().pipe(provided(scripted(() => ({}))))
      for (const url of [`http://me:secret@a b/${"x".repeat(5000)}`, "nonsense?token=secret", "http://[/#secret"]) {
        const error = yield* Effect.flip(http.bytes(url))
        expect(String(error)).not.toContain("secret")
        expect(String(error).length).toBeLessThan(500)
      }
    }))
})

describe("statuses", () => {
  const cases: ReadonlyArray<readonly [HttpRequest.Expect | undefined, number, boolean]> = [
    [undefined, 200, true],
    [undefined, 204, true],
    [undefined, 304, false],
    [undefined, 404, false],
    [404, 404, true],
    [404, 200, false],
    ["4xx", 418, true],
    [["2xx", 404], 404, true],
    [["2xx", 404], 500, false],
    ["any", 500, true],
    [(status: number) => status % 2 === 1, 201, true],
    [(status: number) => status % 2 === 1, 200, false]
  ]
  it.effect.each(cases)(
    "C33 text with expect %s takes %i: %s",
    ([expected, status, isTaken]) =>
      Effect.gen(function*() {
        const peer = scripted(() => ({ status, fields: [["Content-Type", "text/x"]], body: "x".repeat(5000) }))
        const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
        const either = yield* Effect.either(http.text({ url, expect: expected }))
        expect(Either.isRight(either)).toBe(isTaken)
        if (Either.isLeft(either)) {
          const error = either.left
          expect(error._tag).toBe("UnexpectedStatus")
          if (error._tag === "UnexpectedStatus") {
            expect([error.status, error.contentType, error.text]).toEqual([status, "text/x", "x".repeat(4096)])
          }
        }
        expect(peer.open()).toBe(0)
      })
  )

  it.effect("C33 a call that has no use for a redirect says that its method is not repeated", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 302, fields: [["Location", "/b"]] }))
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, NetMemory.layer))
      const error = yield* Effect.flip(http.text({ url, body: "a" }))
      expect(error).toMatchObject({ _tag: "RedirectRefused", reason: "Method", status: 302 })
    }))
})
