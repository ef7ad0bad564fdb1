// Runs the type tests (packages/*/dtslint/*.tst.ts). tstyche drives TypeScript through the API that TypeScript 7 no
// longer has, so it is pointed at the TypeScript 5.9 of this workspace.
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const tstyche = createRequire(join(root, "package.json")).resolve("tstyche/package.json")
const { status } = spawnSync(
  process.execPath,
  [join(dirname(tstyche), "build/bin.js"), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      TSTYCHE_TYPESCRIPT_MODULE: createRequire(import.meta.url).resolve("typescript"),
      TSTYCHE_NO_INTERACTIVE: "true"
    }
  }
)
process.exit(status ?? 1)
