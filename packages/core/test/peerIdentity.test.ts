/** The rule by which a certificate is for a host, and the older rule beside it. */
import { PeerIdentity } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"

type Kind = "dns" | "ip" | "uri" | "email" | "other" | "directory"

const presented = (
  names: ReadonlyArray<readonly [Kind, string]>,
  commonName?: string
): PeerIdentity.Presented => ({
  alternativeNames: names.map(([kind, value]) => ({ kind, value })),
  subject: commonName === undefined ? [] : [{ oid: "2.5.4.3", name: "CN", value: commonName }]
})

const dns = (...names: ReadonlyArray<string>): PeerIdentity.Presented => presented(names.map((name) => ["dns", name]))
const ip = (...names: ReadonlyArray<string>): PeerIdentity.Presented => presented(names.map((name) => ["ip", name]))

type Outcome = "yes" | "WrongHost" | "LegacyName"

/** What is shown, what is asked for, and the outcome by RFC 9525; by RFC 6125 `LegacyName` is "yes". */
const rows: ReadonlyArray<readonly [string, PeerIdentity.Presented, string, Outcome]> = [
  // Names
  ["the name itself", dns("mail.example"), "mail.example", "yes"],
  ["whatever the case", dns("MAIL.example"), "mail.EXAMPLE", "yes"],
  ["another name", dns("mail.example"), "web.example", "WrongHost"],
  ["a name below it", dns("mail.example"), "a.mail.example", "WrongHost"],
  ["one of several", dns("a.example", "mail.example"), "mail.example", "yes"],
  ["none at all", dns(), "mail.example", "WrongHost"],
  ["a single label", dns("localhost"), "localhost", "yes"],
  ["an underscore", dns("_a.mail.example"), "_a.mail.example", "yes"],
  ["the root's dot asked for", dns("mail.example"), "mail.example.", "yes"],
  ["the root's dot shown", dns("mail.example."), "mail.example", "yes"],
  ["two dots at the end", dns("mail.example"), "mail.example..", "WrongHost"],
  ["an empty label", dns("mail..example"), "mail..example", "WrongHost"],
  ["nothing asked for", dns(""), "", "WrongHost"],
  ["a NUL in it", dns("mail.example\0.evil.example"), "mail.example", "WrongHost"],
  ["a space in it", dns("mail.example "), "mail.example", "WrongHost"],
  ["a label of 64", dns(`${"a".repeat(64)}.example`), `${"a".repeat(64)}.example`, "WrongHost"],
  // Wildcards
  ["a wildcard", dns("*.mail.example"), "a.mail.example", "yes"],
  ["a wildcard, two labels below", dns("*.mail.example"), "a.b.mail.example", "WrongHost"],
  ["a wildcard, no label below", dns("*.mail.example"), "mail.example", "WrongHost"],
  ["a wildcard in a suffix of one label", dns("*.example"), "mail.example", "WrongHost"],
  ["a wildcard in a public suffix of two labels", dns("*.co.uk"), "mail.co.uk", "yes"],
  ["a wildcard alone", dns("*"), "localhost", "WrongHost"],
  ["a wildcard in the middle", dns("a.*.example"), "a.b.example", "WrongHost"],
  ["two wildcards", dns("*.*.example.org"), "a.b.example.org", "WrongHost"],
  ["two wildcards in a label", dns("*a*.example.org"), "bab.example.org", "WrongHost"],
  ["a wildcard and the root's dot", dns("*.mail.example."), "a.mail.example.", "yes"],
  ["a wildcard that is asked for", dns("a.mail.example"), "*.mail.example", "WrongHost"],
  ["a part, at the end", dns("www*.mail.example"), "www1.mail.example", "LegacyName"],
  ["a part, at the beginning", dns("*1.mail.example"), "www1.mail.example", "LegacyName"],
  ["a part, in the middle", dns("w*1.mail.example"), "www1.mail.example", "LegacyName"],
  ["a part that does not fit", dns("w*2.mail.example"), "www1.mail.example", "WrongHost"],
  ["a part longer than the label", dns("ww*ww.mail.example"), "www.mail.example", "WrongHost"],
  ["a part in a suffix", dns("w*.example"), "www.example", "WrongHost"],
  ["a part beside the name", dns("w*.mail.example", "www.mail.example"), "www.mail.example", "yes"],
  // International names
  ["an A-label", dns("xn--bcher-kva.example"), "xn--bcher-kva.example", "yes"],
  ["a U-label asked for", dns("xn--bcher-kva.example"), "bücher.example", "yes"],
  ["a U-label shown", dns("b\u00fccher.example"), "bücher.example", "WrongHost"],
  ["a wildcard for an A-label", dns("*.mail.example"), "xn--bcher-kva.mail.example", "yes"],
  ["a wildcard within an A-label", dns("xn--*.mail.example"), "xn--bcher-kva.mail.example", "WrongHost"],
  ["a part for an A-label", dns("x*.mail.example"), "xn--bcher-kva.mail.example", "WrongHost"],
  // Addresses
  ["an address", ip("192.0.2.1"), "192.0.2.1", "yes"],
  ["another address", ip("192.0.2.1"), "192.0.2.2", "WrongHost"],
  ["an address as a name", dns("192.0.2.1"), "192.0.2.1", "WrongHost"],
  ["a wildcard for an address", dns("*.0.2.1"), "192.0.2.1", "WrongHost"],
  ["IPv6, written otherwise", ip("2001:db8::1"), "2001:DB8:0:0::1", "yes"],
  ["IPv6 with a zone", ip("fe80::1"), "fe80::1%eth0", "yes"],
  ["IPv4 in IPv6 is another address", ip("192.0.2.1"), "::ffff:192.0.2.1", "WrongHost"],
  ["IPv6 with dotted end", ip("::ffff:c000:201"), "::ffff:192.0.2.1", "yes"],
  ["what resolvers take for an address", dns("127.1"), "127.1", "WrongHost"],
  ["the same in hexadecimal", dns("0x7f000001"), "0x7f000001", "WrongHost"],
  ["an address of a wrong length", ip("c0000201ff"), "192.0.2.1", "WrongHost"],
  // The common name
  ["the common name alone", presented([], "mail.example"), "mail.example", "LegacyName"],
  ["the common name with a wildcard", presented([], "*.mail.example"), "a.mail.example", "LegacyName"],
  ["the common name of another", presented([], "web.example"), "mail.example", "WrongHost"],
  ["the common name beside a name", presented([["dns", "a.example"]], "mail.example"), "mail.example", "WrongHost"],
  ["the common name beside an address", presented([["ip", "192.0.2.1"]], "mail.example"), "mail.example", "WrongHost"],
  [
    "the common name beside a URI",
    presented([["uri", "sip:x@a.example"]], "mail.example"),
    "mail.example",
    "WrongHost"
  ],
  ["the common name beside an SRV-ID", presented([["other", "0608"]], "mail.example"), "mail.example", "WrongHost"],
  [
    "the common name beside e-mail",
    presented([["email", "a@mail.example"]], "mail.example"),
    "mail.example",
    "LegacyName"
  ],
  ["the common name for an address", presented([], "192.0.2.1"), "192.0.2.1", "WrongHost"],
  // Services
  ["a URI of the host", presented([["uri", "https://mail.example/"]]), "mail.example", "WrongHost"],
  ["an e-mail address of the host", presented([["email", "x@mail.example"]]), "mail.example", "WrongHost"],
  ["a directory name", presented([["directory", "CN=mail.example"]]), "mail.example", "WrongHost"]
]

