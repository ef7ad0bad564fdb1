/** The HTTP client against nginx, directly and through squid, Dante and microsocks. */
import { Net } from "@copas/core"
import { NodeHttpTransport, NodeNet } from "@copas/node"
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule, Sink, Stream } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Body, Http, Proxy } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { failsWith } from "../http/support.js"
import * as Daemons from "./http/daemons.js"

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

class Servers extends Context.Tag("test/Servers")<Servers, {
  readonly nginx: Daemons.Nginx
  readonly squid: Daemons.Squid
  readonly dante: { readonly port: number }
  readonly microsocks: { readonly port: number }
  /** A port that no proxy may go to, where a server would answer. */
  readonly denied: number
  readonly http: Http.Service
}>() {}

const platform = Layer.mergeAll(Layer.provideMerge(NodeHttpTransport.layer, NodeNet.layer), NodeFileSystem.layer)

const servers = Layer.scoped(
  Servers,
  Effect.gen(function*() {
    const silent = yield* HttpPeer.make({ handler: () => Effect.never })
    const denied = yield* HttpPeer.make()
    const nginx = yield* Daemons.nginx(silent.port)
    return {
      nginx,
      denied: denied.port,
      squid: yield* Daemons.squid(denied.port),
      dante: yield* Daemons.dante(denied.port),
      microsocks: yield* Daemons.microsocks,
      http: yield* Http.make({ tls: { ca: { path: nginx.ca } }, timeouts: { response: "20 seconds" } })
    }
  })
).pipe(Layer.provideMerge(platform))

const login = { user: "ada", password: Redacted.make("p:w@rd") }
const userinfo = "ada:p%3Aw%40rd"

