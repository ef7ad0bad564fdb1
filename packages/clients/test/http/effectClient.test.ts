/** Effect's `HttpClient` over this client: requests of every kind of body, answers read in every way, and none left behind. */
import { HttpBody, HttpClient, type HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Schema, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { platforms } from "./support.js"

const client = (defaults: Http.Defaults = {}) => Effect.map(Http.make(defaults), (http) => http.client)

const utf8 = (text: string) => new TextEncoder().encode(text)
const large = "x".repeat(100_000)

/** Answers what it was asked, in JSON. */
const echo = (request: HttpPeer.Request): HttpPeer.Answer => ({
  fields: { "Content-Type": "application/json" },
  body: JSON.stringify({
    method: request.method,
    target: request.target,
    type: request.header("content-type"),
    length: request.header("content-length"),
    body: new TextDecoder().decode(request.body)
  })
})

/** Its cause is not enumerable. */
const failed = <A, R>(effect: Effect.Effect<A, HttpClientError.HttpClientError, R>) =>
  Effect.map(Effect.flip(effect), (error) => ({ _tag: error._tag, reason: error.reason, cause: error.cause, error }))

for (const [name, network] of platforms) {
  describe(`Effect's client, ${name}`, () => {
    it.scoped("C33 bodies of every kind go out with their type and length", () =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make({ handler: echo })
        const http = yield* client()
        const form = new FormData()
        form.append("a", "b")
        const async = {
          async *[Symbol.asyncIterator]() {
            yield utf8("as")
            yield utf8("ync")
          }
        }
        const chunked = {}
        const table: ReadonlyArray<readonly [HttpBody.HttpBody, object]> = [
          [HttpBody.empty, { length: "0", body: "" }],
          [HttpBody.text("é"), { type: "text/plain", length: "2", body: "é" }],
          [HttpBody.uint8Array(utf8("ab"), "x/y"), { type: "x/y", length: "2", body: "ab" }],
          [HttpBody.unsafeJson({ a: 1 }), { type: "application/json", length: "7", body: "{\"a\":1}" }],
          [HttpBody.stream(Stream.make(utf8("ab"), utf8("c")), "x/y"), { type: "x/y", ...chunked, body: "abc" }],
          [HttpBody.stream(Stream.make(utf8("ab")), "x/y", 2), { type: "x/y", length: "2", body: "ab" }],
          [HttpBody.raw("text"), { length: "4", body: "text" }],
          [HttpBody.raw("text", { contentType: "x/y" }), { type: "x/y", body: "text" }],
          [HttpBody.raw(utf8("bytes").buffer), { length: "5", body: "bytes" }],
          [HttpBody.raw(new DataView(utf8("bytes").buffer, 1, 2)), { length: "2", body: "yt" }],
          [HttpBody.raw(new URLSearchParams({ a: "b" })), { type: "application/x-www-form-urlencoded", body: "a=b" }],
          [HttpBody.raw(new Blob(["blob"], { type: "b/c" })), { type: "b/c", length: "4", body: "blob" }],
          [HttpBody.raw(new Blob(["web"]).stream()), { ...chunked, body: "web" }],
          [HttpBody.raw(async, { contentLength: 5 }), { length: "5", body: "async" }],
          [HttpBody.raw(null), { length: "0", body: "" }],
          [HttpBody.formData(form), {
            type: expect.stringContaining("boundary="),
            body: expect.stringContaining("\r\n\r\nb\r\n")
          }]
        ]
        for (const [body, expected] of table) {
          const response = yield* http.post(`${peer.url}/a?b=c#d`, { body })
          expect(yield* response.json).toMatchObject({ method: "POST", target: "/a?b=c", ...expected })
        }
        const odd = yield* failed(http.post(peer.url, { body: HttpBody.raw(5) }))
        expect(odd).toMatchObject({
          _tag: "RequestError",
          reason: "Encode",
          cause: { _tag: "InvalidRequest", field: "body" }
        })
        const broken = HttpBody.stream(Stream.concat(Stream.make(utf8("a")), Stream.fail("broken")))
        expect(yield* failed(http.post(peer.url, { body: broken }))).toMatchObject({
          reason: "Encode",
          cause: "broken"
        })
        const short = HttpBody.stream(Stream.make(utf8("a")), "x/y", 2)
        expect(yield* failed(http.post(peer.url, { body: short }))).toMatchObject({
          cause: { _tag: "InvalidRequest", field: "body" }
        })
      }).pipe(Effect.provide(network)))

    it.scoped("C33 an answer is read in every way of Effect's, and again once it was read as a whole", () =>
      Effect.gen(function*() {
        const form = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n"
        const answers: Record<string, HttpPeer.Answer> = {
          "/small": {
            fields: [
              ["Content-Type", "application/json"],
              ["Set-Cookie", "a=1; Path=/"],
              ["Set-Cookie", "b=2"],
              ["X-A", "1"],
              ["x-a", "2"],
              ["__proto__", "p"]
            ],
            body: "{\"a\":1}"
          },
          "/chunked": { fields: { "Content-Type": "application/json" }, body: ["{\"a\"", ":1}"] },
          "/gzip": {
            fields: { "Content-Type": "application/json", "Content-Encoding": "gzip" },
            body: gzipSync("{\"a\":1}")
          },
          "/form": { fields: { "Content-Type": "multipart/form-data; boundary=b" }, body: form },
          "/large": { body: large },
          "/empty": { status: 204 },
          "/params": { body: "a=1&a=2" }
        }
        const peer = yield* HttpPeer.make({ handler: ({ target }) => answers[target]! })
        const http = yield* client()
        const at = (path: string) => http.get(`${peer.url}${path}`)
        for (const path of ["/small", "/chunked", "/gzip"]) {
          const response = yield* at(path)
          expect(yield* response.json).toEqual({ a: 1 })
          expect(yield* response.text).toBe("{\"a\":1}")
          expect(new TextDecoder().decode(yield* response.arrayBuffer)).toBe("{\"a\":1}")
          expect(yield* HttpClientResponse.schemaBodyJson(Schema.Struct({ a: Schema.Number }))(response)).toEqual({
            a: 1
          })
          expect(response.headers["content-encoding"]).toBe(undefined)
          expect(yield* Stream.mkString(Stream.decodeText(HttpClientResponse.stream(at(path))))).toBe("{\"a\":1}")
        }
        const small = yield* at("/small")
        expect(small.headers).toMatchObject({ "x-a": "1, 2", "content-length": "7" })
        expect(small.cookies.toJSON()).toMatchObject({ cookies: { a: { value: "1" }, b: { value: "2" } } })
        expect(small.remoteAddress).toMatchObject({ _tag: "Some", value: "127.0.0.1" })
        expect(small.request.url).toBe(`${peer.url}/small`)
        expect(HttpClientResponse.matchStatus(small, { "2xx": () => "fine", orElse: () => "not" })).toBe("fine")
        expect(yield* (yield* at("/large")).text).toBe(large)
        expect(
          Chunk.toReadonlyArray(yield* Stream.runCollect((yield* at("/large")).stream)).reduce(
            (sum, { length }) => sum + length,
            0
          )
        ).toBe(100_000)
        expect(Array.from((yield* (yield* at("/form")).formData) as unknown as Iterable<unknown>)).toEqual([["a", "1"]])
        expect(yield* (yield* at("/params")).urlParamsBody).toEqual([["a", "1"], ["a", "2"]])
        const empty = yield* at("/empty")
        expect([yield* empty.text, yield* empty.json]).toEqual(["", null])
        const stream = (yield* at("/large")).stream
        yield* Stream.runDrain(stream)
        expect(yield* failed(Stream.runDrain(stream))).toMatchObject({
          _tag: "ResponseError",
          reason: "Decode",
          cause: { _tag: "BodyReleased", reason: "read" }
        })
      }).pipe(Effect.provide(network)))

    it.scoped("C33 Effect's combinators work on it", () =>
      Effect.gen(function*() {
        let asked = 0
        const peer = yield* HttpPeer.make({
          handler: ({ target }) =>
            target === "/flaky" && ++asked < 3
              ? { status: 503, body: "not yet" }
              : { status: target === "/404" ? 404 : 200, body: target }
        })
        const http = yield* client()
        const ok = HttpClient.filterStatusOk(http)
        expect(yield* failed(ok.get(`${peer.url}/404`))).toMatchObject({ _tag: "ResponseError", reason: "StatusCode" })
        const { error } = yield* failed(ok.get(`${peer.url}/404`))
        if (error._tag === "ResponseError") expect(yield* error.response.text).toBe("/404")
        const retrying = HttpClient.retryTransient(http, { times: 5 })
        expect(yield* (yield* retrying.get(`${peer.url}/flaky`)).text).toBe("/flaky")
        expect(asked).toBe(3)
        const based = http.pipe(
          HttpClient.mapRequest(HttpClientRequest.prependUrl(peer.url)),
          HttpClient.mapRequest(HttpClientRequest.setHeader("x-a", "b"))
        )
        yield* based.execute(
          HttpClientRequest.get("/based").pipe(
            HttpClientRequest.bearerToken("t"),
            HttpClientRequest.setUrlParam("q", "1")
          )
        )
        const requests = yield* peer.requests
        expect(requests.at(-1)).toMatchObject({ target: "/based?q=1" })
        expect([requests.at(-1)!.header("x-a"), requests.at(-1)!.header("authorization")]).toEqual(["b", "Bearer t"])
      }).pipe(Effect.provide(network)))

    it.scoped("C33 failures are RequestError and ResponseError with ours as cause, and no password is in them", () =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make({
          handler: ({ target }) =>
            target === "/cut"
              ? { body: "0123456789", cut: -3 }
              : target === "/loop"
              ? { status: 302, fields: { Location: "/loop" } }
              : { fields: { "Content-Encoding": "gzip", "Content-Length": "100000" }, body: large }
        })
        const http = yield* client()
        const url = peer.url.replace("http://", "http://u:swordfish@")
        const cut = yield* failed((yield* http.get(`${url}/cut`)).text)
        expect(cut).toMatchObject({
          _tag: "ResponseError",
          reason: "Decode",
          cause: { _tag: "BodyTruncated", expected: 10, received: 7 }
        })
        const coded = yield* failed((yield* http.get(`${url}/coded`)).text)
        expect(coded).toMatchObject({ cause: { _tag: "DecodeFailed", coding: "gzip" } })
        const loop = yield* failed(http.get(`${url}/loop`))
        expect(loop).toMatchObject({ _tag: "RequestError", reason: "InvalidUrl", cause: { _tag: "TooManyRedirects" } })
        const refused = yield* failed(http.get("http://u:swordfish@127.0.0.1:1/"))
        expect(refused).toMatchObject({ _tag: "RequestError", reason: "Transport", cause: { _tag: "ConnectError" } })
        const wrong = yield* failed(http.get("http://u:swordfish@[/"))
        expect(wrong).toMatchObject({ reason: "InvalidUrl", cause: { _tag: "InvalidRequest", field: "url" } })
        const query = HttpClientRequest.get("http://127.0.0.1:1/").pipe(
          HttpClientRequest.setUrlParam("api_key", "swordfish"),
          HttpClientRequest.bearerToken("swordfish")
        )
        const keyed = yield* failed(http.execute(query))
        expect(keyed.error.request.url).toBe("http://127.0.0.1:1/?api_key=REDACTED")
        for (const { error } of [keyed, cut, coded, loop, refused, wrong]) {
          expect(`${error.message} ${JSON.stringify(error)} ${error}`).not.toContain("swordfish")
        }
      }).pipe(Effect.provide(network)))
  })
}
