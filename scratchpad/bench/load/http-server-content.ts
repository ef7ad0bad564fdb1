/** What the servers of the HTTP server's workloads answer, and their load expects. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The answer to `/`. */
export const hello = "Hello, World!"

/** The file's bytes. */
export const page = Buffer.from("0123456789abcdef".repeat(640))
export const pageName = "page.txt"

/** A folder with the file, beside the program: the bench kills its servers, so nothing could remove it at their end. */
export const makeFolder = (): string => {
  const folder = join(dirname(process.argv[1]!), "site")
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, pageName), page)
  return folder
}

/** The stream: the number of its parts, and the bytes of each. */
export const parts = 1024
export const part = new Uint8Array(65_536)
