// Removes everything that the build, the tests and the examples make.
import { rmSync } from "node:fs"

for (
  const path of [
    ".tsbuildinfo",
    "coverage",
    "docs/.examples",
    "packages/core/dist",
    "packages/node/dist",
    "packages/clients/dist"
  ]
) {
  rmSync(new URL(`../${path}`, import.meta.url), { recursive: true, force: true })
}
