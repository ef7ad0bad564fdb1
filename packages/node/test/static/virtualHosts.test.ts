/** Sites by host, and 405 with Allow. */
import { Copas } from "@copas/core"
import { type HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpMethods, NodeHttpServer, NodeNet, VirtualHosts } from "../../src/index.js"
import { portOf } from "../portOf.js"
import { asking, platforms, rawAsk } from "./asking.js"

const site = (name: string) => HttpServerResponse.text(name)

const hosts = {
  "example.test": site("one"),
  "Example.test:8080": site("port"),
  "*.example.test": site("below"),
  "*.shop.example.test.": site("shop"),
  "www.example.test": site("www"),
  "bücher.test": site("books"),
  "127.0.0.1": site("four"),
  "[::1]": site("six"),
  "localhost": site("local")
}

/** The app's answer to a request with this Host, and with this target. */
const asked = (
  app: HttpApp.Default<never>,
  host: string | undefined,
  target = "/",
  more: Readonly<Record<string, string>> = {}
): Effect.Effect<string> =>
  Effect.map(
    Effect.provideService(app, HttpServerRequest.HttpServerRequest, {
      method: "GET",
      url: target,
      originalUrl: target,
      headers: { ...host === undefined ? {} : { host }, ...more }
    } as unknown as HttpServerRequest.HttpServerRequest),
    ({ body, status }) =>
      `${status}${status === 200 && body._tag === "Uint8Array" ? ` ${Buffer.from(body.body).toString()}` : ""}`
  )

describe("virtual hosts", () => {
  it.effect("X04 the host decides, whatever its case, its dot, its port and its spelling", () =>
    Effect.gen(function*() {
      const app = yield* VirtualHosts.make({ hosts })
      for (
        const [host, expected] of [
          ["example.test", "200 one"],
          ["EXAMPLE.Test", "200 one"],
          ["example.test.", "200 one"],
          ["example.test:80", "200 one"],
          ["example.test.:81", "200 one"],
          ["example.test:", "200 one"],
          ["example.test:8080", "200 port"],
          ["example.test.:08080", "200 port"],
          ["www.example.test", "200 www"],
          ["a.example.test", "200 below"],
          ["a.b.example.test:8080", "200 below"],
          ["a.shop.example.test", "200 shop"],
          ["shop.example.test", "200 below"],
          ["xn--bcher-kva.test", "200 books"],
          ["127.0.0.1:99", "200 four"],
          ["[::1]", "200 six"],
          ["[0:0:0:0:0:0:0:1]:80", "200 six"],
          ["localhost:3000", "200 local"],
          ["badexample.test", "421"],
          ["example.test.evil.test", "421"],
          ["evil.test", "421"],
          ["127.0.0.2", "421"],
          ["test", "421"],
          ["__proto__", "421"],
          ["constructor", "421"],
          ["", "421"],
          [undefined, "421"],
          ["*.example.test", "400"],
          ["example.test..", "400"],
          [".example.test", "400"],
          ["a@example.test", "400"],
          ["example.test/x", "400"],
          ["example test", "400"],
          ["example.test:x", "400"],
          ["example.test:123456", "400"],
          ["bücher.test", "400"],
          ["0x7f.1", "400"],
          ["[::1", "400"],
          ["a".repeat(300), "400"]
        ] as const
      ) expect([host, yield* asked(app, host)]).toEqual([host, expected])
    }))

  it.effect("X04 the target's authority goes before :authority and Host", () =>
    Effect.gen(function*() {
      const app = yield* VirtualHosts.make({ hosts, default: site("default") })
      expect(yield* asked(app, "www.example.test", "http://example.test/x")).toBe("200 one")
      expect(yield* asked(app, "example.test", "HTTPS://evil.test:8443")).toBe("200 default")
      expect(yield* asked(app, "www.example.test", "/", { ":authority": "example.test" })).toBe("200 one")
      expect(yield* asked(app, "www.example.test", "http://localhost/", { ":authority": "example.test" })).toBe(
        "200 local"
      )
      expect(yield* asked(app, "evil.test", "//example.test/")).toBe("200 default")
      expect(yield* asked(app, undefined)).toBe("200 default")
      expect(yield* asked(app, "a b")).toBe("400")
    }))

  it.effect("X04 a host that is none, or is there twice, is refused when the table is made", () =>
    Effect.gen(function*() {
      for (
        const names of [
          [""],
          ["*"],
          ["*."],
          ["a b"],
          ["http://example.test"],
          ["example.test/x"],
          ["example.test#"],
          ["a\\b"],
          ["a@b"],
          ["a..b"],
          ["*.127.0.0.1"],
          ["*.[::1]"],
          ["a.*.test"],
          ["example.test:port"],
          ["example.test", "EXAMPLE.test."],
          ["bücher.test", "xn--bcher-kva.test"],
          ["[::1]", "[0::1]"]
        ]
      ) {
        const table = Object.fromEntries(names.map((name) => [name, site("x")]))
        const made = Effect.match(VirtualHosts.make({ hosts: table }), {
          onFailure: ({ _tag }) => _tag,
          onSuccess: () => "made"
        })
        expect([names, yield* made]).toEqual([names, "InvalidOption"])
      }
    }))
})

