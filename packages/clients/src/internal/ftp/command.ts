/**
 * Commands on the control connection: RFC 959, sections 4.1 and 5.3, over TELNET (RFC 854).
 *
 * What comes from a caller is checked on the bytes that would go out, whatever encoding made them: a CR or LF would
 * begin a second command, and several servers stop reading at a NUL.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FtpError from "../../FtpError.js"
import * as Bytes from "../text/bytes.js"
import type * as Codec from "../text/codec.js"

/** Text in the session's encoding, bytes as they are, or text that is never shown. */
export type Argument = string | Uint8Array | Redacted.Redacted<string>

/** A path: text, or the bytes of a name that the session's encoding cannot write. */
export type Path = string | Uint8Array

export interface Command {
  readonly verb: string
  readonly args: ReadonlyArray<Argument>
}

export const make = (verb: string, ...args: ReadonlyArray<Argument>): Command => ({ verb: verb.toUpperCase(), args })

const hides = new Set(["PASS", "ACCT", "ADAT"])
// The sub-commands by which Serv-U, wu-ftpd and others change a password.
const hidesSite = /^\s*(?:PSWD|PASSWD|CPWD|CHPASS|GPASS|PASS)\b/i

const secret = "****"

const showArgument = (argument: Argument): string =>
  typeof argument === "string"
    ? Bytes.show(argument)
    : Redacted.isRedacted(argument)
    ? secret
    : Bytes.showBytes(argument)

const isSecret = (command: Command): boolean =>
  hides.has(command.verb) ||
  (command.verb === "SITE" && typeof command.args[0] === "string" && hidesSite.test(command.args[0]))

/**
 * The command as it may stand in an error or a log.
 */
export const printable = (command: Command): string => {
  const verb = Bytes.show(command.verb, 20)
  if (!isSecret(command)) return [verb, ...command.args.map(showArgument)].join(" ")
  return command.verb === "SITE" ? `SITE ${secret}` : `${verb} ${secret}`
}

/**
 * A command as a person types it: `SITE CHMOD 644 a b`. All behind the verb is one argument.
 */
export const parse = (line: string): Command => {
  const space = line.indexOf(" ")
  return space < 0 ? make(line) : make(line.slice(0, space), line.slice(space + 1))
}

const optionReaders = new Set(["LIST", "NLST", "STAT", "SITE"])
const hyphen = 45
const space = 32

const firstByte = (path: Path): number | undefined => typeof path === "string" ? path.charCodeAt(0) : path[0]

/**
 * A path as an argument of the command. Behind `LIST` and its like many servers read what begins with `-` as options of
 * `ls` (`-R` lists the whole disk), and nearly all of them skip blanks in front of an argument: such a name is
 * sent as `./-R`, which is the same file.
 */
export const pathArgument = (verb: string, path: Path): Path => {
  const first = firstByte(path)
  if (first !== space && !(first === hyphen && optionReaders.has(verb.toUpperCase()))) return path
  return typeof path === "string" ? `./${path}` : Bytes.concat([Bytes.fromBinary("./"), path])
}

/**
 * A command about a path. Without one it is about the working directory, which only listings and STAT allow.
 */
export const withPath = (verb: string, path: Path | undefined, ...before: ReadonlyArray<Argument>): Command =>
  path === undefined || (path.length === 0 && optionReaders.has(verb.toUpperCase()))
    ? make(verb, ...before)
    : make(verb, ...before, pathArgument(verb, path))

const verbs = /^[A-Z][A-Z0-9]{1,15}$/
const IAC = 255
const CRLF = Uint8Array.of(13, 10)

const controls = new Map([[0, "NUL"], [10, "LF"], [13, "CR"], [9, "TAB"], [127, "DEL"]])

const controlIn = (bytes: Uint8Array): string | undefined => {
  const found = bytes.find((byte) => byte < 32 || byte === 127)
  if (found === undefined) return undefined
  return controls.get(found) ?? `the control character 0x${found.toString(16).padStart(2, "0")}`
}

const double = (bytes: Uint8Array): Uint8Array => {
  if (!bytes.includes(IAC)) return bytes
  const doubled: Array<number> = []
  for (const byte of bytes) {
    doubled.push(byte)
    if (byte === IAC) doubled.push(byte)
  }
  return Uint8Array.from(doubled)
}

/**
 * The bytes of the command with its CR LF, or why it is not sent.
 */
export const encode = (
  command: Command,
  codec: Codec.Codec
): Either.Either<Uint8Array, FtpError.InvalidArgument> => {
  const refuse = (argument: string, reason: string) =>
    Either.left(new FtpError.InvalidArgument({ protocol: "ftp", what: Bytes.show(command.verb, 20), argument, reason }))
  if (!verbs.test(command.verb)) {
    return Either.left(
      new FtpError.InvalidArgument({
        protocol: "ftp",
        what: "a command",
        argument: Bytes.show(command.verb, 20),
        reason: "a verb is 2 to 16 letters and digits"
      })
    )
  }
  const parts: Array<Uint8Array> = [Bytes.fromBinary(command.verb)]
  const hidden = isSecret(command)
  for (const argument of command.args) {
    const shown = hidden ? secret : showArgument(argument)
    const plain = Redacted.isRedacted(argument) ? Redacted.value(argument) : argument
    const encoded = typeof plain === "string" ? codec.encode(plain) : Option.some(plain)
    if (Option.isNone(encoded)) {
      return refuse(
        shown,
        `a character of it has no bytes in ${codec.name}; give the path as bytes, or set the encoding`
      )
    }
    // An empty password is a password. An empty path would make the command mean something else.
    if (encoded.value.length === 0 && !hidden) return refuse(shown, "it is empty")
    const control = controlIn(encoded.value)
    if (control !== undefined) return refuse(shown, `${control} in it would not reach the server as part of it`)
    parts.push(Uint8Array.of(space), double(encoded.value))
  }
  return Either.right(Bytes.concat([...parts, CRLF]))
}
