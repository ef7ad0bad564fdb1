/** What scripts are told and what they may answer: RFC 3875, section by section, over sockets and by fetch's requests. */
import { type HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, type Scope, Stream } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Cgi from "../../src/Cgi.js"
import { ask, js, plain, scripts, servers, sh } from "./site.js"

const variables = js(
  "process.stdout.write('Content-Type: application/json\\n\\n' + JSON.stringify({ env: process.env, args: process.argv.slice(2), cwd: process.cwd() }))"
)

/** An app of scripts, or a site with one. */
type App = HttpApp.Default<unknown, Scope.Scope>

interface Seen {
  readonly env: Readonly<Record<string, string>>
  readonly args: ReadonlyArray<string>
  readonly cwd: string
}

const seen = (body: string): Seen => JSON.parse(Buffer.from(body, "latin1").toString()) as Seen

/** A body that says what it got, by length and by sum. */
const counting = js(
  "let bytes = 0, sum = 0",
  "process.stdin.on('data', (chunk) => { bytes += chunk.length; for (const byte of chunk) sum = (sum * 31 + byte) % 65521 })",
  "process.stdin.on('end', () => process.stdout.write(`Content-Type: text/plain\\n\\n${process.env.CONTENT_LENGTH} ${bytes} ${sum}`))"
)

const summed = (text: string): string => {
  let sum = 0
  for (const byte of Buffer.from(text, "latin1")) sum = (sum * 31 + byte) % 65_521
  return `${text.length} ${text.length} ${sum}`
}

const chunked = (text: string, size: number): string => {
  const parts: Array<string> = []
  for (let at = 0; at < text.length; at += size) {
    const part = text.slice(at, at + size)
    parts.push(`${part.length.toString(16)}\r\n${part}\r\n`)
  }
  return `${parts.join("")}0\r\n\r\n`
}

/** Answers by hand, without a server. */
const answer = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>,
  request: Request
): Effect.Effect<
  { readonly status: number; readonly text: string },
  E,
  Exclude<R, HttpServerRequest.HttpServerRequest | Scope.Scope>
> =>
  Effect.scoped(
    Effect.gen(function*() {
      const response = yield* app
      const text = yield* Effect.promise(() => HttpServerResponse.toWeb(response).text())
      return { status: response.status, text }
    }).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(request))
    )
  ) as never

