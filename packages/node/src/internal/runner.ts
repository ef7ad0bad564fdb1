import * as Copas from "@copas/core/Copas"
import type * as Net from "@copas/core/Net"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import * as NodeCopas from "../NodeCopas.js"

/** How the runner ended, as its exit code. */
export const exitCodes = {
  /** Nothing was left to do, or everything ended by itself after a signal. */
  ended: 0,
  /** The script failed. */
  failed: 1,
  /** The command line, or the script, is not as it must be. */
  usage: 2,
  /** 128 and the signal's number, as shells have it: what was left after the drain time was cut. */
  cutBySIGINT: 130,
  cutBySIGTERM: 143
} as const

export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

const usage = `copas run SCRIPT [--drain DURATION] [-- ARGUMENT ...]

Runs the default export of SCRIPT, an Effect or a Layer, on the dispatcher (NodeCopas.layer).
It ends when nothing is left to do. SIGINT and SIGTERM stop accepting and wait for what runs, at most DURATION
(default "10 seconds"); a second signal cuts at once.

Exit codes: 0 it ended, 1 the script failed, 2 wrong usage, 130 or 143 what was left after a signal was cut.`

export interface Command {
  readonly script: string
  readonly drain: Duration.Duration
}

/** What the command line says; `argv` is what follows the program's name. */
export const parse = (argv: ReadonlyArray<string>): Effect.Effect<Command, UsageError> =>
  Effect.gen(function*() {
    const split = argv.indexOf("--")
    const { positionals, values } = yield* Effect.try({
      try: () =>
        parseArgs({
          args: split === -1 ? [...argv] : argv.slice(0, split),
          options: { drain: { type: "string" }, help: { type: "boolean", short: "h" } },
          allowPositionals: true
        }),
      catch: (error) => new UsageError({ message: `${(error as Error).message}\n\n${usage}` })
    })
    const [verb, script, ...more] = positionals
    if (values.help === true || verb !== "run" || script === undefined || more.length > 0) {
      return yield* new UsageError({ message: usage })
    }
    const drain = Duration.decodeUnknown(values.drain ?? "10 seconds")
    if (Option.isNone(drain)) {
      return yield* new UsageError({ message: `--drain is ${values.drain}, but must be a duration like "10 seconds"` })
    }
    return { script: resolve(script), drain: drain.value }
  })

type Script =
  | Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope>
  | Layer.Layer<never, unknown, Copas.Copas | Net.Net>

const importScript = (script: string): Effect.Effect<unknown, UsageError> =>
  Effect.tryPromise({
    try: () => import(pathToFileURL(script).href),
    catch: (error) =>
      new UsageError({ message: `${script} could not be loaded: ${String((error as Error).stack ?? error)}` })
  })

/** Node 20 runs no TypeScript: `tsx`, where it is installed, does. */
const enableTypeScript: Effect.Effect<void, UsageError> = Effect.tryPromise({
  try: async () => {
    // Named in a variable, so that TypeScript does not look for an optional package.
    const api = "tsx/esm/api"
    const { register } = await import(api) as { readonly register: () => unknown }
    register()
  },
  catch: () => new UsageError({ message: "TypeScript scripts want the package tsx: npm install --save-dev tsx" })
})

export const load = (script: string): Effect.Effect<Script, UsageError> =>
  Effect.gen(function*() {
    if (!existsSync(script)) return yield* new UsageError({ message: `there is no ${script}` })
    if (/\.[cm]?tsx?$/.test(script)) yield* enableTypeScript
    const module = yield* importScript(script)
    const main = (module as { readonly default?: unknown }).default
    if (Effect.isEffect(main)) return main as Script
    if (Layer.isLayer(main)) return main as Script
    return yield* new UsageError({ message: `${script} must export an Effect or a Layer as its default` })
  })

const toEffect = (script: Script): Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope> =>
  Effect.isEffect(script) ? script : Effect.asVoid(Layer.build(script))

type Signal = "SIGINT" | "SIGTERM"

/** Done with the first signal; the second one ends the process. */
const firstSignal: Effect.Effect<Deferred.Deferred<Signal>, never, Scope.Scope> = Effect.gen(function*() {
  const signalled = yield* Deferred.make<Signal>()
  let isSignalled = false
  const on = (signal: Signal): void => {
    if (isSignalled) process.exit(exitCodes[`cutBy${signal}`])
    isSignalled = true
    Deferred.unsafeDone(signalled, Exit.succeed(signal))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGINT", on).on("SIGTERM", on)),
    () => Effect.sync(() => process.off("SIGINT", on).off("SIGTERM", on))
  )
  return signalled
})

/**
 * Runs a script to its end and gives the exit code.
 */
export const run = (script: Script, drain: Duration.Duration): Effect.Effect<number> =>
  Effect.gen(function*() {
    const signalled = yield* firstSignal
    const ran = yield* Effect.forkScoped(Copas.run(toEffect(script)))
    const signal = yield* Effect.raceFirst(
      Effect.map(Fiber.join(ran), () => Option.none<Signal>()),
      Effect.asSome(Deferred.await(signalled))
    )
    if (Option.isNone(signal)) return exitCodes.ended
    yield* Effect.logInfo(`${signal.value}: stopped accepting; waiting ${Duration.format(drain)} at most`)
    return (yield* Copas.drain(drain)) ? exitCodes.ended : exitCodes[`cutBy${signal.value}`]
  }).pipe(
    Effect.scoped,
    Effect.provide(NodeCopas.layer),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.succeed(exitCodes.ended)
        : Effect.as(Effect.logError("the script failed", cause), exitCodes.failed)
    )
  )

/** The whole program: from the command line to the exit code. */
export const main = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function*() {
    const command = yield* parse(argv)
    const script = yield* load(command.script)
    return yield* run(script, command.drain)
  }).pipe(
    Effect.catchTag("UsageError", (error) =>
      Effect.sync(() => {
        process.stderr.write(`${error.message}\n`)
        return exitCodes.usage
      }))
  )
