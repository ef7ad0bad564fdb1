/** Static files beside nginx on the same tree, request by request. */
import { Copas } from "@copas/core"
import { NodeHttpServer, NodeNet } from "@copas/node"
import { HttpServer, HttpServerResponse } from "@effect/platform"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import { StaticFiles, VirtualHosts } from "../../src/index.js"
import { portOf } from "../portOf.js"
import { type Answer, type Ask, rawAsk } from "../static/asking.js"
import * as Tree from "../static/tree.js"
import { freePort } from "./freePort.js"
import { nginx, run } from "./programs.js"

const large = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251))

const site = {
  "index.html": "<h1>home</h1>",
  "ten.txt": "0123456789",
  "empty.txt": "",
  "large.bin": large,
  "sub/index.html": "sub",
  "sub/style.css": "a{}",
  "bare/x": "x",
  "pre/a.js": "let a = 1",
  "pre/a.js.gz": gzipSync("let a = 1"),
  "spaced name é.txt": "odd",
  ".env": "secret",
  ".well-known/acme": "token"
}

/** nginx on the tree, until the scope ends. */
const oracleOf = (root: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    yield* nginx(() => `
      include /etc/nginx/mime.types; default_type application/octet-stream;
      if_modified_since before; max_ranges 20; absolute_redirect off; merge_slashes off;
      server {
        listen 127.0.0.1:${port}; root ${root};
        location ~ /\\.(?!well-known/) { return 404; }
        location /pre/ { gzip_static on; gzip_vary on; gzip_http_version 1.0; }
      }`)
    return port
  })

/** Of two conditions of one kind the tag alone counts (RFC 9110, 13.2.2); nginx goes by the date, too. */
const isDoubled = (fields: Readonly<Record<string, string>>): boolean =>
  "If-Match" in fields && "If-Unmodified-Since" in fields || "If-None-Match" in fields && "If-Modified-Since" in fields

class Servers extends Context.Tag("test/StaticServers")<Servers, {
  readonly oracle: Ask
  readonly ours: Ask
  readonly port: number
  readonly root: string
}>() {}

const servers = Layer.scoped(
  Servers,
  Effect.gen(function*() {
    const root = yield* Tree.make(site)
    const oracle = yield* rawAsk(yield* oracleOf(root))
    const app = yield* StaticFiles.make(root, { precompressed: ["gzip"] })
    const server = yield* NodeHttpServer.make({ listen: { host: "127.0.0.1", port: 0 } })
    yield* Effect.provideService(HttpServer.serveEffect(app), HttpServer.HttpServer, server)
    const port = portOf(server)
    return { root, oracle, ours: yield* rawAsk(port), port }
  })
).pipe(Layer.provideMerge(Layer.provideMerge(Copas.layer, NodeNet.layer)))

/** What both must say alike. */
const seen = ({ body, fields, status }: Answer, path: string) => {
  const isFile = status === 200 || status === 206 || status === 304
  const location = fields["location"]
  const boundary = /boundary=(.+)$/.exec(fields["content-type"] ?? "")?.[1]
  // A charset is the media type's own in the one, and a setting of the server's in the other.
  const parts = boundary === undefined
    ? body
    : body.replaceAll(boundary, "B").replace(/^\r\n/, "").replace(/^(Content-Type: [^;\r\n]*)[^\r\n]*/gm, "$1")
  return {
    status,
    body: isFile ? parts : "",
    type: isFile && status !== 304 ? fields["content-type"]?.replace(/;.*/, "") : undefined,
    range: fields["content-range"],
    modified: isFile ? fields["last-modified"] : undefined,
    coding: fields["content-encoding"],
    location: location === undefined ? undefined : new URL(location, `http://h${path}`).href
  }
}

const date = (root: string, name: string, more: number): string =>
  new Date(Fs.statSync(Path.join(root, name)).mtime.getTime() + more).toUTCString()

