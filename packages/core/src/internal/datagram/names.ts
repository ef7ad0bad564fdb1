/** From a destination to an address: look-ups, families, and their errors. */
import * as Effect from "effect/Effect"
import type { Destination } from "../../DatagramSocket.js"
import type { Family, InetAddress } from "../../NetAddress.js"
import * as NetAddress from "../../NetAddress.js"
import { ConnectError, type DatagramOfferError, type DatagramSendError, type InvalidOption } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import * as Options from "../net/targets.js"
import { connectReason } from "../socket/reasons.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { invalid } from "../time/optionValues.js"
import { within } from "../time/within.js"
import type { DatagramConnection } from "./connection.js"

/** True for an address that can be sent to as it is: what `Datagram.from` gave. */
export const isReady = (socket: DatagramConnection, to: Destination): to is InetAddress =>
  (to as Partial<InetAddress>)._tag === "InetAddress" && (to as InetAddress).family === socket.target.address.family

export const connectError = (to: Destination, failure: Failure): ConnectError =>
  new ConnectError({
    reason: connectReason(failure.reason),
    target: NetAddress.formatHostPort(to.host, to.port),
    transport: "udp",
    attempts: [],
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  })

/** RFC 4291, section 2.5.5.2: how a socket of both families speaks to IPv4. */
const mapped = (host: string): string => `::ffff:${host}`

/** The first address of `host`, in `family` where one is wanted; `dual` can reach IPv4 from an IPv6 socket. */
export const resolve = (
  netState: DatagramConnection["netState"],
  host: string,
  port: number,
  family: Family | undefined,
  dual: boolean
): Effect.Effect<InetAddress, Failure> => {
  const fits = (found: Family): boolean => family === undefined || found === family
  const numeric = NetAddress.familyOf(host)
  if (numeric !== undefined) {
    if (fits(numeric)) return Effect.succeed(NetAddress.inet(host, port))
    return dual && numeric === "IPv4"
      ? Effect.succeed(NetAddress.inet(mapped(host), port))
      : Effect.fail({ reason: "Unreachable", cause: new Error(`${host} is not an ${family} address`) })
  }
  return Effect.flatMap(
    netState.platform.lookup(host, dual ? undefined : family),
    (found): Effect.Effect<InetAddress, Failure> => {
      const fitting = found.find((address) => fits(address.family))
      if (fitting !== undefined) return Effect.succeed(NetAddress.inet(fitting.host, port))
      const other = found.find((address) => dual && address.family === "IPv4")
      return other === undefined
        ? Effect.fail({ reason: "HostNotFound", cause: new Error("the name has no address of this family") })
        : Effect.succeed(NetAddress.inet(mapped(other.host), port))
    }
  )
}

const resolveFor = (socket: DatagramConnection, to: Destination): Effect.Effect<InetAddress, Failure | InvalidOption> =>
  Effect.gen(function*() {
    const host = yield* Options.hostOf(to.host)
    const port = yield* Options.port("port", to.port, 1)
    const { address: { family }, ipv6Only } = socket.target
    const resolved = resolve(socket.netState, host, port, family, family === "IPv6" && !ipv6Only)
    const timeout = socket.timeouts.connect
    return yield* NetAddress.familyOf(host) !== undefined
      ? resolved
      : within(resolved, socket.deadlines, timeout, (): Failure => ({ reason: "TimedOut", cause: undefined }))
  })

const isFailure = (error: Failure | InvalidOption): error is Failure => !("_tag" in error)

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
