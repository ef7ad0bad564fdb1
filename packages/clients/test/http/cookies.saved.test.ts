/** What a program does with a jar itself: sets, lists, removes, saves and loads cookies; and what a jar shows. */
import { Error as PlatformError, KeyValueStore } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Logger, Option, Redacted, Scope, TestClock } from "effect"
import * as Secrets from "../../../node/test/secrets.js"
import { Cookies } from "../../src/index.js"

const example = new URL("https://www.example.com/dir/page")
const secret = "hunter2-correct-horse"

const problem = new PlatformError.SystemError({
  reason: "Unknown",
  module: "KeyValueStore",
  method: "set",
  description: "no space left"
})

const clear = (jar: Cookies.Jar) =>
  Effect.map(jar.list, (all) => all.map((cookie) => ({ ...cookie, value: Redacted.value(cookie.value) })))

describe("C33 a program's own cookies", () => {
  it("C33 a jar without cookies, and one that has some, answer at once: nothing is loaded then", async () => {
    const jar = Effect.runSync(Cookies.jar())
    expect(Effect.runSync(jar.header(example))).toBeUndefined()
    // Made before there is a cookie, and run after.
    const header = jar.header(example)
    await Effect.runPromise(jar.store(example, ["a=1"]))
    expect(Effect.runSync(header)).toBe("a=1")
    Effect.runSync(jar.store(example, ["b=2"]))
    expect(Effect.runSync(header)).toBe("a=1; b=2")
  })

  it.effect("C33 a cookie is set by its parts, listed, and removed by any of them", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000)
      const jar = yield* Cookies.jar()
      yield* jar.set(example, { name: "a", value: Redacted.make("1 2=3"), maxAge: "1500 millis", sameSite: "lax" })
      yield* jar.set("https://www.example.com/", {
        name: "b",
        value: "",
        domain: "example.com",
        path: "/p",
        isSecure: true,
        isHttpOnly: true,
        maxAge: "1 days"
      })
      yield* jar.set(example, "c=3; Path=/")
      const common = {
        domain: "www.example.com",
        isHostOnly: true,
        isSecure: false,
        isHttpOnly: false,
        created: 1_000_000
      }
      expect(yield* clear(jar)).toEqual([
        { ...common, name: "a", value: "1 2=3", path: "/dir", sameSite: "lax", expires: 1_002_000 },
        {
          ...common,
          name: "b",
          value: "",
          domain: "example.com",
          isHostOnly: false,
          path: "/p",
          isSecure: true,
          isHttpOnly: true,
          expires: 87_400_000
        },
        { ...common, name: "c", value: "3", path: "/" }
      ])
      expect(yield* jar.remove({ name: "c", path: "/p" })).toBe(0)
      expect(yield* jar.remove({ name: "c", domain: "www.example.com", path: "/" })).toBe(1)
      expect(yield* jar.remove({ domain: "example.com" })).toBe(1)
      expect([yield* jar.size, yield* jar.remove({}), yield* jar.size]).toEqual([1, 1, 0])
    }))

  it.effect.each<Partial<Cookies.NewCookie>>([
    { name: "" },
    { name: "a=b" },
    { name: "a;b" },
    { name: " a" },
    { name: "a\r\nSet-Cookie: x" },
    { value: `${secret}; Domain=com` },
    { value: `${secret}\n` },
    { value: `${secret} ` },
    { value: `${secret}\u0100` },
    { path: "/; Domain=example.com" },
    { domain: "example.com; Secure" },
    { domain: "example.com\r\n" }
  ])(
    "C33 what would be another cookie, or another field, is refused and not shown: %j",
    (part) =>
      Effect.gen(function*() {
        const jar = yield* Cookies.jar()
        const error = yield* Effect.flip(jar.set(example, { name: "a", value: secret, ...part }))
        expect(error).toMatchObject({ _tag: "CookieRefused", reason: "Syntax", host: "www.example.com" })
        expect(`${error.message}${JSON.stringify(error)}`).not.toContain(secret)
        expect(yield* jar.size).toBe(0)
      })
  )

  it.effect("C33 what is no URL is an InvalidUrl", () =>
    Effect.gen(function*() {
      const jar = yield* Cookies.jar()
      expect(yield* Effect.flip(jar.set("www.example.com", "a=1"))).toMatchObject({ _tag: "InvalidUrl" })
    }))

  it.effect("C33 neither a jar nor a cookie nor an error shows a value", () =>
    Effect.gen(function*() {
      const jar = yield* Cookies.jar()
      yield* jar.set(example, `id=${secret}; Max-Age=60`)
      yield* jar.store(example, [`other=${secret}`])
      const values = {
        jar,
        list: yield* jar.list,
        refused: yield* Effect.exit(jar.set(example, `id=${secret}; Domain=com`)),
        nameless: yield* Effect.exit(jar.set(example, `=${secret}`)),
        "without =": yield* Effect.exit(jar.set(example, secret)),
        "= in an attribute": yield* Effect.exit(jar.set(example, `${secret}; Path=/`))
      }
      expect(yield* Secrets.search([Secrets.text("a cookie's value", secret)], values)).toEqual([])
    }))
})

