/** The address of a datagram's sender, which a reply reaches without a look-up. */
import type { Family, InetAddress } from "../../NetAddress.js"

/**
 * The sender of a datagram. It knows the socket that received it: there is a way back, so a reply need not wait until the
 * system has accepted it.
 */
export class Sender implements InetAddress {
  readonly _tag = "InetAddress"
  readonly host: string
  readonly port: number
  readonly family: Family
  readonly #heardBy: unknown

  constructor(host: string, port: number, family: Family, heardBy: unknown) {
    this.host = host
    this.port = port
    this.family = family
    this.#heardBy = heardBy
  }

  static wasHeardBy(socket: unknown, address: InetAddress): boolean {
    return #heardBy in address && address.#heardBy === socket
  }
}
