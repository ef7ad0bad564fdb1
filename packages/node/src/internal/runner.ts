/** The runner's program: from the command line to the exit code. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { text } from "node:stream/consumers"
import * as Causes from "./effect/causes.js"
import { evaluate, importModule } from "./runner/code.js"
import { type Command, type Item, parse, usage, UsageError } from "./runner/commandLine.js"
import { load, LoadError, type Program } from "./runner/loading.js"
import { exitCodes, run, say, type Script } from "./runner/running.js"

const versionOf = (url: string): string => {
  const { name, version } = JSON.parse(readFileSync(createRequire(import.meta.url).resolve(url), "utf8"))
  return `${name} ${version}`
}

const printVersions = Effect.sync(() => {
  const packages = ["@copas/node", "@copas/core", "effect"].map((name) => versionOf(`${name}/package.json`))
  process.stdout.write(`${[...packages, `node ${process.version}`].join("\n")}\n`)
})

const stdin: Effect.Effect<string, UsageError> = Effect.suspend(() =>
  process.stdin.isTTY ? new UsageError({ message: usage }) : Effect.promise(() => text(process.stdin))
)

const programOf = (item: Item): Effect.Effect<Program, UsageError | LoadError> => {
  switch (item._tag) {
    case "Version":
      return Effect.succeed(printVersions)
    case "Import":
      return Effect.succeed(importModule(item.module))
    case "Eval":
      return evaluate(item.code, "eval")
    case "Stdin":
      return Effect.flatMap(stdin, (code) => evaluate(code, "stdin"))
    case "Script":
      return load(item.path)
  }
}

/** Everything that the command line asks for, in order: what comes first may register or import for what follows. */
const runAll = (command: Command): Effect.Effect<number, unknown> =>
  Effect.suspend(() => {
    // In place: `argv` of node:process is this very array.
    process.argv.splice(1, process.argv.length, ...command.argv)
    let isLayer = false
    const main = Effect.forEach(command.items, (item) =>
      Effect.flatMap(programOf(item), (program): Script["main"] => {
        isLayer = !Effect.isEffect(program)
        return Effect.isEffect(program) ? program : Layer.launch(program)
      }), { discard: true })
    return run({ main, isLayer: () => isLayer }, command.drain)
  })

const tell = (message: string, code: number): Effect.Effect<number> =>
  Effect.sync(() => {
    process.stderr.write(`${message}\n`)
    return code
  })

/** The whole program; `args` is what follows the paths of Node and of the runner. */
export const main = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.flatMap(parse(args), (command) =>
    command.help
      ? Effect.sync(() => {
        process.stdout.write(`${usage}\n`)
        return exitCodes.ended
      })
      : runAll(command)).pipe(
      Effect.catchAllCause((cause) => {
        const error = Causes.failureOf(cause)
        if (error instanceof UsageError) return tell(error.message, exitCodes.usage)
        if (error instanceof LoadError) return tell(error.message, exitCodes.failed)
        return Effect.as(say(Effect.logError("the script failed", cause)), exitCodes.failed)
      })
    )
