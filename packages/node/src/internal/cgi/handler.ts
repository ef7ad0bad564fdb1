/** A request becomes a script's process, and its output a response. */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type * as HttpApp from "@effect/platform/HttpApp"
import { MaxBodySize } from "@effect/platform/HttpIncomingMessage"
import { RequestError } from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as path from "node:path"
import { CgiBusy, type CgiError, CgiFailed, CgiRefused, CgiSystemFailed } from "../../CgiError.js"
import * as Causes from "../effect/causes.js"
import { child as childScope } from "../effect/scopes.js"
import { pulled } from "../effect/streams.js"
import { Child, spawn } from "./child.js"
import { Allowance, Lines } from "./complaints.js"
import { environmentOf, wordsOf } from "./environment.js"
import { type Document, HeadReader, parse } from "./head.js"
import { type Settings, wrongVariable } from "./options.js"
import { authorityOf, lengthOf, redirected, targetOf } from "./requests.js"
import { find, segmentsOf } from "./scripts.js"
import { spool } from "./spool.js"

type Failure = CgiError | RequestError

/** Redirects in a row (RFC 3875 names no number). */
const mostHops = 10

/** By what a request's server made of it, because a router in between makes objects of its own. */
const hops = new WeakMap<object, number>()

/** Output that is read and dropped where the client may have no body. */
const mostDropped = 1_048_576

/** What is known before the script starts. */
interface Plan {
  readonly script: string
  readonly scriptName: string
  readonly pathInfo: string
  readonly mount: string
  readonly query: string
  readonly command: ReadonlyArray<string>
}

/** Which of the two the script waits for. */
interface Progress {
  /** When the script last took a part of the body, in milliseconds. */
  at: number
  isClientsTurn: boolean
}

const failed = (script: string, reason: CgiFailed["reason"], why: string): CgiFailed =>
  new CgiFailed({ script, reason, why })

export class Handler<E, R> {
  private running = 0
  private hasEnded = false
  private readonly children = new Set<Child<Failure>>()
  private readonly allowance = new Allowance()

  private readonly settings: Settings
  private readonly local: HttpApp.Default<E, R> | undefined

  constructor(settings: Settings, local: HttpApp.Default<E, R> | undefined) {
    this.settings = settings
    this.local = local
  }

