/** The tables that the bench prints. */
import type { Goal, Outcome, Peer, Workload } from "./model.js"
import { median } from "./statistics.js"

/** What a peer did in all repeats of a workload, in their order; or why it did not run. */
export interface Row {
  readonly peer: Peer
  readonly outcomes: ReadonlyArray<Outcome>
  readonly absent?: string
}

/** The peer whose rows are judged. */
const judged = "copas"

const shown = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, " ") : "–"

/** Ratios are taken within a repeat, where both ran within minutes; the median comes after. */
const ratioOf = (row: Row, baseline: Row | undefined): number =>
  median(
    row.outcomes.map((outcome, repeat) =>
      outcome.broken === undefined ? (baseline?.outcomes[repeat]?.figure ?? Number.NaN) / outcome.figure : Number.NaN
    )
  )

const figureOf = (row: Row): number =>
  median(row.outcomes.map((outcome) => outcome.broken === undefined ? outcome.figure : Number.NaN))

const verdict = (goal: Goal, value: number): string => {
  if (Number.isNaN(value)) return "–"
  const reaches = (bound: number) => goal.by === "ratio" ? value >= bound : value <= bound
  if (goal.stretch !== undefined && reaches(goal.stretch)) return "meets the stretch"
  return reaches(goal.target) ? "meets the target" : "**below target**"
}

const aim = (workload: Workload): string => {
  const goal = workload.goal
  if (goal === undefined) return ""
  const sign = goal.by === "ratio" ? "≥" : "≤"
  const what = goal.by === "ratio" ? "ratio" : workload.figure.label
  const stretch = goal.stretch === undefined ? "" : `, stretch ${sign} ${goal.stretch}`
  return `Target of the ${judged} row: ${what} ${sign} ${goal.target}${stretch}.\n`
}

/** The markdown table of one workload, and under it why runs are not comparable. */
export const render = (workload: Workload, rows: ReadonlyArray<Row>): string => {
  const baseline = rows.find((row) => row.peer.name === workload.baseline)
  const columns = workload.columns
  const head = [
    "peer",
    workload.figure.label,
    `ratio (${baseline?.peer.title ?? workload.baseline} ÷ peer)`,
    ...columns.map((column) => column.label),
    "verdict"
  ]
  const body = rows.map((row) => {
    if (row.absent !== undefined) return [row.peer.title, ...head.slice(2).map(() => "–"), row.absent]
    const ratio = ratioOf(row, baseline)
    const figure = figureOf(row)
    return [
      row.peer.title,
      shown(figure, workload.figure.digits),
      shown(ratio, 2),
      ...columns.map((column) =>
        shown(median(row.outcomes.map((outcome) => outcome.columns[column.label] ?? Number.NaN)), column.digits)
      ),
      row.peer.name === judged && workload.goal !== undefined
        ? verdict(workload.goal, workload.goal.by === "ratio" ? ratio : figure)
        : ""
    ]
  })
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const table = [
    line(head),
    line(head.map((_, i) => i === 0 || i === head.length - 1 ? "---" : "---:")),
    ...body.map(line)
  ]
  return [`## ${workload.name}: ${workload.title}`, aim(workload), ...table, "", ...notes(rows), ""].join("\n")
}

const notes = (rows: ReadonlyArray<Row>): ReadonlyArray<string> =>
  rows.flatMap((row) => {
    const said = new Map<string, Array<number>>()
    row.outcomes.forEach((outcome, repeat) => {
      const all = outcome.broken === undefined
        ? outcome.remarks.map((remark) => `not comparable: ${remark}`)
        : [`BROKEN: ${outcome.broken}`]
      for (const remark of all) said.set(remark, [...(said.get(remark) ?? []), repeat + 1])
    })
    return [...said].map(([remark, repeats]) => `- ${row.peer.title}, repeat ${repeats.join(", ")}: ${remark}`)
  })
