// What would be published: each tarball holds exactly dist, src, package.json, README.md, LICENSE and, from the first
// release on, CHANGELOG.md; dist matches src file by file; plain Node can import every public module of it; npm shows what
// a user looks for; publint and "Are the types wrong" find nothing.
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const problems = []

const { engines, workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
if (!workspaces.includes("packages/*")) problems.push("package.json: packages/* are no workspaces")
if (/"resolved": "\w+:\/\//.test(readFileSync(join(root, "package-lock.json"), "utf8"))) {
  problems.push("package-lock.json: names the registry that it was made with")
}
const core = JSON.parse(readFileSync(join(root, "packages", "core", "package.json"), "utf8"))
const coreRange = `>=${core.version.replace(/\.\d+$/, ".0")} <${Number(core.version.split(".")[0]) + 1}.0.0`
const license = readFileSync(join(root, "LICENSE"), "utf8")

/** The line that installs a package, as each README has it near its top; consumers.mjs runs it. */
const installLine =
  /^```sh\nnpm install (?:@copas\/\w+ )+effect@3 @effect\/platform@0\.\d+(?: @effect\/platform-node@0\.\d+)?\n```$/m
for (const path of ["README.md", ...["core", "node", "clients"].map((name) => `packages/${name}/README.md`)]) {
  const top = readFileSync(join(root, path), "utf8").split("\n").slice(0, 14).join("\n")
  if (!installLine.test(top)) problems.push(`${path}: no install line with versions at the top`)
  if (!/for Effect 3.*Effect 4/.test(top)) problems.push(`${path}: no sentence about Effect 4 at the top`)
}

/** The suites for those who write a platform: they are imported, not debugged, so they come without sources and maps. */
const isBare = (module) => module.startsWith("contract/")
const scratch = mkdtempSync(join(tmpdir(), "copas-pack-"))

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
  for (const field of ["description", "keywords", "homepage", "bugs", "repository", "license", "engines"]) {
    if (manifest[field] === undefined) say(`package.json: ${field} is missing`)
  }
  if (manifest.engines?.node !== engines.node) say(`package.json: engines should be ${JSON.stringify(engines)}`)
  const modules = []
  for (const path of packed) {
    if (/^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path)) continue
    const source = /^src\/(.+)\.ts$/.exec(path)?.[1]
    const built = /^dist\/(.+?)(\.d\.ts|\.js)(\.map)?$/.exec(path)?.[1]
    if (source !== undefined) {
      modules.push(source)
      for (const extension of [".js", ".js.map", ".d.ts", ".d.ts.map"]) {
        if (!packed.has(`dist/${source}${extension}`)) say(`dist/${source}${extension} is missing: npm run build`)
      }
    } else if (built !== undefined && isBare(built)) {
      if (path.endsWith(".map")) say(`${path} does not belong in the package`)
      if (path.endsWith(".js")) modules.push(built)
    } else if (built !== undefined) {
      if (!packed.has(`src/${built}.ts`)) say(`${path} has no source: npm run clean, npm run build`)
    } else if (path !== manifest.bin?.[Object.keys(manifest.bin ?? {})[0]]) {
      say(`${path} does not belong in the package`)
    }
  }
  for (const module of modules) {
    // What runs as a command is nobody's module.
    if (manifest.exports[`./${module}`] === null) continue
    if (/(^|\/)internal\//.test(module) || /^(testing|contract)\/./.test(module) && !module.endsWith("/index")) continue
    const entry = module === "index" ? "" : `/${module.replace(/\/index$/, "")}`
    const imported = import.meta.resolve(`${manifest.name}${entry}`)
    if (!imported.includes("/dist/")) say(`${entry} resolves to ${imported}`)
    await import(imported).catch((error) => say(`${entry || "index"}: ${error.message}`))
  }
  for (const hidden of ["internal/x", "index"]) {
    try {
      createRequire(import.meta.url).resolve(`${manifest.name}/${hidden}`)
      say(`./${hidden} can be imported`)
    } catch (error) {
      if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") say(`./${hidden}: ${error.message}`)
    }
  }
  const tarball = execFileSync("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", scratch], {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    shell: process.platform === "win32"
  })
  const file = join(scratch, Object.values(JSON.parse(tarball))[0].filename)
  for (
    const [tool, ...args] of [
      ["publint/src/cli.js", "run", "--strict", "--pack", "npm", directory],
      // ES modules alone are what these packages are; Node 20.19 and newer can require them all the same.
      ["@arethetypeswrong/cli/dist/index.js", "--profile", "esm-only", "--format", "ascii", "--no-emoji", file]
    ]
  ) {
    const { status, stderr, stdout } = spawnSync(process.execPath, [join(root, "node_modules", tool), ...args], {
      encoding: "utf8"
    })
    if (status !== 0) say(`${tool.replace(/\/(src|dist)\/.*/, "")}:\n${stdout}${stderr}`)
  }
  console.log(
    `${manifest.name}@${manifest.version}: ${packed.size} files, ${Math.round(pack.size / 1024)} kB packed, ${
      Math.round(pack.unpackedSize / 1024)
    } kB unpacked`
  )
}

rmSync(scratch, { recursive: true })
for (const problem of problems) console.log(problem)
process.exit(problems.length === 0 ? 0 : 1)
