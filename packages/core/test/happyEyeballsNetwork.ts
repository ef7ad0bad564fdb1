/** A platform whose attempts to connect end as a test decides. */
import * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { ConnectTarget, HostAddress, Platform } from "@copas/core/NetPlatform"
import type { Events, Failure, Transport } from "@copas/core/Transport"
import * as Effect from "effect/Effect"

/** An attempt to connect whose fate the test decides. */
export class Attempt implements Transport {
  readonly host: string
  readonly localAddress = NetAddress.inet("127.0.0.1", 1)
  readonly remoteAddress: NetAddress.NetAddress
  events: Events | undefined
  isCut = false
  onCut = (): void => {}
  constructor({ address }: ConnectTarget) {
    this.host = address._tag === "InetAddress" ? address.host : address.path
    this.remoteAddress = address
  }
  open(events: Events): void {
    this.events = events
  }
  succeed(): void {
    this.events!.connected()
  }
  fail(reason: Failure["reason"]): void {
    this.events!.failed({ reason, cause: undefined })
  }
  destroy(): void {
    if (this.isCut) return
    this.isCut = true
    this.onCut()
    queueMicrotask(() => this.events!.closed())
  }
  reset(): void {
    this.destroy()
  }
  pause(): void {}
  resume(): void {}
  write(): void {
    queueMicrotask(() => this.events!.written())
  }
  end(): void {
    this.destroy()
  }
  setOption(): undefined {}
  getOption(): undefined {}
}

export interface TestNetwork {
  readonly net: Net.Service
  /** Every attempt that was made. */
  readonly attempts: Array<Attempt>
  readonly tried: () => ReadonlyArray<string>
}

/** A network whose names are looked up by `lookup`. */
export const networkOf = (names: Pick<Platform, "lookup" | "asksByFamily">): TestNetwork => {
  const attempts: Array<Attempt> = []
  const platform: Platform = {
    name: "a test",
    endOfTurn: queueMicrotask,
    connect: (target) => {
      const attempt = new Attempt(target)
      attempts.push(attempt)
      return attempt
    },
    listen: () => {
      throw new Error("nobody listens here")
    },
    ...names,
    unsupported: () => undefined,
    byteLength: (text) => Buffer.byteLength(text),
    decode: (chunk, start, end) => Buffer.from(chunk).toString("utf-8", start, end)
  }
  return { net: Net.make(platform), attempts, tried: () => attempts.map(({ host }) => host) }
}

export const hostAddress = (host: string): HostAddress => ({ host, family: host.includes(":") ? "IPv6" : "IPv4" })

/** A network on which a name has `addresses`. */
export const network = (...addresses: ReadonlyArray<string>): TestNetwork =>
  networkOf({ lookup: () => Effect.succeed(addresses.map(hostAddress)) })

export const settle = Effect.repeatN(Effect.yieldNow(), 30)

export const connecting = (net: Net.Service, options: Partial<Net.ConnectOptions> = {}) =>
  Effect.tap(
    Effect.fork(
      Effect.scoped(Effect.exit(net.connect({ host: "a.test", port: 1, linger: 0, ...options } as Net.ConnectOptions)))
    ),
    () => settle
  )

export const left = (net: Net.Service) => Effect.map(net.sockets, (sockets) => sockets.length)
