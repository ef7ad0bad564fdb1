/** Files over HTTP, as a client sees them. */
import { HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StaticFiles } from "../../src/index.js"
import { type Answer, asking, platforms } from "./asking.js"
import * as Tree from "./tree.js"

const site = {
  "index.html": "<h1>home</h1>",
  "hello.txt": "0123456789",
  "empty.txt": "",
  "a b&c'<x>.txt": "odd",
  "sub/index.html": "sub home",
  "sub/page.html": "page",
  "bare/file.bin": "bin",
  "assets/app-5f3a.js": "let a",
  "UPPER.TXT": "upper",
  "noextension": "none",
  "photo.JPEG": "jpeg",
  ".env": "secret",
  ".git/config": "secret",
  ".well-known/acme": "token",
  "404.html": "<h1>lost</h1>"
}

const pick = ({ body, fields, status }: Answer, ...names: ReadonlyArray<string>) => [
  status,
  body,
  ...names.map((name) => fields[name])
]

for (const [name, platform] of platforms) {
  describe(`static files on ${name}`, () => {
    const serving = <E = never>(options: StaticFiles.Options<E> = {}, tree: Tree.Tree = site) =>
      Effect.gen(function*() {
        const root = yield* Tree.make(tree)
        const ask = yield* asking(platform, yield* Effect.orDie(StaticFiles.make(root, options)))
        return { root, ask }
      })
    const test = (title: string, body: () => Effect.Effect<void, unknown, any>) =>
      it.scopedLive(title, () => Effect.provide(body(), platform.network) as Effect.Effect<void>)

    test("X02 files have a type, a length, validators and nosniff, to GET and HEAD alike", () =>
      Effect.gen(function*() {
        const { ask, root } = yield* serving()
        const answer = yield* ask("/hello.txt")
        expect(pick(answer, "content-type", "content-length", "accept-ranges", "x-content-type-options", "vary"))
          .toEqual(
            [200, "0123456789", "text/plain; charset=utf-8", "10", "bytes", "nosniff", undefined]
          )
        expect(answer.fields["etag"]).toMatch(/^"a-[0-9a-f]+"$/)
        expect(answer.fields["last-modified"]).toBe(Fs.statSync(Path.join(root, "hello.txt")).mtime.toUTCString())
        const head = yield* ask("/hello.txt", { method: "HEAD" })
        const { date: _, ...same } = answer.fields
        expect(head.body).toBe("")
        expect(head.fields).toMatchObject(same)
        for (
          const [path, type] of [
            ["/", "text/html; charset=utf-8"],
            ["/assets/app-5f3a.js", "text/javascript; charset=utf-8"],
            ["/bare/file.bin", "application/octet-stream"],
            ["/noextension", "application/octet-stream"],
            ["/UPPER.TXT", "text/plain; charset=utf-8"],
            ["/photo.JPEG", "image/jpeg"]
          ] as const
        ) expect([path, (yield* ask(path)).fields["content-type"]]).toEqual([path, type])
        expect(pick(yield* ask("/empty.txt"), "content-length")).toEqual([200, "", "0"])
        expect(pick(yield* ask("/a%20b%26c'%3Cx%3E.txt"))).toEqual([200, "odd"])
        expect(pick(yield* ask("/hello.txt?v=1"))).toEqual([200, "0123456789"])
        yield* Tree.closed(root)
      }))

    test("X02 case 43: no path leads out of the directory or to what is hidden", () =>
      Effect.gen(function*() {
        const outside = yield* Tree.make({ "s": "secret", "folder/index.html": "secret" })
        const { ask, root } = yield* serving({}, {
          ...site,
          "out": `->${outside}/s`,
          "outFolder": `->${outside}/folder`,
          "in": "->hello.txt"
        })
        for (
          const path of [
            "/../s",
            "/%2e%2e/s",
            "/..%2fs",
            "/..%5cs",
            "/.%252e/s",
            "/sub%2findex.html",
            "//evil/sub",
            "/.env",
            "/.git/config",
            "/%2eenv",
            "/sub/../.env",
            "/out",
            "/outFolder",
            "/outFolder/",
            "/outFolder/index.html",
            "/hello.txt/",
            "/hello.txt/x",
            "/nothing",
            "/index.html/index.html"
          ]
        ) {
          const answer = yield* ask(path)
          expect([path, answer.status, answer.fields["location"]]).toEqual([path, 404, undefined])
          expect(answer.body).not.toContain("secret")
        }
        for (const path of ["/a%00.png", "/%zz", "/%ff"]) expect([path, (yield* ask(path)).status]).toEqual([path, 400])
        expect(pick(yield* ask("/.well-known/acme"))).toEqual([200, "token"])
        expect(pick(yield* ask("/in"))).toEqual([200, "0123456789"])
        yield* Tree.closed(root)
        yield* Tree.closed(outside)
      }))

    test("X02 a directory is redirected to its slash, by a relative path and with the query", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving()
        expect(pick(yield* ask("/sub?a=b&c"), "location")).toEqual([301, "", "./sub/?a=b&c"])
        expect(pick(yield* ask("/sub/"))).toEqual([200, "sub home"])
        expect(pick(yield* ask("/sub%5Cx"), "location").slice(2)).toEqual([undefined])
        expect((yield* ask("/bare/")).status).toBe(404)
        expect((yield* ask("//evil/sub")).fields["location"]).toBeUndefined()
        expect((yield* ask("/sub", { method: "HEAD" })).fields["location"]).toBe("./sub/")
      }))

    test("X02 mounted in a router, the place of the mount is redirected to its slash, too", () =>
      Effect.gen(function*() {
        const root = yield* Tree.make(site)
        const files = yield* StaticFiles.make(root)
        const router = HttpRouter.empty.pipe(
          HttpRouter.get("/", HttpServerResponse.text("program")),
          HttpRouter.mountApp("/static", files)
        )
        const ask = yield* asking(platform, router)
        expect(pick(yield* ask("/"))).toEqual([200, "program"])
        expect(pick(yield* ask("/static"), "location")).toEqual([301, "", "./static/"])
        expect(pick(yield* ask("/static?q"), "location")).toEqual([301, "", "./static/?q"])
        expect(pick(yield* ask("/static/"))).toEqual([200, "<h1>home</h1>"])
        expect(pick(yield* ask("/static/sub?q"), "location")).toEqual([301, "", "./sub/?q"])
        expect(pick(yield* ask("/static/hello.txt", { fields: { Range: "bytes=-3" } }))).toEqual([206, "789"])
        expect((yield* ask("/static/../hello.txt")).status).toBe(404)
      }))

    test("X02 other methods are 405 with Allow", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving()
        for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
          const answer = yield* ask("/hello.txt", { method, fields: { "Content-Length": "0" } })
          expect([method, answer.status, answer.fields["allow"]]).toEqual([method, 405, "GET, HEAD"])
        }
      }))

    test("X02 cases 39 to 41: ranges and conditions reach the wire as they are planned", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving()
        const { fields: { etag = "", "last-modified": modified = "" } } = yield* ask("/hello.txt")
        const get = (fields: Record<string, string>, path = "/hello.txt") => ask(path, { fields })
        for (
          const [fields, expected] of [
            [{ Range: "bytes=0-0" }, [206, "0", "bytes 0-0/10", "1"]],
            [{ Range: "bytes=-3" }, [206, "789", "bytes 7-9/10", "3"]],
            [{ Range: "bytes=20-" }, [416, "", "bytes */10", "0"]],
            [{ Range: "bytes=-0" }, [416, "", "bytes */10", "0"]],
            [{ Range: "bytes=5-2" }, [200, "0123456789", undefined, "10"]],
            [{ Range: "lines=0-1" }, [200, "0123456789", undefined, "10"]],
            [{ Range: "bytes=0-0", "If-Range": etag }, [206, "0", "bytes 0-0/10", "1"]],
            [{ Range: "bytes=0-0", "If-Range": `W/${etag}` }, [200, "0123456789", undefined, "10"]],
            [{ Range: "bytes=0-0", "If-Range": modified }, [206, "0", "bytes 0-0/10", "1"]],
            [{ "If-None-Match": etag }, [304, "", undefined, undefined]],
            [{ "If-Modified-Since": modified }, [304, "", undefined, undefined]],
            [{ "If-Match": "\"x\"" }, [412, "", undefined, "0"]]
          ] as const
        ) expect(pick(yield* get(fields), "content-range", "content-length")).toEqual(expected)
        expect(pick(yield* get({ Range: "bytes=0-0" }, "/empty.txt"), "content-range")).toEqual([416, "", "bytes */0"])
        const several = yield* get({ Range: "bytes=0-1,4-5" })
        const boundary = /boundary=(.+)$/.exec(several.fields["content-type"]!)![1]!
        expect(several.body.split(`--${boundary}`).map((part) => part.split("\r\n\r\n")[1]?.trim())).toEqual(
          [undefined, "01", "45", undefined]
        )
        expect(several.fields["content-length"]).toBe(String(several.body.length))
      }))

    test("X02 case 42: compressed files go to those who take them", () =>
      Effect.gen(function*() {
        const { ask, root } = yield* serving({ precompressed: true }, {
          "a.js": "plain a",
          "a.js.gz": "gzip a",
          "a.js.br": "br a",
          "b.js": "plain b",
          "b.js.gz/": "",
          "index.html": "plain index",
          "index.html.gz": "gzip index"
        })
        const tags = new Map<string, string>()
        for (
          const [path, accept, expected] of [
            ["/a.js", undefined, "plain a"],
            ["/a.js", "gzip", "gzip a"],
            ["/a.js", "gzip, br", "br a"],
            ["/a.js", "br;q=0.5, gzip", "gzip a"],
            ["/a.js", "gzip;q=0", "plain a"],
            ["/a.js", "zstd", "plain a"],
            ["/a.js", "identity;q=0, *", "br a"],
            ["/b.js", "gzip", "plain b"],
            ["/", "gzip", "gzip index"]
          ] as const
        ) {
          const answer = yield* ask(path, { fields: accept === undefined ? {} : { "Accept-Encoding": accept } })
          const coding = expected.split(" ")[0]!
          expect(pick(answer, "content-encoding", "vary")).toEqual(
            [200, expected, coding === "plain" ? undefined : coding, "Accept-Encoding"]
          )
          expect(answer.fields["content-type"]).toMatch(/^text\/(javascript|html); charset=utf-8$/)
          if (path === "/a.js") tags.set(expected, answer.fields["etag"]!)
        }
        expect(new Set(tags.values()).size).toBe(3)
        for (const accept of ["*;q=0", "identity;q=0"]) {
          expect(pick(yield* ask("/a.js", { fields: { "Accept-Encoding": accept } }), "vary").slice(0, 1)).toEqual([
            406
          ])
        }
        const gzip = { "Accept-Encoding": "gzip" }
        expect(
          pick(yield* ask("/a.js", { fields: { ...gzip, Range: "bytes=0-1" } }), "content-encoding", "content-range")
        )
          .toEqual([206, "pl", undefined, "bytes 0-1/7"])
        const head = yield* ask("/a.js", { method: "HEAD", fields: { ...gzip, Range: "bytes=0-1" } })
        expect(pick(head, "content-encoding", "content-length")).toEqual([200, "", "gzip", "6"])
        expect((yield* ask("/a.js", { fields: { ...gzip, "If-None-Match": tags.get("gzip a")! } })).status).toBe(304)
        expect((yield* ask("/a.js", { fields: { ...gzip, "If-None-Match": tags.get("plain a")! } })).status).toBe(200)
        yield* Tree.closed(root)
      }))

    test("X02 caching, downloads and types follow the options", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving({
          immutable: /-[0-9a-f]{4}\.js$/g,
          cacheControl: [{ match: /\.html$/, value: "no-cache" }, { match: /^/, value: "max-age=60" }],
          download: (path) => path.endsWith(".txt"),
          types: { ".TXT": "text/x-own", bin: "application/x-own" }
        })
        const cache = (path: string) => Effect.map(ask(path), ({ fields }) => fields["cache-control"])
        for (let again = 0; again < 2; again++) {
          expect(yield* cache("/assets/app-5f3a.js")).toBe("public, max-age=31536000, immutable")
        }
        expect(yield* cache("/")).toBe("no-cache")
        expect(yield* cache("/bare/file.bin")).toBe("max-age=60")
        expect(yield* cache("/nothing")).toBeUndefined()
        expect(pick(yield* ask("/hello.txt"), "content-disposition", "content-type").slice(2)).toEqual(
          ["attachment; filename=\"hello.txt\"", "text/x-own; charset=utf-8"]
        )
        expect((yield* ask("/")).fields["content-disposition"]).toBeUndefined()
        expect((yield* ask("/bare/file.bin")).fields["content-type"]).toBe("application/x-own")
      }))

    test("X02 the name of a download is escaped, whatever it is", () =>
      Effect.gen(function*() {
        const names = ["é€.txt", "a\"b.txt", "line\r\nX-Evil: 1.txt", "%41.txt", "😀"]
        const { ask } = yield* serving({ download: true }, Object.fromEntries(names.map((name) => [name, "x"])))
        for (const name of names) {
          const { fields, status } = yield* ask(`/${encodeURIComponent(name)}`)
          expect([status, fields["x-evil"]]).toEqual([200, undefined])
          const value = fields["content-disposition"]!
          const long = /filename\*=UTF-8''([^;]+)/.exec(value)?.[1]
          const short = /filename="((?:[^"\\]|\\.)*)"/.exec(value)?.[1]?.replace(/\\(.)/g, "$1")
          expect(long === undefined ? short : decodeURIComponent(long)).toBe(name)
        }
      }))

    test("X02 listings are escaped, sorted and bounded, as a page and as JSON", () =>
      Effect.gen(function*() {
        const outside = yield* Tree.make({ s: "secret" })
        const { ask, root } = yield* serving({ listing: { maxEntries: 7 } }, {
          "b.txt": "bb",
          "a<b>&\"'.txt": "a",
          "javascript:alert(1)": "x",
          "sub/": "",
          "out": `->${outside}/s`,
          ".hidden": "x",
          "near": "->b.txt",
          ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`many/${at}`, "x"]))
        })
        const page = yield* ask("/")
        expect(pick(page, "content-type", "vary", "content-security-policy").slice(2)).toEqual(
          ["text/html; charset=utf-8", "Accept", "default-src 'none'"]
        )
        expect(Array.from(page.body.matchAll(/href="([^"]*)">([^<]*)</g), ([, href, text]) => [href, text])).toEqual([
          ["./many/", "many/"],
          ["./sub/", "sub/"],
          ["./a%3Cb%3E%26%22&#39;.txt", "a&lt;b&gt;&amp;&quot;&#39;.txt"],
          ["./b.txt", "b.txt"],
          ["./javascript%3Aalert(1)", "javascript:alert(1)"],
          ["./near", "near"]
        ])
        const json = (path: string) =>
          Effect.map(ask(path, { fields: { Accept: "application/json" } }), ({ body }) => JSON.parse(body))
        const all = yield* json("/")
        expect(all.truncated).toBe(false)
        expect(all.entries[3]).toEqual({
          name: "b.txt",
          type: "file",
          size: 2,
          modified: new Date(Math.floor(Fs.statSync(Path.join(root, "b.txt")).mtimeMs)).toISOString()
        })
        const many = yield* json("/many/")
        expect([many.truncated, many.entries.length]).toEqual([true, 7])
        expect((yield* ask("/many/")).body).toContain("There are more")
        expect((yield* ask("/sub")).status).toBe(301)
        expect(pick(yield* ask("/sub/", { method: "HEAD" })).slice(0, 2)).toEqual([200, ""])
        yield* Tree.closed(root)
      }))

    test("X02 a single-page program's page is for navigations, not for missing scripts", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving({ fallback: "index.html", notFound: "404.html" })
        const home = [200, "<h1>home</h1>"]
        const lost = [404, "<h1>lost</h1>"]
        const html = "text/html,application/xhtml+xml,*/*;q=0.8"
        for (
          const [path, accept, expected] of [
            ["/users/ada", html, home],
            ["/users/ada", "*/*", home],
            ["/users/ada", undefined, home],
            ["/users/ada.lovelace", html, home],
            ["/assets/missing.js", "*/*", lost],
            ["/users/ada", "application/json", lost],
            ["/users/ada", "text/html;q=0", lost],
            ["/bare/", html, home],
            ["/.env", html, lost],
            ["/../s", html, lost]
          ] as const
        ) {
          const answer = yield* ask(path, { fields: accept === undefined ? {} : { Accept: accept } })
          expect([path, accept, ...pick(answer)]).toEqual([path, accept, ...expected])
        }
        const page = yield* ask("/users/ada")
        const again = yield* ask("/users/ada", { fields: { "If-None-Match": page.fields["etag"]! } })
        expect(again.status).toBe(304)
        // A page in place of what is missing has no conditions and no ranges (RFC 9110, 13.2.1).
        const none = yield* ask("/x.js", { fields: { "If-None-Match": "*", Range: "bytes=0-0" } })
        expect(pick(none, "etag", "cache-control")).toEqual([...lost, undefined, undefined])
        expect(pick(yield* ask("/x.js", { method: "HEAD" }), "content-length")).toEqual([404, "", "13"])
      }))

    test("X02 what is missing may be another app's", () =>
      Effect.gen(function*() {
        const other = Effect.map(
          HttpServerRequest.HttpServerRequest,
          ({ url }) => HttpServerResponse.text(`other ${url}`, { status: 404 })
        )
        const { ask } = yield* serving({ notFound: other })
        expect(pick(yield* ask("/nothing"))).toEqual([404, "other /nothing"])
        expect(pick(yield* ask("/hello.txt"))).toEqual([200, "0123456789"])
        const gone = yield* serving({ notFound: "gone.html", fallback: "gone.html" })
        expect(pick(yield* gone.ask("/nothing"))).toEqual([404, "Not found\n"])
      }))

    test("X02 indexes are tried in order, dot files are served on request", () =>
      Effect.gen(function*() {
        const { ask } = yield* serving({ index: ["index.htm", "page.html"], dotFiles: true })
        expect(pick(yield* ask("/sub/"))).toEqual([200, "page"])
        expect((yield* ask("/")).status).toBe(404)
        expect(pick(yield* ask("/.env"))).toEqual([200, "secret"])
        const none = yield* serving({ index: false })
        expect((yield* none.ask("/")).status).toBe(404)
      }))
  })
}

describe("static files in a web handler", () => {
  it.scopedLive("X02 the file closes with the body, read or not", () =>
    Effect.gen(function*() {
      const root = yield* Tree.make({ "large.bin": "x".repeat(300_000), "small.txt": "small" })
      const handler = HttpApp.toWebHandler(yield* StaticFiles.make(root))
      const ask = (path: string, init?: RequestInit) =>
        Effect.promise(() => handler(new Request(`http://localhost${path}`, init)))
      const large = yield* ask("/large.bin")
      expect(Tree.openBelow(root)).toHaveLength(1)
      expect((yield* Effect.promise(() => large.text())).length).toBe(300_000)
      yield* Tree.closed(root)
      expect(yield* Effect.promise(async () => (await handler(new Request("http://localhost/small.txt"))).text())).toBe(
        "small"
      )
      const head = yield* ask("/large.bin", { method: "HEAD" })
      expect([head.status, head.headers.get("content-length")]).toEqual([200, "300000"])
      const left = yield* ask("/large.bin")
      yield* Effect.promise(() => left.body!.cancel())
      yield* Tree.closed(root)
    }))
})
