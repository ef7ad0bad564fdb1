/** What errors show of themselves: every class of every package, with hostile causes, through every logger. */
import * as Core from "@copas/core"
import * as CoreTesting from "@copas/core/testing"
import * as Node from "@copas/node"
import { expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { inspect } from "node:util"
import * as Clients from "../src/index.js"
import * as ClientsTesting from "../src/testing/index.js"

type ErrorClass = Schema.Schema<Error, any> & { readonly prototype: Error; readonly name: string }

/** Every class of errors that a module exports, found by looking: one that is added later is in the table. */
const classesOf = (module: object, seen: Set<ErrorClass>): void => {
  for (const value of Object.values(module)) {
    if (typeof value === "function" && value.prototype instanceof Error) seen.add(value as ErrorClass)
    else if (typeof value === "object" && value !== null && Symbol.toStringTag in value) classesOf(value, seen)
  }
}

const classes = new Set<ErrorClass>()
for (const module of [Core, CoreTesting, Clients, ClientsTesting, Node]) classesOf(module, classes)

const secret = "PEER-BYTES"
const peerBytes = new TextEncoder().encode(secret.repeat(6000))

const circular: { self?: unknown; data: string } = { data: "x".repeat(100_000) }
circular.self = circular

const throwing = new Proxy({}, {
  get: () => {
    throw new Error("a getter that throws")
  },
  ownKeys: () => {
    throw new Error("keys that throw")
  }
})

const causes: Readonly<Record<string, unknown>> = {
  none: undefined,
  circular,
  throwing,
  "an error in a circle": Object.assign(new Error("outer", { cause: circular }), { socket: circular }),
  "a toJSON that throws": {
    toJSON: () => {
      throw new Error("toJSON throws")
    }
  },
  huge: new Error("y".repeat(200_000)),
  bytes: peerBytes,
  text: "z".repeat(200_000),
  bigint: 10n ** 20n,
  symbol: Symbol("cause"),
  function: () => 1,
  null: null
}

/** An instance of any class, with bytes of the peer's wherever it has bytes, and the cause. */
const instanceOf = (errors: ErrorClass, cause: unknown): Error => {
  const [error] = FastCheck.sample(Arbitrary.make(errors), { numRuns: 1, seed: 1 })
  for (const key of Object.keys(error!)) {
    if ((error as unknown as Record<string, unknown>)[key] instanceof Uint8Array) {
      Object.defineProperty(error, key, { value: peerBytes, enumerable: true, configurable: true })
    }
  }
  if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause, enumerable: true, configurable: true })
  return error!
}

const loggers: Readonly<Record<string, Logger.Logger<unknown, unknown>>> = {
  string: Logger.stringLogger,
  logfmt: Logger.logfmtLogger,
  json: Logger.jsonLogger,
  structured: Logger.structuredLogger
}

const longest = 12_000

const check = (text: string, what: string): void => {
  expect(text.length, what).toBeLessThan(longest)
  expect(text, what).not.toContain(secret)
  // Bytes as numbers: the first of them, as JSON of an array or of an object shows them.
  expect(text, what).not.toMatch(/80,69,69,82|"0":80/)
}

it("C18 there are classes of errors of every package in the table", () => {
  const names = Array.from(classes, ({ name }) => name)
  expect(names).toEqual(
    expect.arrayContaining(["SocketClosed", "TlsError", "DnsError", "LockTimeout", "FtpReplyError"])
  )
  expect(classes.size).toBeGreaterThan(35)
})