layer(servers, { timeout: 60_000, excludeTestServices: true })("static files beside nginx", (it) => {
  /** Asks both; `TAG` in a field is each one's own tag of the file. */
  const compare = (path: string, fields: Readonly<Record<string, string>>, method = "GET") =>
    Effect.gen(function*() {
      const { oracle, ours } = yield* Servers
      const [theirs, mine] = yield* Effect.forEach([oracle, ours], (ask) =>
        Effect.gen(function*() {
          const { fields: { etag = "" } } = yield* ask(path)
          const own = Object.entries(fields).map(([name, value]) => [name, value.replaceAll("TAG", etag)])
          return seen(yield* ask(path, { method, fields: Object.fromEntries(own) }), path)
        }))
      return { theirs: theirs!, mine: mine! }
    })
  const label = (path: string, fields: Readonly<Record<string, string>>, method = "GET") =>
    `${method} ${path} ${Object.entries(fields).map((field) => field.join("=")).join(" ")}`.trim()

  describe("what both answer alike", () => {
    it.effect("X02 paths: files, directories and their redirects, what is missing or hidden", () =>
      Effect.gen(function*() {
        for (
          const path of [
            "/",
            "/index.html",
            "/ten.txt",
            "/ten.txt?q=1",
            "/empty.txt",
            "/large.bin",
            "/sub",
            "/sub?a=b&c=d",
            "/sub/",
            "/sub/style.css",
            "/spaced%20name%20%C3%A9.txt",
            "/%74en.txt",
            "/ten.txt/",
            "/ten.txt/x",
            "/nothing",
            "/nothing/",
            "/.env",
            "/%2eenv",
            "/.well-known/acme",
            "/a%00.png",
            "/%zz",
            "/%252e%252e/ten.txt"
          ]
        ) {
          for (const method of ["GET", "HEAD"]) {
            const { mine, theirs } = yield* compare(path, {}, method)
            expect([label(path, {}, method), mine]).toEqual([label(path, {}, method), theirs])
          }
        }
        for (const method of ["POST", "DELETE", "PUT", "OPTIONS"]) {
          const { mine, theirs } = yield* compare("/ten.txt", { "Content-Length": "0" }, method)
          expect([method, mine.status]).toEqual([method, theirs.status])
        }
      }))

    it.effect("X02 ranges, of small and large files, alone and several", () =>
      Effect.gen(function*() {
        const ranges = [
          "0-0",
          "-3",
          "3-",
          "2-4",
          "8-100",
          "-100",
          "20-",
          "0-",
          "0-1,4-5",
          "0-0,2-2,4-4",
          "0-1, 8-9",
          "1-65535",
          "65535-65536",
          "100000-299999,10-20"
        ]
        for (const path of ["/ten.txt", "/large.bin"]) {
          for (const range of ranges) {
            const fields = { Range: `bytes=${range}` }
            const { mine, theirs } = yield* compare(path, fields)
            expect([label(path, fields), mine]).toEqual([label(path, fields), theirs])
          }
          for (const range of ["lines=0-1", "bytes=abc", "0-1", "bytes"]) {
            const { mine } = yield* compare(path, { Range: range })
            expect([range, mine.status]).toEqual([range, 200])
          }
        }
      }))

    it.effect("X02 conditions, each and together, with ranges and codings", () =>
      Effect.gen(function*() {
        const { root } = yield* Servers
        const dates = [date(root, "ten.txt", 0), date(root, "ten.txt", -60_000), date(root, "ten.txt", 60_000)]
        const tags = ["TAG", "W/TAG", "\"x\"", "*", "\"x\", TAG", "xTAG"]
        const one = (name: string, values: ReadonlyArray<string>) => [{}, ...values.map((value) => ({ [name]: value }))]
        const conditions = [
          one("If-Match", tags),
          one("If-None-Match", tags),
          one("If-Modified-Since", dates),
          one("If-Unmodified-Since", dates),
          one("If-Range", ["TAG", "W/TAG", ...dates])
        ]
        const all: Array<Readonly<Record<string, string>>> = []
        for (let a = 0; a < conditions.length; a++) {
          for (let b = a; b < conditions.length; b++) {
            for (const left of conditions[a]!) for (const right of conditions[b]!) all.push({ ...left, ...right })
          }
        }
        let asked = 0
        const wrong: Array<string> = []
        for (const fields of all.flatMap((fields) => [fields, { ...fields, Range: "bytes=0-1" }])) {
          if (isDoubled(fields)) continue
          asked++
          const { mine, theirs } = yield* compare("/ten.txt", fields)
          if (mine.status !== theirs.status || mine.body !== theirs.body) {
            wrong.push(`${label("", fields)}: ${mine.status}, nginx ${theirs.status}`)
          }
        }
        expect(wrong).toEqual([])
        expect(asked).toBeGreaterThan(200)
      }), 120_000)

    it.effect("X02 compressed files", () =>
      Effect.gen(function*() {
        for (
          const fields of [{}, { "Accept-Encoding": "gzip" }, { "Accept-Encoding": "br" }, {
            "Accept-Encoding": "gzip;q=0"
          }, { "Accept-Encoding": "gzip, br;q=0.1" }]
        ) {
          const { mine, theirs } = yield* compare("/pre/a.js", fields)
          expect([fields, mine]).toEqual([fields, { ...theirs, type: "text/javascript" }])
        }
      }))
  })

  describe("what differs, and why", () => {
    it.effect("X02 nginx answers otherwise than RFC 9110, or than the safety of a path has it", () =>
      Effect.gen(function*() {
        const { root } = yield* Servers
        const [early, late] = [date(root, "ten.txt", -60_000), date(root, "ten.txt", 60_000)]
        const differences: ReadonlyArray<readonly [string, Readonly<Record<string, string>>, number, number]> = [
          // 14.1.1 and 14.2: a set with an invalid range is ignored.
          ["/ten.txt", { Range: "bytes=5-2" }, 416, 200],
          ["/ten.txt", { Range: "bytes=abc" }, 416, 200],
          // 13.2.2: a date beside a tag is ignored.
          ["/ten.txt", { "If-Match": "TAG", "If-Unmodified-Since": early }, 412, 200],
          ["/ten.txt", { "If-None-Match": "TAG", "If-Modified-Since": early }, 200, 304],
          ["/ten.txt", { "If-None-Match": "\"x\"", "If-Modified-Since": late }, 200, 200],
          // 12.5.3: the file as it is may be refused.
          ["/pre/a.js", { "Accept-Encoding": "*;q=0" }, 200, 406],
          // An encoded slash never separates names.
          ["/sub%2Findex.html", {}, 200, 404],
          // Nothing is said about what is there.
          ["/bare/", {}, 403, 404],
          ["/../etc/passwd", {}, 400, 404]
        ]
        for (const [path, fields, theirs, mine] of differences) {
          const both = yield* compare(path, fields)
          expect([label(path, fields), both.theirs.status, both.mine.status])
            .toEqual([label(path, fields), theirs, mine])
        }
      }))
  })

  it.scoped("X02 curl reads, resumes and takes compressed files", () =>
    Effect.gen(function*() {
      const { port } = yield* Servers
      const target = yield* Tree.make({ "part": large.subarray(0, 123_456) })
      const url = `http://127.0.0.1:${port}`
      const curl = (...args: ReadonlyArray<string>) => run("curl", ["-sS", "--path-as-is", ...args])
      yield* curl("-C", "-", "-o", Path.join(target, "part"), `${url}/large.bin`)
      expect(Fs.readFileSync(Path.join(target, "part")).equals(large)).toBe(true)
      expect(yield* curl("--compressed", `${url}/pre/a.js`)).toBe("let a = 1")
      expect(yield* curl("-L", `${url}/sub`)).toBe("sub")
      expect(yield* curl("-o", "/dev/null", "-w", "%{http_code}", `${url}/../../../etc/passwd`)).toBe("404")
      expect(yield* curl("-z", new Date().toUTCString(), "-o", "/dev/null", "-w", "%{http_code}", `${url}/ten.txt`))
        .toBe("304")
    }))

  it.scoped("X02 and X04 the same over HTTP/2: files, ranges, and hosts by :authority", () =>
    Effect.gen(function*() {
      const { root } = yield* Servers
      const hosts = {
        "a.test": yield* StaticFiles.make(root, { precompressed: true }),
        "b.test": HttpServerResponse.text("b")
      }
      const server = yield* NodeHttpServer.make({ listen: { host: "127.0.0.1", port: 0 }, http2: "clear" })
      yield* Effect.provideService(
        HttpServer.serveEffect(yield* VirtualHosts.make({ hosts })),
        HttpServer.HttpServer,
        server
      )
      const port = portOf(server)
      const target = yield* Tree.make({})
      const file = Path.join(target, "large.bin")
      const curl = (host: string, path: string, ...args: ReadonlyArray<string>) =>
        run("curl", [
          "-sS",
          "--http2-prior-knowledge",
          "--connect-to",
          `${host}:80:127.0.0.1:${port}`,
          ...args,
          `http://${host}${path}`
        ])
      yield* curl("a.test", "/large.bin", "-o", file)
      expect(Fs.readFileSync(file).equals(large)).toBe(true)
      yield* curl("a.test", "/large.bin", "-o", file, "-r", "100000-")
      expect(Fs.readFileSync(file).equals(large.subarray(100_000))).toBe(true)
      expect(yield* curl("a.test", "/pre/a.js", "--compressed")).toBe("let a = 1")
      expect(yield* curl("a.test", "/sub", "-w", "%{http_version} %{http_code} %header{location}")).toBe("2 301 ./sub/")
      expect(yield* curl("a.test", "/ten.txt", "-I", "-o", "/dev/null", "-w", "%header{content-length}")).toBe("10")
      expect(yield* curl("b.test", "/")).toBe("b")
      expect(yield* curl("c.test", "/", "-o", "/dev/null", "-w", "%{http_code}")).toBe("421")
    }))
})
