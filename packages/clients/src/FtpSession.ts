/**
 * One session with an FTP server: a control connection that is logged in, and a data connection for each transfer.
 *
 * Calls on one session queue: FTP does one thing at a time. For several at once take a pool (`Ftp.pool`). A session is
 * never used again in an unknown state: what was interrupted is first brought to its end, within a deadline, and where
 * that fails the session is given up and every later call fails with `SessionClosed`.
 *
 * @since 0.1.0
 */
import type { Net } from "@copas/core/Net"
import type {
  ConnectError,
  InvalidOption,
  MessageTooLong,
  SocketBroken,
  SocketClosed,
  SocketTimeout,
  UnsupportedOption
} from "@copas/core/SocketError"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Connector } from "./Connector.js"
import type { DataMode, FtpError } from "./FtpError.js"
import type * as Features_ from "./internal/ftp/features.js"
import type * as Listing from "./internal/ftp/listing/entry.js"
import * as Login from "./internal/ftp/session/login.js"
import type { Timestamp as TimestampModel } from "./internal/ftp/time.js"
import type { Codec as CodecModel } from "./internal/text/codec.js"

/**
 * What any call can fail with: what the server answered, or what became of the connection.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = FtpError | SocketClosed | SocketTimeout | SocketBroken | TlsError

/**
 * What connecting can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type ConnectFailure = Failure | ConnectError | InvalidOption | UnsupportedOption

/**
 * A path on the server: text in the session's encoding, or bytes as a listing gave them (`rawName`).
 *
 * @since 0.1.0
 * @category models
 */
export type Path = string | Uint8Array

/**
 * How a session reads and writes names.
 *
 * @since 0.1.0
 * @category models
 */
export type Codec = CodecModel

/**
 * What the server said it can do (RFC 2389). A server without FEAT has none of these, and may know the commands still.
 *
 * @since 0.1.0
 * @category models
 */
export type Features = Features_.Features

/**
 * One entry of a listing. The name is the server's word: `Ftp.safeName` makes it one for the local disk, or says why not.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = Listing.Entry

/**
 * A line of a listing: an entry, or what could not be read as one. Nothing is dropped.
 *
 * @since 0.1.0
 * @category models
 */
export type ListingLine = Listing.Line

/**
 * A time as a server gives it, with how exact it is.
 *
 * @since 0.1.0
 * @category models
 */
export type Timestamp = TimestampModel

/**
 * A reply of the server: its code, and its lines without the code.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly code: number
  readonly lines: ReadonlyArray<string>
}

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Connector,
  /**
   * @since 0.1.0
   * @category models
   */
  ConnectRequest
} from "./Connector.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** For each connection, and again for its TLS handshake; in active mode for the server's coming. Default 30 seconds. */
  readonly connect?: Duration.DurationInput | undefined
  /** How long a reply may take; while a transfer runs its final reply is not waited for. Default 60 seconds. */
  readonly control?: Duration.DurationInput | undefined
  /**
   * How long a data connection may stand still. Default 60 seconds. A download that does so at its beginning has as long
   * as `abort` besides: first it is found out whether the server has said why.
   */
  readonly data?: Duration.DurationInput | undefined
  /** How long an interrupted transfer may take to end, before the session is given up. Default 5 seconds. */
  readonly abort?: Duration.DurationInput | undefined
}

