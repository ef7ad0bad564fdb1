/** Proxies of the environment, and the grammar of NO_PROXY. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import * as FC from "effect/FastCheck"
import { type Connector, Proxy } from "../src/index.js"
import * as NoProxy from "../src/internal/noProxy.js"
import { fuzz } from "./fuzz.js"

type Row = readonly [list: string, host: string, port: number, isDirect: boolean]

const rows: ReadonlyArray<Row> = [
  ["localhost", "localhost", 80, true],
  ["localhost", "localhost.", 80, true],
  ["localhost.", "LOCALHOST", 80, true],
  ["localhost", "notlocalhost", 80, false],
  ["localhost", "127.0.0.1", 80, false],
  ["127.0.0.1", "127.0.0.1", 80, true],
  ["127.0.0.1", "::ffff:7f00:1", 80, true],
  ["127.0.0.1", "0x7f.1", 80, true],
  ["127.0.0.1", "127.0.0.10", 80, false],
  ["::1", "[::1]", 443, true],
  ["::1", "0:0:0:0:0:0:0:1", 443, true],
  ["[::1]", "::1", 443, true],
  ["[::1]:443", "::1", 443, true],
  ["[::1]:443", "::1", 80, false],
  ["0:0:0:0:0:0:0:1", "::1", 80, true],
  ["::1", "::2", 80, false],
  ["10.0.0.0/8", "10.255.0.1", 80, true],
  ["10.0.0.0/8", "11.0.0.1", 80, false],
  ["10.0.0.0/8", "::ffff:10.1.2.3", 80, true],
  ["10.0.0.0/8", "fd00::1", 80, false],
  ["fd00::/8", "fdff::1", 80, true],
  ["fd00::/8", "fe80::1", 80, false],
  ["fe80::/10", "fe80::1%br-lan.7", 80, true],
  ["fe80::1%eth0", "fe80::1", 80, true],
  ["fd00::/8", "10.0.0.1", 80, false],
  ["10.0.0.0/33", "10.0.0.1", 80, false],
  ["10.0.0.0/8", "ten.example.test", 80, false],
  ["*", "any.example.test", 80, true],
  [" * ", "192.0.2.1", 80, true],
  ["example.test", "example.test", 80, true],
  ["example.test", "www.example.test", 80, true],
  ["example.test", "badexample.test", 80, false],
  [".example.test", "www.example.test.", 80, true],
  [".example.test", "example.test", 80, true],
  ["*.example.test", "www.example.test", 80, true],
  ["*.example.test", "www.example.test.evil.test", 80, false],
  ["1.2", "9.1.2", 80, false],
  ["example.test:8080", "example.test", 8080, true],
  ["example.test:8080", "example.test", 80, false],
  ["127.0.0.1:8080", "127.0.0.1", 8080, true],
  ["127.0.0.1:8080", "127.0.0.1", 80, false],
  ["a.test, , b.test\tc.test,", "c.test", 80, true],
  ["a.test, , b.test\tc.test,", "b.test", 80, true],
  [" ,, ", "a.test", 80, false],
  ["", "a.test", 80, false],
  [". *.", "a.test", 80, false]
]

describe("C33 NO_PROXY (case 25 of HTTP)", () => {
  it.each(rows)("%j and %s port %i: %s", (list, host, port, isDirect) => {
    expect(NoProxy.parse(list)(host, port)).toBe(isDirect)
  })

  it("C33 any list and any host give an answer, which a part that is not theirs does not change", async () => {
    // Names and addresses that are cheap to make: FC.domain and FC.ipV6 would take most of the time.
    const label = FC.constantFrom("a", "B", "example", "test", "xn--a", "1", "0x7f", "")
    const name = FC.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."))
    const group = FC.constantFrom("", "0", "1", "ff", "FFFF", "fd00", "127.0.0.1", "%lo")
    const ip = FC.oneof(
      FC.array(FC.constantFrom(0, 1, 10, 127, 255, 256), { minLength: 3, maxLength: 5 }).map((octets) =>
        octets.join(".")
      ),
      FC.array(group, { minLength: 2, maxLength: 9 }).map((groups) => groups.join(":"))
    )
    const part = FC.oneof(
      FC.string({ maxLength: 6 }),
      name,
      ip,
      FC.tuple(ip, FC.integer({ min: -1, max: 130 })).map(([address, bits]) => `${address}/${bits}`),
      FC.tuple(name, FC.nat(70_000)).map(([host, port]) => `${host}:${port}`),
      FC.constantFrom("*", ".", "*.", "[", "[::1]:", "/", ":80", "[]")
    )
    const host = FC.oneof(FC.string({ maxLength: 6 }), name, ip, ip.map((address) => `[${address}]`))
    await fuzz(
      FC.property(FC.array(part, { maxLength: 4 }), host, FC.integer({ min: 1, max: 65_535 }), (parts, to, port) => {
        const list = parts.join(",")
        const isDirect = NoProxy.parse(list)(to, port)
        return list.trim() === "*" || NoProxy.parse(`${list}, nobody.has.this.invalid`)(to, port) === isDirect
      }),
      { short: 2000, long: 1_000_000 }
    )
  })

  it("C33 a host is always in a list that has it, alone and with its port", () => {
    FC.assert(
      FC.property(FC.oneof(FC.domain(), FC.ipV4(), FC.ipV6()), FC.integer({ min: 1, max: 65_535 }), (host, port) => {
        const bracketed = host.includes(":") ? `[${host}]` : host
        expect(NoProxy.parse(`x.invalid ${host}`)(bracketed, port)).toBe(true)
        expect(NoProxy.parse(`${bracketed}:${port}`)(host, port)).toBe(true)
        expect(NoProxy.parse(`${bracketed}:${port}`)(host, port === 1 ? 2 : port - 1)).toBe(false)
      }),
      Sampling.runs({ short: 500, long: 20_000 })
    )
  })
})

/** Where a connector goes for a target: to which host and port of the network in memory, where nobody listens. */
const goes = (scheme: string, variables: Record<string, string>, host = "target.test") =>
  Effect.gen(function*() {
    const connector: Connector.Connector = yield* Proxy.environment(scheme).pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
    )
    const error = yield* Effect.flip(
      Effect.scoped(connector({ host, port: 443, purpose: "control", isBulk: false, connectTimeout: "1 seconds" }))
    )
    return error._tag === "ConnectError" ? error.target : error
  }).pipe(Effect.provide(NetMemory.layer))

