/** One request and its answer, over HTTP/1.1 or HTTP/2. */
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
import type { Settings } from "./options.js"
import { Request } from "./request.js"
import type { RequestRules } from "./rules.js"

export type NodeRequest = Http.IncomingMessage | Http2.Http2ServerRequest
export type NodeResponse = Http.ServerResponse | Http2.Http2ServerResponse

/** What an exchange asks of its connection. */
export interface Host {
  readonly settings: Settings
  /** No further request is answered on the connection. */
  readonly isLast: boolean
  /** What `HttpConnection.current` shows, for the request of this number. */
  readonly shown: (requestNumber: number) => HttpConnection
  readonly remoteAddress: string | undefined
  /**
   * The answer was begun, and cannot be given whole: the client must not take it for whole. HTTP/1.1 has no other means
   * than to reset the connection; HTTP/2 resets the stream (RFC 9113, section 5.4.2).
   */
  readonly cut: (exchange: Exchange) => Effect.Effect<void>
  /** What went wrong in a handler goes where failures of threads go. */
  readonly report: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

/** What a peer may leave of a body that no handler read, so that the connection is kept: it comes, and is dropped. */
const worthKeeping = 64 * 1024

export class Exchange {
  readonly host: Host
  readonly source: NodeRequest
  readonly response: NodeResponse
  /** From 1 on. */
  readonly number: number
  /** An answer was begun, by whichever part of the program. */
  isHandled = false
  /** The client has gone, or the answer was cut: nothing more can be said. */
  isGone = false
  /** The answer's bytes are all handed to Node. */
  isAnswered = false
  /** The connection ends after this answer, which says so. */
  isLast = false
  /** Bytes of the answer's body that were handed to Node at once. */
  size = 0
  /** How the handler ended, for the scope of the request. */
  exit: Exit.Exit<unknown, unknown> = Exit.void
  /** The client waits for "100 Continue" before it sends the body: RFC 9110, section 10.1.1. */
  expectsContinue: boolean
  /** What the client announced; `undefined` for a body in chunks. */
  private readonly length: number | undefined
  /** For `request.upgrade`, where the request asks for an upgrade. */
  upgrade: ((request: Request) => Effect.Effect<Socket.Socket, RequestError>) | undefined = undefined
  private goneListener: (() => void) | undefined = undefined
  /** The target and the fields as handlers see them, where they differ from what came. */
  readonly url: string
  private headersMemo: Headers.Headers | undefined = undefined
  private addressMemo: string | undefined = undefined

  /** The rules have just judged the request: what they found is taken from them. */
  constructor(host: Host, source: NodeRequest, response: NodeResponse, number: number, rules: RequestRules) {
    this.host = host
    this.source = source
    this.response = response
    this.number = number
    this.url = rules.path
    this.length = rules.contentLength
    this.expectsContinue = rules.expectsContinue
    const { authority } = rules
    // A target in absolute form names the host, whatever the field says; HTTP/2 has no such field.
    if (authority !== undefined && source.headers.host !== authority) {
      this.headersMemo = { ...source.headers, host: authority } as unknown as Headers.Headers
    }
  }

  /** What trusted proxies say, in place of what came. */
  override(headers: Headers.Headers | undefined, remoteAddress: string | undefined): void {
    this.headersMemo = headers
    this.addressMemo = remoteAddress
  }

  /** The client has gone, or the answer was cut. */
  gone(): void {
    this.isGone = true
    this.goneListener?.()
  }

  /** Calls back when the response emits `event`, or the client has gone; the result takes that back. */
  once(event: "drain" | "finish", listener: () => void): () => void {
    const { response } = this
    const told = (): void => {
      cancel()
      listener()
    }
    const cancel = (): void => {
      this.goneListener = undefined
      response.removeListener(event, told)
    }
    this.goneListener = told
    response.once(event, told)
    return cancel
  }

  get request(): Request {
    return new Request(this, this.url)
  }

  get headers(): Headers.Headers {
    return this.headersMemo ??= this.source.headers as unknown as Headers.Headers
  }

  get remoteAddress(): string | undefined {
    return this.addressMemo ?? this.host.remoteAddress
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
    if (this.source.complete) return false
    if (this.expectsContinue || this.fault !== undefined) return true
    const { length } = this
    return length === undefined || length > worthKeeping
  }

  failBody(fault: BodyFault): void {
    this.body.fail(fault)
  }
}
