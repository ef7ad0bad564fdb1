/**
 * Which error a refusal is: one table over the code, the command, and what the session knows. Never the text.
 */
import * as FtpError from "../../FtpError.js"
import * as Reply from "../replies/reply.js"
import * as Bytes from "../text/bytes.js"
import * as Command from "./command.js"
import * as Verbs from "./verbs.js"

export interface Context {
  readonly server?: string
  readonly command: Command.Command
  /** The path that the command is about. */
  readonly path?: Command.Path
  readonly user?: string
  /** The control connection is under TLS. */
  readonly secure?: boolean
  /** What the data connection was: in clear, under a TLS session of its own, or under the control connection's. */
  readonly dataTls?: "none" | "fresh" | "resumed"
  readonly dataMode?: FtpError.DataMode
  /** What a look after the refusal has found. 550 alone says neither "no such file" nor "no permission". */
  readonly found?: "exists" | "absent"
}

export type Refusal =
  | FtpError.FtpReplyError
  | FtpError.LoginRefused
  | FtpError.NotFound
  | FtpError.AlreadyExists
  | FtpError.NotSupported
  | FtpError.StorageExceeded
  | FtpError.ServiceUnavailable
  | FtpError.DataConnectionFailed
  | FtpError.TlsResumptionRequired

const pathOf = (context: Context): string => {
  const path = context.path ?? context.command.args.at(-1)
  return typeof path === "string" ? Bytes.show(path) : path instanceof Uint8Array ? Bytes.showBytes(path) : "."
}

// These have meanings of their own, whatever path the command is about: unknown, encryption, no log-in, a page's
// type, no room.
const plain: ReadonlySet<number> = new Set([500, 502, 522, 530, 532, 551, 552])

/** Whether a refusal with this code may be about the path of its command: only a look tells whether that is there. */
export const isAmbiguous = (code: number): boolean => code === 450 || (code >= 500 && code < 600 && !plain.has(code))

export const fromReply = (reply: Reply.Reply, context: Context): Refusal => {
  const { command, dataTls = "none", found } = context
  const { code } = reply
  const fields = {
    ...(context.server === undefined ? {} : { server: context.server }),
    command: Command.printable(command),
    code,
    lines: reply.lines
  }
  const verb = command.verb
  if (code === 421) return new FtpError.ServiceUnavailable({ protocol: "ftp", ...fields })
  if (Verbs.is(verb, "logsIn") || code === 530 || code === 532) {
    return new FtpError.LoginRefused({
      ...fields,
      ...(context.user === undefined ? {} : { user: context.user }),
      secure: context.secure ?? false
    })
  }
  // What is to be made is never there: its refusal says something else.
  if (found === "absent" && !Verbs.is(verb, "makes")) return new FtpError.NotFound({ ...fields, path: pathOf(context) })
  if (Verbs.is(verb, "makes") && (code === 521 || found === "exists")) {
    return new FtpError.AlreadyExists({ ...fields, path: pathOf(context) })
  }
  switch (code) {
    case 425:
    case 522:
      // RFC 2428, section 2: the network protocol, not TLS.
      if (code === 522 && (verb === "EPSV" || verb === "EPRT")) return new FtpError.NotSupported(fields)
      if (dataTls === "fresh") return new FtpError.TlsResumptionRequired(fields)
      if (code === 522 && dataTls === "none") return new FtpError.FtpReplyError(fields)
      return new FtpError.DataConnectionFailed({
        ...(context.server === undefined ? {} : { server: context.server }),
        command: fields.command,
        attempts: [{ mode: context.dataMode ?? "PASV", why: Reply.show(reply) }]
      })
    case 452:
    case 552:
      return new FtpError.StorageExceeded(
        context.path === undefined ? fields : { ...fields, path: pathOf(context) }
      )
    case 500:
      return Verbs.is(verb, "minimal") ? new FtpError.FtpReplyError(fields) : new FtpError.NotSupported(fields)
    case 502:
    case 504:
      return new FtpError.NotSupported(fields)
    case 450:
    case 550:
      // 450 to a listing is "no such files" (ProFTPD, wu-ftpd); to others it is a busy file.
      return found === undefined && Verbs.is(verb, code === 550 ? "finds" : "lists")
        ? new FtpError.NotFound({ ...fields, path: pathOf(context) })
        : new FtpError.FtpReplyError(fields)
    default:
      return new FtpError.FtpReplyError(fields)
  }
}
