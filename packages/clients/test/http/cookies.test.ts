/** Cookie jars: cases 10 to 12 of HTTP, the model of RFC 6265bis, bounds and expiry. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Logger, LogLevel, Redacted, TestClock, TestContext } from "effect"
import * as FC from "effect/FastCheck"
import * as Tough from "tough-cookie"
import { Cookies } from "../../src/index.js"

const url = (text: string): URL => new URL(text)
const example = url("https://www.example.com/dir/page")

/** A jar to which this URL gave these cookies. */
const jarOf = (from: URL, ...cookies: ReadonlyArray<string>) =>
  Effect.tap(Cookies.jar(), (jar) => jar.store(from, cookies))

/** The header for each URL. */
const sent = (jar: Cookies.Jar, ...urls: ReadonlyArray<string>) => Effect.forEach(urls, (to) => jar.header(url(to)))

describe("C33 what a jar sends", () => {
  it.effect("C33 a cookie goes to its path over TLS, and to no other host; one with Max-Age=0 never (case 10)", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const jar = yield* jarOf(
        example,
        "id=1; Path=/private; Secure; HttpOnly",
        "gone=1; Max-Age=0",
        "past=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Path=/"
      )
      expect(
        yield* sent(
          jar,
          "https://www.example.com/private",
          "https://www.example.com:8443/private/x?y",
          "http://www.example.com/private",
          "https://www.example.com/privateer",
          "https://www.example.com/",
          "https://example.com/private",
          "https://a.www.example.com/private",
          "https://other.example/private"
        )
      ).toEqual(["id=1", "id=1", undefined, undefined, undefined, undefined, undefined, undefined])
      expect(yield* jar.size).toBe(1)
    }))

  it.effect("C33 a cookie with a Domain goes to every host below it", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(example, "a=1; Domain=.Example.COM; Path=/", "b=2; Path=/")
      expect(
        yield* sent(
          jar,
          "https://example.com/",
          "http://a.b.example.com/",
          "https://www.example.com/",
          "https://badexample.com/",
          "https://example.com.evil.test/"
        )
      ).toEqual(["a=1", "a=1", "a=1; b=2", undefined, undefined])
    }))

  it.effect("C33 longer paths come first, then older cookies; one that is set again keeps its place", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(example, "a=1; Path=/", "b=2; Path=/dir", "c=3; Path=/", "d=4")
      yield* TestClock.adjust("1 seconds")
      yield* jar.store(example, ["a=5; Path=/", "e=6; Path=/"])
      expect(yield* jar.header(example)).toBe("b=2; d=4; a=5; c=3; e=6")
    }))

  it.effect("C33 the path is compared as the URL has it, without decoding", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(url("https://h.example.com/a%20b/c"), "x=1", "y=2; Path=/a%2Fb")
      expect(
        yield* sent(jar, "https://h.example.com/a%20b/d", "https://h.example.com/a/b", "https://h.example.com/a%2Fb")
      )
        .toEqual(["x=1", undefined, "y=2"])
    }))

  it.effect("C33 addresses have no domains: their cookies are their own", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(url("http://127.0.0.1/"), "a=1", "b=2; Domain=127.0.0.1", "c=3; Domain=0.0.1")
      yield* jar.store(url("http://[::1]:8080/"), ["d=4; Domain=::1", "e=5; Domain=[::1]", "f=6; Domain=1"])
      expect(yield* sent(jar, "http://127.0.0.1:81/", "http://[::1]/", "http://1.127.0.0.1.example/", "http://0.0.1/"))
        .toEqual(["a=1; b=2", "d=4; e=5", undefined, undefined])
    }))

  it.effect("C33 each field is a cookie of its own, and values are sent byte for byte (case 12)", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(
        example,
        "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/",
        "b=%0d%0aX: y; Path=/",
        "c=\"q, r\"; Path=/",
        "d==x==; Path=/",
        "e=caf\xc3\xa0; Path=/",
        "f=; Path=/",
        "g= \t i n \t ; Path=/"
      )
      expect(yield* jar.header(url("https://www.example.com/")))
        .toBe("a=1; b=%0d%0aX: y; c=\"q, r\"; d==x==; e=caf\xc3\xa0; f=; g=i n")
    }))

  it.effect("C33 Secure cookies stay off http:, also on this machine, unless that is wanted", () =>
    Effect.gen(function*() {
      for (const secureOnLocalhost of [false, true]) {
        for (const host of ["localhost", "a.localhost", "127.0.0.2", "[::1]"]) {
          const jar = yield* Cookies.jar({ secureOnLocalhost })
          yield* jar.store(url(`http://${host}/`), ["a=1; Secure"])
          yield* jar.store(url(`https://${host}/`), ["b=1; Secure"])
          expect(yield* jar.header(url(`http://${host}/`))).toBe(secureOnLocalhost ? "a=1; b=1" : undefined)
        }
      }
      const jar = yield* Cookies.jar({ secureOnLocalhost: true })
      yield* jar.store(url("http://localhost.example.com/"), ["a=1; Secure"])
      yield* jar.store(url("http://127.0.0.1.example.com/"), ["a=1; Secure"])
      expect(yield* jar.size).toBe(0)
    }))
})

