/** Redirects: which are followed, as what, and where to; what is sent there; the chain. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { text } from "../ftp/networks.js"
import { answering, asked, failsWith, namesOf, platforms } from "./support.js"

const redirectTo = (status: number, location: string): HttpPeer.Answer => ({
  status,
  fields: { Location: location },
  body: "elsewhere"
})

const secrets = { Authorization: "Bearer secret", Cookie: "a=secret", "X-Api-Key": "secret" }

/** The last hop, and one that redirects there from another origin. */
const twoOrigins = (status: number) =>
  Effect.gen(function*() {
    const second = yield* HttpPeer.make({ handler: () => ({ body: "landed" }) })
    const first = yield* answering({ "/": redirectTo(status, `${second.url}/landed`) })
    return { first, second, http: yield* Http.make() }
  })

describe.each(platforms)("redirects, %s", (_, platform) => {
  it.scoped.each([301, 302, 303])(
    "C33 a %i to POST is the answer; with redirect: \"all\" it becomes GET, without body and credentials",
    (status) =>
      Effect.gen(function*() {
        const { first, http, second } = yield* twoOrigins(status)
        const post = { method: "POST", url: first.url, headers: secrets, body: Body.form({ a: "b" }) }
        const answer = yield* http.request(post)
        expect([answer.status, answer.url, yield* second.requests]).toEqual([status, `${first.url}/`, []])
        expect(text(yield* answer.bytes)).toBe("elsewhere")

        const landed = yield* http.request({ ...post, redirect: "all" })
        expect([landed.status, landed.url]).toEqual([200, `${second.url}/landed`])
        expect(landed.history).toEqual([{ method: "POST", url: `${first.url}/`, status }])
        const [, sent] = yield* first.requests
        expect([sent!.method, text(sent!.body), sent!.header("x-api-key")]).toEqual(["POST", "a=b", "secret"])
        const [got] = yield* second.requests
        expect([got!.method, got!.size]).toEqual(["GET", 0])
        expect(got!.head).not.toContain("secret")
        expect(namesOf(got!).filter((name) => /^(content-|transfer-|authorization|cookie|x-)/.test(name))).toEqual([])
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 a 302 that turns POST into GET leaves nothing of the body's fields, those of the caller included", () =>
    Effect.gen(function*() {
      const peer = yield* answering({ "/": redirectTo(302, "/landed"), "/landed": {} })
      const http = yield* Http.make()
      yield* http.request({
        method: "POST",
        url: peer.url,
        redirect: "all",
        headers: { "content-type": "text/x", "Content-Language": "en", "CONTENT-MD5": "x", "X-A": "kept" },
        body: "abc"
      })
      const [post, got] = yield* peer.requests
      expect([post!.header("content-length"), post!.header("content-type")]).toEqual(["3", "text/x"])
      expect(namesOf(got!).filter((name) => name.startsWith("content-"))).toEqual([])
      // The same origin.
      expect(got!.header("x-a")).toBe("kept")
    }).pipe(Effect.provide(platform)))

  it.scoped.each([307, 308])(
    "C33 a %i sends method and body again to another origin, with redirect: \"all\", and no credentials",
    (status) =>
      Effect.gen(function*() {
        const { first, http, second } = yield* twoOrigins(status)
        const landed = yield* http.request({
          method: "POST",
          url: first.url.replace("//", "//ada:secret@"),
          headers: { Cookie: "a=secret", "X-Api-Key": "secret", "Content-Language": "en", "Accept-Language": "en" },
          body: "abc",
          redirect: "all"
        })
        expect(landed.status).toBe(200)
        const [got] = yield* second.requests
        expect([got!.method, text(got!.body), got!.header("content-language"), got!.header("accept-language")]).toEqual(
          ["POST", "abc", "en", "en"]
        )
        expect(got!.head).not.toMatch(/secret|authorization|cookie|x-api-key/i)
      }).pipe(Effect.provide(platform))
  )

  it.scoped.each(
    [301, 302, 303, 307, 308].flatMap((status) => ["PUT", "PATCH", "DELETE"].map((method) => [status, method] as const))
  )(
    "C33 a %i to %s keeps method and body with redirect: \"all\", except that 303 is GET",
    ([status, method]) =>
      Effect.gen(function*() {
        const peer = yield* answering({ "/": redirectTo(status, "/landed"), "/landed": {} })
        const http = yield* Http.make()
        yield* http.request({ method, url: peer.url, redirect: "all", body: "abc" })
        const [, got] = yield* peer.requests
        expect([got!.method, text(got!.body)]).toEqual(status === 303 ? ["GET", ""] : [method, "abc"])
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 by default only GET and HEAD follow, and any method at 308; HEAD stays HEAD", () =>
    Effect.gen(function*() {
      const http = yield* Http.make()
      for (const status of [301, 302, 303, 307, 308]) {
        for (const method of ["GET", "HEAD", "OPTIONS", "POST"]) {
          const peer = yield* answering({ "/": redirectTo(status, "/landed"), "/landed": {} })
          const answer = yield* http.request({ method, url: peer.url })
          const follows = status === 308 || method === "GET" || method === "HEAD"
          expect([method, status, answer.status]).toEqual([method, status, follows ? 200 : status])
          expect(yield* asked(peer)).toEqual([`${method} /`, ...(follows ? [`${method} /landed`] : [])])
          const untouched = yield* http.request({ method, url: peer.url, redirect: false })
          expect(untouched.status).toBe(status)
        }
      }
    }).pipe(Effect.provide(platform)))

  it.scoped.each([307, 308])(
    "C33 a %i that asks for a one-shot body again is refused, and nothing is sent there",
    (status) =>
      Effect.gen(function*() {
        const { first, http, second } = yield* twoOrigins(status)
        let runs = 0
        const body = Body.stream(
          Stream.fromIterable([Buffer.from("abc"), Buffer.from("def")]).pipe(
            Stream.onStart(Effect.sync(() => {
              runs++
            }))
          )
        )
        const error = yield* failsWith(
          http.request({ method: "POST", url: first.url, body, redirect: "all" }),
          "RedirectRefused"
        )
        expect(error).toMatchObject({ reason: "Body", status, location: `${second.url}/landed`, method: "POST" })
        const [sent] = yield* first.requests
        expect([text(sent!.body), runs, yield* second.connections]).toEqual([
          "abcdef",
          1,
          { open: 0, total: 0, most: 0 }
        ])
      }).pipe(Effect.provide(platform))
  )

  // The request is for `/a/b?q=1#part`; the outcome is what is asked for next, and the fragment of the answer's URL.
  const locations: ReadonlyArray<readonly [name: string, location: string, target: string, fragment: string]> = [
    ["a path beside", "c", "/a/c", "#part"],
    ["a path above", "../c", "/c", "#part"],
    ["an absolute path", "/c", "/c", "#part"],
    ["a query", "?x=y", "/a/b?x=y", "#part"],
    ["blanks around", "  /c\t", "/c", "#part"],
    ["a blank within", "/c d", "/c%20d", "#part"],
    ["UTF-8", Buffer.from("/ü").toString("latin1"), "/%C3%BC", "#part"],
    ["UTF-8 in the query", Buffer.from("/?ü").toString("latin1"), "/?%C3%BC", "#part"],
    ["a backslash", "\\c\\d", "/c/d", "#part"],
    ["a fragment of its own", "/c#other", "/c", "#other"],
    ["dots that lead out", "/../../c", "/c", "#part"],
    ["an escaped line end", "/c%0d%0aX:%20y", "/c%0d%0aX:%20y", "#part"],
    ["an escaped fragment sign", "/c%23d", "/c%23d", "#part"]
  ]
  it.scoped.each(locations)(
    "C33 a Location with %s is resolved by WHATWG's rules, and its fragment is not sent",
    ([, location, target, fragment]) =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make({
          handler: (request) => request.target === "/a/b?q=1" ? redirectTo(302, location) : { body: "landed" }
        })
        const http = yield* Http.make()
        const answer = yield* http.request({ url: `${peer.url}/a/b?q=1#part` })
        expect(yield* asked(peer)).toEqual(["GET /a/b?q=1", `GET ${target}`])
        expect(answer.url).toBe(`${peer.url}${target}${fragment}`)
      }).pipe(Effect.provide(platform))
  )

  const refused: ReadonlyArray<readonly [string, HttpPeer.Fields, string]> = [
    ["of file:", { Location: "file:///etc/passwd" }, "Scheme"],
    ["of javascript:", { Location: "javascript:alert(1)" }, "Scheme"],
    ["of data:", { Location: "data:,x" }, "Scheme"],
    ["of ftp:", { Location: "ftp://a.test/" }, "Scheme"],
    ["of unix:", { Location: "unix:/run/x.sock" }, "Scheme"],
    ["without a host", { Location: "http://" }, "Location"],
    ["with a host that is none", { Location: "http://a b/" }, "Location"],
    ["with a port that is none", { Location: "http://a.test:99999/" }, "Location"],
    ["that is there twice", { Location: ["/c", "/d"] }, "Location"]
  ]
  it.scoped.each(refused)("C33 a Location %s is refused, and says why", ([, fields, reason]) =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ handler: () => ({ status: 302, fields }) })
      const http = yield* Http.make()
      const error = yield* failsWith(http.request({ url: peer.url }), "RedirectRefused")
      expect(error).toMatchObject({ reason, status: 302, hop: 0, method: "GET" })
      expect((yield* peer.requests).length).toBe(1)
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a redirect without a Location, or with an empty one, is an answer, as in Copas; the same one twice is one", () =>
    Effect.gen(function*() {
      const peer = yield* answering({
        "/none": { status: 302 },
        "/empty": { status: 302, fields: { Location: "" } },
        "/blank": { status: 302, fields: { Location: " \t " } },
        "/twice": { status: 302, fields: { Location: ["/landed", " /landed"] } },
        "/landed": {}
      })
      const http = yield* Http.make()
      for (const target of ["/none", "/empty", "/blank"]) {
        expect((yield* http.request({ url: peer.url + target })).status).toBe(302)
      }
      expect((yield* http.request({ url: `${peer.url}/twice` })).url).toBe(`${peer.url}/landed`)
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 another port of the same host is another origin, and userinfo of a Location is no credentials", () =>
    Effect.gen(function*() {
      const second = yield* HttpPeer.make()
      const http = yield* Http.make()
      const locations = [
        `//127.0.0.1:${second.port}/p`,
        second.url.replace("//", "//eve:stolen@"),
        second.url.replace("127.0.0.1", "LOCALHOST")
      ]
      for (const [count, location] of locations.entries()) {
        const first = yield* HttpPeer.make({ handler: () => redirectTo(302, location) })
        const answer = yield* http.request({
          url: first.url,
          auth: { user: "ada", password: Redacted.make("secret") },
          headers: { Cookie: "a=secret" }
        })
        expect(answer.url).not.toContain("stolen")
        const [asked] = yield* first.requests
        expect(asked!.header("authorization")).toBe(`Basic ${btoa("ada:secret")}`)
        const got = (yield* second.requests)[count]!
        expect(namesOf(got)).not.toContain("authorization")
        expect(namesOf(got)).not.toContain("cookie")
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 five redirects are followed; the sixth is TooManyRedirects with the chain, and so is a loop", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ target }) => {
          if (target === "/loop") return redirectTo(302, "/loop")
          const left = Number(target.slice(1))
          return left === 0 ? { body: "landed" } : redirectTo(302, `/${left - 1}`)
        }
      })
      const http = yield* Http.make()
      expect(yield* http.text(`${peer.url}/5`)).toBe("landed")
      const error = yield* failsWith(http.text(`${peer.url}/6`), "TooManyRedirects")
      expect(error).toMatchObject({ limit: 5, hop: 5 })
      expect(error.chain).toEqual([6, 5, 4, 3, 2, 1, 0].map((left) => `${peer.url}/${left}`))
      const loop = yield* failsWith(http.text(`${peer.url}/loop`), "TooManyRedirects")
      expect(loop.chain).toHaveLength(7)
      expect(yield* http.text({ url: `${peer.url}/50`, maxRedirects: false })).toBe("landed")
      const far = yield* failsWith(http.text({ url: `${peer.url}/51`, maxRedirects: false }), "TooManyRedirects")
      expect(far.limit).toBe(50)
      const none = yield* failsWith(http.text({ url: `${peer.url}/1`, maxRedirects: 0 }), "TooManyRedirects")
      expect(none).toMatchObject({ limit: 0, hop: 0 })
    }).pipe(Effect.provide(platform)))

  it.scoped.each([300, 304])("C33 a %i with a Location is an answer", (status) =>
    Effect.gen(function*() {
      const peer = yield* answering({ "/": redirectTo(status, "/landed") })
      const http = yield* Http.make()
      const answer = yield* http.request({ url: peer.url, redirect: "all" })
      expect([answer.status, yield* asked(peer)]).toEqual([status, ["GET /"]])
    }).pipe(Effect.provide(platform)))
})
