/** Redirects, and that none of them leads to a site that the program did not name. */
import { Sampling } from "@copas/core/testing"
import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { Redirect } from "../../src/index.js"
import { asking, platforms } from "./asking.js"

/** The app's answer to a path, as a server gives it. */
const answered = <E>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>,
  path: string
): Effect.Effect<HttpServerResponse.HttpServerResponse, E> =>
  Effect.provideService(app, HttpServerRequest.HttpServerRequest, {
    ...HttpServerRequest.fromWeb(new Request("http://example.test/")),
    method: "GET",
    url: path,
    originalUrl: path
  } as HttpServerRequest.HttpServerRequest)

const shown = <E extends { readonly _tag: string }>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>,
  path: string
): Effect.Effect<string> =>
  Effect.match(answered(app, path), {
    onFailure: ({ _tag }) => _tag,
    onSuccess: ({ headers, status }) => `${status} ${headers["location"]}`
  })

const then = Redirect.to(302, ({ url }) => decodeURIComponent(url.split("?then=")[1] ?? "/"))
const toTarget = (target: string, app = then) => shown(app, `/a/login?then=${encodeURIComponent(target)}`)

const elsewhere = [
  "//evil.test",
  "///evil.test",
  "/\\evil.test",
  "\\\\evil.test",
  "/\t/evil.test",
  "/\n/evil.test",
  " //evil.test",
  "\u0000//evil.test",
  "https://evil.test",
  "https:evil.test",
  "http:/\\evil.test",
  "HTTP://evil.test/%2f",
  "http://example.test@evil.test",
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
  "ftp://evil.test",
  "blob:http://here.invalid/1",
  "http://[",
  "http://here.invalid:81/"
]

