/** What the servers of the HTTP server's workloads answer, and their load expects. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The answer to `/`. */
export const hello = "Hello, World!"

/** The file's bytes. */
export const page = Buffer.from("0123456789abcdef".repeat(640))
export const pageName = "page.txt"

/** A folder with the file, for as long as the process lasts. */
export const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "copas-bench-"))
  writeFileSync(join(folder, pageName), page)
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))
  return folder
}

/** The stream: the number of its parts, and the bytes of each. */
export const parts = 1024
export const part = new Uint8Array(65_536)
