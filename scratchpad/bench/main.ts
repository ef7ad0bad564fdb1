// `npm run bench`: each workload against each peer, repeat by repeat, and a table for each workload on stdout. It
// reports and asserts nothing about time; it exits with 1 only when something broke.
import * as esbuild from "esbuild"
import * as fs from "node:fs"
import * as os from "node:os"
import { fileURLToPath } from "node:url"
import { disturbed } from "./cpu.js"
import type { Outcome, Peer, Workload } from "./model.js"
import { type Options, parse, usage } from "./options.js"
import { bundle } from "./peers/node-peer.js"
import { pinned } from "./program.js"
import { run } from "./run.js"
import { render, type Row } from "./table.js"

const directory = fileURLToPath(new URL("../../node_modules/.cache/copas-bench", import.meta.url))

const say = (text: string) => process.stderr.write(`${text}\n`)

/** Builds what can be built; the others' rows will say what is missing. */
const prepare = async (peers: ReadonlyArray<Peer>): Promise<Map<Peer, string>> => {
  const absent = new Map<Peer, string>()
  fs.mkdirSync(directory, { recursive: true })
  await bundle(new URL("load/main.ts", import.meta.url), `${directory}/load.js`)
  for (const peer of peers) {
    const missing = peer.missing()
    if (missing === undefined) {
      await peer.build(directory).catch((error: unknown) => {
        absent.set(peer, "BROKEN: does not build")
        say(`${peer.name} does not build: ${error instanceof Error ? error.message : error}`)
        process.exitCode = 1
      })
    } else {
      absent.set(peer, `not installed: ${missing}`)
    }
  }
  return absent
}

const whyNot = (workload: Workload, peer: Peer): string | undefined => {
  if (!peer.modes.includes(workload.mode)) return "has none"
  const limit = peer.limit
  if (workload.kind === "clients") {
    const missing = workload.missing()
    return missing === undefined ? undefined : `not installed: ${missing}`
  }
  return workload.kind === "server" && limit !== undefined && workload.connections > limit.connections
    ? limit.why
    : undefined
}

/** A run that others disturbed is made again, twice at most; the last one counts, and says so if it was no better. */
const quietRun = async (workload: Workload, peer: Peer, options: Options): Promise<Outcome> => {
  let outcome = await run(workload, peer, options, directory)
  for (let again = 0; again < (options.quick ? 0 : 2) && outcome.remarks.includes(disturbed); again++) {
    outcome = await run(workload, peer, options, directory)
  }
  return outcome
}

const compare = async (workload: Workload, options: Options, absent: Map<Peer, string>): Promise<void> => {
  const outcomes = new Map<Peer, Array<Outcome>>(options.peers.map((peer) => [peer, []]))
  const reasons = new Map(options.peers.map((peer) => {
    const why = whyNot(workload, peer)
    return [peer, why === "has none" ? why : absent.get(peer) ?? why]
  }))
  const repeats = options.repeats ?? workload.repeats ?? 3
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [peer, all] of outcomes) {
      if (reasons.get(peer) !== undefined) continue
      const outcome = await quietRun(workload, peer, options)
      all.push(outcome)
      const figure = `${outcome.figure.toFixed(workload.figure.digits)} ${workload.figure.label}`
      say(`${workload.name} ${repeat + 1}/${repeats} ${peer.name}: ${outcome.broken ?? figure}`)
      if (outcome.broken !== undefined) process.exitCode = 1
    }
  }
  const rows = options.peers.map((peer): Row => {
    const reason = reasons.get(peer)
    return { peer, outcomes: outcomes.get(peer) ?? [], ...(reason === undefined ? {} : { absent: reason }) }
  })
  console.log(render(workload, rows.filter((row) => row.absent !== "has none")))
}

const bench = async (options: Options): Promise<void> => {
  if (process.platform !== "linux") throw new Error("the bench reads CPU time and memory from /proc: it needs Linux")
  const absent = await prepare(options.peers)
  console.log(
    [
      `Node ${process.version}, ${os.availableParallelism()} cores, windows of ${options.seconds} s;`,
      `server and load ${pinned ? "on a core each" : "NOT pinned to cores"}.`,
      "Medians. A ratio is one of figures of the same repeat; above 1 is better than the baseline.\n"
    ].join(" ")
  )
  for (const workload of options.workloads) await compare(workload, options, absent)
}

try {
  const options = parse(process.argv.slice(2))
  if (options === undefined) console.log(usage())
  else await bench(options)
} catch (error) {
  say(`${error instanceof Error ? error.message : error}\n\n${usage()}`)
  process.exitCode = 1
} finally {
  await esbuild.stop()
}
