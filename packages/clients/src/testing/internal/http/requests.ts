/**
 * Requests as a test's server reads them (RFC 9112): a head, what frames its body, and the body piece by piece.
 */
import type { Field } from "@copas/core/HttpTransport"
import type { InetSocket } from "@copas/core/Socket"
import type { LineTooLong, ReceiveError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { valuesOf } from "../../../internal/http/fields.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Request } from "../../HttpPeer.js"
import { RequestFault } from "./requestFault.js"

export interface Limits {
  readonly head: number
  readonly body: number
  readonly keepsBodies: boolean
}

type Reading<A> = Effect.Effect<A, ReceiveError | RequestFault>

const longestLine = 4096
const piece = 64 * 1024

const fault = (status: number, message: string): Effect.Effect<never, RequestFault> =>
  Effect.fail(new RequestFault(status, message))

const fieldsOf = (lines: ReadonlyArray<string>): ReadonlyArray<Field> | undefined => {
  const fields: Array<Field> = []
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) return undefined
    fields.push([name, value!])
  }
  return fields
}

/** A request whose body is still being read. */
export class Incoming implements Request {
  readonly connection: number
  readonly number: number
  readonly method: string
  readonly target: string
  readonly version: string
  readonly head: string
  readonly fields: ReadonlyArray<Field>
  readonly tls: Request["tls"]
  size = 0
  trailers: ReadonlyArray<Field> = []
  isWhole = false
  /** It has been kept. */
  isKept = false
  private pieces: Array<Uint8Array> = []
  /** The bytes left of the body, or of the chunk under way; undefined before a chunk's size. */
  private left: number | undefined
  private readonly isChunked: boolean

  constructor(
    at: { readonly connection: number; readonly number: number; readonly tls: Request["tls"] },
    line: readonly [method: string, target: string, version: string],
    head: string,
    fields: ReadonlyArray<Field>,
    length: number | "chunked"
  ) {
    this.connection = at.connection
    this.number = at.number
    this.tls = at.tls
    this.method = line[0]
    this.target = line[1]
    this.version = line[2]
    this.head = head
    this.fields = fields
    this.isChunked = length === "chunked"
    this.left = length === "chunked" ? undefined : length
  }

  readonly header = (name: string): string | undefined => {
    const values = valuesOf(this.fields, name.toLowerCase())
    return values.length === 0 ? undefined : values.join(", ")
  }

  get body(): Uint8Array {
    if (this.pieces.length > 1) this.pieces = [Bytes.concat(this.pieces)]
    return this.pieces[0] ?? Bytes.empty
  }

  /** The next bytes of the body; undefined at its end, and after it. */
  next(socket: InetSocket, limits: Limits): Reading<Uint8Array | undefined> {
    return Effect.suspend(() => {
      if (this.isWhole) return Effect.succeed(undefined)
      if (this.left === undefined) {
        return Effect.flatMap(this.chunkSize(socket), (size) => {
          this.left = size
          return size === 0 ? this.readTrailers(socket, limits) : this.next(socket, limits)
        })
      }
      if (this.left === 0) {
        if (!this.isChunked) return this.ended
        return Effect.flatMap(this.line(socket), (text) => {
          this.left = undefined
          return text === "" ? this.next(socket, limits) : fault(400, `no line end after a chunk: ${Bytes.show(text)}`)
        })
      }
      return Effect.flatMap(socket.receive({ maxBytes: Math.min(this.left, piece) }), (bytes) => {
        this.left! -= bytes.length
        this.size += bytes.length
        if (!limits.keepsBodies) return Effect.succeed(bytes)
        if (this.size > limits.body) return fault(413, `a body of more than ${limits.body} bytes`)
        this.pieces.push(bytes)
        return Effect.succeed(bytes)
      })
    })
  }

  /** Reads the body to its end. */
  whole(socket: InetSocket, limits: Limits): Reading<void> {
    return Effect.flatMap(
      this.next(socket, limits),
      (bytes) => bytes === undefined ? Effect.void : this.whole(socket, limits)
    )
  }

  private readonly ended: Reading<undefined> = Effect.sync(() => {
    this.isWhole = true
    return undefined
  })

  private line(socket: InetSocket): Reading<string> {
    return Effect.catchTag(
      socket.receiveUntil("\r\n", { maxLength: longestLine }),
      "LineTooLong",
      (_: LineTooLong) => fault(400, `a line of a chunked body has more than ${longestLine} bytes`)
    ).pipe(Effect.map(Bytes.toBinary))
  }

  private chunkSize(socket: InetSocket): Reading<number> {
    return Effect.flatMap(this.line(socket), (text) => {
      const digits = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec(text)?.[1]
      return digits === undefined
        ? fault(400, `no chunk size: ${Bytes.show(text)}`)
        : Effect.succeed(Number.parseInt(digits, 16))
    })
  }

  private readTrailers(socket: InetSocket, limits: Limits): Reading<undefined> {
    const from = (lines: ReadonlyArray<string>, size: number): Reading<undefined> =>
      Effect.flatMap(this.line(socket), (text) => {
        if (size > limits.head) return fault(431, `trailers of more than ${limits.head} bytes`)
        if (text !== "") return from([...lines, text], size + text.length)
        const fields = fieldsOf(lines)
        if (fields === undefined) return fault(400, `malformed trailers: ${Bytes.show(lines.join("\n"))}`)
        this.trailers = fields
        return this.ended
      })
    return from([], 0)
  }
}

/** RFC 9112, section 6.3. Undefined where both framings are there, lengths that differ, or another coding. */
const lengthOf = (method: string, fields: ReadonlyArray<Field>): number | "chunked" | undefined => {
  const [lengths, codings] = [valuesOf(fields, "content-length"), valuesOf(fields, "transfer-encoding")]
  if (method === "CONNECT" || lengths.length + codings.length === 0) return 0
  if (lengths.length + codings.length > 1) return undefined
  if (codings[0] !== undefined) return codings[0].toLowerCase() === "chunked" ? "chunked" : undefined
  return /^\d{1,15}$/.test(lengths[0]!) ? Number(lengths[0]) : undefined
}

/** Reads a head. */
export const read = (
  socket: InetSocket,
  at: { readonly connection: number; readonly number: number },
  limits: Limits
): Reading<Incoming> =>
  Effect.catchTag(
    socket.receiveUntil("\r\n\r\n", { maxLength: limits.head }),
    "LineTooLong",
    (_: LineTooLong) => fault(431, `a head of more than ${limits.head} bytes`)
  ).pipe(Effect.flatMap((bytes) => {
    const head = Bytes.toBinary(bytes)
    const [first, ...rest] = head.split("\r\n")
    const [, method, target, version] =
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) (HTTP\/\d\.\d)$/.exec(first!) ??
        []
    const fields = fieldsOf(rest)
    if (method === undefined) return fault(400, `no request line: ${Bytes.show(first!)}`)
    if (fields === undefined) return fault(400, `malformed fields: ${Bytes.show(head)}`)
    const length = lengthOf(method, fields)
    if (length === undefined) return fault(400, `the body is framed wrongly: ${Bytes.show(head)}`)
    const tls = Option.map(socket.tls, ({ info }) => info)
    return Effect.succeed(new Incoming({ ...at, tls }, [method, target!, version!], head, fields, length))
  }))
