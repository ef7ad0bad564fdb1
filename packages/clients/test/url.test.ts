/** URLs and their parts: LuaSocket's own tests (test/urltest.lua) where they are right, and properties. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Either, Redacted } from "effect"
import * as FC from "effect/FastCheck"
import { Url } from "../src/index.js"

const get = Either.getOrThrow
const refused = <A>(either: Either.Either<A, Url.InvalidUrl>): Url.InvalidUrl => get(Either.flip(either))
/** The password is compared in clear. */
const shown = (parts: Url.Parts) => ({
  ...parts,
  ...(parts.password === undefined ? {} : { password: Redacted.value(parts.password) })
})

const all = { scheme: "scheme", host: "host", port: 8080, query: "query", fragment: "fragment" }

describe("S16 parse", () => {
  it.each<readonly [string, object]>([
    ["scheme://user:pass-wd@host:8080/path?query#fragment", {
      ...all,
      user: "user",
      password: "pass-wd",
      path: "/path"
    }],
    ["scheme://user:p%3Aw%2F@host:8080/path?query#fragment", { ...all, user: "user", password: "p:w/", path: "/path" }],
    // `;params` (RFC 2396) are part of the path since RFC 3986.
    ["scheme://user@host:8080/path;params?query#fragment", { ...all, user: "user", path: "/path;params" }],
    ["scheme://host:8080/path?query#", { ...all, path: "/path", fragment: "" }],
    ["scheme://host:8080/path?#fragment", { ...all, path: "/path", query: "" }],
    ["scheme://host:8080", { scheme: "scheme", host: "host", port: 8080, path: "" }],
    ["http://host", { scheme: "http", host: "host", path: "/" }],
    ["http://user:@host/path", { scheme: "http", user: "user", host: "host", path: "/path" }],
    ["http://:pw@host/", { scheme: "http", user: "", password: "pw", host: "host", path: "/" }],
    ["http://[FEDC:BA98:7654:3210:FEDC:BA98:7654:3210]:80/index.html", {
      scheme: "http",
      host: "fedc:ba98:7654:3210:fedc:ba98:7654:3210",
      path: "/index.html"
    }],
    ["http://[3ffe:2a00:100:7031::1]", { scheme: "http", host: "3ffe:2a00:100:7031::1", path: "/" }],
    ["http://[::192.9.5.5]/ipng", { scheme: "http", host: "::c009:505", path: "/ipng" }],
    ["HTTPS://Bücher.Example:443/", { scheme: "https", host: "xn--bcher-kva.example", path: "/" }],
    ["http://0x7f.1/", { scheme: "http", host: "127.0.0.1", path: "/" }],
    ["mailto:a@b?subject=x", { scheme: "mailto", path: "a@b", query: "subject=x" }],
    ["file:///etc/motd", { scheme: "file", host: "", path: "/etc/motd" }],
    [" http://host/a/./b/../c\\d ", { scheme: "http", host: "host", path: "/a/c/d" }]
  ])("S16 %s has these parts", (text, expected) => {
    expect(shown(get(Url.parse(text)))).toEqual(expected)
    expect(get(Url.parse(new URL(text))).path).toBe(get(Url.parse(text)).path)
  })

  it("S16 a relative URL is parsed by its base, as LuaSocket's takes defaults", () => {
    expect(get(Url.parse("//net_loc/a", "http://x/"))).toEqual({ scheme: "http", host: "net_loc", path: "/a" })
    expect(get(Url.parse("b?q", new URL("https://x:1/a/c")))).toEqual({
      scheme: "https",
      host: "x",
      port: 1,
      path: "/a/b",
      query: "q"
    })
  })

  it.each([
    ["", "no scheme"],
    ["/path", "no scheme"],
    ["//host/path", "no scheme"],
    ["www.example.com", "no scheme"],
    ["scheme://host:port/", "host or port"],
    ["http://host:65536/", "host or port"],
    ["http://a b/", "host or port"],
    ["http://[::g]/", "host or port"],
    ["http://", "host or port"],
    ["http://host/a\r\nX: y", "control character"],
    ["http://host/a\tb", "control character"],
    ["http://u%0d%0aX:hunter2@host/", "control character"],
    ["http://u:hunter2%@host/", "two hex digits"],
    ["http://u:hunter2%FF@host/", "UTF-8"],
    ["http://u:hun?ter2@host:x/", "host or port"],
    ["http://host:x/?token=hunter2", "host or port"]
  ])("S16 %j is an InvalidUrl that says why and shows no secret", (text, reason) => {
    const error = refused(Url.parse(text))
    expect(error).toMatchObject({ _tag: "InvalidUrl", reason: expect.stringContaining(reason) })
    expect(`${error.message}${JSON.stringify(error)}`).not.toMatch(/hunter2|ter2/)
  })
})