describe("405 with Allow", () => {
  const router = HttpRouter.empty.pipe(
    HttpRouter.get("/users/:id", HttpServerResponse.text("user")),
    HttpRouter.del("/users/:id", HttpServerResponse.empty()),
    HttpRouter.post("/users/new", HttpServerResponse.empty()),
    HttpRouter.put("/put", HttpServerResponse.empty()),
    HttpRouter.all("/all", HttpServerResponse.empty()),
    HttpRouter.get("/mounted/x", HttpServerResponse.empty()),
    HttpRouter.mountApp("/mounted", HttpRouter.get(HttpRouter.empty, "/y", HttpServerResponse.empty())),
    HttpRouter.get("/fails", HttpRouter.empty)
  )
  const expected = [
    ["GET", "/users/1", 200, undefined],
    ["HEAD", "/users/1", 200, undefined],
    ["PUT", "/users/1?q", 405, "DELETE, GET, HEAD"],
    ["POST", "/users/1", 405, "DELETE, GET, HEAD"],
    ["PUT", "/users/new", 405, "DELETE, GET, HEAD, POST"],
    ["OPTIONS", "/users/1", 405, "DELETE, GET, HEAD"],
    ["GET", "/put", 405, "PUT"],
    ["HEAD", "/put", 405, "PUT"],
    ["PATCH", "/all", 204, undefined],
    ["PUT", "/nothing", 404, undefined],
    ["POST", "/mounted/x", 404, undefined],
    ["POST", "/mounted/y", 404, undefined],
    ["GET", "/fails", 404, undefined],
    ["POST", "/fails", 405, "GET, HEAD"]
  ] as const

  for (const [name, platform] of platforms) {
    it.scopedLive(`X06 a known path with another method is 405 on ${name}, an unknown path 404`, () =>
      Effect.gen(function*() {
        const ask = yield* asking(platform, HttpMethods.withNotAllowed(router))
        for (const [method, path, status, allow] of expected) {
          const answer = yield* ask(path, { method, fields: { "Content-Length": "0" } })
          expect([method, path, answer.status, answer.fields["allow"]]).toEqual([method, path, status, allow])
        }
      }).pipe(Effect.provide(platform.network)))

    it.scopedLive(`X04 hosts are told apart on ${name}`, () =>
      Effect.gen(function*() {
        const ask = yield* asking(platform, yield* VirtualHosts.make({ hosts }))
        const get = (host: string, target = "/") =>
          Effect.map(ask(target, { fields: { Host: host } }), ({ body, status }) => status === 200 ? body : status)
        expect(yield* get("EXAMPLE.test:80")).toBe("one")
        expect(yield* get("a.example.test")).toBe("below")
        expect(yield* get("evil.test")).toBe(421)
        expect(yield* get("example.test", "http://www.example.test/")).toBe("www")
      }).pipe(Effect.provide(platform.network)))
  }

  it.scopedLive.each([[["127.0.0.1"], "below"], [false, "421"]] as const)(
    "X04 the host that a proxy names counts where the proxy is trusted (%s)",
    ([trustProxy, expected]) =>
      Effect.gen(function*() {
        const server = yield* NodeHttpServer.make({ listen: { host: "127.0.0.1", port: 0 }, trustProxy })
        yield* server.serve(yield* VirtualHosts.make({ hosts }))
        const ask = yield* rawAsk(portOf(server))
        const fields = { Host: "inside:8080", "X-Forwarded-Host": "a.example.test", "X-Forwarded-For": "192.0.2.1" }
        const { body, status } = yield* ask("/", { fields })
        expect(status === 200 ? body : String(status)).toBe(expected)
      }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NodeNet.layer)))
  )
})
