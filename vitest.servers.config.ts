/** The settings of `npm run test:servers`. */
import { configDefaults, defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// Tests against real servers (packages/*/test/servers): they need the Debian packages that .ci/run installs.
// Each file has daemons of its own for as long as it lasts, and a process of its own, too.
const { exclude: _, include: __, poolOptions: ___, setupFiles: ____, ...test } = base.test!

export default mergeConfig(
  { ...base, test },
  defineConfig({
    test: {
      include: ["packages/*/test/servers/**/*.test.ts"],
      exclude: configDefaults.exclude,
      fileParallelism: false,
      testTimeout: 60_000,
      hookTimeout: 120_000
    }
  })
)
