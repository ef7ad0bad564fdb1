/** Which addresses are public, and which may be connected to: case 24 of HTTP, as far as no request is needed. */
import { NetAddress } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as FC from "effect/FastCheck"
import { Connector } from "../../src/index.js"
import { isPublic, permitOf } from "../../src/internal/http/addresses.js"

const permit = (addresses: Parameters<typeof permitOf>[0]) => Either.getOrThrow(permitOf(addresses))!
const permits = permit("public")

/** Each block of IANA's registries that is not reached: its first and its last address. */
const notPublic = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.169.254", "169.254.255.255"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.8", "192.0.0.11", "192.0.0.170", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.88.99.0", "192.88.99.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "239.255.255.255"],
  ["240.0.0.0", "255.255.255.255"],
  ["::", "::1"],
  ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
  ["100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"],
  ["64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:0:0:1::", "64:ff9b:2::8.8.8.8"],
  ["2001:1::", "2001:1::4", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"],
  ["2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["1fff:ffff::", "4000::", "5f00::1", "8000::1"],
  ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fe80::", "fe80::1%eth0", "fe80::1%br-lan.7", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fec0::1", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
].flat()

/** Their neighbours, and what the registries except from a block. */
const publicOnes = [
  "1.0.0.0",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "191.255.255.255",
  "192.0.0.9",
  "192.0.0.10",
  "192.0.1.0",
  "192.31.196.1",
  "192.52.193.1",
  "192.175.48.1",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2000::",
  "2001:1::1",
  "2001:1::2",
  "2001:1::3",
  "2001:3::1",
  "2001:4:112::1",
  "2001:20::1",
  "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff",
  "2001:200::1",
  "2001:db9::1",
  "2606:4700:4700::1111",
  "2620:4f:8000::1",
  "3fff:1000::1"
]

/** The bytes of an IPv4 address within an address of IPv6. */
const hex = (bytes: ReadonlyArray<number>): string =>
  [0, 2].map((at) => (bytes[at]! * 256 + bytes[at + 1]!).toString(16)).join(":")

type Embed = (bytes: ReadonlyArray<number>) => string

const embeddings: Readonly<Record<string, Embed>> = {
  "IPv4-compatible": (bytes) => `::${hex(bytes)}`,
  "IPv4-mapped": (bytes) => `::ffff:${hex(bytes)}`,
  "IPv4-mapped, with dots": (bytes) => `::FFFF:${bytes.join(".")}`,
  "IPv4-mapped, without ::": (bytes) => `0:0:0:0:0:ffff:${hex(bytes)}`,
  "IPv4-mapped, with a zone": (bytes) => `::ffff:${hex(bytes)}%eth0.1`,
  "IPv4-translated": (bytes) => `::ffff:0:${hex(bytes)}`,
  NAT64: (bytes) => `64:ff9b::${hex(bytes)}`,
  "NAT64, with dots": (bytes) => `64:ff9b::${bytes.join(".")}`,
  "NAT64 of a network's own": (bytes) => `64:ff9b:1::${hex(bytes)}`,
  "6to4": (bytes) => `2002:${hex(bytes)}::1`,
  "Teredo's client": (bytes) => `2001:0:808:808:8000:63bf:${hex(bytes.map((byte) => 255 - byte))}`,
  "Teredo's server": (bytes) => `2001:0:${hex(bytes)}:8000:63bf:f7f7:f7f7`
}

/** NAT64 of a network's own with its shorter prefixes (RFC 6052, section 2.2). */
const shorter: Readonly<Record<string, Embed>> = {
  "/48": ([a, b, c, d]) => `64:ff9b:1:${hex([a!, b!, 0, c!])}:${hex([d!, 0, 0, 0])}:0`,
  "/56": ([a, b, c, d]) => `64:ff9b:1:${hex([7, a!, 0, b!])}:${hex([c!, d!, 0, 0])}:0`,
  "/64": ([a, b, c, d]) => `64:ff9b:1:${hex([7, 7, 0, a!])}:${hex([b!, c!, d!, 0])}:0`
}

const octets = FC.oneof(
  FC.tuple(FC.nat(255), FC.nat(255), FC.nat(255), FC.nat(255)),
  FC.constantFrom(...notPublic.concat(publicOnes).filter((one) => !one.includes(":"))).map((one) =>
    one.split(".").map(Number)
  )
)

describe("C33 what is public", () => {
  it.each(notPublic)("C33 %s is not public, and not permitted", (host) => {
    expect([isPublic(host), isPublic(`[${host}]`), permits(NetAddress.inet(host, 80))]).toEqual([false, false, false])
  })

  it.each(publicOnes)("C33 %s is public, and permitted", (host) => {
    expect([isPublic(host), isPublic(NetAddress.inet(host, 80)), permits(NetAddress.inet(host, 80))])
      .toEqual([true, true, true])
  })

  it.each(Object.entries(embeddings))("C33 an IPv4 address is as public within IPv6 as alone: %s", (_name, embed) => {
    FC.assert(
      FC.property(octets, (bytes) => {
        expect(isPublic(embed(bytes)), embed(bytes)).toBe(isPublic(bytes.join(".")))
      }),
      Sampling.runs({ short: 1000, long: 30_000 })
    )
  })

  it.each(Object.entries(shorter))(
    "C33 NAT64 of a network's own is public only if every length of its prefix makes it so: %s",
    (_name, embed) => {
      const seen = { public: 0 }
      FC.assert(
        FC.property(octets, (bytes) => {
          const isReached = isPublic(embed(bytes))
          if (isReached) seen.public += 1
          // 0.0.0.0/8 is no destination, so there another reading decides.
          if (isReached && bytes[0] !== 0) expect(isPublic(bytes.join(".")), embed(bytes)).toBe(true)
        }),
        Sampling.runs({ short: 1000, long: 30_000 })
      )
      expect(seen.public).toBeGreaterThan(0)
    }
  )

  it("C33 every address of IPv6 has an answer, the same in each spelling", () => {
    FC.assert(
      FC.property(FC.ipV6(), (host) => {
        expect(NetAddress.familyOf(host)).toBe("IPv6")
        const canonical = new URL(`http://[${host}]/`).hostname
        expect(isPublic(host), canonical).toBe(isPublic(canonical))
      }),
      Sampling.runs({ short: 2000, long: 30_000 })
    )
  })

  it.each([
    ["http://169.254.169.254/latest", false],
    ["http://[::ffff:a9fe:a9fe]/", false],
    ["http://[64:ff9b::7f00:1]/", false],
    ["http://0.0.0.0/", false],
    ["http://0x7f.1/", false],
    ["http://2130706433/", false],
    ["http://017700000001/", false],
    ["http://[::]/", false],
    ["http://100.64.0.1/", false],
    ["http://134744072/", true],
    ["http://[2606:4700:4700::1111]:8080/", true],
    ["http://localhost/", false],
    ["http://LOCALHOST./", false],
    ["http://a.localhost/", false],
    ["http://printer.local/", false],
    ["http://wiki/", false],
    ["http://metadata.google.internal/", false],
    ["http://router.home.arpa/", false],
    ["http://example.com/", true],
    ["http://example.com./", true],
    ["http://local.example/", true],
    ["http://notlocal.example/", true],
    ["http://bücher.example/", true]
  ])("C33 the host of %s is public: %s", (url, expected) => {
    expect(isPublic(new URL(url).hostname)).toBe(expected)
  })

  it.each([
    "",
    ".",
    "0x7f.1",
    "2130706433",
    "010.0.0.1",
    "8.8.8.8.",
    "1.2.3.4.5",
    "a.0x1",
    "::g",
    "8.8.8.8%eth0",
    "a b"
  ])(
    "C33 %j is no host of a URL, so it is not public",
    (host) => expect(isPublic(host)).toBe(false)
  )
})

describe("C33 `addresses`", () => {
  it("C33 a path of this machine is permitted whatever `addresses` says, and the function is not asked about it", () => {
    const path = NetAddress.unix("/run/x.sock")
    const asked: Array<string> = []
    const rule = permit((address) => asked.push(NetAddress.format(address)) > 5)
    expect([permits(path), rule(path), isPublic(path)]).toEqual([true, true, false])
    expect([rule(NetAddress.inet("8.8.8.8", 80)), asked]).toEqual([false, ["8.8.8.8:80"]])
  })

  it("C33 `any`, and nothing, permit all; what is neither of the three is an InvalidOption", () => {
    expect(["any" as const, undefined].map((one) => Either.getOrThrow(permitOf(one)))).toEqual([undefined, undefined])
    for (const bad of ["private", "Public", 7, null, {}]) {
      expect(Either.flip(permitOf(bad as never))).toMatchObject({
        right: { _tag: "InvalidOption", option: "addresses" }
      })
    }
  })

  it.live("C33 of a name's addresses only public ones are tried; where it has none, nothing is sent to the others", () =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const client = yield* network.addHost("client", { addresses: ["9.9.9.9", "2606::9"] })
      const listening = (name: string, addresses: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const host = yield* network.addHost(name, { addresses })
          return yield* host.net.listen({ host: "0.0.0.0", port: 80 })
        })
      yield* listening("both.example", ["10.0.0.9", "93.184.216.34", "169.254.169.254"])
      const inside = yield* listening("inside.example", ["10.0.0.7", "100.64.0.1"])
      const connect = (host: string) =>
        Connector.direct({
          host,
          port: 80,
          purpose: "control",
          isBulk: false,
          connectTimeout: "5 seconds",
          permit: permits
        }).pipe(Effect.scoped, Effect.provide(client.layer))
      const socket = yield* connect("both.example")
      expect(NetAddress.format(socket.remoteAddress)).toBe("93.184.216.34:80")
      for (const host of ["inside.example", "10.0.0.7", "localhost", "::ffff:10.0.0.7", "::"]) {
        expect(yield* Effect.flip(connect(host))).toMatchObject({ _tag: "ConnectError", reason: "NotPermitted" })
      }
      const stats = yield* inside.stats
      expect([stats.accepted, stats.pending]).toEqual([0, 0])
    }).pipe(Effect.scoped))
})
