#!/usr/bin/env node
/**
 * The runner: `copas run script.ts`. What Copas's `copas.lua` script is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { main } from "./internal/runner.js"

// Everything has ended by then; what a script left behind in Node itself must not keep the process.
void Effect.runPromise(main(process.argv.slice(2))).then((code) => process.exit(code))
