/** The rules of a request's head: each row over node's own parser, the one that runs this, and properties of the rules. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Http from "node:http"
import * as NodeNet from "node:net"
import type { Duplex } from "node:stream"
import { type Refusal, RequestRules } from "../../src/internal/httpServer/rules.js"
import { framing, routing, type Row, versions } from "./smuggling.js"

const limits = { headers: 100, headerSize: 16 * 1024, uri: 8 * 1024 }
const second = "GET /second HTTP/1.1\r\nHost: a.example\r\n\r\n"

/** What the handler of a server of node's with these rules, and the client, saw. */
interface Seen {
  readonly answer: string
  readonly requests: Array<{ readonly authority: string | undefined; readonly path: string; readonly body: string }>
}

/** Sends the request and, in the same packet, a second one, and gives what there was when the connection ended. */
const exchange = (bytes: string) =>
  Effect.async<Seen>((resume) => {
    const requests: Seen["requests"] = []
    const judge = (request: Http.IncomingMessage): RequestRules | Refusal => {
      const rules = new RequestRules(limits, true)
      return rules.check(request.method, request.url!, request.httpVersion, request.rawHeaders) ?? rules
    }
    // Node's parser goes on behind a request that is refused, and hands out what it finds there.
    const ending = new WeakSet<object>()
    const server = Http.createServer(
      { insecureHTTPParser: false, maxHeaderSize: 16 * 1024, requireHostHeader: false },
      (request, response) => {
        if (ending.has(request.socket)) return
        const judged = judge(request)
        if ("status" in judged) {
          ending.add(request.socket)
          response.writeHead(judged.status, { connection: "close" }).end(judged.reason)
          return
        }
        const { authority, path } = judged
        let body = ""
        request.on("data", (chunk: Buffer) => {
          body += chunk.toString("latin1")
        })
        request.on("end", () => {
          requests.push({ authority, path, body })
          if (path === "/second") response.setHeader("connection", "close")
          response.end("served")
        })
      }
    )
    server.maxHeadersCount = 0
    server.on("checkExpectation", (request, response) => server.emit("request", request, response))
    server.on("connect", (request: Http.IncomingMessage, socket: NodeNet.Socket) => {
      const { status } = judge(request) as Refusal
      socket.end(`HTTP/1.1 ${status} refused\r\n\r\n`)
    })
    // Without a listener node answers 400 to what comes after the last request, in place of the answer to that.
    server.on("clientError", (error: Error & { readonly code?: string }, socket: Duplex) => {
      if (error.code === "HPE_CLOSED_CONNECTION") return
      socket.end(`HTTP/1.1 ${error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400} refused\r\n\r\n`)
    })
    server.listen(0, "127.0.0.1", () => {
      const client = NodeNet.connect((server.address() as NodeNet.AddressInfo).port, "127.0.0.1")
      let answer = ""
      client.on("data", (chunk: Buffer) => {
        answer += chunk.toString("latin1")
      })
      client.on("error", () => {})
      client.on("close", () => server.close(() => resume(Effect.succeed({ answer, requests }))))
      client.write(Buffer.from(bytes + second, "latin1"))
    })
  })

const rows = (title: string, table: ReadonlyArray<Row>) =>
  it.live.each(table)(`X01 ${title}: $name`, ({ bytes, seen, status }) =>
    Effect.gen(function*() {
      const { answer, requests } = yield* exchange(bytes)
      const statuses = Array.from(answer.matchAll(/HTTP\/1\.1 (\d+)/g), ([, code]) => Number(code))
      if (status === 200) {
        const { isLast = false, ...shown } = seen ?? {}
        expect(statuses).toEqual(isLast ? [200] : [200, 200])
        expect(requests[0]).toMatchObject(shown)
        expect(requests[1]?.path).toBe(isLast ? undefined : "/second")
      } else {
        expect(statuses).toEqual([status])
        expect(requests).toEqual([])
      }
    }))

describe("Over node's parser", () => {
  rows("a request goes to the host that it names, and to no other", routing)
  rows("a request is of HTTP/1.0 or 1.1, and no larger than the limits", versions)
  rows("a request ends at one place, or is refused with what comes after it", framing)
})

