/** Several name servers: which is asked when, and what an attempt costs. */
import { Dns, Net, SocketError } from "@copas/core"
import { NodeCopas, NodeDns, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { codes, nameServer, types } from "./nameServer.js"

type Answer = Parameters<typeof nameServer>[0]

/** So long that a question that had to wait for it would end the test. */
const forEver = "1 hour"

const names = (servers: ReadonlyArray<string>, options: NodeDns.Options = {}) =>
  NodeDns.layerWith({ timeout: forEver, tries: 1, ...options, servers })

describe("name servers", () => {
  for (
    const [title, code, reason] of [
      ["fails", codes.serverFailure, "ServerFailure"],
      ["refuses", codes.refused, "Refused"],
      ["cannot do it", codes.notImplemented, "NotImplemented"],
      ["does not understand", codes.formatError, "BadQuery"]
    ] as const
  ) {
    it.scopedLive(`S09 a server that ${title} is followed by the next one, for every kind of question`, () =>
      Effect.gen(function*() {
        const first = yield* nameServer(() => code)
        const second = yield* nameServer((_name, type) => type === types.A ? "192.0.2.7" : codes.noError)
        yield* Effect.gen(function*() {
          expect(yield* Dns.resolve("www.example", "A")).toEqual([{ address: "192.0.2.7", ttlSeconds: 60 }])
          expect(yield* Dns.lookup("www.example", { family: "IPv4" })).toHaveLength(1)
          expect(yield* Dns.lookup("www.example")).toHaveLength(1)
          expect(yield* Effect.flip(Dns.resolve("www.example", "MX"))).toMatchObject({ reason: "NoData" })
          expect(yield* Effect.flip(Dns.reverse("192.0.2.1"))).toMatchObject({ reason: "NoData" })
        }).pipe(Effect.provide(names([first.address, second.address])))
        const both = yield* Effect.flip(Effect.provide(
          Dns.resolve("www.example", "A"),
          names([first.address, first.address.replace("127.0.0.1", "127.0.0.2"), second.address].slice(0, 2))
        ))
        expect(both).toMatchObject({
          reason,
          attempts: [{ server: first.address, reason }, { reason: "Unreachable" }]
        })
        expect(both.message).toContain(`${first.address}: ${reason}`)
      }).pipe(Effect.provide(NodeNet.layer)))
  }

  it.scopedLive("S09 a server that fails is not asked again, a silent one once a round, in the order given", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const server = (name: string, answer: number | undefined) =>
        nameServer(() => {
          log.push(name)
          return answer
        })
      const failing = yield* server("failing", codes.serverFailure)
      const silent = yield* server("silent", undefined)
      const error = yield* Effect.flip(Effect.provide(
        Dns.resolve("www.example", "A"),
        names([silent.address, failing.address], { timeout: "20 millis", tries: 3 })
      ))
      expect(log).toEqual(["silent", "failing", "silent", "silent"])
      // What a server answered says more than another's silence.
      expect(error).toMatchObject({ reason: "ServerFailure" })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S09 that there is no such name, or no such record, is an answer: no other server is asked", () =>
    Effect.gen(function*() {
      for (const [code, reason] of [[codes.nameError, "NotFound"], [codes.noError, "NoData"]] as const) {
        const first = yield* nameServer(() => code)
        const second = yield* nameServer(() => "192.0.2.7")
        const error = yield* Effect.flip(
          Effect.provide(Dns.resolve("www.example", "A"), names([first.address, second.address]))
        )
        expect(error).toMatchObject({ reason })
        expect(second.asked).toEqual([])
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  for (const [known, silent] of [["A", "AAAA"], ["AAAA", "A"]] as const) {
    const address = known === "A" ? "192.0.2.7" : "2001:db8:0:0:0:0:0:7"
    it.scopedLive(`S09 a server that drops ${silent} questions does not hold up a known ${known} (RFC 8305, section 3)`, () =>
      Effect.gen(function*() {
        const answer: Answer = (_name, type) => type === types[known] ? address : undefined
        const server = yield* nameServer(answer)
        const found = yield* Effect.provide(Dns.lookup("www.example"), names([server.address]))
        expect(found).toEqual([
          known === "A" ? { host: address, family: "IPv4" } : { host: "2001:db8::7", family: "IPv6" }
        ])
      }).pipe(Effect.provide(NodeNet.layer)))
  }

  it.scopedLive("S01 connecting by name begins while the other family's question is unanswered", () =>
    Effect.gen(function*() {
      const server = yield* nameServer((_name, type) => type === types.A ? "127.0.0.1" : undefined)
      const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
      const port = listener.port
      const network = Layer.provide(NodeCopas.layerDns, names([server.address]))
      const peer = yield* Effect.provide(
        Effect.scoped(
          Effect.map(Net.connect({ host: "www.example", port, linger: 0 }), (socket) => socket.remoteAddress)
        ),
        network
      )
      expect(peer).toMatchObject({ host: "127.0.0.1", port })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S09 with servers, the reverse of an address is asked of them, IPv6 too", () =>
    Effect.gen(function*() {
      const server = yield* nameServer(() => codes.nameError)
      yield* Effect.gen(function*() {
        // The hosts file knows this one, and is not asked.
        expect(yield* Effect.flip(Dns.reverse("127.0.0.1"))).toMatchObject({ reason: "NotFound", query: "name" })
        yield* Effect.flip(Dns.reverse("2001:db8::1"))
        yield* Effect.flip(Dns.reverse("::ffff:192.0.2.1"))
      }).pipe(Effect.provide(names([server.address])))
      const zeros = (count: number) => "0.".repeat(count)
      expect(server.asked).toEqual([
        "1.0.0.127.in-addr.arpa",
        `1.${zeros(23)}8.b.d.0.1.0.0.2.ip6.arpa`,
        `1.0.2.0.0.0.0.c.f.f.f.f.${zeros(20)}ip6.arpa`
      ])
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S09 options of a wrong form are InvalidOption, never a defect", () =>
    Effect.gen(function*() {
      const wrong = [
        { timeout: "5 secs" as never },
        { timeout: Number.NaN },
        { timeout: "infinity" as never },
        { servers: ["127.0.0.1", "nowhere"] },
        { tries: 1.5 }
      ]
      for (const options of wrong) {
        const error = yield* Effect.flip(Effect.provide(Dns.hostName, NodeDns.layerWith(options)))
        expect(error).toBeInstanceOf(SocketError.InvalidOption)
      }
    }))
})
