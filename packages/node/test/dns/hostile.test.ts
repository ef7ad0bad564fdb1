/** Name servers that send malformed, huge, wrong or late answers. */
import { type DatagramSocket, Dns, Net, SocketError, Udp } from "@copas/core"
import { NodeCopas, NodeDns, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { randomFrom } from "../random.js"
import { backTo, sockets } from "../tls/support.js"
import { turns, until } from "../turns.js"
import { asking, codes, encoded, label, nameServer, records, short } from "./nameServer.js"

const resolving = <T extends Dns.RecordType>(type: T, number: number, ...data: ReadonlyArray<ReadonlyArray<number>>) =>
  Effect.gen(function*() {
    const server = yield* records(number, ...data)
    return yield* Effect.provide(
      Dns.resolve("host.example", type),
      NodeDns.layerWith({ servers: [server], timeout: "2 seconds", tries: 1 })
    )
  }).pipe(Effect.scoped, Effect.provide(NodeNet.layer))

describe("Dns, hostile and slow servers", () => {
  it.live("S09 every type of record is given as it was sent, those with a priority in its order", () =>
    Effect.gen(function*() {
      expect(yield* resolving("AAAA", 28, [0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1])).toEqual([
        { address: "2001:db8::1", ttlSeconds: 60 }
      ])
      expect(
        yield* resolving("MX", 15, [...short(20), ...encoded("b.example")], [...short(10), ...encoded("a.example")])
      )
        .toEqual([{ exchange: "a.example", priority: 10 }, { exchange: "b.example", priority: 20 }])
      expect(yield* resolving("TXT", 16, [...label("one"), ...label("two")])).toEqual([["one", "two"]])
      expect(yield* resolving("NS", 2, encoded("ns.example"))).toEqual(["ns.example"])
      expect(yield* resolving("CNAME", 5, encoded("real.example"))).toEqual(["real.example"])
      expect(yield* resolving("PTR", 12, encoded("host.example"))).toEqual(["host.example"])
      expect(
        yield* resolving(
          "SRV",
          33,
          [...short(2), ...short(0), ...short(25), ...encoded("b.example")],
          [...short(1), ...short(5), ...short(26), ...encoded("a.example")]
        )
      ).toEqual([
        { name: "a.example", port: 26, priority: 1, weight: 5 },
        { name: "b.example", port: 25, priority: 2, weight: 0 }
      ])
      expect(yield* resolving("CAA", 257, [128, ...label("issue"), ...Buffer.from("ca.example")])).toEqual([
        { isCritical: true, tag: "issue", value: "ca.example" }
      ])
      expect(
        yield* resolving("NAPTR", 35, [
          ...short(1),
          ...short(2),
          ...label("S"),
          ...label("SIP+D2U"),
          ...label(""),
          ...encoded("sip.example")
        ])
      ).toEqual([{ order: 1, preference: 2, flags: "S", service: "SIP+D2U", regexp: "", replacement: "sip.example" }])
      const numbers = [1, 2, 3, 4, 5].flatMap((value) => [0, 0, ...short(value)])
      expect(yield* resolving("SOA", 6, [...encoded("ns.example"), ...encoded("root.example"), ...numbers])).toEqual([{
        primary: "ns.example",
        mailbox: "root.example",
        serial: 1,
        refreshSeconds: 2,
        retrySeconds: 3,
        expireSeconds: 4,
        minimumTtlSeconds: 5
      }])
    }))

  it.live("S09 records whose data is cut, loops or lies fail typed", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Dns.RecordType, number, ReadonlyArray<number>]> = [
        ["A", 1, [1, 2, 3]],
        ["AAAA", 28, [1]],
        ["MX", 15, [0]],
        ["MX", 15, [0, 1, 0xc0, 0xff]],
        ["TXT", 16, [200, 1]],
        // A name that refers to itself.
        ["CNAME", 5, [0xc0, 46]],
        ["NS", 2, [63, 1]],
        ["SRV", 33, [0, 1]],
        ["SOA", 6, [0, 0]],
        ["CAA", 257, [0, 50, 1]],
        ["NAPTR", 35, [0]]
      ]
      for (const [type, number, data] of cases) {
        const outcome = yield* Effect.either(resolving(type, number, data))
        expect([type, outcome]).toMatchObject([type, { _tag: "Left", left: { _tag: "DnsError" } }])
      }
    }))

  it.live("S09 random bytes for an answer end typed, and never in anything else", () => {
    const random = randomFrom(3)
    return asking(
      () => new Uint8Array(2 + Math.floor(random() * 60)).map(() => random() * 256),
      () =>
        Effect.gen(function*() {
          for (let round = 0; round < 40; round += 1) {
            const exit = yield* Effect.exit(Effect.either(Dns.resolve("www.example", "A")))
            expect(exit._tag).toBe("Success")
            if (exit._tag === "Success" && exit.value._tag === "Left") {
              expect(exit.value.left).toBeInstanceOf(SocketError.DnsError)
            }
          }
        }),
      { timeout: "20 millis" }
    )
  })

  it.live("S09 one family without an address does not hide the other, nor the other's failure", () =>
    Effect.gen(function*() {
      // A server that knows addresses of one family; the kind of the question is after the name.
      const byType = (four: number | undefined, six: number | undefined) =>
        Effect.gen(function*() {
          const socket: DatagramSocket.DatagramSocket = yield* Udp.bind({ host: "127.0.0.1" })
          const serve = Effect.flatMap(socket.receiveFrom, ({ data, from }) => {
            const end = data.indexOf(0, 12) + 5
            const code = data[end - 3] === 28 ? six : four
            const found = code === undefined ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7] : []
            const head = [data[0]!, data[1]!, 0x85, 0x80 | (code ?? 0), 0, 1, 0, code === undefined ? 1 : 0, 0, 0, 0, 0]
            return socket.sendTo(new Uint8Array([...head, ...data.subarray(12, end), ...found]), from)
          })
          yield* Effect.forkScoped(Effect.ignore(Effect.forever(serve)))
          return yield* Effect.either(Effect.provide(
            Dns.lookup("host.example"),
            NodeDns.layerWith({ servers: [`127.0.0.1:${socket.port}`], timeout: "1 second", tries: 1 })
          ))
        }).pipe(Effect.scoped, Effect.provide(NodeNet.layer))
      const found = { _tag: "Right", right: [{ host: "192.0.2.7", family: "IPv4" }] }
      expect(yield* byType(undefined, codes.noError)).toMatchObject(found)
      expect(yield* byType(undefined, codes.serverFailure)).toMatchObject(found)
      expect(yield* byType(codes.noError, codes.serverFailure)).toMatchObject({ left: { reason: "ServerFailure" } })
      expect(yield* byType(codes.noError, codes.noError)).toMatchObject({ left: { reason: "NoData" } })
      expect(yield* byType(codes.nameError, codes.nameError)).toMatchObject({ left: { reason: "NotFound" } })
    }))

  it.live("S09 interrupting questions anywhere, forward and reverse, leaves no descriptor and ends at once", () =>
    asking(() => undefined, (asked) =>
      Effect.gen(function*() {
        const before = yield* sockets
        const questions = [
          Dns.resolve("slow.example", "MX"),
          Dns.lookup("slow.example"),
          Dns.reverse("192.0.2.1"),
          Dns.lookup("slow.example", { family: "IPv6" })
        ] as const
        for (let round = 0; round < 24; round += 1) {
          const fiber = yield* Effect.fork(questions[round % 4]! as Effect.Effect<unknown, unknown, Dns.Dns>)
          yield* turns(round >> 2)
          // At once: a question ends by itself after an hour, and the test's time limit is shorter.
          expect((yield* Fiber.interrupt(fiber))._tag).toBe("Failure")
        }
        yield* until(Effect.sync(() => asked.length > 0))
        yield* backTo(before)
      }), { timeout: "1 hour" }))

  it.live("S09 a time-out of a caller takes the question back", () =>
    asking(() => undefined, () =>
      Effect.gen(function*() {
        const before = yield* sockets
        expect(yield* Effect.timeoutOption(Dns.resolve("slow.example", "A"), "50 millis")).toMatchObject({
          _tag: "None"
        })
        yield* backTo(before)
      }), { timeout: "1 hour" }))

  it.live("S09 every try waits for its time, and after the last it is TimedOut", () =>
    asking(() => undefined, (asked) =>
      Effect.gen(function*() {
        const started = performance.now()
        expect(yield* Effect.flip(Dns.resolve("slow.example", "A"))).toMatchObject({ reason: "TimedOut", query: "A" })
        expect(asked).toHaveLength(3)
        expect(performance.now() - started).toBeGreaterThan(140)
      }), { timeout: "50 millis", tries: 3 }))

  it.live("S09 a second server is asked when the first says nothing; none at all is Unreachable or TimedOut", () =>
    Effect.gen(function*() {
      const silent = yield* nameServer(() => undefined)
      const good = yield* nameServer(() => "192.0.2.9")
      const ask = (servers: ReadonlyArray<string>) =>
        Effect.provide(Dns.resolve("www.example", "A"), NodeDns.layerWith({ servers, timeout: "50 millis", tries: 2 }))
      expect(yield* ask([silent.address, good.address])).toEqual([{ address: "192.0.2.9", ttlSeconds: 60 }])
      const closed = yield* Effect.scoped(
        Effect.map(Udp.bind({ host: "127.0.0.1" }), (socket) => socket.port)
      )
      const error = yield* Effect.flip(ask([`127.0.0.1:${closed}`]))
      expect(error).toMatchObject({ _tag: "DnsError", reason: "Unreachable" })
    }).pipe(Effect.scoped, Effect.provide(NodeNet.layer)))

  it.live("S09 names that cannot be one are BadName before anybody is asked, and a failing lookup is told by connect", () =>
    asking(() => codes.nameError, (asked) =>
      Effect.gen(function*() {
        for (
          const name of ["", ".", "a..b", "x".repeat(64), `${"x".repeat(60)}.`.repeat(5), "a b", "a\0b", "a\nb", " "]
        ) {
          expect(yield* Effect.flip(Dns.lookup(name))).toMatchObject({ reason: "BadName" })
          expect(yield* Effect.flip(Dns.resolve(name, "A"))).toMatchObject({ reason: "BadName", query: "A" })
        }
        for (const address of ["", "localhost", "300.1.1.1", "1.2.3", "::g", "127.0.0.1\0"]) {
          expect(yield* Effect.flip(Dns.reverse(address))).toMatchObject({ reason: "BadName" })
          expect(yield* Effect.flip(Dns.nameInfo(address, 80))).toMatchObject({ reason: "BadName" })
        }
        for (const port of [-1, 65_536, 1.5, Number.NaN]) {
          expect(yield* Effect.flip(Dns.nameInfo("127.0.0.1", port))).toMatchObject({ reason: "BadName" })
        }
        expect(asked).toEqual([])
        const error = yield* Effect.flip(Effect.scoped(
          Effect.provide(Net.connect({ host: "nobody.example", port: 9 }), yield* networkOf)
        ))
        expect(error).toMatchObject({ _tag: "ConnectError", reason: "HostNotFound" })
        expect(asked.length).toBeGreaterThan(0)
      })))
})

/** The network, which asks the names that are there. */
const networkOf = Effect.map(Dns.Dns, (dns) => Layer.provide(NodeCopas.layerDns, Layer.succeed(Dns.Dns, dns)))
