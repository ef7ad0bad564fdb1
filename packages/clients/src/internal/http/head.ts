/** What every answer says of itself, read when it is asked for: most programs ask for little of it. */
import type { ExchangeConnection, Field } from "@copas/core/HttpTransport"
import * as Inspectable from "effect/Inspectable"
import type * as HttpResponse from "../../HttpResponse.js"
import type { Answer } from "./answer.js"

/** An answer that never has a body, whatever its fields say (RFC 9110, section 6.4.1). */
export const isBodiless = ({ exchange: { status }, method }: Answer<unknown>): boolean =>
  method === "HEAD" || status === 204 || status === 304

/** The length that the answer says its body has on the wire. */
export const lengthOf = (answer: Answer<unknown>): number | undefined => {
  const [value] = answer.exchange.values("content-length")
  const length = value === undefined || !/^\d+$/.test(value) ? NaN : Number(value)
  return Number.isSafeInteger(length) ? length : undefined
}

export abstract class AnswerHead extends Inspectable.Class implements HttpResponse.Head {
  protected readonly answer: Answer<unknown>
  /** When the body had come whole, in milliseconds of the fiber's clock. */
  protected abstract readonly endedAt: number | undefined

  constructor(answer: Answer<unknown>) {
    super()
    this.answer = answer
  }

  get status(): number {
    return this.answer.exchange.status
  }

  get statusText(): string {
    return this.answer.exchange.statusText
  }

  get version(): HttpResponse.Head["version"] {
    return this.answer.exchange.version
  }

  get url(): string {
    return this.answer.url.href
  }

  get history(): ReadonlyArray<HttpResponse.Redirect> {
    return this.answer.history
  }

  get fields(): ReadonlyArray<Field> {
    return this.answer.exchange.fields
  }

  get informational(): HttpResponse.Head["informational"] {
    return this.answer.exchange.informational
  }

  get trailers(): ReadonlyArray<Field> {
    return this.answer.exchange.trailers()
  }

  get connection(): ExchangeConnection {
    return this.answer.exchange.connection
  }

  get timings(): HttpResponse.Timings {
    const { exchange, headAt, startedAt } = this.answer
    const end = this.endedAt === undefined ? undefined : this.endedAt - startedAt
    return { ...exchange.connection.opening, firstByte: headAt - startedAt, end }
  }

  /** Neither fields nor body: there may be secrets in both. */
  toJSON(): object {
    const { answer } = this
    const { method, url } = answer.where()
    return { _id: "@copas/clients/HttpResponse", method, url, status: answer.exchange.status, length: lengthOf(answer) }
  }
}