describe("C33 what a jar refuses (case 11)", () => {
  const refusals: ReadonlyArray<readonly [from: string, cookie: string, reason: string | undefined]> = [
    ["https://x.example.com/", "__Host-a=1; Secure; Path=/; Domain=x.example.com", "Prefix"],
    ["https://x.example.com/", "__Host-a=1; Secure; Path=/a", "Prefix"],
    ["https://x.example.com/", "__Host-a=1; Secure", "Prefix"],
    ["https://x.example.com/", "__Host-a=1; Path=/", "Prefix"],
    ["https://x.example.com/", "__hOsT-a=1; Path=/", "Prefix"],
    ["https://x.example.com/", "__host-a=1; Secure; Path=/; Domain=example.com", "Prefix"],
    ["https://x.example.com/", "__Host-a=1; Secure; Path=/", undefined],
    ["https://x.example.com/", "__Secure-b=1", "Prefix"],
    ["https://x.example.com/", "__secure-b=1", "Prefix"],
    ["https://x.example.com/", "__Secure-b=1; Secure; Domain=example.com", undefined],
    ["http://x.example.com/", "__Secure-b=1; Secure", "Insecure"],
    ["http://x.example.com/", "c=1; Secure", "Insecure"],
    ["https://x.example.com/", "d=1; Domain=com", "PublicSuffix"],
    ["https://x.example.co.uk/", "d=1; Domain=co.uk", "PublicSuffix"],
    ["https://x.github.io/", "d=1; Domain=github.io", "PublicSuffix"],
    ["https://a.b.test/", "d=1; Domain=test", "PublicSuffix"],
    ["https://x.example.com/", "d=1; Domain=other.com", "Domain"],
    ["https://example.com/", "d=1; Domain=x.example.com", "Domain"],
    ["https://example.com/", "d=1; Domain=ample.com", "Domain"],
    ["https://x.example.com/", "d=1; Domain=b\xfccher.example", "Domain"],
    ["http://localhost/", "e=1; Domain=localhost", undefined],
    ["http://localhost/", "e=1", undefined],
    ["http://github.io/", "e=1; Domain=github.io", undefined],
    ["http://wiki/", "e=1; Domain=wiki", undefined],
    ["http://my_host.example.com/", "e=1; Domain=example.com", undefined],
    ["https://x.example.com/", "nothing", "Syntax"],
    ["https://x.example.com/", "=1", "Syntax"],
    ["https://x.example.com/", " = 1", "Syntax"],
    ["https://x.example.com/", "", "Syntax"],
    ["https://x.example.com/", "; Path=/", "Syntax"],
    ["https://x.example.com/", "a=1\r\nX: y", "Syntax"],
    ["https://x.example.com/", "a=\0", "Syntax"],
    ["https://x.example.com/", "a=1; Path=/\x7f", "Syntax"],
    ["https://x.example.com/", "a=\u0100", "Syntax"],
    ["https://x.example.com/", `a=${"x".repeat(4095)}`, undefined],
    ["https://x.example.com/", `a=${"x".repeat(4096)}`, "TooLarge"],
    ["https://x.example.com/", `a=1; Path=/${"x".repeat(1024)}`, undefined],
    [`https://x.example.com/${"x".repeat(1024)}/`, "a=1", "TooLarge"]
  ]
  it.effect.each(refusals)("C33 of %s, %j: %s", ([from, cookie, reason]) =>
    Effect.gen(function*() {
      const jar = yield* Cookies.jar()
      yield* jar.store(url(from), [cookie])
      expect(yield* jar.size).toBe(reason === undefined ? 1 : 0)
      const exit = yield* Effect.exit(jar.set(from, cookie))
      expect(exit).toMatchObject(
        reason === undefined
          ? Exit.void
          : { cause: { error: { _tag: "CookieRefused", reason, host: url(from).hostname } } }
      )
      if (reason === undefined) expect(yield* jar.header(url(from))).toBe(cookie.split(";")[0])
    }))

  it.effect("C33 on a host that is a public suffix itself the cookie stays with the host", () =>
    Effect.gen(function*() {
      for (const host of ["localhost", "github.io", "wiki"]) {
        const jar = yield* jarOf(url(`http://${host}/`), `e=1; Domain=${host}`)
        expect(yield* sent(jar, `http://${host}/`, `http://a.${host}/`)).toEqual(["e=1", undefined])
      }
    }))

  it.effect("C33 an answer in clear does not replace a Secure cookie, nor hide it", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(example, "id=good; Secure; Domain=example.com; Path=/")
      yield* jar.store(url("http://www.example.com/dir/"), [
        "id=evil; Domain=example.com; Path=/",
        "id=evil",
        "id=evil; Max-Age=0; Path=/; Domain=example.com"
      ])
      yield* jar.store(url("http://example.com/"), ["id=evil", "other=1"])
      expect(yield* sent(jar, "https://www.example.com/dir/", "https://example.com/"))
        .toEqual(["id=good", "id=good; other=1"])
      // Another name, or a path that is not below it, hides nothing.
      yield* jar.store(url("https://www.example.com/"), ["p=good; Secure; Path=/login"])
      yield* jar.store(url("http://www.example.com/"), ["p=fine; Path=/"])
      expect(yield* jar.header(url("http://www.example.com/"))).toBe("p=fine")
    }))

  it.effect("C33 a cookie that is refused is logged with its reason, without its value", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.stringLogger, (line) => {
        lines.push(line)
      })
      yield* jarOf(example, "na\x07me=hunter2; Domain=com").pipe(
        Logger.withMinimumLogLevel(LogLevel.Debug),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/na.*x07me.*www\.example\.com was refused: Syntax/)
      expect(lines[0]).not.toContain("hunter2")
    }))
})

