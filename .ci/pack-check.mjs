// What would be published: each tarball holds exactly dist, src, package.json, README.md and LICENSE, dist matches src
// file by file, and plain Node can import every public module of it.
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const problems = []

const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
if (!workspaces.includes("packages/*")) problems.push("package.json: packages/* are no workspaces")
if (/"resolved": "\w+:\/\//.test(readFileSync(join(root, "package-lock.json"), "utf8"))) {
  problems.push("package-lock.json: names the registry that it was made with")
}
const core = JSON.parse(readFileSync(join(root, "packages", "core", "package.json"), "utf8"))
const coreRange = `>=${core.version.replace(/\.\d+$/, ".0")} <${Number(core.version.split(".")[0]) + 1}.0.0`
const license = readFileSync(join(root, "LICENSE"), "utf8")

for (const name of readdirSync(join(root, "packages"))) {
  const directory = join(root, "packages", name)
  let manifest
  try {
    manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
  } catch {
    continue
  }
  const report = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--loglevel=error"], {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    shell: process.platform === "win32"
  }))
  const [pack] = Object.values(report)
  const packed = new Set(pack.files.map((file) => file.path))
  const say = (text) => problems.push(`${manifest.name}: ${text}`)

  for (const path of ["package.json", "README.md", "LICENSE", "dist/index.js", "dist/index.d.ts", "src/index.ts"]) {
    if (!packed.has(path)) say(`${path} is missing`)
  }
  if (readFileSync(join(directory, "LICENSE"), "utf8") !== license) say("LICENSE differs from the root's")
  // A peer, so that a program has one copy of the tags and of the errors. "^0.1.0" would have changesets take every minor
  // release of core for a breaking one of its dependents (1.0.0 at once); this range is raised by hand instead.
  const peer = manifest.peerDependencies?.["@copas/core"]
  if (peer !== undefined && peer !== coreRange) say(`peerDependencies: @copas/core should be "${coreRange}"`)
  const modules = []
  for (const path of packed) {
    if (/^(package\.json|README\.md|LICENSE)$/.test(path)) continue
    const source = /^src\/(.+)\.ts$/.exec(path)?.[1]
    const built = /^dist\/(.+?)(\.d\.ts|\.js)(\.map)?$/.exec(path)?.[1]
    if (source !== undefined) {
      modules.push(source)
      for (const extension of [".js", ".js.map", ".d.ts", ".d.ts.map"]) {
        if (!packed.has(`dist/${source}${extension}`)) say(`dist/${source}${extension} is missing: npm run build`)
      }
    } else if (built !== undefined) {
      if (!packed.has(`src/${built}.ts`)) say(`${path} has no source: npm run clean, npm run build`)
    } else if (path !== manifest.bin?.[Object.keys(manifest.bin ?? {})[0]]) {
      say(`${path} does not belong in the package`)
    }
  }
  for (const module of modules) {
    // What runs as a command is nobody's module.
    if (manifest.exports[`./${module}`] === null) continue
    if (/(^|\/)internal\//.test(module) || /^testing\/./.test(module) && module !== "testing/index") continue
    const entry = module === "index" ? "" : `/${module.replace(/\/index$/, "")}`
    const imported = import.meta.resolve(`${manifest.name}${entry}`)
    if (!imported.includes("/dist/")) say(`${entry} resolves to ${imported}`)
    // The conformance suites of ./testing import the test runner, which only runs inside itself.
    if (entry !== "/testing") await import(imported).catch((error) => say(`${entry || "index"}: ${error.message}`))
  }
  for (const hidden of ["internal/x", "index"]) {
    try {
      createRequire(import.meta.url).resolve(`${manifest.name}/${hidden}`)
      say(`./${hidden} can be imported`)
    } catch (error) {
      if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") say(`./${hidden}: ${error.message}`)
    }
  }
  console.log(`${manifest.name}@${manifest.version}: ${packed.size} files, ${Math.round(pack.size / 1024)} kB packed`)
}

for (const problem of problems) console.log(problem)
process.exit(problems.length === 0 ? 0 : 1)