/**
 * Where and how to log in. Secrets are `Redacted`, and stand in no error, log or span.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly host: string
  /** Default 21; 990 with implicit TLS. */
  readonly port?: number | undefined
  /** Default `anonymous`. */
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  /** For servers that ask for one (ACCT). */
  readonly account?: Redacted.Redacted<string> | undefined
  /** The virtual host to ask for before the log-in (HOST, RFC 7151). */
  readonly virtualHost?: string | undefined
  /**
   * `"explicit"` asks for TLS on the control connection (AUTH TLS, RFC 4217) and fails without it; `"implicit"` begins
   * with it. Data connections are then under TLS too. Default `"none"`.
   */
  readonly tls?: "none" | "explicit" | "implicit" | undefined
  /** A context built by `Tls.client`, or what one is made of. Default the platform's authorities and full verification. */
  readonly tlsContext?: ClientContext | ClientOptions | undefined
  /** The name that the certificate must have. Default `host`. */
  readonly serverName?: string | undefined
  /** Data connections under TLS too (PROT P). Default true; `false` sends PROT C. */
  readonly protectData?: boolean | undefined
  /**
   * How data connections are arranged: `"passive"` (the default) is EPSV, then PASV; `"active"` is EPRT, then PORT. Ways
   * are tried in order, and what worked is remembered for the session.
   */
  readonly data?: "passive" | "active" | ReadonlyArray<DataMode> | undefined
  /**
   * Connect to the host that the reply to PASV names. Default false: the control connection's host is used, since a
   * server behind a NAT names the wrong one, and a hostile server somebody else's.
   */
  readonly trustPassiveHost?: boolean | undefined
  /** The address that active mode tells the server. Default that of the control connection. */
  readonly activeAddress?: string | undefined
  /** The ports to listen on in active mode, first to last. Default any. */
  readonly activePorts?: readonly [number, number] | undefined
  readonly timeouts?: Timeouts | undefined
  /** During a transfer send NOOP every so often, for firewalls that forget an idle control connection. Default never. */
  readonly keepAlive?: Duration.DurationInput | undefined
  /** Of names: `"utf-8"` (the default), an encoding of one byte a character (`"windows-1252"`), or a codec. */
  readonly encoding?: string | Codec | undefined
  /** The most bytes of one reply. Default 64 KiB. */
  readonly replyLimit?: number | undefined
  /** The most bytes of one listing. Default 64 MiB. */
  readonly listingLimit?: number | undefined
  /** How many minutes the server's clock is ahead of UTC, for listings in local time (LIST). Default 0. */
  readonly utcOffsetMinutes?: number | undefined
  /** Compare what moved with SIZE, before a download and after an upload. Default true. */
  readonly verify?: boolean | undefined
  readonly connector?: Connector | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DownloadOptions {
  /** Begin after so many bytes (REST): the rest of a file that came in part. */
  readonly offset?: number | undefined
  /** `"binary"` (TYPE I, the default), or `"text"` (TYPE A): CR LF becomes LF, and sizes are not compared. */
  readonly type?: "binary" | "text" | undefined
  /** How large the whole file is, where the caller knows from a listing: SIZE is not asked for. */
  readonly size?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface UploadOptions {
  /** Begin after so many bytes of the server's file (REST, RFC 3659 section 5). */
  readonly offset?: number | undefined
  readonly type?: "binary" | "text" | undefined
  /** `"append"` adds to the file (APPE), `"unique"` has the server choose a new name (STOU). Default `"replace"`. */
  readonly mode?: "replace" | "append" | "unique" | undefined
  /** How many bytes will be sent, where the caller knows: an upload that is cut short can then say of how many. */
  readonly size?: number | undefined
}

/**
 * A transfer that went well.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transferred {
  /** The path on the server; for `"unique"` the name that the server chose. */
  readonly path: string
  /** How many bytes moved now, as they went over the wire. */
  readonly bytes: number
  /** Whether SIZE agreed. Without SIZE, or as text, the end of the data and the final reply are all there is. */
  readonly verified: boolean
}

