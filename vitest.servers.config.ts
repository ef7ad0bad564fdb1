import { configDefaults, defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// Tests against real servers (packages/*/test/servers): they need the Debian packages that .ci/run installs.
const { exclude: _, include: __, ...test } = base.test!

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
