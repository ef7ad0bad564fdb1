/** What the halves of a datagram socket know of the whole. */
import type { DatagramTarget, DatagramTransport } from "../../DatagramTransport.js"
import type { InetAddress } from "../../NetAddress.js"
import type { Platform } from "../../NetPlatform.js"
import type { Failure } from "../../Transport.js"
import type { Permit } from "../net/permit.js"
import type { Whole } from "../socket/connection.js"

/** `DatagramEndpoint` implements it, and the unit tests of the halves have one of their own. */
export interface DatagramConnection extends Whole {
  readonly netState: { readonly platform: Pick<Platform, "byteLength" | "lookup"> }
  readonly transport: Pick<DatagramTransport, "send">
  readonly target: Pick<DatagramTarget, "address" | "ipv6Only">
  /** Decides which addresses may be sent to. */
  readonly permit?: Permit<InetAddress> | undefined
  /** As the transport writes it. */
  readonly peer: InetAddress | undefined
  readonly shownPeer: string
  /** Where the sending half reports what came of a datagram that no call waited for. */
  readonly inbound: {
    readonly report: (failure: Failure) => void
    readonly takeFailure: () => Failure | undefined
  }
}
