/**
 * What one-shot calls are given, as options of a session and a path.
 */
import type { InvalidOption } from "@copas/core/SocketError"
import { InvalidOption as InvalidOptionError } from "@copas/core/SocketError"
import * as Either from "effect/Either"
import type { Defaults, Target } from "../../Ftp.js"
import * as FtpError from "../../FtpError.js"
import type { Options, Path } from "../../FtpSession.js"
import * as Bytes from "../text/bytes.js"
import * as FtpUrl from "./url.js"

export interface Resolved {
  readonly options: Options
  readonly path: Path
  readonly type: "binary" | "text" | "listing" | undefined
}

const types = { a: "text", i: "binary", d: "listing" } as const

/** A log-in belongs to its host: the user and password of one host are not sent to another that a URL names. */
const forHost = (defaults: Defaults, host: string): Defaults => {
  if (defaults.host === undefined || defaults.host.toLowerCase() === host.toLowerCase()) return defaults
  const { account: _, password: __, port: ___, serverName: ____, user: _____, virtualHost: ______, ...rest } = defaults
  return rest
}

const fromUrl = (url: FtpUrl.FtpUrl, defaults: Defaults): Resolved => {
  const base = forHost(defaults, url.host)
  const { password: _, user: __, ...others } = base
  const login = url.user === undefined
    ? base
    : { ...others, user: url.user, ...(url.password === undefined ? {} : { password: url.password }) }
  const tls = url.scheme === "ftps" ? "implicit" : url.scheme === "ftpes" ? "explicit" : base.tls
  // A port that was set for another kind of TLS is not this one's.
  const port = url.port ?? (tls === base.tls ? base.port : undefined)
  const { port: ___, ...rest } = login
  return {
    options: {
      ...rest,
      host: url.host,
      ...(port === undefined ? {} : { port }),
      ...(tls === undefined ? {} : { tls })
    },
    path: FtpUrl.toPath(url),
    type: url.type === undefined ? undefined : types[url.type]
  }
}

export const session = (
  target: string | URL | Defaults,
  defaults: Defaults
): Either.Either<Options, FtpError.InvalidArgument | InvalidOption> => {
  if (typeof target === "string" || target instanceof URL) {
    return Either.map(FtpUrl.parse(String(target)), (url) => fromUrl(url, defaults).options)
  }
  const host = target.host ?? defaults.host
  if (host === undefined) {
    return Either.left(new InvalidOptionError({ option: "host", value: "missing", expected: "a name or an address" }))
  }
  return Either.right({ ...forHost(defaults, host), ...target, host })
}

export const resolve = (
  target: Target,
  defaults: Defaults
): Either.Either<Resolved, FtpError.InvalidArgument | InvalidOption> => {
  if (typeof target === "string" || target instanceof URL) {
    return Either.map(FtpUrl.parse(String(target)), (url) => fromUrl(url, defaults))
  }
  const { path, ...options } = target
  return Either.map(session(options, defaults), (options) => ({ options, path, type: undefined }))
}

/** For what needs a file: a path that names one, and no listing. */
export const file = (
  target: Target,
  defaults: Defaults
): Either.Either<Resolved, FtpError.InvalidArgument | InvalidOption> =>
  Either.flatMap(resolve(target, defaults), (resolved) => {
    const { path, type } = resolved
    const end = typeof path === "string" ? path.at(-1) : Bytes.toBinary(path.subarray(-1))
    const refuse = (reason: string) =>
      Either.left(
        new FtpError.InvalidArgument({
          protocol: "ftp",
          what: "a URL",
          argument: Bytes.show(typeof path === "string" ? path : Bytes.showBytes(path)),
          reason
        })
      )
    if (path.length === 0 || end === "/") return refuse("it names a directory, not a file")
    return type === "listing" ? refuse("its ;type=d asks for a listing; use names or list") : Either.right(resolved)
  })
