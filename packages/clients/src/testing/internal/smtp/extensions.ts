/**
 * What the test server lists in EHLO.
 */
import type { Socket } from "@copas/core/Socket"
import * as Option from "effect/Option"
import * as Mechanisms from "../../../internal/smtp/sasl/mechanisms.js"
import type { ChannelBinding } from "../../../SmtpSession.js"
import type { Limit } from "../../SmtpServer.js"
import type { Shared } from "./shared.js"

const all = [
  "PIPELINING",
  "SIZE",
  "8BITMIME",
  "SMTPUTF8",
  "DSN",
  "CHUNKING",
  "BINARYMIME",
  "ENHANCEDSTATUSCODES",
  "DELIVERBY",
  "MT-PRIORITY",
  "LIMITS",
  "REQUIRETLS",
  "STARTTLS",
  "AUTH"
]

export const defaultSize = 64 * 1024 * 1024
export const defaultRecipients = 1000

const most = (limit: Limit | undefined): number | undefined => typeof limit === "object" ? limit.most : limit

export const channelBinding = (socket: Socket, type: ChannelBinding["type"]): Uint8Array | undefined =>
  Option.getOrUndefined(Option.flatMap(socket.tls, (tls) => tls.channelBinding(type)))

/** The mechanisms that an account can be used by on this connection, strongest first. */
const mechanisms = ({ options }: Shared, socket: Socket): string => {
  const isBound = (["tls-exporter", "tls-unique"] as const).some((type) => channelBinding(socket, type) !== undefined)
  return Mechanisms.builtIn().filter(({ credential, isClearText, needsChannelBinding }) =>
    (credential === "token" ? options.tokens : options.users) !== undefined &&
    (!isClearText || options.allowInsecureAuth === true || Option.isSome(socket.tls)) &&
    (!needsChannelBinding || isBound)
  ).map(({ name }) => name).join(" ")
}

/** The lines of EHLO, without its first. */
export const offered = (shared: Shared, socket: Socket): ReadonlyArray<string> => {
  const { options, quirks } = shared
  const { extensions, tls } = options
  const isSecure = Option.isSome(socket.tls)
  const given = typeof extensions === "function"
    ? extensions(isSecure)
    : (extensions ?? (tls === undefined ? all.filter((line) => line !== "STARTTLS") : all))
      .filter((line) => line.toUpperCase() !== (isSecure ? "STARTTLS" : "REQUIRETLS"))
  const completed = (line: string): string | undefined => {
    switch (line.toUpperCase()) {
      case "SIZE":
        return `${line} ${most(quirks.maxSize) ?? defaultSize}`
      case "LIMITS": {
        const messages = most(quirks.maxMessages)
        const recipients = `RCPTMAX=${most(quirks.maxRecipients) ?? defaultRecipients}`
        return `${line}${messages === undefined ? "" : ` MAILMAX=${messages}`} ${recipients}`
      }
      case "AUTH": {
        const usable = mechanisms(shared, socket)
        return usable === "" ? undefined : `${line} ${usable}`
      }
      default:
        return line
    }
  }
  const isKnown = (line: string): boolean =>
    quirks.unknown?.includes(/^[A-Za-z0-9-]*/.exec(line)![0].toUpperCase()) !== true
  return given.filter(isKnown).map(completed).filter((line) => line !== undefined)
}
