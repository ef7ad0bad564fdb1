/**
 * An FTP server for tests, in memory, over whatever network there is: `NetMemory` or the machine's own.
 *
 * It is a whole server: MLSD and LIST, EPSV, PASV, EPRT and PORT, REST, APPE, explicit and implicit TLS. What real
 * servers do differently can be switched on one by one, also while it runs.
 *
 * @since 0.1.0
 */
import type * as Net from "@copas/core/Net"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { ServerContext } from "@copas/core/TlsContext"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Serving from "./internal/ftp/serving.js"

/**
 * How this server differs from a good one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quirks {
  /** Its answer to a command instead of the right one, line ends left out: `{ EPSV: "500 What?" }`. */
  readonly replies?: { readonly [verb: string]: string } | undefined
  /** These commands are not known: 500. `FEAT` does not tell of them. */
  readonly unknown?: ReadonlyArray<string> | undefined
  /** What PASV says its host is: a server behind a NAT, or a hostile one. */
  readonly passiveHost?: string | undefined
  /** SIZE is refused (550) while the type is ASCII, as ProFTPD does. */
  readonly sizeInAscii?: boolean | undefined
  /** The 226 of a download comes when the client has closed its end, as vsftpd does under TLS. */
  readonly finalAfterClose?: boolean | undefined
  /** The final reply of each transfer, whatever happened: `"426 Connection closed"`; `""` for none at all. */
  readonly final?: string | undefined
  /** Instead of 426 and 226: 226 alone, or nothing. */
  readonly abort?: "both" | "lone" | "silent" | undefined
  /** A NOOP during a transfer: answered at once, behind the transfer, or never. */
  readonly noop?: "at once" | "behind" | "swallowed" | undefined
  /** Idle for so long, it says 421 and closes. */
  readonly idle?: Duration.DurationInput | undefined
  /** Each reply comes in several lines, those in between with what looks like a code and is none. */
  readonly multiline?: boolean | undefined
  /** Each reply takes so long. */
  readonly delay?: Duration.DurationInput | undefined
  /** Pauses so long before each chunk of a download. */
  readonly chunkDelay?: Duration.DurationInput | undefined
  /** Cuts a download's data connection after so many bytes, and says 426. */
  readonly cutDownloadAfter?: number | undefined
  /** Cuts an upload's data connection after so many bytes, and says 426; what came is kept. */
  readonly cutUploadAfter?: number | undefined
  /** Ends a download after so many bytes as if that was all of it. */
  readonly endDownloadAfter?: number | undefined
  /** Drops so many bytes at the end of an upload, and says 226. */
  readonly loseOfUpload?: number | undefined
  /** Sent in clear right behind the reply to AUTH TLS. */
  readonly behindAuth?: string | undefined
  /** How LIST prints. Default `"unix"`. */
  readonly list?: "unix" | "dos" | undefined
  /** LIST leaves out names that begin with a dot, unless asked with `-a`. */
  readonly hidesDotFiles?: boolean | undefined
  /** NLST puts the directory in front of each name. */
  readonly nlstWithDirectory?: boolean | undefined
  /** What NLST of a path that is not there gives: an empty list (vsftpd), 450 (ProFTPD) or 550. Default 550. */
  readonly nlstMissing?: "empty" | 450 | 550 | undefined
  /** 522 to data connections that did not resume the control connection's TLS session: vsftpd's `require_ssl_reuse`. */
  readonly requireResumption?: boolean | undefined
  /** More control connections than so many get 421. */
  readonly maxConnections?: number | undefined
  /** Lines that stand in each listing besides, as they are: hostile names, for example. */
  readonly extraLines?: ReadonlyArray<string> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default one that is free. */
  readonly port?: number | undefined
  /** Absolute paths; directories come with their files. One that ends in `/` is an empty directory. */
  readonly files?: { readonly [path: string]: string | Uint8Array } | undefined
  /** Who may log in, with which password. Default anybody with any. */
  readonly users?: { readonly [user: string]: string } | undefined
  readonly tls?: ServerContext | undefined
  /** TLS from the first byte. Default false: AUTH TLS. */
  readonly implicit?: boolean | undefined
  readonly quirks?: Quirks | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FtpServer {
  readonly host: string
  readonly port: number
  /** `ftp://host:port`, without a path. */
  readonly url: string
  readonly read: (path: string) => Effect.Effect<Option.Option<Uint8Array>>
  readonly write: (path: string, content: string | Uint8Array, modified?: Date) => Effect.Effect<void>
  /** Every file's path, in order. */
  readonly paths: Effect.Effect<ReadonlyArray<string>>
  /** Every command so far, as it came. Passwords are in it: it is a test's. */
  readonly commands: Effect.Effect<ReadonlyArray<string>>
  /** How many connections are open now. */
  readonly connections: Effect.Effect<{ readonly control: number; readonly data: number }>
  /** Adds to what was set before; `undefined` takes one back. */
  readonly setQuirks: (quirks: Quirks) => Effect.Effect<void>
}

/**
 * Starts a server; the scope ends it, with all its connections.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Ftp } from "@copas/clients"
 * import { FtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * // A server that is cut in the middle of a download
 * const program = Effect.gen(function*() {
 *   const server = yield* FtpServer.make({
 *     files: { "/a": "0123456789" },
 *     quirks: { cutDownloadAfter: 4 }
 *   })
 *   return yield* Ftp.get(`${server.url}/a`)
 * }).pipe(
 *   Effect.catchTag("TransferIncomplete", (error) => Effect.succeed(`${error.moved} of ${error.expected} bytes`))
 * )
 *
 * const layer = Layer.provideMerge(Ftp.layer(), NetMemory.layer)
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // 4 of 10 bytes
 * ```
 */
export const make = (
  options: Options = {}
): Effect.Effect<FtpServer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope> =>
  Serving.make(options)
