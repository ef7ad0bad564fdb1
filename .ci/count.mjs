// Adds up what vitest's JSON reports in a directory say, and prints it as the last line of .ci/run.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

let passed = 0
let failed = 0
let skipped = 0
for (const name of readdirSync(process.argv[2]).filter((name) => name.endsWith(".json"))) {
  const report = JSON.parse(readFileSync(join(process.argv[2], name), "utf8"))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  // A file that could not be loaded, or that left something behind, is a failure though none of its tests is one.
  failed += report.testResults.filter((file) =>
    file.status === "failed" && file.assertionResults.every((test) =>
      test.status !== "failed"
    )
  ).length
}
console.log(`${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`)
process.exit(failed === 0 ? 0 : 1)
