/** Which failures to connect may pass: one rule for every client. */
import { OpeningError, TlsError } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { FtpError, HttpError, Proxy, SmtpError } from "../src/index.js"

const passing = new Set([
  "ConnectError Refused",
  "ConnectError TimedOut",
  "ConnectError Unreachable",
  "ConnectError LookupFailed",
  "ConnectError Reset",
  "ConnectError AddressInUse",
  "ConnectError AddressNotAvailable",
  "ConnectError BacklogFull",
  "ConnectError TooManyOpenFiles",
  "ConnectError OutOfMemory",
  "TlsError HandshakeTimeout",
  "TlsError ClosedInHandshake",
  "TlsError Overloaded",
  "ProxyError TargetUnreachable",
  "ProxyError Refused"
])

const failures = [
  ...OpeningError.ConnectReason.literals.map((reason) =>
    new OpeningError.ConnectError({ reason, target: "a.test:1", attempts: [] })
  ),
  ...TlsError.TlsReason.literals.map((reason) => new TlsError.TlsError({ reason, subject: "a.test:1" })),
  ...Proxy.ProxyError.fields.reason.literals.map((reason) =>
    new Proxy.ProxyError({ reason, proxy: "p.test:1", detail: "no" })
  )
]

describe("failures to connect", () => {
  it.each(failures.map((failure) => [`${failure._tag} ${failure.reason}`, failure] as const))(
    "C33 C34 C35 %s may pass, or not, for every client alike",
    (name, failure) => {
      const expected = passing.has(name)
      expect([FtpError.canRetry(failure), SmtpError.canRetry(failure), HttpError.canRetry(failure)])
        .toEqual([expected, expected, expected])
    }
  )

  it.each([undefined, null, "text", {}, new Error("of the program")])(
    "C33 C35 %s, which is no error of a client, may not pass",
    (other) => {
      expect([SmtpError.canRetry(other), HttpError.canRetry(other)]).toEqual([false, false])
    }
  )
})
