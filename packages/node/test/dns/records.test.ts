/** The shape of records on every version of Node. */
import { Dns } from "@copas/core"
import { NodeDns, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { encoded, label, records, short } from "./nameServer.js"

/** Of each type: its number, the data of two records as a server sends them, and what `Dns.resolve` gives. */
const table: { readonly [T in Dns.RecordType]: readonly [number, ReadonlyArray<ReadonlyArray<number>>, unknown] } = {
  A: [1, [[192, 0, 2, 1]], [{ address: "192.0.2.1", ttlSeconds: 60 }]],
  AAAA: [28, [[0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1]], [{ address: "2001:db8::1", ttlSeconds: 60 }]],
  CNAME: [5, [encoded("real.example")], ["real.example"]],
  MX: [15, [[...short(20), ...encoded("b.example")], [...short(10), ...encoded("a.example")]], [
    { exchange: "a.example", priority: 10 },
    { exchange: "b.example", priority: 20 }
  ]],
  NS: [2, [encoded("ns.example")], ["ns.example"]],
  PTR: [12, [encoded("host.example")], ["host.example"]],
  SOA: [6, [[
    ...encoded("ns.example"),
    ...encoded("root.example"),
    ...[1, 2, 3, 4, 5].flatMap((n) => [0, 0, ...short(n)])
  ]], [
    {
      primary: "ns.example",
      mailbox: "root.example",
      serial: 1,
      refreshSeconds: 2,
      retrySeconds: 3,
      expireSeconds: 4,
      minimumTtlSeconds: 5
    }
  ]],
  SRV: [33, [[...short(2), ...short(0), ...short(25), ...encoded("b.example")], [
    ...short(1),
    ...short(5),
    ...short(26),
    ...encoded("a.example")
  ]], [
    { name: "a.example", port: 26, priority: 1, weight: 5 },
    { name: "b.example", port: 25, priority: 2, weight: 0 }
  ]],
  TXT: [16, [[...label("one"), ...label("two")]], [["one", "two"]]],
  CAA: [257, [[128, ...label("issue"), ...Buffer.from("ca.example")], [0, ...label("iodef"), ...Buffer.from("mail")]], [
    { isCritical: true, tag: "issue", value: "ca.example" },
    { isCritical: false, tag: "iodef", value: "mail" }
  ]],
  NAPTR: [35, [[...short(1), ...short(2), ...label("S"), ...label("SIP"), ...label(""), ...encoded("sip.example")]], [
    { order: 1, preference: 2, flags: "S", service: "SIP", regexp: "", replacement: "sip.example" }
  ]],
  TLSA: [52, [[3, 1, 1, 9, 8, 7]], [{ usage: 3, selector: 1, matchingType: 1, data: new Uint8Array([9, 8, 7]) }]]
}

describe("records", () => {
  for (const [type, [number, data, wanted]] of Object.entries(table)) {
    it.scopedLive(`S09 ${type} records have the same shape on every version of Node`, () =>
      Effect.gen(function*() {
        const server = yield* records(number, ...data)
        const outcome = yield* Effect.either(Effect.provide(
          Dns.resolve("host.example", type as Dns.RecordType),
          NodeDns.layerWith({ servers: [server], timeout: "5 seconds", tries: 1 })
        ))
        if (outcome._tag === "Left" && outcome.left._tag === "UnsupportedOption") {
          expect(type).toBe("TLSA")
          return
        }
        // Strictly: a property that a newer Node adds must not show.
        expect(outcome).toMatchObject({ _tag: "Right" })
        expect(outcome._tag === "Right" && outcome.right).toStrictEqual(wanted)
      }).pipe(Effect.provide(NodeNet.layer)))
  }
})
