/** One try of a request: its state from hop to hop, and the sending of one hop. */
import type { Exchange, Field, Prepared, Route, WireBody, WireRequest } from "@copas/core/HttpTransport"
import { HttpTransportFailure, type Service as Transport } from "@copas/core/HttpTransport"
import { ConnectError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isReplayable } from "../../Body.js"
import * as HttpError from "../../HttpError.js"
import type { Failure, Redirect } from "../../HttpResponse.js"
import { type AnyFiber, clockOf, millisOf } from "../effect/fibers.js"
import { isPassing } from "../retry.js"
import * as Addresses from "./addresses.js"
import { type Answer, Received, type Where } from "./answer.js"
import * as Bodies from "./body.js"
import * as Auth from "./credentials.js"
import { isIdempotent } from "./errorText.js"
import * as Failures from "./failures.js"
import * as Fields from "./fields.js"
import { type Plan, Sent } from "./plan.js"
import * as Redirects from "./redirects.js"
import type { ConnectFailure, Profile, Routes } from "./route.js"
import type { Watch } from "./spans.js"
import { show } from "./url.js"

/** An error of the program's own body, which must not be taken for one of the client or of its transport. */
class OfBody {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** What a step fails with when there is another hop: its scope is to end first. */
export class Onward {
  readonly _tag = "Onward"
}

const onward = Effect.fail(new Onward())

export interface Wire {
  readonly transport: Transport
  readonly routes: Routes
  readonly randomBytes: (length: number) => Uint8Array
}

type SentBody = WireBody<HttpError.InvalidRequest | OfBody> | undefined

type AnyExchange = Exchange<HttpTransportFailure | HttpError.InvalidRequest | OfBody>
type StepFailure<E> = Failure | E | Onward
type Use<E, A, E2, R2> = (answer: Answer<E>) => Effect.Effect<A, E2, R2>

const none: ReadonlyArray<never> = []

export class Run<E, R> {
  readonly plan: Plan<E, R>
  readonly wire: Wire
  method: string
  url: URL
  fields: ReadonlyArray<Field>
  hasBody: boolean
  /** Undefined once it went to the caller's origin for the last time. */
  auth: Auth.Credentials | undefined
  hop = 0
  history: ReadonlyArray<Redirect> = none
  /** The next hop may lead to public addresses only. */
  isGuarded = false
  private isRefreshed = false
  private wasLost = false
  startedAt = 0

  /** The program's own body failed: the same request would fail again. */
  isBodysFault = false
  private readonly watch: Watch | undefined
  private readonly isScoped: boolean
  /** What held the answer beyond its step has ended. */
  isLeft = false
  private inHand: Prepared<unknown, unknown> | undefined = undefined
  private readonly fiber: AnyFiber

  /** Unless `isScoped`, `leave` is to be called after each step, when its answer is no longer needed. */
  constructor(plan: Plan<E, R>, wire: Wire, watch: Watch | undefined, isScoped: boolean, fiber: AnyFiber) {
    this.plan = plan
    this.fiber = fiber
    this.isScoped = isScoped
    this.watch = watch
    this.wire = wire
    this.method = plan.method
    this.url = plan.url
    this.fields = plan.fields
    this.hasBody = plan.body !== undefined
    this.auth = plan.auth
  }

  where(): Where {
    return {
      method: this.method,
      url: show(this.url, this.plan.settings.hidden),
      hop: this.hop,
      ...(this.wasCarriedOut ? { wasCarriedOut: true } : {})
    }
  }

  /** A POST was answered by a redirect to a GET. 307 and 308 ask for the same request elsewhere: there it was not. */
  private wasCarriedOut = false

  /**
   * Sends the request of this hop, and uses its answer. Fails with `Onward` if the answer leads on: then the next step is of
   * the next hop.
   */
  step<A, E2, R2>(use: Use<E, A, E2, R2>): Effect.Effect<A, StepFailure<E> | E2, R | R2 | Scope.Scope> {
    this.startedAt = this.now
    const { auth, hasBody, plan: { settings } } = this
    return auth === undefined && !hasBody && settings.cookies === undefined
      ? this.exchange(this.traced(this.fields), undefined, use)
      : this.prepared(use)
  }