describe("T05 whom a certificate is for", () => {
  for (const [what, shown, host, outcome] of rows) {
    it(`${what}: ${outcome}`, () => {
      expect(PeerIdentity.check(shown, host)?.reason ?? "yes").toBe(outcome)
      expect(PeerIdentity.check(shown, host, "rfc6125")?.reason ?? "yes").toBe(
        outcome === "LegacyName" ? "yes" : outcome
      )
    })
  }

  it("never throws, takes nothing that the older rule refuses, and says what was asked for", () => {
    const kinds: ReadonlyArray<Kind> = ["dns", "ip", "uri", "email", "other", "directory"]
    const text = FastCheck.oneof(
      FastCheck.string(),
      FastCheck.stringMatching(/^[a-c*x.-]{0,12}$/),
      FastCheck.ipV4(),
      FastCheck.ipV6(),
      FastCheck.domain()
    )
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...kinds), text), { maxLength: 4 }),
        text,
        text,
        (names, commonName, host) => {
          const shown = presented(names, commonName)
          const today = PeerIdentity.check(shown, host)
          const before = PeerIdentity.check(shown, host, "rfc6125")
          if (today === undefined) expect(before).toBeUndefined()
          else expect(today.detail).toContain(JSON.stringify(host))
          expect(before?.reason).toBe(today?.reason === "LegacyName" ? undefined : today?.reason)
        }
      ),
      Sampling.runs({ short: 200, long: 2000 })
    )
  })

  it("shows a bounded number of names, with what is not printable escaped", () => {
    const many = dns(...Array.from({ length: 100 }, (_, index) => `a${index}\n.example`))
    const { detail } = PeerIdentity.check(many, "mail.example")!
    expect(detail).not.toContain("\n")
    expect(detail).toContain("92 more")
  })
})
