/**
 * Commands: a verb and its arguments, as they go out and as they may be shown.
 *
 * What comes from a caller is checked on the bytes that would go out, whatever encoding made them: a CR or LF would
 * begin a second command, and several servers stop reading at a NUL. It is refused, never removed.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidArgument, type Protocol } from "../../ReplyError.js"
import * as Bytes from "../text/bytes.js"
import type * as Codec from "../text/codec.js"

/** Text in the session's encoding, bytes as they are, or text that is never shown. */
export type Argument = string | Uint8Array | Redacted.Redacted<string>

export interface Command {
  readonly verb: string
  readonly args: ReadonlyArray<Argument>
  /** Nothing but the verb is shown. */
  readonly isSecret: boolean
  /** What stands for these in it is not to be shown either: a password inside of base64, which the server can read. */
  readonly hides?: ReadonlyArray<Redacted.Redacted<string>> | undefined
  /** It answers a challenge to the command with this verb (AUTH): the verb does not go out again. */
  readonly isContinuation: boolean
}

export const make = (verb: string, ...args: ReadonlyArray<Argument>): Command => ({
  verb: verb.toUpperCase(),
  args,
  isSecret: false,
  isContinuation: false
})

/** A line that continues a command, after its reply of 3yz. It may be empty, and is not shown. */
export const continuation = (verb: string, line: Argument): Command => ({
  verb: verb.toUpperCase(),
  args: [line],
  isSecret: true,
  isContinuation: true
})

/** How the commands of a session go out. */
export interface Wire {
  readonly protocol: Protocol
  readonly codec: Codec.Codec
  /** What is done to the bytes of an argument once they were checked. */
  readonly escape?: ((bytes: Uint8Array) => Uint8Array) | undefined
}

const secret = "****"

const showArgument = (argument: Argument): string =>
  typeof argument === "string"
    ? Bytes.show(argument)
    : Redacted.isRedacted(argument)
    ? secret
    : Bytes.showBytes(argument)

/** A secret of fewer characters hides nothing, and would make holes in every text. */
const shortestSecret = 4

/** Hides secrets in a text of the server: some servers repeat a password in their reply to it. */
export const hide = (secrets: ReadonlyArray<string>, text: string): string =>
  secrets.filter(({ length }) => length >= shortestSecret)
    .reduce((hidden, one) => hidden.replaceAll(one, secret), text)

const noSecrets: ReadonlyArray<string> = []
const noHides: ReadonlyArray<Redacted.Redacted<string>> = []

/** The texts of a command that are not shown. */
export const secretsOf = ({ args, hides = noHides, isSecret }: Command): ReadonlyArray<string> =>
  // Asked with each reply, and most commands have none.
  !isSecret && hides.length === 0 && !args.some(Redacted.isRedacted) ? noSecrets : textsOf([
    ...(isSecret ? args : args.filter(Redacted.isRedacted)),
    ...hides
  ])

const textsOf = (args: ReadonlyArray<Argument>): ReadonlyArray<string> =>
  args.map((argument) => Redacted.isRedacted(argument) ? Redacted.value(argument) : argument)
    .map((one) => typeof one === "string" ? one : Bytes.toBinary(one))
    // `SITE PSWD old new` is one argument.
    .flatMap((one) => [one, ...one.split(" ").slice(1)])

/** The command as it may stand in an error or a log. */
export const printable = (command: Command): string =>
  [Bytes.show(command.verb, 20), ...(command.isSecret ? [secret] : command.args.map(showArgument))].join(" ")

const verbs = /^[A-Z][A-Z0-9]{1,15}$/
const SP = Uint8Array.of(32)
const CRLF = Uint8Array.of(13, 10)

const controls = new Map([[0, "NUL"], [10, "LF"], [13, "CR"], [9, "TAB"], [127, "DEL"]])

const controlIn = (bytes: Uint8Array): string | undefined => {
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!
    if (byte < 32 || byte === 127) {
      return controls.get(byte) ?? `the control character 0x${byte.toString(16).padStart(2, "0")}`
    }
  }
  return undefined
}

/** The bytes of the command with its CR LF, or why it is not sent. */
export const encode = (command: Command, wire: Wire): Either.Either<Uint8Array, InvalidArgument> => {
  const { codec, escape, protocol } = wire
  const { args, isContinuation, isSecret, verb } = command
  const shownVerb = () => Bytes.show(verb, 20)
  const refuse = (what: string, argument: string, reason: string) =>
    Either.left(new InvalidArgument({ protocol, what, argument, reason }))
  if (!verbs.test(verb)) return refuse("a command", shownVerb(), "a verb is 2 to 16 letters and digits")
  const parts: Array<Uint8Array> = isContinuation ? [] : [Bytes.fromBinary(verb)]
  for (const argument of args) {
    const refuseThis = (reason: string) => refuse(shownVerb(), isSecret ? secret : showArgument(argument), reason)
    const plain = Redacted.isRedacted(argument) ? Redacted.value(argument) : argument
    const encoded = typeof plain === "string" ? codec.encode(plain) : Option.some(plain)
    if (Option.isNone(encoded)) {
      const reason = `a character of it has no bytes in ${codec.name}; give it as bytes, or set the encoding`
      return refuseThis(reason)
    }
    const bytes = encoded.value
    // An empty password is a password. An empty path would make the command mean something else.
    if (bytes.length === 0 && !isSecret) return refuseThis("it is empty")
    const control = controlIn(bytes)
    if (control !== undefined) {
      return refuseThis(`${control} in it would not reach the server as part of it`)
    }
    if (parts.length > 0) parts.push(SP)
    parts.push(escape === undefined ? bytes : escape(bytes))
  }
  parts.push(CRLF)
  return Either.right(Bytes.concat(parts))
}
