/** The shape of records on every version of Node. */
import { type DatagramSocket, Dns, Udp } from "@copas/core"
import { NodeDns, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

const short = (value: number): ReadonlyArray<number> => [value >> 8, value & 255]
const label = (text: string): ReadonlyArray<number> => [text.length, ...Buffer.from(text)]
const name = (text: string): ReadonlyArray<number> => [...text.split(".").flatMap(label), 0]

/** Of each type: its number, the data of two records as a server sends them, and what `Dns.resolve` gives. */
const table: { readonly [T in Dns.RecordType]: readonly [number, ReadonlyArray<ReadonlyArray<number>>, unknown] } = {
  A: [1, [[192, 0, 2, 1]], [{ address: "192.0.2.1", ttlSeconds: 60 }]],
  AAAA: [28, [[0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1]], [{ address: "2001:db8::1", ttlSeconds: 60 }]],
  CNAME: [5, [name("real.example")], ["real.example"]],
  MX: [15, [[...short(20), ...name("b.example")], [...short(10), ...name("a.example")]], [
    { exchange: "a.example", priority: 10 },
    { exchange: "b.example", priority: 20 }
  ]],
  NS: [2, [name("ns.example")], ["ns.example"]],
  PTR: [12, [name("host.example")], ["host.example"]],
  SOA: [6, [[...name("ns.example"), ...name("root.example"), ...[1, 2, 3, 4, 5].flatMap((n) => [0, 0, ...short(n)])]], [
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
  SRV: [33, [[...short(2), ...short(0), ...short(25), ...name("b.example")], [
    ...short(1),
    ...short(5),
    ...short(26),
    ...name("a.example")
  ]], [
    { name: "a.example", port: 26, priority: 1, weight: 5 },
    { name: "b.example", port: 25, priority: 2, weight: 0 }
  ]],
  TXT: [16, [[...label("one"), ...label("two")]], [["one", "two"]]],
  CAA: [257, [[128, ...label("issue"), ...Buffer.from("ca.example")], [0, ...label("iodef"), ...Buffer.from("mail")]], [
    { isCritical: true, tag: "issue", value: "ca.example" },
    { isCritical: false, tag: "iodef", value: "mail" }
  ]],
  NAPTR: [35, [[...short(1), ...short(2), ...label("S"), ...label("SIP"), ...label(""), ...name("sip.example")]], [
    { order: 1, preference: 2, flags: "S", service: "SIP", regexp: "", replacement: "sip.example" }
  ]],
  TLSA: [52, [[3, 1, 1, 9, 8, 7]], [{ usage: 3, selector: 1, matchingType: 1, data: new Uint8Array([9, 8, 7]) }]]
}

/** Answers every question with these records; RFC 1035, section 4.1.3. */
const serving = (type: number, data: ReadonlyArray<ReadonlyArray<number>>) =>
  Effect.gen(function*() {
    const socket: DatagramSocket.DatagramSocket = yield* Udp.bind({ host: "127.0.0.1" })
    const serve = Effect.flatMap(socket.receiveFrom, ({ data: query, from }) => {
      const end = query.indexOf(0, 12) + 5
      const answers = data.flatMap((one) => [0xc0, 12, ...short(type), 0, 1, 0, 0, 0, 60, ...short(one.length), ...one])
      const head = [query[0]!, query[1]!, 0x84 | (query[2]! & 1), 0x80, 0, 1, ...short(data.length), 0, 0, 0, 0]
      return socket.sendTo(new Uint8Array([...head, ...query.subarray(12, end), ...answers]), from)
    })
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(serve)))
    return `127.0.0.1:${socket.port}`
  })

describe("records", () => {
  for (const [type, [number, data, wanted]] of Object.entries(table)) {
    it.scopedLive(`S09 ${type} records have the same shape on every version of Node`, () =>
      Effect.gen(function*() {
        const server = yield* serving(number, data)
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
