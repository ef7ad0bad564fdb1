// One run of one workload's load, in a process of its own: `main.js <workload> <context>`, the outcome on stdout.
import type { LoadContext, Outcome } from "../model.js"
import { workloads } from "../workloads/index.js"

const [name, context] = process.argv.slice(2)
const workload = workloads.find((one) => one.name === name)
if (workload?.kind !== "server" || context === undefined) throw new Error(`no such workload: ${name}`)

const outcome = await workload.load(JSON.parse(context) as LoadContext).catch((error: unknown): Outcome => ({
  figure: Number.NaN,
  columns: {},
  remarks: [],
  broken: error instanceof Error ? error.message : String(error)
}))
process.stdout.write(JSON.stringify(outcome), () => process.exit(0))
