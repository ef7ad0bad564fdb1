/**
 * Downloads that continue where an earlier one ended (RFC 9110, sections 13.1.5 and 14): what came is kept in `….part`, and
 * beside it, in `….part.json`, of which version of the resource it is.
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as HttpError from "../../HttpError.js"
import type * as HttpRequest from "../../HttpRequest.js"
import type * as HttpResponse from "../../HttpResponse.js"
import * as Causes from "../effect/causes.js"
import { hex } from "../text/bytes.js"
import type { Answer } from "./answer.js"
import { undoneOf } from "./decoding.js"
import { valuesOf } from "./fields.js"
import { done, type Moving, name, type Progress, refusePart, write } from "./moving.js"
import * as Parameters from "./parameters.js"

/** What is known of the part: whose it is (a digest: URLs have secrets), and which version. */
const Note = Schema.parseJson(Schema.Struct({ resource: Schema.String, validator: Schema.String }))
type Note = typeof Note.Type

/** The options of the call, with a URL. */
type Options<E, R> = HttpRequest.RequestOptions<E, R> & { readonly url: string | URL }

const utf8 = new TextEncoder()

/** Undefined of options that make no text: such a request is refused before it is sent. */
const resourceOf = (
  { primitives }: Moving,
  { method = "GET", query, url }: Options<unknown, unknown>
): string | undefined =>
  Option.getOrUndefined(Option.map(
    Option.liftThrowable(() => `${method} ${url} ${Parameters.encode(query ?? {})}`)(),
    (text) => hex(primitives.digestNow("sha256", utf8.encode(text)))
  ))

/**
 * What tells this version of the resource from all others (RFC 9110, section 8.8): a strong tag, or a date that is at least
 * a second before the answer's. Others would join halves of two versions.
 */
const validatorOf = ({ exchange: { fields } }: Answer<unknown>): string | undefined => {
  const [tag] = valuesOf(fields, "etag")
  if (tag !== undefined) return /^"[^"]*"$/.test(tag) ? tag : undefined
  const [modified] = valuesOf(fields, "last-modified")
  const [date] = valuesOf(fields, "date")
  if (modified === undefined || date === undefined) return undefined
  return Date.parse(date) - Date.parse(modified) >= 1000 ? modified : undefined
}

/** `Content-Range` (RFC 9110, section 14.4); no first byte where the range is not satisfied. */
const rangeOf = ({ exchange: { fields } }: Answer<unknown>) => {
  const [value = ""] = valuesOf(fields, "content-range")
  const [, first, last, total] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(value.trim()) ?? []
  const number = (text: string | undefined) => text === undefined || text === "*" ? undefined : Number(text)
  return { first: number(first), last: number(last), total: number(total) }
}

/** The part and its note are of no use: all of it is asked for. */
const startAnew = Symbol("start anew")

interface Files {
  readonly fs: FileSystem.FileSystem
  readonly path: string
  readonly part: string
  readonly note: string
}

const remove = ({ fs, note, part }: Files): Effect.Effect<void> =>
  Effect.ignore(Effect.zipRight(fs.remove(part, { force: true }), fs.remove(note, { force: true })))

const finish = (files: Files): Effect.Effect<void, PlatformError> =>
  Effect.zipRight(
    name(files.fs, files.part, files.path),
    Effect.ignore(files.fs.remove(files.note, { force: true }))
  )

/** How much of the resource is there, and of which version; nothing where a note is missing or is another one's. */
const keptOf = (
  { fs, note, part }: Files,
  resource: string
): Effect.Effect<{ readonly size: number; readonly validator: string } | undefined, PlatformError> =>
  Effect.gen(function*() {
    const text = yield* Effect.option(fs.readFileString(note))
    const known = Option.flatMap(text, Schema.decodeOption(Note))
    if (Option.isNone(known) || known.value.resource !== resource) return undefined
    const size = yield* Effect.map(fs.stat(part), (info) => Number(info.size)).pipe(
      Effect.catchIf(Causes.isNotFound, () => Effect.succeed(0))
    )
    return size === 0 ? undefined : { size, validator: known.value.validator }
  })

const withFields = (given: HttpRequest.Fields | undefined, added: Record<string, string>): HttpRequest.Fields =>
  typeof given === "object" && given !== null && Symbol.iterator in given
    ? [...given, ...Object.entries(added)]
    : { ...given, ...added }

