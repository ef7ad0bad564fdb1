/** The tables that the bench prints. */
import type { Outcome, Peer, PeerGoal, Workload } from "./model.js"
import { peakLabel } from "./run.js"
import { least, median } from "./statistics.js"

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

/** That of the best round of all: the machine's noise touched it least. */
const leastOf = (row: Row | undefined): number =>
  least((row?.outcomes ?? []).map(({ broken, figure, least }) => broken === undefined ? least ?? figure : Number.NaN))

const columnOf = (row: Row | undefined, label: string): number =>
  median((row?.outcomes ?? []).map((outcome) => outcome.columns[label] ?? Number.NaN))

const goalsOf = (workload: Workload): ReadonlyArray<PeerGoal> => [
  ...(workload.goal === undefined ? [] : [{ ...workload.goal, peer: judged }]),
  ...(workload.goals ?? [])
]

const verdict = (goal: PeerGoal, workload: Workload, row: Row, rows: ReadonlyArray<Row>): string => {
  const other = rows.find((one) => one.peer.name === (goal.to ?? workload.baseline))
  const value = {
    ratio: () => ratioOf(row, other),
    figure: () => figureOf(row),
    memory: () => columnOf(row, peakLabel) - columnOf(other, peakLabel)
  }[goal.by]()
  if (Number.isNaN(value)) return "–"
  const reaches = (bound: number) => goal.by === "ratio" ? value >= bound : value <= bound
  const found = goal.stretch !== undefined && reaches(goal.stretch)
    ? `meets the stretch of ${goal.stretch}`
    : reaches(goal.target)
    ? `meets the target of ${goal.target}`
    : `**misses the target of ${goal.target}**`
  if (goal.by === "memory") return `memory ${shown(value, 1)} MiB above the baseline's: ${found}`
  return goal.to === undefined ? found : `${shown(value, 2)} to ${other?.peer.title}: ${found}`
}

/** The markdown table of one workload, and under it why runs are not comparable. */
export const render = (workload: Workload, rows: ReadonlyArray<Row>): string => {
  const baseline = rows.find((row) => row.peer.name === workload.baseline)
  const columns = workload.columns
  const head = [
    "peer",
    workload.figure.label,
    `ratio (${baseline?.peer.title ?? workload.baseline} ÷ peer)`,
    ...(workload.repeats === undefined ? [] : ["least", "ratio of least"]),
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
      ...(workload.repeats === undefined
        ? []
        : [shown(leastOf(row), workload.figure.digits), shown(leastOf(baseline) / leastOf(row), 2)]),
      ...columns.map((column) => shown(columnOf(row, column.label), column.digits)),
      goalsOf(workload).filter((goal) => goal.peer === row.peer.name)
        .map((goal) => verdict(goal, workload, row, rows)).join("; ")
    ]
  })
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const table = [
    line(head),
    line(head.map((_, i) => i === 0 || i === head.length - 1 ? "---" : "---:")),
    ...body.map(line)
  ]
  return [`## ${workload.name}: ${workload.title}`, "", ...table, "", ...notes(rows), ""].join("\n")
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
