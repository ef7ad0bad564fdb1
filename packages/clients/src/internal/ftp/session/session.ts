/**
 * The commands of a session, each in its turn.
 */
import * as Effect from "effect/Effect"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path, Reply as PublicReply, Session } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as Reply from "../../replies/reply.js"
import * as Showing from "../../showing.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Command from "../command.js"
import * as Paths from "../paths.js"
import * as Time from "../time.js"
import * as Verbs from "../verbs.js"
import * as Checksum from "./checksum.js"
import type { Conversation } from "./conversation.js"
import * as Directory from "./directory.js"
import * as Download from "./download.js"
import * as Files from "./files.js"
import * as Listing from "./listing.js"
import * as Presence from "./presence.js"
import * as Upload from "./upload.js"

const publicReply = ({ code, lines }: Reply.Reply): PublicReply => ({ code, lines })

const simple = (
  conversation: Conversation,
  verb: string,
  path: Path
): Effect.Effect<Reply.Reply, Failure> =>
  conversation.exec(Command.withPath(verb, path), { path, look: Presence.look(conversation, path) })

const madePath = (conversation: Conversation, path: Path, reply: Reply.Reply): string => {
  const pathname = Answers.parsePathname(reply, conversation.settings.codec)
  return pathname._tag === "Right" ? pathname.right.path : conversation.text(path)
}

const makeDirectory = (conversation: Conversation, path: Path): Effect.Effect<string, Failure> =>
  Effect.map(simple(conversation, "MKD", path), (reply) => madePath(conversation, path, reply))

const refusals = new Set<Failure["_tag"]>([
  "AlreadyExists",
  "FtpReplyError",
  "LoginRefused",
  "NotFound",
  "NotSupported",
  "StorageExceeded"
])

/**
 * From the last missing parent down. Whatever a server answers to MKD, a directory that is there is as good as one that
 * was made, also if another client makes it meanwhile. A file in its place is not.
 */
const makeDirectories = (conversation: Conversation, path: Path): Effect.Effect<string, Failure> => {
  const orIsThere = (make: Effect.Effect<string, Failure>): Effect.Effect<string, Failure> =>
    Effect.catchIf(
      make,
      (error) => refusals.has(error._tag),
      (error) =>
        Effect.flatMap(
          Presence.isDirectory(conversation, path),
          (isThere) => isThere ? Effect.succeed(conversation.text(path)) : Effect.fail(error)
        )
    )
  const parent = Paths.parentOf(typeof path === "string" ? path : Bytes.toBinary(path))
  const last = orIsThere(makeDirectory(conversation, path))
  if (parent === undefined) return last
  const first = Effect.map(
    conversation.exec(Command.withPath("MKD", path), { path }),
    (reply) => madePath(conversation, path, reply)
  )
  return Effect.catchIf(orIsThere(first), (error) => refusals.has(error._tag), () =>
    Effect.zipRight(
      makeDirectories(conversation, typeof path === "string" ? parent : Bytes.fromBinary(parent)),
      last
    ))
}

const chmod = (conversation: Conversation, path: Path, mode: number): Effect.Effect<void, Failure> => {
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) {
    return Effect.fail(
      new FtpError.InvalidArgument({
        protocol: "ftp",
        what: "CHMOD",
        argument: String(mode),
        reason: "a mode is from 0 to 0o7777"
      })
    )
  }
  const command = Command.withPath("SITE", path, "CHMOD", mode.toString(8).padStart(3, "0"))
  return Effect.asVoid(
    conversation.exec(command, { path, look: Presence.look(conversation, path) })
  )
}

const command = (
  conversation: Conversation,
  line: Parameters<Session["command"]>[0]
): Effect.Effect<PublicReply, Failure> => {
  const parsed = typeof line === "string" ? Command.parse(line) : Command.make(...line)
  const why = Verbs.reserved(parsed.verb)
  if (why !== undefined) {
    return Effect.fail(
      new FtpError.InvalidArgument({
        protocol: "ftp",
        what: "command",
        argument: Command.printable(parsed),
        reason: why
      })
    )
  }
  return Effect.map(conversation.turns.turn(conversation.exec(parsed, { intermediate: true })), publicReply)
}

