/** Programs that are in no file: chunks of the command line, the standard input, modules to import first. */
import * as Effect from "effect/Effect"
import * as Module from "node:module"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { MessageChannel } from "node:worker_threads"
import type { UsageError } from "./commandLine.js"
import { asProgram, enableTsx, importUrl, type LoadError, type Program, stripsTypes } from "./loading.js"

type Sources = (url: string, source: string, format: string) => void

interface Loaded {
  readonly url?: string
  readonly format?: string
  readonly source?: string
  readonly shortCircuit?: boolean
}
type Hook = (specifier: string, context: object, next: (specifier: string, context: object) => Loaded) => Loaded

/** The hooks' own thread, on Node before 22.15; the sources come through a port. */
const asynchronousHook = `
import { receiveMessageOnPort } from "node:worker_threads"
const sources = new Map()
let port
export const initialize = (data) => { port = data.port }
const at = (specifier) => {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    sources.set(got.message.url, got.message)
  }
  return sources.get(specifier.split("?")[0])
}
export const resolve = (specifier, context, next) =>
  at(specifier) === undefined ? next(specifier, context) : { url: specifier, format: at(specifier).format, shortCircuit: true }
export const load = (specifier, context, next) =>
  at(specifier) === undefined ? next(specifier, context) : { ...at(specifier), shortCircuit: true }`

/**
 * Makes Node load the source of some URLs from here, so that code is imported as if it were a file of the working
 * directory, and nothing is written. (A `data:` URL cannot import packages.)
 */
const installHook = (): Sources => {
  const { registerHooks } = Module as { readonly registerHooks?: (hooks: { resolve: Hook; load: Hook }) => void }
  if (registerHooks === undefined) {
    const { port1, port2 } = new MessageChannel()
    Module.register(`data:text/javascript,${encodeURIComponent(asynchronousHook)}`, {
      data: { port: port2 },
      transferList: [port2]
    })
    return (url, source, format) => port1.postMessage({ url, source, format })
  }
  const sources = new Map<string, { readonly source: string; readonly format: string }>()
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = sources.get(specifier.split("?")[0]!)
      return found === undefined
        ? next(specifier, context)
        : { url: specifier, format: found.format, shortCircuit: true }
    },
    load: (specifier, context, next) => {
      const found = sources.get(specifier.split("?")[0]!)
      return found === undefined ? next(specifier, context) : { ...found, shortCircuit: true }
    }
  })
  return (url, source, format) => void sources.set(url, { source, format })
}

let sources: Sources | undefined
let chunks = 0

const importCode = (code: string, name: string): Effect.Effect<unknown, LoadError> =>
  Effect.gen(function*() {
    // Before tsx: hooks that are registered later are asked first, and tsx asks the next one for the source.
    sources ??= installHook()
    const isTsx = yield* enableTsx(process.cwd())
    const isTypeScript = isTsx || stripsTypes()
    const number = ++chunks === 1 ? "" : chunks
    const url = pathToFileURL(join(process.cwd(), `[${name}${number}].${isTypeScript ? "mts" : "mjs"}`)).href
    sources(url, code, isTypeScript && !isTsx ? "module-typescript" : "module")
    return yield* importUrl(url, name)
  })

/** The modules of Effect that a chunk sees beside those of `@copas/core`; none that hides a global of JavaScript. */
const effectNames =
  "Cause, Clock, Config, Console, Duration, Effect, Exit, Fiber, Layer, Option, Random, Schedule, Sink, Stream"

/**
 * The program of a chunk. A chunk without `import` and `export` is the body of a generator, which the dispatcher's main
 * thread runs, as Copas's runner does.
 */
export const evaluate = (code: string, name: string): Effect.Effect<Program, UsageError | LoadError> =>
  Effect.gen(function*() {
    if (/^\s*(?:import\b(?!\s*\()|export\b)/m.test(code)) {
      const module = yield* importCode(code, name)
      return "default" in (module as object) ? yield* asProgram(module, name) : Effect.void
    }
    const core = Object.keys(yield* Effect.promise(() => import("@copas/core")))
    // Before the first line, so that lines in errors are those of the chunk.
    const module = yield* importCode(
      `import { ${core.join(", ")} } from ${JSON.stringify(import.meta.resolve("@copas/core"))}; `
        + `import { ${effectNames} } from ${JSON.stringify(import.meta.resolve("effect"))}; `
        + `export default Effect.scoped(Effect.gen(function*() { ${code}\n}))`,
      name
    )
    return yield* asProgram(module, name)
  })

/** Imports a module for its effects. Packages are looked up from the working directory. */
export const importModule = (module: string): Effect.Effect<void, LoadError> => {
  const specifier = /^\.{0,2}\//.test(module) ? pathToFileURL(resolve(module)).href : module
  return Effect.asVoid(importCode(`import ${JSON.stringify(specifier)}`, "import"))
}
