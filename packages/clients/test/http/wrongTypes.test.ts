/** Options of a wrong type, as programs without types give them: each is a typed error or taken, and none is a defect. */
import { NetMemory } from "@copas/core/testing"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer } from "effect"
import { Http } from "../../src/index.js"
import { scripted } from "./scriptedTransport.js"

const url = "http://a.test/"

const values: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["null", null],
  ["true", true],
  ["a number", 7],
  ["NaN", Number.NaN],
  ["a bigint", 7n],
  ["a symbol", Symbol("s")],
  ["a text", "x"],
  ["an empty object", {}],
  ["an object without a prototype", Object.create(null)],
  ["an object whose toString throws", {
    toString: () => {
      throw new Error("no text")
    }
  }],
  ["an array of null", [null]],
  ["an array of an object without a prototype", [Object.create(null)]],
  ["a function", () => null]
]

const nested = (parent: string, names: ReadonlyArray<string>) =>
  names.map((name): readonly [string, (value: unknown) => object] => [
    `${parent}.${name}`,
    (value) => ({ [parent]: { [name]: value } })
  ])

const common = [
  "headers",
  "auth",
  "accept",
  "redirect",
  "maxRedirects",
  "keepHeaders",
  "timeouts",
  "connector",
  "proxy",
  "tls",
  "serverName",
  "cookies",
  "retry",
  "limits",
  "http2",
  "expect",
  "decode",
  "addresses"
]

const shared: ReadonlyArray<readonly [string, (value: unknown) => object]> = [
  ...common.map((name): readonly [string, (value: unknown) => object] => [name, (value) => ({ [name]: value })]),
  ...nested("headers", ["x-a"]),
  ...nested("auth", ["user", "password", "token"]),
  ...nested("timeouts", ["connect", "total"]),
  ...nested("retry", ["schedule", "maxRetryAfter"]),
  ...nested("limits", ["head", "body", "ratio"])
]

const ofClient = [
  ...["userAgent", "pool", "redactQuery", "propagateTo"].map((name): readonly [string, (value: unknown) => object] => [
    name,
    (value) => ({ [name]: value })
  ]),
  ...nested("pool", ["connections", "idle"])
]

const ofRequest = ["url", "method", "body", "query", "range"].map((
  name
): readonly [string, (value: unknown) => object] => [
  name,
  (value) => ({ [name]: value })
])

/** A defect, or an interruption. */
const faultOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isFailure(exit) && !Cause.isFailType(exit.cause) ? Cause.pretty(exit.cause) : undefined

const environment = Layer.mergeAll(scripted(() => ({})).layer, NetMemory.layer, FileSystem.layerNoop({}))

/** What was a defect, of all values. */
const defects = (run: (value: unknown) => Effect.Effect<unknown, unknown, any>) =>
  Effect.map(
    Effect.forEach(values, ([name, value]) =>
      Effect.map(
        Effect.exit(Effect.scoped(Effect.suspend(() => run(value)))),
        (exit) => {
          const fault = faultOf(exit)
          return fault === undefined ? [] : [`${name}: ${fault.split("\n").slice(0, 4).join(" ")}`]
        }
      )),
    (found) => found.flat()
  ).pipe(Effect.provide(environment as Layer.Layer<any>))

describe("options of a wrong type", () => {
  it.effect.each([...shared, ...ofClient])(
    "C33 %s of a client is taken or refused by an error, whatever its type",
    ([, make]) =>
      Effect.map(
        defects((value) => Http.make(make(value))),
        (found) => expect(found).toEqual([])
      )
  )

  it.effect.each([...shared, ...ofRequest])(
    "C33 %s of a request is taken or refused by an error, whatever its type",
    ([, make]) =>
      Effect.gen(function*() {
        const http = yield* Effect.provide(Http.make(), environment)
        const target = (value: unknown) => ({ url, ...make(value) }) as { readonly url: string }
        expect(yield* defects((value) => http.bytes(target(value)))).toEqual([])
        expect(yield* defects((value) => http.get(url, { ...make(value) }))).toEqual([])
        expect(yield* defects((value) => http.download(target(value), { path: "x", resume: true }))).toEqual([])
      })
  )

  it.effect("C33 a target is taken or refused by an error, whatever its type", () =>
    Effect.gen(function*() {
      const http = yield* Effect.provide(Http.make(), environment)
      expect(yield* defects((value) => http.bytes(value as string))).toEqual([])
      expect(yield* defects((value) => http.request(value as string))).toEqual([])
      expect(yield* defects((value) => http.download(value as string, { path: "x" }))).toEqual([])
      expect(yield* defects((value) => http.download(value as string, { path: "x", resume: true }))).toEqual([])
      expect(yield* defects((value) => http.upload(value as string, { path: "x" }))).toEqual([])
    }))
})
