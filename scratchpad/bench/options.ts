/** The options of `npm run bench`. */
import * as util from "node:util"
import type { Peer, Workload } from "./model.js"
import { peers } from "./peers/index.js"
import { workloads } from "./workloads/index.js"

export interface Options {
  readonly workloads: ReadonlyArray<Workload>
  readonly peers: ReadonlyArray<Peer>
  /** Undefined: as many as the workload wants. */
  readonly repeats: number | undefined
  readonly seconds: number
  readonly warmup: number
  readonly quick: boolean
}

export const usage = (): string =>
  [
    "npm run bench -- [workload ...] [--repeats n] [--seconds 2] [--peers a,b] [--quick]",
    "",
    `workloads: ${workloads.map((workload) => workload.name).join(", ")}`,
    `groups:    ${[...new Set(workloads.map((workload) => workload.group))].join(", ")}`,
    `peers:     ${peers.map((peer) => peer.name).join(", ")}`,
    "",
    "--repeats: 3, or what the workload wants, unless given",
    "--quick: one repeat, short windows, small volumes; to see that everything runs, not for figures"
  ].join("\n")

const positive = (name: string, text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text)
  if (!(value > 0)) throw new Error(`--${name} wants a positive number, not ${text}`)
  return value
}

const chosenWorkloads = (names: ReadonlyArray<string>): ReadonlyArray<Workload> => {
  for (const name of names) {
    if (!workloads.some((one) => one.name === name || one.group === name)) throw new Error(`no workload "${name}"`)
  }
  return workloads.filter((one) => names.length === 0 || names.includes(one.name) || names.includes(one.group))
}

const chosenPeers = (names: ReadonlyArray<string>): ReadonlyArray<Peer> => {
  for (const name of names) {
    if (!peers.some((one) => one.name === name)) throw new Error(`no peer "${name}"`)
  }
  return peers.filter((one) => names.length === 0 || names.includes(one.name))
}

/** The options of a command line, or `undefined` when it asks for help. Throws what is wrong with it. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { positionals, values } = util.parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      repeats: { type: "string" },
      seconds: { type: "string" },
      peers: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) return undefined
  return {
    workloads: chosenWorkloads(positionals),
    peers: chosenPeers(values.peers?.split(",") ?? []),
    repeats: values.repeats === undefined && !values.quick
      ? undefined
      : Math.ceil(positive("repeats", values.repeats, 1)),
    seconds: positive("seconds", values.seconds, values.quick ? 0.5 : 2),
    warmup: values.quick ? 0.5 : 1,
    quick: values.quick
  }
}
