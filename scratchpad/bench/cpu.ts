/** CPU time, memory and descriptor limits of a process, as the system counts them. */
import * as fs from "node:fs"

/** `USER_HZ`: what /proc counts CPU time in, 100 on every Linux that Node runs on. */
const tick = 1e7

/**
 * CPU time that a process has used, all threads, in nanoseconds. The scheduler's own count has nanoseconds; where the
 * kernel does not keep it, the ticks of /proc/PID/stat do, given a window of seconds.
 */
export const cpuTime = (pid: number): number => {
  const tasks = `/proc/${pid}/task`
  let total = 0
  for (const task of fs.readdirSync(tasks)) {
    try {
      total += Number(fs.readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0])
    } catch {
      // The thread ended meanwhile, or the kernel has no schedstat.
    }
  }
  return total > 0 ? total : ticks(pid) * tick
}

/** Of the process itself; from 13 on, of those of its children that have ended. */
const ticks = (pid: number, first = 11): number => {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  // The command's name, in brackets, may hold spaces: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return Number(fields[first]) + Number(fields[first + 1])
}

/** Busy time of all cores since the machine started, in nanoseconds. */
const machineTime = (): number => {
  const [, user, nice, system, , , irq, softirq, steal] = fs.readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!
    .split(/\s+/).map(Number)
  return (user! + nice! + system! + irq! + softirq! + steal!) * tick
}

/** CPU time of some processes and of the whole machine at one moment, in nanoseconds. */
export interface Reading {
  readonly at: number
  readonly each: ReadonlyArray<number>
  readonly machine: number
}

/** What `pids` have used; `parent`, one of them, with its children that have ended. */
export const readCpu = (pids: ReadonlyArray<number>, parent?: number): Reading => ({
  each: pids.map((pid) => cpuTime(pid) + (pid === parent ? ticks(pid, 13) * tick : 0)),
  machine: machineTime(),
  at: Number(process.hrtime.bigint())
})

/** The remark on a run that others disturbed; such a run is worth making again. */
export const disturbed = "other processes kept the machine busy"

/** What each used between two readings, and a remark when others used much: noise that no ratio cures. */
export const usedBetween = (
  from: Reading,
  to: Reading
): { readonly each: ReadonlyArray<number>; readonly remarks: ReadonlyArray<string> } => {
  const each = to.each.map((value, i) => value - from.each[i]!)
  const others = to.machine - from.machine - each.reduce((sum, value) => sum + value, 0)
  // Of one core. The machine's count goes by ticks: the rest of a quiet machine is within a few per cent of nothing.
  return { each, remarks: others / (to.at - from.at) > 0.2 ? [disturbed] : [] }
}

/** Resident memory in bytes. `smaps_rollup` counts pages exactly; the counters of `status` lag behind by some. */
export const residentMemory = (pid: number): number => {
  const [file, pattern] = fs.existsSync(`/proc/${pid}/smaps_rollup`)
    ? [`/proc/${pid}/smaps_rollup`, /^Rss:\s+(\d+) kB/m] as const
    : [`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB/m] as const
  return Number(pattern.exec(fs.readFileSync(file, "utf8"))?.[1] ?? Number.NaN) * 1024
}

/** The most resident memory in bytes since it was last asked to begin again; NaN where the system does not count it. */
export const peakMemory = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024

/** Begins the count of the most resident memory again. */
export const resetPeak = (pid: number): void => fs.writeFileSync(`/proc/${pid}/clear_refs`, "5")

/** The soft limit of open descriptors of a process. */
export const descriptorLimit = (pid: number | "self"): number => {
  const found = /^Max open files\s+(\S+)/m.exec(fs.readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]
  return found === undefined || found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found)
}