/**
 * A session. Its scope says QUIT and closes it.
 *
 * *Interruption*: an interrupted command is not taken back, and its reply is read before the next one is sent. An
 * interrupted transfer is aborted (ABOR), its replies are read within `timeouts.abort`, and the session goes on; or it
 * is given up. No data connection outlives its transfer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  /** Host and port, as in errors. */
  readonly server: string
  /** The server's greeting. */
  readonly greeting: Reply
  readonly features: Features
  /** How names are read and written (`encoding`); `Ftp.safeName` takes it. */
  readonly codec: Codec
  /** The control connection is under TLS. */
  readonly isSecure: boolean
  /** False once the session was given up. */
  readonly isUsable: Effect.Effect<boolean>

  /** Working directory (PWD, CWD, CDUP). RFC 959, section 4.1.1. */
  readonly pwd: Effect.Effect<string, Failure>
  readonly cd: (path: Path) => Effect.Effect<void, Failure>
  readonly cdup: Effect.Effect<void, Failure>

  /** The children of a directory, by MLSD (RFC 3659, section 7) or else LIST. Lines that are no entries are left out. */
  readonly list: (path?: Path) => Effect.Effect<ReadonlyArray<Entry>, Failure>
  /** Every line of the listing, entries or not, the directory itself and its parent included. */
  readonly listLines: (path?: Path) => Effect.Effect<ReadonlyArray<ListingLine>, Failure>
  /** The names in a directory alone (NLST). An empty directory is a refusal on some servers: it gives no names. */
  readonly names: (path?: Path) => Effect.Effect<ReadonlyArray<string>, Failure>
  /** What one path is, by MLST, or else by SIZE, MDTM and CWD. */
  readonly stat: (path: Path) => Effect.Effect<Entry, Failure>
  readonly exists: (path: Path) => Effect.Effect<boolean, Failure>
  /** In bytes (SIZE in TYPE I). */
  readonly size: (path: Path) => Effect.Effect<number, Failure>
  readonly modified: (path: Path) => Effect.Effect<Timestamp, Failure>
  /** MFMT. */
  readonly setModified: (path: Path, date: Date) => Effect.Effect<void, Failure>

  readonly remove: (path: Path) => Effect.Effect<void, Failure>
  /** Gives the path that the server made. With `recursive` missing parents are made, and one that is there is no error. */
  readonly makeDirectory: (
    path: Path,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<string, Failure>
  readonly removeDirectory: (path: Path) => Effect.Effect<void, Failure>
  /** RNFR and RNTO. */
  readonly rename: (from: Path, to: Path) => Effect.Effect<void, Failure>
  /** SITE CHMOD: the low twelve bits of a Unix mode. */
  readonly chmod: (path: Path, mode: number) => Effect.Effect<void, Failure>

  /** A whole file in memory; `MessageTooLong` past `maxBytes` (default 256 MiB). */
  readonly get: (
    path: Path,
    options?: DownloadOptions & { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, Failure | MessageTooLong>
  /** A file as it comes. The stream ends only when the server said so and the sizes agree. */
  readonly download: (path: Path, options?: DownloadOptions) => Stream.Stream<Uint8Array, Failure>
  /** To a local file. With `resume` what is there already is kept, and the rest is added. */
  readonly downloadFile: (
    path: Path,
    localPath: string,
    options?: Omit<DownloadOptions, "offset"> & { readonly resume?: boolean | undefined }
  ) => Effect.Effect<Transferred, Failure | PlatformError, FileSystem>
  /** Text goes as UTF-8. */
  readonly put: <E = never, R = never>(
    path: Path,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
    options?: UploadOptions
  ) => Effect.Effect<Transferred, Failure | E, R>
  /** A sink that uploads what it is given. A stream that fails leaves what was sent so far on the server. */
  readonly upload: (path: Path, options?: UploadOptions) => Sink.Sink<Transferred, Uint8Array, never, Failure>
  /** A local file. With `resume` the server's part of it (SIZE) is kept, and the rest is added. */
  readonly uploadFile: (
    localPath: string,
    path: Path,
    options?: Pick<UploadOptions, "type"> & { readonly resume?: boolean | undefined }
  ) => Effect.Effect<Transferred, Failure | PlatformError, FileSystem>

  readonly noop: Effect.Effect<void, Failure>
  /** What kind of system the server says it is (SYST). */
  readonly system: Effect.Effect<string, Failure>
  /** STAT, of the session or of a path. */
  readonly status: (path?: Path) => Effect.Effect<Reply, Failure>
  /**
   * Any other command, on the control connection. `line` is `"SITE UMASK 022"`, or its parts. A refusal (4yz, 5yz) is an
   * error; those commands that would change what the session knows of itself are `InvalidArgument`.
   */
  readonly command: (
    line: string | readonly [verb: string, ...args: ReadonlyArray<Path | Redacted.Redacted<string>>]
  ) => Effect.Effect<Reply, Failure>
}

/**
 * Connects and logs in. Leaving the scope says QUIT and closes the connection. *Interruption* leaves nothing open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (options: Options): Effect.Effect<Session, ConnectFailure, Net | Scope.Scope> =>
  Login.connect(options)
