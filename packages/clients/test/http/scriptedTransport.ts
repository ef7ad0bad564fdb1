/** A transport for tests of what the client decides: it sends nothing, keeps what it is asked, and answers by a function. */
import { HttpTransport, NetAddress } from "@copas/core"
import type { Exchange, Field, Prepared, Route, WireRequest } from "@copas/core/HttpTransport"
import { Effect, Layer } from "effect"

export interface Sent {
  readonly method: string
  /** With its fragment: the transport takes that away. */
  readonly url: string
  readonly fields: ReadonlyArray<Field>
  /** The values of a field, by its name in lower case. */
  readonly header: (name: string) => string | undefined
  readonly body: Uint8Array | "none" | "pulled"
  readonly route: Route<unknown>
}

export interface Reply {
  readonly status?: number
  readonly fields?: ReadonlyArray<Field>
  readonly body?: string
  /** Default 127.0.0.1, which is not public. */
  readonly remote?: string
  /** What the body ends with, in place of its end. */
  readonly failure?: HttpTransport.HttpTransportFailure
}

export const failure = (
  kind: HttpTransport.FailureKind,
  fields: Partial<Omit<HttpTransport.HttpTransportFailure, "_tag" | "kind">> = {}
): HttpTransport.HttpTransportFailure =>
  new HttpTransport.HttpTransportFailure({
    kind,
    phase: "response",
    detail: "as scripted",
    sent: 10,
    received: 0,
    isReused: false,
    expected: undefined,
    cause: undefined,
    ...fields
  })

type Answer = Reply | HttpTransport.HttpTransportFailure | Effect.Effect<Reply, unknown>

export interface Scripted {
  readonly layer: Layer.Layer<HttpTransport.HttpTransport>
  readonly sent: ReadonlyArray<Sent>
  /** How many exchanges are held by a scope. */
  readonly open: () => number
}

const sentOf = ({ body, fields, method, url }: WireRequest<unknown>, route: Route<unknown>): Sent => ({
  method,
  url: url.href,
  fields,
  header: (name) => {
    const values = fields.filter((field) => field[0].toLowerCase() === name).map(([, value]) => value)
    return values.length === 0 ? undefined : values.join(", ")
  },
  body: body === undefined ? "none" : body instanceof Uint8Array ? body : "pulled",
  route
})

/** `answer` is called for each exchange, with its number, from 1. */
export const scripted = (answer: (sent: Sent, count: number) => Answer): Scripted => {
  const sent: Array<Sent> = []
  let open = 0
  const exchange = (request: WireRequest<any>, route: Route<any>): Effect.Effect<Exchange<any>, any> =>
    Effect.gen(function*() {
      const one = sentOf(request, route)
      sent.push(one)
      if (request.body !== undefined && !(request.body instanceof Uint8Array)) {
        while ((yield* request.body.pull) !== undefined);
      }
      const given = answer(one, sent.length)
      if (given instanceof HttpTransport.HttpTransportFailure) return yield* Effect.fail(given)
      const reply: Reply = Effect.isEffect(given) ? yield* given : given
      const chunks = reply.body === undefined ? [] : [new TextEncoder().encode(reply.body)]
      const remoteAddress = NetAddress.inet(reply.remote ?? "127.0.0.1", 80)
      return {
        status: reply.status ?? 200,
        statusText: "",
        version: "1.1",
        fields: reply.fields ?? [],
        values: (name) =>
          (reply.fields ?? []).filter((field) => field[0].toLowerCase() === name).map(([, value]) => value),
        takeWhole: () => undefined,
        informational: [],
        read: Effect.suspend(() => {
          const chunk = chunks.shift()
          return chunk === undefined && reply.failure !== undefined ? Effect.fail(reply.failure) : Effect.succeed(chunk)
        }),
        trailers: () => [],
        connection: {
          remoteAddress,
          localAddress: NetAddress.inet("127.0.0.1", 1),
          tls: undefined,
          isReused: false,
          opening: { lookup: 0, connect: 0, tls: 0 }
        },
        cancel: Effect.void
      }
    })
  const prepare = (request: WireRequest<any>, route: Route<any>): Prepared<any, any> => {
    let isHeld = false
    return {
      head: Effect.map(exchange(request, route), (answer) => {
        isHeld = true
        open++
        return answer
      }),
      leave: () => {
        if (isHeld) open--
        isHeld = false
      }
    }
  }
  return {
    layer: Layer.succeed(HttpTransport.HttpTransport, HttpTransport.make({ prepare, decoders: {} })),
    sent,
    open: () => open
  }
}
