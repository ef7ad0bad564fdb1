/**
 * How a byte of 255 in a name goes out: twice, as TELNET has it (RFC 959, section 2.3; RFC 854), or once, since many servers
 * know nothing of TELNET.
 *
 * Read the other way, a name is another name: `aя` twice is `aяя`, and once it may be `a`. So nothing goes out with such a
 * byte before the server has shown how it reads one. Most servers repeat what they do not find. Where none does, a look at
 * the name itself may prove it; what changes anything is refused where nothing was proved.
 */
import * as Effect from "effect/Effect"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as ReplyCommand from "../../replies/command.js"
import * as Ledger from "../../replies/ledger.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import { chosenName } from "../chosenName.js"
import * as Command from "../command.js"
import * as Refusal from "../refusal.js"
import * as Verbs from "../verbs.js"
import type { Conversation } from "./conversation.js"

/** The name has it three times, so that what comes back tells once and twice apart, whether the server doubles it or not. */
const asked = "\xff\xff\xff"

/** The last reply to a command whose bytes of 255 go out as they are, or doubled. */
const sendAs = (
  conversation: Conversation,
  command: Command.Command,
  doubles: boolean
): Effect.Effect<Reply.Reply, Failure> =>
  Effect.suspend(() => {
    const { control, settings } = conversation
    const exchange = Ledger.exchange(command, control.plain)
    return Effect.flatMap(
      orFail(ReplyCommand.encode(command, Command.wire(settings.codec, () => doubles))),
      (bytes) => Effect.zipRight(control.submitBytes(bytes, [exchange]), control.await(exchange))
    )
  })

/** How the server repeats a name that is not there; `undefined` where it does not. */
const repeated = (conversation: Conversation): Effect.Effect<boolean | undefined, Failure> =>
  Effect.gen(function*() {
    const { control } = conversation
    const name = `copas${yield* chosenName}`
    const before = control.bytes255
    const reply = yield* sendAs(conversation, Command.make("MDTM", Bytes.fromBinary(`${name}${asked}-`)), false)
    const times = Reply.text(reply).split(name).length - 1
    const count = control.bytes255 - before
    return times === 0 || count === 0 ? undefined : count !== times * asked.length
  })

/** Whether the server takes two for one; `undefined` where it does not tell. */
const ask = (conversation: Conversation): Effect.Effect<boolean | undefined, Failure> =>
  Effect.gen(function*() {
    const doubles = yield* repeated(conversation)
    if (doubles !== undefined) return doubles
    // vsftpd and Pure-FTPd repeat nothing, and say what they are.
    const status = yield* conversation.send(Command.make("STAT"))
    return /vsftpd|pure-?ftpd/i.test(Reply.text(status)) ? false : undefined
  })

/** What a server that knows TELNET could make of a single one: it is taken out, alone, or with its command. */
const read = (name: string): ReadonlyArray<string> => [
  name.replaceAll(/\xff(\xff?)/g, "$1"),
  name.replaceAll(/\xff([^])/g, (_, next: string) => next === "\xff" ? next : ""),
  name.replaceAll(/\xff(?:[\xfb-\xfe][^]|[^])/g, (all) => all === "\xff\xff" ? "\xff" : "")
]

/**
 * Proves it by a look at the name itself. It is not there as TELNET has it, and there with single ones: that is so where the
 * server knows nothing of TELNET, unless there is one whose name lacks them.
 */
const prove = (conversation: Conversation, path: Path): Effect.Effect<boolean | undefined, Failure> =>
  Effect.gen(function*() {
    const verb = conversation.features.mlst && !conversation.unknown.has("MLST") ? "MLST" : "SIZE"
    if (verb === "SIZE") yield* conversation.setType("I")
    const isMissing = (name: Uint8Array, doubles: boolean): Effect.Effect<boolean, Failure> =>
      Effect.map(
        sendAs(conversation, Command.make(verb, name), doubles),
        ({ code }) => Refusal.isAmbiguous(code)
      )
    const raw = conversation.raw(path)
    if (!(yield* isMissing(raw, true))) return undefined
    const single = yield* sendAs(conversation, Command.make(verb, raw), false)
    if (Reply.kind(single) !== "completion") return undefined
    const name = Bytes.toBinary(raw)
    for (const other of new Set(read(name))) {
      if (other !== name && other !== "" && !(yield* isMissing(Bytes.fromBinary(other), true))) return undefined
    }
    return false
  })

/** Whether the command names something on the server. What is secret is no path, and is not to be looked for. */
const names = ({ isSecret, verb }: Command.Command): boolean =>
  !isSecret && (Verbs.is(verb, "finds") || !Verbs.is(verb, "looks"))

/** It only looks at the one that it names: from one that is entered, or renamed, later commands continue. */
const onlyLooks = ({ verb }: Command.Command): boolean =>
  Verbs.is(verb, "looks") && !Verbs.is(verb, "moves") && verb !== "RNFR"

/**
 * Before a command goes out: finds out how its bytes of 255 are to be sent. One that would change something fails where the
 * server does not tell.
 */
export const settle = (conversation: Conversation, command: Command.Command): Effect.Effect<void, Failure> => {
  const { control, settings } = conversation
  if (control.doubling.isKnown || !names(command) || !Command.hasIac(command, settings.codec)) return Effect.void
  return Effect.gen(function*() {
    const learn = (doubles: boolean | undefined): boolean => {
      if (doubles !== undefined) control.doubling = { doubles, isKnown: true }
      return doubles !== undefined
    }
    if (!control.wasAsked255) {
      if (learn(yield* ask(conversation))) return
      control.wasAsked255 = true
    }
    const path = command.args.at(-1) as Path
    if (learn(yield* prove(conversation, path)) || onlyLooks(command)) return
    return yield* new FtpError.InvalidArgument({
      protocol: "ftp",
      what: command.verb,
      argument: Bytes.showBytes(conversation.raw(path)),
      reason:
        "it has a byte of 255 in it, and the server does not show whether it takes two of them for one, as TELNET " +
        "has it, so the command could reach another file; nothing was sent: set `doubleIac` to true, or to false for a " +
        "server that knows nothing of TELNET"
    })
  })
}