for (const errors of classes) {
  it.effect(`C18 ${errors.name} shows its tag and its message, short, whatever its cause, in JSON and in every logger`, () =>
    Effect.gen(function*() {
      for (const [kind, cause] of Object.entries(causes)) {
        const error = instanceOf(errors, cause)
        const tag = (error as { _tag?: string })._tag!
        const texts: Record<string, string> = {
          "JSON.stringify": JSON.stringify(error),
          "JSON.stringify of an object": JSON.stringify({ error, errors: [error] }),
          inspect: inspect(error),
          "inspect at depth 10": inspect({ error }, { depth: 10 }),
          toStringUnknown: Inspectable.toStringUnknown(error)
        }
        for (const [name, logger] of Object.entries(loggers)) {
          const lines: Array<string> = []
          const noted = Logger.map(logger, (line) => {
            lines.push(typeof line === "string" ? line : JSON.stringify(line))
          })
          yield* Effect.logError("x", error).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, noted)))
          expect(lines.length).toBe(1)
          texts[name] = lines[0]!
        }
        const printed: Array<string> = []
        const { log } = console
        console.log = (...parts: ReadonlyArray<unknown>) => {
          printed.push(parts.map((part) => typeof part === "string" ? part : inspect(part)).join(" "))
        }
        yield* Effect.logError("x", error).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, Logger.prettyLogger({ colors: false, mode: "tty" }))),
          Effect.ensuring(Effect.sync(() => {
            console.log = log
          }))
        )
        texts.pretty = printed.join("\n")
        for (const [name, text] of Object.entries(texts)) {
          check(text, `${name} with the cause ${kind}`)
          expect(text, `${name} with the cause ${kind}`).toContain(tag)
        }
      }
    }))

  it(`C18 what a schema encodes of ${errors.name} can be decoded again, and is not the summary`, () => {
    const error = instanceOf(errors, undefined)
    const encoded = Schema.encodeSync(errors)(error)
    expect(Object.keys(encoded)).not.toContain("message" in Object.getPrototypeOf(error) ? "message" : "")
    expect(Schema.decodeSync(errors)(encoded)).toEqual(error)
  })
}

it.each(Array.from(classes, (errors) => [errors.name, errors] as const))(
  "C18 the message of %s has whole milliseconds, plain words, and names what to raise",
  (_, errors) => {
    for (const error of FastCheck.sample(Arbitrary.make(errors), { numRuns: 100, seed: 1 })) {
      for (const [key, field] of Object.entries(error)) {
        // As a clock gives it.
        if (typeof field === "number") Object.defineProperty(error, key, { value: 22.057607999999618 })
      }
      expect(error.message).not.toMatch(/22\.0\d* ms|undefined|\[object/)
      expect(error.message).not.toMatch(/raise the bound|see the cause|the cause says|anew|not to be had|\(s\)/)
    }
  }
)

it("C18 the length of what had arrived is shown, and a field of a program's own error is kept", () => {
  const closed = new Core.SocketError.SocketClosed({
    operation: "receive",
    socket: "echo:client_1",
    by: "peer",
    partial: peerBytes,
    bytesSent: 0
  })
  expect(JSON.parse(JSON.stringify(closed))).toEqual({
    _tag: "SocketClosed",
    message: closed.message,
    operation: "receive",
    socket: "echo:client_1",
    by: "peer",
    partial: { length: peerBytes.length },
    bytesSent: 0
  })
})

it("C18 an error without a message of its own shows its tag in place of the message that a schema makes of its fields", () => {
  class Silent
    extends Schema.TaggedError<Silent>()("Silent", { code: Schema.Number, bytes: Schema.Uint8ArrayFromSelf })
  {
    static {
      Core.ErrorSummary.summarize(this)
    }
  }
  const error = new Silent({ code: 7, bytes: peerBytes })
  expect(error.message).toContain("80")
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    _tag: "Silent",
    message: "Silent",
    code: 7,
    bytes: { length: peerBytes.length }
  })
  expect(inspect(error).length).toBeLessThan(2000)
  expect(inspect(error)).not.toContain("{ \"code\"")
  class Around extends Schema.TaggedError<Around>()("Around", { message: Schema.String, cause: Schema.Defect }) {
    static {
      Core.ErrorSummary.summarize(this)
    }
  }
  const around = new Around({ message: "it broke", cause: error })
  expect(JSON.parse(JSON.stringify(around)).cause).toMatchObject({ _tag: "Silent", message: "Silent" })
  expect(inspect(around)).not.toContain("\\\"code\\\"")
})
