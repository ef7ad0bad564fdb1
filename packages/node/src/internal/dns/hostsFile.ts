/** The system's hosts file (hosts(5)). */
import { type Family, familyOf } from "@copas/core/NetAddress"
import type { HostAddress } from "@copas/core/NetPlatform"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { suspend } from "../effect/fibers.js"

const path = process.platform === "win32"
  ? Path.join(process.env["SystemRoot"] ?? "C:\\Windows", "System32", "drivers", "etc", "hosts")
  : "/etc/hosts"

/** The addresses of `name` in the text of a hosts file, in its order, each once. */
export const parse = (text: string, name: string, family: Family | undefined): ReadonlyArray<HostAddress> => {
  const wanted = name.toLowerCase().replace(/\.$/, "")
  const found = new Map<string, HostAddress>()
  for (const line of text.split("\n")) {
    const [host = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/)
    const own = familyOf(host)
    if (own === undefined || (family !== undefined && own !== family)) continue
    if (names.some((one) => one.toLowerCase() === wanted)) found.set(host, { host, family: own })
  }
  return Array.from(found.values())
}

/** The addresses that the system's file gives to `name`; a file that cannot be read has none. */
export const lookup = (name: string, family: Family | undefined): Effect.Effect<ReadonlyArray<HostAddress>> =>
  suspend((resume) => {
    Fs.readFile(path, "utf8", (error, text) => resume(Effect.succeed(error === null ? parse(text, name, family) : [])))
  })