describe("S16 build", () => {
  const parts = { ...all, path: "/path" }
  it.each<readonly [Url.BuildOptions, string]>([
    [{ ...parts, user: "user", password: "password" }, "scheme://user:password@host:8080/path?query#fragment"],
    [
      { ...parts, user: "u@:/é", password: Redacted.make("p%/?#") },
      "scheme://u%40%3A%2F%C3%A9:p%25%2F%3F%23@host:8080/path?query#fragment"
    ],
    [
      { ...parts, user: "user", host: "::FFFF:129.144.52.38" },
      "scheme://user@[::ffff:8190:3426]:8080/path?query#fragment"
    ],
    [
      { scheme: "scheme", host: "host", path: "/path;params", fragment: "fragment" },
      "scheme://host/path;params#fragment"
    ],
    [{ scheme: "scheme", host: "host" }, "scheme://host"],
    [{ scheme: "HTTP", host: "HOST", port: 80 }, "http://host/"],
    [
      { scheme: "http", host: "h", path: "/a?b#c\\d e\n", query: "f#g h\r", fragment: "i j" },
      "http://h/a%3Fb%23c%5Cd%20e%0A?f%23g%20h%0D#i%20j"
    ],
    [{ scheme: "http", host: "h", query: "", fragment: "" }, "http://h/?#"],
    [{ scheme: "mailto", path: "a@b", query: "subject=x" }, "mailto:a@b?subject=x"],
    [{ scheme: "file", host: "", path: "/etc/motd" }, "file:///etc/motd"]
  ])("S16 %j is %s", (input, expected) => expect(get(Url.build(input))).toBe(expected))

  it.each<readonly [string, Partial<Url.BuildOptions>]>([
    ["scheme", { scheme: "ht tp" }],
    ["scheme", { scheme: "" }],
    ["scheme", { scheme: "javascript:x" }],
    ["host", { host: "evil@host" }],
    ["host", { host: "host/path" }],
    ["host", { host: "host?x" }],
    ["host", { host: "host#x" }],
    ["host", { host: "host\\x" }],
    ["host", { host: "host:80" }],
    ["host", { host: "a b" }],
    ["host", { host: "a\r\nb" }],
    ["host", { host: "[::1]" }],
    ["host", { host: "" }],
    ["host", { host: "", path: "/evil" }],
    ["host", { scheme: "file", host: "C|" }],
    ["host", { host: "::g" }],
    ["host", { host: undefined }],
    ["host", { scheme: "x", host: undefined, user: "u", path: "/" }],
    ["host", { scheme: "x", host: undefined, path: "//evil" }],
    ["control", { user: "a\nb" }],
    ["control", { password: "a\0hunter2" }],
    ["port", { port: 65_536 }],
    ["port", { port: 1.5 }],
    ["port", { port: -1 }],
    ["path", { path: "relative" }]
  ])("S16 no %s of another part gets in: %j", (what, wrong) => {
    const error = refused(Url.build({ scheme: "http", host: "host", password: "hunter2", ...wrong }))
    expect(error).toMatchObject({ _tag: "InvalidUrl", reason: expect.stringContaining(what) })
    expect(`${error.message}${JSON.stringify(error)}`).not.toContain("hunter2")
  })

  const part = FC.string({
    unit: FC.oneof(
      FC.constantFrom(...":/?#@[]%\\ .;&=\n\0é😀".match(/./gsu)!),
      FC.string({ minLength: 1, maxLength: 1 })
    )
  })
  const host = FC.oneof(FC.domain(), FC.ipV4(), FC.ipV6(), part)

  it("S16 whatever its parts, what is built has them and no others", () => {
    const seen = { built: 0 }
    const input = FC.record({
      scheme: FC.constantFrom("http", "https", "ftp", "file", "scheme"),
      host,
      user: FC.option(part, { nil: undefined }),
      password: FC.option(part, { nil: undefined }),
      port: FC.option(FC.nat(65_535), { nil: undefined }),
      path: part.map((text) => `/${text}`),
      query: FC.option(part, { nil: undefined }),
      fragment: FC.option(part, { nil: undefined })
    })
    FC.assert(
      FC.property(input, (parts) => {
        const built = Url.build(parts)
        if (Either.isLeft(built)) return
        seen.built += 1
        const back = shown(get(Url.parse(built.right)))
        // The host as it is alone, with no other part near it.
        const bracketed = parts.host.includes(":") ? `[${parts.host}]` : parts.host
        const alone = parts.host === "" || (parts.scheme === "file" && /^localhost$/i.test(parts.host))
          ? ""
          : new URL(`${parts.scheme === "scheme" ? "scheme" : "http"}://${bracketed}/`).hostname
        expect(back.host).toBe(alone.replace(/^\[(.*)\]$/, "$1"))
        const login = (parts.user ?? "") === "" && (parts.password ?? "") === ""
        expect([back.user, back.password ?? ""]).toEqual([login ? undefined : parts.user ?? "", parts.password ?? ""])
        expect([back.query === undefined, back.fragment === undefined])
          .toEqual([parts.query === undefined, parts.fragment === undefined])
        // And what is parsed is built again.
        expect(get(Url.build(get(Url.parse(built.right))))).toBe(built.right)
      }),
      Sampling.runs({ short: 3000, long: 20_000 })
    )
    expect(seen.built).toBeGreaterThan(Sampling.isRepeat() ? -1 : 500)
  })

  it("S16 whatever is parsed is built again, the same", () => {
    const text = FC.oneof(
      FC.webUrl({ withFragments: true, withQueryParameters: true }),
      part.map((rest) => `http://h/${rest}`),
      part.map((rest) => `scheme://u:p@h/${rest}`),
      FC.tuple(part, part).map(([user, rest]) => `ftp://${user}@h${rest}`)
    )
    FC.assert(
      FC.property(text, (text) => {
        const parts = Url.parse(text)
        if (Either.isLeft(parts)) return
        expect(shown(get(Url.parse(get(Url.build(parts.right)))))).toEqual(shown(parts.right))
      }),
      Sampling.runs({ short: 3000, long: 20_000 })
    )
  })
})

