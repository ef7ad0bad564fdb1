/**
 * One session with an FTP server: a control connection that is logged in, and a data connection for each transfer.
 *
 * Calls on one session queue, because FTP does one thing at a time; a pool (`Ftp.pool`) does several. A session is never
 * used in an unknown state: after an interruption it first finishes the exchange that was under way, within a deadline. If
 * it cannot, the session ends, and every later call fails with `SessionClosed`.
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
import type { Connector, ProxyError } from "./Connector.js"
import type { DataMode, FtpError } from "./FtpError.js"
import type * as Features_ from "./internal/ftp/features.js"
import type * as Listing from "./internal/ftp/listing/entry.js"
import * as Login from "./internal/ftp/session/login.js"
import type { Timestamp as TimestampModel } from "./internal/ftp/time.js"
import type { Codec as CodecModel } from "./internal/text/codec.js"

/**
 * The errors of every call: refusals of the server, and failures of the connection.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = FtpError | SocketClosed | SocketTimeout | SocketBroken | TlsError

/**
 * The errors of connecting.
 *
 * @since 0.1.0
 * @category errors
 */
export type ConnectFailure = Failure | ConnectError | ProxyError | InvalidOption | UnsupportedOption

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
 * What the server says that it can do (RFC 2389). For a server without FEAT it is empty, though the server may know the
 * commands.
 *
 * @since 0.1.0
 * @category models
 */
export type Features = Features_.Features

/**
 * One entry of a listing. The server decides its name: `Ftp.safeName` says whether it may become a local one.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = Listing.Entry

/**
 * The entries of a directory. `leftOut` counts the lines of the listing that are not among them, since they could not be
 * read: `listLines` has them.
 *
 * @since 0.2.0
 * @category models
 */
export type Entries = ReadonlyArray<Entry> & { readonly leftOut: number }

/**
 * What `parseListing` makes of a line.
 *
 * @since 0.2.0
 * @category models
 */
export type ParsedEntry = Listing.CustomEntry

/**
 * A line of a listing: an entry, or a line that could not be read as one. No line is dropped.
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
  /** For each connection, again for its TLS handshake, and in active mode for the server's. Default 30 seconds. */
  readonly connect?: Duration.DurationInput | undefined
  /** How long a reply may take. The final reply of a transfer is awaited after its data. Default 60 seconds. */
  readonly control?: Duration.DurationInput | undefined
  /**
   * How long a data connection may stand still. Default 60 seconds. If a download stands still at its beginning, it has the
   * time of `abort` in addition, in which the session finds out whether the server has said why.
   */
  readonly data?: Duration.DurationInput | undefined
  /** How long an interrupted transfer may take to end. After that the session ends. Default 5 seconds. */
  readonly abort?: Duration.DurationInput | undefined
}

