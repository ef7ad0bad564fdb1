/** One request and its answer, over HTTP/1.1 or HTTP/2. */
import type * as CopasSocket from "@copas/core/Socket"
import type * as Headers from "@effect/platform/Headers"
import type { RequestError } from "@effect/platform/HttpServerError"
import type * as Socket from "@effect/platform/Socket"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Http from "node:http"
import type * as Http2 from "node:http2"
import type { HttpConnection } from "../../HttpConnection.js"
import { Body, type BodyFault } from "./body.js"
import type { Client } from "./forwarded.js"
import type { Settings } from "./options.js"
import { Request } from "./request.js"
import { type Refusal, RequestRules } from "./rules.js"

export type NodeRequest = Http.IncomingMessage | Http2.Http2ServerRequest
export type NodeResponse = Http.ServerResponse | Http2.Http2ServerResponse

/** What an exchange asks of its connection. */
export interface Host {
  readonly settings: Settings
  readonly socket: CopasSocket.Socket
  /** No further request is answered on the connection after this one. */
  readonly endsAfter: (exchange: Exchange) => boolean
  /** What `HttpConnection.current` shows, for the request of this number. */
  readonly shown: (requestNumber: number) => HttpConnection
  /**
   * The answer was begun, and cannot be given whole: the client must not take it for whole. HTTP/1.1 has no other means
   * than to reset the connection; HTTP/2 resets the stream (RFC 9113, section 5.4.2).
   */
  readonly cut: (exchange: Exchange) => Effect.Effect<void>
  /** What went wrong in a handler goes where failures of threads go. */
  readonly report: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

const hostOf = ({ remoteAddress }: CopasSocket.Socket): string | undefined =>
  remoteAddress._tag === "InetAddress" ? remoteAddress.host : undefined

const clientOf = ({ settings, socket }: Host, { rawHeaders }: NodeRequest): Client => {
  const { remoteAddress, tls } = socket
  const protocol = tls._tag === "Some" ? "https" : undefined
  if (settings.readClient === undefined) {
    return { address: hostOf(socket), protocol, host: undefined }
  }
  const client = settings.readClient(remoteAddress, rawHeaders)
  return client.protocol === undefined && protocol !== undefined ? { ...client, protocol } : client
}

/** What a peer may leave of a body that no handler read, so that the connection is kept: it comes, and is dropped. */
const worthKeeping = 64 * 1024

/** RFC 9113, section 8.3.1. */
const pseudoFields = [":method", ":path", ":scheme", ":authority", ":protocol"]

export class Exchange {
  readonly host: Host
  readonly source: NodeRequest
  readonly response: NodeResponse
  /** From 1 on. */
  readonly number: number
  /** When its handler began, by the server's clock. */
  beganAt = 0
  /** An answer was begun, by whichever part of the program. */
  isHandled = false
  /** The client has gone, or the answer was cut: nothing more can be said. */
  isGone = false
  /** The answer's bytes are all handed to Node. */
  isAnswered = false
  /** The connection speaks another protocol from now on: nothing more can be said over HTTP. */
  isUpgraded = false
  /** The connection ends after this answer, which says so. */
  isLast = false
  /** Bytes of the answer's body that were handed to Node at once. */
  size = 0
  /** Bytes of the answer's body that were handed to Node so far. */
  handedOver = 0
  /** Fields to send behind the body. */
  trailers: Readonly<Record<string, string>> | undefined = undefined
  /** How the handler ended, for the scope of the request. */
  exit: Exit.Exit<unknown, unknown> = Exit.void
  /** The client waits for "100 Continue" before it sends the body: RFC 9110, section 10.1.1. */
  expectsContinue: boolean
  /** What the client announced; `undefined` for a body in chunks. */
  private readonly length: number | undefined
  /** For `request.upgrade`, where the request asks for an upgrade. */
  upgrade: ((request: Request) => Effect.Effect<Socket.Socket, RequestError>) | undefined = undefined
  private goneListener: (() => void) | undefined = undefined
  /** The target as handlers see it. */
  readonly url: string
  private readonly authority: string | undefined
  private clientMemo: Client | undefined = undefined
  private headersMemo: Headers.Headers | undefined = undefined

