/** One try of a request: its state from hop to hop, and the sending of one hop. */
import type { Exchange, Field, Prepared, Pull, Route, WireBody, WireRequest } from "@copas/core/HttpTransport"
import { HttpTransportFailure, type Service as Transport } from "@copas/core/HttpTransport"
import { ConnectError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isReplayable } from "../../Body.js"
import * as HttpError from "../../HttpError.js"
import type { Failure, Redirect } from "../../HttpResponse.js"
import { clockOf, millisOf, withFiber } from "../effect/fibers.js"
import { isPassing } from "../retry.js"
import * as Addresses from "./addresses.js"
import type { Answer, Where } from "./answer.js"
import * as Bodies from "./body.js"
import * as Auth from "./credentials.js"
import { isIdempotent } from "./errorText.js"
import * as Failures from "./failures.js"
import * as Fields from "./fields.js"
import type { Plan } from "./plan.js"
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

type AnyExchange = Exchange<HttpTransportFailure | HttpError.InvalidRequest | OfBody>
type StepFailure<E> = Failure | E | Onward

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
  history: ReadonlyArray<Redirect> = []
  /** The next hop may lead to public addresses only. */
  isGuarded = false
  private isRefreshed = false
  private wasLost = false
  private startedAt = 0

  /** The program's own body failed: the same request would fail again. */
  isBodysFault = false
  private readonly watch: Watch | undefined
  private readonly isScoped: boolean
  /** What held the answer beyond its step has ended. */
  isLeft = false
  private inHand: Prepared<unknown, unknown> | undefined = undefined

  /** Unless `isScoped`, `leave` is to be called after each step, when its answer is no longer needed. */
  constructor(plan: Plan<E, R>, wire: Wire, watch: Watch | undefined, isScoped: boolean) {
    this.plan = plan
    this.isScoped = isScoped
    this.watch = watch
    this.wire = wire
    this.method = plan.method
    this.url = plan.url
    this.fields = plan.fields
    this.hasBody = plan.body !== undefined
    this.auth = plan.auth
  }

  readonly where = (): Where => ({
    method: this.method,
    url: show(this.url, this.plan.settings.hidden),
    hop: this.hop,
    ...(this.wasCarriedOut ? { wasCarriedOut: true } : {})
  })

  /** A POST was answered by a redirect to a GET. 307 and 308 ask for the same request elsewhere: there it was not. */
  private wasCarriedOut = false

  /** Sends the request of this hop. Fails with `Onward` if the answer leads on: then the next step is of the next hop. */
  step(): Effect.Effect<Answer<E>, StepFailure<E>, R | Scope.Scope> {
    return withFiber((fiber) => {
      const clock = clockOf(fiber)
      this.startedAt = millisOf(clock)
      const { auth, hasBody, plan: { settings } } = this
      const sent = auth === undefined && !hasBody && settings.cookies === undefined
        ? this.exchange(this.traced(this.fields), undefined)
        : this.prepared()
      return Effect.flatMap(sent, (exchange) => this.after(exchange, millisOf(clock)))
    })
  }

  /** A step that opens no body. */
  unscopedStep(): Effect.Effect<Answer<E>, StepFailure<E>, R> {
    return this.step() as Effect.Effect<Answer<E>, StepFailure<E>, R>
  }

  private invalid(field: string, reason: string): HttpError.InvalidRequest {
    return new HttpError.InvalidRequest({ ...this.where(), field, reason })
  }

  /** With credentials, cookies and a body. */
  private prepared(): Effect.Effect<AnyExchange, StepFailure<E>, R | Scope.Scope> {
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
          return yield* this.withBody([...others, ["cookie", value]], body)
        }
      }
      return yield* this.withBody(fields, body)
    })
  }

  private withBody(
    fields: ReadonlyArray<Field>,
    body: Plan<E, R>["body"]
  ): Effect.Effect<AnyExchange, StepFailure<E>, R | Scope.Scope> {
    if (body === undefined || !this.hasBody) return this.exchange(fields, undefined)
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
          : { length: wire.length, pull: Effect.mapError(wire.pull, (error) => this.ofBody(error)) }
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

  private exchange(
    fields: ReadonlyArray<Field>,
    body: WireBody<HttpError.InvalidRequest | OfBody> | undefined
  ): Effect.Effect<AnyExchange, StepFailure<E>, R | Scope.Scope> {
    const { method, plan: { settings: { timeouts } }, url, wire } = this
    if (this.watch !== undefined) this.watch.sent += 1
    const isRepeated = this.wasLost
    const request: WireRequest<HttpError.InvalidRequest | OfBody> = { method, url, fields, body, timeouts, isRepeated }
    const route = wire.routes.route(this.profile, url.origin)
    return Effect.catchAll(
      this.sent(request, route),
      (failure): Effect.Effect<AnyExchange, StepFailure<E>, R | Scope.Scope> => {
        if (this.isStale(failure, body)) {
          this.wasLost = true
          return body === undefined || body instanceof Uint8Array ? this.exchange(fields, body) : onward
        }
        return Effect.fail(this.failed(failure))
      }
    )
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

  private readonly keep = (): () => void => {
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

  private failed(
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

  private after(exchange: AnyExchange, headAt: number): Effect.Effect<Answer<E>, StepFailure<E>> {
    const { cookies } = this.plan.settings
    if (this.watch !== undefined) {
      this.watch.status = exchange.status
      this.watch.version = exchange.version
    }
    const set = cookies === undefined ? [] : Fields.valuesOf(exchange.fields, "set-cookie")
    return cookies === undefined || set.length === 0
      ? this.leads(exchange, headAt)
      : Effect.zipRight(cookies.store(this.url, set), Effect.suspend(() => this.leads(exchange, headAt)))
  }

  private leads(exchange: AnyExchange, headAt: number): Effect.Effect<Answer<E>, StepFailure<E>> {
    const { status } = exchange
    if (status < 300 || status === 304) return Effect.succeed(this.answer(exchange, headAt))
    const { auth, plan: { body, settings } } = this
    const canRepeat = !this.hasBody || isReplayable(body as never)
    if (status === 401 && auth?.token !== undefined && !this.isRefreshed && canRepeat) {
      this.isRefreshed = true
      return onward
    }
    const { redirect } = settings
    const locations = redirect === false ? undefined : Redirects.locationOf(status, exchange.fields)
    if (locations === undefined || !Redirects.isFollowed(status, this.method, redirect)) {
      return Effect.succeed(this.answer(exchange, headAt))
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
  private guard({ isSameOrigin, url }: Redirects.Next, exchange: AnyExchange): HttpError.HttpError | undefined {
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

  private answer(exchange: AnyExchange, headAt: number): Answer<E> {
    const read = Effect.mapError(exchange.read, (failure) => this.failed(failure))
    return {
      exchange,
      method: this.method,
      url: this.url,
      history: this.history,
      where: this.where,
      read: read as Pull<HttpError.HttpError | E>,
      failed: (failure) => this.failed(failure) as HttpError.HttpError,
      decode: this.plan.settings.decode,
      limits: this.plan.settings.limits,
      keep: this.keep,
      isLeft: () => this.isLeft,
      startedAt: this.startedAt,
      headAt
    }
  }
}
