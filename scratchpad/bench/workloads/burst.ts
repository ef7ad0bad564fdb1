/** A thousand connections at once, on a busy server. */
import { setTimeout as sleep } from "node:timers/promises"
import { echoLoop, lineRequest } from "../load/echo-loop.js"
import type { LoadContext, Outcome, ServerWorkload } from "../model.js"
import { median } from "../statistics.js"

const busy = 50
const newcomers = 1000

const load = async (context: LoadContext): Promise<Outcome> => {
  const request = (connection: number) => lineRequest(connection, 64, 1)
  const background = await echoLoop(context, { connections: busy, units: 1, request })
  await sleep(context.warmup * 1000)
  const from = background.done()
  const waits: Array<number> = []
  await new Promise<void>((resolve, reject) => {
    const arrivals = echoLoop(context, {
      connections: newcomers,
      units: 1,
      request,
      // They continue after it: whoever is served already competes with those who wait, as it is in a real burst.
      onFirstReply: (milliseconds) => {
        waits.push(milliseconds)
        if (waits.length === newcomers) resolve()
      }
    })
    arrivals.catch(reject)
    setTimeout(
      () => reject(new Error(`${newcomers - waits.length} of ${newcomers} still without a reply after 30 s`)),
      30_000
    )
  })
  return {
    figure: Math.max(...waits),
    columns: { "median wait ms": median(waits), "replies to the 50 meanwhile": background.done() - from },
    remarks: [],
    ...(background.fault() === undefined ? {} : { broken: background.fault()! })
  }
}

export const burst: ServerWorkload = {
  kind: "server",
  name: "burst",
  group: "burst",
  title: `${newcomers} connections at once while ${busy} keep the server busy: wait for the first reply`,
  mode: "echo",
  connections: busy + newcomers,
  baseline: "bare",
  figure: { label: "longest wait ms", digits: 0 },
  columns: [{ label: "median wait ms", digits: 0 }, { label: "replies to the 50 meanwhile", digits: 0 }],
  // Nobody is to wait for seconds.
  goal: { by: "figure", target: 1000 },
  load
}
