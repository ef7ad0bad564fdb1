/**
 * The HTTP peer, and its connections' lives.
 */
import * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { InetSocket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { firstError, wasInterrupted } from "../../../internal/effect/causes.js"
import type { HttpPeer, Options, Reply, Request, Script } from "../../HttpPeer.js"
import { Changes } from "../changes.js"
import * as Listening from "../listening.js"
import { Conversation, Ended, refusal } from "./conversation.js"
import { RequestFault } from "./requestFault.js"
import type { Incoming } from "./requests.js"

const defaultHead = 64 * 1024
const defaultBody = 16 * 1024 * 1024
const defaultMemory = 64 * 1024 * 1024
const defaultConnections = 1000
const mostFailures = 100
/** What keeping a request costs beside its bytes, about. */
const overhead = 500

class Shared extends Changes {
  requests: Array<Incoming> = []
  readonly failures: Array<Cause.Cause<unknown>> = []
  open = 0
  total = 0
  most = 0
  private bytes = 0
  private readonly memory: number

  constructor(memory: number) {
    super()
    this.memory = memory
  }

  count(change: 1 | -1): void {
    this.open += change
    this.total += Math.max(0, change)
    this.most = Math.max(this.most, this.open)
    this.changed()
  }

  keep(request: Incoming): void {
    const cost = ({ body, head }: Request): number => body.length + 2 * head.length + overhead
    this.requests.push(request)
    this.bytes += cost(request)
    if (this.bytes > this.memory) {
      this.requests = this.requests.slice(Math.ceil(this.requests.length / 2))
      this.bytes = this.requests.reduce((sum, kept) => sum + cost(kept), 0)
    }
    this.changed()
  }

  fail(cause: Cause.Cause<unknown>): void {
    this.failures.push(cause)
    if (this.failures.length > mostFailures) this.failures.shift()
  }
}

/** The client has gone, in order or not. */
const isGone = (error: unknown): boolean =>
  error instanceof Ended ||
  /^Socket(Closed|Broken)$/.test((error as { readonly _tag?: string } | undefined)?._tag ?? "")

const converse = (
  shared: Shared,
  conversation: Conversation,
  script: Script
): Effect.Effect<void, unknown> =>
  Effect.flatMap(Effect.exit(script(conversation)), (exit) => {
    conversation.leave()
    const { socket } = conversation
    const error = firstError(exit)
    if (Exit.isSuccess(exit) || isGone(error)) return Effect.void
    if (wasInterrupted(exit)) return Effect.zipRight(socket.abort, exit)
    shared.fail(exit.cause)
    // Nothing tells the client of a test that went otherwise than written, except the end.
    return error instanceof RequestFault
      ? Effect.ignore(conversation.answer(refusal(error.status, error.message)))
      : socket.abort
  }).pipe(Effect.onInterrupt(() => conversation.socket.abort))

export const make = <R>(
  options: Options<R>
): Effect.Effect<HttpPeer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope | R> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const context = yield* Effect.context<R>()
    const { handler, maxConnections = defaultConnections, script, tls } = options
    const host = options.host ?? "127.0.0.1"
    const shared = new Shared(options.memory ?? defaultMemory)
    const keepsBodies = options.keepsBodies !== false
    const answer = (request: Request): Effect.Effect<Reply, unknown> =>
      Effect.suspend(() => {
        const reply = handler === undefined ? {} : handler(request)
        return Effect.isEffect(reply) ? Effect.provide(reply, context) : Effect.succeed(reply)
      })
    const serving = {
      net,
      limits: { head: options.maxHead ?? defaultHead, body: options.maxBody ?? defaultBody, keepsBodies },
      handler: answer,
      keep: (request: Incoming) => shared.keep(request)
    }
    const scripts = script === undefined ? [] : typeof script === "function" ? [script] : script
    const scriptOf = (number: number): Script<R> => scripts[number - 1] ?? scripts.at(-1) ?? ((peer) => peer.serve)
    const sockets = new Set<InetSocket>()
    const serve = (socket: InetSocket): Effect.Effect<void, unknown> => {
      sockets.add(socket)
      const conversation = new Conversation(serving, socket, shared.total)
      const speak: Script = (peer) => Effect.provide(scriptOf(peer.number)(peer), context)
      return Effect.zipRight(
        tls === undefined ? Effect.void : Tls.upgrade(socket, tls),
        converse(shared, conversation, speak)
      ).pipe(
        Effect.when(() => shared.open <= maxConnections),
        Effect.flatMap((done) => Option.isSome(done) ? socket.close : socket.abort),
        Effect.ensuring(Effect.sync(() => sockets.delete(socket)))
      )
    }
    const port = yield* Listening.serve(net, { host, port: options.port }, serve, (change) => shared.count(change))
    // A connection that is being closed would otherwise wait for its client.
    yield* Effect.addFinalizer(() => Effect.forEach(Array.from(sockets), (socket) => socket.abort, { discard: true }))
    const requests = Effect.sync(() => Array.from<Request>(shared.requests))
    return {
      host,
      port,
      url: `${tls === undefined ? "http" : "https"}://${NetAddress.formatHostPort(host, port)}`,
      requests,
      awaitRequests: (count) => Effect.zipRight(shared.until(() => shared.requests.length >= count), requests),
      connections: Effect.sync(() => ({ open: shared.open, total: shared.total, most: shared.most })),
      awaitOpen: (count) => shared.until(() => shared.open === count),
      failures: Effect.sync(() => Array.from(shared.failures))
    }
  })
