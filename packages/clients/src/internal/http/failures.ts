/** The errors of requests, of what transports and connectors fail with: by their kinds, never by their texts. */
import type { HttpTransportFailure } from "@copas/core/HttpTransport"
import type { ConnectError } from "@copas/core/SocketError"
import * as HttpError from "../../HttpError.js"
import type { Where } from "./answer.js"
import { isRepeatable } from "./errorText.js"

/** The error for a failure of the transport. */
export const ofTransport = (failure: HttpTransportFailure, where: Where, timeout: number): HttpError.HttpError => {
  const { cause, detail, expected, isReused, kind, phase, received, sent } = failure
  const at = { ...where, ...(cause === undefined ? {} : { cause }) }
  switch (kind) {
    case "TimedOut":
      return new HttpError.HttpTimeout({ ...at, phase, after: expected ?? timeout, sent, received })
    case "Lost":
      return new HttpError.ConnectionLost({
        ...at,
        phase,
        detail,
        sent,
        received,
        isReused,
        canRetry: isRepeatable(where) || sent === 0 && where.wasCarriedOut !== true
      })
    case "Closed":
      return new HttpError.ConnectionLost({ ...at, phase, detail, sent, received, isReused, canRetry: false })
    case "Truncated":
      return new HttpError.BodyTruncated({ ...at, detail, received, ...(expected === undefined ? {} : { expected }) })
    case "Violation":
      return new HttpError.HttpProtocolViolation({ ...at, detail, sent, received })
    case "HeadTooLarge":
      return new HttpError.HttpHeadTooLarge({ ...where, detail })
    case "BodyLength":
      return new HttpError.InvalidRequest({ ...at, field: "body", reason: detail })
    case "Refused":
      return new HttpError.InvalidRequest({ ...at, field: "request", reason: detail })
    case "Decode":
      return new HttpError.DecodeFailed({ ...at, coding: "its content coding", detail })
  }
}

/** The error for a connection that could not be made where a redirect led, after the caller's request was carried out. */
export const ofUnreached = (cause: Error, where: Where): HttpError.ConnectionLost =>
  new HttpError.ConnectionLost({
    ...where,
    phase: "connect",
    detail: `there was none to where the redirect leads: ${cause.message}`,
    sent: 0,
    received: 0,
    isReused: false,
    canRetry: false,
    cause
  })

/** The error for one of connecting: a time-out is the request's, and so is an address that is not permitted. */
export const ofConnect = (
  error: ConnectError,
  where: Where,
  host: string,
  options: { readonly timeout: number; readonly isGuard: boolean }
): HttpError.HttpError | ConnectError => {
  switch (error.reason) {
    case "TimedOut":
      return new HttpError.HttpTimeout({
        ...where,
        phase: "connect",
        after: options.timeout,
        sent: 0,
        received: 0,
        cause: error
      })
    case "NotPermitted":
      return new HttpError.AddressForbidden({
        ...where,
        host,
        addresses: error.attempts.map(({ address }) => address),
        reason: options.isGuard ? "redirect" : "addresses",
        cause: error
      })
    default:
      return error
  }
}
