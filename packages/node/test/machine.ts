/** What this machine has, and a directory of it for a test. */
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

export const hasIpv6: boolean = Object.values(Os.networkInterfaces())
  .some((all) => all?.some(({ address }) => address === "::1"))

/** A directory of the test's own, which is removed with all that is in it. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "copas-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Whether a socket is in the group: /proc/net/igmp has it in hexadecimal, in this machine's byte order (proc(5)). */
export const isMember = (group: string): boolean =>
  Fs.readFileSync("/proc/net/igmp", "utf8").includes(
    group.split(".").reverse().map((octet) => Number(octet).toString(16).padStart(2, "0")).join("").toUpperCase()
  )
