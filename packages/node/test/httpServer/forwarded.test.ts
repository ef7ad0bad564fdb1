/** What proxies say of a client, and what clients say through proxies. */
import { NetAddress } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import { clientReader, type TrustProxy } from "../../src/internal/httpServer/forwarded.js"

const reader = (option: TrustProxy) => Either.getOrThrow(clientReader(option))!

const from = (host: string) => NetAddress.inet(host, 40000)

const proxies = ["10.0.0.0/8", "fd00::/8"]

/** What is made of fields that came from `peer`. */
const read = (option: TrustProxy, peer: NetAddress.NetAddress, ...raw: ReadonlyArray<string>) =>
  reader(option)(peer, raw)

describe("Behind proxies", () => {
  it("X01 without trust nobody is believed, and a peer that is no proxy neither", () => {
    expect(Either.getOrThrow(clientReader(false))).toBeUndefined()
    const fields = ["X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https", "Forwarded", "for=1.1.1.1;host=evil"]
    const nobody = { address: "192.0.2.1", protocol: undefined, host: undefined }
    for (const option of [proxies, [], 0, ["unix"]]) expect(read(option, from("192.0.2.1"), ...fields)).toEqual(nobody)
    expect(read(proxies, NetAddress.unix(""), ...fields)).toEqual({ ...nobody, address: undefined })
  })

  it.each<readonly [string, ReadonlyArray<string>, ReturnType<typeof read>]>([
    ["none", [], { address: "10.0.0.1", protocol: undefined, host: undefined }],
    ["one address", ["X-Forwarded-For", "192.0.2.7"], { address: "192.0.2.7", protocol: undefined, host: undefined }],
    [
      "the rightmost one that is no proxy's, over several fields",
      ["X-Forwarded-For", "6.6.6.6, 192.0.2.7", "x-forwarded-for", "10.1.1.1,fd00::2"],
      { address: "192.0.2.7", protocol: undefined, host: undefined }
    ],
    [
      "only proxies",
      ["X-Forwarded-For", "10.2.2.2, 10.1.1.1"],
      { address: "10.2.2.2", protocol: undefined, host: undefined }
    ],
    ["ports", ["X-Forwarded-For", "192.0.2.7:80,10.1.1.1:8"], {
      address: "192.0.2.7",
      protocol: undefined,
      host: undefined
    }],
    [
      "IPv6 in brackets, with a port and a zone",
      ["X-Forwarded-For", "[2001:db8::7%1]:80"],
      { address: "2001:db8::7", protocol: undefined, host: undefined }
    ],
    ["IPv4 within IPv6", ["X-Forwarded-For", "::ffff:192.0.2.7"], {
      address: "192.0.2.7",
      protocol: undefined,
      host: undefined
    }],
    [
      "an address that is none",
      ["X-Forwarded-For", "192.0.2.7, <script>"],
      { address: undefined, protocol: undefined, host: undefined }
    ],
    ["an empty list", ["X-Forwarded-For", " , ,"], { address: "10.0.0.1", protocol: undefined, host: undefined }],
    [
      "the protocol and the host, overwritten by the nearest",
      ["X-Forwarded-For", "192.0.2.7, 10.1.1.1", "X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "a.example:8443"],
      { address: "192.0.2.7", protocol: "https", host: "a.example:8443" }
    ],
    [
      "the protocol and the host, one for each",
      [
        "X-Forwarded-For",
        "6.6.6.6,192.0.2.7, 10.1.1.1",
        "X-Forwarded-Proto",
        "gopher,https, http",
        "X-Forwarded-Host",
        "x,a,b"
      ],
      { address: "192.0.2.7", protocol: "https", host: "a" }
    ],
    ["a protocol alone", ["X-Forwarded-Proto", "wss"], { address: "10.0.0.1", protocol: "https", host: undefined }],
    [
      "a protocol and a host that are none",
      ["X-Forwarded-Proto", "javascript", "X-Forwarded-Host", "a/b", "X-Forwarded-For", "192.0.2.7"],
      { address: "192.0.2.7", protocol: undefined, host: undefined }
    ],
    [
      "Forwarded",
      [
        "Forwarded",
        "for=6.6.6.6, For=192.0.2.7;Proto=https;by=203.0.113.43;host=a.example",
        "forwarded",
        "for=10.1.1.1"
      ],
      { address: "192.0.2.7", protocol: "https", host: "a.example" }
    ],
    [
      "Forwarded, quoted",
      ["Forwarded", "for=\"[2001:db8:cafe::17]:4711\" ; host=\"a.example:\\80\";ext=\"a,b;c=\\\"d\""],
      { address: "2001:db8:cafe::17", protocol: undefined, host: "a.example:80" }
    ],
    ["Forwarded that hides", ["Forwarded", "for=192.0.2.7, for=_secret;proto=https"], {
      address: undefined,
      protocol: "https",
      host: undefined
    }],
    ["Forwarded with an unknown one", ["Forwarded", "for=unknown"], {
      address: undefined,
      protocol: undefined,
      host: undefined
    }],
    ["Forwarded without an address", ["Forwarded", "for=192.0.2.7, proto=https"], {
      address: "10.0.0.1",
      protocol: "https",
      host: undefined
    }],
    ["Forwarded that is cut within quotes", ["Forwarded", "for=\"192.0.2.7"], {
      address: "10.0.0.1",
      protocol: undefined,
      host: undefined
    }],
    ["Forwarded that says a thing twice", ["Forwarded", "for=192.0.2.7;for=192.0.2.8"], {
      address: "10.0.0.1",
      protocol: undefined,
      host: undefined
    }],
    ["both, which agree", [
      "Forwarded",
      "for=192.0.2.7;proto=https",
      "X-Forwarded-For",
      "192.0.2.7",
      "X-Forwarded-Proto",
      "https"
    ], {
      address: "192.0.2.7",
      protocol: "https",
      host: undefined
    }],
    ["both, which differ", ["Forwarded", "for=6.6.6.6;proto=https;host=evil", "X-Forwarded-For", "192.0.2.7"], {
      address: "10.0.0.1",
      protocol: undefined,
      host: undefined
    }]
  ])("X01 a trusted proxy says: %s", (_, raw, client) => {
    expect(read(proxies, from("10.0.0.1"), ...raw)).toEqual(client)
  })

  it("X01 a number trusts this many proxies, and fewer elements end at the first", () => {
    const raw = ["X-Forwarded-For", "6.6.6.6, 192.0.2.7, 203.0.113.9"]
    const addresses = [0, 1, 2, 3, 9].map((count) => read(count, from("203.0.113.1"), ...raw).address)
    expect(addresses).toEqual(["203.0.113.1", "203.0.113.9", "192.0.2.7", "6.6.6.6", "6.6.6.6"])
    expect(read(2, from("203.0.113.1"), "Forwarded", "for=192.0.2.7, for=unknown").address).toBe("192.0.2.7")
  })

  it("X01 a peer on a Unix-domain socket, or in IPv6's form of IPv4, is trusted as it is named", () => {
    expect(read(["unix"], NetAddress.unix(""), "X-Forwarded-For", "192.0.2.7").address).toBe("192.0.2.7")
    expect(read(["unix"], NetAddress.unix(""), "X-Forwarded-For", "192.0.2.7, unknown").address).toBeUndefined()
    expect(read(proxies, from("::ffff:10.0.0.1"), "X-Forwarded-For", "192.0.2.7").address).toBe("192.0.2.7")
    expect(read(["fe80::/10"], from("fe80::1%lo"), "X-Forwarded-For", "192.0.2.7").address).toBe("192.0.2.7")
  })

  it.each<readonly [unknown, string]>([
    [-1, "-1"],
    [1.5, "1.5"],
    [true, "true"],
    ["10.0.0.1", "\"10.0.0.1\""],
    [["10.0.0.0/33"], "\"10.0.0.0/33\""],
    [["::1/129"], "\"::1/129\""],
    [["10.0.0.0/8/8"], "\"10.0.0.0/8/8\""],
    [["10.0.0.0/"], "\"10.0.0.0/\""],
    [["proxy.example"], "\"proxy.example\""],
    [["fe80::1%lo"], "\"fe80::1%lo\""],
    [[7], "7"]
  ])("X01 a trustProxy of %j is refused, with what would be right", (option, value) => {
    const wrong = Either.getOrThrow(Either.flip(clientReader(option as TrustProxy)))
    expect(wrong).toMatchObject({ _tag: "InvalidOption", option: "trustProxy", value })
    expect(wrong.message).toContain("10.0.0.0/8")
  })

  const text = FC.array(
    FC.oneof(
      FC.constantFrom(
        "for=",
        "10.0.0.1",
        "6.6.6.6",
        "unknown",
        "proto=https",
        "host=evil",
        "\"",
        "\\",
        ",",
        ";",
        " ",
        "=",
        "[::1]",
        ":"
      ),
      FC.string({ maxLength: 4 })
    ),
    { maxLength: 12 }
  ).map((parts) => parts.join(""))
  const untrusted = FC.oneof(FC.constant("192.0.2.7"), FC.constant("2001:db8::7"))
  const chain = FC.array(FC.constantFrom("10.1.1.1", "10.2.2.2", "fd00::3"), { maxLength: 4 })
  const node = (address: string) => address.includes(":") ? `"[${address}]"` : address

  it("X01 whatever a client writes, proxies that append say where it came from", () => {
    FC.assert(
      FC.property(text, untrusted, chain, FC.boolean(), (written, client, between, isStandard) => {
        const added = [client, ...between]
        const [name, said] = isStandard
          ? ["Forwarded", added.map((address) => `for=${node(address)};proto=http`)] as const
          : ["X-Forwarded-For", added] as const
        const raw = [name, [written, ...said].join(", ")]
        for (const option of [proxies, added.length]) {
          const { address, host, protocol } = read(option, from("10.0.0.1"), ...raw)
          // What is written may break the grammar of Forwarded: then nothing of it counts.
          expect(isStandard ? [client, "10.0.0.1"] : [client]).toContain(address)
          expect([protocol, host]).not.toContain("https")
          expect(host).toBeUndefined()
        }
      }),
      Sampling.runs({ short: 500, long: 10_000 })
    )
  })

  it("X01 what a client writes in the fields that its proxy does not know is not believed", () => {
    FC.assert(
      FC.property(text, untrusted, FC.boolean(), (written, client, isStandard) => {
        const raw = isStandard
          ? ["Forwarded", `for=${node(client)};proto=http`, "X-Forwarded-For", written, "X-Forwarded-Proto", "https"]
          : ["Forwarded", written, "X-Forwarded-For", client, "X-Forwarded-Proto", "http"]
        const { address, host, protocol } = read(proxies, from("10.0.0.1"), ...raw)
        expect([client, "10.0.0.1"]).toContain(address)
        expect(protocol).not.toBe("https")
        expect(host).toBeUndefined()
      }),
      Sampling.runs({ short: 500, long: 10_000 })
    )
  })

  it("X01 fields that are as large as a head may be are read in bounded time", () => {
    const much = (unit: string) => unit.repeat(Math.floor(64 * 1024 / unit.length))
    const units = [",", "10.1.1.1,", " ", "for=10.1.1.1,", "a=b;", "a", "\"", "for=\"", "\\\"", "for=a ", "[", ":"]
    for (const unit of units) {
      for (
        const raw of [["X-Forwarded-For", much(unit)], ["Forwarded", much(unit)], ["Forwarded", `a="${much(unit)}`]]
      ) {
        read(proxies, from("10.0.0.1"), ...raw)
        read(proxies, from("10.0.0.1"), raw[0]!, `${raw[1]!}\u00e9`)
      }
    }
    // More proxies than there are: what is left of the thirty-second is not looked at.
    expect(read(proxies, from("10.0.0.1"), "X-Forwarded-For", `192.0.2.7,${much("10.1.1.1,")}`).address).toBe(
      "10.1.1.1"
    )
  })
})