  /** Servers run an app in an uninterruptible region, and a script is to end with its client. */
  readonly app: HttpApp.Default<Failure | E, R | Scope.Scope> = Effect.interruptible(
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => this.answer(request))
  )

  /** Ends all scripts, and waits for that. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.hasEnded = true
    for (const child of this.children) child.fail(failed("", "Closed", "the handler's scope has ended"))
    return Effect.forEach([...this.children], (child) => child.gone, { discard: true })
  })

  private answer(
    request: HttpServerRequest.HttpServerRequest
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, Failure | E, R | Scope.Scope> {
    return Effect.gen(this, function*() {
      const plan = yield* this.plan(request)
      const scope = yield* childScope(yield* Effect.scope)
      const { child, progress } = yield* Scope.extend(this.start(request, plan), scope)
      const { answer, rest } = yield* this.head(child, progress, plan)
      if (answer.kind === "document") return yield* this.document(request, plan, child, progress, answer, rest)
      yield* child.finish
      yield* Scope.close(scope, Exit.void)
      // With room for one script only, the next one waits for this one's end.
      yield* child.gone
      return yield* this.redirect(request, plan, answer.target)
    })
  }

  /** Which script, and what of the path is its own. */
  private plan(request: HttpServerRequest.HttpServerRequest): Effect.Effect<Plan, CgiRefused> {
    const { place } = this.settings
    return Effect.gen(this, function*() {
      const { mount, path: own, query } = targetOf(request)
      const segments = own === "" ? [] : segmentsOf(own)
      if (segments instanceof CgiRefused) return yield* segments
      const above = mount === "" ? [] : segmentsOf(mount)
      if (above instanceof CgiRefused) return yield* above
      const mountName = above.map((segment) => `/${segment}`).join("")
      const found = "script" in place
        ? { file: place.script, name: "", rest: segments, isExecutable: true }
        : yield* Effect.promise(() => find(place.root, segments))
      if (found instanceof CgiRefused) return yield* found
      const command = this.settings.interpreterOf(found.file)
      if (command.length === 0 && !found.isExecutable) {
        return yield* new CgiRefused({
          status: 403,
          why: `${found.file} is not executable, and has no \`interpreter\``
        })
      }
      return {
        script: found.file,
        scriptName: mountName + found.name,
        pathInfo: found.rest.map((segment) => `/${segment}`).join(""),
        mount,
        query,
        command
      }
    })
  }

  /** Checks the rest, and starts the process in the scope of the context. */
  private start(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan
  ): Effect.Effect<{ readonly child: Child<Failure>; readonly progress: Progress }, Failure, Scope.Scope> {
    return Effect.gen(this, function*() {
      const length = lengthOf(request)
      if (length instanceof CgiRefused) return yield* length
      if (length === "unknown" && !this.settings.spools) {
        return yield* new CgiRefused({ status: 411, why: "the body's length is not told" })
      }
      const limit = Option.map(yield* MaxBodySize, Number)
      if (typeof length === "number" && length > Option.getOrElse(limit, () => Number.POSITIVE_INFINITY)) {
        return yield* new CgiRefused({ status: 413, why: `the body has ${length} bytes` })
      }
      const slot = yield* this.slot
      const spooled = length === "unknown"
        ? yield* spool(request.stream, Option.getOrElse(limit, () => 10 * 1_048_576)).pipe(
          Effect.catchTag(
            "SpoolFault",
            ({ cause, code }) =>
              Effect.fail(new CgiSystemFailed({ operation: "spool", script: plan.script, code, cause }))
          )
        )
        : undefined
      const contentLength = spooled === undefined ? length as number | "none" : spooled.length
      const hasBody = contentLength !== "none" && contentLength > 0
      const environment = yield* this.environment(request, plan, contentLength === "none" ? undefined : contentLength)
      const [file, ...before] = plan.command
      const child = yield* slot.fill(
        spawn<Failure>({
          file: file ?? plan.script,
          args: [
            ...before,
            ...(file === undefined ? [] : [plan.script]),
            ...(this.settings.hasCommandLine ? wordsOf(request.method, plan.query) : [])
          ],
          cwd: path.dirname(plan.script),
          environment,
          input: !hasBody
            ? "ignore"
            : spooled === undefined || spooled.kept instanceof Uint8Array
            ? "pipe"
            : spooled.kept.fd
        }, { grace: this.settings.grace, onGone: slot.release }).pipe(
          Effect.mapError(({ cause, code }) =>
            new CgiSystemFailed({ operation: "spawn", script: plan.script, code, cause })
          )
        )
      )
      this.log(child, plan.script)
      const { total } = this.settings
      if (total !== undefined) {
        const late = failed(plan.script, "Timeout", `it was not done after ${total} ms (\`timeouts.total\`)`)
        yield* Effect.forkScoped(Effect.delay(Effect.sync(() => child.fail(late)), total))
      }
      const progress: Progress = { at: 0, isClientsTurn: false }
      if (hasBody) {
        const body = spooled === undefined
          ? request.stream
          : spooled.kept instanceof Uint8Array
          ? Stream.make(spooled.kept)
          : undefined
        if (body !== undefined) yield* Effect.forkScoped(this.feed(request, child, progress, body, contentLength))
      }
      return { child, progress }
    })
  }

  /** A place among those that run. The scope's end ends the child, and the place is free when nothing is left of that. */
  private readonly slot = Effect.gen(this, function*() {
    let child: Child<Failure> | undefined
    let isTaken = false
    const release = () => {
      if (isTaken) this.running--
      isTaken = false
      if (child !== undefined) this.children.delete(child)
    }
    yield* Effect.acquireRelease(
      Effect.suspend(() => {
        if (this.hasEnded || this.running >= this.settings.maxConcurrent) {
          return Effect.fail(new CgiBusy({ running: this.running }))
        }
        this.running++
        isTaken = true
        return Effect.void
      }),
      () => Effect.sync(() => child === undefined ? release() : child.endSoon())
    )
    const fill = <E2>(spawning: Effect.Effect<Child<Failure>, E2>): Effect.Effect<Child<Failure>, E2 | CgiBusy> =>
      Effect.uninterruptible(Effect.flatMap(
        spawning,
        (spawned) => {
          child = spawned
          this.children.add(spawned)
          if (!this.hasEnded) return Effect.succeed(spawned)
          spawned.endSoon()
          return Effect.fail(new CgiBusy({ running: this.running }))
        }
      ))
    return { release, fill }
  })

  private environment(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan,
    contentLength: number | undefined
  ): Effect.Effect<Record<string, string>, CgiRefused> {
    return Effect.gen(this, function*() {
      const { documentRoot, hasAuthorization, serverName } = this.settings
      const authority = authorityOf(request, serverName)
      if (authority instanceof CgiRefused) return yield* authority
      const environment = environmentOf({
        method: request.method,
        query: plan.query,
        headers: request.headers,
        remoteAddress: Option.getOrUndefined(request.remoteAddress),
        protocol: authority.protocol,
        serverName: authority.name,
        serverPort: authority.port,
        isTls: authority.isTls,
        scriptName: plan.scriptName,
        pathInfo: plan.pathInfo,
        pathTranslated: plan.pathInfo === "" ? undefined : documentRoot + plan.pathInfo,
        contentLength,
        hasAuthorization
      })
      if ("fields" in environment) {
        const [one, other] = (environment.fields as readonly [string, string]).map((name) => JSON.stringify(name))
        return yield* new CgiRefused({ status: 400, why: `the fields ${one} and ${other} are one variable` })
      }
      const named = this.settings.environmentOf({
        request,
        script: plan.script,
        scriptName: plan.scriptName,
        pathInfo: plan.pathInfo
      })
      const wrong = wrongVariable(named)
      // A mistake of the program: `make` has looked at variables that are always the same.
      if (wrong !== undefined) return yield* Effect.die(wrong)
      return Object.assign(environment, named)
    })
  }

  private log(child: Child<Failure>, script: string): void {
    const lines = new Lines(this.allowance)
    child.complaining((bytes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.forEach(
          bytes === undefined ? lines.end(now) : lines.push(bytes, now),
          (line) => Effect.logWarning(line),
          { discard: true }
        )).pipe(Effect.annotateLogs("cgi.script", script))
    )
  }

  /** Gives the script its body as it takes it. What fails here fails its answer. */
  private feed(
    request: HttpServerRequest.HttpServerRequest,
    child: Child<Failure>,
    progress: Progress,
    body: Stream.Stream<Uint8Array, RequestError>,
    length: number
  ): Effect.Effect<void> {
    return Effect.gen(function*() {
      let left = length
      let isRead = true
      progress.isClientsTurn = true
      yield* Stream.runForEachWhile(body, (bytes) =>
        Effect.gen(function*() {
          progress.isClientsTurn = false
          progress.at = yield* Clock.currentTimeMillis
          const part = bytes.length > left ? bytes.subarray(0, left) : bytes
          isRead = yield* child.write(part)
          if (isRead) left -= part.length
          progress.at = yield* Clock.currentTimeMillis
          progress.isClientsTurn = left > 0
          return isRead && left > 0
        }))
      progress.isClientsTurn = false
      child.endInput()
      if (isRead && left > 0) {
        child.fail(new CgiRefused({ status: 400, why: `the body ended ${left} bytes before its Content-Length` }))
      }
    }).pipe(
      Effect.catchAllCause((cause) =>
        Effect.sync(() => {
          progress.isClientsTurn = false
          if (Causes.isInterruption(cause)) return
          child.fail(
            Causes.failureOf(cause)
              ?? new RequestError({ request, reason: "Transport", cause, description: "the body cannot be read" })
          )
        })
      )
    )
  }

  /** The next output; `undefined` at its end. */
  private next(
    child: Child<Failure>,
    progress: Progress,
    limit: number,
    late: CgiFailed
  ): Effect.Effect<Uint8Array | undefined, Failure> {
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

  private head(
    child: Child<Failure>,
    progress: Progress,
    plan: Plan
  ): Effect.Effect<
    { readonly answer: Exclude<ReturnType<typeof parse>, { readonly kind: "wrong" }>; readonly rest: Uint8Array },
    Failure
  > {
    const { head: limit, maxHead } = this.settings
    const reader = new HeadReader(maxHead)
    const late = failed(plan.script, "Timeout", `its head was not complete after ${limit} ms (\`timeouts.head\`)`)
    return Effect.gen(this, function*() {
      while (true) {
        const bytes = yield* this.next(child, progress, limit, late)
        if (bytes === undefined) {
          yield* child.finish
          const how = child.signal ?? (child.code === undefined ? "it still runs" : `exit code ${child.code}`)
          return yield* failed(plan.script, "BadHead", `its output ended before the blank line of its head (${how})`)
        }
        const complete = reader.push(bytes)
        if (complete === undefined) continue
        const answer = "kind" in complete ? complete : parse(complete.head)
        if (answer.kind === "wrong") return yield* failed(plan.script, "BadHead", answer.why)
        return { answer, rest: "rest" in complete ? complete.rest : new Uint8Array() }
      }
    })
  }

  private document(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan,
    child: Child<Failure>,
    progress: Progress,
    head: Document,
    rest: Uint8Array
  ): Effect.Effect<HttpServerResponse.HttpServerResponse> {
    const body = this.body(plan, child, progress, head.length, rest)
    const options = {
      status: head.status,
      statusText: head.reason,
      headers: Headers.fromInput([
        ...head.fields,
        ...(head.length === undefined ? [] : [["content-length", String(head.length)] as const])
      ]),
      cookies: cookiesOf(head.cookies)
    }
    if (request.method !== "HEAD" && head.status !== 204 && head.status !== 304) {
      return Effect.succeed(HttpServerResponse.stream(
        body,
        head.length === undefined ? options : { ...options, contentLength: head.length }
      ))
    }
    let dropped = 0
    return Stream.runForEachWhile(body, (bytes) => Effect.sync(() => (dropped += bytes.length) < mostDropped)).pipe(
      Effect.ignore,
      Effect.as(HttpServerResponse.empty(options))
    )
  }

  /** The output after the head; at its end it waits for the script's, and fails if that was no good one. */
  private body(
    plan: Plan,
    child: Child<Failure>,
    progress: Progress,
    length: number | undefined,
    rest: Uint8Array
  ): Stream.Stream<Uint8Array, Failure> {
    const { output: limit } = this.settings
    const late = failed(plan.script, "Timeout", `its output stood still for ${limit} ms (\`timeouts.output\`)`)
    let before = rest.length > 0 ? rest : undefined
    let left = length ?? Number.POSITIVE_INFINITY
    return pulled(Effect.gen(this, function*() {
      if (left > 0) {
        const bytes = before ?? (yield* this.next(child, progress, limit, late))
        before = undefined
        if (bytes !== undefined) {
          const part = bytes.length > left ? bytes.subarray(0, left) : bytes
          left -= part.length
          return part
        }
      }
      yield* child.finish
      yield* child.failure
      if (length !== undefined && left > 0) {
        return yield* failed(plan.script, "Truncated", `its output ended ${left} bytes before its Content-Length`)
      }
      if (length === undefined && child.signal !== undefined) {
        return yield* failed(plan.script, "Killed", `${child.signal} ended it within its output`)
      }
      if (child.code !== undefined && child.code !== 0) {
        yield* Effect.logDebug(`CGI script ${plan.script} ended with code ${child.code}`)
      }
      return undefined
    }))
  }

  private redirect(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan,
    target: string
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, Failure | E, R | Scope.Scope> {
    const key = typeof request.source === "object" && request.source !== null ? request.source : request
    const hop = (hops.get(key) ?? 0) + 1
    if (hop > mostHops) {
      return Effect.fail(failed(plan.script, "Redirects", `more than ${mostHops} local redirects in a row`))
    }
    hops.set(key, hop)
    const next = redirected(request, target)
    if (this.local !== undefined) return Effect.provideService(this.local, HttpServerRequest.HttpServerRequest, next)
    return target === plan.mount || target.startsWith(`${plan.mount}/`) || target.startsWith(`${plan.mount}?`)
      ? this.answer(next.modify({ url: target.slice(plan.mount.length) }))
      : Effect.succeed(HttpServerResponse.redirect(target))
  }
}

/**
 * A cookie goes out as the script wrote it: Effect's server knows cookies by name, and two may have one name, for two paths.
 */
const cookiesOf = (lines: ReadonlyArray<string>): Cookies.Cookies =>
  Cookies.fromReadonlyRecord(
    Object.fromEntries(lines.map((line, index) => {
      const mark = line.indexOf("=")
      const name = mark === -1 ? "" : line.slice(0, mark)
      const valueEncoded = line.slice(mark + 1)
      return [`${name}#${index}`, { ...Cookies.unsafeMakeCookie("name", ""), name, value: valueEncoded, valueEncoded }]
    })) as Record<string, Cookies.Cookie>
  )
