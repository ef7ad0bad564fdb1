/**
 * What calls are given for a server, as options of a session.
 */
import { InvalidOption } from "@copas/core/SocketError"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { InvalidArgument } from "../../ReplyError.js"
import type { Defaults } from "../../Smtp.js"
import type { Options } from "../../SmtpSession.js"
import * as SmtpUrl from "./url.js"

/** A log-in is for one host: what was set for that is not sent to another. */
const forHost = (defaults: Defaults, host: string): Defaults => {
  if (defaults.host === undefined || defaults.host.toLowerCase() === host.toLowerCase()) return defaults
  const { auth: _, port: __, serverName: ___, ...rest } = defaults
  return rest
}

const fromUrl = (url: SmtpUrl.SmtpUrl, defaults: Defaults): Options => {
  const { port: _, ...base } = forHost(defaults, url.host)
  const usual = forHost(defaults, url.host).port
  const tls = url.scheme === "smtps" ? "implicit" : base.tls
  const protocol = url.scheme === "lmtp" ? "lmtp" : "smtp"
  // A port that was set for another kind of TLS, or another protocol, is not this one's.
  const isUsual = tls === base.tls && protocol === (base.protocol ?? "smtp")
  const port = url.port ?? (isUsual ? usual : undefined)
  const login = url.user === undefined
    ? {}
    : { auth: { ...base.auth, user: url.user, password: url.password ?? Redacted.make(""), token: undefined } }
  return {
    ...base,
    ...login,
    host: url.host,
    protocol,
    ...(port === undefined ? {} : { port }),
    ...(tls === undefined ? {} : { tls })
  }
}

export const session = (
  target: string | URL | Defaults,
  defaults: Defaults
): Either.Either<Options, InvalidArgument | InvalidOption> => {
  if (typeof target === "string" || target instanceof URL) {
    return Either.map(SmtpUrl.parse(String(target)), (url) => fromUrl(url, defaults))
  }
  const host = target.host ?? defaults.host
  return host === undefined
    ? Either.left(new InvalidOption({ option: "host", value: "missing", expected: "a name or an address" }))
    : Either.right({ ...forHost(defaults, host), ...target, host })
}