const check = (target: string, raw: ReadonlyArray<string> = ["Host", "a.example"], method = "GET", version = "1.1") => {
  const rules = new RequestRules(limits)
  return { refusal: rules.check(method, target, version, raw), rules }
}

const latin1 = (max: number) =>
  FC.array(
    FC.oneof(
      FC.integer({ min: 0, max: 255 }),
      FC.constantFrom(..."/\\@:#?.%[]*a1 ".split("").map((c) => c.charCodeAt(0)))
    ),
    {
      maxLength: max
    }
  ).map((codes) => String.fromCharCode(...codes))

describe("The rules", () => {
  it("X01 a target that passes stays with its host, whatever it is", () => {
    const targets = FC.oneof(
      latin1(24).map((text) => `/${text}`),
      latin1(24).map((text) => `http://b.example${text}`),
      latin1(24)
    )
    FC.assert(
      FC.property(targets, (target) => {
        const { refusal, rules } = check(target)
        if (refusal !== undefined) return
        const url = new URL(rules.path, `http://${rules.authority}`)
        expect(url.host).toBe(new URL(`http://${rules.authority}`).host)
        expect(url.username + url.password + url.hash).toBe("")
        if (target.startsWith("/")) expect(rules.authority).toBe("a.example")
        // RFC 3986, section 5.2.4, takes dots away; no slash is lost otherwise.
        const slashes = (text: string) => text.split("?")[0]!.split("/").length
        if (target.startsWith("/") && !/\/\.|%2e/i.test(target)) expect(slashes(url.pathname)).toBe(slashes(target))
      }),
      Sampling.runs({ short: 500, long: 5000 })
    )
  })

  it("X01 a Host that passes is the host of the URL that a handler makes of it", () => {
    const labels = FC.stringMatching(/^[\w~.[\]:%@,!-]{0,14}$/)
    FC.assert(
      FC.property(FC.oneof(labels, latin1(12), FC.ipV6().map((address) => `[${address}]`), FC.domain()), (host) => {
        const { refusal } = check("/", ["Host", host])
        if (refusal !== undefined) return
        const url = new URL(`http://${host}/p`)
        expect(url.pathname).toBe("/p")
        if (!host.startsWith("[")) expect(url.hostname).toBe(host.replace(/:\d*$/, "").toLowerCase())
      }),
      Sampling.runs({ short: 500, long: 5000 })
    )
    for (
      const host of [
        "a",
        "a.",
        "a-b.c_d~e:0",
        "127.0.0.1:65535",
        "[::1]",
        "[::ffff:1.2.3.4]:1",
        "xn--bcher-kva.example"
      ]
    ) {
      expect([host, check("/", ["Host", host]).refusal]).toEqual([host, undefined])
    }
  })

  it("X01 whatever fields come, at most one of each that routes or frames passes", () => {
    const names = FC.constantFrom(
      "Host",
      "host",
      "HOST",
      "Content-Length",
      "TRANSFER-ENCODING",
      "Expect",
      "X",
      "",
      "a b",
      "Hos t"
    )
    const values = FC.constantFrom(
      "a.example",
      "b",
      "3",
      "03",
      "",
      "chunked",
      "Chunked",
      "gzip, chunked",
      "100-Continue",
      "x"
    )
    FC.assert(
      FC.property(
        FC.array(FC.tuple(names, values), { maxLength: 6 }),
        FC.constantFrom("1.0", "1.1"),
        (fields, version) => {
          const { refusal, rules } = check("/", fields.flat(), "POST", version)
          if (refusal !== undefined) return
          const all = (name: string) =>
            fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
          const lengths = all("content-length")
          expect(all("host").length).toBe(version === "1.1" ? 1 : rules.authority === undefined ? 0 : 1)
          expect([rules.authority]).toEqual(all("host").length === 0 ? [undefined] : all("host"))
          expect([rules.contentLength]).toEqual(lengths.length === 0 ? [undefined] : lengths.map(Number))
          expect(rules.isChunked).toBe(all("transfer-encoding").length === 1)
          expect(rules.isChunked && (version === "1.0" || lengths.length > 0)).toBe(false)
          expect(fields.some(([name]) => name === "" || name.includes(" "))).toBe(false)
          expect(rules.expectsContinue).toBe(version === "1.1" && all("expect").length > 0)
        }
      ),
      Sampling.runs({ short: 500, long: 5000 })
    )
  })

  it("X01 what a request said is forgotten when the next one on its connection is judged", () => {
    const rules = new RequestRules(limits)
    const first = ["Host", "a", "Content-Length", "3", "Expect", "100-continue"]
    expect(rules.check("POST", "http://b/x", "1.1", first)).toBeUndefined()
    expect(rules).toMatchObject({ authority: "b", path: "/x", contentLength: 3, expectsContinue: true })
    expect(rules.check("GET", "/", "1.0", [])).toBeUndefined()
    expect(rules).toMatchObject({ authority: undefined, path: "/", contentLength: undefined, expectsContinue: false })
  })

  it("X01 a reason shows no byte of the peer", () => {
    const marked = ["secret\u00e9", "secret#", "http://secret@b/", "ftp://secret/"]
    for (const target of marked) expect(check(target).refusal!.reason).not.toContain("secret")
    expect(check("/", ["Host", "secret@"]).refusal!.reason).not.toContain("secret")
  })

  const stream = (pseudo: Readonly<Record<string, string | undefined>>, ...fields: ReadonlyArray<string>) => {
    const rules = new RequestRules(limits, true)
    const all = { ":method": "GET", ":scheme": "http", ":authority": "a.example", ":path": "/p", ...pseudo }
    const given = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [name, value])
    return { status: rules.checkStream([...given, ...fields])?.status, rules }
  }

  it.each<readonly [string, Readonly<Record<string, string | undefined>>, ReadonlyArray<string>, number | undefined]>([
    ["its authority", {}, [], undefined],
    ["a Host that says the same", {}, ["host", "A.example"], undefined],
    ["a Host and no authority", { ":authority": undefined }, ["host", "a.example"], undefined],
    ["OPTIONS for the server as a whole", { ":method": "OPTIONS", ":path": "*" }, [], undefined],
    ["another Host", {}, ["host", "b.example"], 400],
    ["two Hosts", { ":authority": undefined }, ["host", "a", "host", "b"], 400],
    ["neither", { ":authority": undefined }, [], 400],
    ["a user in its authority", { ":authority": "u@a" }, [], 400],
    ["a fragment", { ":path": "/a#b" }, [], 400],
    ["a byte past ASCII", { ":path": "/\u00e9" }, [], 400],
    ["a backslash", { ":path": "/\\evil" }, [], 400],
    ["an absolute target", { ":path": "http://b.example/" }, [], 400],
    ["no path", { ":path": undefined }, [], 400],
    ["another scheme", { ":scheme": "ftp" }, [], 400],
    ["the scheme of a secure connection", { ":scheme": "https" }, [], 421],
    ["CONNECT", { ":method": "CONNECT", ":scheme": undefined, ":path": undefined }, [], 501],
    ["a coding", {}, ["transfer-encoding", "chunked"], 400],
    ["two lengths", {}, ["content-length", "1", "content-length", "1"], 400],
    ["101 fields", {}, Array.from({ length: 97 }, () => ["a", "b"]).flat(), 431],
    ["a long path", { ":path": `/${"a".repeat(8192)}` }, [], 414]
  ])("X01 a request of HTTP/2 with %s", (_, pseudo, fields, status) => {
    expect(stream(pseudo, ...fields).status).toBe(status)
  })

  it("X01 a path of HTTP/2 that looks like a host is a path", () => {
    expect(stream({ ":path": "//evil.example/p" }).rules).toMatchObject({
      authority: "a.example",
      path: "/.//evil.example/p"
    })
  })

  it("X01 trailers are bounded, and none frames, routes or authorizes the request", () => {
    const status = (...raw: ReadonlyArray<string>) => new RequestRules(limits).checkTrailers(raw)?.status
    expect(status("X-Sum", "1")).toBeUndefined()
    for (
      const name of ["Host", "content-length", "Transfer-Encoding", "Authorization", "cookie", "Expect", "a b", ""]
    ) {
      expect([name, status(name, "x")]).toEqual([name, 400])
    }
    expect(status(...Array.from({ length: 101 }, () => ["a", "b"]).flat())).toBe(431)
    expect(status("a", "b".repeat(16 * 1024))).toBe(431)
  })
})
