/** Where a request may go, and what it may say: addresses at every hop, proxies that misbehave, and injection. */
import { NetMemory } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, type Scope, TestClock } from "effect"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { pattern, same, text, turn } from "../ftp/networks.js"
import { failsWith, platforms } from "./support.js"

/** Hosts in every spelling, none of them public. */
const notPublic = [
  "169.254.169.254",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:169.254.169.254]",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::]",
  "0.0.0.0",
  "0",
  "0x7f.1",
  "0x7f000001",
  "017700000001",
  "2130706433",
  "127.1",
  "127.0.0.1.",
  "[::]",
  "[::1]",
  "100.64.0.1",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "[fd00::1]",
  "[fe80::1]",
  "[fec0::1]",
  "[ff02::1]",
  "192.0.2.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "localhost",
  "LOCALHOST.",
  "①②⑦.⓪.⓪.①"
]

describe.each(platforms)("addresses, %s", (_, platform) => {
  it.scoped.each(notPublic)(
    "C33 with addresses: \"public\", http://%s is AddressForbidden, before a packet is sent",
    (host) =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make()
        const http = yield* Http.make({ addresses: "public" })
        const error = yield* failsWith(http.text(`http://${host}:${peer.port}/x`), "AddressForbidden")
        expect(error).toMatchObject({ reason: "addresses", hop: 0 })
        expect((yield* peer.connections).total).toBe(0)
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 a redirect to what is not permitted is AddressForbidden at its hop, with a connection that is there, too", () =>
    Effect.gen(function*() {
      const inner = yield* HttpPeer.make()
      const outer = yield* HttpPeer.make({
        handler: ({ target }) => ({ status: 302, fields: { Location: target.slice(1) } })
      })
      const http = yield* Http.make({ addresses: (address) => !("port" in address) || address.port === outer.port })
      // Another request's function permits it, and leaves a connection behind.
      expect((yield* http.request({ url: inner.url, addresses: "any" })).status).toBe(200)
      const error = yield* failsWith(http.text(`${outer.url}/${inner.url}`), "AddressForbidden")
      expect(error).toMatchObject({ hop: 1 })
      expect((yield* inner.requests).length).toBe(1)
    }).pipe(Effect.provide(platform)))
})

describe("addresses of names", () => {
  const inMemory = <A, E>(
    use: (
      network: NetMemory.Network
    ) => Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof Http.make>> | Scope.Scope>
  ) =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const client = yield* network.addHost("client")
      return yield* Effect.provide(use(network), Layer.provideMerge(NodeHttpTransport.layer, client.layer))
    })
  const publicAddress = "93.184.216.34"

  it.scoped("C33 of a name's addresses only the permitted ones are tried, and what was checked is connected to", () =>
    inMemory((network) =>
      Effect.gen(function*() {
        const outside = yield* network.addHost("both.test", { addresses: ["10.0.0.9", publicAddress] })
        const peer = yield* Effect.provide(
          HttpPeer.make({ host: "0.0.0.0", handler: () => ({ body: "landed" }) }),
          outside.layer
        )
        const http = yield* Http.make({ addresses: "public" })
        const answer = yield* http.request(`http://both.test:${peer.port}/`)
        expect([text(answer.bytes), answer.connection.remoteAddress]).toMatchObject(["landed", { host: publicAddress }])
      })
    ))

  it.scoped("C33 a public host that redirects to one that is not public is refused, unless addresses says otherwise", () =>
    inMemory((network) =>
      Effect.gen(function*() {
        const outside = yield* network.addHost("outside.test", { addresses: [publicAddress] })
        const inside = yield* network.addHost("inside.test", { addresses: ["10.0.0.9"] })
        const inner = yield* Effect.provide(HttpPeer.make({ host: "0.0.0.0" }), inside.layer)
        const peer = yield* Effect.provide(
          HttpPeer.make({
            host: "0.0.0.0",
            handler: ({ target }) => ({ status: 302, fields: { Location: `http://${target.slice(1)}:${inner.port}/` } })
          }),
          outside.layer
        )
        const http = yield* Http.make()
        for (const host of ["inside.test", "10.0.0.9", "[::ffff:10.0.0.9]"]) {
          const url = `http://outside.test:${peer.port}/${host}`
          const error = yield* failsWith(http.text(url), "AddressForbidden")
          expect(error).toMatchObject({ reason: "redirect", hop: 1 })
        }
        expect((yield* inner.connections).total).toBe(0)
        const answer = yield* http.request({ url: `http://outside.test:${peer.port}/inside.test`, addresses: "any" })
        expect(answer.status).toBe(200)
      })
    ))
})

