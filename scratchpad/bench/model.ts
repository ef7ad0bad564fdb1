/**
 * What a workload and a peer are. A new one of either is one small file, added to the list in its folder's `index.ts`.
 */

/** What the load process knows about the server that it drives. */
export interface LoadContext {
  readonly host: string
  readonly port: number
  /** The server's process id: its CPU time and memory are read from outside, so that every language is measured alike. */
  readonly pid: number
  /** Length of the measured window in seconds. */
  readonly seconds: number
  /** Seconds to run before the window opens: the JIT has to see the hot paths first. */
  readonly warmup: number
  /** Smaller volumes, for a look; not for figures. */
  readonly quick: boolean
}

/** What one run of one workload against one peer gave. */
export interface Outcome {
  /** The figure that counts, in the unit of the workload's `figure`. Lower is better, always. */
  readonly figure: number
  /** That of the best round within the run, where the run has several. */
  readonly least?: number
  /** Further numbers, by the labels of the workload's `columns`. */
  readonly columns: Readonly<Record<string, number>>
  /** Why this run is not comparable with the others. */
  readonly remarks: ReadonlyArray<string>
  /** What went wrong, if the run proves a fault: the bench then ends with a non-zero exit code. */
  readonly broken?: string
}

export interface Column {
  readonly label: string
  readonly digits: number
}

/** `ratio`: the baseline's figure ÷ the peer's, higher is better. `figure`: the figure itself, lower is better. */
export interface Goal {
  readonly by: "ratio" | "figure"
  readonly target: number
  readonly stretch?: number
}

/**
 * What one of several rows of a table is to reach. `to`: the peer of the ratio, if it is not the baseline. `memory`: MiB
 * that its peak of resident memory may be above the baseline's.
 */
export interface PeerGoal extends Omit<Goal, "by"> {
  readonly peer: string
  readonly by: Goal["by"] | "memory"
  readonly to?: string
}

interface Described {
  readonly name: string
  /** A word that stands for several workloads on the command line. */
  readonly group: string
  readonly title: string
  /** The mode of the peer's program. */
  readonly mode: string
  readonly figure: Column
  readonly columns: ReadonlyArray<Column>
  /** The peer that the ratios are taken to. */
  readonly baseline: string
  readonly goal?: Goal
  readonly goals?: ReadonlyArray<PeerGoal>
  /** Repeats unless the command line says how many; 3 if absent. */
  readonly repeats?: number
}

/** A server in one process, a load generator in another. */
export interface ServerWorkload extends Described {
  readonly kind: "server"
  /** Connections at once: a peer may have a limit, and so may the shell. */
  readonly connections: number
  /** Runs in the load process. */
  readonly load: (context: LoadContext) => Promise<Outcome>
}

/** A program that does rounds of something inside itself when it is told to. */
export interface ThreadWorkload extends Described {
  readonly kind: "threads"
  /** Each round leaves its threads behind: one to warm up, one that is measured, with its memory. */
  readonly once: boolean
}

/** A client program that does rounds when it is told to, against a server that the workload starts. */
export interface ClientWorkload extends Described {
  readonly kind: "clients"
  /**
   * What the figure counts, for each of what is done: milliseconds by the clock, or the client's CPU time in µs. Or it is
   * the result of a round.
   */
  readonly counts: "clock" | "cpu" | "result"
  /** What to install for the server, or undefined when it is there. */
  readonly missing: () => string | undefined
  /** What the peers' programs are given besides, and how the server ends. */
  readonly start: (quick: boolean) => Promise<{
    readonly args: ReadonlyArray<string>
    readonly pid: number
    /** What the server finds wrong with what it was sent. */
    readonly fault?: () => Promise<string | undefined>
    readonly stop: () => Promise<void>
  }>
}

export type Workload = ServerWorkload | ThreadWorkload | ClientWorkload

export type Command = readonly [string, ...Array<string>]

export interface Peer {
  readonly name: string
  readonly title: string
  readonly modes: ReadonlyArray<string>
  /** The most connections it survives. */
  readonly limit?: { readonly connections: number; readonly why: string }
  /** What to install for it to run here, or undefined when it can. */
  readonly missing: () => string | undefined
  /** Bundles or compiles into `directory`, once. */
  readonly build: (directory: string) => Promise<void>
  readonly command: (directory: string, mode: string) => Command
}
