/** Runs a workload against a peer once. */
import { setTimeout as sleep } from "node:timers/promises"
import { cpuTime, descriptorLimit, peakMemory, readCpu, resetPeak, residentMemory, usedBetween } from "./cpu.js"
import type { ClientWorkload, LoadContext, Outcome, Peer, ServerWorkload, ThreadWorkload, Workload } from "./model.js"
import type { Options } from "./options.js"
import { expectLine, loadCore, type Program, serverCore, start } from "./program.js"

/** Runs a workload against a peer once. What goes wrong is in the outcome: one bad run does not end the bench. */
export const run = async (
  workload: Workload,
  peer: Peer,
  options: Options,
  directory: string
): Promise<Outcome> => {
  if (workload.kind === "clients") return visit(workload, peer, options, directory)
  let program: Program | undefined
  try {
    program = start(serverCore, peer.command(directory, workload.mode))
    const port = await expectLine(program, "READY")
    const outcome = workload.kind === "server"
      ? await drive(workload, program, port, options, directory)
      : await rounds(workload, program, options)
    const ended = program.ended()
    return ended === undefined ? outcome : { ...outcome, broken: ended }
  } catch (error) {
    return { figure: Number.NaN, columns: {}, remarks: [], broken: error instanceof Error ? error.message : `${error}` }
  } finally {
    await program?.stop()
  }
}

/** Descriptors that a process needs besides its connections. */
const spare = 100

const drive = async (
  workload: ServerWorkload,
  server: Program,
  port: number,
  options: Options,
  directory: string
): Promise<Outcome> => {
  const limit = descriptorLimit(server.pid)
  if (limit < workload.connections + spare) {
    throw new Error(`${workload.connections} connections want more than ${limit} descriptors: raise ulimit -n`)
  }
  const context: LoadContext = {
    host: "127.0.0.1",
    port,
    pid: server.pid,
    seconds: options.seconds,
    warmup: options.warmup,
    quick: options.quick
  }
  const load = start(loadCore, [process.execPath, `${directory}/load.js`, workload.name, JSON.stringify(context)])
  try {
    return JSON.parse(await load.line(), (_, value) => value === null ? Number.NaN : value) as Outcome
  } finally {
    await load.stop()
  }
}

/** Of the column that says how much resident memory a client took at most. */
export const peakLabel = "peak RSS above start MiB"

/** A client's rounds, server and client on a core each. */
const visit = async (
  workload: ClientWorkload,
  peer: Peer,
  options: Options,
  directory: string
): Promise<Outcome> => {
  let program: Program | undefined
  let stop: (() => Promise<void>) | undefined
  try {
    const server = await workload.start(options.quick)
    stop = server.stop
    const [file, ...args] = peer.command(directory, workload.mode)
    program = start(serverCore, [file, ...args, ...server.args])
    await expectLine(program, "READY")
    resetPeak(program.pid)
    const atStart = residentMemory(program.pid)
    const round = (): Promise<number> => {
      program!.tell("go")
      return expectLine(program!, "DONE")
    }
    // The JIT, the kernel's buffers and the server's caches.
    const warming = performance.now()
    do await round()
    while (performance.now() - warming < options.warmup * 1000)
    await sleep(200)
    const memory = residentMemory(program.pid)
    const from = readCpu([program.pid, server.pid])
    const begun = performance.now()
    let [done, last, least, before] = [0, 0, Number.POSITIVE_INFINITY, from.each[0]!]
    do {
      last = await round()
      done += last
      const now = cpuTime(program.pid)
      least = Math.min(least, (now - before) / 1000 / last)
      before = now
    } while (performance.now() - begun < options.seconds * 1000)
    const took = performance.now() - begun
    const used = usedBetween(from, readCpu([program.pid, server.pid]))
    const cpu = used.each[0]! / 1000 / done
    const mebibytes = (bytes: number): number => bytes / (1 << 20)
    const outcome = {
      figure: workload.counts === "clock" ? took / done : workload.counts === "cpu" ? cpu : last,
      ...(workload.counts === "cpu" ? { least } : {}),
      columns: {
        [workload.columns[0]!.label]: done / took * 1000,
        "CPU µs each": cpu,
        "RSS growth MiB": mebibytes(residentMemory(program.pid) - memory),
        [peakLabel]: mebibytes(peakMemory(program.pid) - atStart)
      },
      // The CPU time of a process suffers little from others; the clock's figures are ratios of one repeat.
      remarks: []
    }
    const fault = await server.fault?.()
    return fault === undefined ? outcome : { ...outcome, broken: fault }
  } catch (error) {
    return { figure: Number.NaN, columns: {}, remarks: [], broken: error instanceof Error ? error.message : `${error}` }
  } finally {
    await program?.stop()
    await stop?.()
  }
}

/** Programs that measure threads do one round of many for each line they are told. */
const rounds = async (workload: ThreadWorkload, program: Program, options: Options): Promise<Outcome> => {
  const round = (): Promise<number> => {
    program.tell("go")
    return expectLine(program, "DONE")
  }
  const during = async (seconds: number): Promise<number> => {
    const end = performance.now() + seconds * 1000
    let done = 0
    do {
      done += await round()
    } while (!workload.once && performance.now() < end)
    return done
  }
  await during(options.warmup)
  // What the warm-up left to the collector and the compiler is not the measured rounds' to pay.
  await sleep(200)
  const memory = residentMemory(program.pid)
  const from = readCpu([program.pid])
  const done = await during(options.seconds)
  const used = usedBetween(from, readCpu([program.pid]))
  return {
    figure: used.each[0]! / 1000 / done,
    columns: { "RSS kB": (residentMemory(program.pid) - memory) / 1024 / done },
    remarks: used.remarks
  }
}