describe.each(platforms)("a proxy through the client, %s", (_, platform) => {
  const target = "http://target.test:81/x"
  const close: HttpPeer.Ending = "close"
  const answers: ReadonlyArray<readonly [string, HttpPeer.Reply, string, number | undefined]> = [
    ["407 with a body", { status: 407, body: "who?", ending: close }, "AuthenticationRequired", 407],
    ["403", { status: 403, ending: close }, "Forbidden", 403],
    ["502", { status: 502, ending: close }, "TargetUnreachable", 502],
    ["400", { status: 400, ending: close }, "Refused", 400],
    ["a redirect", { status: 302, fields: { Location: "http://a.test/" }, ending: close }, "Refused", 302],
    ["HTML", "<html>no</html>\r\n\r\n", "BadReply", undefined],
    ["64 kB of head", { fields: { A: "b".repeat(70_000) } }, "BadReply", undefined]
  ]
  it.scoped.each(answers)(
    "C33 its %s is a ProxyError, with the proxy and no credentials",
    ([, reply, reason, code]) =>
      Effect.gen(function*() {
        const proxy = yield* HttpPeer.make({ handler: () => reply })
        const http = yield* Http.make({ proxy: `http://ada:secret@${proxy.host}:${proxy.port}` })
        const error = yield* failsWith(http.text(target), "ProxyError")
        expect([error.reason, error.code]).toEqual([reason, code])
        expect(error.proxy).toContain(`${proxy.host}:${proxy.port}`)
        expect(String(error) + JSON.stringify(error)).not.toContain("secret")
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 a proxy that is silent, and one that stops within its head, is a time-out of the phase connect", () =>
    Effect.gen(function*() {
      for (const said of ["", "HTTP/1.1 200 OK\r\nA: b"]) {
        const proxy = yield* HttpPeer.make({
          script: (connection) =>
            Effect.zipRight(connection.request, Effect.zipRight(connection.send(said), connection.end("silence")))
        })
        const http = yield* Http.make({ proxy: proxy.url, timeouts: { connect: "3 seconds" } })
        const fiber = yield* Effect.fork(Effect.flip(http.text(target)))
        yield* proxy.awaitRequests(1)
        for (let turns = 0; turns < 5; turns++) yield* turn
        yield* TestClock.adjust("3 seconds")
        const error = yield* Fiber.join(fiber)
        expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "connect", after: 3000, sent: 0 })
        yield* proxy.awaitOpen(0)
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a proxy that closes is an error, and what comes after the head of its 200 is the target's", () =>
    Effect.gen(function*() {
      const closing = yield* HttpPeer.make({ handler: () => ({ cut: 0 }) })
      const lost = yield* Http.make({ proxy: closing.url })
      const error = yield* Effect.flip(lost.text(target))
      expect(["ProxyError", "ConnectionLost", "ConnectError"]).toContain(error._tag)
      expect(String(error)).toContain(String(closing.port))

      // The tunnel begins directly after its head, whatever length that says.
      const body = pattern(50_000)
      const proxy = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.send("HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 200 Established\r\nContent-Length: 100\r\n\r\n")
            yield* connection.request
            yield* connection.answer({ body })
          })
      })
      const http = yield* Http.make({ proxy: proxy.url })
      expect(same(yield* http.bytes(target), body)).toBe(true)
    }).pipe(Effect.provide(platform)))
})

