/**
 * Looks for planted secrets in everything that values show of themselves: as text, as JSON, inspected, logged, and in
 * whatever can be reached from them by their properties.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"
import * as Crypto from "node:crypto"
import { format, inspect, types } from "node:util"

export interface Secret {
  readonly what: string
  readonly bytes: Uint8Array
}

export const random = (what: string, length: number): Secret => ({ what, bytes: Crypto.randomBytes(length) })

export const text = (what: string, value: string): Secret => ({ what, bytes: Buffer.from(value) })

/** The ways in which bytes get into a text; a part of them is enough. */
const spellings = ({ bytes }: Secret): ReadonlyArray<string> => {
  const part = Buffer.from(bytes.subarray(0, 12))
  const numbers = Array.from(part)
  return [
    part.toString("hex"),
    part.toString("hex").replace(/(..)(?=.)/g, "$1 "),
    // Whatever stands before it: base64 of 12 bytes has no rest.
    part.toString("base64"),
    part.toString("latin1"),
    encodeURIComponent(part.toString("latin1")),
    numbers.join(","),
    numbers.join(", "),
    numbers.map((byte, index) => `"${index}":${byte}`).join(",")
  ]
}

const attempt = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

const views = (value: unknown): ReadonlyArray<readonly [string, string]> => {
  const texts: Array<readonly [string, string]> = [
    ["String", attempt(() => String(value)) ?? ""],
    ["JSON", attempt(() => JSON.stringify(value)) ?? ""],
    ["a template", attempt(() => `${value as string}`) ?? ""]
  ]
  for (const depth of [2, 20, Infinity]) {
    for (const showHidden of [false, true]) {
      const given = { depth, showHidden, maxArrayLength: 64 }
      texts.push([inspect(given), inspect(value, given)])
    }
  }
  // Without its own inspection a value may lead to the whole runtime, many times over: 4 levels, and `reached` for the rest.
  const own = { customInspect: false, depth: 4, maxArrayLength: 64 }
  texts.push(["inspect without customInspect", inspect(value, own)])
  texts.push(["inspect without customInspect, hidden too", inspect(value, { ...own, showHidden: true })])
  return texts
}

/** Every text and every bytes that can be reached from a value, as `inspect` would at any depth, with the way to it. */
const reached = (value: unknown, visit: (path: string, text: string) => void): number => {
  const seen = new Set<unknown>([globalThis, process])
  const queue: Array<readonly [string, unknown]> = []
  const add = (path: string, next: unknown): void => {
    if (typeof next === "string") visit(path, next)
    else if ((typeof next === "object" && next !== null) || typeof next === "function") {
      if (seen.has(next)) return
      seen.add(next)
      queue.push([path, next])
    }
  }
  add("", value)
  for (let at = 0; at < queue.length; at += 1) {
    const [path, object] = queue[at]!
    if (ArrayBuffer.isView(object)) {
      visit(path, Buffer.from(object.buffer, object.byteOffset, object.byteLength).toString("hex"))
      continue
    }
    // With `showHidden` their entries are shown.
    if (types.isWeakMap(object) || types.isWeakSet(object)) {
      visit(path, inspect(object, { showHidden: true, customInspect: false, depth: 3 }))
    }
    if (object instanceof Map) {
      for (const [key, entry] of object) {
        add(`${path}.key`, key)
        add(`${path}.entry`, entry)
      }
    } else if (object instanceof Set) { for (const entry of object) add(`${path}.entry`, entry) }
    for (const key of Reflect.ownKeys(object as object)) {
      const property = attempt(() => Reflect.getOwnPropertyDescriptor(object as object, key))
      if (property !== undefined && "value" in property) add(`${path}.${String(key)}`, property.value)
    }
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== null && prototype !== Object.prototype && prototype !== Function.prototype) {
      add(`${path}.prototype`, prototype)
    }
  }
  return seen.size
}

