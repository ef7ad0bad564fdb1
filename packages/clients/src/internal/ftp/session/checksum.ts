/**
 * Checksums of files: the server's (HASH and the X commands before it), and this side's of what moved.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FtpError from "../../../FtpError.js"
import type { Checksum, ChecksumAlgorithm, Failure, Path } from "../../../FtpSession.js"
import * as Reply from "../../replies/reply.js"
import * as Hashes from "../checksum.js"
import * as Command from "../command.js"
import type { Features } from "../features.js"
import type { Conversation } from "./conversation.js"
import * as Presence from "./presence.js"

interface Means {
  readonly algorithm: ChecksumAlgorithm
  readonly digits: number
  /** HASH, or the command of the algorithm's own. */
  readonly verb: string
}

const hasHash = ({ hash }: Features, algorithm: ChecksumAlgorithm): boolean =>
  hash.includes(algorithm) || hash.includes(algorithm.replace("-", ""))

const meansOf = (features: Features, wanted: ChecksumAlgorithm | undefined): Option.Option<Means> => {
  for (const [algorithm, verb, digits] of Hashes.algorithms) {
    if (wanted !== undefined && wanted !== algorithm) continue
    if (hasHash(features, algorithm)) return Option.some({ algorithm, digits, verb: "HASH" })
    if (features.all.has(verb)) return Option.some({ algorithm, digits, verb })
  }
  return Option.none()
}

/** The hex digits of the reply, wherever they stand: the path may stand before them and behind. */
const valueOf = (reply: Reply.Reply, digits: number): string | undefined => {
  const found = Reply.text(reply).split(/\s+/).find((word) =>
    /^(?:0x)?[0-9A-Fa-f]+$/.test(word) && word.replace(/^0x/i, "").length === digits
  )
  return found?.replace(/^0x/i, "").toLowerCase()
}

export const ask = (
  conversation: Conversation,
  path: Path,
  wanted?: ChecksumAlgorithm
): Effect.Effect<Checksum, Failure> =>
  Effect.gen(function*() {
    const means = meansOf(conversation.features, wanted)
    if (Option.isNone(means)) {
      return yield* new FtpError.NotSupported({
        server: conversation.server,
        command: Command.printable(Command.withPath("HASH", path)),
        code: 502,
        lines: [`FEAT tells of no ${wanted ?? "checksum"}`]
      })
    }
    const { algorithm, digits, verb } = means.value
    if (verb === "HASH" && conversation.hash !== algorithm) {
      const name = conversation.features.hash.find((each) => each === algorithm || each === algorithm.replace("-", ""))!
      conversation.hash = undefined
      yield* conversation.exec(Command.make("OPTS", "HASH", name), {
        onFinal: (reply) => {
          if (Reply.kind(reply) === "completion") conversation.hash = algorithm
        }
      })
    }
    yield* conversation.setType("I")
    const reply = yield* conversation.exec(Command.withPath(verb, path), {
      path,
      look: Presence.look(conversation, path)
    })
    const value = valueOf(reply, digits)
    if (value === undefined) {
      return yield* new FtpError.ProtocolViolation({
        protocol: "ftp",
        server: conversation.server,
        what: `the reply to ${verb} has no ${algorithm} in it`,
        received: Reply.show(reply)
      })
    }
    return { algorithm, value }
  })

// ---- this side's

/** A checksum of what moves, of the kind that the server has; none where it has none. */
export const running = (conversation: Conversation): Hashes.Running | undefined => {
  if (!conversation.settings.verifiesChecksum) return undefined
  const means = meansOf(conversation.features, undefined)
  if (Option.isNone(means)) return undefined
  return Hashes.start(means.value.algorithm)
}

/** Compares both: what differs, in words. A server that refuses after all has nothing to compare. */
export const difference = (
  conversation: Conversation,
  path: Path,
  { algorithm, value }: Hashes.Running
): Effect.Effect<Option.Option<string>, Failure> =>
  ask(conversation, path, algorithm).pipe(
    Effect.map((theirs) => {
      const ours = value()
      return ours === theirs.value
        ? Option.none()
        : Option.some(`the server's ${algorithm} of it is ${theirs.value}, and that of what moved is ${ours}`)
    }),
    Effect.catchTags({
      FtpReplyError: () => Effect.succeedNone,
      NotSupported: () => Effect.succeedNone,
      ProtocolViolation: (error) => conversation.control.lost === undefined ? Effect.succeedNone : Effect.fail(error)
    })
  )
