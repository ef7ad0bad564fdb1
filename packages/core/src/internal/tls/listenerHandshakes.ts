/** The handshakes that are under way on a listener, with a bound on their number. */
import type { ServerContext } from "../../TlsContext.js"
import type { TlsError } from "../../TlsError.js"
import type { TlsFailure, TlsPlatform, TlsTransport, UpgradeRequest } from "../../TlsTransport.js"
import type { Transport } from "../../Transport.js"
import type { Deadlines } from "../time/deadlines.js"
import { Handshake, toTlsError } from "./handshake.js"
import { serverRequest } from "./names.js"

/** How a listener does TLS. */
export interface ListenerTls {
  readonly platform: TlsPlatform
  readonly context: ServerContext
  readonly maxHandshakes: number
  readonly deadlines: Deadlines
}

interface Owner {
  readonly shownAddress: string
  readonly secured: (transport: TlsTransport) => void
  readonly notSecured: (error: TlsError) => void
}

/**
 * The handshakes of connections that a listener took. They are done beside the accepting, so that a silent peer keeps
 * nobody waiting; there is a bound, and when it is reached the oldest makes room, which among honest ones is the one
 * that is stuck.
 */
export class ListenerHandshakes {
  /** Private, for both lead to keys. */
  readonly #tls: ListenerTls
  private readonly owner: Owner
  private readonly running = new Set<Handshake>()
  readonly #request: UpgradeRequest
  failures = 0

  constructor(tls: ListenerTls, owner: Owner) {
    this.#tls = tls
    this.owner = owner
    this.#request = { ...serverRequest(tls.context), early: undefined }
  }

  get size(): number {
    return this.running.size
  }

  begin(transport: Transport): void {
    const { context, deadlines, maxHandshakes, platform } = this.#tls
    if (this.running.size >= maxHandshakes) {
      for (const oldest of this.running) {
        oldest.cut("Overloaded")
        break
      }
    }
    this.running.add(
      new Handshake(platform, transport, this.#request, deadlines, context.handshakeTimeoutMillis, this.settled)
    )
  }

  private readonly settled = (failure: TlsFailure | undefined, handshake: Handshake): void => {
    this.running.delete(handshake)
    if (failure === undefined) {
      this.owner.secured(handshake.transport)
      return
    }
    this.failures += 1
    this.owner.notSecured(toTlsError(this.owner.shownAddress, failure))
  }

  /** Cuts all that is under way. */
  close(): void {
    for (const handshake of this.running) {
      handshake.abandon()
      handshake.transport.destroy()
    }
    this.running.clear()
  }
}
