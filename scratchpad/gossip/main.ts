// npx tsx --conditions=copas-source scratchpad/gossip/main.ts [hosts] [minutes] [seed]
import { Effect } from "effect"
import { gossip } from "./program.js"

const [hosts = 1000, duration = 60, seed = 1] = process.argv.slice(2).map(Number)

const run = Effect.gen(function*() {
  const begin = performance.now()
  const outcome = yield* gossip({ hosts, duration, seed })
  return { ...outcome, seconds: (performance.now() - begin) / 1000 }
})

const main = Effect.gen(function*() {
  const first = yield* run
  console.log(
    `${hosts} hosts, ${duration} simulated minutes, in ${first.seconds.toFixed(1)} s: ${first.exchanges} exchanges over ` +
      `${first.connections} connections, ${first.lost} given up, ${first.events} events, ` +
      `${first.rumours} rumours, each known to at least ${first.reached} hosts`
  )
  const second = yield* run
  console.log(`again with the same seed, in ${second.seconds.toFixed(1)} s`)
  console.log(`  ${first.digest}\n  ${second.digest}`)
  console.log(first.digest === second.digest ? "the same, event for event" : "NOT the same")
  if (first.digest !== second.digest) process.exitCode = 1
})

Effect.runPromise(main)
