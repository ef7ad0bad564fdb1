/** A body of `multipart/form-data` (RFC 7578), parsed as its parts are asked for. */
import { makeConfig, MultipartError, type Part, TypeId } from "@effect/platform/Multipart"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Stream from "effect/Stream"
import * as Multipasta from "multipasta"
import { pulled } from "../effect/streams.js"
import { type Body, BodyFault, Chunks } from "./body.js"

type Pull<A> = Effect.Effect<A | undefined, MultipartError>

const reasonOf = (error: Multipasta.MultipartError): MultipartError["reason"] => {
  if (error._tag !== "ReachedLimit") return "Parse"
  switch (error.limit) {
    case "MaxParts":
      return "TooManyParts"
    case "MaxFieldSize":
      return "FieldTooLarge"
    case "MaxPartSize":
      return "FileTooLarge"
    case "MaxTotalSize":
      return "BodyTooLarge"
  }
}

/**
 * The parser of `@effect/platform`, fed by whoever asks for the next part or for more of a file. A body that ends within a
 * part, or before the last boundary, is an error for both: neither waits for more, and no file is taken for whole.
 */
class Parsing {
  private readonly body: Body
  private readonly read: Effect.Effect<Uint8Array | undefined, BodyFault>
  private readonly parser: Multipasta.Parser
  private readonly parts: Array<Part> = []
  private error: MultipartError | undefined = undefined
  private hasEnded = false

  constructor(body: Body, limit: number, config: Multipasta.BaseConfig) {
    this.body = body
    this.read = body.reader(limit)
    this.parser = Multipasta.make({
      ...config,
      onField: (info, value) => this.parts.push(new Field(info, Multipasta.decodeField(info, value))),
      onFile: (info) => {
        const file = new File(info, this)
        this.parts.push(file)
        return (chunk) => file.came(chunk)
      },
      onError: (error) => this.refuse(reasonOf(error), error),
      onDone: () => {
        this.hasEnded = true
      }
    })
  }

  /** The client sent what is no form, or too much of one; the answer, if the handler gives no other, says so. */
  private refuse(reason: MultipartError["reason"], cause: unknown): void {
    if (this.error !== undefined) return
    this.error = new MultipartError({ reason, cause })
    const fault = reason === "Parse"
      ? new BodyFault(400, "the body is not the form that its Content-Type says")
      : new BodyFault(413, `the form is past a limit: ${reason}`)
    this.body.fail(fault)
    this.body.complain(fault)
  }

  readonly nextPart: Pull<Part> = Effect.suspend(() => {
    const part = this.parts.shift()
    if (part !== undefined) return Effect.succeed(part)
    if (this.error !== undefined) return Effect.fail(this.error)
    return this.hasEnded ? Effect.succeed(undefined) : Effect.zipRight(this.advance, this.nextPart)
  })

  /** Fails where the form did; otherwise something has come since. */
  readonly advance: Effect.Effect<void, MultipartError> = Effect.suspend(() => {
    if (this.error !== undefined) return Effect.fail(this.error)
    const read = Effect.mapError(
      this.read,
      (fault) =>
        this.error ??= new MultipartError({
          reason: fault.status === 413 ? "BodyTooLarge" : "InternalError",
          cause: fault
        })
    )
    return Effect.map(read, (chunk) => {
      if (chunk !== undefined) this.feed(chunk)
      else if (!this.hasEnded) this.refuse("Parse", { _tag: "EndNotReached" })
    })
  })

  private feed(chunk: Uint8Array): void {
    try {
      this.parser.write(chunk)
    } catch (error) {
      // It decodes names that clients wrote.
      this.refuse("Parse", error)
    }
  }
}

abstract class PartBase extends Inspectable.Class {
  readonly [TypeId]: TypeId = TypeId
  readonly key: string
  readonly contentType: string

  constructor(info: Multipasta.PartInfo) {
    super()
    this.key = info.name
    this.contentType = info.contentType
  }
}

class Field extends PartBase {
  readonly _tag = "Field"
  readonly value: string

  constructor(info: Multipasta.PartInfo, value: string) {
    super(info)
    this.value = value
  }

  toJSON(): unknown {
    const { _tag, contentType, key, value } = this
    return { _id: "@effect/platform/Multipart/Part", _tag, key, value, contentType }
  }
}

class File extends PartBase {
  readonly _tag = "File"
  readonly name: string
  readonly content: Stream.Stream<Uint8Array, MultipartError>
  readonly contentEffect: Effect.Effect<Uint8Array, MultipartError>
  private readonly chunks: Array<Uint8Array> = []
  private isWhole = false

  constructor(info: Multipasta.PartInfo, parsing: Parsing) {
    super(info)
    this.name = info.filename ?? info.name
    const next: Pull<Uint8Array> = Effect.suspend(() => {
      const chunk = this.chunks.shift()
      if (chunk !== undefined) return Effect.succeed(chunk)
      return this.isWhole ? Effect.succeed(undefined) : Effect.zipRight(parsing.advance, next)
    })
    this.content = pulled(next)
    this.contentEffect = Effect.suspend(() => {
      const chunks = new Chunks()
      return Effect.map(
        Stream.runForEach(this.content, (chunk) => Effect.sync(() => chunks.add(chunk))),
        () => chunks.take()
      )
    })
  }

  came(chunk: Uint8Array | null): void {
    if (chunk === null) this.isWhole = true
    else if (chunk.length > 0) this.chunks.push(chunk)
  }

  toJSON(): unknown {
    const { _tag, contentType, key, name } = this
    return { _id: "@effect/platform/Multipart/Part", _tag, key, name, contentType }
  }
}

export const stream = (
  body: Body,
  limit: number,
  headers: Record<string, string>
): Stream.Stream<Part, MultipartError> =>
  Stream.unwrap(Effect.map(makeConfig(headers), (config) => pulled(new Parsing(body, limit, config).nextPart)))