  /** A step that opens no body. */
  unscopedStep<A, E2, R2>(use: Use<E, A, E2, R2>): Effect.Effect<A, StepFailure<E> | E2, R | R2> {
    return this.step(use) as Effect.Effect<A, StepFailure<E> | E2, R | R2>
  }

  private get now(): number {
    return millisOf(clockOf(this.fiber))
  }

  private invalid(field: string, reason: string): HttpError.InvalidRequest {
    return new HttpError.InvalidRequest({ ...this.where(), field, reason })
  }

  /** With credentials, cookies and a body. */
  private prepared<A, E2, R2>(
    use: Use<E, A, E2, R2>
  ): Effect.Effect<A, StepFailure<E> | E2, R | R2 | Scope.Scope> {
    return Effect.gen(this, function*() {
      const { auth, plan: { body, settings } } = this
      const fields = [...this.traced(this.fields)]
      if (auth !== undefined && !Fields.has(fields, "authorization")) {
        fields.push(["authorization", auth.value === undefined ? yield* this.token(auth.token) : auth.value()])
      }
      if (settings.cookies !== undefined) {
        const cookie = yield* settings.cookies.header(this.url)
        if (cookie !== undefined) {
          const own = Fields.valuesOf(fields, "cookie")
          const value = [...own, cookie].join("; ")
          const fault = Fields.valueFault(value)
          if (fault !== undefined) return yield* this.invalid("cookies", fault)
          const others = own.length === 0 ? fields : fields.filter(([name]) => name.toLowerCase() !== "cookie")
          return yield* this.withBody([...others, ["cookie", value]], body, use)
        }
      }
      return yield* this.withBody(fields, body, use)
    })
  }

  private withBody<A, E2, R2>(
    fields: ReadonlyArray<Field>,
    body: Plan<E, R>["body"],
    use: Use<E, A, E2, R2>
  ): Effect.Effect<A, StepFailure<E> | E2, R | R2 | Scope.Scope> {
    if (body === undefined || !this.hasBody) return this.exchange(fields, undefined, use)
    const opening: Bodies.Opening<HttpError.InvalidRequest | OfBody> = {
      invalid: (reason) => this.invalid("body", reason),
      randomBytes: this.wire.randomBytes
    }
    const opened = Effect.mapError(Bodies.open(body, opening), (error) => this.failed(this.ofBody(error)))
    return Effect.flatMap(opened, ({ type, wire }) => {
      const fault = type === undefined ? undefined : Fields.valueFault(type)
      if (fault !== undefined) return Effect.fail(this.invalid("body", `its type cannot be sent: ${fault}`))
      const typed: ReadonlyArray<Field> = type === undefined || Fields.has(fields, "content-type")
        ? fields
        : [...fields, ["content-type", type]]
      return this.exchange(
        typed,
        wire instanceof Uint8Array
          ? wire
          : { length: wire.length, pull: Effect.mapError(wire.pull, (error) => this.ofBody(error)) },
        use
      )
    })
  }

  /** Errors of bodies that are the client's own are told by what made them. */
  private ofBody(error: E | HttpError.InvalidRequest | OfBody): HttpError.InvalidRequest | OfBody {
    return error instanceof HttpError.InvalidRequest || error instanceof OfBody ? error : new OfBody(error)
  }

  private token(token: NonNullable<Auth.Credentials["token"]>): Effect.Effect<string, HttpError.HttpError> {
    return Effect.flatMap(
      Effect.mapError(token, (cause) => new HttpError.CredentialsFailed({ ...this.where(), cause })),
      (token) => {
        const made = Auth.bearer(token)
        return typeof made === "string" ? Effect.fail(this.invalid("auth", made)) : Effect.succeed(made.value)
      }
    )
  }