/**
 * Where and how to log in. Secrets are `Redacted`, and appear in no error, log or span.
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
   * with it. Data connections then use TLS, too. Default `"none"`.
   */
  readonly tls?: "none" | "explicit" | "implicit" | undefined
  /** A context of `Tls.client`, or the options for one. Default the platform's authorities and full verification. */
  readonly tlsContext?: ClientContext | ClientOptions | undefined
  /** The name that the certificate must have. Default `host`. */
  readonly serverName?: string | undefined
  /** Use TLS on data connections, too (PROT P). Default true; `false` sends PROT C. */
  readonly protectData?: boolean | undefined
  /**
   * How data connections are made: `"passive"` (the default) is EPSV, then PASV; `"active"` is EPRT, then PORT. The session
   * tries these in order, and remembers which of them worked.
   */
  readonly data?: "passive" | "active" | ReadonlyArray<DataMode> | undefined
  /**
   * Connect to the host that the reply to PASV names. Default false: the client connects to the control connection's host,
   * because a server behind a NAT names the wrong host, and a hostile server may name any.
   */
  readonly trustPassiveHost?: boolean | undefined
  /** The address that active mode sends to the server. Default that of the control connection. */
  readonly activeAddress?: string | undefined
  /** The ports to listen on in active mode, first to last. Default any. */
  readonly activePorts?: readonly [number, number] | undefined
  readonly timeouts?: Timeouts | undefined
  /** The time between NOOPs during a transfer, for firewalls that forget an idle control connection. Default never. */
  readonly keepAlive?: Duration.DurationInput | undefined
  /** The encoding of names: `"utf-8"` (the default), one with a byte a character (`"windows-1252"`), or a codec. */
  readonly encoding?: string | Codec | undefined
  /** The most bytes of one reply. Default 64 KiB. */
  readonly replyLimit?: number | undefined
  /** The most bytes of one listing. Default 64 MiB. */
  readonly listingLimit?: number | undefined
  /**
   * The most memory that the entries of one listing may take, in bytes, as estimated from its lines. Default 256 MiB, which
   * are about 200,000 entries of LIST.
   */
  readonly listingMemory?: number | undefined
  /**
   * Reads a line of LIST that this client does not know, or reads otherwise: it is tried first. `undefined` leaves the line to
   * the known formats. It must not throw.
   */
  readonly parseListing?: ((line: Uint8Array) => ParsedEntry | undefined) | undefined
  /** How many minutes the server's clock is ahead of UTC, for listings in local time (LIST). Default 0. */
  readonly utcOffsetMinutes?: number | undefined
  /** Compare the bytes that moved with SIZE, asked before a download and after an upload. Default true. */
  readonly verify?: boolean | undefined
  /**
   * Ask the server what it can do (FEAT) after the log-in. Default true. Without it `features` is empty: for servers that
   * close the connection at FEAT.
   */
  readonly askFeatures?: boolean | undefined
  readonly connector?: Connector | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DownloadOptions {
  /** Begin after this many bytes (REST), to fetch the rest of a file. */
  readonly offset?: number | undefined
  /** `"binary"` (TYPE I, the default), or `"text"` (TYPE A): CR LF becomes LF, and sizes are not compared. */
  readonly type?: "binary" | "text" | undefined
  /** The size of the whole file, if the caller knows it from a listing: then the session does not ask for SIZE. */
  readonly size?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface UploadOptions {
  /** Begin after this many bytes of the server's file (REST, RFC 3659, section 5). */
  readonly offset?: number | undefined
  readonly type?: "binary" | "text" | undefined
  /** `"append"` adds to the file (APPE), `"unique"` lets the server choose a new name (STOU). Default `"replace"`. */
  readonly mode?: "replace" | "append" | "unique" | undefined
  /** How many bytes will be sent, if the caller knows: then the error of an upload that is cut short has the number. */
  readonly size?: number | undefined
}

/**
 * A transfer that succeeded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transferred {
  /** The path on the server; for `"unique"` the name that the server chose. */
  readonly path: string
  /** How many bytes this transfer moved over the wire. */
  readonly bytes: number
  /** Whether SIZE agreed. Without SIZE, or as text, only the end of the data and the final reply were checked. */
  readonly verified: boolean
}