describe.each(platforms)("what would be another line of the request, %s", (_, platform) => {
  const bad = ["\r\nX: y", "\n", "\r", "\0", "a\r\n\r\nGET /evil HTTP/1.1\r\n", "€", "\u{1F600}"]
  const options: ReadonlyArray<readonly [name: string, field: RegExp, make: (bad: string, url: string) => object]> = [
    ["a header's value", /^headers\.x-a$/i, (bad, url) => ({ url, headers: { "X-A": `a${bad}b` } })],
    ["a value of a pair", /^headers\.x-a$/i, (bad, url) => ({ url, headers: [["X-A", `a${bad}b`]] })],
    ["a header's name", /^headers/, (bad, url) => ({ url, headers: { [`X${bad}`]: "a" } })],
    ["a method", /^method$/, (bad, url) => ({ url, method: `GET${bad}` })],
    ["the type of a body", /^(body|headers\.content-type)$/i, (bad, url) => ({
      url,
      method: "POST",
      body: Body.text("a", { type: `text/x${bad}` })
    })],
    ["a token", /^(auth|headers\.authorization)/i, (bad, url) => ({ url, auth: { token: Redacted.make(`a${bad}`) } })]
  ]
  it.scoped.each(options)(
    "C33 %s with CR, LF, NUL or a character above 0xFF is InvalidRequest with its name; nothing is sent",
    ([, field, make]) =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make()
        const http = yield* Http.make()
        for (const text of bad) {
          const error = yield* failsWith(http.request(make(text, peer.url) as never), "InvalidRequest")
          expect([text, error.field]).toEqual([text, expect.stringMatching(field)])
        }
        expect((yield* peer.connections).total).toBe(0)
      }).pipe(Effect.provide(platform))
  )

  const fields = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Keep-Alive", "Upgrade"]
  it.scoped.each(fields)(
    "C33 the header %s by hand is InvalidRequest with its name; nothing is sent",
    (name) =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make()
        const http = yield* Http.make()
        for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
          const error = yield* failsWith(
            http.request({ method: "POST", url: peer.url, headers: { [spelled]: "1" }, body: "a" }),
            "InvalidRequest"
          )
          expect(error.field.toLowerCase()).toBe(`headers.${name.toLowerCase()}`)
        }
        expect((yield* peer.connections).total).toBe(0)
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 a path with control characters is InvalidRequest; other characters and queries go out escaped, in one line", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make()
      const http = yield* Http.make()
      for (const text of bad) {
        const path = http.request({ url: `${peer.url}/a${text}b` })
        if (/[\r\n\0]/.test(text)) expect((yield* failsWith(path, "InvalidRequest")).field).toBe("url")
        else expect((yield* path).status).toBe(200)
        yield* http.request({ url: peer.url, query: { [text]: text } })
      }
      const requests = yield* peer.requests
      expect(requests).toHaveLength(bad.length + 2)
      for (const { fields, head, target } of requests) {
        expect(target).toMatch(/^\/[!-~]*$/)
        expect(head.split("\r\n")).toHaveLength(fields.length + 1)
      }
    }).pipe(Effect.provide(platform)))

  const urls: ReadonlyArray<string> = [
    "http://a\r\nb/",
    "http://a b/",
    "http://a\0b/",
    "http://[::1/",
    "http://",
    "a.test",
    "/path",
    "",
    "ftp://a.test/",
    "unix:/run/x.sock",
    "file:///etc/passwd",
    "http://a.test:99999/",
    "http://%00/"
  ]
  it.scoped("C33 a host that is none, and another scheme, is InvalidRequest with the field `url`", () =>
    Effect.gen(function*() {
      const http = yield* Http.make()
      for (const url of urls) {
        const exit = yield* Effect.either(http.text(url))
        expect([url, exit]).toMatchObject([url, { left: { _tag: "InvalidRequest", field: "url" } }])
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 user and password with what no field may have go out in base64, or are refused, and add no line", () =>
    Effect.gen(function*() {
      const proxy = yield* HttpPeer.make({ handler: () => ({ status: 403 }) })
      const peer = yield* HttpPeer.make()
      const http = yield* Http.make()
      for (const text of bad) {
        const auth = { user: `a${text}`, password: Redacted.make(`b${text}`) }
        yield* Effect.exit(http.request({ url: peer.url, auth }))
        const userinfo = `${encodeURIComponent(`a${text}`)}:${encodeURIComponent(text)}`
        const through = http.text({ url: "http://a.test/", proxy: `http://${userinfo}@${proxy.host}:${proxy.port}` })
        yield* Effect.exit(through)
      }
      for (const { fields, head } of [...yield* peer.requests, ...yield* proxy.requests]) {
        expect(head.split("\r\n")).toHaveLength(fields.length + 1)
        expect(head).not.toMatch(/\n(X|GET)/)
      }
      expect(yield* peer.failures).toEqual([])
      expect(yield* proxy.failures).toEqual([])
    }).pipe(Effect.provide(platform)))
})
