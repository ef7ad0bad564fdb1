/** Connects, listens and takes over connections: checks options, looks names up, gives the result to the scope. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Listener } from "../../Listener.js"
import * as NetAddress from "../../NetAddress.js"
import type { ListenTarget } from "../../NetPlatform.js"
import type { Socket } from "../../Socket.js"
import { BindError, ConnectError, InvalidOption, type UnsupportedOption } from "../../SocketError.js"
import type {
  CommonOptions,
  ConnectOptions,
  InetConnectOptions,
  ListenOptions,
  SocketOptions
} from "../../SocketOptions.js"
import type { ClientContext, ConnectTlsOptions, ListenTlsOptions, ServerContext } from "../../TlsContext.js"
import { TlsError } from "../../TlsError.js"
import type { TlsPlatform, UpgradeRequest } from "../../TlsTransport.js"
import type { Failure, Transport } from "../../Transport.js"
import * as Clocks from "../effect/clocks.js"
import type { NetState } from "../netState.js"
import * as OptionRules from "../socket/options.js"
import { bindReason, connectReason } from "../socket/reasons.js"
import { type Settings, StreamSocket } from "../socket/streamSocket.js"
import { type Deadlines, forClock } from "../time/deadlines.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { checkContext } from "../tls/checks.js"
import { defaultClient, platformOf } from "../tls/contexts.js"
import { toTlsError } from "../tls/handshake.js"
import type { ListenerTls } from "../tls/listenerHandshakes.js"
import { clientRequest } from "../tls/names.js"
import { secure } from "../tls/upgrade.js"
import { TlsContextTypeId } from "../typeIds.js"
import { firstOf, within } from "../within.js"
import { Candidates, LookedUpCandidates, noAddress } from "./candidates.js"
import { type Attempt, type AttemptFailure, race } from "./happyEyeballs.js"
import { NetListener } from "./listener.js"
import { permitOf, permitted } from "./permit.js"
import { onScopeEnd } from "./scopeEnd.js"
import { isLocalhost } from "./specialNames.js"
import * as Options from "./targets.js"

const settingsOf = (options: CommonOptions): Effect.Effect<Settings, InvalidOption> =>
  Effect.gen(function*() {
    const clock = yield* Clocks.current
    const wrong = OptionRules.firstWrong(options)
    if (wrong !== undefined) return yield* wrong
    return {
      label: options.name ?? "",
      timeouts: yield* TimeoutOptions.change(TimeoutOptions.none, options.timeouts),
      linger: yield* TimeoutOptions.millis("linger", options.linger ?? 2000),
      flushLinger: yield* TimeoutOptions.millis("linger", options.linger ?? 30_000),
      highWaterMark: yield* Options.count("highWaterMark", options.highWaterMark ?? 128 * 1024, 1),
      sendHighWaterMark: yield* Options.count("sendHighWaterMark", options.sendHighWaterMark ?? 256 * 1024, 0),
      deadlines: forClock(clock)
    }
  })

const supported = (
  netState: NetState,
  options: SocketOptions,
  target: ListenTarget | undefined,
  path: string | undefined
): Effect.Effect<void, UnsupportedOption | InvalidOption> => {
  const refusal = netState.platform.unsupported(options, target, path)
  return refusal === undefined ? Effect.void : Effect.fail(refusal)
}

/** The addresses to try, families alternating (RFC 8305, section 4). A name is looked up for `patience` at most. */
const addressesOf = (
  netState: NetState,
  host: string,
  port: number,
  family: NetAddress.Family | undefined,
  deadlines: Deadlines,
  patience = Infinity
): Effect.Effect<ReadonlyArray<NetAddress.InetAddress>, Failure> => {
  const numeric = NetAddress.familyOf(host)
  if (numeric !== undefined) {
    return family === undefined || family === numeric
      ? Effect.succeed([NetAddress.inet(host, port)])
      : Effect.fail({ reason: "HostNotFound", cause: new Error(`${host} is not an ${family} address`) })
  }
  const lookup = netState.platform.lookup(host, family)
  const bounded = within(lookup, deadlines, patience, (): Failure => ({ reason: "TimedOut", cause: undefined }))
  return Effect.map(bounded, (found) => {
    const preferred = found.filter((address) => address.family === found[0]?.family)
    const other = found.filter((address) => address.family !== found[0]?.family)
    return preferred
      .flatMap((address, index) => other[index] === undefined ? [address] : [address, other[index]])
      .concat(other.slice(preferred.length))
      .map((address) => NetAddress.inet(address.host, port))
  })
}

/** True where the platform asks for each family apart, and both are wanted. */
const mustAskTwice = (netState: NetState, host: string, family: NetAddress.Family | undefined): boolean =>
  netState.platform.asksByFamily === true && family === undefined && NetAddress.familyOf(host) === undefined &&
  !isLocalhost(host)