describe("C33 time", () => {
  it.effect("C33 a cookie ends after its Max-Age, however often it is sent", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(example, "a=1; Max-Age=60; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "b=2; Max-Age=1e3")
      for (let turn = 0; turn < 6; turn += 1) {
        expect(yield* jar.header(example)).toBe("a=1; b=2")
        yield* TestClock.adjust(turn < 5 ? "10 seconds" : "9999 millis")
      }
      expect(yield* jar.header(example)).toBe("a=1; b=2")
      yield* TestClock.adjust("1 millis")
      expect([yield* jar.header(example), yield* jar.size]).toEqual(["b=2", 1])
    }))

  it.effect("C33 a cookie ends at the time that Expires says, by Effect's clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const jar = yield* jarOf(example, "a=1; Expires=Tue, 01-Jan-30 00:01:00 GMT", "b=2; Expires=tomorrow")
      expect((yield* jar.list).map(({ expires, name }) => [name, expires])).toEqual([
        ["a", Date.UTC(2030, 0, 1, 0, 1)],
        ["b", undefined]
      ])
      yield* TestClock.adjust("1 minutes")
      expect(yield* jar.header(example)).toBe("b=2")
    }))

  it.effect.each([
    ["Max-Age=0", undefined],
    ["Max-Age=-1", undefined],
    [`Max-Age=-${"9".repeat(400)}`, undefined],
    [`Max-Age=${"9".repeat(400)}`, 8.64e15],
    ["Max-Age=9999999999999", 8.64e15],
    ["Max-Age=60", 60_000]
  ])("C33 a cookie with %s ends at %s", ([attribute, expires]) =>
    Effect.gen(function*() {
      const jar = yield* jarOf(example, "a=1", `a=2; ${attribute}`)
      expect((yield* jar.list).map((cookie) => cookie.expires)).toEqual(expires === undefined ? [] : [expires])
    }))
})

