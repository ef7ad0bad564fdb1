/** Writes an answer of a handler to the connection. */
import { suspendCancellable } from "@copas/core/Transport"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Cookies from "@effect/platform/Cookies"
import { ResponseError } from "@effect/platform/HttpServerError"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import { pulled } from "../effect/streams.js"
import type { Exchange, NodeResponse } from "./exchange.js"

type Fields = Record<string, string | Array<string>>

/** RFC 9113, section 8.2.2: they are of a connection of HTTP/1.1, and Node refuses them in HTTP/2. */
const connectionFields = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]

const fieldsOf = ({ host, isHttp2 }: Exchange, response: HttpServerResponse): Fields => {
  const { serverHeader } = host.settings
  if (!isHttp2 && serverHeader === undefined && Cookies.isEmpty(response.cookies)) return response.headers
  const fields: Fields = { ...response.headers }
  if (serverHeader !== undefined) fields["server"] ??= serverHeader
  if (isHttp2) { for (const name of connectionFields) delete fields[name] }
  if (!Cookies.isEmpty(response.cookies)) {
    const cookies = Cookies.toSetCookieHeaders(response.cookies)
    if (fields["set-cookie"] !== undefined) cookies.push(...[fields["set-cookie"]].flat())
    fields["set-cookie"] = cookies
  }
  return fields
}

const without = (fields: Fields, name: string): Fields => {
  const { [name]: _, ...others } = fields
  return others
}

/** An answer that cannot be given: a mistake of the handler's, which is a defect. */
const mistake = (what: string): Effect.Effect<never> => Effect.die(new TypeError(`a handler's answer ${what}`))

/** How long a stream may take for its first piece, before the head goes out alone. */
const headMillis = 10

type Written = Effect.Effect<void, ResponseError>

/**
 * Writes `response`. What is at hand is given to Node at once, without waiting until the system has taken it; a stream
 * is waited for. Fails, or dies, as the stream does; then the answer was cut, unless nothing of it had been written.
 */
export const write = (exchange: Exchange, response: HttpServerResponse): Written => {
  exchange.isHandled = true
  if (exchange.isGone || exchange.response.writableEnded) return Effect.void
  const { body, status } = response
  if (status < 200) return mistake(`has the status ${status}: an informational answer is not the last one`)
  const head = new Head(exchange, status, fieldsOf(exchange, response))
  if (exchange.source.method === "HEAD" || status === 304) return head.end(undefined)
  if (status === 204) return head.without("content-length").end(undefined)
  if (status === 205) return head.without("content-length").sized(0).end(undefined)
  switch (body._tag) {
    case "Empty": {
      const { length } = head
      if (length !== undefined && length > 0) return mistake(`has no body and a Content-Length of ${length}`)
      return head.sized(0).end(undefined)
    }
    case "Uint8Array": {
      return head.length === undefined || head.length === body.body.length
        ? whole(head.sized(body.body.length), body.body, response)
        : mistake(`has a body of ${body.body.length} bytes and a Content-Length of ${head.length}`)
    }
    case "FormData": {
      const encoded = new Response(body.formData)
      head.fields = { ...head.fields, ...Object.fromEntries(encoded.headers) }
      return stream(head, webStream(encoded.body!), response)
    }
    case "Raw":
      return raw(head, body.body, response)
    case "Stream":
      return stream(head, body.stream, response)
  }
}

/** What HTTP/2 is given at a time: Node tells of a piece only when the client's window has taken all of it. */
const pieceBytes = 64 * 1024

/** A body that is at hand. A long one goes out piece by piece over HTTP/2, so that it is seen whether the client takes any of it. */
const whole = (head: Head, body: Uint8Array | string, response: HttpServerResponse): Written => {
  if (!head.exchange.isHttp2 || body.length <= pieceBytes) return head.end(body)
  const bytes = typeof body === "string" ? Buffer.from(body) : body
  let at = 0
  const piece = Effect.sync(() => at < bytes.length ? bytes.subarray(at, at += pieceBytes) : undefined)
  return stream(head, pulled(piece), response)
}

const webStream = (body: ReadableStream<Uint8Array>): Stream.Stream<Uint8Array, unknown> =>
  Stream.fromReadableStream({ evaluate: () => body, onError: (error) => error })

/** What `HttpServerResponse.raw` was given: bytes, text, a stream of Node's or of the web. */
const raw = (head: Head, body: unknown, response: HttpServerResponse): Written => {
  if (typeof body === "string" || body instanceof Uint8Array) {
    const { length } = head
    const size = typeof body === "string" ? Buffer.byteLength(body) : body.length
    return length === undefined || length === size
      ? whole(head.sized(size), body, response)
      : mistake(`has a body of ${size} bytes and a Content-Length of ${length}`)
  }
  if (body === null || body === undefined) return head.sized(0).end(undefined)
  if (body instanceof ReadableStream) return stream(head, webStream(body), response)
  if (typeof body === "object" && "pipe" in body && typeof body.pipe === "function") {
    const readable = NodeStream.fromReadable<unknown, Uint8Array | string>(
      () => body as NodeJS.ReadableStream,
      (error) => error
    )
    return stream(head, readable, response)
  }
  return mistake(`has a raw body that is neither bytes, nor text, nor a stream`)
}

/** The head of an answer, until it is written. */
class Head {
  readonly exchange: Exchange
  readonly response: NodeResponse
  readonly status: number
  fields: Fields

  constructor(exchange: Exchange, status: number, fields: Fields) {
    this.exchange = exchange
    this.response = exchange.response
    this.status = status
    this.fields = fields
  }

  /** What the answer's Content-Length says; `undefined` if it has none. */
  get length(): number | undefined {
    const length = this.fields["content-length"]
    return length === undefined ? undefined : Number(length)
  }

