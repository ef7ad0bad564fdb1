/** `http.request` and `https.request` of LuaSocket and LuaSec, field by field, as they are here. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Sink, Stream } from "effect"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { text } from "../ftp/networks.js"
import { identity } from "./identities.js"
import { answering, failsWith, platforms } from "./support.js"

describe.each(platforms)("the forms of http.request, %s", (name, platform) => {
  it.scoped("S17 the simple form gives body, status and fields, whatever the status", () =>
    Effect.gen(function*() {
      const peer = yield* answering({ "/a": { fields: [["X-A", "1"], ["x-a", "2"]], body: "right" } })
      const http = yield* Http.make()
      const right = yield* http.request(`${peer.url}/a`)
      expect([right.status, right.statusText, right.text]).toEqual([200, "OK", "right"])
      expect(right.fields.filter(([name]) => name.toLowerCase() === "x-a")).toEqual([["X-A", "1"], ["x-a", "2"]])
      const missing = yield* http.request(`${peer.url}/b`)
      expect([missing.status, missing.text]).toEqual([404, "/b"])
    }).pipe(Effect.provide(platform)))

  it.scoped("S17 the simple form with a body is a POST of application/x-www-form-urlencoded", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ handler: () => ({ body: "taken" }) })
      const http = yield* Http.make()
      expect((yield* http.request(peer.url, "a=1&b=2")).text).toBe("taken")
      const [request] = yield* peer.requests
      expect([request!.method, request!.header("content-type"), request!.header("content-length"), text(request!.body)])
        .toEqual(["POST", "application/x-www-form-urlencoded", "7", "a=1&b=2"])
    }).pipe(Effect.provide(platform)))

  it.scoped("S17 the table form has method, headers, source, sink, step, user and password", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ body }) => ({ body: [...body].map((byte) => text(Buffer.of(byte))) })
      })
      const http = yield* Http.make()
      const steps: Array<number> = []
      const { status, value } = yield* http.download(
        {
          url: `${peer.url}/p?q=1`,
          method: "PUT",
          headers: { "X-Name": "Ada" },
          auth: { user: "me", password: Redacted.make("secret") },
          body: Body.from(Effect.succeed(Stream.make(Buffer.from("one"), Buffer.from("two"))))
        },
        Sink.collectAll<Uint8Array>(),
        { progress: ({ bytes }) => Effect.sync(() => steps.push(bytes)) }
      )
      expect([status, text(Buffer.concat([...value]))]).toEqual([200, "onetwo"])
      expect(steps.at(-1)).toBe(6)
      const [request] = yield* peer.requests
      expect([request!.method, request!.target, request!.header("x-name"), request!.header("transfer-encoding")])
        .toEqual(["PUT", "/p?q=1", "Ada", "chunked"])
      expect(request!.header("authorization")).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`)
      expect(text(request!.body)).toBe("onetwo")
    }).pipe(Effect.provide(platform)))

  it.scopedLive("S17 https.request verifies the server, and takes the authority of cafile", () =>
    Effect.gen(function*() {
      const { ca, tls } = yield* identity(name)
      const peer = yield* HttpPeer.make({ tls, handler: () => ({ body: "secret" }) })
      const url = `https://localhost:${peer.port}/`
      const http = yield* Http.make()
      yield* failsWith(http.request(url), "TlsError")
      const response = yield* http.request({ url, tls: { ca } })
      expect([response.status, text(yield* response.bytes)]).toEqual([200, "secret"])
      expect((yield* peer.requests).length).toBe(1)
    }).pipe(Effect.provide(platform)))
})