describe("S16 absolute", () => {
  // RFC 3986, section 5.4.
  const rfc: ReadonlyArray<readonly [string, string]> = [
    ["g:h", "g:h"],
    ["g", "http://a/b/c/g"],
    ["./g", "http://a/b/c/g"],
    ["g/", "http://a/b/c/g/"],
    ["/g", "http://a/g"],
    ["//g", "http://g/"],
    ["?y", "http://a/b/c/d;p?y"],
    ["g?y", "http://a/b/c/g?y"],
    ["#s", "http://a/b/c/d;p?q#s"],
    ["g#s", "http://a/b/c/g#s"],
    ["g?y#s", "http://a/b/c/g?y#s"],
    [";x", "http://a/b/c/;x"],
    ["g;x", "http://a/b/c/g;x"],
    ["g;x?y#s", "http://a/b/c/g;x?y#s"],
    [".", "http://a/b/c/"],
    ["./", "http://a/b/c/"],
    ["..", "http://a/b/"],
    ["../", "http://a/b/"],
    ["../g", "http://a/b/g"],
    ["../..", "http://a/"],
    ["../../", "http://a/"],
    ["../../g", "http://a/g"],
    ["../../../g", "http://a/g"],
    ["/./g", "http://a/g"],
    ["/../g", "http://a/g"],
    ["g.", "http://a/b/c/g."],
    [".g", "http://a/b/c/.g"],
    ["g..", "http://a/b/c/g.."],
    ["..g", "http://a/b/c/..g"],
    ["./../g", "http://a/b/g"],
    ["./g/.", "http://a/b/c/g/"],
    ["g/./h", "http://a/b/c/g/h"],
    ["g/../h", "http://a/b/c/h"],
    // LuaSocket keeps the base's fragment, and resolves dots in queries and fragments.
    ["", "http://a/b/c/d;p?q"],
    ["g?y/./x", "http://a/b/c/g?y/./x"],
    ["g#s/./x", "http://a/b/c/g#s/./x"],
    ["g?y/../x", "http://a/b/c/g?y/../x"],
    // LuaSocket's own.
    ["././g/./.", "http://a/b/c/g/"],
    ["g/././", "http://a/b/c/g/"],
    ["./.", "http://a/b/c/"],
    // WHATWG differs from RFC 3986 for its own schemes: a relative URL may repeat the base's, and \\ is a slash.
    ["http:g", "http://a/b/c/g"],
    ["..\\g", "http://a/b/g"]
  ]
  it.each(rfc)("S16 %j by http://a/b/c/d;p?q#f is %s", (relative, expected) => {
    expect(get(Url.absolute("http://a/b/c/d;p?q#f", relative))).toBe(expected)
    expect(get(Url.absolute(new URL("http://a/b/c/d;p?q#f"), relative))).toBe(expected)
  })

  it.each([
    ["http://a/b/c/d:p?q#f/", "../g.h/", "http://a/b/g.h/"],
    ["http://a/", "../g.h/", "http://a/g.h/"],
    ["http://velox.telemar.com.br", "/dashboard/index.html", "http://velox.telemar.com.br/dashboard/index.html"],
    ["http://example.com/", "../.badhost.com/", "http://example.com/.badhost.com/"],
    ["http://example.com/", "...badhost.com/", "http://example.com/...badhost.com/"],
    ["http://example.com", ".badhost.com", "http://example.com/.badhost.com"],
    ["http://example.com/a/b/c/d/", "../../q", "http://example.com/a/b/q"],
    ["http://example.com/a/b/c/d/", "../x/a/../y/z/../../../../q", "http://example.com/a/b/q"],
    // An empty segment is one (RFC 3986, section 5.2.4); LuaSocket's test says the same.
    ["http://example.com/a/b/c/d/", "..//../../../q", "http://example.com/a/q"],
    ["http://example.com/a/b/c/d/", "..//a/..//../../../q", "http://example.com/a/b/q"]
  ])("S16 from %s, %s is %s", (base, relative, expected) => {
    expect(get(Url.absolute(base, relative))).toBe(expected)
  })

  it.each([
    ["/a/b/c/d;p?q#f", "d/e/f"],
    ["mailto:a@b", "d"],
    ["http://u:hunter2@a/", "http://["],
    ["http://u:hunter2@a/", "//x:hunter2@["],
    ["http://a/", "b\r\nc"]
  ])("S16 from %s there is no %j: it is an InvalidUrl", (base, relative) => {
    const error = refused(Url.absolute(base, relative))
    expect(error._tag).toBe("InvalidUrl")
    expect(`${error.message}${JSON.stringify(error)}`).not.toContain("hunter2")
  })
})