  without(name: string): this {
    if (this.fields[name] !== undefined) this.fields = without(this.fields, name)
    return this
  }

  /** Node would send a body of no known length in chunks, also an empty one. */
  sized(length: number): this {
    if (this.fields["content-length"] === undefined) this.fields = { ...this.fields, "content-length": String(length) }
    return this
  }

  private get isLast(): boolean {
    const { exchange, fields } = this
    if (exchange.isLast || exchange.host.endsAfter(exchange) || exchange.leavesBody) return true
    // The client's wish, or its version.
    if (!(this.response as Http.ServerResponse).shouldKeepAlive) return true
    const { connection } = fields
    return connection !== undefined && /\bclose\b/i.test(String(connection))
  }

  /** Hands the head to Node, which throws for values that would break out of their field. */
  begin(): Error | undefined {
    const { exchange, response } = this
    try {
      if (!exchange.isHttp2 && this.isLast) {
        exchange.isLast = true
        response.setHeader("Connection", "close")
        this.without("connection")
      }
      // Node's HTTP/2 resets the stream for some of these, and sends others.
      if (exchange.isHttp2) this.validate()
      response.writeHead(this.status, this.fields as Record<string, string>)
      return undefined
    } catch (error) {
      for (const name of response.getHeaderNames()) response.removeHeader(name)
      return error as Error
    }
  }

  private validate(): void {
    if (this.status > 599) throw new RangeError(`a handler's answer has the status ${this.status}`)
    for (const [name, value] of Object.entries(this.fields)) {
      Http.validateHeaderName(name)
      for (const one of [value].flat()) Http.validateHeaderValue(name, one)
    }
  }

  end(body: Uint8Array | string | undefined): Effect.Effect<void> {
    const error = this.begin()
    if (error !== undefined) return Effect.die(error)
    const { exchange, response } = this
    exchange.isAnswered = true
    if (body === undefined) response.end()
    else {
      exchange.size = body.length
      exchange.handedOver = body.length
      if (exchange.trailers !== undefined && exchange.isHttp2) {
        ;(response as Http.ServerResponse).addTrailers(exchange.trailers)
      }
      response.end(body)
    }
    return Effect.void
  }
}

/** Waits until the response takes more, or all of it has been handed to the system, or the client has gone. */
const awaits = (
  exchange: Exchange,
  event: "drain" | "finish",
  isPast: () => boolean = () => exchange.hasEmitted(event)
): Effect.Effect<void> =>
  suspendCancellable((resume) => {
    // The fiber may have yielded since it looked.
    if (!exchange.isGone && !isPast()) {
      return Effect.sync(exchange.once(event, () => resume(Effect.void)))
    }
    resume(Effect.void)
    return undefined
  })

/** Waits until all of an answer that was ended has been handed to the system. */
export const sent = (exchange: Exchange): Effect.Effect<void> =>
  Effect.suspend(() => exchange.response.writableFinished ? Effect.void : awaits(exchange, "finish"))

/** Waits until an answer that was ended has left the stream to what comes after it. */
export const left = (exchange: Exchange): Effect.Effect<void> => {
  const { response } = exchange
  return awaits(exchange, "finish", () => response.writableFinished && !response.socket)
}

/**
 * Writes a body piece by piece. The head goes out with the first piece, or soon without one: a stream that fails before
 * leaves the answer to the error.
 */
const stream = (
  head: Head,
  body: Stream.Stream<Uint8Array | string, unknown>,
  response: HttpServerResponse
): Written =>
  Effect.suspend(() => {
    const { exchange, length } = head
    const out = head.response as Http.ServerResponse
    let written = 0
    let hasBegun = false
    let headError: Error | undefined
    const begin = (): void => {
      if (hasBegun) return
      hasBegun = true
      clearTimeout(soon)
      headError = head.begin()
    }
    const soon = setTimeout(() => {
      if (exchange.isGone) return
      begin()
      if (headError === undefined && !exchange.isHttp2) out.flushHeaders()
    }, headMillis)
    const put = (chunk: Uint8Array | string): boolean => {
      written += typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.length
      exchange.handedOver = written
      return chunk.length === 0 || out.write(chunk)
    }
    const tooLong = () => mistake(`gave more bytes than its Content-Length of ${length}`)
    const piece = (chunk: Chunk.Chunk<Uint8Array | string>): Effect.Effect<void> => {
      begin()
      if (headError !== undefined) return Effect.die(headError)
      let isFull = false
      for (const part of chunk) {
        // What came before it may have been handed over already; this part may not.
        if (length !== undefined && written + Buffer.byteLength(part) > length) return tooLong()
        if (!put(part)) isFull = true
      }
      return isFull && !exchange.isGone ? awaits(exchange, "drain") : Effect.void
    }
    const end = Effect.suspend(() => {
      begin()
      if (headError !== undefined) return Effect.die(headError)
      if (length !== undefined && written < length) {
        return mistake(`gave ${written} bytes where its Content-Length is ${length}`)
      }
      exchange.isAnswered = true
      if (exchange.trailers !== undefined) out.addTrailers(exchange.trailers)
      out.end()
      return sent(exchange)
    })
    const whole = Effect.zipRight(Effect.interruptible(Stream.runForEachChunk(body, piece)), end)
    return Effect.catchAllCause(whole, (cause) => {
      clearTimeout(soon)
      const failed = Effect.mapError(
        Effect.failCause(cause),
        (error) =>
          error instanceof ResponseError
            ? error
            : new ResponseError({
              request: exchange.request,
              response,
              reason: "Decode",
              cause: error,
              description: error instanceof Error ? error.message : String(error)
            })
      )
      return hasBegun && headError === undefined ? Effect.zipRight(exchange.host.cut(exchange), failed) : failed
    })
  })
