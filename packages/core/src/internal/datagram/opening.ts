/** Opens datagram sockets: checks options, binds, connects, and gives the socket to the scope. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type {
  BindOptions,
  CommonOptions,
  ConnectOptions,
  DatagramOptions,
  DatagramSocket
} from "../../DatagramSocket.js"
import type { DatagramPlatform, DatagramTarget } from "../../DatagramTransport.js"
import * as NetAddress from "../../NetAddress.js"
import {
  BindError,
  type ConnectError,
  type InvalidOption,
  type SocketClosed,
  UnsupportedOption
} from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import * as Clocks from "../effect/clocks.js"
import { permitOf } from "../net/permit.js"
import { onScopeEnd } from "../net/scopeEnd.js"
import * as Options from "../net/targets.js"
import type { NetState } from "../netState.js"
import { bindReason } from "../socket/reasons.js"
import { forClock } from "../time/deadlines.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { within } from "../within.js"
import { DatagramEndpoint, type DatagramSettings } from "./endpoint.js"
import * as DatagramNames from "./names.js"
import * as DatagramOptionsModule from "./options.js"

const settingsOf = (options: CommonOptions): Effect.Effect<DatagramSettings, InvalidOption> =>
  Effect.gen(function*() {
    const clock = yield* Clocks.current
    return {
      label: options.name ?? "",
      timeouts: yield* TimeoutOptions.change(TimeoutOptions.none, options.timeouts),
      maxQueued: yield* Options.count("maxQueued", options.maxQueued ?? 1024, 1),
      maxQueuedBytes: yield* Options.count("maxQueuedBytes", options.maxQueuedBytes ?? 1024 * 1024, 1),
      deadlines: forClock(clock),
      permit: yield* permitOf(options.permit)
    }
  })

const bindError = (target: string, failure: Failure): BindError =>
  new BindError({
    reason: bindReason(failure.reason),
    target,
    transport: "udp",
    ...(failure.cause === undefined ? {} : { cause: failure.cause })
  })

const platformOf = (netState: NetState): Effect.Effect<DatagramPlatform, UnsupportedOption> => {
  const { datagrams, name } = netState.platform
  return datagrams === undefined
    ? Effect.fail(new UnsupportedOption({ option: "udp", platform: name, why: "it has no datagrams" }))
    : Effect.succeed(datagrams)
}

/** Binds, sets the options, and gives the socket for as long as the scope lasts. */
const open = (
  netState: NetState,
  platform: DatagramPlatform,
  target: DatagramTarget,
  shown: string,
  options: CommonOptions
): Effect.Effect<DatagramEndpoint, BindError | InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const given = yield* DatagramOptionsModule.given(options)
    const refusal = platform.unsupported(options, target)
    if (refusal !== undefined) return yield* refusal
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const socket = new DatagramEndpoint(netState, platform, target, settings)
        const ready = Effect.zipRight(
          Effect.mapError(socket.settled, (failure) => bindError(shown, failure)),
          Effect.suspend(() => configure(socket, given, options))
        )
        return Effect.matchCauseEffect(restore(ready), {
          onFailure: (cause) => Effect.zipRight(socket.shut, Effect.failCause(cause)),
          onSuccess: () => Effect.as(onScopeEnd((exit) => socket.releaseWith(exit)), socket)
        })
      })
    )
  })

const configure = (
  socket: DatagramEndpoint,
  given: ReadonlyArray<keyof DatagramOptions>,
  options: DatagramOptions
): Effect.Effect<void, InvalidOption | UnsupportedOption> => {
  for (const name of given) {
    const refusal = socket.transport.setOption(name, options[name]!)
    if (refusal !== undefined) return Effect.fail(refusal)
  }
  return Effect.void
}

export const bind = (
  netState: NetState,
  options: BindOptions
): Effect.Effect<DatagramSocket, BindError | InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const platform = yield* platformOf(netState)
    if (options.path !== undefined) {
      return yield* new UnsupportedOption({
        option: "path",
        platform: netState.platform.name,
        why: "it has no Unix-domain datagram sockets; use a Unix-domain stream (Net.connect, Net.listen)"
      })
    }
    const family = yield* Options.familyOption(options.family)
    const host = yield* Options.hostOf(options.host ?? DatagramOptionsModule.unspecified(family))
    const port = yield* Options.port("port", options.port ?? 0, 0)
    const shown = NetAddress.formatHostPort(host, port)
    const [address] = yield* Effect.mapError(
      DatagramNames.addressesOf(netState, host, port, family, false),
      (failure) => bindError(shown, failure)
    )
    const target: DatagramTarget = {
      address,
      ipv6Only: options.ipv6Only ?? false,
      reuseAddress: options.reuseAddress ?? false,
      reusePort: options.reusePort ?? false
    }
    return yield* open(netState, platform, target, shown, options)
  })

export const connect = (
  netState: NetState,
  options: ConnectOptions
): Effect.Effect<
  DatagramSocket,
  BindError | ConnectError | InvalidOption | UnsupportedOption | SocketClosed,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const platform = yield* platformOf(netState)
    const family = yield* Options.familyOption(options.family)
    const host = yield* Options.hostOf(options.host ?? "localhost")
    const port = yield* Options.port("port", options.port, 1)
    const localPort = yield* Options.port("localPort", options.localPort ?? 0, 0)
    const localAddress = yield* Options.localAddress(options.localAddress)
    const timeout = yield* TimeoutOptions.millis("timeouts.connect", options.timeouts?.connect ?? Infinity)
    const to = { host, port }
    const deadlines = forClock(yield* Clocks.current)
    const permit = yield* permitOf(options.permit)
    const wanted = family ?? (localAddress === undefined ? undefined : NetAddress.familyOf(localAddress))
    const peer = yield* DatagramNames.addressesOf(netState, host, port, wanted, false).pipe(
      (found) => within(found, deadlines, timeout, (): Failure => ({ reason: "TimedOut", cause: undefined })),
      Effect.flatMap((addresses) => DatagramNames.firstPermitted(addresses, permit)),
      Effect.mapError((failure) => DatagramNames.isFailure(failure) ? DatagramNames.connectError(to, failure) : failure)
    )
    const local = NetAddress.inet(localAddress ?? DatagramOptionsModule.unspecified(peer.family), localPort)
    const target: DatagramTarget = { address: local, ipv6Only: false, reuseAddress: false, reusePort: false }
    const socket = yield* open(netState, platform, target, NetAddress.format(local), options)
    yield* socket.connect(peer)
    return socket
  })
