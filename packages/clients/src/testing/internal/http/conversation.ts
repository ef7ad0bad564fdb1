/**
 * One connection of an HTTP peer: what a script does on it, and the answers of the handler.
 */
import type * as Net from "@copas/core/Net"
import type { InetSocket, Socket } from "@copas/core/Socket"
import * as Tls from "@copas/core/Tls"
import type { ServerContext } from "@copas/core/TlsContext"
import * as Effect from "effect/Effect"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Connection, Ending, Reply, Request, Sending } from "../../HttpPeer.js"
import * as Answering from "./answering.js"
import { type Incoming, type Limits, read } from "./requests.js"

/** What a conversation needs of its server. */
export interface Host {
  readonly net: Net.Service
  readonly limits: Limits
  readonly handler: (request: Request) => Effect.Effect<Reply, unknown>
  readonly keep: (request: Incoming) => void
}

/** The script has ended its connection: no failure. */
export class Ended {
  readonly _tag = "Ended"
}

const encoder = new TextEncoder()

export class Conversation implements Connection {
  readonly number: number
  readonly socket: InetSocket
  private readonly host: Host
  private last: Incoming | undefined
  private count = 0

  constructor(host: Host, socket: InetSocket, number: number) {
    this.host = host
    this.socket = socket
    this.number = number
  }

  readonly head: Effect.Effect<Request, unknown> = Effect.suspend(() => {
    this.leave()
    return Effect.map(
      read(this.socket, { connection: this.number, number: this.count + 1 }, this.host.limits),
      (request): Request => {
        this.count += 1
        this.last = request
        return request
      }
    )
  })

  readonly read: Effect.Effect<Uint8Array | undefined, unknown> = Effect.suspend(() =>
    this.last === undefined
      ? Effect.dieMessage("read comes after head")
      : Effect.map(this.last.next(this.socket, this.host.limits), (bytes) => {
        if (bytes === undefined) this.leave()
        return bytes
      })
  )

  readonly request: Effect.Effect<Request, unknown> = Effect.zipRight(
    this.head,
    Effect.suspend(() => {
      const request = this.last!
      const goesAhead = request.version !== "HTTP/1.0" && request.header("expect")?.toLowerCase() === "100-continue"
      return (goesAhead ? this.send("HTTP/1.1 100 Continue\r\n\r\n") : Effect.void).pipe(
        Effect.zipRight(request.whole(this.socket, this.host.limits)),
        Effect.map((): Request => {
          this.leave()
          return request
        })
      )
    })
  )

  /** Keeps the last request, as far as it came. */
  leave(): void {
    if (this.last === undefined || this.last.isKept) return
    this.last.isKept = true
    this.host.keep(this.last)
  }

  send(data: string | Uint8Array, { pause, split = Infinity }: Sending = {}): Effect.Effect<void, unknown> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data
    const from = (at: number): Effect.Effect<void, unknown> => {
      const end = Math.min(bytes.length, at + Math.max(1, split))
      const sent = Effect.zipRight(this.socket.send(bytes.subarray(at, end)), this.socket.flush)
      if (end === bytes.length) return sent
      // The network may take it before the next piece comes; where that has to be sure, a pause makes it so.
      const rest = Effect.suspend(() => from(end))
      return Effect.zipRight(sent, Effect.zipRight(pause === undefined ? Effect.yieldNow() : Effect.sleep(pause), rest))
    }
    return from(0)
  }

  answer(reply: Reply): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      const isPlain = typeof reply === "string" || reply instanceof Uint8Array
      const { bytes, ending } = Answering.encode(reply, this.last)
      return (isPlain || reply.delay === undefined ? Effect.void : Effect.sleep(reply.delay)).pipe(
        Effect.zipRight(bytes.length === 0 ? Effect.void : this.send(bytes, isPlain ? {} : reply)),
        Effect.zipRight(ending === "keep" ? Effect.void : this.end(ending))
      )
    })
  }

  readonly serve: Effect.Effect<void, unknown> = Effect.suspend(() =>
    Effect.flatMap(this.request, this.host.handler).pipe(
      Effect.flatMap((reply) => this.answer(reply)),
      Effect.forever
    )
  )

  end(how: Exclude<Ending, "keep">): Effect.Effect<never, unknown> {
    const drain = Effect.ignore(Effect.forever(this.socket.receive()))
    const ending = (): Effect.Effect<void, unknown> => {
      switch (how) {
        case "close":
          return Effect.void
        case "halfClose":
          return Effect.zipRight(this.socket.shutdown("send"), drain)
        case "reset":
          // What was sent is to arrive before the reset does.
          return Effect.zipRight(this.socket.flush, Effect.zipRight(Effect.yieldNow(), this.socket.abort))
        case "silence":
          return drain
        case "deaf":
          return Effect.never
      }
    }
    return Effect.zipRight(Effect.suspend(ending), Effect.fail(new Ended()))
  }

  secure(context: ServerContext): Effect.Effect<void, unknown> {
    return Tls.upgrade(this.socket, context)
  }

  tunnel(host: string, port: number): Effect.Effect<void, unknown> {
    const pass = (from: Socket, to: Socket): Effect.Effect<void, unknown> =>
      Effect.ensuring(from.forEachChunk((chunk) => to.send(chunk)), Effect.ignore(to.shutdown("send")))
    return Effect.scoped(Effect.flatMap(
      this.host.net.connect({ host, port }),
      (target) => Effect.all([pass(this.socket, target), pass(target, this.socket)], { concurrency: 2, discard: true })
    ))
  }
}

/** What a client is told that sent what is no request. */
export const refusal = (status: number, message: string): Reply => ({
  status,
  body: `${Bytes.show(message)}\n`,
  ending: "halfClose"
})
