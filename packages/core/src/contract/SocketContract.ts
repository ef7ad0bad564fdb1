/**
 * The contract of the stream socket, as cases for any test runner.
 *
 * The tests of a platform run every case with its layer, each in a scope of its own and under Effect's `TestClock`:
 *
 * ```
 * for (const { title, effect } of SocketContract.cases) {
 *   it.scoped(title, () => Effect.provide(effect, MyNet.layer))
 * }
 * ```
 *
 * @since 0.1.0
 */
import type { Case } from "./Case.js"
import * as Closing from "./cases/closing.js"
import * as Ending from "./cases/ending.js"
import * as Lines from "./cases/lines.js"
import * as Offering from "./cases/offering.js"
import * as Opening from "./cases/opening.js"
import * as Options from "./cases/options.js"
import * as Reading from "./cases/reading.js"
import * as Streams from "./cases/streams.js"
import * as Trickling from "./cases/trickling.js"
import * as Waiting from "./cases/waiting.js"
import * as Writing from "./cases/writing.js"

/**
 * The sentences that hold on every network. The platform must have a loopback, `127.0.0.1`.
 *
 * @since 0.1.0
 * @category cases
 */
export const cases: ReadonlyArray<Case> = [
  ...Reading.cases,
  ...Waiting.cases,
  ...Trickling.cases,
  ...Writing.cases,
  ...Offering.cases,
  ...Closing.cases,
  ...Ending.cases,
  ...Opening.cases,
  ...Options.cases,
  ...Streams.cases,
  ...Lines.cases
]
