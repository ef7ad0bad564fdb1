/** The packages as npm has them, made from the sources, and folders beside them for scripts. */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const sourcesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))

/**
 * A folder in which `@copas/core` and `@copas/node` are found as JavaScript. A process that takes them from the sources
 * spends more than half of its time on compiling them.
 */
export const make = (): { readonly folder: string; readonly bin: string } => {
  const folder = mkdtempSync(join(root, "node_modules/.runner-"))
  const packageOf = (name: string): string => join(folder, "node_modules/@copas", name)
  for (const name of ["core", "node"]) {
    const source = join(root, "packages", name)
    mkdirSync(packageOf(name), { recursive: true })
    copyFileSync(join(source, "package.json"), join(packageOf(name), "package.json"))
    // Not esbuild's functions: they leave a process behind that this one would have to end.
    execFileSync(join(root, "node_modules/.bin/esbuild"), [
      ...sourcesOf(join(source, "src")),
      `--outbase=${join(source, "src")}`,
      `--outdir=${join(packageOf(name), "dist")}`,
      "--format=esm",
      "--target=node20",
      "--log-level=error"
    ])
  }
  return { folder, bin: join(packageOf("node"), "dist/bin.js") }
}
