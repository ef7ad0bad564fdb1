/** A request becomes a script's process, and its output a response. */
import type * as HttpApp from "@effect/platform/HttpApp"
import { MaxBodySize } from "@effect/platform/HttpIncomingMessage"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as path from "node:path"
import { CgiBusy, CgiFailed, CgiRefused, CgiSystemFailed } from "../../CgiError.js"
import * as HttpConnection from "../../HttpConnection.js"
import { child as childScope } from "../effect/scopes.js"
import { type Child, spawn } from "./child.js"
import { Allowance, Lines } from "./complaints.js"
import { environmentOf, wordsOf } from "./environment.js"
import { type Failure, feed, once, type Parts, partsOf, type Progress, report } from "./input.js"
import { type Settings, wrongVariable } from "./options.js"
import { Output } from "./output.js"
import { authorityOf, lengthOf, redirected, targetOf } from "./requests.js"
import { find, segmentsOf } from "./scripts.js"
import { spool } from "./spool.js"

/** Redirects in a row (RFC 3875 names no number). */
const mostHops = 10

/** By what a request's server made of it, because a router in between makes objects of its own. */
const hops = new WeakMap<object, number>()

/** What is known before the script starts. */
interface Plan {
  readonly script: string
  readonly scriptName: string
  readonly pathInfo: string
  readonly mount: string
  readonly query: string
  readonly command: ReadonlyArray<string>
}

const failed = (script: string, reason: CgiFailed["reason"], why: string): CgiFailed =>
  new CgiFailed({ script, reason, why })

/** What runs the scripts of one `Cgi.make`. */
export class Handler<E, R> {
  private running = 0
  private hasEnded = false
  /** Processes that are being started. */
  private readonly starting = new Set<Deferred.Deferred<void>>()
  /** Those that run, with their scripts. */
  private readonly children = new Map<Child<Failure>, string>()
  private readonly allowance = new Allowance()
  private readonly settings: Settings
  private readonly local: HttpApp.Default<E, R> | undefined

  constructor(settings: Settings, local: HttpApp.Default<E, R> | undefined) {
    this.settings = settings
    this.local = local
  }

  /** Servers run an app in an uninterruptible region, and a script is to end with its client. */
  readonly app: HttpApp.Default<Failure | E, R | Scope.Scope> = Effect.interruptible(
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => report(this.answer(request)))
  )

  /** Ends all scripts, and waits for that. */
  readonly end: Effect.Effect<void> = Effect.gen(this, function*() {
    this.hasEnded = true
    yield* Effect.forEach([...this.starting], (started) => Deferred.await(started), { discard: true })
    const children = [...this.children]
    for (const [child, script] of children) child.fail(failed(script, "Closed", "the handler's scope has ended"))
    yield* Effect.forEach(children, ([child]) => child.gone, { discard: true })
  })

  private answer(
    request: HttpServerRequest.HttpServerRequest
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, Failure | E, R | Scope.Scope> {
    return Effect.gen(this, function*() {
      const plan = yield* this.plan(request)
      const whole = yield* Effect.scope
      const scope = yield* childScope(whole)
      const { child, progress } = yield* Scope.extend(this.start(request, plan, whole), scope)
      const output = new Output(this.settings, plan.script, child, progress)
      const head = yield* output.head
      if (head.kind === "document") return yield* output.response(request.method, head)
      yield* child.finish
      yield* Scope.close(scope, Exit.void)
      // With room for one script only, the next one waits for this one's end.
      yield* child.gone
      return yield* this.redirect(request, plan, head.target)
    })
  }

  /** Which script, and what of the path is its own. */
  private plan(request: HttpServerRequest.HttpServerRequest): Effect.Effect<Plan, CgiRefused> {
    const { place } = this.settings
    return Effect.gen(this, function*() {
      const { mount, path: own, query } = targetOf(request)
      const segments = own === "" ? [] : yield* segmentsOf(own)
      const above = mount === "" ? [] : yield* segmentsOf(mount)
      const mountName = above.map((segment) => `/${segment}`).join("")
      const found = "script" in place
        ? { file: place.script, name: "", rest: segments, isExecutable: true }
        : yield* find(place.root, segments)
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

  /** Checks the rest, and starts the process in the scope of the context. `whole`: the request's scope. */
  private start(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan,
    whole: Scope.Scope
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
      const parts: Parts = length === "none" ? Effect.succeed(undefined) : yield* Scope.extend(partsOf(request), whole)
      const spooled = length === "unknown"
        ? yield* spool(parts, Option.getOrElse(limit, () => 10 * 1_048_576)).pipe(
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
        plan.script,
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
      if (total !== Infinity) {
        const late = failed(plan.script, "Timeout", `it was not done after ${total} ms (\`timeouts.total\`)`)
        yield* Effect.forkScoped(Effect.delay(Effect.sync(() => child.fail(late)), total))
      }
      const progress: Progress = { at: 0, isClientsTurn: false }
      const kept = spooled?.kept
      if (hasBody && (kept === undefined || kept instanceof Uint8Array)) {
        yield* Effect.forkScoped(feed(child, progress, kept === undefined ? parts : once(kept), contentLength))
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
    const fill = (script: string, spawning: Effect.Effect<Child<Failure>, CgiSystemFailed>) =>
      Effect.gen(this, function*() {
        // While the body was kept, the scope may have ended.
        if (this.hasEnded) return yield* new CgiBusy({ running: this.running })
        const started = yield* Deferred.make<void>()
        this.starting.add(started)
        child = yield* Effect.ensuring(spawning, Effect.sync(() => this.starting.delete(started))).pipe(
          Effect.tap((spawned) => Effect.sync(() => this.children.set(spawned, script))),
          Effect.ensuring(Deferred.succeed(started, undefined))
        )
        return child
      }).pipe(Effect.uninterruptible)
    return { release, fill }
  })

  private environment(
    request: HttpServerRequest.HttpServerRequest,
    plan: Plan,
    contentLength: number | undefined
  ): Effect.Effect<Record<string, string>, CgiRefused> {
    return Effect.gen(this, function*() {
      const { documentRoot, hasAuthorization, serverName } = this.settings
      const connection = yield* Effect.provideService(
        HttpConnection.current,
        HttpServerRequest.HttpServerRequest,
        request
      )
      const authority = authorityOf(request, Option.getOrUndefined(connection), serverName)
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
      // A browser would take two slashes for another host.
      : Effect.succeed(HttpServerResponse.redirect(target.startsWith("//") ? `/.${target}` : target))
  }
}
