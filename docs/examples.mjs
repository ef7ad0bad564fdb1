// Type-checks and runs every example: the fenced blocks of the @example tags in packages/*/src, and those of the
// Markdown files. Examples run against dist, each in a process of its own, as a user's program would. One fails when it
// does not type-check, does not end, leaves a promise or a fiber unsettled, ends with a code other than 0, or prints
// something other than its comments say (examples/instrument.mjs).
//
// The words after "ts" in the fence:
//   no-run        only type-checked, for what needs files or peers that are not here
//   serves        a program that serves until it is told to end: once it has printed a line it gets SIGTERM
//   file=name.ts  other examples of the same page can import it as "./name.js"; name.test.ts is run by vitest
// A block in another language is left alone. examples/faulty.md holds examples that must fail, so that this can.
//
// node docs/examples.mjs [part of a path]...   only the examples of the files that match
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { faulty, published } from "./examples/collect.mjs"
import { instrument } from "./examples/instrument.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const out = join(root, "docs", ".examples")
const packages = ["core", "node", "clients"]
/** Ends a process that hangs; nothing waits for it otherwise. */
const timeLimit = 30_000
const concurrency = 2

const wanted = process.argv.slice(2)
const all = [...published(root), ...faulty(root)]
const chosen = all.filter((example) => wanted.some((part) => example.where.includes(part)))
// Examples of one page may import each other, so a page is checked whole.
const examples = wanted.length === 0 ? all : all.filter(({ path }) => chosen.some((example) => example.path === path))
if (examples.length === 0) {
  console.log("no examples")
  process.exit(0)
}

rmSync(out, { recursive: true, force: true })
const write = (path, text) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
write(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: {
      rootDir: ".",
      noEmit: true,
      declaration: false,
      declarationMap: false,
      composite: false,
      noUnusedLocals: false,
      types: ["node"]
    },
    include: ["checked/**/*.ts"],
    references: packages.map((name) => ({ path: `../../packages/${name}/tsconfig.src.json` }))
  })
)
for (const example of examples) write(join(out, "checked", `${example.name}.ts`), example.code)

const tsc = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-b", "--pretty", "false", out], {
  cwd: out,
  encoding: "utf8",
  shell: process.platform === "win32"
})
if (tsc.status !== 0) {
  // Positions in an extracted file become positions in the file that it comes from.
  const place = new Map(examples.map((example) => [`checked/${example.name}.ts`, example]))
  console.log(
    `${tsc.stdout}${tsc.stderr}`.replace(/^.*: suggestion TS.*\n/gm, "").replace(
      /^(checked\/[^\n(]+\.ts)\((\d+),(\d+)\)/gm,
      (text, name, line, column) => {
        const example = place.get(name)
        return example === undefined ? text : `${relative(root, example.path)}:${example.line + Number(line)}:${column}`
      }
    )
  )
  console.log("the examples do not type-check")
  process.exit(1)
}

/** Runs a command; gives what is wrong with how it went, or undefined. */
const watch = (command, args, { onFirstOutput }) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: out, stdio: ["ignore", "pipe", "pipe"] })
    let text = ""
    let isTooLate = false
    const limit = setTimeout(() => {
      isTooLate = true
      child.kill("SIGKILL")
    }, timeLimit)
    child.stdout.once("data", () => onFirstOutput(child))
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (text += data))
    child.on("close", (code, signal) => {
      clearTimeout(limit)
      const why = isTooLate
        ? `still running after ${timeLimit / 1000} s`
        : code === 13
        ? "ends with a promise or a fiber that never settles"
        : code === null
        ? `ended by ${signal}`
        : code === 0
        ? undefined
        : `exit code ${code}`
      resolve(why && `${why}\n${text.slice(-2000)}`)
    })
  })

const run = async (example) => {
  if (example.kind === "test") {
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
    return watch(process.execPath, [vitest, "run", "--root", join(out, "checked"), `${example.name}.ts`], {
      onFirstOutput: () => {}
    })
  }
  // Only what is not killed at once has handled the signal, so the code must be 0 here as well.
  return watch(process.execPath, ["--enable-source-maps", join(out, "run", `${example.name}.js`)], {
    onFirstOutput: (child) => example.kind === "serves" && child.kill("SIGTERM")
  })
}

const judge = async (example) => {
  const problem = example.problem ?? await run(example)
  if (example.fails === undefined) return problem
  if (problem?.includes(example.fails)) return undefined
  return `must fail with ${JSON.stringify(example.fails)}, and ${
    problem === undefined ? "does not" : `fails with ${problem}`
  }`
}

const runnable = examples.filter(({ kind }) => kind !== "no-run")
for (const example of runnable.filter(({ kind }) => kind !== "test")) {
  try {
    write(join(out, "run", `${example.name}.js`), instrument(example.code, `${example.name}.ts`))
  } catch (error) {
    example.problem = error.message
  }
}
write(join(out, "package.json"), JSON.stringify({ type: "module" }))
write(join(out, "checked", "vitest.config.js"), "export default { test: { include: ['**/*.test.ts'] } }\n")

let failed = 0
const runAll = (queue, concurrency) =>
  Promise.all(Array.from({ length: concurrency }, async () => {
    for (const example of queue) {
      const problem = await judge(example)
      if (problem === undefined) continue
      failed++
      // Lines of an example become lines of the file that it comes from.
      const text = problem.replace(
        /^line (\d+):/gm,
        (_, line) => `${relative(root, example.path)}:${example.line + Number(line)}:`
      )
      console.log(`${example.where}: ${text}`)
    }
  }))
await runAll(runnable.filter(({ kind }) => kind !== "serves").values(), concurrency)
// Servers have fixed ports, as their readers' have.
await runAll(runnable.filter(({ kind }) => kind === "serves").values(), 1)
console.log(`examples: ${examples.length} type-checked, ${runnable.length} run, ${failed} of them failing`)
process.exit(failed === 0 ? 0 : 1)
