/**
 * An HTTP server for tests, which says exactly what a test has it say, right or wrong, and keeps what it was asked, over
 * the network of the context: `NetMemory` or the machine's.
 *
 * A handler answers each request; a script speaks on a connection byte by byte. So a test shows how a client takes an
 * answer that is cut, slow, malformed or missing, and what a client sends, in which order, on which connection.
 *
 * @since 0.2.0
 */
import type { Field } from "@copas/core/HttpTransport"
import type * as Net from "@copas/core/Net"
import type { InetSocket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsInfo } from "@copas/core/TlsConnection"
import type { ServerContext } from "@copas/core/TlsContext"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { RequestFault } from "./internal/http/requestFault.js"
import * as Serving from "./internal/http/serving.js"

/**
 * A request, as it came.
 *
 * @since 0.2.0
 * @category models
 */
export interface Request {
  /** Its connection's number, from 1. */
  readonly connection: number
  /** Its number on its connection, from 1. */
  readonly number: number
  readonly method: string
  /** As on the request line: a path with its query, a URL, an authority, or `*`. */
  readonly target: string
  /** As on the request line: `HTTP/1.1`. */
  readonly version: string
  /** The head as it came, a character for each byte, without the two line ends after it. */
  readonly head: string
  /** The fields in their order, with the case of their names; a character of a value for each byte. */
  readonly fields: ReadonlyArray<Field>
  /** The values of all fields of this name, in any case, joined by `", "`. */
  readonly header: (name: string) => string | undefined
  /** The body without its framing, as far as it came. Empty with `keepsBodies: false`. */
  readonly body: Uint8Array
  /** The bytes of the body that came. */
  readonly size: number
  /** The fields after a chunked body. */
  readonly trailers: ReadonlyArray<Field>
  /** False for one whose connection ended, or whose script stopped reading, before the end of its body. */
  readonly isWhole: boolean
  /** The parameters of its TLS connection. */
  readonly tls: Option.Option<TlsInfo>
}

/**
 * How bytes go out.
 *
 * @since 0.2.0
 * @category models
 */
export interface Sending {
  /** This many bytes at a time, each handed to the network by itself. Default: all at once. */
  readonly split?: number | undefined
  /** The time before each of them except the first. Default: none. */
  readonly pause?: Duration.DurationInput | undefined
}

/**
 * How the connection continues after an answer.
 *
 * - `"keep"`: the next request is awaited
 * - `"close"`: it is closed in order
 * - `"halfClose"`: the peer sends its end, and reads on until the client ends, too
 * - `"reset"`: it is reset, once the system has taken what was sent
 * - `"silence"`: the peer reads on, and says nothing more
 * - `"deaf"`: the peer neither reads nor says anything
 *
 * @since 0.2.0
 * @category models
 */
export type Ending = "keep" | "close" | "halfClose" | "reset" | "silence" | "deaf"

/**
 * Fields of a head, in their order: pairs, or a record, in which an array stands for several fields of one name. They are
 * sent as they are, also what is malformed; a character above 0xFF cannot be.
 *
 * @since 0.2.0
 * @category models
 */
export type Fields = ReadonlyArray<Field> | { readonly [name: string]: string | number | ReadonlyArray<string> }

/**
 * An answer.
 *
 * @since 0.2.0
 * @category models
 */
export interface Answer extends Sending {
  /** Default 200. */
  readonly status?: number | undefined
  /** Default the usual text of the status. */
  readonly statusText?: string | undefined
  /** Default `HTTP/1.1`. */
  readonly version?: string | undefined
  /**
   * `Content-Length`, or `Transfer-Encoding` for a body of chunks, is added, unless one of both is here. At statuses that
   * have no body, none is added; an answer to HEAD has the field and no body.
   */
  readonly fields?: Fields | undefined
  /** Text goes out as UTF-8. An array is a chunked body: an element is a chunk, and an empty one is left out. */
  readonly body?: string | Uint8Array | ReadonlyArray<string | Uint8Array> | undefined
  /** The fields after a chunked body. */
  readonly trailers?: Fields | undefined
  /** False: no field that frames the body is added, so that the end of the connection ends it. Default true. */
  readonly isFramed?: boolean | undefined
  /** The answer is cut after this many bytes, its head included; a negative number counts from its end. */
  readonly cut?: number | undefined
  /** The time before it. */
  readonly delay?: Duration.DurationInput | undefined
  /**
   * Default `"keep"`; `"close"` if it is cut, if it is not framed, or if it or the request has `Connection: close`.
   */
  readonly ending?: Ending | undefined
}

/**
 * An answer, or the very bytes of one; text goes out as UTF-8.
 *
 * @since 0.2.0
 * @category models
 */
export type Reply = Answer | string | Uint8Array

/**
 * One connection, for a script. After the script the connection is closed in order.
 *
 * Reading fails with a `SocketError`, as of `Socket.receive`, or with a `RequestFault`. *Interruption* loses the place
 * within a request: close the connection.
 *
 * @since 0.2.0
 * @category models
 */