describe("redirects", () => {
  it.effect("X03 a target of the program's own goes out as it is, and stays one field", () =>
    Effect.gen(function*() {
      for (
        const [target, location] of [
          ["/new", "/new"],
          ["./sub/?a=b#c", "./sub/?a=b#c"],
          ["https://other.test/x", "https://other.test/x"],
          ["/é b", "/%C3%A9%20b"],
          ["/a\r\nX-Evil: 1", "/a%0D%0AX-Evil:%201"]
        ] as const
      ) {
        for (const status of [301, 302, 303, 307, 308] as const) {
          expect(yield* shown(Redirect.to(status, target), "/")).toBe(`${status} ${location}`)
        }
      }
    }))

  it.effect("X03 a target of the request stays on its site", () =>
    Effect.gen(function*() {
      for (
        const [target, location] of [
          ["/account", "/account"],
          ["account?x=1#y", "/a/account?x=1#y"],
          ["../b", "/b"],
          ["?q", "/a/login?q"],
          ["", "/a/login?then="],
          ["/a/../../b", "/b"],
          ["/.//evil.test", "/.//evil.test"],
          ["/..//evil.test", "/.//evil.test"],
          ["/é\r\nX-Evil: 1", "/%C3%A9X-Evil:%201"],
          ["/https://evil.test", "/https://evil.test"]
        ] as const
      ) expect([target, yield* toTarget(target)]).toEqual([target, `302 ${location}`])
      for (const target of elsewhere) expect([target, yield* toTarget(target)]).toEqual([target, "RedirectRefused"])
    }))

  it.effect("X03 origins that are named may be led to", () =>
    Effect.gen(function*() {
      const app = Redirect.to(302, ({ url }) => decodeURIComponent(url.split("?then=")[1] ?? "/"), {
        origins: ["https://Accounts.test:443/ignored", "http://other.test:8080", "nonsense"]
      })
      expect(yield* toTarget("https://accounts.test/x", app)).toBe("302 https://accounts.test/x")
      expect(yield* toTarget("//other.test:8080", app)).toBe("302 http://other.test:8080/")
      for (
        const target of [
          "http://accounts.test",
          "https://accounts.test:444",
          "https://accounts.test.evil.test",
          ...elsewhere
        ]
      ) expect([target, yield* toTarget(target, app)]).toEqual([target, "RedirectRefused"])
    }))

  it("X03 whatever the request says, a browser that follows stays on the site", () => {
    const piece = fc.constantFrom(
      "/",
      "\\",
      "//",
      "..",
      ".",
      ":",
      "@",
      "?",
      "#",
      "evil.test",
      "https:",
      "\t",
      "\r\n",
      " ",
      "%2f",
      "é",
      "a"
    )
    const target = fc.oneof(fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("")), fc.webUrl(), fc.string())
    const path = fc.array(piece, { maxLength: 5 }).map((parts) => `/${parts.join("").replace(/[?#\s]/g, "")}`)
    fc.assert(
      fc.property(target, path, (target, path) => {
        const location = Effect.runSync(
          Effect.match(answered(Redirect.to(302, () => target), path), {
            onFailure: () => "/",
            onSuccess: ({ headers }) => headers["location"]!
          })
        )
        expect(location).toMatch(/^[\x21-\x7e]+$/)
        expect(new URL(location, "https://site.test/x/y").origin).toBe("https://site.test")
      }),
      { numRuns: Sampling.size({ short: 500, long: 100_000 }) }
    )
  })

  it.effect("X03 the first rule that matches redirects, with its groups and the query", () =>
    Effect.gen(function*() {
      const app = yield* Redirect.rules([
        { match: "/", to: "/index.html" },
        { match: "/docs/*", to: "https://docs.test/$1", status: 301 },
        { match: /^\/user-(\d+)(-x)?$/gy, to: "/users/$1$2?from=$$1" },
        { match: "/a.b", to: "/dot#part" },
        { match: "/bare", to: "/plain", query: false, status: 308 },
        { match: "/go/*", to: "$1" },
        { match: /^\/to\/(.*)$/, to: "https://$1.example.test/" },
        { match: "/joined*", to: "https://docs.test$1" }
      ], { origins: ["https://shop.example.test"] })
      for (
        const [path, expected] of [
          ["/", "302 /index.html"],
          ["/?q", "302 /index.html?q"],
          ["?q", "302 /index.html?q"],
          ["/docs/a%2Fb/../c?d", "301 https://docs.test/c?d"],
          ["/docs/", "301 https://docs.test/"],
          ["/docs", "RouteNotFound"],
          ["/user-12?q", "302 /users/12?from=$1"],
          ["/user-12-x", "302 /users/12-x?from=$1"],
          ["/user-12", "302 /users/12?from=$1"],
          ["/axb", "RouteNotFound"],
          ["/a.b?q", "302 /dot?q#part"],
          ["/bare?q", "308 /plain"],
          ["/go//evil.test", "302 /evil.test"],
          ["/go///evil.test", "RedirectRefused"],
          ["/go/https://evil.test", "RedirectRefused"],
          ["/go/x", "302 /go/x"],
          ["/to/shop", "302 https://shop.example.test/"],
          ["/to/evil", "RedirectRefused"],
          ["/to/evil.test%2f", "RedirectRefused"],
          ["/joined/x", "RedirectRefused"],
          ["/joined.evil.test/", "RedirectRefused"],
          ["/joined@evil.test/", "RedirectRefused"],
          ["/nothing", "RouteNotFound"]
        ] as const
      ) expect([path, yield* shown(app, path)]).toEqual([path, expected])
    }))

  it.effect("X03 a rule without sense is refused when the rules are made", () =>
    Effect.gen(function*() {
      for (
        const rule of [
          { match: "docs", to: "/" },
          { match: "", to: "/" },
          { match: "/", to: "javascript:alert(1)" },
          { match: "/", to: "http://[" },
          { match: "/", to: "ftp://$1" }
        ]
      ) {
        const made = Effect.match(Redirect.rules([rule]), { onFailure: ({ _tag }) => _tag, onSuccess: () => "made" })
        expect([rule, yield* made]).toEqual([rule, "InvalidOption"])
      }
    }))
})

for (const [name, platform] of platforms) {
  describe(`redirects on ${name}`, () => {
    it.scopedLive("X03 a refused redirect is 400, and a path without a rule 404", () =>
      Effect.gen(function*() {
        const router = HttpRouter.empty.pipe(
          HttpRouter.get("/old", Redirect.to(301, "/new")),
          HttpRouter.get("/login", then),
          HttpRouter.mountApp("/rules", yield* Redirect.rules([{ match: "/a", to: "/b" }]))
        )
        const ask = yield* asking(platform, router)
        const seen = (path: string) => Effect.map(ask(path), ({ fields, status }) => [status, fields["location"]])
        expect(yield* seen("/old")).toEqual([301, "/new"])
        expect(yield* seen("/login?then=/account")).toEqual([302, "/account"])
        expect(yield* seen("/login?then=//evil.test")).toEqual([400, undefined])
        expect(yield* seen("/rules/a?q")).toEqual([302, "/b?q"])
        expect(yield* seen("/rules/x")).toEqual([404, undefined])
      }).pipe(Effect.provide(platform.network)))
  })
}
