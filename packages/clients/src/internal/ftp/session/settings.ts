/**
 * Options with their defaults filled in and checked, once for a session or a pool.
 */
import type * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type * as Tls from "@copas/core/Tls"
import type { TlsError } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { type Connector, direct } from "../../../Connector.js"
import * as FtpError from "../../../FtpError.js"
import type { LoginProxy, Options } from "../../../FtpSession.js"
import { count, millis, refuse, tlsClient } from "../../options.js"
import * as Parser from "../../replies/parser.js"
import * as Bytes from "../../text/bytes.js"
import * as Codec from "../../text/codec.js"
import * as Listing from "../listing/listing.js"

export interface Settings {
  readonly host: string
  readonly port: number
  /** Host and port, for errors. */
  readonly server: string
  readonly user: string
  readonly password: Redacted.Redacted<string>
  readonly account: Redacted.Redacted<string> | undefined
  readonly virtualHost: string | undefined
  readonly tls: "none" | "explicit" | "implicit"
  readonly tlsContext: Tls.ClientContext | undefined
  readonly serverName: string
  /** PROT P: data connections are under TLS, too. */
  readonly isProtected: boolean
  readonly modes: ReadonlyArray<FtpError.DataMode>
  readonly trustPassiveHost: boolean
  readonly activeAddress: string | undefined
  readonly activePorts: readonly [number, number] | undefined
  readonly connectMillis: number
  readonly controlMillis: number
  readonly dataMillis: number
  readonly abortMillis: number
  /** How long data may stand still until the control connection is looked at for the reason. */
  readonly firstMillis: number
  readonly keepAliveMillis: number | undefined
  readonly codec: Codec.Codec
  readonly replyLimit: number
  readonly listingLimit: number
  readonly listingMemory: number
  readonly parseListing: Options["parseListing"]
  readonly utcOffsetMinutes: number
  readonly verify: boolean
  readonly verifiesChecksum: boolean
  /** Where the control connection goes to: the server, or the FTP proxy before it. */
  readonly dial: { readonly host: string; readonly port: number }
  readonly loginProxy: Options["loginProxy"]
  readonly doubleIac: boolean | undefined
  readonly modeZ: { readonly level: number | undefined; readonly ratio: number } | undefined
  readonly asksFeatures: boolean
  readonly isDirect: boolean
  readonly connector: Connector
}

/** What USER and PASS say. */
export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted<string>
}

const passive: ReadonlyArray<FtpError.DataMode> = ["EPSV", "PASV"]
const active: ReadonlyArray<FtpError.DataMode> = ["EPRT", "PORT"]

const orders: ReadonlyArray<NonNullable<LoginProxy["order"]>> = ["user@host", "site", "open", "combined"]

const modesOf = (data: Options["data"]): Effect.Effect<ReadonlyArray<FtpError.DataMode>, InvalidOption> => {
  if (data === undefined || data === "passive") return Effect.succeed(passive)
  if (data === "active") return Effect.succeed(active)
  const known = data.length > 0 && data.every((mode) => passive.includes(mode) || active.includes(mode))
  return known ? Effect.succeed(data) : refuse("data", data.join(), "one or more of EPSV, PASV, EPRT and PORT")
}

const codecOf = (encoding: Options["encoding"]): Effect.Effect<Codec.Codec, FtpError.InvalidArgument> => {
  if (encoding === undefined) return Effect.succeed(Codec.utf8)
  if (typeof encoding !== "string") return Effect.succeed(encoding)
  if (/^utf-?8$/i.test(encoding)) return Effect.succeed(Codec.utf8)
  // The platform takes this label for windows-1252.
  if (/^(?:iso-?8859-?1|latin-?1)$/i.test(encoding)) return Effect.succeed(Codec.latin1)
  return Either.match(Codec.singleByte(encoding), {
    onLeft: (reason) =>
      Effect.fail(
        new FtpError.InvalidArgument({ protocol: "ftp", what: "encoding", argument: Bytes.show(encoding), reason })
      ),
    onRight: Effect.succeed
  })
}

