// Type-checks and runs every example: the fenced blocks of the @example tags in packages/*/src, and those of the
// Markdown files. A block marked "ts" is type-checked and run, one marked "ts no-run" is only type-checked, and any other
// is left alone. Examples run against dist, each in a process of its own, as a user's program would.
//
// node docs/examples.mjs [part of a path]...   only the examples of the files that match
import { execFile, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const out = join(root, "docs", ".examples")
const packages = ["core", "node", "clients"]
const timeLimit = 30_000
const concurrency = 2

const files = (directory, extension) =>
  existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return /^(node_modules|\..*)$/.test(entry.name) ? [] : files(path, extension)
      return entry.name.endsWith(extension) ? [path] : []
    })
    : []

const lineAt = (text, index) => text.slice(0, index).split("\n").length

const fences = (text, linesBefore) =>
  Array.from(text.matchAll(/^ {0,3}```(ts(?: [\w-]+)*)\n([^]*?)^ {0,3}```/gm), (match) => ({
    info: match[1],
    code: match[2],
    line: linesBefore + lineAt(text, match.index)
  }))

const fromMarkdown = (path) => fences(readFileSync(path, "utf8"), 0).map((fence) => ({ ...fence, path }))

const fromSource = (path) => {
  const text = readFileSync(path, "utf8")
  return Array.from(text.matchAll(/\/\*\*[^]*?\*\//g)).flatMap((comment) => {
    const body = comment[0].replace(/\*\/$/, "").replace(/^[ \t]*\/?\*+ ?/gm, "")
    return fences(body, lineAt(text, comment.index) - 1).map((fence) => ({ ...fence, path }))
  })
}

const wanted = process.argv.slice(2)
const examples = [
  ...packages.flatMap((name) => files(join(root, "packages", name, "src"), ".ts").flatMap(fromSource)),
  ...[join(root, "README.md"), ...packages.map((name) => join(root, "packages", name, "README.md"))]
    .filter((path) => existsSync(path)).flatMap(fromMarkdown),
  ...files(join(root, "docs"), ".md").flatMap(fromMarkdown)
]
  .map((example) => ({ ...example, where: `${relative(root, example.path)}:${example.line}` }))
  .filter((example) => /^ts( no-run)?$/.test(example.info))
  .filter((example) => wanted.length === 0 || wanted.some((part) => example.where.includes(part)))
  .map((example) => ({ ...example, name: example.where.replace(/\.(ts|md):/, "-").replace(/[^\w.-]+/g, "__") }))

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
writeFileSync(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: {
      rootDir: ".",
      outDir: "js",
      tsBuildInfoFile: "examples.tsbuildinfo",
      declaration: false,
      declarationMap: false,
      composite: false,
      incremental: true,
      noUnusedLocals: false,
      types: ["node"]
    },
    include: ["*.ts"],
    references: packages.map((name) => ({ path: `../../packages/${name}/tsconfig.src.json` }))
  })
)
for (const example of examples) writeFileSync(join(out, `${example.name}.ts`), example.code)
if (examples.length === 0) {
  console.log("no examples")
  process.exit(0)
}

const tsc = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-b", "--pretty", "false", out], {
  cwd: out,
  encoding: "utf8",
  shell: process.platform === "win32"
})
if (tsc.status !== 0) {
  // Positions in an extracted file become positions in the file that it comes from.
  const place = new Map(examples.map((example) => [`${example.name}.ts`, example]))
  console.log(
    `${tsc.stdout}${tsc.stderr}`.replace(/^(?:.*\/)?([^/\n(]+\.ts)\((\d+),(\d+)\)/gm, (all, name, line, column) => {
      const example = place.get(name)
      return example === undefined ? all : `${relative(root, example.path)}:${example.line + Number(line)}:${column}`
    })
  )
  console.log("the examples do not type-check")
  process.exit(1)
}

const runnable = examples.filter((example) => example.info === "ts")
const run = (example) =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--enable-source-maps", join(out, "js", `${example.name}.js`)],
      { cwd: out, timeout: timeLimit, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        if (error !== null) {
          const why = error.killed ? `still running after ${timeLimit / 1000} s` : `exit code ${error.code}`
          console.log(`${example.where}: ${why}\n${(stdout + stderr).slice(-2000)}`)
        }
        resolve(error === null)
      }
    )
  })

let failed = 0
const queue = runnable.values()
await Promise.all(Array.from({ length: concurrency }, async () => {
  for (const example of queue) if (!(await run(example))) failed++
}))
console.log(`examples: ${examples.length} type-checked, ${runnable.length} run, ${failed} of them failing`)
process.exit(failed === 0 ? 0 : 1)
