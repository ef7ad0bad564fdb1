/** How the runner gets a program out of a script: TypeScript, and modules of either kind. */
import type * as Copas from "@copas/core/Copas"
import type * as Dns from "@copas/core/Dns"
import type * as Net from "@copas/core/Net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { existsSync, statSync } from "node:fs"
import * as Module from "node:module"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { usage, UsageError } from "./commandLine.js"

/** What a script may export. */
export type Program =
  | Effect.Effect<unknown, unknown, Copas.Copas | Dns.Dns | Net.Net | Scope.Scope>
  | Layer.Layer<never, unknown, Copas.Copas | Dns.Dns | Net.Net>

/** The script threw while it was loaded, or cannot be compiled. */
export class LoadError extends Data.TaggedError("LoadError")<{ readonly message: string; readonly cause: unknown }> {}

/**
 * Registers tsx, for ES modules and for CommonJS: the nearest package.json decides which a file is, and a program may have
 * both. With the first alone a CommonJS script cannot require what is being imported. False without tsx; then Node's own
 * stripping of types is used.
 */
const registerTsx = async (folders: ReadonlyArray<string>): Promise<boolean> => {
  // Named in variables, so that TypeScript does not look for an optional package.
  for (const api of ["tsx/cjs/api", "tsx/esm/api"]) {
    const register = await import(api).catch(() => {
      // Installed beside the script, but not where this package is.
      for (const folder of folders) {
        try {
          return import(pathToFileURL(Module.createRequire(join(folder, "_")).resolve(api)).href)
        } catch {}
      }
      return undefined
    }).then((module) => module?.register ?? module?.default?.register, () => undefined)
    if (typeof register !== "function") return false
    register()
  }
  return true
}

let isTsxThere: Promise<boolean> | undefined

/** Node 22.18, 23.6 and newer. */
export const stripsTypes = (): boolean => Boolean((process.features as { readonly typescript?: unknown }).typescript)

/** True if tsx is installed. It also runs syntax that cannot be stripped, and knows the paths of tsconfig.json. */
export const enableTsx = (folder: string): Effect.Effect<boolean> =>
  Effect.promise(() => isTsxThere ??= registerTsx([folder, process.cwd()]))

/** `import()` of a CommonJS module has what it exports as its default; what TypeScript made of a default is one deeper. */
const defaultOf = (module: unknown): unknown => {
  let value = (module as { readonly default?: unknown }).default
  while (
    typeof value === "object" && value !== null && !Effect.isEffect(value) && !Layer.isLayer(value) &&
    "default" in value
  ) value = value.default
  return value
}

const loadWith = (load: () => Promise<unknown>, what: string): Effect.Effect<unknown, LoadError> =>
  Effect.tryPromise({
    try: load,
    catch: (cause) =>
      new LoadError({ message: `${what} could not be loaded: ${(cause as Error)?.stack ?? String(cause)}`, cause })
  })

export const importUrl = (url: string, what: string): Effect.Effect<unknown, LoadError> =>
  loadWith(() => import(url), what)

/**
 * Requires a file that is CommonJS by its name. For sources that a hook changed, `import()` has a `require` of its own,
 * which cannot load ES modules on Node 20 and 22, and these packages are ES modules.
 */
const importScript = (script: string): Effect.Effect<unknown, LoadError> =>
  /\.c[jt]s$/.test(script)
    ? loadWith(async () => ({ default: Module.createRequire(script)(script) }), script)
    : importUrl(pathToFileURL(script).href, script)

export const asProgram = (module: unknown, what: string): Effect.Effect<Program, UsageError> => {
  const main = defaultOf(module)
  return Effect.isEffect(main) || Layer.isLayer(main)
    ? Effect.succeed(main as Program)
    : new UsageError({ message: `${what} must export an Effect or a Layer as its default` })
}

const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile()

/** The program of a script: its default export. */
export const load = (script: string): Effect.Effect<Program, UsageError | LoadError> =>
  Effect.gen(function*() {
    if (!isFile(script)) {
      return yield* new UsageError({
        message: existsSync(script) ? `${script} is not a file` : `there is no file ${script}\n\n${usage}`
      })
    }
    const isTsx = yield* enableTsx(dirname(script))
    if (!isTsx && !stripsTypes() && /\.[cm]?tsx?$/.test(script)) {
      return yield* new UsageError({
        message: `Node ${process.version} does not run TypeScript itself: npm install --save-dev tsx, or use Node 22.18`
      })
    }
    return yield* asProgram(yield* importScript(script), script)
  })