describe("C33 bounds", () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

  it.effect("C33 of one domain a jar keeps 50 cookies: the one that was used the longest ago makes room", () =>
    Effect.gen(function*() {
      const jar = yield* jarOf(
        example,
        ...numbers(50).map((index) => `c${index}=x; Path=/${index % 2 === 0 ? "" : "odd"}`)
      )
      yield* jar.store(example, ["short=x; Max-Age=1; Path=/nowhere"])
      // It took the place of c0. Now the other even ones are used.
      yield* jar.header(url("https://www.example.com/"))
      yield* TestClock.adjust("1 seconds")
      // d1 takes the place of what has expired, d2 that of c1.
      yield* jar.store(example, ["d1=x", "d2=x"])
      const names = (yield* jar.list).map(({ name }) => name)
      expect(names).toHaveLength(50)
      expect(numbers(50).filter((index) => !names.includes(`c${index}`))).toEqual([0, 1])
      expect(names.slice(-2)).toEqual(["d1", "d2"])
    }))

  it.effect("C33 a site that floods the jar pushes out its own cookies, in number and in bytes", () =>
    Effect.gen(function*() {
      for (const options of [{ maxCookies: 100 }, { maxBytes: 100_000 }]) {
        const jar = yield* Cookies.jar(options)
        yield* jar.store(url("https://bank.example.com/"), ["id=1", "session=2"])
        yield* Effect.forEach(numbers(500), (index) =>
          jar.store(url(`https://h${index}.evil.test/`), [
            `${index}=${"x".repeat(index % 50)}`,
            `a=${"y".repeat(index % 3000)}; Path=/${"z".repeat(index)}`
          ]))
        expect(yield* jar.header(url("https://bank.example.com/"))).toBe("id=1; session=2")
        const all = yield* jar.list
        expect(all.length).toBeGreaterThan(10)
        expect(all.length).toBeLessThanOrEqual(options.maxCookies ?? Infinity)
        const bytes = all.reduce(
          (sum, { domain, name, path, value }) => sum + `${domain}${path}${name}${Redacted.value(value)}`.length,
          0
        )
        expect(bytes).toBeLessThanOrEqual(options.maxBytes ?? Infinity)
      }
    }))

  it.effect("C33 whatever is set and removed, the jar's counts are those of its cookies, and it ends empty", () =>
    Effect.promise(() =>
      FC.assert(
        FC.asyncProperty(
          FC.array(
            FC.record({
              host: FC.constantFrom("a.example.com", "b.example.com", "example.com", "other.test"),
              name: FC.constantFrom("a", "b", "c", "d"),
              path: FC.constantFrom("/", "/x", "/y"),
              domain: FC.constantFrom("", "; Domain=example.com"),
              life: FC.constantFrom("", "; Max-Age=0", "; Max-Age=5"),
              pause: FC.constantFrom(0, 0, 0, 3000),
              isRemoved: FC.boolean()
            }),
            { maxLength: 40 }
          ),
          (steps) =>
            Effect.gen(function*() {
              const jar = yield* Cookies.jar({ maxPerDomain: 5, maxCookies: 10, maxBytes: 4000 })
              for (const { domain, host, isRemoved, life, name, path, pause } of steps) {
                yield* jar.store(url(`https://${host}/`), [`${name}=1; Path=${path}${domain}${life}`])
                yield* TestClock.adjust(pause)
                if (isRemoved) yield* jar.remove({ name: "a", path })
                const all = yield* jar.list
                expect(yield* jar.size).toBe(all.length)
                expect(JSON.parse(JSON.stringify(jar))).toEqual({ _id: "@copas/clients/Cookies/Jar", size: all.length })
                expect(all.length).toBeLessThanOrEqual(10)
                for (const { domain } of all) {
                  expect(all.filter((other) => other.domain === domain).length).toBeLessThan(6)
                }
              }
              yield* jar.clear
              expect(JSON.parse(JSON.stringify(jar)).size).toBe(0)
              expect(yield* jar.header(example)).toBeUndefined()
            }).pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)
        ),
        Sampling.runs({ short: 200, long: 5000 })
      )
    ))

  it.effect.each(["maxPerDomain", "maxCookies", "maxCookieBytes", "maxBytes"] as const)(
    "C33 %s is a whole number above zero",
    (option) =>
      Effect.forEach([0, -1, 1.5, NaN, "9"], (value) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Cookies.jar({ [option]: value as number }))
          expect(error).toMatchObject({ _tag: "InvalidOption", option })
        }))
  )
})