/** Both families are looked up beside the race, which begins with the first that is known. */
const raceWhileLookingUp = (
  netState: NetState,
  host: string,
  port: number,
  candidates: LookedUpCandidates,
  run: (candidates: Candidates) => Effect.Effect<StreamSocket, AttemptFailure | InvalidOption>
): Effect.Effect<StreamSocket, AttemptFailure | InvalidOption> => {
  const ask = (family: NetAddress.Family): Effect.Effect<void> =>
    Effect.matchEffect(Effect.suspend(() => netState.platform.lookup(host, family)), {
      onFailure: (failure) => Effect.sync(() => candidates.failed(family, failure)),
      onSuccess: (found) =>
        Effect.sync(() => candidates.found(family, found.map((address) => NetAddress.inet(address.host, port))))
    })
  return Effect.acquireUseRelease(
    Effect.fork(Effect.interruptible(Effect.all([ask("IPv6"), ask("IPv4")], { concurrency: 2, discard: true }))),
    (looking) =>
      // Neither a look-up's defect nor its interruption may leave the race waiting for it.
      firstOf(run(candidates), Effect.zipRight(Fiber.join(looking), Effect.never)),
    (looking) => Fiber.interrupt(looking)
  )
}

interface Securing {
  readonly platform: TlsPlatform
  readonly request: Omit<UpgradeRequest, "early">
  readonly timeout: number
}

/** What is needed for the handshake is made before anything is opened. */
const clientTls = (
  netState: NetState,
  { tls }: ConnectOptions,
  where: Options.ConnectWhere
): Effect.Effect<Securing | undefined, TlsError | InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    if (tls === undefined || tls === false) return undefined
    const platform = yield* platformOf(netState)
    yield* checkTlsOptions(tls)
    const options: ConnectTlsOptions = tls === true ? {} : isContext(tls) ? { context: tls } : tls
    if (options.context !== undefined) yield* checkContext("tls", options.context, "client", platform)
    const context = options.context ?? (yield* defaultClient(netState))
    const host = where.path === undefined ? where.host : undefined
    const request = yield* clientRequest(context, options, host, where.port)
    return { platform, request, timeout: context.handshakeTimeoutMillis }
  })

/** A socket that breaks while TLS begins is a handshake that failed. */
const secureAs = (
  socket: StreamSocket,
  subject: string,
  { platform, request, timeout }: Securing
): Effect.Effect<void, TlsError> =>
  Effect.mapError(
    secure(socket, platform, request, timeout, subject),
    (error) => error instanceof TlsError ? error : toTlsError(subject, { reason: "ClosedInHandshake", cause: error })
  )

const serverTls = (
  netState: NetState,
  { tls }: ListenOptions,
  settings: Settings
): Effect.Effect<ListenerTls | undefined, InvalidOption | UnsupportedOption> =>
  Effect.gen(function*() {
    if (tls === undefined) return undefined
    const platform = yield* platformOf(netState)
    yield* checkTlsOptions(tls)
    const options: ListenTlsOptions = isContext(tls) ? { context: tls } : tls
    yield* checkContext("tls", options.context, "server", platform)
    const maxHandshakes = yield* Options.count("tls.maxHandshakes", options.maxHandshakes ?? 4096, 1)
    return { platform, context: options.context, maxHandshakes, deadlines: settings.deadlines }
  })

const isContext = <C extends ClientContext | ServerContext>(tls: C | object): tls is C => TlsContextTypeId in tls

const checkTlsOptions = (tls: unknown): Effect.Effect<void, InvalidOption> =>
  tls === true || (typeof tls === "object" && tls !== null)
    ? Effect.void
    : Effect.fail(new InvalidOption({ option: "tls", value: String(tls), expected: "a context of `Tls`, or options" }))

const connectError = (
  where: Options.ConnectWhere,
  attempts: ReadonlyArray<Omit<Attempt, "socket">>,
  { cause, reason }: AttemptFailure
): ConnectError =>
  new ConnectError({
    reason: connectReason(reason),
    target: where.shown,
    transport: where.transport,
    attempts: attempts.map(({ address, failure }) => ({
      address: NetAddress.format(address),
      reason: failure === undefined ? "TimedOut" : connectReason(failure.reason)
    })),
    ...(cause === undefined ? {} : { cause })
  })

