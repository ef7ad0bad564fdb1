// Runs on every Node but this one what depends on Node: the contract suites of sockets, datagrams, the dispatcher and TLS,
// all of TLS, FTP over TLS, the cases of HTTP, the HTTP server, CGI, SMTP's log-ins, sessions and TLS, the runner, and the
// README's examples. This one runs the whole suite anyway.
//
// node .ci/every-node.mjs [folder for vitest's JSON reports] [version...]
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { environmentOf, nodes } from "./nodes.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const [given, ...versions] = process.argv.slice(2)
const reports = given ?? mkdtempSync(join(tmpdir(), "copas-nodes-"))
mkdirSync(reports, { recursive: true })

/** Parts of paths of test files, as vitest takes them. */
const subjects = {
  contracts: ["node/test/copas.test", "socketContract.node", "node/test/udp/", "node/test/unix/"],
  dispatcher: ["node/test/dispatcher/"],
  "ends and time-outs": ["node/test/resetAtEnd", "node/test/lateDeadlines"],
  TLS: ["node/test/tls/"],
  names: ["node/test/dns/"],
  HTTP: [
    "node/test/http/",
    ...["codings", "connections", "credentials", "destinations", "framing", "redirects", "truncation"]
      .map((name) => `clients/test/http/${name}.test`)
  ],
  "HTTP server": ["node/test/httpServer/", "node/test/static/"],
  CGI: ["node/test/cgi/"],
  "FTP over TLS": ["clients/test/ftp/tls"],
  SMTP: [
    "clients/test/smtp/sending",
    "clients/test/smtp/transaction",
    "clients/test/smtp/login",
    "clients/test/smtp/testServer.tls",
    "clients/test/smtp/interruption.everyStep"
  ],
  runner: ["node/test/runner.test"]
}

const run = (node, args) =>
  spawnSync(node.path, args, { cwd: root, env: environmentOf(node), encoding: "utf8", maxBuffer: 1 << 28 })

const tests = (node) => {
  const file = join(reports, `tests-${node.version}.json`)
  const { stderr, stdout } = run(node, [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--silent=passed-only",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
    ...Object.values(subjects).flat()
  ])
  let report
  try {
    report = JSON.parse(readFileSync(file, "utf8"))
  } catch {
    console.log(`${stdout}${stderr}`.slice(-4000))
    return false
  }
  const counts = Object.entries(subjects).map(([subject, parts]) => {
    const files = report.testResults.filter(({ name }) => parts.some((part) => name.includes(part)))
    const passed = files.flatMap((file) => file.assertionResults).filter(({ status }) => status === "passed").length
    // A filter that matches nothing any more would be a silence that passes for success.
    const isEmpty = passed === 0 || parts.some((part) => !files.some(({ name }) => name.includes(part)))
    return { text: `${subject} ${passed}`, isEmpty }
  })
  const isGood = report.success && counts.every(({ isEmpty }) => !isEmpty)
  console.log(
    `${node.version}: ${
      counts.map(({ text }) => text).join(", ")
    }; ${report.numPassedTests} tests passed, ${report.numFailedTests} failed`
  )
  if (!isGood) console.log(`${stdout}${stderr}`.slice(-12000))
  return isGood
}

const examples = (node) => {
  const { status, stderr, stdout } = run(node, [join(root, "docs/examples.mjs"), "README.md"])
  console.log(`${node.version}: ${stdout.trim()}`)
  if (status !== 0) console.log(stderr)
  writeFileSync(
    join(reports, `examples-${node.version}.json`),
    JSON.stringify({
      numPassedTests: status === 0 ? Number(/(\d+) run/.exec(stdout)?.[1] ?? 0) : 0,
      numFailedTests: status === 0 ? 0 : 1,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: []
    })
  )
  return status === 0
}

let isGood = true
for (const node of nodes()) {
  if (node.version === process.version) console.log(`${node.version}: this one runs everything`)
  else if (versions.length === 0 || versions.some((version) => node.version.startsWith(`v${version}`))) {
    isGood = tests(node) && isGood
    isGood = examples(node) && isGood
  }
}
if (given === undefined) rmSync(reports, { recursive: true })
process.exit(isGood ? 0 : 1)
