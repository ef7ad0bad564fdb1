/** The runner's command line: a list of things to run, in order, and the arguments that they see. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { resolve } from "node:path"

export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

export const usage = `usage: copas run SCRIPT [--drain DURATION] [--] [ARGUMENT ...]
       copas [OPTION ...] [SCRIPT [ARGUMENT ...]]

Runs the default export of SCRIPT on the dispatcher (NodeCopas.layer). An Effect ends when nothing is left to do; a
Layer stays until it is told to end. TypeScript runs by tsx where it is installed, else by Node 22.18 or newer itself.
Without a script, and without -e, -l or -v, the program comes from the standard input.

  -e, --eval CODE       run CODE: a module with a default export, or, without import and export, the body of an
                        Effect.gen, with the modules of @copas/core and Effect's main ones by their names
  -l, --import MODULE   import MODULE first
  -v, --version         print the versions
  -h, --help            print this
      --drain DURATION  how long what runs may take after a signal (default "10 seconds")
  -                     read the program from the standard input
  --                    end of the options

The first SIGINT, SIGTERM or SIGHUP stops accepting and waits for what runs, at most DURATION; a second one ends at once.

Exit codes: process.exitCode where the program sets it, else 0 it ended, 1 it failed, 2 wrong usage;
128 and the signal's number: what was left after a signal was cut.`

/** One thing that the command line asks for. They are run in the order in which they stand. */
export type Item =
  | { readonly _tag: "Eval"; readonly code: string }
  | { readonly _tag: "Import"; readonly module: string }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Stdin" }
  | { readonly _tag: "Script"; readonly path: string }

export interface Command {
  readonly help: boolean
  readonly items: ReadonlyArray<Item>
  /** The rest of `process.argv` after the path of Node: first the script, if there is one. */
  readonly argv: ReadonlyArray<string>
  readonly drain: Duration.Duration
}

const wrong = (message: string): Effect.Effect<never, UsageError> =>
  new UsageError({ message: `${message}\n\n${usage}` })

const decodeDrain = (text: string): Effect.Effect<Duration.Duration, UsageError> =>
  Option.match(Duration.decodeUnknown(/^\d+(\.\d+)? \w+$/.test(text) ? text : undefined), {
    onNone: () => wrong(`--drain is "${text}", but must be a duration such as "10 seconds"`),
    onSome: Effect.succeed
  })

/** The command line, without the paths of Node and of the runner. */
export const parse = (args: ReadonlyArray<string>): Effect.Effect<Command, UsageError> =>
  Effect.gen(function*() {
    const items: Array<Item> = []
    let drain: Duration.Duration = Duration.seconds(10)
    let isRun = false
    let at = 0
    const done = (argv: ReadonlyArray<string>): Command => ({ help: false, items, argv, drain })
    const stdin = (argv: ReadonlyArray<string>): Command => {
      items.push({ _tag: "Stdin" })
      return done(argv)
    }
    /** The value of an option: the text after "=", or the next word. */
    const value = (word: string): Effect.Effect<string, UsageError> => {
      const equals = /^--[\w-]+=/.exec(word)
      if (equals !== null) return Effect.succeed(word.slice(equals[0].length))
      const next = args[at++]
      return next === undefined ? wrong(`${word} requires a value`) : Effect.succeed(next)
    }
    while (at < args.length) {
      const word = args[at++]!
      switch (word.startsWith("--") ? word.replace(/=[^]*$/, "") : word) {
        case "-h":
        case "--help":
          return { ...done([]), help: true }
        case "-v":
        case "--version":
          items.push({ _tag: "Version" })
          continue
        case "-e":
        case "--eval":
          items.push({ _tag: "Eval", code: yield* value(word) })
          continue
        case "-l":
        case "--import":
          items.push({ _tag: "Import", module: yield* value(word) })
          continue
        case "--drain":
          drain = yield* decodeDrain(yield* value(word))
          continue
        case "-":
          return stdin(args.slice(at - 1))
        case "--":
          // After -e what follows are its arguments. (A script would be one of the options' own.)
          if (items.length > 0) return done(args.slice(at))
          if (at === args.length) return stdin([])
          break
        case "run":
          if (!isRun) {
            isRun = true
            continue
          }
          at--
          break
        default:
          if (word.startsWith("-")) return yield* wrong(`unknown option ${word}`)
          at--
      }
      // The rest is a script and its arguments.
      const path = resolve(args[at++]!)
      items.push({ _tag: "Script", path })
      // After "run SCRIPT" the runner's own option may still stand, and "--" parts it from the script's.
      while (isRun && at < args.length && /^--drain(=|$)/.test(args[at]!)) {
        drain = yield* decodeDrain(yield* value(args[at++]!))
      }
      if (isRun && args[at] === "--") at++
      return done([path, ...args.slice(at)])
    }
    if (isRun) return yield* wrong("run requires a script")
    return items.length > 0 ? done([]) : stdin([])
  })