export interface Connection {
  /** From 1. */
  readonly number: number
  readonly socket: InetSocket
  /** The next request, with its whole body. It is kept. */
  readonly request: Effect.Effect<Request, unknown>
  /** The head of the next request: its body is what `read` gives. It is kept when its body has ended, or the script. */
  readonly head: Effect.Effect<Request, unknown>
  /** The next bytes of the body of that request, and `undefined` at its end. */
  readonly read: Effect.Effect<Uint8Array | undefined, unknown>
  /** Sends bytes as they are; text as UTF-8. It completes when the system has taken them. */
  readonly send: (data: string | Uint8Array, how?: Sending) => Effect.Effect<void, unknown>
  /** Answers the last request, and ends as the answer says: except for `"keep"`, the script ends here. */
  readonly answer: (reply: Reply) => Effect.Effect<void, unknown>
  /** Answers all further requests by the handler. */
  readonly serve: Effect.Effect<void, unknown>
  /** Ends the connection in this way, and the script. */
  readonly end: (how: Exclude<Ending, "keep">) => Effect.Effect<never, unknown>
  /** Begins TLS: a proxy's target, for example. */
  readonly secure: (context: ServerContext) => Effect.Effect<void, unknown>
  /** Passes bytes on to another server and back, until both have ended: what a proxy does after its answer to CONNECT. */
  readonly tunnel: (host: string, port: number) => Effect.Effect<void, unknown>
}

/**
 * The script of a connection.
 *
 * @since 0.2.0
 * @category models
 */
export type Script<R = never> = (connection: Connection) => Effect.Effect<unknown, unknown, R>

/**
 * The options of a peer: what it says, and what it keeps.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<R = never> {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default a free port. */
  readonly port?: number | undefined
  /** TLS from the first byte. */
  readonly tls?: ServerContext | undefined
  /** Answers each request of the connections that have no script. Default: 200 without a body. */
  readonly handler?: ((request: Request) => Reply | Effect.Effect<Reply, unknown, R>) | undefined
  /** Speaks on each connection; of an array the first on the first connection, and the last one on all further ones. */
  readonly script?: Script<R> | ReadonlyArray<Script<R>> | undefined
  /** Bytes of a request's head. Default 64 KiB; 431 past it. */
  readonly maxHead?: number | undefined
  /** Bytes of a request's body. Default 16 MiB; 413 past it. With `keepsBodies: false` there is no limit. */
  readonly maxBody?: number | undefined
  /** Connections at a time. Default 1000; further ones are reset. */
  readonly maxConnections?: number | undefined
  /** How many bytes the requests that it keeps may have: past it, the older half is forgotten. Default 64 MiB. */
  readonly memory?: number | undefined
  /** False: bodies are counted, and not kept. Default true. */
  readonly keepsBodies?: boolean | undefined
}

/**
 * A peer that listens: where it is, and what it was asked.
 *
 * @since 0.2.0
 * @category models
 */
export interface HttpPeer {
  readonly host: string
  readonly port: number
  /** `http://host:port`, or `https:` with TLS, without a path. */
  readonly url: string
  /** The requests so far, in the order in which they ended. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** Waits until there are this many requests, and returns all. *Interruption* ends the wait. */
  readonly awaitRequests: (count: number) => Effect.Effect<ReadonlyArray<Request>>
  /** How many connections are open, how many there were in all, and how many at the most at a time. */
  readonly connections: Effect.Effect<{ readonly open: number; readonly total: number; readonly most: number }>
  /** Waits until this many connections are open. *Interruption* ends the wait. */
  readonly awaitOpen: (count: number) => Effect.Effect<void>
  /**
   * Why handlers and scripts failed so far, at most the last hundred: their own failures and defects, and requests that
   * are malformed (`RequestFault`). That a client has gone, or has cut the connection, is none.
   */
  readonly failures: Effect.Effect<ReadonlyArray<Cause.Cause<unknown>>>
}

/**
 * The client sent what is not a request, or too much.
 *
 * @since 0.2.0
 * @category errors
 */
export { RequestFault }

/**
 * Starts a peer; the scope ends it, and cuts all its connections.
 *
 * Fails with `BindError` if it cannot listen there. *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Http } from "@copas/clients"
 * import { HttpPeer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { NodeHttpTransport } from "@copas/node"
 * import { Effect, Layer } from "effect"
 *
 * // A server that closes the connection within its answer
 * const program = Effect.gen(function*() {
 *   const peer = yield* HttpPeer.make({ handler: () => ({ body: "0123456789", cut: -7 }) })
 *   return yield* Http.text(peer.url)
 * }).pipe(
 *   Effect.catchTag("BodyTruncated", (error) => Effect.succeed(`${error.received} of ${error.expected} bytes`))
 * )
 *
 * const layer = Http.layer().pipe(Layer.provide(NodeHttpTransport.layer), Layer.provideMerge(NetMemory.layer))
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // 3 of 10 bytes
 * ```
 * @example
 * ```ts
 * import { HttpPeer } from "@copas/clients/testing"
 * import { Net } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * // A server that answers before it has read the body, and closes
 * const tooLarge: HttpPeer.Script = (connection) =>
 *   Effect.zipRight(connection.head, connection.answer({ status: 413, ending: "close" }))
 *
 * const program = Effect.gen(function*() {
 *   const peer = yield* HttpPeer.make({ script: tooLarge })
 *   const socket = yield* Net.connect({ host: peer.host, port: peer.port })
 *   yield* socket.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n")
 *   return yield* socket.receiveLine()
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
 *   .then(console.log) // HTTP/1.1 413 Content Too Large
 * ```
 */
export const make = <R = never>(
  options: Options<R> = {}
): Effect.Effect<HttpPeer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope | R> =>
  Serving.make(options)
