/** The same requests by this client and by Copas's own: what differs is what the guide says. */
import { NodeHttpTransport, NodeNet } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { gzipSync } from "node:zlib"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { type Asked, byCopas, type Got, hasCopas } from "./http/copas.js"

const platform = Layer.provideMerge(NodeHttpTransport.layer, NodeNet.layer)

const handler = (other: string) => (request: HttpPeer.Request): HttpPeer.Reply => {
  const { method, target } = request
  const [, kind, code] = target.split("/")
  const body = `${method} ${target} ${Buffer.from(request.body).toString()}|${request.header("authorization") ?? ""}`
  switch (kind) {
    case "redirect":
      return { status: Number(code), fields: { Location: "/landed" }, body: "elsewhere" }
    case "loop":
      return { status: 302, fields: { Location: "/loop" }, body: "again" }
    case "away":
      return { status: 302, fields: { Location: `${other}/landed` } }
    case "chunks":
      return { body: ["chunks ", "of ", body] }
    case "close":
      return { body, isFramed: false }
    case "cut":
      return { body, cut: -4 }
    case "cutchunks":
      return { body: ["abc", "def"], cut: -9 }
    case "gzip":
      return { fields: { "Content-Encoding": "gzip" }, body: gzipSync("zipped") }
    case "continue":
      return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    case "status":
      return { status: Number(code), body }
    default:
      return { body }
  }
}

/** What Copas gets instead, and why this client does not. */
type Difference = readonly [copas: (here: Got) => Got, why: string]

const rows: ReadonlyArray<readonly [asked: Asked, here: "error" | undefined, differs?: Difference]> = [
  [{ method: "GET", url: "/plain?a=b" }, undefined],
  [{ method: "HEAD", url: "/plain" }, undefined],
  [{ method: "POST", url: "/plain", body: "abc" }, undefined],
  [{ method: "PUT", url: "/plain", body: "abc" }, undefined],
  [{ method: "DELETE", url: "/plain" }, undefined],
  ...[200, 201, 204, 304, 400, 404, 500].map((code) => [{ method: "GET", url: `/status/${code}` }, undefined] as const),
  ...[301, 302, 303, 307].map((code) => [{ method: "GET", url: `/redirect/${code}` }, undefined] as const),
  ...[301, 302, 303, 307].map((code) =>
    [{ method: "POST", url: `/redirect/${code}`, body: "abc" }, undefined] as const
  ),
  [{ method: "PUT", url: "/redirect/302", body: "abc" }, undefined],
  [{ method: "GET", url: "/chunks" }, undefined],
  [{ method: "GET", url: "/close" }, undefined],
  [{ method: "GET", url: "/cutchunks" }, "error", [([, body]) => ["error", body], "the body so far is in the sink"]],
  [{ method: "GET", url: "/plain", authorization: "Bearer token" }, undefined],
  [{ method: "GET", url: "/redirect/302", authorization: "Bearer token" }, undefined],
  // What differs on purpose.
  [{ method: "GET", url: "/redirect/308" }, undefined, [
    () => ["308", "elsewhere"],
    "308 is followed, with any method"
  ]],
  [{ method: "GET", url: "/loop" }, "error", [() => ["302", "again"], "the sixth redirect is an error with the chain"]],
  [{ method: "HEAD", url: "/redirect/302" }, undefined, [
    ([status]) => [status, "GET /landed |"],
    "HEAD stays HEAD"
  ]],
  [{ method: "GET", url: "/away", authorization: "Bearer token" }, undefined, [
    ([status, body]) => [status, `${body}Bearer token`],
    "credentials stay at their origin"
  ]],
  [{ method: "GET", url: "/gzip" }, undefined, [
    ([status]) => [status, gzipSync("zipped").toString()],
    "content codings are undone"
  ]],
  [{ method: "GET", url: "/continue" }, undefined, [() => ["103", ""], "a 103 is not the answer"]],
  [{ method: "GET", url: "/cut" }, "error", [() => ["error", ""], "both fail"]]
]

if (!hasCopas()) {
  console.log("Copas 4 is not installed for lua5.4, so nothing is compared with it: luarocks install copas luasec")
}

it.live.skipIf(!hasCopas())(
  "C33 this client and Copas's get the same answers, except where the guide says otherwise",
  () =>
    Effect.gen(function*() {
      const other = yield* HttpPeer.make({ handler: handler("") })
      const peer = yield* HttpPeer.make({ handler: handler(other.url) })
      const http = yield* Http.make()
      const theirs = yield* Effect.promise(() =>
        byCopas(rows.map(([asked]) => ({ ...asked, url: peer.url + asked.url })))
      )
      expect(theirs).toHaveLength(rows.length)
      for (const [at, [{ authorization, body, method, url }, fails, differs]] of rows.entries()) {
        const got = yield* http.request({
          method,
          url: peer.url + url,
          ...(body === undefined ? {} : { body }),
          ...(authorization === undefined ? {} : { headers: { authorization } })
        }).pipe(
          Effect.flatMap((answer) =>
            Effect.map(answer.bytes, (bytes): Got => [String(answer.status), Buffer.from(bytes).toString()])
          ),
          Effect.scoped,
          Effect.orElseSucceed((): Got => ["error", ""])
        )
        const shown = `${method} ${url}${differs === undefined ? "" : `, where ${differs[1]}`}`
        expect([shown, got[0] === "error"]).toEqual([shown, fails === "error"])
        const [status, content] = theirs[at]!
        const [wanted, expected] = differs === undefined ? got : differs[0](got)
        expect([shown, status]).toEqual([shown, wanted])
        if (status !== "error") expect([shown, content]).toEqual([shown, expected])
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
)