const modeZOf = (modeZ: Options["modeZ"]): Effect.Effect<Settings["modeZ"], InvalidOption> => {
  if (modeZ === undefined || modeZ === false) return Effect.succeed(undefined)
  const { level, ratio } = modeZ === true ? {} as Exclude<typeof modeZ, boolean> : modeZ
  if (level !== undefined && !(Number.isInteger(level) && level >= 0 && level <= 9)) {
    return refuse("modeZ.level", String(level), "a whole number from 0 to 9")
  }
  return Effect.map(count("modeZ.ratio", ratio, 250, 1), (ratio) => ({ level, ratio }))
}

const portsOf = (
  ports: Options["activePorts"]
): Effect.Effect<readonly [number, number] | undefined, InvalidOption> => {
  if (ports === undefined) return Effect.succeed(undefined)
  const [first, last] = ports
  const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536
  return isPort(first) && isPort(last) && first <= last
    ? Effect.succeed(ports)
    : refuse("activePorts", ports.join(" to "), "the first and the last of some ports, from 1 to 65535")
}

export const make = (
  options: Options
): Effect.Effect<
  Settings,
  InvalidOption | UnsupportedOption | TlsError | FtpError.InvalidArgument,
  Net.Net
> =>
  Effect.gen(function*() {
    const tls = options.tls ?? "none"
    const port = yield* count("port", options.port, tls === "implicit" ? 990 : 21, 1)
    const { activeAddress, loginProxy, timeouts = {} } = options
    if (loginProxy?.host === "") return yield* refuse("loginProxy.host", "empty", "a name or an address")
    if (loginProxy?.order !== undefined && !orders.includes(loginProxy.order)) {
      return yield* refuse("loginProxy.order", loginProxy.order, "user@host, site, open or combined")
    }
    if (options.host === "") return yield* refuse("host", "empty", "a name or an address")
    if (activeAddress !== undefined && NetAddress.familyOf(activeAddress) === undefined) {
      return yield* refuse("activeAddress", activeAddress, "a numeric address")
    }
    const controlMillis = yield* millis("timeouts.control", timeouts.control, "60 seconds")
    const dataMillis = yield* millis("timeouts.data", timeouts.data, "60 seconds")
    const abortMillis = yield* millis("timeouts.abort", timeouts.abort, "5 seconds")
    const firstMillis = Math.min(abortMillis, dataMillis)
    return {
      host: options.host,
      port,
      server: NetAddress.formatHostPort(options.host, port),
      user: options.user ?? "anonymous",
      password: options.password ?? Redacted.make(options.user === undefined ? "anonymous@" : ""),
      account: options.account,
      virtualHost: options.virtualHost,
      tls,
      tlsContext: tls === "none" ? undefined : yield* tlsClient(options.tlsContext),
      serverName: options.serverName ?? loginProxy?.host ?? options.host,
      isProtected: tls !== "none" && (options.protectData ?? true),
      modes: yield* modesOf(options.data),
      trustPassiveHost: options.trustPassiveHost ?? false,
      activeAddress,
      activePorts: yield* portsOf(options.activePorts),
      connectMillis: yield* millis("timeouts.connect", timeouts.connect, "30 seconds"),
      controlMillis,
      dataMillis,
      abortMillis,
      firstMillis,
      keepAliveMillis: options.keepAlive === undefined
        ? undefined
        : yield* millis("keepAlive", options.keepAlive, options.keepAlive),
      codec: yield* codecOf(options.encoding),
      replyLimit: yield* count("replyLimit", options.replyLimit, Parser.defaultLimit, 128),
      listingLimit: yield* count("listingLimit", options.listingLimit, Listing.defaultLimit, 1),
      listingMemory: yield* count("listingMemory", options.listingMemory, Listing.defaultMemoryLimit, 1),
      parseListing: options.parseListing,
      utcOffsetMinutes: options.utcOffsetMinutes ?? 0,
      verify: options.verify !== false,
      verifiesChecksum: options.verify === "checksum",
      dial: loginProxy === undefined
        ? { host: options.host, port }
        : { host: loginProxy.host, port: yield* count("loginProxy.port", loginProxy.port, 21, 1) },
      loginProxy,
      doubleIac: options.doubleIac,
      modeZ: yield* modeZOf(options.modeZ),
      asksFeatures: options.askFeatures ?? true,
      isDirect: options.connector === undefined,
      connector: options.connector ?? direct
    }
  })
