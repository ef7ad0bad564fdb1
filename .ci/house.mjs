// The rule of the house: no circle of imports, types counted, ties two public modules; the folders of core's internal/
// keep their order, and import no door; node and clients import core, and core neither; the pages for contributors name
// what exists; each file begins with what it holds, and no port is made up. Run: node .ci/house.mjs
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
/** From the bottom up: a file imports its own floor and those before it. */
const floors = ["effect", "time", "", "x509", "socket", "tls", "net", "datagram", "thread", "dispatcher"]
/** Public modules of core that open, make or run something: only other doors, the index and the contract import them. */
const doors =
  /^packages\/core\/src\/(Copas|Dns|Future|Lock|Metrics|Net|PlatformSocket|Semaphore|Timer|Tls|Udp|WorkQueue)\.ts$/
const packages = { core: ["core"], node: ["node", "core"], clients: ["clients", "core"] }

const filesIn = (directory) =>
  readdirSync(directory, { recursive: true }).filter((name) => name.endsWith(".ts")).map((name) =>
    join(directory, name)
  )
const files = Object.keys(packages).flatMap((name) => filesIn(join(root, "packages", name, "src")))
const show = (file) => relative(root, file).split(sep).join("/")
const packageOf = (file) => show(file).split("/")[1]
/** A module that users import: everything outside of a folder `internal` or `cases`, except the indexes. */
const isPublic = (file) => !/\/(internal|cases)\/|\/(index|bin)\.ts$/.test(show(file))
const floorOf = (file) => {
  const inside = /^packages\/core\/src\/internal\/(?:(.+)\/)?[^/]+$/.exec(show(file))
  return inside === null ? -1 : floors.indexOf(inside[1] ?? "")
}

