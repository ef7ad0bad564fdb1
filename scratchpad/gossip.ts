// Rumours on a network of 1,000 hosts for a simulated hour: each host tells a peer what it knows, and hears what the peer
// knows, again and again over Copas sockets. Meanwhile the network is cut in pieces, and hosts crash. It runs twice, and
// must do the same both times.
//
// npx tsx --conditions=copas-source scratchpad/gossip.ts [hosts] [minutes] [seed]
import { Copas, Net, type Socket, type SocketError, Thread } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { Chunk, Clock, Effect, Random } from "effect"
import { createHash } from "node:crypto"

interface Settings {
  readonly hosts: number
  readonly seed: number
  /** In minutes. */
  readonly duration: number
}

interface Outcome {
  /** Of the log of all events: who learnt which rumour when, from whom. */
  readonly digest: string
  readonly events: number
  readonly rumours: number
  /** How many hosts know each rumour at the end, at least. */
  readonly reached: number
  readonly exchanges: number
  readonly connections: number
  readonly lost: number
}

const port = 7946
const period = 30_000
const roundsPerConnection = 20
/** The latest rumours that are told at once. */
const told = 40

const gossip = ({ duration, hosts: size, seed }: Settings): Effect.Effect<Outcome, unknown> => {
  const hash = createHash("sha256")
  let events = 0
  let exchanges = 0
  let connections = 0
  let lost = 0
  let rumours = 0
  const known = Array.from({ length: size }, () => new Set<number>())
  const nameOf = (host: number): string => `host-${host}`

  const record = (line: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      events += 1
      hash.update(`${now} ${line}\n`)
    })

  const learn = (host: number, from: string, line: string) =>
    Effect.suspend(() => {
      const news = line.split(" ").slice(1).map(Number).filter((rumour) => !known[host]!.has(rumour))
      if (news.length === 0) return Effect.void
      for (const rumour of news) known[host]!.add(rumour)
      return record(`${nameOf(host)} learns ${news.join(" ")} from ${from}`)
    })

  const tell = (host: number): string => `know ${Array.from(known[host]!).slice(-told).join(" ")}\n`

  const answer = (host: number) => (socket: Socket.Socket): Effect.Effect<void, unknown> =>
    Effect.forever(Effect.gen(function*() {
      const line = yield* socket.receiveLine()
      yield* socket.send(tell(host))
      yield* learn(host, "a caller", line)
    }))

  const call = (host: number) =>
    Effect.scoped(Effect.gen(function*() {
      const peer = nameOf(yield* Random.nextIntBetween(0, size))
      const socket = yield* Net.connect({ host: peer, port, timeouts: { connect: "5 seconds", receive: "5 seconds" } })
      connections += 1
      for (let round = 0; round < roundsPerConnection; round += 1) {
        yield* socket.send(tell(host))
        yield* learn(host, peer, yield* socket.receiveLine())
        exchanges += 1
        yield* Thread.pause(yield* Random.nextRange(0.5 * period, 1.5 * period))
      }
    }))

  const node = (host: number) =>
    Effect.gen(function*() {
      yield* record(`${nameOf(host)} is up`)
      const listener = yield* Net.listen({ host: "0.0.0.0", port })
      yield* Copas.addServer(listener, answer(host), { onError: () => record(`${nameOf(host)} loses a caller`) })
      const unlucky = (error: SocketError.SocketError | { readonly _tag: string }) =>
        Effect.suspend(() => {
          lost += 1
          return Effect.zipRight(record(`${nameOf(host)} ${error._tag}`), Thread.pause(period))
        })
      return yield* Effect.forever(Effect.catchAll(call(host), unlucky))
    }).pipe(Copas.run, Effect.provide(Copas.layer))

  const program = Effect.scoped(Effect.gen(function*() {
    const network = yield* NetMemory.make({ link: { latency: "20 millis", jitter: "30 millis", loss: 0.01 } })
    const hosts: Array<NetMemory.Host> = []
    for (let host = 0; host < size; host += 1) hosts.push(yield* network.addHost(nameOf(host)))
    yield* Effect.forEach(hosts, (host, index) => host.start(node(index)), { discard: true })

    const groups = (count: number) =>
      Effect.map(
        Random.shuffle(hosts),
        (shuffled) =>
          Array.from(
            Chunk.chunksOf(shuffled, Math.ceil(size / count)),
            (group) => Array.from(group, ({ name }) => name)
          )
      )

    for (let minute = 0; minute < duration; minute += 1) {
      if (minute % 2 === 0 && minute < duration - 10) {
        const host = yield* Random.nextIntBetween(0, size)
        known[host]!.add(rumours)
        rumours += 1
        yield* record(`${nameOf(host)} begins a rumour`)
      }
      // Of every fifteen minutes five in pieces, and five with a tenth of the hosts down.
      if (minute % 15 === 3) yield* network.partition(yield* groups(2 + minute % 2))
      if (minute % 15 === 8) yield* network.heal
      if (minute % 15 === 9) {
        for (const host of hosts) if ((yield* Random.next) < 0.1) yield* host.crash
      }
      if (minute % 15 === 14) yield* Effect.forEach(hosts, (host) => host.restart, { discard: true })
      yield* Effect.sleep("1 minute")
    }
  }))

  return Effect.map(Simulation.run(program, { seed, maxTime: `${duration + 5} minutes` }), () => {
    const reached = Array.from({ length: rumours }, (_, rumour) => known.filter((host) => host.has(rumour)).length)
    return { digest: hash.digest("hex"), events, rumours, reached: Math.min(...reached), exchanges, connections, lost }
  })
}

const [hosts = 1000, duration = 60, seed = 1] = process.argv.slice(2).map(Number)

const run = Effect.gen(function*() {
  const begin = performance.now()
  const outcome = yield* gossip({ hosts, duration, seed })
  return { ...outcome, seconds: (performance.now() - begin) / 1000 }
})

const main = Effect.gen(function*() {
  const first = yield* run
  console.log(
    `${hosts} hosts, ${duration} simulated minutes, in ${
      first.seconds.toFixed(1)
    } s: ${first.exchanges} exchanges over ` +
      `${first.connections} connections, ${first.lost} given up, ${first.events} events, ` +
      `${first.rumours} rumours, each known to at least ${first.reached} hosts`
  )
  const second = yield* run
  console.log(`again with the same seed, in ${second.seconds.toFixed(1)} s`)
  console.log(`  ${first.digest}\n  ${second.digest}`)
  console.log(first.digest === second.digest ? "the same, event for event" : "NOT the same")
  if (first.digest !== second.digest) process.exitCode = 1
})

void Effect.runPromise(main)
