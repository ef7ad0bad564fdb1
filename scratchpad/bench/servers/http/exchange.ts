/** The transport of this library alone: `HttpTransport.exchange` on a route, without a client's policy. */
import { Copas, HttpTransport, Net, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { type Client, run } from "./effects.js"
import { authority, big, connections, isHttp2 } from "./told.js"

const none: ReadonlyArray<never> = []
const timeouts = { connect: 10_000, send: 60_000, response: 60_000, receive: 60_000 }

/** A class, as of this library's client: V8 allocates literals that wait for long among the old objects. */
class Get implements HttpTransport.WireRequest<never> {
  readonly method = "GET"
  readonly url: URL
  readonly fields = none
  readonly body = undefined
  readonly timeouts = timeouts
  constructor(url: string) {
    this.url = new URL(url)
  }
}

const clientOf = (
  transport: HttpTransport.Service,
  net: Net.Service,
  tls: Tls.ClientContext
): Client<unknown, never> => {
  const { origin } = new URL(big)
  const route: HttpTransport.Route<unknown> = {
    origin,
    connect: ({ connectTimeout, host, port }) => net.connect({ host, port, timeouts: { connect: connectTimeout } }),
    tls: origin.startsWith("https:") ? tls : undefined,
    serverName: undefined,
    permit: undefined,
    http: isHttp2 ? "2" : "1.1",
    limits: { head: 65_536, fields: 1000, connections, idle: 4000 }
  }
  const ok = (exchange: HttpTransport.Exchange<unknown>): HttpTransport.Exchange<unknown> => {
    if (exchange.status !== 200) throw new Error(`status ${exchange.status}`)
    return exchange
  }
  const exchange = <A>(
    url: string,
    use: (exchange: HttpTransport.Exchange<unknown>) => Effect.Effect<A, unknown>
  ): Effect.Effect<A, unknown> =>
    Effect.suspend(() => HttpTransport.use(transport.prepare(new Get(url), route), (one) => use(ok(one))))
  /** Reads to the end. */
  const each = (
    { read }: HttpTransport.Exchange<unknown>,
    take: (chunk: Uint8Array) => void
  ): Effect.Effect<void, unknown> => {
    let isOpen = true
    return Effect.whileLoop({
      while: () => isOpen,
      body: () => read,
      step: (chunk) => {
        if (chunk === undefined) isOpen = false
        else take(chunk)
      }
    })
  }
  return {
    get: (url) =>
      exchange(url, (one) => {
        const whole = one.takeWhole()
        if (whole !== undefined) return Effect.succeed(whole)
        const chunks: Array<Uint8Array> = []
        return Effect.map(
          each(one, (chunk) => chunks.push(chunk)),
          () => chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
        )
      }),
    download: (url, take) => exchange(url, (one) => each(one, take)),
    stall: (url) => Effect.flatMap(transport.exchange(new Get(url), route), (one) => ok(one).read)
  }
}

const program = Effect.gen(function*() {
  const client = clientOf(yield* HttpTransport.HttpTransport, yield* Net.Net, yield* Tls.client({ ca: authority }))
  return yield* run(client)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
