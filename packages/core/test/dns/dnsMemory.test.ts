/** Names of the in-memory network. */
import { Dns } from "@copas/core"
import { DnsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

const layer = DnsMemory.layer({
  hosts: { "Mail.Example": ["192.0.2.25", "2001:db8::25"] },
  records: { "example": { MX: [{ exchange: "mail.example", priority: 10 }], TXT: [["v=spf1", " -all"]] } },
  failures: { "broken.example": "ServerFailure" },
  hostName: "tester"
})

describe("Dns", () => {
  it.effect("S09 lookup gives the addresses of a name, of both families or one", () =>
    Effect.gen(function*() {
      expect(yield* Dns.lookup("mail.example")).toEqual([
        { host: "192.0.2.25", family: "IPv4" },
        { host: "2001:db8::25", family: "IPv6" }
      ])
      expect(yield* Dns.lookup("MAIL.example.", { family: "IPv6" })).toEqual([{ host: "2001:db8::25", family: "IPv6" }])
    }).pipe(Effect.provide(layer)))

  it.effect("S09 a numeric address is its own answer, of its own family only", () =>
    Effect.gen(function*() {
      expect(yield* Dns.lookup("192.0.2.1")).toEqual([{ host: "192.0.2.1", family: "IPv4" }])
      const error = yield* Effect.flip(Dns.lookup("::1", { family: "IPv4" }))
      expect(error.reason).toBe("NoData")
    }).pipe(Effect.provide(layer)))

  it.effect("S09 reverse and nameInfo give the names of an address", () =>
    Effect.gen(function*() {
      expect(yield* Dns.reverse("192.0.2.25")).toEqual(["mail.example"])
      expect(yield* Dns.nameInfo("192.0.2.25", 25)).toEqual({ host: "mail.example", service: "25" })
      expect((yield* Effect.flip(Dns.reverse("192.0.2.99"))).reason).toBe("NotFound")
      expect(yield* Dns.hostName).toBe("tester")
    }).pipe(Effect.provide(layer)))

  it.effect("S09 resolve gives records by type; a name without one is NoData, no name NotFound", () =>
    Effect.gen(function*() {
      expect(yield* Dns.resolve("example", "MX")).toEqual([{ exchange: "mail.example", priority: 10 }])
      expect(yield* Dns.resolve("example", "TXT")).toEqual([["v=spf1", " -all"]])
      expect(yield* Dns.resolve("mail.example", "A")).toEqual([{ address: "192.0.2.25", ttlSeconds: 0 }])
      expect(yield* Effect.flip(Dns.resolve("example", "SRV"))).toMatchObject({ reason: "NoData", query: "SRV" })
      expect(yield* Effect.flip(Dns.resolve("nowhere", "MX"))).toMatchObject({ reason: "NotFound" })
      expect(yield* Effect.flip(Dns.resolve("broken.example", "A"))).toMatchObject({ reason: "ServerFailure" })
    }).pipe(Effect.provide(layer)))

  it.effect("S09 what cannot be a name or an address is BadName, and nobody is asked", () =>
    Effect.gen(function*() {
      const names = ["", ".", "a..b", "a b", "a\u0000b", "x".repeat(64), `${"x".repeat(60)}.`.repeat(5), "a\r\nb"]
      for (const name of names) {
        expect((yield* Effect.flip(Dns.lookup(name))).reason).toBe("BadName")
        expect(yield* Effect.flip(Dns.resolve(name, "MX"))).toMatchObject({ reason: "BadName" })
      }
      expect((yield* Effect.flip(Dns.reverse("mail.example"))).reason).toBe("BadName")
      expect((yield* Effect.flip(Dns.nameInfo("127.0.0.1", 65536))).reason).toBe("BadName")
      const error = yield* Effect.flip(Dns.lookup("a b"))
      expect(error.message).toContain("a b")
    }).pipe(Effect.provide(layer)))
})
