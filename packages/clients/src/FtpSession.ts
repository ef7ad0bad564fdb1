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
import type { TlsError } from "@copas/core/TlsError"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { ProxyError } from "./Connector.js"
import type { FtpError } from "./FtpError.js"
import type * as Features_ from "./internal/ftp/features.js"
import type * as Listing from "./internal/ftp/listing/entry.js"
import * as Login from "./internal/ftp/session/login.js"
import type { Options } from "./internal/ftp/sessionOptions.js"
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
 * The features that the server announces (RFC 2389). For a server without FEAT it is empty, though the server may know
 * the commands.
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
 * The entry that `parseListing` makes of a line.
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
   * How a session makes its connections.
   *
   * @since 0.1.0
   * @category models
   */
  Connector,
  /**
   * Which connection a session needs.
   *
   * @since 0.1.0
   * @category models
   */
  ConnectRequest
} from "./Connector.js"

export type {
  /**
   * An FTP proxy to log in at first.
   *
   * @since 0.2.0
   * @category models
   */
  LoginProxy,
  /**
   * Where and how to log in.
   *
   * @since 0.1.0
   * @category models
   */
  Options,
  /**
   * How long a session waits.
   *
   * @since 0.1.0
   * @category models
   */
  Timeouts
} from "./internal/ftp/sessionOptions.js"

/**
 * A checksum that the server computed.
 *
 * @since 0.2.0
 * @category models
 */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  /** In hex, in small letters. */
  readonly value: string
}

/**
 * The algorithms of checksums, the strongest first.
 *
 * @since 0.2.0
 * @category models
 */
export type ChecksumAlgorithm = "SHA-512" | "SHA-256" | "SHA-1" | "MD5" | "CRC32"

/**
 * Options of a download.
 *
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
 * Options of an upload.
 *
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
  /** How many bytes of the file this transfer moved. */
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
  /** Makes `path` the working directory (CWD). */
  readonly cd: (path: Path) => Effect.Effect<void, Failure>
  /** Makes the parent the working directory (CDUP). */
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
  /** True if there is a file or a directory at `path`. */
  readonly exists: (path: Path) => Effect.Effect<boolean, Failure>
  /** The size in bytes (SIZE in TYPE I). */
  readonly size: (path: Path) => Effect.Effect<number, Failure>
  /** When the file was last changed (MDTM). */
  readonly modified: (path: Path) => Effect.Effect<Timestamp, Failure>
  /** MFMT. */
  readonly setModified: (path: Path, date: Date) => Effect.Effect<void, Failure>

  /** Removes a file (DELE). */
  readonly remove: (path: Path) => Effect.Effect<void, Failure>
  /** Returns the path that the server made. `recursive` makes missing parents, and accepts a directory that exists. */
  readonly makeDirectory: (
    path: Path,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<string, Failure>
  /** Removes an empty directory (RMD). */
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
  /**
   * Puts a file in place as a whole: it is uploaded under a name of its own beside `path`, verified, and renamed. On a server
   * that renames onto no file, the old one is removed first, and for a moment there is none. What fails before leaves the
   * old file, and the new one's part is removed; what fails after keeps the part, `path` with a suffix that ends in `.part`.
   *
   * @since 0.2.0
   */
  readonly replace: <E = never, R = never>(
    path: Path,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
    options?: Pick<UploadOptions, "type" | "size">
  ) => Effect.Effect<Transferred, Failure | E, R>
  /**
   * The checksum of a file as the server computes it: HASH (draft-bryan-ftpext-hash), or XSHA512, XSHA256, XSHA1, XMD5 or
   * XCRC, where FEAT tells of it. Without `algorithm` it is the strongest that there is; `NotSupported` where there is none.
   *
   * @since 0.2.0
   */
  readonly checksum: (path: Path, algorithm?: ChecksumAlgorithm) => Effect.Effect<Checksum, Failure>
  /** A sink that uploads its input. If the stream fails, what was sent so far stays on the server. */
  readonly upload: (path: Path, options?: UploadOptions) => Sink.Sink<Transferred, Uint8Array, never, Failure>
  /** Uploads a local file. With `resume` it keeps the part that the server has (SIZE) and adds the rest. */
  readonly uploadFile: (
    localPath: string,
    path: Path,
    options?: Pick<UploadOptions, "type"> & { readonly resume?: boolean | undefined }
  ) => Effect.Effect<Transferred, Failure | PlatformError, FileSystem>

  /** Sends NOOP: the server answers, and does nothing. */
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