  private traced(fields: ReadonlyArray<Field>): ReadonlyArray<Field> {
    const { propagateTo } = this.plan.settings
    const traceparent = this.watch?.traceparent
    if (traceparent === undefined || Fields.has(fields, "traceparent")) return fields
    const isTold = propagateTo === "all" ||
      (propagateTo === "same" ? this.url.origin === this.plan.url.origin : propagateTo.has(this.url.origin))
    return isTold ? [...fields, ["traceparent", traceparent]] : fields
  }

  private get profile(): Profile {
    const { plan, wire: { routes } } = this
    const profile = plan.settings.profiles[this.url.protocol as "http:" | "https:"]
    if (this.hop === 0) return profile
    const own = this.url.origin === plan.url.origin ? profile : routes.unnamed(profile)
    return this.isGuarded && own.isDirect ? routes.guarded(own) : own
  }

  private exchange<A, E2, R2>(
    fields: ReadonlyArray<Field>,
    body: SentBody,
    use: Use<E, A, E2, R2>
  ): Effect.Effect<A, StepFailure<E> | E2, R | R2 | Scope.Scope> {
    const { method, plan: { settings: { timeouts } }, url, wire } = this
    if (this.watch !== undefined) this.watch.sent += 1
    const request = new Sent(method, url, fields, body, timeouts, this.wasLost)
    const route = wire.routes.route(this.profile, url.origin)
    const failed = (
      failure: HttpTransportFailure | ConnectFailure | HttpError.InvalidRequest | OfBody
    ): Effect.Effect<A, StepFailure<E> | E2, R | R2 | Scope.Scope> => {
      if (this.isStale(failure, body)) {
        this.wasLost = true
        return body === undefined || body instanceof Uint8Array ? this.exchange(fields, body, use) : onward
      }
      return Effect.fail(this.failed(failure))
    }
    return Effect.matchCauseEffect(this.sent(request, route), {
      onFailure: (cause) => Effect.catchAll(Effect.failCause(cause), failed),
      onSuccess: (exchange) => this.after(exchange, use)
    })
  }

  private sent(
    request: WireRequest<HttpError.InvalidRequest | OfBody>,
    route: Route<ConnectFailure>
  ): Effect.Effect<
    AnyExchange,
    HttpTransportFailure | ConnectFailure | HttpError.InvalidRequest | OfBody,
    Scope.Scope
  > {
    const { transport } = this.wire
    if (this.isScoped) return transport.exchange(request, route)
    this.leave()
    const prepared = transport.prepare(request, route)
    this.inHand = prepared
    return prepared.head
  }

  keep(): () => void {
    const kept = this.inHand
    this.inHand = undefined
    return () => {
      this.isLeft = true
      kept?.leave()
    }
  }

  leave(): void {
    this.inHand?.leave()
    this.inHand = undefined
  }

  /**
   * A server may close a connection that was kept at any time: it is not known whether it read the request, so only an
   * idempotent one is sent once more, on another connection.
   */
  private isStale(failure: unknown, body: unknown): boolean {
    return failure instanceof HttpTransportFailure && failure.kind === "Lost" && failure.isReused &&
      failure.received === 0 && !this.wasLost && isIdempotent(this.method) &&
      (body === undefined || isReplayable(this.plan.body as never))
  }

  failed(
    failure: HttpTransportFailure | ConnectFailure | HttpError.InvalidRequest | OfBody
  ): Failure | E {
    const { timeouts } = this.plan.settings
    if (failure instanceof OfBody) {
      this.isBodysFault = true
      return failure.error as E
    }
    if (failure instanceof HttpTransportFailure) {
      return Failures.ofTransport(failure, this.where(), timeouts[failure.phase])
    }
    if (failure instanceof ConnectError) {
      const isGuard = this.isGuarded && this.profile.isDirect
      const options = { timeout: timeouts.connect, isGuard }
      const error = Failures.ofConnect(failure, this.where(), this.url.hostname, options)
      if (error !== failure) return error
    }
    return this.wasCarriedOut && isPassing(failure) ? Failures.ofUnreached(failure, this.where()) : failure
  }

