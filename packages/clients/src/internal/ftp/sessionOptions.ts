/**
 * The options of a session, which `FtpSession` exports.
 */
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { Connector } from "../../Connector.js"
import type { DataMode } from "../../FtpError.js"
import type { Codec } from "../text/codec.js"
import type { CustomEntry } from "./listing/entry.js"

/**
 * How long a session waits, for each of its steps.
 *
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
  readonly parseListing?: ((line: Uint8Array) => CustomEntry | undefined) | undefined
  /** How many minutes the server's clock is ahead of UTC, for listings in local time (LIST). Default 0. */
  readonly utcOffsetMinutes?: number | undefined
  /**
   * Compare the bytes that moved with SIZE, asked before a download and after an upload. Default true. `"checksum"` compares
   * the checksums of whole files, too, where the server has one: a difference is `OutcomeUnknown`.
   */
  readonly verify?: boolean | "checksum" | undefined
  /**
   * Compress the data of files and listings on the wire (MODE Z, draft-preston-ftpext-deflate), where FEAT tells of it; other
   * servers are spoken to without. Default false. `level` is how hard the server is to compress, from 0 to 9, and this side
   * compresses as its platform does. `ratio` bounds what is made of a byte that came, once that is more than a mebibyte:
   * default 250, and no data makes more than 1,032. Sizes and offsets are those of the file. It is for slow lines: on a fast
   * one it costs more time than it saves.
   */
  readonly modeZ?: boolean | { readonly level?: number | undefined; readonly ratio?: number | undefined } | undefined
  /**
   * Ask the server what it can do (FEAT) after the log-in. Default true. Without it `features` is empty: for servers that
   * close the connection at FEAT.
   */
  readonly askFeatures?: boolean | undefined
  readonly connector?: Connector | undefined
  /**
   * An FTP proxy: the session connects to it, logs in there first if it has a user, and continues to `host` from there.
   */
  readonly loginProxy?: LoginProxy | undefined
  /**
   * Whether a byte of 255 in a command is sent twice, as TELNET has it (RFC 959, section 2.3). By default the session finds
   * out how the server reads one before it sends the first. If the server does not show it, a command that would change
   * something fails with `InvalidArgument`: it could reach another file. UTF-8 has no such byte.
   */
  readonly doubleIac?: boolean | undefined
}

/**
 * An FTP proxy, which is itself spoken to in FTP. Proxies of HTTP and SOCKS are connectors (`Proxy`).
 *
 * `order` is how the server is named to it: `"user@host"` (the default) in USER, `"site"` by SITE, `"open"` by OPEN, and
 * `"combined"` together with the proxy's user and password (`USER user@proxyUser@host`, `PASS password@proxyPassword`).
 *
 * @since 0.2.0
 * @category models
 */
export interface LoginProxy {
  readonly host: string
  /** Default 21. */
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  readonly order?: "user@host" | "site" | "open" | "combined" | undefined
}
