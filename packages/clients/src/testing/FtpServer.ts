/**
 * An FTP server for tests, which keeps its files in memory, over the network of the context: `NetMemory` or the machine's.
 *
 * It is a complete server: MLSD and LIST, EPSV, PASV, EPRT and PORT, REST, APPE, explicit and implicit TLS. A test can
 * switch on each difference of real servers, also while it runs.
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
import type { ChecksumAlgorithm } from "../FtpSession.js"
import * as Known from "./internal/ftp/known.js"
import * as Serving from "./internal/ftp/serving.js"

/**
 * One answer for every command, or one for each that is named (LIST, MLSD, NLST).
 *
 * @since 0.2.0
 * @category models
 */
export type ByCommand<A> = A | { readonly [verb: string]: A }

/**
 * How this server differs from a good one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quirks {
  /** Its answer to a command in place of the right one, without line end: `{ EPSV: "500 What?" }`. */
  readonly replies?: { readonly [verb: string]: string } | undefined
  /** Commands that it does not know: it answers 500, and FEAT does not list them. */
  readonly unknown?: ReadonlyArray<string> | undefined
  /** The host in its reply to PASV, as of a server behind a NAT, or of a hostile one. */
  readonly passiveHost?: string | undefined
  /** SIZE is refused (550) while the type is ASCII, as ProFTPD does. */
  readonly sizeInAscii?: boolean | undefined
  /** The 226 of a download comes when the client has closed its end, as vsftpd does under TLS. */
  readonly finalAfterClose?: boolean | undefined
  /** The final reply of each transfer, whatever happened: `"426 Connection closed"`; `""` for none at all. */
  readonly final?: string | undefined
  /** Instead of 426 and 226: 226 alone, or nothing. */
  readonly abort?: "both" | "lone" | "silent" | undefined
  /** When it answers a NOOP during a transfer: at once, after the transfer, or never. */
  readonly noop?: "at once" | "behind" | "swallowed" | undefined
  /** After this time without a command it sends 421 and closes. */
  readonly idle?: Duration.DurationInput | undefined
  /** Each reply has several lines; the inner ones begin with something that looks like a code. */
  readonly multiline?: boolean | undefined
  /** How long each reply takes. */
  readonly delay?: Duration.DurationInput | undefined
  /** The pause before each chunk of a download. */
  readonly chunkDelay?: Duration.DurationInput | undefined
  /** After this many bytes it cuts a download's data connection, and sends 426. */
  readonly cutDownloadAfter?: number | undefined
  /** After this many bytes it cuts an upload's data connection, and sends 426; it keeps what has arrived. */
  readonly cutUploadAfter?: number | undefined
  /** After this many bytes it ends a download as if it were complete. */
  readonly endDownloadAfter?: number | undefined
  /** After this many bytes it ends a listing as if it were complete. */
  readonly endListingAfter?: number | undefined
  /** How many bytes it drops at the end of an upload, before it sends 226. */
  readonly loseOfUpload?: number | undefined
  /** The bytes that it sends in clear directly after the reply to AUTH TLS. */
  readonly behindAuth?: string | undefined
  /** How LIST prints. Default `"unix"`. */
  readonly list?: "unix" | "dos" | undefined
  /** LIST leaves out names that begin with a dot, unless asked with `-a`. */
  readonly hidesDotFiles?: boolean | undefined
  /** NLST puts the directory in front of each name. */
  readonly nlstWithDirectory?: boolean | undefined
  /** The result of NLST of a missing path: an empty list (vsftpd), 450 (ProFTPD) or 550. Default 550. */
  readonly nlstMissing?: "empty" | 450 | 550 | undefined
  /** The code of its refusal to list an empty directory. Default an empty list. */
  readonly listEmpty?: 450 | 550 | undefined
  /** Its answer to a listing of a missing path: an empty list, or a code; for all commands, or by command. Default 550. */
  readonly listMissing?: ByCommand<"empty" | 450 | 501 | 550> | undefined
  /** Directories that may not be entered, by their absolute paths. */
  readonly forbidden?: ReadonlyArray<string> | undefined
  /** Its answer to a listing of such a directory: an empty list, the directory itself, or a code. Default 550. */
  readonly listForbidden?: ByCommand<"empty" | "itself" | 501 | 550> | undefined
  /** LIST takes `-a` for an option. Default true; a server that does not looks for a directory of that name. */
  readonly listOptions?: boolean | undefined
  /** Commands that it refuses (501) with a path, or with a path that has a blank in it. */
  readonly pathless?: { readonly [verb: string]: "always" | "blanks" } | undefined
  /** PASV and EPSV require PRET before them, as DrFTPD's do. */
  readonly pret?: boolean | undefined
  /** It answers 503 to PBSZ and PROT before the log-in. */
  readonly protectAfterLogIn?: boolean | undefined
  /** Commands at which it closes the connection. */
  readonly hangsUpAt?: ReadonlyArray<string> | undefined
  /** 226 comes this many times. */
  readonly completions?: number | undefined
  /** The session ends when the handshake of a data connection does not come to its end, as vsftpd's and Pure-FTPd's do. */
  readonly endsAtBrokenHandshake?: boolean | undefined
  /** RNTO onto a file that is there is refused. Default it replaces the file. */
  readonly renamesOnto?: boolean | undefined
  /** The checksums that it computes, by HASH or by the commands before it (XSHA256, XMD5, XCRC …). Default none. */
  readonly checksums?:
    | { readonly by: "HASH" | "X"; readonly algorithms: ReadonlyArray<ChecksumAlgorithm> }
    | undefined
  /** A byte of 255 that comes twice in a command is one (TELNET). Default true; false as in vsftpd, Pure-FTPd and pyftpdlib. */
  readonly undoublesIac?: boolean | undefined
  /** Its refusals repeat the name that is missing. Default true; false as in vsftpd. */
  readonly repeatsNames?: boolean | undefined
  /** The answer to STAT. */
  readonly status?: string | undefined
  /** It knows MODE Z. Default false. Cuts and losses are those of what goes over the wire. */
  readonly modeZ?: boolean | undefined
  /** It answers 522 if a data connection does not resume the control connection's TLS session (`require_ssl_reuse`). */
  readonly requireResumption?: boolean | undefined
  /** How many control connections it serves; further ones get 421, or the answer of `tooMany`. */
  readonly maxConnections?: number | undefined
  /** Its answer to the user of a connection too many, in place of 421 in the greeting: `"530 Too many users"`. */
  readonly tooMany?: string | undefined
  /** Lines that it adds to each listing as they are: hostile names, for example. */
  readonly extraLines?: ReadonlyArray<string> | undefined
}