layer(servers, { timeout: 120_000, excludeTestServices: true })("HTTP against real servers", (it) => {
  describe("nginx", () => {
    it.scoped("C33 redirects of every code, as Copas follows them", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const url = `http://127.0.0.1:${nginx.port}`
        for (const code of [301, 302, 303, 307, 308]) {
          expect(yield* http.text(`${url}/redirect/${code}`)).toBe("landed")
          const head = yield* http.request({ method: "HEAD", url: `${url}/redirect/${code}` })
          expect([head.status, head.url]).toEqual([200, `${url}/landing`])
          const post = yield* http.request({ method: "POST", url: `${url}/redirect/${code}`, body: "a" })
          // nginx takes no POST for a file: 405 at the landing.
          expect(post.status).toBe(code === 308 ? 405 : code)
        }
        for (const code of [300, 304]) expect((yield* http.request(`${url}/redirect/${code}`)).status).toBe(code)
        yield* failsWith(http.text(`${url}/loop`), "TooManyRedirects")
        yield* failsWith(
          http.text(`https://localhost:${nginx.tlsPort}/far?to=${url}/landing`),
          "RedirectRefused"
        )
        expect(yield* http.text({ url: `https://localhost:${nginx.tlsPort}/far?to=${url}/landing`, redirect: "all" }))
          .toBe("landed")
      }))

    it.scoped("C33 what is secret stays at its origin", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const [here, there] = [`http://127.0.0.1:${nginx.port}`, `http://localhost:${nginx.port}`]
        const options = { auth: login, headers: { Cookie: "a=b" } }
        expect(yield* http.text({ ...options, url: `${here}/secrets?q#frag` })).toBe(
          `Basic ${btoa("ada:p:w@rd")}|a=b||q`
        )
        expect(yield* http.text({ ...options, url: `${here}/far?to=${here}/secrets` })).toContain("a=b")
        expect(yield* http.text({ ...options, url: `${here}/far?to=${there}/secrets` })).toBe("|||")
        expect(yield* http.text(`http://${userinfo}@127.0.0.1:${nginx.port}/private`)).toBe("landed")
        expect((yield* failsWith(http.text(`${here}/private`), "UnexpectedStatus")).status).toBe(401)
      }))

    it.scoped("C33 gzip, codings that are cut or wrong, and a bomb", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        for (const url of [`http://127.0.0.1:${nginx.port}`, `https://localhost:${nginx.tlsPort}`]) {
          const coded = yield* http.request(`${url}/text.txt`)
          expect(coded.text).toMatch(/^(long text that gzip makes shorter; ){10000}$/)
          const plain = yield* http.request({ method: "GET", url: `${url}/text.txt`, decode: false })
          expect(plain.length).toBe(340_000 + 10_000)
          yield* failsWith(http.text(`${url}/cut.gz`), "BodyTruncated")
          yield* failsWith(http.text(`${url}/plain`), "DecodeFailed")
          expect((yield* http.text(`${url}/twice.gz`)).length).toBe(350_000)
          expect(
            (yield* failsWith(http.bytes({ url: `${url}/bomb`, limits: { body: 1 << 30 } }), "BodyTooLarge")).reason
          )
            .toBe("ratio")
          const head = yield* http.request({ method: "HEAD", url: `${url}/cut.gz` })
          expect([head.status, (yield* head.bytes).length]).toEqual([200, 0])
        }
      }))

    it.scoped("C33 ranges, and a download that is taken up where it was cut", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const url = `http://127.0.0.1:${nginx.port}`
        const range = (range: object) =>
          Effect.flatMap(http.request({ url: `${url}/ten`, range: range as never }), (answer) =>
            Effect.map(answer.bytes, (bytes) => [answer.status, Buffer.from(bytes).toString()]))
        expect(yield* range({ start: 0, end: 0 })).toEqual([206, "0"])
        expect(yield* range({ start: 7 })).toEqual([206, "789"])
        expect(yield* range({ last: 3 })).toEqual([206, "789"])
        expect((yield* range({ start: 10 }))[0]).toBe(416)
        // The first connection through this proxy is closed after ten megabytes.
        const proxy = yield* HttpPeer.make({
          script: [
            (connection) =>
              Effect.gen(function*() {
                yield* connection.request
                yield* connection.answer({})
                const target = yield* Net.connect({ host: "127.0.0.1", port: nginx.port, linger: 0 })
                yield* Effect.forkScoped(Effect.ignore(connection.socket.forEachChunk((chunk) =>
                  target.send(chunk)
                )))
                for (let left = 10 << 20; left > 0;) {
                  const chunk = yield* target.receive({ maxBytes: left })
                  left -= chunk.length
                  yield* connection.send(chunk)
                }
                return yield* connection.end("close")
              }).pipe(Effect.scoped),
            (connection) =>
              connection.request.pipe(
                Effect.zipRight(connection.answer({})),
                Effect.zipRight(connection.tunnel("127.0.0.1", nginx.port))
              )
          ]
        })
        const file = path.join(nginx.files, "resumed")
        const download = http.download({ url: `${url}/large`, proxy: proxy.url }, { path: file, resume: true })
        const cut = yield* failsWith(download, "BodyTruncated")
        expect([fs.existsSync(file), fs.existsSync(cut.partial!)]).toEqual([false, true])
        const whole = yield* download
        expect(whole.resumedAt).toBeGreaterThan(9 << 20)
        expect(whole.bytes + whole.resumedAt).toBe(nginx.large.length)
        expect(digest(fs.readFileSync(file))).toBe(digest(nginx.large))
      }))

    it.scoped("C33 a drip is whole, a dropped connection is lost, and a server that hangs is a time-out of its phase", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const url = `http://127.0.0.1:${nginx.port}`
        expect(yield* http.text({ url: `${url}/drip`, timeouts: { receive: "2 seconds" } })).toMatch(/^(drip){3072}$/)
        yield* failsWith(http.text(`${url}/drop`), "ConnectionLost")
        const late = yield* failsWith(
          http.text({ url: `${url}/hang`, timeouts: { response: "100 millis" } }),
          "HttpTimeout"
        )
        expect(late).toMatchObject({ phase: "response", after: 100 })
        const total = yield* failsWith(
          http.text({ url: `${url}/drip`, timeouts: { total: "200 millis" } }),
          "HttpTimeout"
        )
        expect(total.phase).toBe("total")
      }))

    it.scoped("C33 an upload that is too large gets its 413, by length and in chunks", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        for (
          const url of [`http://127.0.0.1:${nginx.port}/small-body`, `https://localhost:${nginx.tlsPort}/small-body`]
        ) {
          for (let count = 0; count < 5; count++) {
            const answer = yield* http.request({ method: "PUT", url, body: nginx.large })
            expect(answer.status).toBe(413)
            const chunked = Body.stream(
              Stream.make(...Array.from({ length: 500 }, () => nginx.large.subarray(0, 65_536)))
            )
            expect((yield* http.request({ method: "PUT", url, body: chunked })).status).toBe(413)
          }
        }
        expect(yield* http.text(`http://127.0.0.1:${nginx.port}/landing`)).toBe("landed")
      }))

    it.scoped("C33 a client's certificate is shown where the server asks for it, and only then", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const url = `https://localhost:${nginx.mutualPort}/`
        const identity = { certificate: { path: nginx.client.cert }, key: { path: nginx.client.key } }
        const own = yield* Http.make({ tls: { ca: { path: nginx.ca }, identity } })
        expect(yield* own.text(url)).toBe("CN=localhost")
        expect((yield* failsWith(http.text(url), "UnexpectedStatus")).status).toBe(400)
        const stranger = yield* Http.make()
        yield* failsWith(stranger.text(url), "TlsError")
        yield* failsWith(http.text({ url, serverName: "other.test" }), "TlsError")
      }))

    it.scoped("C33 HTTP/2 where it is preferred and offered, with bodies both ways and many requests at once", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const url = `https://localhost:${nginx.tlsPort}`
        expect(yield* http.text(`${url}/method`)).toBe("GET HTTP/1.1")
        const h2 = yield* Http.make({ tls: { ca: { path: nginx.ca } }, http2: "prefer" })
        expect(yield* h2.text(`${url}/method`)).toBe("GET HTTP/2.0")
        expect((yield* h2.request(`${url}/landing`)).version).toBe("2")
        expect(yield* h2.text(`http://127.0.0.1:${nginx.port}/method`)).toBe("GET HTTP/1.1")
        const many = yield* Effect.forEach(
          Array.from({ length: 200 }),
          () => h2.text(`${url}/ten`),
          { concurrency: 20 }
        )
        expect(new Set(many)).toEqual(new Set(["0123456789"]))
        expect(digest(yield* h2.bytes({ url: `${url}/large`, limits: { body: 1 << 30 } }))).toBe(digest(nginx.large))
        yield* h2.request({ method: "PUT", url: `${url}/put/h2`, body: nginx.large, expect: "2xx" })
        expect(digest(fs.readFileSync(path.join(nginx.files, "put/h2")))).toBe(digest(nginx.large))
      }))

    it.scoped("C33 connections that nginx closes after fifty requests cost none of a thousand", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const answers = yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, at) => at),
          (at) =>
            http.request({ url: `http://127.0.0.1:${nginx.port}/ten`, query: { at } }).pipe(
              Effect.flatMap((answer) => answer.bytes),
              Effect.scoped
            ),
          { concurrency: 20 }
        )
        expect(answers.every((bytes) => Buffer.from(bytes).toString() === "0123456789")).toBe(true)
      }))

    it.scoped("C33 a 503 with Retry-After is tried again after that time, and then is the answer", () =>
      Effect.gen(function*() {
        const { http, nginx } = yield* Servers
        const before = nginx.log().length
        const retry = { schedule: Schedule.recurs(2), maxRetryAfter: "10 millis" as const }
        const error = yield* failsWith(
          http.text({ url: `http://127.0.0.1:${nginx.port}/busy`, retry }),
          "UnexpectedStatus"
        )
        expect(error).toMatchObject({ status: 503, retryAfter: 1000 })
        yield* Effect.repeat(Effect.sync(() => nginx.log().length), {
          until: (lines) => lines >= before + 3,
          schedule: Schedule.spaced(10)
        })
        expect(nginx.log().slice(before).filter((line) => line.includes("/busy"))).toHaveLength(3)
      }))
  })

  // ---- Ways there

  const ways: Readonly<Record<string, (servers: Context.Tag.Service<typeof Servers>) => Partial<Http.Defaults>>> = {
    directly: () => ({}),
    "through squid": ({ squid }) => ({ proxy: `http://${userinfo}@127.0.0.1:${squid.port}` }),
    "through squid under TLS": ({ squid }) => ({
      connector: Proxy.http({ ...login, host: "localhost", port: squid.tlsPort, tls: { ca: { path: squid.ca } } })
    }),
    "through Dante, which looks names up": ({ dante }) => ({ proxy: `socks5h://127.0.0.1:${dante.port}` }),
    "through Dante, by address": ({ dante }) => ({ proxy: `socks5://127.0.0.1:${dante.port}` }),
    "through microsocks, with a user": ({ microsocks }) => ({
      proxy: `socks5h://${userinfo}@127.0.0.1:${microsocks.port}`
    })
  }
  it.scoped.each(Object.keys(ways))(
    "C33 64 MiB up and down %s, in clear and under TLS, are the same bytes",
    (way) =>
      Effect.gen(function*() {
        const all = yield* Servers
        const { nginx } = all
        const http = yield* Http.make({ tls: { ca: { path: nginx.ca } }, ...ways[way]!(all) })
        const wanted = digest(nginx.large)
        const hosts = [
          `http://localhost:${nginx.port}`,
          `https://localhost:${nginx.tlsPort}`,
          `http://[::1]:${nginx.port}`
        ]
        for (const [at, url] of hosts.entries()) {
          const hash = createHash("sha256")
          const down = yield* http.download(
            `${url}/large`,
            Sink.forEach((chunk: Uint8Array) => Effect.sync(() => hash.update(chunk)))
          )
          expect([way, url, down.bytes, hash.digest("hex")]).toEqual([way, url, nginx.large.length, wanted])
          const name = `${way.replaceAll(/\W/g, "-")}-${at}`
          const chunks = Stream.range(0, 1023).pipe(
            Stream.map((chunk) => nginx.large.subarray(chunk << 16, (chunk + 1) << 16))
          )
          const body = at === 0
            ? Body.stream(chunks)
            : at === 1
            ? Body.stream(chunks, { length: nginx.large.length })
            : nginx.large
          const up = yield* http.request({ method: "PUT", url: `${url}/put/${name}`, body, expect: "2xx" } as never)
          expect(up.status).toBe(201)
          expect([way, url, digest(fs.readFileSync(path.join(nginx.files, "put", name)))]).toEqual([way, url, wanted])
        }
      })
  )

  it.scoped("C33 proxies that want a user, or refuse the target, say so, and the password is in no message", () =>
    Effect.gen(function*() {
      const { dante, denied, microsocks, nginx, squid } = yield* Servers
      const landing = `http://127.0.0.1:${nginx.port}/landing`
      const refused = `http://127.0.0.1:${denied}/`
      const cases: ReadonlyArray<readonly [proxy: string, url: string, reason: string]> = [
        [`http://127.0.0.1:${squid.port}`, landing, "AuthenticationRequired"],
        [`http://ada:wrong@127.0.0.1:${squid.port}`, landing, "AuthenticationRequired"],
        [`http://${userinfo}@127.0.0.1:${squid.port}`, refused, "Forbidden"],
        [`http://${userinfo}@127.0.0.1:${squid.port}`, "http://127.0.0.1:1/", "TargetUnreachable"],
        [`socks5://127.0.0.1:${microsocks.port}`, landing, "AuthenticationRequired"],
        [`socks5://ada:wrong@127.0.0.1:${microsocks.port}`, landing, "AuthenticationRequired"],
        [`socks5://${userinfo}@127.0.0.1:${microsocks.port}`, "http://127.0.0.1:1/", "TargetUnreachable"],
        [`socks5://127.0.0.1:${dante.port}`, refused, "Forbidden"],
        [`socks5h://127.0.0.1:${dante.port}`, "http://127.0.0.1:1/", "TargetUnreachable"]
      ]
      const http = yield* Http.make()
      for (const [proxy, url, reason] of cases) {
        const error = yield* failsWith(http.text({ url, proxy }), "ProxyError")
        expect([proxy, url, error.reason]).toEqual([proxy, url, reason])
        expect(String(error)).not.toMatch(/wrong|p:w@rd|p%3Aw/)
      }
    }))
})
