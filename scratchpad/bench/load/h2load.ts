/** nghttp2's load generator, where it is installed. */
import { spawn, spawnSync } from "node:child_process"
import type { LoadContext } from "../model.js"
import type { HttpLoop, HttpLoopOptions } from "./http-loop.js"

export const hasH2load = spawnSync("h2load", ["--version"], { stdio: "ignore" }).status === 0

/** The same requests by h2load, which opens new connections for each run. It can be told nothing of `perConnection`. */
export const h2load = (
  context: LoadContext,
  options: HttpLoopOptions & { readonly sessions?: number }
): HttpLoop => {
  const { connections, secure = false, sessions, target } = options
  let done = 0
  return {
    run: (requests) =>
      new Promise((resolve, reject) => {
        const child = spawn("h2load", [
          ...(sessions === undefined
            ? ["--h1", "-H", "connection: keep-alive", "-c", String(connections)]
            : ["-c", String(sessions), "-m", String(Math.ceil(connections / sessions))]),
          "-n",
          String(requests),
          `http${secure ? "s" : ""}://${context.host}:${context.port}${target}`
        ], { stdio: ["ignore", "pipe", "pipe"] })
        let said = ""
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (chunk: Buffer) => {
            said += chunk.toString()
          })
        }
        child.on("error", reject)
        child.on("close", () => {
          const good = Number(/status codes: (\d+) 2xx/.exec(said)?.[1])
          if (good !== requests) return reject(new Error(`h2load: ${good} of ${requests}: ${said.slice(-500)}`))
          done += good
          resolve()
        })
      }),
    done: () => done,
    stop: () => {}
  }
}