/** Texts of all loggers of Effect's that log each of the values, as a message, as an annotation and as a cause. */
const logged = (values: Readonly<Record<string, unknown>>): Effect.Effect<ReadonlyArray<readonly [string, string]>> =>
  Effect.gen(function*() {
    const texts: Array<readonly [string, string]> = []
    let current = ""
    const keep = (how: string) => (text: string): void => void texts.push([`${how} of ${current}`, text])
    const loggers = [
      Logger.map(Logger.stringLogger, keep("stringLogger")),
      Logger.map(Logger.jsonLogger, keep("jsonLogger")),
      Logger.map(Logger.logfmtLogger, keep("logfmtLogger")),
      Logger.map(
        Logger.structuredLogger,
        (entry) => keep("structuredLogger")(inspect(entry, { depth: 20, showHidden: true }))
      ),
      Logger.prettyLogger({ colors: false, mode: "tty" })
    ]
    const print = (...args: ReadonlyArray<unknown>): void => {
      keep("prettyLogger")([format(...args), ...args.map((one) => inspect(one, { depth: 20 }))].join("\n"))
    }
    const real = { log: console.log, error: console.error, group: console.group }
    yield* Effect.acquireUseRelease(
      // The pretty logger prints by the global console.
      Effect.sync(() => Object.assign(console, { log: print, error: print, group: print })),
      () =>
        Effect.forEach(Object.entries(values), ([name, value]) => {
          current = name
          return Effect.log(name, value).pipe(
            Effect.zipRight(Effect.logError(name, Cause.die(value))),
            Effect.annotateLogs(name, value),
            Effect.withLogSpan(name),
            Effect.provide(loggers.reduce<Layer.Layer<never>>(
              (all, one) => Layer.merge(all, Logger.add(one as Logger.Logger<unknown, void>)),
              Logger.remove(Logger.defaultLogger)
            ))
          )
        }),
      () => Effect.sync(() => Object.assign(console, real))
    )
    return texts
  })

/** A tracer that keeps every span that ends or not, for `search`. */
export const recording = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    context: native.context,
    span: (...args) => {
      const span = native.span(...args)
      spans.push(span)
      return span
    }
  })
  return {
    tracer,
    get shown(): ReadonlyArray<unknown> {
      return spans.map(({ attributes, name, status }) => ({
        name,
        attributes: Object.fromEntries(attributes),
        exit: status._tag === "Ended" ? status.exit : undefined
      }))
    }
  }
})

/**
 * Where secrets are shown: an empty list. It also looks for each secret in a value that has it, so that a search that
 * finds nothing at all fails.
 */
export const search = (
  secrets: ReadonlyArray<Secret>,
  values: Readonly<Record<string, unknown>>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const found = new Set<string>()
    const known = secrets.map((secret) => ({ what: secret.what, ways: spellings(secret) }))
    const look = (where: string, shown: string): boolean => {
      const here = known.filter(({ ways }) => ways.some((one) => shown.includes(one)))
      for (const { what } of here) found.add(`${what} ${where}`)
      return here.length > 0
    }
    for (const [name, value] of Object.entries(values)) {
      for (const [how, shown] of views(value)) look(`in ${name} by ${how}`, shown)
      const places: Array<string> = []
      reached(value, (path, shown) => {
        if (places.length < 3 && look(`reached from ${name} by ${path.slice(-200)}`, shown)) places.push(path)
      })
    }
    const logs = yield* logged(values)
    for (const [how, shown] of logs) look(`by ${how}`, shown)
    const result = Array.from(found)
    for (const logger of ["stringLogger", "jsonLogger", "logfmtLogger", "structuredLogger", "prettyLogger"]) {
      if (!logs.some(([how]) => how.startsWith(logger))) result.push(`the ${logger} logged nothing`)
    }
    for (const secret of secrets) {
      let isFound = false
      reached({ deep: [new Map([[1, { bytes: secret.bytes }]])] }, (_, shown) => {
        isFound ||= spellings(secret).some((one) => shown.includes(one))
      })
      if (!isFound || !look("itself", inspect(Buffer.from(secret.bytes)))) result.push(`${secret.what} cannot be found`)
    }
    return result
  })