describe.each(servers)("X05 RFC 3875 on $name", ({ serve }) => {
  it.scoped("X05 4.1 a script sees the variables of the RFC, the fields, and nothing of the server's environment", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "sub/vars": variables })
      const site = yield* serve(
        HttpRouter.empty.pipe(HttpRouter.mountApp("/cgi-bin", yield* Cgi.make({ root, env: { HOME: "/nowhere" } })))
      )
      const fields = [
        "Content-Type: text/x-thing",
        "Content-Length: 3",
        "Accept: a/b",
        "Accept: c/d",
        "Authorization: Basic c2VjcmV0",
        "Keep-Alive: 5",
        "constructor: plain",
        "__proto__: none",
        "X-Utf: caf\u00c3\u00a9",
        "X-Latin: caf\u00e9"
      ]
      const { body } = yield* ask(site, "/cgi-bin/sub/vars/a%20b//c/?q=%20&r", { method: "POST", fields, body: "abc" })
      const { cwd, env } = seen(body)
      expect(cwd).toBe(join(root, "sub"))
      expect(env).toEqual({
        GATEWAY_INTERFACE: "CGI/1.1",
        SERVER_SOFTWARE: "Copas-for-Effect",
        SERVER_PROTOCOL: "HTTP/1.1",
        SERVER_NAME: "cgi.test",
        SERVER_PORT: String(site.port),
        REQUEST_METHOD: "POST",
        SCRIPT_NAME: "/cgi-bin/sub/vars",
        PATH_INFO: "/a b//c/",
        PATH_TRANSLATED: `${root}/a b//c/`,
        QUERY_STRING: "q=%20&r",
        REMOTE_ADDR: "127.0.0.1",
        REMOTE_HOST: "127.0.0.1",
        CONTENT_TYPE: "text/x-thing",
        CONTENT_LENGTH: "3",
        HTTP_HOST: "cgi.test:8080",
        HTTP_ACCEPT: "a/b, c/d",
        HTTP_CONSTRUCTOR: "plain",
        HTTP_X_UTF: "café",
        HTTP_X_LATIN: "café",
        HOME: "/nowhere"
      })
    }))

  it.scoped("X05 4.1 what the program names counts more than what a client sends", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "vars": variables })
      const site = yield* serve(
        yield* Cgi.make({
          script: join(root, "vars"),
          authorization: true,
          serverName: "www.test",
          documentRoot: "/usr",
          env: ({ pathInfo, script }) => ({
            HTTP_X_USER: "ada",
            SCRIPT_FILENAME: script,
            REMOTE_USER: pathInfo.slice(1)
          })
        })
      )
      const { body } = yield* ask(site, "/eve", { fields: ["X-User: eve", "Authorization: Bearer t"] })
      const { env } = seen(body)
      expect(env).toMatchObject({
        SERVER_NAME: "www.test",
        SCRIPT_NAME: "",
        PATH_INFO: "/eve",
        PATH_TRANSLATED: "/usr/eve",
        HTTP_X_USER: "ada",
        HTTP_AUTHORIZATION: "Bearer t",
        SCRIPT_FILENAME: join(root, "vars"),
        REMOTE_USER: "eve",
        QUERY_STRING: ""
      })
    }))

  const queries: Readonly<Record<string, ReadonlyArray<string>>> = {
    "one+two%20words": ["one", "two words"],
    "a%3Db": ["a=b"],
    "a=b+c": [],
    "-s": [],
    "a+%2Ds": [],
    "a++b": [],
    "a+%00": [],
    "a+%ff": [],
    "": []
  }
  it.scoped.each(Object.entries(queries))(
    "X05 4.4 the query %s as a command line",
    ([query, words]) =>
      Effect.gen(function*() {
        const root = yield* scripts({ "vars": variables })
        const site = yield* serve(yield* Cgi.make({ root }))
        expect(seen((yield* ask(site, `/vars?${query}`)).body).args).toEqual(words)
        expect(seen((yield* ask(site, `/vars?${query}`, { method: "POST" })).body).args).toEqual([])
      })
  )

  it.scoped("X05 4.2 a body reaches the script whole, with its length, however it came", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "count": counting })
      const site = yield* serve(yield* Cgi.make({ root }))
      const text = Array.from({ length: 300_000 }, (_, at) => String.fromCharCode(at * 7 % 256)).join("")
      for (const size of [1, 65_536, 65_537, 300_000]) {
        const part = text.slice(0, size)
        const told = { method: "POST", fields: [`Content-Length: ${size}`], body: part }
        expect((yield* ask(site, "/count", told)).body).toBe(summed(part))
        const untold = { method: "POST", fields: ["Transfer-Encoding: chunked"], body: chunked(part, 7000) }
        expect((yield* ask(site, "/count", untold)).body).toBe(summed(part))
      }
    }))

  it.scoped("X05 4.2 a chunked body past the limit is 413, and 411 where it is not kept", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "count": counting })
      const app = yield* Cgi.make({ root })
      const small = yield* serve(HttpServerRequest.withMaxBodySize(app, Option.some(100_000)))
      const chunks = { method: "POST", fields: ["Transfer-Encoding: chunked"] }
      expect((yield* ask(small, "/count", { ...chunks, body: chunked("x".repeat(100_001), 5000) })).status).toBe(413)
      expect((yield* ask(small, "/count", { method: "POST", fields: ["Content-Length: 100001"] })).status).toBe(413)
      const strict = yield* serve(yield* Cgi.make({ root, chunked: "refuse" }))
      expect((yield* ask(strict, "/count", { ...chunks, body: chunked("x", 1) })).status).toBe(411)
    }))

  it.scoped("X05 4.2 a script need not read its body", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "deaf": sh("exec < /dev/null", plain, "echo well") })
      const site = yield* serve(yield* Cgi.make({ root }))
      const body = "x".repeat(3_000_000)
      const { body: text } = yield* ask(site, "/deaf", {
        method: "POST",
        fields: [`Content-Length: ${body.length}`],
        body
      })
      expect(text).toBe("well\n")
    }))

  it.scoped("X05 4.3.2 HEAD has the head of the answer and no body", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "page": sh("printf 'Content-Type: text/x\\nContent-Length: 5\\nX-A: b\\n\\nhello'", "echo ran >> runs"),
        "none": sh("printf 'Status: 204 None\\nX-A: b\\n\\nhello'")
      })
      const site = yield* serve(yield* Cgi.make({ root }))
      const { body, field } = yield* ask(site, "/page", { method: "HEAD" })
      expect([body, field("content-length"), field("x-a")]).toEqual(["", "5", "b"])
      expect(Fs.readFileSync(join(root, "runs"), "utf8")).toBe("ran\n")
      const none = yield* ask(site, "/none")
      expect([none.status, none.body, none.field("x-a")]).toEqual([204, "", "b"])
    }))

  it.scoped("X05 6.2 redirects: of the client with and without a document, and of the server", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "away": sh("printf 'Location: https://copas.test/?a#b\\nX-Why: moved\\n\\n'"),
        "doc": sh("printf 'Status: 307 Later\\nLocation: /x\\nContent-Type: text/plain\\n\\nthere'"),
        "login": sh("printf 'Location: /home\\nSet-Cookie: a=b\\n\\n'"),
        "inside": sh("printf 'Location: /bin/vars/more?q+r\\n\\n'"),
        "outside": sh("printf 'Location: /page?x=1\\n\\n'"),
        "twice": sh("printf 'Location: //evil.test/\\n\\n'"),
        "part": sh("printf 'Location: /bin/vars#part\\n\\n'"),
        "vars": variables
      })
      const page = Effect.map(
        HttpServerRequest.HttpServerRequest,
        ({ headers, method, url }) => HttpServerResponse.text(`${method} ${url} ${headers["content-length"]}`)
      )
      const siteOf = (app: App) =>
        HttpRouter.empty.pipe(HttpRouter.get("/page", page), HttpRouter.mountApp("/bin", app))
      const alone = yield* serve(siteOf(yield* Cgi.make({ root })))
      const away = yield* ask(alone, "/bin/away")
      expect([away.status, away.field("location"), away.field("x-why")]).toEqual([
        302,
        "https://copas.test/?a#b",
        "moved"
      ])
      const doc = yield* ask(alone, "/bin/doc")
      expect([doc.status, doc.field("location"), doc.body]).toEqual([307, "/x", "there"])
      const login = yield* ask(alone, "/bin/login")
      expect([login.status, login.field("location"), login.field("set-cookie")]).toEqual([302, "/home", "a=b"])
      expect((yield* ask(alone, "/bin/twice")).field("location")).toBe("/.//evil.test/")
      expect((yield* ask(alone, "/bin/part")).field("location")).toBe("/bin/vars#part")
      const post = { method: "POST", fields: ["Content-Length: 2"], body: "ab" }
      const { args, env } = seen((yield* ask(alone, "/bin/inside", post)).body)
      expect(env).toMatchObject({
        REQUEST_METHOD: "GET",
        SCRIPT_NAME: "/bin/vars",
        PATH_INFO: "/more",
        QUERY_STRING: "q+r"
      })
      expect([args, env["CONTENT_LENGTH"]]).toEqual([["q", "r"], undefined])
      expect((yield* ask(alone, "/bin/outside")).field("location")).toBe("/page?x=1")

      const app: App = yield* Cgi.make({ root, local: Effect.suspend(() => all) })
      const all: App = siteOf(app)
      const site = yield* serve(all)
      expect((yield* ask(site, "/bin/outside", post)).body).toBe("GET /page?x=1 undefined")
      expect(seen((yield* ask(site, "/bin/inside", post)).body).env["SCRIPT_NAME"]).toBe("/bin/vars")
    }))

  const paths: ReadonlyArray<readonly [target: string, status: number]> = [
    ["/", 404],
    ["/none", 404],
    ["/sub", 404],
    ["/sub/", 404],
    ["/../sub/deep", 404],
    ["/sub/%2e%2e/top", 404],
    ["/sub%2fdeep", 404],
    ["/top/%2e%2e/%2e%2e/etc/passwd", 404],
    ["/top/a%00b", 400],
    ["/%ff", 400],
    ["/.hidden", 404],
    ["//top", 404],
    ["/out", 404],
    ["/in", 200],
    ["/top", 200],
    ["/sub/deep/x", 200],
    ["/data", 403],
    ["/nph-raw", 501],
    ["/alias", 501]
  ]
  it.scoped.each(paths)("X05 3.3 the target %s is %i", ([target, status]) =>
    Effect.gen(function*() {
      const ok = sh(plain, "echo ok")
      const outside = yield* scripts({ "secret": ok })
      const root = yield* scripts({ "top": ok, "sub/deep": ok, ".hidden": ok, "data": ok, "nph-raw": ok })
      Fs.symlinkSync(join(outside, "secret"), join(root, "out"))
      Fs.symlinkSync("top", join(root, "in"))
      Fs.symlinkSync("nph-raw", join(root, "alias"))
      Fs.chmodSync(join(root, "data"), 0o644)
      const site = yield* serve(yield* Cgi.make({ root }))
      expect((yield* ask(site, target)).status).toBe(status)
    }))

  it.scoped("X05 a script by its interpreter need not be executable", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "a.sh": `${plain}; echo "sh $1"\n`,
        "b.JS": "console.log(`Content-Type: a/b\\n\\njs`)\n",
        "c": variables
      })
      Fs.chmodSync(join(root, "a.sh"), 0o644)
      Fs.chmodSync(join(root, "b.JS"), 0o644)
      const interpreter = { ".sh": "sh", ".js": [process.execPath, "--no-warnings"] }
      const site = yield* serve(yield* Cgi.make({ root, interpreter }))
      expect((yield* ask(site, "/a.sh?word")).body).toBe("sh word\n")
      expect((yield* ask(site, "/b.JS")).body).toBe("js\n")
      expect((yield* ask(site, "/c")).status).toBe(200)
    }))
})