describe("C33 tough-cookie's own jar", () => {
  const text = FC.string({
    unit: FC.constantFrom("a", "b", "=", " ", "%", "\"", "\\", ",", "\xe9"),
    maxLength: 6
  })
  const cookie = FC.record({
    host: FC.constantFrom("a.example.com", "example.com", "x.a.example.com", "example.co.uk", "127.0.0.1", "localhost"),
    path: FC.constantFrom("/", "/a", "/a/b", "/ab/"),
    text: FC.tuple(FC.constantFrom("n", "m", "__Host-n", "__Secure-n", ""), text).map(([name, value]) =>
      `${name}=${value}`
    ),
    attributes: FC.subarray([
      "; Path=/a",
      "; Domain=example.com",
      "; Domain=.co.uk",
      "; Secure",
      "; HttpOnly",
      "; SameSite=Lax",
      "; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
      "; x=y",
      "; ;"
    ])
  }).map(({ attributes, text, ...place }) => ({
    ...place,
    attributes,
    // RFC 6265bis, section 5.7: a cookie of a host alone is another one than that of its domain. tough-cookie takes them for one.
    text: attributes.includes("; Domain=example.com") ? text.replace(/^\w+/, "$&d") : text
  }))

  it.live("C33 whatever https: servers set, a jar sends what tough-cookie's sends, except where that departs from RFC 6265bis", () => {
    const seen = { sent: 0 }
    return Effect.promise(() =>
      FC.assert(
        FC.asyncProperty(FC.array(cookie, { maxLength: 8 }), async (steps) => {
          const jar = await Effect.runPromise(Cookies.jar())
          const theirs = new Tough.CookieJar(undefined, { prefixSecurity: "strict", allowSpecialUseDomain: true })
          for (const { attributes, host, path, text } of steps) {
            const from = url(`https://${host}${path}`)
            await Effect.runPromise(jar.store(from, [text + attributes.join("")]))
            try {
              theirs.setCookieSync(text + attributes.join(""), from)
            } catch {
              // It says so for every cookie that it refuses.
            }
          }
          for (const { host, path } of steps) {
            const to = url(`https://${host}${path}`)
            const header = await Effect.runPromise(jar.header(to))
            if (header !== undefined) seen.sent += 1
            expect(header ?? "").toBe(theirs.getCookieStringSync(to))
          }
        }),
        Sampling.runs({ short: 500, long: 20_000 })
      )
    ).pipe(Effect.tap(() => expect(seen.sent).toBeGreaterThan(Sampling.isRepeat() ? -1 : 200)))
  })
})