/** Kept apart from the sessions, so that none of a session's properties leads to its settings and to what it sends. */
const conversations = new WeakMap<Session, Conversation>()

export const conversationOf = (session: Session): Conversation => conversations.get(session)!

export const make = (conversation: Conversation): Session => {
  const turn = <A>(use: Effect.Effect<A, Failure>): Effect.Effect<A, Failure> => conversation.turns.turn(use)
  const { control } = conversation
  const size = (path: Path): Effect.Effect<number, Failure> =>
    conversation.setType("I").pipe(
      Effect.zipRight(simple(conversation, "SIZE", path)),
      Effect.flatMap((reply) => orFail(Answers.parseSize(reply)))
    )
  const session: Session & Showing.Shown = {
    ...Showing.of(
      "@copas/clients/FtpSession",
      () => ({ server: conversation.server, isSecure: conversation.isSecure })
    ),
    server: conversation.server,
    greeting: publicReply(conversation.greeting),
    features: conversation.features,
    codec: conversation.settings.codec,
    isSecure: conversation.isSecure,
    isUsable: Effect.sync(() => control.lost === undefined),

    pwd: turn(Effect.map(Directory.pwd(conversation), ({ path }) => path)),
    cd: (path) => turn(Effect.asVoid(conversation.exec(Command.withPath("CWD", path), { path }))),
    cdup: turn(Effect.asVoid(conversation.exec(Command.make("CDUP")))),

    list: (path) => turn(Effect.suspend(() => Listing.list(conversation, path))),
    listLines: (path) =>
      turn(
        Effect.map(Effect.suspend(() => Listing.all(conversation, path, "lines")), ({ lines }) => Array.from(lines))
      ),
    names: (path) => turn(Listing.names(conversation, path)),
    stat: (path) => turn(Effect.suspend(() => Presence.stat(conversation, path))),
    exists: (path) =>
      turn(Effect.suspend(() => Presence.stat(conversation, path))).pipe(
        Effect.as(true),
        Effect.catchTag("NotFound", () => Effect.succeed(false))
      ),
    size: (path) => turn(size(path)),
    modified: (path) =>
      turn(Effect.flatMap(
        simple(conversation, "MDTM", path),
        (reply) => orFail(Answers.parseModified(reply))
      )),
    setModified: (path, date) =>
      Effect.flatMap(
        orFail(Time.format(date)),
        (time) =>
          turn(Effect.asVoid(conversation.exec(Command.withPath("MFMT", path, time), {
            path,
            look: Presence.look(conversation, path)
          })))
      ),

    remove: (path) => turn(Effect.asVoid(simple(conversation, "DELE", path))),
    makeDirectory: (path, options) =>
      turn(options?.recursive === true ? makeDirectories(conversation, path) : makeDirectory(conversation, path)),
    removeDirectory: (path) => turn(Effect.asVoid(simple(conversation, "RMD", path))),
    rename: (from, to) => turn(Files.rename(conversation, from, to)),
    chmod: (path, mode) => turn(chmod(conversation, path, mode)),

    get: (path, options) => Files.get(conversation, path, options),
    download: (path, options) => Files.toStream(Download.open(conversation, path, options)),
    downloadFile: (path, localPath, options) => Files.downloadFile(conversation, path, localPath, options),
    put: (path, content, options) => Files.put(conversation, path, content, options),
    replace: (path, content, options) => Files.replace(conversation, path, content, options),
    checksum: (path, algorithm) => turn(Effect.suspend(() => Checksum.ask(conversation, path, algorithm))),
    upload: (path, options) => Files.toSink(Upload.open(conversation, path, options)),
    uploadFile: (localPath, path, options) => Files.uploadFile(conversation, localPath, path, options),

    noop: turn(Effect.asVoid(conversation.exec(Command.make("NOOP")))),
    system: turn(Effect.map(conversation.exec(Command.make("SYST")), Reply.text)),
    status: (path) =>
      turn(Effect.map(
        conversation.exec(Command.withPath("STAT", path), path === undefined ? {} : { path }),
        publicReply
      )),
    command: (line) => command(conversation, line)
  }
  conversations.set(session, conversation)
  return session
}
