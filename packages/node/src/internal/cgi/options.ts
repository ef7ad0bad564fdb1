/** The options of `Cgi.make`, checked once. */
import { type InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import type { Interpreter, Options, Request } from "../../Cgi.js"
import { orFail } from "../effect/eithers.js"
import { count, invalid, millis } from "../optionValues.js"
import { type Root, rootAt } from "../static/opening.js"

/** What a handler works by. */
export interface Settings {
  /** A folder of scripts, or the real path of one script. */
  readonly place: { readonly root: Root } | { readonly script: string }
  readonly documentRoot: string
  /** The interpreter with its arguments; empty where the script is run itself. */
  readonly interpreterOf: (script: string) => ReadonlyArray<string>
  readonly environmentOf: (request: Request) => Readonly<Record<string, string>>
  readonly hasCommandLine: boolean
  readonly hasAuthorization: boolean
  readonly spools: boolean
  readonly serverName: string | undefined
  readonly maxConcurrent: number
  readonly maxHead: number
  /** In milliseconds; `Infinity` is no limit. */
  readonly head: number
  readonly output: number
  readonly total: number
  readonly grace: Duration.Duration
}

const time = (
  option: string,
  value: Duration.DurationInput | undefined,
  otherwise: Duration.DurationInput
): Effect.Effect<number, InvalidOption> => orFail(millis(`timeouts.${option}`, value ?? otherwise, 1))

/** What is wrong with variables that the program names itself. A client cannot change them: they come after its fields. */
export const wrongVariable = (variables: Readonly<Record<string, unknown>>): InvalidOption | undefined => {
  for (const [name, value] of Object.entries(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return invalid("env", name, "names of letters, digits and underscores")
    if (/^http_proxy$/i.test(name)) {
      return invalid("env", name, "without HTTP_PROXY, which programs cannot tell from a client's field (httpoxy)")
    }
    // The value may be a secret.
    if (typeof value !== "string" || value.includes("\0")) {
      return invalid(
        `env.${name}`,
        typeof value === "string" ? "a text with a NUL" : typeof value,
        "a text without NUL"
      )
    }
  }
  return undefined
}

/** By the search path of this process, once: a script's environment need have none. */
const locate = (command: string): Effect.Effect<string, InvalidOption> =>
  Effect.filterOrFail(
    Effect.promise(async () => {
      const folders = command.includes("/") ? [""] : (process.env["PATH"] ?? "").split(path.delimiter)
      for (const folder of folders) {
        const file = path.resolve(folder, command)
        try {
          await fs.access(file, fs.constants.X_OK)
          if ((await fs.stat(file)).isFile()) return file
        } catch {
          // The next one may have it.
        }
      }
      return undefined
    }),
    (file) => file !== undefined,
    () => invalid("interpreter", command, "a program that is installed")
  )

const commandOf = (command: string | ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidOption> => {
  const [file, ...args] = typeof command === "string" ? [command] : command
  return file === undefined || [file, ...args].some((part) => typeof part !== "string" || part.includes("\0"))
    ? Effect.fail(invalid("interpreter", command, "a program and its arguments"))
    : Effect.map(locate(file), (found) => [found, ...args])
}

const isCommand = (value: Interpreter): value is string | ReadonlyArray<string> =>
  typeof value === "string" || Array.isArray(value)

const interpreters = (
  interpreter: Interpreter | undefined
): Effect.Effect<Settings["interpreterOf"], InvalidOption> =>
  Effect.gen(function*() {
    if (interpreter === undefined) return () => []
    if (isCommand(interpreter)) {
      const command = yield* commandOf(interpreter)
      return () => command
    }
    const commands = new Map<string, ReadonlyArray<string>>()
    for (const [extension, command] of Object.entries(interpreter)) {
      if (!/^\.[^./]+$/.test(extension)) return yield* invalid("interpreter", extension, "extensions such as `.pl`")
      commands.set(extension.toLowerCase(), yield* commandOf(command))
    }
    return (script: string) => commands.get(path.extname(script).toLowerCase()) ?? []
  })

const folder = (option: "root" | "documentRoot", value: string): Effect.Effect<Root, InvalidOption> =>
  Effect.mapError(rootAt(value), () => invalid(option, value, "a folder that is there"))

const file = (option: "script", value: string): Effect.Effect<string, InvalidOption> =>
  Effect.tryPromise({
    try: async () => {
      const real = await fs.realpath(value)
      if (!(await fs.stat(real)).isFile()) throw new Error("of another kind")
      return real
    },
    catch: () => invalid(option, value, "a file that is there")
  })

const placeOf = (options: Options<any, any>): Effect.Effect<Settings["place"], InvalidOption> =>
  Effect.gen(function*() {
    const { root, script } = options
    if (root !== undefined && script === undefined) return { root: yield* folder("root", root) }
    if (script === undefined || root !== undefined) {
      return yield* invalid("root", root, "given, or else `script`, and not both")
    }
    if (/^nph-/i.test(path.basename(script))) return yield* invalid("script", script, "no `nph-` script")
    return { script: yield* file("script", script) }
  })

/** Checks and completes the options. */
export const settingsOf = (options: Options<any, any>): Effect.Effect<Settings, InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    if (process.platform === "win32") {
      return yield* new UnsupportedOption({ option: "root", platform: "Windows", why: "it has no process groups" })
    }
    const { chunked = "spool", env = {}, timeouts = {} } = options
    if (chunked !== "spool" && chunked !== "refuse") return yield* invalid("chunked", chunked, "`spool` or `refuse`")
    const { serverName } = options
    if (serverName !== undefined && !/^([\w.-]+|\[[\da-f:.]+\])$/i.test(serverName)) {
      return yield* invalid("serverName", serverName, "a host's name or address, without a port")
    }
    const place = yield* placeOf(options)
    const wrong = typeof env === "function" ? undefined : wrongVariable(env)
    if (wrong !== undefined) return yield* wrong
    return {
      place,
      documentRoot: options.documentRoot === undefined
        ? "root" in place ? place.root.path : path.dirname(place.script)
        : (yield* folder("documentRoot", options.documentRoot)).path,
      interpreterOf: yield* interpreters(options.interpreter),
      environmentOf: typeof env === "function" ? env : () => env,
      hasCommandLine: options.commandLine ?? true,
      hasAuthorization: options.authorization ?? false,
      spools: chunked === "spool",
      serverName,
      maxConcurrent: yield* orFail(count("maxConcurrent", options.maxConcurrent ?? 32, 1)),
      maxHead: yield* orFail(count("maxHead", options.maxHead ?? 65_536, 1)),
      head: yield* time("head", timeouts.head, "30 seconds"),
      output: yield* time("output", timeouts.output, "30 seconds"),
      total: yield* time("total", timeouts.total, Duration.infinity),
      grace: Duration.millis(yield* time("kill", timeouts.kill, "2 seconds"))
    }
  })
