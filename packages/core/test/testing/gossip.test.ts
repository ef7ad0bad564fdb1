/** A distributed program in a simulation: partitions, crashes, and the same events for the same seed. */
import { Copas, Net, type Socket, Thread } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"

const size = 20
const port = 7946

/** Hosts that tell each other numbers, through a partition and crashes. Gives the log of what happened. */
const gossip = (seed: number) => {
  const log: Array<string> = []
  const known = Array.from({ length: size }, () => new Set<number>())
  const record = (line: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      log.push(`${now} ${line}`)
    })
  const tell = (host: number): string => `${Array.from(known[host]!).join(" ")}\n`
  const learn = (host: number, line: string) =>
    Effect.suspend(() => {
      const news = line.split(" ").filter((word) => word !== "").map(Number).filter((one) => !known[host]!.has(one))
      for (const one of news) known[host]!.add(one)
      return news.length === 0 ? Effect.void : record(`${host} learns ${news.join(" ")}`)
    })
  const answer = (host: number) => (socket: Socket.Socket) =>
    Effect.forever(Effect.gen(function*() {
      yield* learn(host, yield* socket.receiveLine())
      yield* socket.send(tell(host))
    }))
  const call = (host: number) =>
    Effect.scoped(Effect.gen(function*() {
      const peer = yield* Random.nextIntBetween(0, size)
      const timeouts = { connect: "2 seconds", receive: "2 seconds" } as const
      const socket = yield* Net.connect({ host: `host-${peer}`, port, timeouts })
      yield* socket.send(tell(host))
      yield* learn(host, yield* socket.receiveLine())
    }))
  const node = (host: number) =>
    Copas.run(Effect.gen(function*() {
      yield* record(`${host} is up`)
      const listener = yield* Net.listen({ host: "0.0.0.0", port })
      yield* Copas.addServer(listener, answer(host), { onError: () => record(`${host} loses a caller`) })
      return yield* Effect.forever(Effect.zipRight(
        Effect.catchAll(call(host), (error) => record(`${host} ${error._tag}`)),
        Effect.flatMap(Random.nextRange(5000, 15_000), Thread.pause)
      ))
    })).pipe(Effect.provide(Copas.layer))

  const program = Effect.scoped(Effect.gen(function*() {
    const network = yield* NetMemory.make({ link: { latency: "20 millis", jitter: "30 millis", loss: 0.02 } })
    const hosts: Array<NetMemory.Host> = []
    for (let host = 0; host < size; host += 1) hosts.push(yield* network.addHost(`host-${host}`))
    yield* Effect.forEach(hosts, (host, index) => host.start(node(index)), { discard: true })

    const left = hosts.slice(0, size / 2).map(({ name }) => name)
    yield* network.partition([left])
    known[0]!.add(1)
    yield* Effect.sleep("3 minutes")
    const duringPartition = known.map((numbers) => numbers.has(1))
    yield* network.heal
    yield* Effect.forEach(hosts.slice(0, 5), (host) => host.crash, { discard: true })
    known[size - 1]!.add(2)
    yield* Effect.sleep("3 minutes")
    const duringCrash = known.map((numbers) => numbers.has(2))
    yield* Effect.forEach(hosts, (host) => host.restart, { discard: true })
    yield* Effect.sleep("3 minutes")
    return { duringPartition, duringCrash }
  }))
  return Effect.map(Simulation.run(program, { seed, maxTime: "10 minutes" }), (seen) => ({ ...seen, known, log }))
}

describe("a distributed program in a simulation", () => {
  it.effect("gossip stops at a partition and at hosts that are down, and reaches everybody after", () =>
    Effect.gen(function*() {
      const { duringCrash, duringPartition, known } = yield* gossip(1)
      assert.deepStrictEqual(duringPartition, Array.from({ length: size }, (_, host) => host < size / 2))
      assert.deepStrictEqual(duringCrash, Array.from({ length: size }, (_, host) => host >= 5))
      assert.isTrue(known.every((numbers) => numbers.size === 2))
    }))

  it.effect("the same seed gives the same events at the same times, another seed others", () =>
    Effect.gen(function*() {
      const { log } = yield* gossip(1)
      assert.isAbove(log.length, 100)
      assert.deepStrictEqual((yield* gossip(1)).log, log)
      assert.notDeepEqual((yield* gossip(2)).log, log)
    }))
})
