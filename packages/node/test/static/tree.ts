/** Directories and files for the tests of static files, and the descriptors that a directory's files take. */
import { Effect, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** Names with a slash at their end are directories, values that begin with "->" links. */
export type Tree = Readonly<Record<string, string | Uint8Array>>

/** Writes the tree into a new directory, which the scope removes. Files are an hour old. */
export const make = (tree: Tree): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "copas-static-")))
      for (const [name, content] of Object.entries(tree)) write(root, name, content)
      return root
    }),
    (root) => Effect.sync(() => Fs.rmSync(root, { recursive: true, force: true }))
  )

export const write = (root: string, name: string, content: string | Uint8Array): void => {
  const path = Path.join(root, name)
  Fs.mkdirSync(name.endsWith("/") ? path : Path.dirname(path), { recursive: true })
  if (name.endsWith("/")) return
  if (typeof content === "string" && content.startsWith("->")) return Fs.symlinkSync(content.slice(2), path)
  Fs.writeFileSync(path, content)
  const old = new Date(Date.now() - 3_600_000)
  Fs.utimesSync(path, old, old)
}

/** What this process has open below a directory. */
export const openBelow = (root: string): ReadonlyArray<string> =>
  Fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = Fs.readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(root) ? [path] : []
    } catch {
      return []
    }
  })

/** Waits until no more than `left` files below the directory are open: the system's own threads close them. */
export const closed = (root: string, left = 0): Effect.Effect<void> =>
  Effect.suspend(() =>
    openBelow(root).length <= left
      ? Effect.void
      : Effect.zipRight(Effect.promise(() => new Promise((resolve) => setImmediate(resolve))), closed(root, left))
  )
