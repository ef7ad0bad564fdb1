/**
 * Scripts that answer requests by the Common Gateway Interface (RFC 3875), as a plain `HttpApp` of `@effect/platform`.
 *
 * @since 0.2.0
 */
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type * as HttpApp from "@effect/platform/HttpApp"
import type { RequestError } from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CgiError } from "./CgiError.js"
import { Handler } from "./internal/cgi/handler.js"
import { settingsOf } from "./internal/cgi/options.js"

/**
 * The program that runs scripts: a program, a program with arguments that come before the script's path, or one of these
 * for each extension (`{ ".pl": "perl", ".lua": ["lua", "-W"] }`); a script of another extension is run itself. A name
 * without a slash is looked up once, by the search path of this process.
 *
 * @since 0.2.0
 * @category models
 */
export type Interpreter =
  | string
  | ReadonlyArray<string>
  | { readonly [extension: string]: string | ReadonlyArray<string> }

/**
 * The request and its script, when `env` is asked for variables.
 *
 * @since 0.2.0
 * @category models
 */
export interface Request {
  /** The request. */
  readonly request: HttpServerRequest.HttpServerRequest
  /** The script's real path, `SCRIPT_FILENAME` for PHP. */
  readonly script: string
  /** The decoded path that the client wrote for the script. */
  readonly scriptName: string
  /** The part of the decoded path after that; empty if there is none. */
  readonly pathInfo: string
}

/**
 * How long a script may take. Each is by Effect's clock; `Duration.infinity` is no limit.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timeouts {
  /**
   * Until the head of its output is complete, counted again each time that the script takes a part of the request's body;
   * a client that is slow to send does not count. After it the client gets 504. Default: 30 seconds.
   */
  readonly head?: Duration.DurationInput
  /** Between two parts of its output, while the client waits for the next. Default: 30 seconds. */
  readonly output?: Duration.DurationInput
  /** From its start to its end. Default: no limit. */
  readonly total?: Duration.DurationInput
  /** From TERM to KILL, and from the end of its output to TERM. Default: 2 seconds. */
  readonly kill?: Duration.DurationInput
}

/**
 * The options. Either `root` or `script` is given.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** A folder of scripts: the path names one, in it or below, and what comes after is `PATH_INFO`. */
  readonly root?: string
  /** One script that answers all paths. */
  readonly script?: string
  /** The programs that run the scripts. Default: they are run themselves, and are to be executable. */
  readonly interpreter?: Interpreter
  /**
   * Variables besides those of RFC 3875. Nothing of this process's environment is inherited, `PATH` neither. They count more
   * than what a client sends. `HTTP_PROXY` is refused.
   */
  readonly env?: Readonly<Record<string, string>> | ((request: Request) => Readonly<Record<string, string>>)
  /** The directory that `PATH_TRANSLATED` is below. Default: `root`, or the script's folder. */
  readonly documentRoot?: string
  /** Whether a query without `=` becomes arguments (RFC 3875, 4.4). Default: true. A word that begins with `-` never does. */
  readonly commandLine?: boolean
  /** Whether scripts see `Authorization`, as `HTTP_AUTHORIZATION`. Default: false (4.1.18). */
  readonly authorization?: boolean
  /**
   * A body whose length is not told is kept until it is known, in memory to 64 KiB and else in a temporary file, up to the body
   * limit (`HttpServerRequest.withMaxBodySize`; 10 MiB if there is none); or it is refused with 411. Default: `"spool"`.
   */
  readonly chunked?: "spool" | "refuse"
  /** `SERVER_NAME`. Default: the host that the client asked for, or `localhost`. */
  readonly serverName?: string
  /** How long a script may take. */
  readonly timeouts?: Timeouts
  /** Scripts that run at once; a request beyond them gets 503. Default: 32. */
  readonly maxConcurrent?: number
  /** Bytes of the head of a script's output. Default: 64 KiB. */
  readonly maxHead?: number
  /**
   * Answers local redirects, at most ten in a row. Give the whole site, as `Effect.suspend(() => site)`. Default: the scripts
   * answer what is below their own path, and other paths become redirects of the client (302).
   */
  readonly local?: HttpApp.Default<E, R>
}

/**
 * Makes the handler. It mounts with `HttpRouter.mountApp`, and runs on every server of `@effect/platform`; the path that it is
 * mounted at is part of `SCRIPT_NAME`.
 *
 * The body of the request goes to the script as the script takes it, and its output to the client as the client takes it. What
 * it writes to stderr is logged as warnings: lines of 1,000 characters at most, and 50 a second. A script runs in its own folder
 * and its own process group, which ends with the request: when the client leaves, when a time-out is reached, and when children
 * remain after it. The system cannot tell children that leave the group (`setsid`).
 *
 * Errors are responses (`CgiError`). Once the head has gone out, an error fails the body.
 *
 * *Interruption* of a request ends its script: TERM to the group, `timeouts.kill`, KILL. The request does not wait for that, and
 * `maxConcurrent` counts the script until it has ended. The end of the scope ends all scripts, and waits until they have.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Cgi } from "@copas/node"
 * import { HttpRouter } from "@effect/platform"
 * import { Effect } from "effect"
 * import { mkdtempSync, writeFileSync } from "node:fs"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const root = mkdtempSync(join(tmpdir(), "cgi-bin-"))
 * writeFileSync(join(root, "hello"), `printf 'Content-Type: text/plain\\n\\nHello from %s' "$SCRIPT_NAME"`)
 *
 * const program = Effect.gen(function*() {
 *   const scripts = yield* Cgi.make({ root, interpreter: "sh" })
 *   return HttpRouter.empty.pipe(HttpRouter.mountApp("/cgi-bin", scripts))
 * })
 *
 * console.log(Effect.isEffect(program)) // true
 * ```
 */
export const make = <E = never, R = never>(
  options: Options<E, R>
): Effect.Effect<
  HttpApp.Default<CgiError | RequestError | E, R | Scope.Scope>,
  InvalidOption | UnsupportedOption,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const handler = yield* Effect.acquireRelease(
      Effect.sync(() => new Handler<E, R>(settings, options.local)),
      (handler) => handler.end
    )
    return handler.app
  })
