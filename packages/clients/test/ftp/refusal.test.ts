/** Which error a refusal becomes, and what its message shows. */
import { describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FtpError from "../../src/FtpError.js"
import * as Command from "../../src/internal/ftp/command.js"
import * as Refusal from "../../src/internal/ftp/refusal.js"
import * as Telnet from "../../src/internal/ftp/telnet.js"
import { binary, bytes } from "./support.js"

const refuse = (text: string, command: string, context: Partial<Refusal.Context> = {}) =>
  Refusal.fromReply(Telnet.parser().push(bytes(`${text}\r\n`)).replies[0]!, {
    server: "ftp.example:21",
    command: Command.parse(command),
    ...context
  })

describe("refusals", () => {
  it.each<[string, string, Partial<Refusal.Context>, FtpError.FtpError["_tag"]]>([
    ["421 Too many connections", "RETR a", {}, "ServiceUnavailable"],
    ["421 Timeout", "PASS x", {}, "ServiceUnavailable"],
    ["530 Login incorrect", "PASS x", {}, "LoginRefused"],
    ["430 Invalid", "PASS x", {}, "LoginRefused"],
    ["503 Login with USER first", "PASS x", {}, "LoginRefused"],
    ["530 Please login", "RETR a", {}, "LoginRefused"],
    ["532 Need account", "STOR a", {}, "LoginRefused"],
    ["550 No such file", "RETR a", {}, "NotFound"],
    ["550 No such file", "SIZE a", {}, "NotFound"],
    ["550 Failed", "CWD a", {}, "NotFound"],
    ["550 x", "RNFR a", {}, "NotFound"],
    ["550 x", "RETR a", { found: "exists" }, "FtpReplyError"],
    ["450 No files found", "NLST a", {}, "NotFound"],
    ["450 Busy", "RETR a", {}, "FtpReplyError"],
    ["550 No such file", "DELE a", {}, "FtpReplyError"],
    ["550 x", "DELE a", { found: "absent" }, "NotFound"],
    ["550 No such directory", "STOR a/b", {}, "FtpReplyError"],
    ["553 Not allowed", "STOR a", {}, "FtpReplyError"],
    ["550 File exists", "MKD a", {}, "FtpReplyError"],
    ["550 x", "MKD a", { found: "exists" }, "AlreadyExists"],
    ["521 Directory exists", "MKD a", {}, "AlreadyExists"],
    ["500 Unknown", "MLSD", {}, "NotSupported"],
    ["502 Not implemented", "RETR a", {}, "NotSupported"],
    ["504 Not for that parameter", "TYPE E", {}, "NotSupported"],
    ["500 OOPS: priv_sock_get_cmd", "RETR a", {}, "FtpReplyError"],
    ["501 Bad argument", "PORT x", {}, "FtpReplyError"],
    ["522 use (1)", "EPSV", {}, "NotSupported"],
    ["522 use (1)", "EPRT |2|::1|5|", { dataTls: "fresh" }, "NotSupported"],
    ["522 session reuse required", "RETR a", { dataTls: "fresh" }, "TlsResumptionRequired"],
    ["425 Unable to build data connection", "RETR a", { dataTls: "fresh" }, "TlsResumptionRequired"],
    ["425 Unable to build data connection", "RETR a", { dataTls: "resumed" }, "DataConnectionFailed"],
    ["425 Can't open data connection", "LIST", {}, "DataConnectionFailed"],
    ["522 Data connections must be encrypted", "RETR a", {}, "FtpReplyError"],
    ["452 No space", "STOR a", {}, "StorageExceeded"],
    ["552 Quota", "APPE a", { path: "a" }, "StorageExceeded"],
    ["426 Aborted", "RETR a", {}, "FtpReplyError"],
    ["451 Local error", "RETR a", {}, "FtpReplyError"]
  ])("C34 a refusal is told by its code, the command and what is known: %s to %s %j", (text, command, context, tag) => {
    expect(refuse(text, command, context)._tag).toBe(tag)
  })

  it("C34 the text of a reply decides nothing", () => {
    expect(refuse("550 Permission denied", "RETR a")._tag).toBe(refuse("550 No such file", "RETR a")._tag)
  })

  it("C34 a refusal carries the command, the code and all lines, and a message for a person", () => {
    const error = refuse("550-/a b:\r\n550 No such file", "RETR /a b", { path: "/a b" })
    expect(error).toMatchObject({
      server: "ftp.example:21",
      command: "RETR /a b",
      path: "/a b",
      code: 550,
      lines: ["/a b:", "No such file"]
    })
    expect(error.message).toBe(
      "FTP ftp.example:21: \"/a b\" does not exist, or this login may not see it: `RETR /a b` gave " +
        "550 /a b: / No such file; check the path and the working directory"
    )
  })

  it("C34 a log-in that is refused in clear says so, and never says the password", () => {
    const command = Command.make("PASS", Redacted.make("hunter2"))
    const error = refuse("530 Login incorrect", "NOOP", { command, user: "bob", secure: false })
    expect(error.message).toBe(
      "FTP ftp.example:21: the log-in of \"bob\" was refused: 530 Login incorrect; check user and password; " +
        "the session is not under TLS, which many servers insist on"
    )
    expect(JSON.stringify(error)).not.toContain("hunter2")
    expect(refuse("532 Need account", "STOR a").message).toContain("give an account (ACCT)")
  })

  it("C34 trying again can help after a transient refusal, and never after an unknown outcome", () => {
    expect(FtpError.canRetry(refuse("450 Busy", "RETR a"))).toBe(true)
    expect(FtpError.canRetry(refuse("553 No", "STOR a"))).toBe(false)
    expect(FtpError.canRetry(refuse("421 Later", "NOOP"))).toBe(true)
    expect(FtpError.canRetry(refuse("452 Full", "STOR a"))).toBe(true)
    expect(FtpError.canRetry(refuse("552 Quota", "STOR a"))).toBe(false)
    expect(FtpError.canRetry(refuse("550 x", "RETR a"))).toBe(false)
    expect(FtpError.canRetry(new FtpError.OutcomeUnknown({ command: "STOR a", lastKnown: "150" }))).toBe(false)
  })

  it("C34 every error crosses a boundary as JSON, and has a message that says what to do", () => {
    const replied = { server: "h:21", command: "X", code: 550, lines: ["no", "x".repeat(2000)] }
    const errors: ReadonlyArray<readonly [Schema.Schema<any, any>, FtpError.FtpError]> = [
      [FtpError.FtpReplyError, new FtpError.FtpReplyError(replied)],
      [FtpError.LoginRefused, new FtpError.LoginRefused({ ...replied, secure: true })],
      [FtpError.NotFound, new FtpError.NotFound({ ...replied, path: "p" })],
      [FtpError.AlreadyExists, new FtpError.AlreadyExists({ ...replied, path: "p" })],
      [FtpError.NotSupported, new FtpError.NotSupported(replied)],
      [FtpError.StorageExceeded, new FtpError.StorageExceeded(replied)],
      [FtpError.ServiceUnavailable, new FtpError.ServiceUnavailable({ protocol: "ftp", ...replied })],
      [
        FtpError.DataConnectionFailed,
        new FtpError.DataConnectionFailed({ command: "LIST", attempts: [{ mode: "EPSV", why: "500" }] })
      ],
      [FtpError.TlsResumptionRequired, new FtpError.TlsResumptionRequired(replied)],
      [
        FtpError.TransferIncomplete,
        new FtpError.TransferIncomplete({ direction: "download", path: "p", expected: 2, moved: 1 })
      ],
      [FtpError.OutcomeUnknown, new FtpError.OutcomeUnknown({ command: "STOR p", lastKnown: "150 came", moved: 7 })],
      [
        FtpError.UnsafeFileName,
        new FtpError.UnsafeFileName({ name: "\uFFFD", rawName: binary("\xe4"), reason: "Undecodable" })
      ],
      [
        FtpError.InvalidArgument,
        new FtpError.InvalidArgument({ protocol: "ftp", what: "RETR", argument: "", reason: "it is empty" })
      ],
      [
        FtpError.ProtocolViolation,
        new FtpError.ProtocolViolation({ protocol: "ftp", what: "no code", received: "SSH" })
      ],
      [FtpError.ReplyTooLong, new FtpError.ReplyTooLong({ protocol: "ftp", limit: 5 })],
      [FtpError.ListingTooLong, new FtpError.ListingTooLong({ what: "line", limit: 5 })]
    ]
    expect(new Set(errors.map(([, error]) => error._tag)).size).toBe(16)
    for (const [schema, error] of errors) {
      const wire = JSON.parse(JSON.stringify(Schema.encodeSync(schema)(error)))
      const back = Schema.decodeUnknownSync(schema)(wire)
      expect(back).toBeInstanceOf(error.constructor)
      expect(back.message).toBe(error.message)
      expect(error.message).toMatch(/^FTP/)
      expect(error.message.length).toBeLessThan(600)
      expect(typeof FtpError.canRetry(error)).toBe("boolean")
    }
  })
})
