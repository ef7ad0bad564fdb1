/** Whole bodies in memory, bounded, as bytes and as text. */
import type { Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import * as HttpError from "../../HttpError.js"
import type * as HttpResponse from "../../HttpResponse.js"
import { now } from "../effect/fibers.js"
import { Gathering } from "../gathering.js"
import type { Answer } from "./answer.js"
import { decoded, type Decoders, type Meter, meter as newMeter, tooLarge, undoneOf } from "./decoding.js"
import { valuesOf } from "./fields.js"
import { AnswerHead, isBodiless, lengthOf } from "./head.js"

type Failed<E> = HttpError.HttpError | E

/** The body on the wire, if all of it is there. */
export const gatheringOf = (answer: Answer<unknown>): Gathering | undefined => {
  const whole = answer.exchange.takeWhole()
  if (whole === undefined) return undefined
  const gathering = new Gathering(undefined)
  gathering.add(whole)
  return gathering
}

/** Gathers what a pull gives, at most `limits.body` bytes. */
export const gather = <E>(
  answer: Answer<E>,
  pull: Pull<Failed<E>>,
  meter: Meter
): Effect.Effect<Gathering, Failed<E>> => {
  const { body: limit } = answer.limits
  const announced = meter.isCoded || isBodiless(answer) ? undefined : lengthOf(answer)
  if (announced !== undefined && announced > limit) return tooLarge(answer, "bytes", 0, 0)
  const gathering = new Gathering(announced)
  const loop: Effect.Effect<Gathering, Failed<E>> = Effect.flatMap(pull, (chunk) => {
    if (chunk === undefined) return Effect.succeed(gathering)
    gathering.add(chunk)
    const { length } = gathering
    return length > limit ? tooLarge(answer, "bytes", meter.isCoded ? meter.received : length, length) : loop
  })
  return loop
}

/** Gathers the decoded body, and uses it. A body that came with its head costs no effect. */
const using = <A, E, E2>(
  answer: Answer<E>,
  decoders: Decoders,
  use: (gathering: Gathering) => Effect.Effect<A, E2>
): Effect.Effect<A, Failed<E> | E2> => {
  const meter = newMeter()
  if (undoneOf(answer, decoders) !== undefined) {
    const all = Effect.flatMap(decoded(answer, decoders, meter), (pull) => gather(answer, pull, meter))
    return Effect.flatMap(Effect.scoped(all), use)
  }
  const gathering = gatheringOf(answer)
  if (gathering === undefined) return Effect.flatMap(gather(answer, answer.read, meter), use)
  return gathering.length <= answer.limits.body
    ? use(gathering)
    : Effect.flatMap(gather(answer, Effect.succeed(gathering.view), meter), use)
}

const utf8 = new TextDecoder()

// Some versions of Node decode these as ISO 8859-1, which has control characters there (WHATWG Encoding, windows-1252).
const upper = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"

const decode = (decoder: TextDecoder, bytes: Uint8Array): string => {
  const text = decoder.decode(bytes)
  return decoder.encoding === "windows-1252"
    ? text.replace(/[\x80-\x9f]/g, (character) => upper[character.charCodeAt(0) - 0x80]!)
    : text
}

const decoderOf = (answer: Answer<unknown>): TextDecoder | undefined => {
  const [type = ""] = answer.exchange.values("content-type")
  const label = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]
  if (label === undefined || /^utf-?8$/i.test(label)) return utf8
  try {
    return new TextDecoder(label)
  } catch {
    return undefined
  }
}

/** A body as text, by the charset of its type. */
export const textOf = (
  answer: Answer<unknown>,
  bytes: Uint8Array
): Effect.Effect<string, HttpError.DecodeFailed> => {
  const decoder = decoderOf(answer)
  return decoder !== undefined ? Effect.sync(() => decode(decoder, bytes)) : new HttpError.DecodeFailed({
    ...answer.where(),
    coding: "text",
    detail: "this platform does not know the charset of its `Content-Type`"
  })
}

/** A body in JSON, which is in UTF-8 whatever its type says (RFC 8259, section 8.1). */
export const jsonOf = (answer: Answer<unknown>, bytes: Uint8Array): Effect.Effect<unknown, HttpError.DecodeFailed> =>
  Effect.try({
    try: () => JSON.parse(utf8.decode(bytes)) as unknown,
    // The engine's own message quotes the body.
    catch: () =>
      new HttpError.DecodeFailed({
        ...answer.where(),
        coding: "json",
        detail: bytes.length === 0 ? "it is empty" : `its ${bytes.length} bytes are no JSON`
      })
  })

export const bytes = <E>(answer: Answer<E>, decoders: Decoders): Effect.Effect<Uint8Array, Failed<E>> =>
  using(answer, decoders, ({ result }) => Effect.succeed(result))

export const text = <E>(answer: Answer<E>, decoders: Decoders): Effect.Effect<string, Failed<E>> =>
  using(answer, decoders, ({ view }) => textOf(answer, view))

export const json = <E>(answer: Answer<E>, decoders: Decoders): Effect.Effect<unknown, Failed<E>> =>
  using(answer, decoders, ({ view }) => jsonOf(answer, view))

export const whole = <E>(
  answer: Answer<E>,
  decoders: Decoders
): Effect.Effect<HttpResponse.Whole, Failed<E>> =>
  using(answer, decoders, ({ result }) => Effect.map(now, (endedAt) => new WholeAnswer(answer, endedAt, result)))

/** An answer with its body. */
export class WholeAnswer extends AnswerHead implements HttpResponse.Whole {
  readonly bytes: Uint8Array
  protected readonly endedAt: number | undefined

  constructor(answer: Answer<unknown>, endedAt: number | undefined, bytes: Uint8Array) {
    super(answer)
    this.endedAt = endedAt
    this.bytes = bytes
  }

  get text(): string {
    return decode(decoderOf(this.answer) ?? utf8, this.bytes)
  }

  header(name: string): string | undefined {
    const values = valuesOf(this.fields, name.toLowerCase())
    return values.length === 0 ? undefined : values.join(", ")
  }
}