  private after<A, E2, R2>(
    exchange: AnyExchange,
    use: Use<E, A, E2, R2>
  ): Effect.Effect<A, StepFailure<E> | E2, R2> {
    const answer = new Received<E>(this, exchange as Exchange<never>, this.now)
    const { cookies } = this.plan.settings
    if (this.watch !== undefined) {
      this.watch.status = exchange.status
      this.watch.version = exchange.version
    }
    const set = cookies === undefined ? [] : exchange.values("set-cookie")
    return cookies === undefined || set.length === 0
      ? this.leads(answer, use)
      : Effect.zipRight(cookies.store(this.url, set), Effect.suspend(() => this.leads(answer, use)))
  }

  private leads<A, E2, R2>(
    answer: Received<E>,
    use: Use<E, A, E2, R2>
  ): Effect.Effect<A, StepFailure<E> | E2, R2> {
    const { exchange } = answer
    const { status } = exchange
    if (status < 300 || status === 304) return use(answer)
    const { auth, plan: { body, settings } } = this
    const canRepeat = !this.hasBody || isReplayable(body as never)
    if (status === 401 && auth?.token !== undefined && !this.isRefreshed && canRepeat) {
      this.isRefreshed = true
      return onward
    }
    const { redirect } = settings
    const locations = redirect === false ? undefined : Redirects.locationOf(status, exchange.fields)
    if (locations === undefined || !Redirects.isFollowed(status, this.method, redirect)) {
      return use(answer)
    }
    const where = this.where()
    const next = Redirects.follow({ status, method: this.method, url: this.url, locations }, {
      redirect,
      body: !this.hasBody ? "none" : canRepeat ? "replayable" : "oneShot",
      hidden: settings.hidden,
      where
    })
    if (next instanceof HttpError.RedirectRefused) return Effect.fail(next)
    if (this.history.length >= settings.maxRedirects) {
      const chain = [...this.history.map(({ url }) => url), this.url.href, next.url.href]
      return Effect.fail(
        new HttpError.TooManyRedirects({
          ...where,
          limit: settings.maxRedirects,
          chain: chain.map((url) => show(new URL(url), settings.hidden))
        })
      )
    }
    const forbidden = this.guard(next, exchange)
    if (forbidden !== undefined) return Effect.fail(forbidden)
    this.follow(next, status)
    return onward
  }

  /** A public server must not make the client ask what only this network can reach, unless `addresses` is set. */
  private guard({ isSameOrigin, url }: Redirects.Next, exchange: Exchange<never>): HttpError.HttpError | undefined {
    const { profile } = this
    if (!this.plan.settings.isGuarded || isSameOrigin) return undefined
    const isPublic = profile.isDirect
      ? Addresses.isPublic(exchange.connection.remoteAddress)
      : Addresses.isPublic(this.url.hostname)
    if (!isPublic) return undefined
    if (Addresses.isPublic(url.hostname)) {
      this.isGuarded = true
      return undefined
    }
    const where = { method: this.method, url: show(url, this.plan.settings.hidden), hop: this.hop + 1 }
    return new HttpError.AddressForbidden({ ...where, host: url.hostname, addresses: [], reason: "redirect" })
  }

  private follow({ isSameOrigin, keepsBody, method, url }: Redirects.Next, status: number): void {
    this.history = [...this.history, { method: this.method, url: this.url.href, status }]
    this.fields = Fields.forNextHop(this.fields, { keepsBody, isSameOrigin, keep: this.plan.settings.keep })
    if (!isSameOrigin) this.auth = undefined
    this.hasBody = keepsBody
    if (method !== this.method && !isIdempotent(this.method)) this.wasCarriedOut = true
    this.method = method
    this.url = url
    this.hop += 1
  }
}
