/**
 * The contract of TLS, as cases for any test runner: they run with `Copas.layer` on the platform's network, each in a
 * scope of its own and under Effect's `TestClock`. They need certificates that the platform accepts, so the tests of each
 * platform make them in their own way.
 *
 * @since 0.1.0
 */
import type * as Scope from "effect/Scope"
import type { Copas } from "../Copas.js"
import type { Net } from "../Net.js"
import type { Case } from "./Case.js"
import * as Offering from "./cases/offering.js"
import * as Callbacks from "./cases/tlsCallbacks.js"
import * as Handshakes from "./cases/tlsHandshakes.js"
import * as Hostile from "./cases/tlsHostile.js"
import * as Identities from "./cases/tlsIdentities.js"
import * as InTls from "./cases/tlsInTls.js"
import * as Materials from "./cases/tlsMaterials.js"
import * as Negotiation from "./cases/tlsNegotiation.js"
import * as Peers from "./cases/tlsPeers.js"
import * as Sessions from "./cases/tlsSessions.js"
import * as Trickling from "./cases/trickling.js"
import type { Certificates } from "./TlsMaterial.js"

/**
 * The sentences that hold for TLS on every network. The platform must have a loopback, `127.0.0.1`, as `localhost`.
 *
 * @since 0.1.0
 * @category cases
 */
export const cases = (certificates: Certificates): ReadonlyArray<Case<Copas | Net | Scope.Scope>> => [
  ...Materials.cases(certificates),
  ...Handshakes.cases(certificates),
  ...Hostile.cases(certificates),
  ...InTls.cases(certificates),
  ...Identities.cases(certificates),
  ...Callbacks.cases(certificates),
  ...Negotiation.cases(certificates),
  ...Peers.cases(certificates),
  ...Sessions.cases(certificates),
  ...Offering.tlsCases(certificates),
  ...Trickling.tlsCases(certificates)
]
