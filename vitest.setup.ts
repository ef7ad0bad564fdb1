/**
 * Runs before each test file. Files share their process (`isolate: false` in vitest.config.ts), as starting a process and
 * loading Effect costs more than most files do; so each must leave the process as it found it, and here that is asserted.
 */
import { it } from "@effect/vitest"
import { readdirSync, readlinkSync } from "node:fs"
import { afterAll } from "vitest"

// `layer` of @effect/vitest writes its own `effect`, `scoped` … onto the `it` that all files share: give it its own again.
const methods = Symbol.for("@copas/tests/it")
const shared = globalThis as { [methods]?: object }
shared[methods] ??= { ...it }
Object.assign(it, shared[methods])

/** How many sockets this process has. Pipes do not count: Node opens some for itself, for signals and standard input. */
const sockets = (): number => {
  try {
    return readdirSync("/proc/self/fd").filter((name) => {
      try {
        return readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:")
      } catch {
        // The descriptor with which the directory itself was read.
        return false
      }
    }).length
  } catch {
    // Only Linux has it.
    return 0
  }
}

const handles = (): ReadonlyArray<string> =>
  process.getActiveResourcesInfo().filter((name) => /^(TCP|UDP|TLS|GetAddrInfo|ConnectWrap|Process)/.test(name)).sort()

const listeners = (): ReadonlyArray<string> =>
  process.eventNames().map((name) => `${String(name)}: ${process.listenerCount(name)}`).sort()

const state = () => ({
  sockets: sockets(),
  handles: handles(),
  listeners: listeners(),
  environment: { ...process.env },
  directory: process.cwd()
})

const changes = (before: NodeJS.ProcessEnv, after: NodeJS.ProcessEnv): string =>
  Object.keys({ ...before, ...after }).filter((name) => before[name] !== after[name]).join(", ")

const before = state()

afterAll(async () => {
  const until = Date.now() + 5000
  const wanted = JSON.stringify(before)
  // A closed socket gives its descriptor back some turns of the event loop later.
  while (JSON.stringify(state()) !== wanted && Date.now() < until) await new Promise((resolve) => setImmediate(resolve))
  const after = state()
  for (const key of Object.keys(before) as ReadonlyArray<keyof typeof before>) {
    const [was, is] = [JSON.stringify(before[key]), JSON.stringify(after[key])]
    if (was === is) continue
    // The values of variables may be secrets.
    const what = key === "environment" ? changes(before.environment, after.environment) : `were ${was}, are ${is}`
    throw new Error(`this file leaves another state of the process: ${key}: ${what}`)
  }
})
