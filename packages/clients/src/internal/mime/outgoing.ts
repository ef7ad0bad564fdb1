/**
 * Messages on their way out: composed, signed, and turned into bytes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Dkim from "../../Dkim.js"
import type * as Message from "../../Message.js"
import { MessageChanged } from "../../MessageError.js"
import { make as makePrimitives, type Primitives } from "../crypto/primitives.js"
import { RelaxedBody } from "../dkim/canonical.js"
import * as signature from "../dkim/signature.js"
import { millisOf } from "../effect/fibers.js"
import { draftOf } from "./build.js"
import * as compose from "./compose.js"
import * as content from "./content.js"
import type * as part from "./part.js"
import { through } from "./streaming.js"
import { counted, type Transducer } from "./transducer.js"

const digits = (number: number, width: number): string => number.toString(16).padStart(width, "0")

/** What is told from the clock and by chance, once for each sending: an id of the time and 80 random bits. */
export const moment: Effect.Effect<compose.Moment> = Effect.clockWith((clock) =>
  Effect.randomWith((random) => {
    const draw = random.nextIntBetween(0, 2 ** 40)
    return Effect.flatMap(draw, (first) =>
      Effect.map(draw, (second) => {
        const now = millisOf(clock)
        return { now, id: digits(Math.max(0, now), 12) + digits(first, 10) + digits(second, 10) }
      }))
  })
)

/** The machine of a source, and the number of bytes that the source must give. */
export const machineOf = (source: content.Source): Transducer => {
  const encoder = content.encoderOf(source)
  return source.size === undefined ? encoder ?? counted(undefined) : counted(source.size, encoder)
}

export const changed = (
  source: content.Source,
  fault: { readonly got: string; readonly expected: string }
): MessageChanged => new MessageChanged({ where: source.where, expected: fault.expected, actual: fault.got })

const gone = (source: content.Source): MessageChanged =>
  new MessageChanged({ where: source.where, expected: "the bytes that were signed", actual: "others" })

/** A source's bytes as they are sent. */
export const sent = <E, R>(source: content.Source): Stream.Stream<Uint8Array, E | MessageChanged, R> =>
  through(() => machineOf(source), (fault) => changed(source, fault))(source.stream as Stream.Stream<Uint8Array, E, R>)

/** Feeds a body's hash; the streams in it are run. */
const hashBody = <E, R>(
  composition: compose.Composition,
  primitives: Primitives
): Effect.Effect<Uint8Array, E | MessageChanged, R> =>
  Effect.suspend(() => {
    const hash = new RelaxedBody(primitives.incremental("sha256"))
    return Effect.map(
      Effect.forEach(compose.merge(composition.body), (piece) =>
        piece instanceof Uint8Array
          ? Effect.sync(() => hash.update(piece))
          : Stream.runForEach(sent<E, R>(piece), (bytes) => Effect.sync(() => hash.update(bytes))), { discard: true }),
      () => hash.digest()
    )
  })

/**
 * The composition with its signatures before all other fields. Where a stream is run again to be sent, the hash of the
 * body stays beside it.
 */
const sign = <E, R>(
  composition: compose.Composition,
  signers: ReadonlyArray<Dkim.Signer>,
  now: number,
  primitives: Primitives
): Effect.Effect<compose.Composition, E | MessageChanged | Dkim.DkimError, R> =>
  Effect.gen(function*() {
    const bodyHash = yield* hashBody<E, R>(composition, primitives)
    const signatures = yield* Effect.forEach(signers, (signer) => {
      const time = Math.floor(now / 1000)
      const terms: signature.Terms = {
        algorithm: signer.algorithm,
        domain: signer.domain,
        selector: signer.selector,
        identity: signer.identity,
        time,
        expires: signer.validFor === undefined ? undefined : time + Math.floor(Duration.toSeconds(signer.validFor))
      }
      const data = signature.dataOf(composition.fields, terms, bodyHash)
      return Effect.map(
        signer.sign(signer.algorithm === "rsa-sha256" ? data : primitives.digestNow("sha256", data)),
        (bytes) => signature.fieldOf(composition.fields, terms, bodyHash, bytes)
      )
    })
    return {
      ...composition,
      fields: [...signatures, ...composition.fields],
      bodyHash: composition.body.some(compose.isSource) ? bodyHash : undefined
    }
  })

/** A message as it is sent now: composed, and signed where it has signers. */
export const composed = <E, R>(
  message: Message.Message<E, R>,
  now: compose.Moment,
  isUtf8: boolean,
  primitives: Primitives
): Effect.Effect<compose.Composition, E | MessageChanged | Dkim.DkimError, R> => {
  const draft = draftOf(message)
  const composition = compose.compose(draft, now, isUtf8)
  return draft.signers.length === 0
    ? Effect.succeed(composition)
    : sign<E, R>(composition, draft.signers, now.now, primitives)
}

/** Checks, while a signed body is sent, that it is what was signed. */
export class Recheck {
  readonly #hash: RelaxedBody
  readonly #expected: Uint8Array
  readonly #source: content.Source

  constructor(composition: compose.Composition & { readonly bodyHash: Uint8Array }, primitives: Primitives) {
    this.#hash = new RelaxedBody(primitives.incremental("sha256"))
    this.#expected = composition.bodyHash
    this.#source = composition.body.find(compose.isSource)!
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** The error where the body was another, or undefined. */
  end(): MessageChanged | undefined {
    const actual = this.#hash.digest()
    return this.#expected.every((byte, index) => byte === actual[index]) ? undefined : gone(this.#source)
  }
}

export const recheckOf = (composition: compose.Composition, primitives: Primitives): Recheck | undefined =>
  composition.bodyHash === undefined
    ? undefined
    : new Recheck({ ...composition, bodyHash: composition.bodyHash }, primitives)

export const encode = <E, R>(
  message: Message.Message<E, R>
): Stream.Stream<Uint8Array, E | MessageChanged | Dkim.DkimError, R> =>
  Stream.unwrap(Effect.gen(function*() {
    const primitives = makePrimitives({})
    const composition = yield* composed(message, yield* moment, false, primitives)
    const head = compose.headOf(composition)
    const emit = (segments: ReadonlyArray<part.Segment>): Stream.Stream<Uint8Array, E | MessageChanged, R> =>
      Stream.flatMap(
        Stream.fromIterable(compose.merge(segments)),
        (piece) => piece instanceof Uint8Array ? Stream.make(piece) : sent<E, R>(piece)
      )
    const recheck = recheckOf(composition, primitives)
    if (recheck === undefined) return emit([head, ...composition.body])
    const body = Stream.tap(emit(composition.body), (bytes) => Effect.sync(() => recheck.update(bytes)))
    const check = Effect.suspend(() => {
      const error = recheck.end()
      return error === undefined ? Effect.void : Effect.fail(error)
    })
    return Stream.concat(emit([head]), Stream.concat(body, Stream.execute(check)))
  }))

const anyMoment: compose.Moment = { now: 0, id: "0".repeat(32) }

export const size = (message: Message.Message<unknown, unknown>): Option.Option<number> =>
  Option.fromNullable(compose.sizeOf(compose.compose(draftOf(message), anyMoment, false)))