describe("C33 proxies of the environment", () => {
  const cases: ReadonlyArray<readonly [scheme: string, variables: Record<string, string>, target: string]> = [
    ["https", {}, "target.test:443"],
    ["https", { https_proxy: "http://lower.test:1", HTTPS_PROXY: "http://upper.test:2" }, "lower.test:1"],
    ["https", { HTTPS_PROXY: "http://upper.test:2" }, "upper.test:2"],
    ["https", { https_proxy: " ", all_proxy: "socks5h://all.test" }, "all.test:1080"],
    ["https", { all_proxy: "socks4a://me@all.test:9" }, "all.test:9"],
    // These look the target's name up here, before they connect to the proxy.
    ["https", { all_proxy: "socks5://all.test" }, "target.test:443"],
    ["https", { all_proxy: "SOCKS4://all.test" }, "target.test:443"],
    ["https", { http_proxy: "http://other.test:1" }, "target.test:443"],
    ["http", { HTTP_PROXY: "http://header.test:1" }, "target.test:443"],
    ["http", { http_proxy: "bare.test:3128" }, "bare.test:3128"],
    ["ftp", { ftp_proxy: "https://secure.test", ALL_PROXY: "http://all.test:1" }, "secure.test:443"],
    ["ftp", { ALL_PROXY: "socks5h://all.test:5" }, "all.test:5"],
    ["https", { https_proxy: "http://p.test:1", no_proxy: "target.test" }, "target.test:443"],
    ["https", { https_proxy: "http://p.test:1", NO_PROXY: ".test:80" }, "p.test:1"],
    ["https", { https_proxy: "http://p.test:1", NO_PROXY: "*" }, "target.test:443"]
  ]
  it.effect.each(cases)(
    "%s with %j goes to %s",
    ([scheme, variables, target]) => Effect.map(goes(scheme, variables), (gone) => expect(gone).toBe(target))
  )

  it.effect("C33 what is no proxy is a ConfigError that names the variable, and shows no password", () =>
    Effect.forEach(
      ["gopher://u:s3cret@p.test", "http://u:s3cret@:0", "socks4://u:s3cret@p.test", "socks6://u:s3cret@p.test"],
      (value) =>
        Effect.gen(function*() {
          const provider = ConfigProvider.fromMap(new Map([["ALL_PROXY", value]]))
          const error = yield* Effect.flip(Effect.withConfigProvider(Proxy.environment("https"), provider))
          expect(String(error)).toContain("ALL_PROXY")
          expect(String(error)).toContain("must be")
          expect(String(error)).not.toContain("s3cret")
        })
    ))
})
