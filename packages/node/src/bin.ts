#!/usr/bin/env node
/**
 * The program `copas`: the runner, as `copas.lua` is for Copas.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { main } from "./internal/runner.js"

/** Waits until what was written has gone out. On pipes `process.exit` cuts what the reader has not taken yet. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) resolve()
    // A reader that went away has all that it wanted.
    else stream.once("error", () => resolve()).write("", () => resolve())
  })

// The program has ended by then; what a script left behind in Node itself must not keep the process.
void Effect.runPromise(main(process.argv.slice(2))).then(async (code) => {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  // 128 and more: a signal cut what was left, whatever the program had in mind.
  process.exit(code >= 128 || !process.exitCode ? code : process.exitCode)
})