export const lookup = (
  netState: NetState,
  options: InetConnectOptions
): Effect.Effect<ReadonlyArray<NetAddress.InetAddress>, ConnectError | InvalidOption> =>
  Effect.gen(function*() {
    const where = yield* Options.connectTarget(options)
    const permit = yield* permitOf(options.permit)
    const deadlines = forClock(yield* Clocks.current)
    const addresses = yield* Effect.mapError(
      addressesOf(netState, where.host, where.port, where.family, deadlines),
      (failure) => connectError(where, [], failure)
    )
    const usable = yield* permitted(addresses, permit)
    if (usable.length > 0) return usable
    const failure: AttemptFailure = addresses.length === 0 ? noAddress() : { reason: "NotPermitted" }
    return yield* connectError(where, addresses.map((address) => ({ address, failure })), failure)
  })

export const connect = (
  netState: NetState,
  options: ConnectOptions
): Effect.Effect<Socket, ConnectError | TlsError | InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const where = yield* Options.connectTarget(options)
    const readSize = options.readSize === undefined
      ? undefined
      : yield* Options.count("readSize", options.readSize, 1024)
    const permit = yield* permitOf(options.permit)
    yield* supported(netState, options, undefined, where.path)
    const securing = yield* clientTls(netState, options, where)
    const attempts: Array<Attempt> = []
    const failure = (why: AttemptFailure): ConnectError => connectError(where, attempts, why)
    const { deadlines } = settings
    const timeout = settings.timeouts.connect
    const until = timeout === Infinity ? Infinity : deadlines.now() + timeout
    const open = (address: NetAddress.NetAddress): StreamSocket => {
      const { localAddress, localPort } = where
      const transport = netState.platform.connect({ address, localAddress, localPort, readSize, options })
      const socket = new StreamSocket(netState, transport, settings, 0)
      socket.isInitiator = true
      socket.host = where.path === undefined ? where.host : undefined
      return socket
    }
    const run = (candidates: Candidates): Effect.Effect<StreamSocket, AttemptFailure | InvalidOption> =>
      race(attempts, candidates, deadlines, until, permit, open)
    const raced = where.path !== undefined
      ? run(new Candidates([NetAddress.unix(where.path)]))
      : mustAskTwice(netState, where.host, where.family)
      ? raceWhileLookingUp(netState, where.host, where.port, new LookedUpCandidates(deadlines), run)
      : Effect.flatMap(
        addressesOf(netState, where.host, where.port, where.family, deadlines, timeout),
        (addresses) => run(new Candidates(addresses))
      )
    const winner = Effect.mapError(raced, (error) => error instanceof InvalidOption ? error : failure(error))
    const ready = securing === undefined ? winner : Effect.tap(winner, (socket) =>
      // What is left of the time for connecting bounds the handshake, too.
      secureAs(socket, where.shown, {
        ...securing,
        timeout: Math.min(securing.timeout, Math.max(0, until - deadlines.now()))
      }))
    // Whatever the race left behind is cut, whether it was won, lost, timed out or interrupted: only the winner stays.
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(ready)), (exit) => {
        const chosen = Exit.isSuccess(exit) ? exit.value : undefined
        const losers = attempts.filter(({ socket }) => socket !== chosen)
        const kept = chosen === undefined
          ? exit
          : Effect.as(onScopeEnd((end) => chosen.releaseWith(end)), chosen)
        return losers.length === 0
          ? kept
          : Effect.zipRight(
            Effect.forEach(losers, ({ socket }) => socket?.abort ?? Effect.void, { discard: true }),
            kept
          )
      })
    )
  })

export const adopt = (
  netState: NetState,
  makeTransport: () => Transport,
  options: CommonOptions
): Effect.Effect<Socket, InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    yield* supported(netState, options, undefined, undefined)
    return yield* Effect.acquireRelease(
      Effect.sync(() => new StreamSocket(netState, makeTransport(), settings, 0)),
      (socket, exit) => socket.releaseWith(exit)
    )
  })

export const listen = (
  netState: NetState,
  options: ListenOptions
): Effect.Effect<Listener, BindError | InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const where = yield* Options.listenTarget(options)
    const failure = ({ cause, reason }: Failure): BindError =>
      new BindError({ reason: bindReason(reason), target: where.shown, transport: where.transport, cause })
    const addresses = where.path === undefined
      ? yield* Effect.mapError(addressesOf(netState, where.host, where.port, where.family, settings.deadlines), failure)
      : [NetAddress.unix(where.path)]
    const address = addresses[0]
    if (address === undefined) {
      return yield* failure(noAddress())
    }
    const target: ListenTarget = { ...where.listening, address, options }
    yield* supported(netState, options, target, where.path)
    const secured = yield* serverTls(netState, options, settings)
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const listener = new NetListener(netState, target, settings, secured)
        return Effect.matchCauseEffect(Effect.mapError(restore(listener.bound), failure), {
          onFailure: (cause) => Effect.zipRight(listener.shut, Effect.failCause(cause)),
          onSuccess: () => Effect.as(onScopeEnd((exit) => listener.releaseWith(exit)), listener)
        })
      })
    )
  })