export const download = <E, R>(
  moving: Moving,
  fs: FileSystem.FileSystem,
  options: Options<E, R>,
  path: string,
  progress: Progress
): Effect.Effect<HttpResponse.Downloaded, HttpResponse.Failure | PlatformError | E, R> => {
  const files: Files = { fs, path, part: `${path}.part`, note: `${path}.part.json` }

  type Result = HttpResponse.Downloaded | typeof startAnew
  const attempt = (
    resource: string,
    kept: { readonly size: number; readonly validator: string } | undefined
  ): Effect.Effect<HttpResponse.Downloaded, HttpResponse.Failure | PlatformError | E, R> => {
    const offset = kept?.size ?? 0
    // A range is one of the coded bytes, and the file has the decoded ones.
    const added = { "Accept-Encoding": "identity", ...(kept === undefined ? {} : { "If-Range": kept.validator }) }
    const target = {
      ...options,
      headers: withFields(options.headers, added),
      range: kept === undefined ? undefined : { start: offset }
    } as Options<E, R>
    const expect = kept === undefined ? "2xx" : (status: number) => status >= 200 && status < 300 || status === 416
    const whole: Effect.Effect<Result, HttpResponse.Failure | PlatformError | E, R> = moving.pipeline.use(
      target,
      expect,
      (answer) => kept === undefined ? all(resource, answer) : rest(resource, answer, kept)
    )
    return Effect.flatMap(
      whole,
      (result) =>
        result === startAnew ? Effect.zipRight(remove(files), attempt(resource, undefined)) : Effect.succeed(result)
    )
  }

  /** All of the resource, from its beginning. */
  const all = (resource: string, answer: Answer<E>) =>
    Effect.gen(function*() {
      if (answer.exchange.status === 206) return yield* refusePart(answer)
      const validator = undoneOf(answer, moving.decoders) === undefined ? validatorOf(answer) : undefined
      yield* remove(files)
      if (validator !== undefined) {
        yield* fs.writeFileString(files.note, yield* Effect.orDie(Schema.encode(Note)({ resource, validator })))
      }
      const bytes = yield* save(answer, "w", 0, validator !== undefined)
      yield* finish(files)
      return yield* done(answer, undefined, bytes, 0)
    })

  /** What lacks, if the server still has the version that was begun. */
  const rest = (resource: string, answer: Answer<E>, kept: { readonly size: number; readonly validator: string }) =>
    Effect.gen(function*() {
      const { status } = answer.exchange
      const { first, last, total } = rangeOf(answer)
      if (status === 416) {
        // Whole already: only its name was lacking.
        if (total !== kept.size || !isVersion(answer, kept.validator)) return startAnew
        yield* finish(files)
        return yield* done(answer, undefined, 0, kept.size)
      }
      if (status !== 206) return yield* all(resource, answer)
      const isRest = first === kept.size && last !== undefined && (total === undefined || last < total) &&
        isVersion(answer, kept.validator) && answer.exchange.values("content-encoding").length === 0
      if (!isRest) return startAnew
      const bytes = yield* save(answer, "r+", kept.size, true)
      if (kept.size + bytes !== (total ?? last + 1)) {
        return yield* new HttpError.BodyTruncated({
          ...answer.where(),
          expected: total,
          received: kept.size + bytes,
          detail: "the server gave less than it was asked for",
          partial: files.part
        })
      }
      yield* finish(files)
      return yield* done(answer, undefined, bytes, kept.size)
    })

  /** Writes into the part. What came before a failure is kept if it can be resumed, and removed if not. */
  const save = (answer: Answer<E>, flag: FileSystem.OpenFlag, offset: number, isKept: boolean) => {
    const written = write(fs, files.part, flag, { answer, decoders: moving.decoders, offset, progress })
    return isKept
      ? Effect.mapError(written, (error) =>
        error instanceof HttpError.BodyTruncated
          ? new HttpError.BodyTruncated({ ...error, partial: files.part })
          : error)
      : Effect.onError(written, () => remove(files))
  }

  return Effect.suspend(() => {
    const resource = resourceOf(moving, options)
    return resource === undefined
      ? attempt("", undefined)
      : Effect.flatMap(keptOf(files, resource), (kept) => attempt(resource, kept))
  })
}

/** The answer is of this version, or does not say of which it is: the server has compared them. */
const isVersion = (answer: Answer<unknown>, validator: string): boolean => {
  const [tag] = answer.exchange.values("etag")
  return tag === undefined || !validator.startsWith("\"") || tag === validator
}