describe("S16 paths", () => {
  it.each<readonly [string, ReadonlyArray<string>, boolean, boolean]>([
    ["/eu/tu/ele", ["eu", "tu", "ele"], true, false],
    ["/eu/", ["eu"], true, true],
    ["eu/tu/ele/nos/vos/eles/", ["eu", "tu", "ele", "nos", "vos", "eles"], false, true],
    ["/", [], true, true],
    ["", [], false, false],
    [
      "eu%01/%02tu/e%03l%04e/nos/vos%05/e%12les/",
      ["eu\x01", "\x02tu", "e\x03l\x04e", "nos", "vos\x05", "e\x12les"],
      false,
      true
    ],
    ["eu/tu", ["eu", "tu"], false, false],
    // LuaSocket drops empty segments.
    ["/a//b/", ["a", "", "b"], true, true],
    ["../a%2Fb", ["..", "a/b"], false, false]
  ])("S16 %s is %j, and is built of it", (path, segments, isAbsolute, isDirectory) => {
    const parsed = get(Url.parsePath(path))
    expect(parsed).toEqual({ segments, isAbsolute, isDirectory })
    expect(get(Url.buildPath(parsed))).toBe(path)
  })

  it.each([
    [["eu", "-_.!~*'():@&=+$,", "tu"], "eu/-_.!~*'():@&=+$,/tu"],
    [["eu ", "~diego"], "eu%20/~diego"],
    [["/eu>", "<diego?"], "%2Feu%3E/%3Cdiego%3F"],
    [["\\eu]", "[diego`"], "%5Ceu%5D/%5Bdiego%60"],
    [["{eu}", "|diego\x7f"], "%7Beu%7D/%7Cdiego%7F"],
    [["c:", "a;b"], "c%3A/a%3Bb"]
  ])("S16 %j is protected as %s", (segments, expected) => {
    expect(get(Url.buildPath({ segments }))).toBe(expected)
  })

  it.each<readonly [string, Parameters<typeof Url.buildPath>[0]]>([
    ["..", { segments: ["a", ".."], isAbsolute: true }],
    ["..", { segments: ["."], isAbsolute: true }],
    ["host", { segments: ["", "evil.example"], isAbsolute: true }],
    ["host", { segments: [""] }],
    ["directory", { segments: ["a", ""], isAbsolute: true }],
    ["surrogate", { segments: ["\ud800"] }]
  ])("S16 what a URL would read otherwise is an InvalidUrl (%s)", (reason, path) => {
    expect(refused(Url.buildPath(path)).reason).toContain(reason)
  })

  it("S16 whatever the segments, a URL with the path has them and no others", () => {
    const segment = FC.oneof(
      FC.string(),
      FC.string({ unit: "binary" }),
      FC.constantFrom("..", ".", "%2e%2e", "a/b", "//", "?", "#", "\\", ";", "a:b", "", "%", "\r\n", "\0")
    )
    const path = FC.record({
      segments: FC.array(segment, { maxLength: 5 }),
      isAbsolute: FC.constant(true),
      isDirectory: FC.boolean()
    })
    FC.assert(
      FC.property(path, (path) => {
        const built = Url.buildPath(path)
        if (Either.isLeft(built)) return
        const url = new URL(built.right, "http://host.example/base/x")
        expect([url.host, url.search, url.hash]).toEqual(["host.example", "", ""])
        expect(get(Url.parsePath(url.pathname))).toEqual({
          ...path,
          isDirectory: path.isDirectory || path.segments.length === 0
        })
      }),
      Sampling.runs({ short: 3000, long: 20_000 })
    )
  })
})