/**
 * A session. Leaving its scope sends QUIT and closes it.
 *
 * *Interruption*: an interrupted command is not taken back; the session reads its reply before it sends the next command.
 * An interrupted transfer is aborted (ABOR): the session reads its replies within `timeouts.abort` and continues, or ends.
 * No data connection outlives its transfer.
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
  /** Whether the control connection uses TLS. */
  readonly isSecure: boolean
  /** False once the session has ended. */
  readonly isUsable: Effect.Effect<boolean>

  /** Working directory (PWD, CWD, CDUP). RFC 959, section 4.1.1. */
  readonly pwd: Effect.Effect<string, Failure>
  readonly cd: (path: Path) => Effect.Effect<void, Failure>
  readonly cdup: Effect.Effect<void, Failure>

  /**
   * The children of a directory, by MLSD (RFC 3659, section 7) or else LIST. Lines that cannot be read are left out, and
   * counted in `leftOut`. If none can, it fails with `ListingNotUnderstood`.
   */
  readonly list: (path?: Path) => Effect.Effect<Entries, Failure>
  /** All lines of the listing, entries or not, including the directory itself and its parent. */
  readonly listLines: (path?: Path) => Effect.Effect<ReadonlyArray<ListingLine>, Failure>
  /** The names in a directory (NLST). If a server refuses to list an empty directory, there are no names. */
  readonly names: (path?: Path) => Effect.Effect<ReadonlyArray<string>, Failure>
  /** The entry of one path, by MLST, or else by SIZE, MDTM and CWD. */
  readonly stat: (path: Path) => Effect.Effect<Entry, Failure>
  readonly exists: (path: Path) => Effect.Effect<boolean, Failure>
  /** The size in bytes (SIZE in TYPE I). */
  readonly size: (path: Path) => Effect.Effect<number, Failure>
  readonly modified: (path: Path) => Effect.Effect<Timestamp, Failure>
  /** MFMT. */
  readonly setModified: (path: Path, date: Date) => Effect.Effect<void, Failure>

  readonly remove: (path: Path) => Effect.Effect<void, Failure>
  /** Returns the path that the server made. `recursive` makes missing parents, and accepts a directory that exists. */
  readonly makeDirectory: (
    path: Path,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<string, Failure>
  readonly removeDirectory: (path: Path) => Effect.Effect<void, Failure>
  /** RNFR and RNTO. */
  readonly rename: (from: Path, to: Path) => Effect.Effect<void, Failure>
  /** SITE CHMOD: the low twelve bits of a Unix mode. */
  readonly chmod: (path: Path, mode: number) => Effect.Effect<void, Failure>

  /** Downloads a whole file into memory; `MessageTooLong` past `maxBytes` (default 256 MiB). */
  readonly get: (
    path: Path,
    options?: DownloadOptions & { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, Failure | MessageTooLong>
  /** Downloads a file as a stream, which ends only when the server has confirmed it and the sizes agree. */
  readonly download: (path: Path, options?: DownloadOptions) => Stream.Stream<Uint8Array, Failure>
  /** Downloads to a local file. With `resume` it keeps the part that is there and adds the rest. */
  readonly downloadFile: (
    path: Path,
    localPath: string,
    options?: Omit<DownloadOptions, "offset"> & { readonly resume?: boolean | undefined }
  ) => Effect.Effect<Transferred, Failure | PlatformError, FileSystem>
  /** Uploads text (as UTF-8), bytes or a stream. */
  readonly put: <E = never, R = never>(
    path: Path,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
    options?: UploadOptions
  ) => Effect.Effect<Transferred, Failure | E, R>
  /** A sink that uploads its input. If the stream fails, what was sent so far stays on the server. */
  readonly upload: (path: Path, options?: UploadOptions) => Sink.Sink<Transferred, Uint8Array, never, Failure>
  /** Uploads a local file. With `resume` it keeps the part that the server has (SIZE) and adds the rest. */
  readonly uploadFile: (
    localPath: string,
    path: Path,
    options?: Pick<UploadOptions, "type"> & { readonly resume?: boolean | undefined }
  ) => Effect.Effect<Transferred, Failure | PlatformError, FileSystem>

  readonly noop: Effect.Effect<void, Failure>
  /** The kind of system that the server says it is (SYST). */
  readonly system: Effect.Effect<string, Failure>
  /** STAT, of the session or of a path. */
  readonly status: (path?: Path) => Effect.Effect<Reply, Failure>
  /**
   * Sends any other command on the control connection. `line` is `"SITE UMASK 022"`, or its parts. A refusal (4yz, 5yz) is
   * an error. Commands that would change what the session knows of itself are `InvalidArgument`.
   */
  readonly command: (
    line: string | readonly [verb: string, ...args: ReadonlyArray<Path | Redacted.Redacted<string>>]
  ) => Effect.Effect<Reply, Failure>
}

/**
 * Connects and logs in. Leaving the scope sends QUIT and closes the connection. *Interruption* leaves nothing open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (options: Options): Effect.Effect<Session, ConnectFailure, Net | Scope.Scope> =>
  Login.connect(options)
