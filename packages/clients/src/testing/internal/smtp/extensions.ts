/**
 * What the test server lists in EHLO.
 */
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
  "STARTTLS"
]

export const defaultSize = 64 * 1024 * 1024
export const defaultRecipients = 1000

const most = (limit: Limit | undefined): number | undefined => typeof limit === "object" ? limit.most : limit

/** The lines of EHLO, without its first. */
export const offered = (
  { options, quirks }: Shared,
  isSecure: boolean
): ReadonlyArray<string> => {
  const { extensions, tls } = options
  const given = typeof extensions === "function"
    ? extensions(isSecure)
    : (extensions ?? (tls === undefined ? all.filter((line) => line !== "STARTTLS") : all))
      .filter((line) => line.toUpperCase() !== (isSecure ? "STARTTLS" : "REQUIRETLS"))
  const complete = (line: string): string | undefined => {
    switch (line.toUpperCase()) {
      case "SIZE":
        return `${line} ${most(quirks.maxSize) ?? defaultSize}`
      case "LIMITS": {
        const messages = most(quirks.maxMessages)
        const recipients = `RCPTMAX=${most(quirks.maxRecipients) ?? defaultRecipients}`
        return `${line}${messages === undefined ? "" : ` MAILMAX=${messages}`} ${recipients}`
      }
      default:
        return line
    }
  }
  const isUnknown = (line: string): boolean =>
    quirks.unknown?.includes(/^[A-Za-z0-9-]*/.exec(line)![0].toUpperCase()) === true
  return given.filter((line) => !isUnknown(line)).map(complete).filter((line) => line !== undefined)
}
