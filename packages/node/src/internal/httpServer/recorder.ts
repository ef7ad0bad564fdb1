/** What a server counts of its requests: plain numbers, and the last few requests, of a fixed number and size. */
import type { Service as CopasService } from "@copas/core/Copas"
import type { HttpServer } from "@effect/platform/HttpServer"
import type { Exchange } from "./exchange.js"

/** The upper ends of the buckets of durations, in milliseconds; the last bucket has none. */
export const bounds: ReadonlyArray<number> = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]

/** Index 0 are requests whose client went away before their answer began; the others are classes of status codes. */
export const classes = ["aborted", "1xx", "2xx", "3xx", "4xx", "5xx"] as const

const mostRecent = 64
const longestPath = 256

/** A request that was answered, or could not be. */
export interface Recorded {
  readonly method: string
  readonly path: string
  readonly remoteAddress: string | undefined
  readonly socketName: string
  readonly requestNumber: number
  /** `undefined`: the client went away before. */
  readonly status: number | undefined
  readonly durationMillis: number
  /** By the server's clock, as `now`. */
  readonly endedAt: number
}

export const pathOf = ({ source }: Exchange): string => source.url!.split(/[?#]/, 1)[0]!.slice(0, longestPath)

export class Recorder {
  readonly name: string
  readonly underWay = new Set<Exchange>()
  readonly counts: Array<number> = classes.map(() => 0)
  readonly buckets: Array<number> = [...bounds.map(() => 0), 0]
  totalMillis = 0
  /** Requests that were refused before a handler saw them; `counts` has them too. */
  refusals = 0
  now: () => number = () => 0
  /** While there are metrics: gets each duration, and is asked for the rest when the server ends. */
  metrics: { readonly duration: (millis: number) => void; readonly ended: () => void } | undefined = undefined
  private readonly ring: Array<Recorded> = []
  private next = 0

  constructor(name: string) {
    this.name = name
  }

  /** A handler begins. */
  begin(exchange: Exchange): void {
    exchange.beganAt = this.now()
    this.underWay.add(exchange)
  }

  /** The answer was given to Node, or cannot be given. */
  end(exchange: Exchange): void {
    if (!this.underWay.delete(exchange)) return
    const endedAt = this.now()
    const durationMillis = endedAt - exchange.beganAt
    const { response } = exchange
    const status = exchange.isUpgraded ? 101 : response.headersSent ? response.statusCode : undefined
    this.counts[status === undefined ? 0 : Math.floor(status / 100)]! += 1
    this.buckets[bucketOf(durationMillis)]! += 1
    this.totalMillis += durationMillis
    this.metrics?.duration(durationMillis)
    const { number, remoteAddress, source } = exchange
    this.ring[this.next] = {
      method: source.method!,
      path: source.url!,
      remoteAddress,
      socketName: exchange.host.socket.name,
      requestNumber: number,
      status,
      durationMillis,
      endedAt
    }
    this.next = (this.next + 1) % mostRecent
  }

  /** A request was answered without a handler. */
  refused(status: number): void {
    this.refusals += 1
    this.counts[Math.floor(status / 100)]! += 1
  }

  /** The last requests, the newest first. */
  get recent(): ReadonlyArray<Recorded> {
    return [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)].reverse().map((recorded) => ({
      ...recorded,
      path: recorded.path.split(/[?#]/, 1)[0]!.slice(0, longestPath)
    }))
  }

  get requests(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }
}

const bucketOf = (millis: number): number => {
  let at = 0
  while (at < bounds.length && millis > bounds[at]!) at += 1
  return at
}

/** The servers of a dispatcher that count, and what gives metrics to those to come, while there are metrics. */
export interface Recorders {
  readonly all: Set<Recorder>
  attach: ((recorder: Recorder) => void) | undefined
}

const ofServers = new WeakMap<HttpServer, Recorder>()
const ofDispatchers = new WeakMap<CopasService, Recorders>()

export const recorderOf = (server: HttpServer): Recorder | undefined => ofServers.get(server)

export const recordersOf = (copas: CopasService): Recorders => {
  const found = ofDispatchers.get(copas) ?? { all: new Set(), attach: undefined }
  ofDispatchers.set(copas, found)
  return found
}

export const register = (copas: CopasService, server: HttpServer, recorder: Recorder): void => {
  ofServers.set(server, recorder)
  const recorders = recordersOf(copas)
  recorders.all.add(recorder)
  recorders.attach?.(recorder)
}

export const unregister = (copas: CopasService, recorder: Recorder): void => {
  recorder.metrics?.ended()
  recordersOf(copas).all.delete(recorder)
}
