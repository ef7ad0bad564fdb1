/** Bare undici, `dispatch`. */
import { default as Undici } from "@effect/platform-node/Undici"
import { run } from "./promises.js"
import { bareOptions, dispatching } from "./undici.js"

await run(dispatching(new Undici.Agent(bareOptions)))