/**
 * Where the server listens, what it has, and how it differs from a good one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default a free port. */
  readonly port?: number | undefined
  /** Files by their absolute paths, whose directories are made. A path that ends in `/` is an empty directory. */
  readonly files?: { readonly [path: string]: string | Uint8Array } | undefined
  /** The password of each user. Default: any user with any password. */
  readonly users?: { readonly [user: string]: string } | undefined
  readonly tls?: ServerContext | undefined
  /** TLS from the first byte. Default false: AUTH TLS. */
  readonly implicit?: boolean | undefined
  readonly quirks?: Quirks | undefined
}

/**
 * A running server, and what a test can see and change of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface FtpServer {
  readonly host: string
  readonly port: number
  /** `ftp://host:port`, without a path. */
  readonly url: string
  /** The bytes of a file that the server has; `None` if it has none there. */
  readonly read: (path: string) => Effect.Effect<Option.Option<Uint8Array>>
  /** Makes a file, or replaces it. */
  readonly write: (path: string, content: string | Uint8Array, modified?: Date) => Effect.Effect<void>
  /** The same for a path in bytes, which need not be UTF-8. */
  readonly writeRaw: (path: Uint8Array, content: string | Uint8Array) => Effect.Effect<void>
  /** The paths of all files, in order. */
  readonly paths: Effect.Effect<ReadonlyArray<string>>
  /** All commands so far, as they came, passwords included. */
  readonly commands: Effect.Effect<ReadonlyArray<string>>
  /** How many connections are open now. */
  readonly connections: Effect.Effect<{ readonly control: number; readonly data: number }>
  /** Changes the quirks that are named; `undefined` removes one. */
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

/**
 * The manners of vsftpd 3.0.3: no MLSD, an empty list for what is missing, a directory that may not be read printed itself.
 *
 * @since 0.2.0
 * @category servers
 * @example
 * ```ts
 * import { Ftp } from "@copas/clients"
 * import { FtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* FtpServer.make({ files: { "/pub/a": "hello" }, quirks: FtpServer.vsftpd })
 *   const ftp = yield* Ftp.connect({ host: server.host, port: server.port })
 *   return yield* ftp.list("nowhere")
 * }).pipe(
 *   Effect.catchTag("NotFound", (error) => Effect.succeed(`there is no ${error.path}`))
 * )
 *
 * const layer = Layer.provideMerge(Ftp.layer(), NetMemory.layer)
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // there is no nowhere
 * ```
 */
export const vsftpd: Quirks = Known.vsftpd

/**
 * The manners of ProFTPD 1.3.8: SIZE not in ASCII, 450 to NLST of what is missing.
 *
 * @since 0.2.0
 * @category servers
 */
export const proftpd: Quirks = Known.proftpd

/**
 * The manners of Pure-FTPd 1.0.50: LIST gives an empty list for what is missing or forbidden, MLSD and NLST 550.
 *
 * @since 0.2.0
 * @category servers
 */
export const pureftpd: Quirks = Known.pureftpd

/**
 * The manners of pyftpdlib 1.5.7: 501 to MLSD of what is missing, no options to LIST.
 *
 * @since 0.2.0
 * @category servers
 */
export const pyftpdlib: Quirks = Known.pyftpdlib

/**
 * The manners of IIS: LIST as MS-DOS prints it, no MLSD.
 *
 * @since 0.2.0
 * @category servers
 */
export const iis: Quirks = Known.iis

/**
 * The manners of DrFTPD: PRET before PASV, and no EPSV.
 *
 * @since 0.2.0
 * @category servers
 */
export const drftpd: Quirks = Known.drftpd
