/**
 * Commands on the control connection: RFC 959, sections 4.1 and 5.3.
 */
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { InvalidArgument } from "../../ReplyError.js"
import * as Command from "../replies/command.js"
import * as Bytes from "../text/bytes.js"
import type * as Codec from "../text/codec.js"
import * as Telnet from "./telnet.js"
import * as Verbs from "./verbs.js"

export { type Argument, type Command, printable } from "../replies/command.js"

/** A path: text, or the bytes of a name that the session's encoding cannot write. */
export type Path = string | Uint8Array

// The sub-commands by which Serv-U, wu-ftpd and others change a password.
const hidesSite = /^\s*(?:PSWD|PASSWD|CPWD|CHPASS|GPASS|PASS)\b/i

export const make = (verb: string, ...args: ReadonlyArray<Command.Argument>): Command.Command => {
  const command = Command.make(verb, ...args)
  const [first] = args
  const isSecret = Verbs.is(command.verb, "secret") ||
    (command.verb === "SITE" && typeof first === "string" && hidesSite.test(first))
  return isSecret ? { ...command, isSecret } : command
}

/**
 * A command as a person types it: `SITE CHMOD 644 a b`. All behind the verb is one argument.
 */
export const parse = (line: string): Command.Command => {
  const space = line.indexOf(" ")
  return space < 0 ? make(line) : make(line.slice(0, space), line.slice(space + 1))
}

const hyphen = 45
const space = 32

const firstByte = (path: Path): number | undefined => typeof path === "string" ? path.charCodeAt(0) : path[0]

/**
 * A path as an argument of the command. Behind `LIST` and its like many servers read what begins with `-` as options of
 * `ls` (`-R` lists the whole disk), and nearly all of them skip blanks in front of an argument: such a name is
 * sent as `./-R`, which is the same file.
 */
const pathArgument = (verb: string, path: Path): Path => {
  const first = firstByte(path)
  if (first !== space && !(first === hyphen && Verbs.is(verb, "options"))) return path
  return typeof path === "string" ? `./${path}` : Bytes.concat([Bytes.fromBinary("./"), path])
}

/**
 * A command about a path. Without one it is about the working directory, which only listings and STAT allow.
 */
export const withPath = (
  verb: string,
  path: Path | undefined,
  ...before: ReadonlyArray<Command.Argument>
): Command.Command =>
  path === undefined || (path.length === 0 && Verbs.is(verb, "options"))
    ? make(verb, ...before)
    : make(verb, ...before, pathArgument(verb, path))

/** How FTP's commands go out. A byte of 255 is doubled, where `doubles` says so. */
export const wire = (codec: Codec.Codec, doubles: () => boolean = () => true): Command.Wire => ({
  protocol: "ftp",
  codec,
  escape: (bytes) => doubles() ? Telnet.escape(bytes) : bytes
})

/** Whether a byte of 255 stands in it. */
export const hasIac = ({ args }: Command.Command, codec: Codec.Codec): boolean =>
  args.some((argument) =>
    argument instanceof Uint8Array
      ? argument.includes(255)
      : typeof argument === "string" && codec.name !== "utf-8" &&
        Option.exists(codec.encode(argument), (bytes) => bytes.includes(255))
  )

export const encode = (command: Command.Command, codec: Codec.Codec): Either.Either<Uint8Array, InvalidArgument> =>
  Command.encode(command, wire(codec))
