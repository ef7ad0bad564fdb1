/** A script's output on its way to the client: its head, and the body as a stream. */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { CgiFailed } from "../../CgiError.js"
import { pulled } from "../effect/streams.js"
import type { Child } from "./child.js"
import { type Document, HeadReader, type LocalRedirect, parse } from "./head.js"
import { type Failure, type Progress, report } from "./input.js"
import type { Settings } from "./options.js"

/** Output that is read and dropped where the client may have no body. */
const mostDropped = 1_048_576

/** The output of one script. */
export class Output {
  private readonly settings: Settings
  private readonly script: string
  private readonly child: Child<Failure>
  private readonly progress: Progress
  /** What came with the end of the head. */
  private rest: Uint8Array | undefined

  constructor(settings: Settings, script: string, child: Child<Failure>, progress: Progress) {
    this.settings = settings
    this.script = script
    this.child = child
    this.progress = progress
  }

  private failed(reason: CgiFailed["reason"], why: string): CgiFailed {
    return new CgiFailed({ script: this.script, reason, why })
  }

  /** What comes next; `undefined` at its end. */
  private next(limit: number, late: CgiFailed): Effect.Effect<Uint8Array | undefined, Failure> {
    const { child, progress } = this
    const look = (since: number | undefined): Effect.Effect<Uint8Array | undefined, Failure> =>
      Effect.gen(function*() {
        yield* child.failure
        const bytes = child.takeNow()
        if (bytes !== undefined) return bytes
        if (child.hasEnded) return undefined
        const now = yield* Clock.currentTimeMillis
        const began = since ?? now
        const left = progress.isClientsTurn ? limit : Math.max(began, progress.at) + limit - now
        if (left <= 0) child.fail(late)
        else yield* Effect.timeoutOption(child.changed, left)
        return yield* look(began)
      })
    return look(undefined)
  }

  /** Reads the head, and what it asks for. */
  readonly head: Effect.Effect<Document | LocalRedirect, Failure> = Effect.gen(this, function*() {
    const { child, settings: { head: limit, maxHead } } = this
    const reader = new HeadReader(maxHead)
    const late = this.failed("Timeout", `its head was not complete after ${limit} ms (\`timeouts.head\`)`)
    while (true) {
      const bytes = yield* this.next(limit, late)
      if (bytes === undefined) {
        yield* child.finish
        const how = child.signal ?? (child.code === undefined ? "it still runs" : `exit code ${child.code}`)
        return yield* this.failed("BadHead", `its output ended before the blank line of its head (${how})`)
      }
      const complete = reader.push(bytes)
      if (complete === undefined) continue
      const answer = "kind" in complete ? complete : parse(complete.head)
      if (answer.kind === "wrong") return yield* this.failed("BadHead", answer.why)
      if ("rest" in complete && complete.rest.length > 0) this.rest = complete.rest
      return answer
    }
  })

  /** The response that the head asks for. Where the client may have no body, what there is is dropped before. */
  response(method: string, head: Document): Effect.Effect<HttpServerResponse.HttpServerResponse> {
    const { cookies, fields, length, reason, status } = head
    const options = {
      status,
      statusText: reason,
      headers: Headers.fromInput(
        length === undefined || status === 204 ? fields : [...fields, ["content-length", String(length)]]
      ),
      cookies: cookiesOf(cookies)
    }
    const body = this.body(length)
    if (method !== "HEAD" && status !== 204 && status !== 304) {
      return Effect.succeed(
        HttpServerResponse.stream(body, length === undefined ? options : { ...options, contentLength: length })
      )
    }
    let dropped = 0
    return Stream.runForEachWhile(body, (bytes) => Effect.sync(() => (dropped += bytes.length) < mostDropped)).pipe(
      Effect.ignore,
      Effect.as(HttpServerResponse.empty(options))
    )
  }

  /** The output after the head; at its end it waits for the script's, and fails if that was no good one. */
  private body(length: number | undefined): Stream.Stream<Uint8Array, Failure> {
    const { child, settings: { output: limit } } = this
    const late = this.failed("Timeout", `its output stood still for ${limit} ms (\`timeouts.output\`)`)
    let left = length ?? Number.POSITIVE_INFINITY
    return pulled(report(Effect.gen(this, function*() {
      if (left > 0) {
        const bytes = this.rest ?? (yield* this.next(limit, late))
        this.rest = undefined
        if (bytes !== undefined) {
          const part = bytes.length > left ? bytes.subarray(0, left) : bytes
          left -= part.length
          return part
        }
      }
      yield* child.finish
      yield* child.failure
      if (length !== undefined && left > 0) {
        return yield* this.failed("Truncated", `its output ended ${left} bytes before its Content-Length`)
      }
      if (length === undefined && child.signal !== undefined) {
        return yield* this.failed("Killed", `${child.signal} ended it within its output`)
      }
      if (child.code !== undefined && child.code !== 0) {
        yield* Effect.logDebug(`CGI script ${this.script} ended with code ${child.code}`)
      }
      return undefined
    })))
  }
}

/** For the form of a cookie of Effect's. */
const blank = Either.getOrThrow(Cookies.makeCookie("blank", ""))

/** A cookie goes out as the script wrote it. Effect's are kept by name, and two may have one, for two paths. */
const cookiesOf = (lines: ReadonlyArray<string>): Cookies.Cookies =>
  Cookies.fromReadonlyRecord(Object.fromEntries(lines.map((line, index) => {
    const mark = line.indexOf("=")
    const name = mark === -1 ? "" : line.slice(0, mark)
    const value = line.slice(mark + 1)
    return [`${name}#${index}`, { ...blank, name, value, valueEncoded: value }]
  })))