const resolve = (from, specifier) => {
  const own = /^@copas\/(\w+)(?:\/(.+))?$/.exec(specifier)
  const path = own === null
    ? join(dirname(from), specifier.replace(/\.js$/, ".ts"))
    : join(root, "packages", own[1], "src", `${own[2] ?? "index"}.ts`)
  return [path, path.replace(/\.ts$/, "/index.ts")].find(existsSync)
}
const importsOf = (file) =>
  Array.from(
    readFileSync(file, "utf8").matchAll(/^(?:import|export)\b(?:[^"'`;]*?\bfrom)?\s*["']((?:\.|@copas\/)[^"']+)["']/gm)
  )
    .map(([, specifier]) => resolve(file, specifier)).filter((target) => target !== undefined)
const graph = new Map(files.map((file) => [file, importsOf(file)]))
const problems = []

for (const [file, targets] of graph) {
  if (show(file).startsWith("packages/core/src/internal/") && floorOf(file) === -1) {
    problems.push(`${show(file)}: its folder has no floor in .ci/house.mjs`)
  }
  for (const target of targets) {
    if (!packages[packageOf(file)].includes(packageOf(target))) problems.push(`${show(file)} imports ${show(target)}`)
    const [from, to] = [floorOf(file), floorOf(target)]
    if (from !== -1 && doors.test(show(target))) problems.push(`${show(file)} imports ${show(target)}, which is a door`)
    if (from !== -1 && to > from) problems.push(`${show(file)} imports ${show(target)}, a floor above its own`)
  }
}

/** What another major version of Effect would change stands in the folders `internal/effect/`: docs/architecture.md, The seam. */
const seam = new RegExp(
  [
    "Effect\\.(async\\w*|checkInterruptible|clock|fiberId\\w*|inheritFiberRefs|locally\\w*|runtime|withClock|withRandom|withFiberRuntime|withRuntimeFlags\\w*|withScheduler)",
    "(Runtime|FiberRefs?|FiberId|FiberStatus|RuntimeFlags\\w*|Scheduler|DefaultServices|ExecutionStrategy|PCGRandom)",
    "Context\\.Reference|RuntimeFiber|current(Context|DefaultServices|Scheduler)|(add|remove)Observer",
    "Cause\\.(interruptors|is|match|reduce|fail\\w+(Option|OrCause)|failures|defects|die\\w*Option|parallel|sequential|pretty)\\w*|Exit\\.(isInterrupted|zip\\w*)",
    "cause\\._tag|SystemError|BadArgument|concurrent: true",
    "Stream\\.(async\\w*|repeat\\w*Option|unfold\\w*|paginate\\w*)|Fiber\\.(roots|poll)|fiber\\.(status|children)|getFiberRefs?",
    "unsafe(?!NextMillis|Advance)[A-Z]\\w*"
  ].map((names) => `\\b(${names})\\b`).join("|")
)
/** A contract case names Effect's operations on scopes one by one: to prove that a thread's scope does them all. */
const isOnEffect = (file) => /\/internal\/effect\/|\/contract\/cases\/scoping\.ts$/.test(show(file))
for (const file of files.filter((file) => !isOnEffect(file))) {
  for (const [at, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const named = /^\s*(\*|\/\/|\/\*)/.test(line) ? null : seam.exec(line)
    if (named !== null) problems.push(`${show(file)}:${at + 1}: ${named[0]} belongs into internal/effect/`)
  }
}

// A simulation is the same twice: the clock, chance and counters of the machine are the platform's and Effect's to give.
for (const file of files.filter((file) => packageOf(file) !== "node" && !show(file).endsWith("/x509.ts"))) {
  const [used] = /\bMath\.random\b|\bDate\.now\b|\bnew Date\(\)|\brandomUUID\b/.exec(readFileSync(file, "utf8")) ?? []
  if (used !== undefined) problems.push(`${show(file)}: ${used} differs between two runs of a simulation`)
}

/** Strongly connected components (Tarjan). */
const index = new Map()
const low = new Map()
const stack = []
const visit = (file) => {
  index.set(file, index.size)
  low.set(file, index.get(file))
  stack.push(file)
  for (const target of graph.get(file) ?? []) {
    if (!index.has(target)) visit(target)
    if (stack.includes(target)) low.set(file, Math.min(low.get(file), low.get(target)))
  }
  if (low.get(file) !== index.get(file)) return
  const circle = stack.splice(stack.indexOf(file))
  const tied = circle.filter(isPublic)
  if (tied.length < 2) return
  problems.push(`one circle ties ${tied.map(show).join(", ")}:`)
  for (const member of circle) {
    problems.push(
      `  ${show(member)} → ${graph.get(member).filter((target) => circle.includes(target)).map(show).join(", ")}`
    )
  }
}
for (const file of files) if (!index.has(file)) visit(file)

// Every file begins with a sentence that says what it holds, and asks listeners and sockets for their ports.
const scripts = (directory) =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return /^(node_modules|dist|build|\.examples)$/.test(entry.name) ? [] : scripts(path)
    return /\.m?[jt]s$/.test(entry.name) ? [path] : []
  })
for (const file of ["packages", "scratchpad", "docs", ".ci"].flatMap((folder) => scripts(join(root, folder)))) {
  const text = readFileSync(file, "utf8")
  const most = /\/(test|dtslint)\//.test(show(file)) ? 600 : 400
  if (text.split("\n").length - 1 > most) problems.push(`${show(file)}: more than ${most} lines; cut it by subject`)
  for (const [comment, name] of text.matchAll(/\/\*\*\s+(?:\* @(?!example)\w+.*\s+)*\*\/\s*(.*)/g)) {
    problems.push(`${show(file)}: the doc comment before ${name || comment} has no words`)
  }
  if (!/^(#!.*\n)?\/(\/|\*\*)\s/.test(text)) problems.push(`${show(file)}: no sentence at its top says what it holds`)
  if (/"InetAddress"\s+\? [\w.]+\.port\s+: 0/.test(text)) {
    problems.push(`${show(file)}: a port of 0 where there is none; write listener.port, socket.localPort or remotePort`)
  }
}

// What the pages for contributors name exists: paths, in any of the folders below, and the functions in the cell after one.
const pages = ["docs/architecture.md", "docs/contributing-tests.md", "CONTRIBUTING.md", "SECURITY.md"]
const folders = [
  ".",
  "packages",
  ...Object.keys(packages).flatMap((name) => [`packages/${name}/src`, `packages/${name}/src/internal`])
]
const placeOf = (path) => folders.map((folder) => join(root, folder, path)).find(existsSync)
for (const page of pages) {
  for (const line of readFileSync(join(root, page), "utf8").split("\n")) {
    const problem = (what) => problems.push(`${page} names ${what}, which is not there: ${line.slice(0, 60)} …`)
    for (const [, path] of line.matchAll(/`(\.?(?:\w+\/)+[\w.]*|[\w/.]+\.m?ts)`/g)) if (!placeOf(path)) problem(path)
    const [, path, names] = /^\| \d+ \| `([^`]+)` \| ([^|]+) \|/.exec(line) ?? []
    for (const [, name] of (names ?? "").matchAll(/`(\w+)`/g)) {
      const file = placeOf(path)
      if (file && !new RegExp(`\\b${name}\\b`).test(readFileSync(file, "utf8"))) problem(`${name} of ${path}`)
    }
  }
}

for (const problem of problems) console.log(problem)
console.log(
  problems.length === 0
    ? `${files.length} files keep the rule of the house`
    : "see docs/architecture.md, The rooms of core"
)
process.exit(problems.length === 0 ? 0 : 1)
