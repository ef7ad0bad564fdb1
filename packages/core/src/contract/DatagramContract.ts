/**
 * The contract of the datagram socket, as cases for any test runner; run them as those of `SocketContract`.
 *
 * @since 0.1.0
 */
import type { Case } from "./Case.js"
import * as Options from "./cases/datagramOptions.js"
import * as Datagrams from "./cases/datagrams.js"
import * as Serving from "./cases/datagramServing.js"
import * as Waiting from "./cases/datagramWaiting.js"
import * as Offering from "./cases/offering.js"

/**
 * The sentences that hold on every network with datagrams. The platform must have a loopback, `127.0.0.1`.
 *
 * @since 0.1.0
 * @category cases
 */
export const cases: ReadonlyArray<Case> = [
  ...Datagrams.cases,
  ...Waiting.cases,
  ...Options.cases,
  ...Serving.cases,
  ...Offering.datagramCases
]