describe("C33 cookies that are kept", () => {
  const withStore = Effect.provide(KeyValueStore.layerMemory)

  it.effect("C33 a persisted jar has the cookies of its last time, except those of the session and the expired", () =>
    Effect.gen(function*() {
      const visit = <A, E, R>(use: (jar: Cookies.Jar) => Effect.Effect<A, E, R>, session = false) =>
        Effect.scoped(Effect.flatMap(Cookies.persisted("cookies", { session }), use))
      const before = yield* visit((jar) =>
        Effect.zipRight(
          jar.store(example, ["a=1; Max-Age=60; Secure", "b=2; Max-Age=10; Path=/", "caf\xe9=\xff; Max-Age=60", "s=4"]),
          clear(jar)
        )
      )
      yield* TestClock.adjust("10 seconds")
      expect(yield* visit(clear)).toEqual([before[0], before[2]])
      expect(yield* visit((jar) => Effect.zipRight(jar.set(example, "s=5"), jar.header(example)), true))
        .toBe("a=1; caf\xe9=\xff; s=5")
      expect(yield* visit((jar) => jar.header(example))).toBe("a=1; caf\xe9=\xff; s=5")
      // The last visit kept no session cookies.
      expect(yield* visit((jar) => jar.header(example))).toBe("a=1; caf\xe9=\xff")
      yield* visit((jar) => jar.clear)
      expect(yield* visit((jar) => jar.size)).toBe(0)
    }).pipe(withStore))

  it.effect("C33 cookies are saved at an interruption too, and a jar that cannot be saved is logged", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const jar = yield* Scope.extend(Cookies.persisted("k"), scope)
      yield* jar.set(example, "a=1; Max-Age=60")
      yield* Scope.close(scope, Exit.interrupt(yield* Effect.fiberId))
      const store = yield* KeyValueStore.KeyValueStore
      expect(Option.getOrThrow(yield* store.get("k"))).toContain("\"name\":\"a\"")
      const lines: Array<string> = []
      const logger = Logger.map(Logger.stringLogger, (line) => {
        lines.push(line)
      })
      const full = KeyValueStore.make({ ...store, set: () => Effect.fail(problem) })
      yield* Effect.scoped(Cookies.persisted("k")).pipe(
        Effect.provideService(KeyValueStore.KeyValueStore, full),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(lines.join()).toMatch(/level=WARN.*could not be saved under .*k.*no space/s)
    }).pipe(withStore))

  const good = {
    name: "a",
    value: secret,
    domain: "www.example.com",
    isHostOnly: true,
    path: "/",
    isSecure: false,
    isHttpOnly: false,
    created: 0
  }
  const saved = (...cookies: ReadonlyArray<object>) => JSON.stringify({ version: 1, cookies })

  it.effect.each<readonly [string, string]>([
    ["no JSON", secret],
    ["a list", `["${secret}"]`],
    ["another version", JSON.stringify({ version: 2, cookies: [] })],
    ["no cookies", JSON.stringify({ version: 1 })],
    ["a name that is none", saved({ ...good, name: "" })],
    ["a line end in a name", saved(good, { ...good, name: "a\nb" })],
    ["another field in a value", saved({ ...good, value: `${secret}\r\nX: y` })],
    ["another cookie in a value", saved({ ...good, value: `${secret}; b=2` })],
    ["a value that is none", saved({ ...good, value: { secret } })],
    ["a domain with a path", saved({ ...good, domain: "example.com/x" })],
    ["a domain with a port", saved({ ...good, domain: "example.com:1" })],
    ["a domain that is spelled otherwise", saved({ ...good, domain: "EXAMPLE.com" })],
    ["an empty domain", saved({ ...good, domain: "" })],
    ["a path that is none", saved({ ...good, path: "x" })],
    ["a path with another cookie", saved({ ...good, path: "/; x" })],
    ["a time that is none", saved({ ...good, expires: "soon" })],
    ["no time", saved({ ...good, created: undefined })],
    ["a SameSite that is none", saved({ ...good, sameSite: "x" })]
  ])(
    "C33 what no jar wrote is a CookiesUnreadable, of which nothing is used or shown: %s",
    ([_what, text]) =>
      Effect.gen(function*() {
        const store = yield* KeyValueStore.KeyValueStore
        yield* store.set("k", text)
        const jar = yield* Cookies.jar()
        yield* jar.set(example, "own=1")
        const exit = yield* Effect.exit(jar.load("k"))
        expect(exit).toMatchObject({ cause: { error: { _tag: "CookiesUnreadable", key: "k" } } })
        expect(yield* Secrets.search([Secrets.text("a cookie's value", secret)], { exit })).toEqual([])
        expect(yield* jar.header(example)).toBe("own=1")
        expect(yield* Effect.scoped(Effect.flip(Cookies.persisted("k")))).toMatchObject({ _tag: "CookiesUnreadable" })
        // What cannot be read is not written over.
        expect(yield* store.get("k")).toEqual(Option.some(text))
      }).pipe(withStore)
  )

  it.effect("C33 what is loaded is bounded, and has no cookie of a public suffix", () =>
    Effect.gen(function*() {
      const store = yield* KeyValueStore.KeyValueStore
      const many = Array.from({ length: 60 }, (_, index) => ({ ...good, name: `n${index}`, value: "x" }))
      yield* store.set(
        "k",
        saved(...many, { ...good, domain: "com", isHostOnly: false }, { ...good, value: "x".repeat(5000) })
      )
      const jar = yield* Cookies.jar()
      yield* jar.load("k")
      expect((yield* jar.list).map(({ name }) => name)).toEqual(many.slice(10).map(({ name }) => name))
      yield* jar.load("nothing there")
      expect(yield* jar.size).toBe(50)
    }).pipe(withStore))
})