describe("X05 CGI by requests of fetch's", () => {
  it.scoped("X05 a body without a length is kept until that is known, and the answer is a web response", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "count": counting, "vars": variables })
      const app = yield* Cgi.make({ root })
      const body = new ReadableStream({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode("abc"))
          controller.close()
        }
      })
      const post = new Request("https://copas.test/count", { method: "POST", body, duplex: "half" } as RequestInit)
      expect((yield* answer(app, post)).text).toBe(summed("abc"))
      const { env } = seen((yield* answer(app, new Request("https://copas.test/vars"))).text)
      expect(env).toMatchObject({ HTTPS: "on", SERVER_NAME: "copas.test", SERVER_PORT: "443", REMOTE_ADDR: "" })
    }))

  const failing: ReadonlyArray<readonly [name: string, script: string, expected: object, status: number]> = [
    ["no interpreter", "#!/nowhere/sh\n", { _tag: "CgiSystemFailed", operation: "spawn", code: "ENOENT" }, 500],
    ["an interpreter that may not be run", "#!/etc/passwd\n", { _tag: "CgiSystemFailed", code: "EACCES" }, 500],
    ["a failure", sh("exit 3"), { _tag: "CgiFailed", reason: "BadHead" }, 502],
    ["a signal in the head", sh("kill -9 $$"), { _tag: "CgiFailed", reason: "BadHead" }, 502]
  ]
  it.scoped.each(failing)(
    "X05 %s is a typed error, and a response",
    ([, script, expected, status]) =>
      Effect.gen(function*() {
        const root = yield* scripts({ "script": script })
        const app = yield* Cgi.make({ root })
        const request = new Request("http://copas.test/script")
        const error = yield* Effect.flip(answer(app, request))
        expect(error).toMatchObject(expected)
        expect((error as Error).message).toContain(join(root, "script"))
        const response = yield* (error as unknown as {
          readonly [key: symbol]: () => Effect.Effect<HttpServerResponse.HttpServerResponse>
        })[
          Symbol.for("@effect/platform/HttpServerRespondable")
        ]!()
        expect(response.status).toBe(status)
      })
  )

  it.scoped("X05 an environment that is too long is a typed error, 431", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "script": sh("exit 0") })
      const app = yield* Cgi.make({ root, env: () => ({ LONG: "x".repeat(10_000_000) }) })
      const error = yield* Effect.flip(answer(app, new Request("http://copas.test/script")))
      expect(error).toMatchObject({ _tag: "CgiSystemFailed", code: "E2BIG" })
      // Its place is free again.
      expect(yield* Effect.flip(answer(app, new Request("http://copas.test/script")))).toMatchObject({ code: "E2BIG" })
    }))

  const bodies: ReadonlyArray<readonly [name: string, line: string, expected: object | undefined]> = [
    ["less than its Content-Length", "printf 'Content-Type: a/b\\nContent-Length: 9\\n\\nabc'", {
      reason: "Truncated"
    }],
    ["an end by a signal", "printf 'Content-Type: a/b\\n\\nabc'; kill -9 $$", { reason: "Killed" }],
    ["more than its Content-Length", "printf 'Content-Type: a/b\\nContent-Length: 3\\n\\nabcdef'", undefined],
    ["an exit code", "printf 'Content-Type: a/b\\n\\nabc'; exit 3", undefined]
  ]
  it.scoped.each(bodies)("X05 a body with %s", ([, line, expected]) =>
    Effect.gen(function*() {
      const root = yield* scripts({ "script": sh(line) })
      const app = yield* Cgi.make({ root })
      const read = Effect.scoped(
        Effect.gen(function*() {
          const { body } = yield* app
          if (body._tag !== "Stream") return yield* Effect.dieMessage("no stream")
          return yield* Stream.mkString(Stream.decodeText(body.stream as Stream.Stream<Uint8Array, unknown>))
        }).pipe(
          Effect.provideService(
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromWeb(new Request("http://copas.test/script"))
          )
        )
      )
      if (expected === undefined) expect(yield* read).toBe("abc")
      else expect(yield* Effect.flip(read)).toMatchObject(expected)
    }))

  const options: ReadonlyArray<readonly [name: string, options: object, option: string]> = [
    ["no folder", { root: "/nowhere" }, "root"],
    ["neither folder nor script", {}, "root"],
    ["both", { root: "/usr", script: "/bin/sh" }, "root"],
    ["a script that is a folder", { script: "/usr" }, "script"],
    ["a script that writes its status line", { script: "/tmp/nph-x" }, "script"],
    ["HTTP_PROXY", { root: "/usr", env: { HTTP_PROXY: "http://a" } }, "env"],
    ["http_proxy", { root: "/usr", env: { http_proxy: "http://a" } }, "env"],
    ["a variable that is none", { root: "/usr", env: { "A=B": "c" } }, "env"],
    ["a value with a NUL", { root: "/usr", env: { A: "s3cret\0" } }, "env.A"],
    ["no such interpreter", { root: "/usr", interpreter: "copas-no-such-program" }, "interpreter"],
    ["an empty interpreter", { root: "/usr", interpreter: [] }, "interpreter"],
    ["an extension without a dot", { root: "/usr", interpreter: { pl: "sh" } }, "interpreter"],
    ["a count of none", { root: "/usr", maxConcurrent: 0 }, "maxConcurrent"],
    ["half a byte", { root: "/usr", maxHead: 0.5 }, "maxHead"],
    ["no time", { root: "/usr", timeouts: { head: 0 } }, "timeouts.head"],
    ["a time before none", { root: "/usr", timeouts: { output: "-1 seconds" } }, "timeouts.output"],
    ["no end", { root: "/usr", timeouts: { total: "Infinity" } }, "timeouts.total"],
    ["a name with a port", { root: "/usr", serverName: "a:1" }, "serverName"],
    ["a way that is none", { root: "/usr", chunked: "pass" }, "chunked"]
  ]
  it.scoped.each(options)("X05 options with %s are refused", ([, given, option]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.asVoid(Cgi.make(given as Cgi.Options)))
      expect(error).toMatchObject({ _tag: "InvalidOption", option })
      expect(error.message).not.toContain("s3cret")
    }))

  it.scoped("X05 limits and times that are Infinity are none", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "hello": sh(plain, "echo hello") })
      const never = Duration.infinity
      const app = yield* Cgi.make({
        root,
        maxConcurrent: Infinity,
        maxHead: Infinity,
        timeouts: { head: never, output: never, total: never, kill: never }
      })
      expect(yield* answer(app, new Request("http://copas.test/hello"))).toEqual({ status: 200, text: "hello\n" })
    }))
})
