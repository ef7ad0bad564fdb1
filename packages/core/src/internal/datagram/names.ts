/** From a destination to an address: look-ups, families, and their errors. */
import * as Effect from "effect/Effect"
import type { Destination } from "../../DatagramSocket.js"
import type { Family, InetAddress } from "../../NetAddress.js"
import * as NetAddress from "../../NetAddress.js"
import { ConnectError, type DatagramOfferError, type DatagramSendError, type InvalidOption } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import type { Permit } from "../net/permit.js"
import * as Options from "../net/targets.js"
import { connectReason } from "../socket/reasons.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { invalid } from "../time/optionValues.js"
import { within } from "../within.js"
import type { DatagramConnection } from "./connection.js"

/** An address of the socket's family, such as what `Datagram.from` gave. */
const isAddress = (socket: DatagramConnection, to: Destination): to is InetAddress =>
  (to as Partial<InetAddress>)._tag === "InetAddress" && (to as InetAddress).family === socket.target.address.family

/** True for an address that can be sent to as it is, without a look-up. */
export const isReady = (socket: DatagramConnection, to: Destination): to is InetAddress =>
  socket.permit === undefined && isAddress(socket, to)

/** The platform's failure, or the addresses that `permit` refused, where it refused all of them. */
type PeerFailure = Failure | {
  readonly reason: "NotPermitted"
  readonly refused: ReadonlyArray<InetAddress>
  readonly cause?: undefined
}

export const connectError = (to: Destination, failure: PeerFailure): ConnectError =>
  new ConnectError({
    reason: connectReason(failure.reason),
    target: NetAddress.formatHostPort(to.host, to.port),
    transport: "udp",
    attempts: failure.reason === "NotPermitted"
      ? failure.refused.map((address) => ({ address: NetAddress.format(address), reason: "NotPermitted" as const }))
      : [],
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  })

/** RFC 4291, section 2.5.5.2: how a socket of both families speaks to IPv4. */
const mapped = (host: string): string => `::ffff:${host}`

/** The first of these addresses that is permitted. */
export const firstPermitted = (
  addresses: ReadonlyArray<InetAddress>,
  permit: Permit<InetAddress> | undefined
): Effect.Effect<InetAddress, PeerFailure | InvalidOption> =>
  Effect.gen(function*() {
    for (const address of addresses) if (permit === undefined || (yield* permit(address))) return address
    return yield* Effect.fail<PeerFailure>({ reason: "NotPermitted", refused: addresses })
  })

/**
 * The addresses of `host`, at least one: those in `family` where one is wanted, and, for a socket of IPv6 that is `dual`,
 * those of IPv4 after them.
 */
export const addressesOf = (
  netState: DatagramConnection["netState"],
  host: string,
  port: number,
  family: Family | undefined,
  dual: boolean
): Effect.Effect<readonly [InetAddress, ...Array<InetAddress>], Failure> => {
  const fits = (found: Family): boolean => family === undefined || found === family
  const isReached = (found: Family): boolean => fits(found) || (dual && found === "IPv4")
  const numeric = NetAddress.familyOf(host)
  if (numeric !== undefined) {
    return isReached(numeric)
      ? Effect.succeed([NetAddress.inet(host, port)])
      : Effect.fail({ reason: "Unreachable", cause: new Error(`${host} is not an ${family} address`) })
  }
  return Effect.flatMap(netState.platform.lookup(host, dual ? undefined : family), (found) => {
    const [first, ...others] = [
      ...found.filter((address) => fits(address.family)),
      ...found.filter((address) => !fits(address.family) && isReached(address.family))
    ].map((address) => NetAddress.inet(address.host, port))
    return first === undefined
      ? Effect.fail<Failure>({ reason: "HostNotFound", cause: new Error("the name has no address of this family") })
      : Effect.succeed([first, ...others] as const)
  })
}

const resolveFor = (
  socket: DatagramConnection,
  to: Destination
): Effect.Effect<InetAddress, PeerFailure | InvalidOption> =>
  Effect.gen(function*() {
    // As it is: the outbound half knows a sender by its object.
    if (isAddress(socket, to)) return yield* firstPermitted([to], socket.permit)
    const host = yield* Options.hostOf(to.host)
    const port = yield* Options.port("port", to.port, 1)
    const { address: { family }, ipv6Only } = socket.target
    const found = addressesOf(socket.netState, host, port, family, family === "IPv6" && !ipv6Only)
    const timeout = socket.timeouts.connect
    const addresses = yield* NetAddress.familyOf(host) !== undefined
      ? found
      : within(found, socket.deadlines, timeout, (): Failure => ({ reason: "TimedOut", cause: undefined }))
    // `permit` is asked about the address itself, not about how the socket writes it.
    const address = yield* firstPermitted(addresses, socket.permit)
    return address.family === family ? address : NetAddress.inet(mapped(address.host), port)
  })

export const isFailure = (error: PeerFailure | InvalidOption): error is PeerFailure => !("_tag" in error)

/** Where a datagram is to go. */
export const destination = (
  socket: DatagramConnection,
  to: Destination
): Effect.Effect<InetAddress, DatagramSendError> =>
  Effect.catchAll(resolveFor(socket, to), (error): Effect.Effect<never, DatagramSendError> => {
    if (!isFailure(error)) return Effect.fail(error)
    return error.reason === "TimedOut"
      ? SocketFailure.timedOut(socket, "send", "connect", socket.timeouts.connect, SocketFailure.noBytes, 0)
      : SocketFailure.datagram(socket, "send", error, NetAddress.formatHostPort(to.host, to.port))
  })

/** Where a datagram is to go at once: looking a name up would wait. */
export const numericDestination = (
  socket: DatagramConnection,
  to: Destination
): Effect.Effect<InetAddress, DatagramOfferError> =>
  typeof to.host === "string" && NetAddress.familyOf(to.host) === undefined
    ? Effect.fail(
      invalid("host", to.host, "a numeric address, because offerTo does not wait for a name to be looked up")
    )
    // Only a look-up times out.
    : destination(socket, to) as Effect.Effect<InetAddress, DatagramOfferError>

/** The address of the peer to be. */
export const peer = (
  socket: DatagramConnection,
  to: Destination
): Effect.Effect<InetAddress, ConnectError | InvalidOption> =>
  Effect.mapError(resolveFor(socket, to), (error) => isFailure(error) ? connectError(to, error) : error)
