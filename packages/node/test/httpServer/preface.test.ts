/** Which version of HTTP a client speaks, told by its first bytes. */
import { timekeeper } from "@copas/core/Transport"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { PassThrough } from "node:stream"
import * as Preface from "../../src/internal/httpServer/preface.js"
import { turns } from "../http/exchanging.js"

it.effect("X01 a client that had gone before its first bytes were looked at is not waited for", () =>
  Effect.gen(function*() {
    const stream = new PassThrough()
    stream.destroy()
    yield* turns
    expect(yield* Preface.isHttp2(stream, timekeeper(yield* Effect.clock), 10_000)).toBe(false)
  }))