  /** The rules have just judged the request: what they found is taken from them. */
  constructor(host: Host, source: NodeRequest, response: NodeResponse, number: number, rules: RequestRules) {
    this.host = host
    this.source = source
    this.response = response
    this.number = number
    this.url = rules.path
    this.length = rules.contentLength
    this.expectsContinue = rules.expectsContinue
    this.authority = rules.authority
  }

  /** The client has gone, or the answer was cut. */
  gone(): void {
    this.isGone = true
    this.goneListener?.()
  }

  private get emitter(): Http.ServerResponse | Http2.ServerHttp2Stream | undefined {
    // Node's response of HTTP/2 finishes when the stream closes, and not when all of it has gone out.
    return this.isHttp2 ? (this.response as Http2.Http2ServerResponse).stream : this.response as Http.ServerResponse
  }

  /** What `once` would wait for has been. */
  hasEmitted(event: "drain" | "finish"): boolean {
    const { emitter } = this
    return emitter === undefined || (event === "drain" ? !emitter.writableNeedDrain : emitter.writableFinished)
  }

  /** Calls back when the response emits `event`, or the client has gone; the result takes that back. */
  once(event: "drain" | "finish", listener: () => void): () => void {
    const { emitter } = this
    const told = (): void => {
      cancel()
      listener()
    }
    const cancel = (): void => {
      this.goneListener = undefined
      emitter?.removeListener(event, told)
    }
    this.goneListener = told
    emitter?.once(event, told)
    return cancel
  }

  /** It waits until more of the answer has gone out. */
  get isSending(): boolean {
    return this.goneListener !== undefined
  }

  get request(): Request {
    return new Request(this, this.url)
  }

  /** Who sent the request: the peer, or whom a trusted proxy names. */
  private get client(): Client {
    return this.clientMemo ??= clientOf(this.host, this.source)
  }

  /**
   * The fields as handlers see them. A target in absolute form names the host, whatever `Host` says, and HTTP/2 has no such
   * field. `x-forwarded-proto`, from which `HttpServerRequest.toURL` takes the scheme, is what is known to be true.
   */
  get headers(): Headers.Headers {
    if (this.headersMemo !== undefined) return this.headersMemo
    const { client: { host = this.authority, protocol }, source } = this
    const headers = source.headers as Record<string, string>
    if (!this.isHttp2 && host === headers["host"] && protocol === headers["x-forwarded-proto"]) {
      return this.headersMemo = headers as unknown as Headers.Headers
    }
    const own = { ...headers }
    if (this.isHttp2) { for (const name of pseudoFields) delete own[name] }
    if (host !== undefined) own["host"] = host
    if (protocol === undefined) delete own["x-forwarded-proto"]
    else own["x-forwarded-proto"] = protocol
    return this.headersMemo = own as unknown as Headers.Headers
  }

  get remoteAddress(): string | undefined {
    const { settings, socket } = this.host
    return settings.readClient === undefined ? hostOf(socket) : this.client.address
  }

  get connection(): HttpConnection {
    return this.host.shown(this.number)
  }

  get isHttp2(): boolean {
    return this.source.httpVersionMajor === 2
  }

  // ---- the body

  private bodyMemo: Body | undefined = undefined
  get body(): Body {
    return this.bodyMemo ??= new Body(this.source, this, this.length)
  }

  /** The body's first read. */
  begins(): void {
    if (this.expectsContinue && !this.response.headersSent && !this.isGone) this.response.writeContinue()
    this.expectsContinue = false
  }

  /** Why the body could not be read, if it could not. */
  get fault(): BodyFault | undefined {
    return this.bodyMemo?.fault
  }

  get awaitsBody(): boolean {
    return this.bodyMemo !== undefined && this.bodyMemo.isAwaited
  }

  /** Nobody reads the rest of the body; where it is long or of unknown length, the connection ends after the answer. */
  get leavesBody(): boolean {
    if (this.fault !== undefined) return true
    if (this.source.complete) return false
    if (this.expectsContinue) return true
    const { length } = this
    return length === undefined || length > worthKeeping
  }

  /** As the head was judged. */
  checkTrailers(rawTrailers: ReadonlyArray<string>): Refusal | undefined {
    return new RequestRules(this.host.settings.limits).checkTrailers(rawTrailers)
  }

  failBody(fault: BodyFault): void {
    this.body.fail(fault)
  }
}
