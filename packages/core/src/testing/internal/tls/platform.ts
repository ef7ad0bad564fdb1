/** TLS of the network's hosts, as the platform below `Tls`. */
import * as Effect from "effect/Effect"
import { millisOf } from "../../../internal/effect/clocks.js"
import type { TlsPlatform } from "../../../TlsTransport.js"
import type { MemoryHost } from "../network/host.js"
import { randomBytes } from "../network/network.js"
import { read } from "./certificates.js"
import * as Contexts from "./contexts.js"
import type { Surroundings } from "./handshake.js"
import { MemoryTlsTransport } from "./transport.js"

/**
 * TLS as a program sees it, without any of its cryptography: for tests and simulations, never for secrecy. Everybody on
 * the way could read along and take part. See `TlsMemory`.
 */
export const make = ({ clock, network }: MemoryHost): TlsPlatform => {
  const random = (length: number): Uint8Array => randomBytes(network, length)
  const seal = (): Uint8Array => random(32)
  const surroundings: Pick<Surroundings, "authorities" | "now" | "random"> = {
    random,
    now: () => millisOf(clock),
    authorities: network.authorities
  }
  return {
    clientContext: Contexts.clientContext,
    serverContext: (options) => Contexts.serverContext(options, seal),
    replaceServer: (context, options) =>
      Effect.map(Contexts.serverContext(options, seal), (made) => {
        Object.assign(context as Contexts.ServerNative, made)
      }),
    rotateTickets: (context) =>
      Effect.sync(() => {
        ;(context as Contexts.ServerNative).seal = seal()
      }),
    upgrade: (transport, request, events) => new MemoryTlsTransport(network, transport, request, events, surroundings),
    certificates: read
  }
}