describe("S16 escape", () => {
  it("S16 all but unreserved characters is encoded, in upper case; LuaSocket encodes - . ~ too, and in lower case", () => {
    expect(Url.escape("/#?;")).toBe("%2F%23%3F%3B")
    expect(Url.escape("aZ09-._~ +é\n")).toBe("aZ09-._~%20%2B%C3%A9%0A")
    expect(Url.escape(Uint8Array.of(0, 255, 65))).toBe("%00%FFA")
    expect(get(Url.unescape("%2f%23%3f%3b+"))).toBe("/#?;+")
  })

  it.each([["%", "two hex"], ["%4", "two hex"], ["a%zz", "two hex"], ["%FF", "UTF-8"], ["%C3", "UTF-8"], [
    "\ud800",
    "surrogate"
  ]])(
    "S16 %j is not unescaped but an InvalidUrl; LuaSocket leaves it as it is",
    (text, reason) => expect(refused(Url.unescape(text)).reason).toContain(reason)
  )

  it("S16 unescape is the inverse of escape, for text and for bytes", () => {
    FC.assert(
      FC.property(FC.string({ unit: "binary" }), FC.uint8Array(), (text, bytes) => {
        expect(get(Url.unescape(Url.escape(text)))).toBe(text)
        expect(get(Url.unescapeBytes(Url.escape(bytes)))).toEqual(bytes)
        expect(Url.escape(text)).toMatch(/^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/)
      }),
      Sampling.runs({ short: 1000, long: 20_000 })
    )
  })
})
