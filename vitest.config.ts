/** The settings of `npm test`. */
import { availableParallelism } from "node:os"
import { configDefaults, defineConfig } from "vitest/config"

// Tests run from the sources: the condition below resolves @copas/* to packages/*/src.
const conditions = ["copas-source"]

export default defineConfig({
  // Not `module`: it means what bundlers take, and some of that Node does not load.
  resolve: { conditions: [...conditions, "node", "development|production"] },
  ssr: {
    resolve: { conditions: [...conditions, "node", "development|production"], externalConditions: ["node"] }
  },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "packages/*/test/servers/**"],
    environment: "node",
    pool: "forks",
    // Vitest would leave one core to itself. A process for each file would cost more than most files do; vitest.setup.ts
    // holds each of them to leaving its process as it found it.
    poolOptions: { forks: { isolate: false, maxForks: availableParallelism() } },
    setupFiles: ["./vitest.setup.ts"],
    retry: 0,
    sequence: { concurrent: false },
    // At least ten times what the slowest test takes on a quiet machine.
    testTimeout: 60_000,
    hookTimeout: 30_000,
    server: { deps: { inline: [/^@copas\//, /\/packages\/(core|node|clients)\//] } },
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      reporter: ["text-summary", "html", "json-summary"],
      reportsDirectory: "coverage"
    }
  }
})
