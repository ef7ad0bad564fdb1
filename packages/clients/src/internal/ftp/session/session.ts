/**
 * The commands of a session, each in its turn.
 */
import * as Effect from "effect/Effect"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path, Reply as PublicReply, Session } from "../../../FtpSession.js"
import * as Answers from "../answers.js"
import * as Bytes from "../bytes.js"
import * as Command from "../command.js"
import * as Reply from "../reply.js"
import * as Time from "../time.js"
import type { Core } from "./core.js"
import * as Download from "./download.js"
import * as Files from "./files.js"
import * as Listing from "./listing.js"
import { orFail } from "./settings.js"
import * as Upload from "./upload.js"

// By way of `command` these would leave the session in a state that it does not know of.
const ownWords = new Map([
  ...["RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD"].map((verb) =>
    [verb, "it needs a data connection; use get, put, download, upload, list or names"] as const
  ),
  ...["PASV", "EPSV", "PORT", "EPRT", "REST", "TYPE", "MODE", "STRU", "ABOR", "PRET"].map((verb) =>
    [verb, "the session sends it by itself, with each transfer"] as const
  ),
  ...["AUTH", "PBSZ", "PROT", "CCC", "REIN", "USER", "PASS", "ACCT", "QUIT", "HOST", "ADAT"].map((verb) =>
    [verb, "it begins or ends a session; connect with the options for it, or leave the scope"] as const
  ),
  ...["RNFR", "RNTO"].map((verb) => [verb, "it is half of a renaming; use rename"] as const)
])

const publicReply = ({ code, lines }: Reply.Reply): PublicReply => ({ code, lines })

const shown = (core: Core, path: Path): string => typeof path === "string" ? path : core.settings.codec.decode(path)

const simple = (core: Core, verb: string, path: Path, ambiguous = true): Effect.Effect<Reply.Reply, Failure> =>
  core.exec(Command.withPath(verb, path), {
    path,
    ...(ambiguous ? { look: Effect.suspend(() => Listing.look(core, path)) } : {})
  })

const makeDirectory = (core: Core, path: Path): Effect.Effect<string, Failure> =>
  Effect.map(simple(core, "MKD", path), (reply) => {
    const pathname = Answers.parsePathname(reply, core.settings.codec)
    return pathname._tag === "Right" ? pathname.right.path : shown(core, path)
  })

/** From the last missing parent down; one that another client makes meanwhile is as good. */
const makeDirectories = (core: Core, path: Path): Effect.Effect<string, Failure> => {
  const there = (error: Failure): boolean => error._tag === "AlreadyExists"
  const refused = (error: Failure): boolean => error._tag === "NotFound" || error._tag === "FtpReplyError"
  return makeDirectory(core, path).pipe(
    Effect.catchIf(there, () => Effect.succeed(shown(core, path))),
    Effect.catchIf(refused, (error) => {
      const binary = typeof path === "string" ? path : Bytes.toBinary(path)
      const parent = /^(.*[^/])\/+[^/]+\/*$/s.exec(binary)?.[1]
      if (parent === undefined) return Effect.fail(error)
      return Effect.zipRight(
        makeDirectories(core, typeof path === "string" ? parent : Bytes.fromBinary(parent)),
        Effect.catchIf(makeDirectory(core, path), there, () => Effect.succeed(shown(core, path)))
      )
    })
  )
}

const rename = (core: Core, from: Path, to: Path): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    yield* core.exec(Command.withPath("RNFR", from), { path: from, intermediate: true })
    yield* core.exec(Command.withPath("RNTO", to), { path: to })
  })

const chmod = (core: Core, path: Path, mode: number): Effect.Effect<void, Failure> => {
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) {
    return Effect.fail(
      new FtpError.InvalidArgument({ what: "CHMOD", argument: String(mode), reason: "a mode is from 0 to 0o7777" })
    )
  }
  const command = Command.withPath("SITE", path, "CHMOD", mode.toString(8).padStart(3, "0"))
  return Effect.asVoid(core.exec(command, { path, look: Effect.suspend(() => Listing.look(core, path)) }))
}

const command = (
  core: Core,
  line: Parameters<Session["command"]>[0]
): Effect.Effect<PublicReply, Failure> => {
  const parsed = typeof line === "string" ? Command.parse(line) : Command.make(...line)
  const why = ownWords.get(parsed.verb)
  if (why !== undefined) {
    return Effect.fail(
      new FtpError.InvalidArgument({ what: "command", argument: Command.printable(parsed), reason: why })
    )
  }
  return Effect.map(core.turn(core.exec(parsed, { intermediate: true })), publicReply)
}

export interface InternalSession extends Session {
  readonly core: Core
}

export const make = (core: Core): InternalSession => {
  const turn = core.turn.bind(core) as typeof core.turn
  const { control } = core
  const size = (path: Path): Effect.Effect<number, Failure> =>
    core.setType("I").pipe(
      Effect.zipRight(core.exec(Command.withPath("SIZE", path), { path })),
      Effect.flatMap((reply) => orFail(Answers.parseSize(reply)))
    )
  return {
    core,
    server: core.server,
    greeting: publicReply(core.greeting),
    features: core.features,
    codec: core.settings.codec,
    isSecure: core.isSecure,
    isUsable: Effect.sync(() => control.lost === undefined),

    pwd: turn(Effect.map(Listing.pwd(core), ({ path }) => path)),
    cd: (path) => turn(Effect.asVoid(core.exec(Command.withPath("CWD", path), { path }))),
    cdup: turn(Effect.asVoid(core.exec(Command.make("CDUP")))),

    list: (path) => turn(Effect.map(Effect.suspend(() => Listing.lines(core, path)), Listing.children)),
    listLines: (path) => turn(Effect.suspend(() => Listing.lines(core, path))),
    names: (path) => turn(Listing.names(core, path)),
    stat: (path) => turn(Effect.suspend(() => Listing.stat(core, path))),
    exists: (path) =>
      turn(Effect.suspend(() => Listing.stat(core, path))).pipe(
        Effect.as(true),
        Effect.catchTag("NotFound", () => Effect.succeed(false))
      ),
    size: (path) => turn(size(path)),
    modified: (path) =>
      turn(Effect.flatMap(
        core.exec(Command.withPath("MDTM", path), { path }),
        (reply) => orFail(Answers.parseModified(reply))
      )),
    setModified: (path, date) =>
      Effect.flatMap(
        orFail(Time.format(date)),
        (time) =>
          turn(Effect.asVoid(core.exec(Command.withPath("MFMT", path, time), {
            path,
            look: Effect.suspend(() => Listing.look(core, path))
          })))
      ),

    remove: (path) => turn(Effect.asVoid(simple(core, "DELE", path))),
    makeDirectory: (path, options) =>
      turn(options?.recursive === true ? makeDirectories(core, path) : makeDirectory(core, path)),
    removeDirectory: (path) => turn(Effect.asVoid(simple(core, "RMD", path))),
    rename: (from, to) => turn(rename(core, from, to)),
    chmod: (path, mode) => turn(chmod(core, path, mode)),

    get: (path, options) => Files.get(core, path, options),
    download: (path, options) => Files.toStream(Download.open(core, path, options)),
    downloadFile: (path, localPath, options) => Files.downloadFile(core, path, localPath, options),
    put: (path, content, options) => Files.put(core, path, content, options),
    upload: (path, options) => Files.toSink(Upload.open(core, path, options)),
    uploadFile: (localPath, path, options) => Files.uploadFile(core, localPath, path, options),

    noop: turn(Effect.asVoid(core.exec(Command.make("NOOP")))),
    system: turn(Effect.map(core.exec(Command.make("SYST")), Reply.text)),
    status: (path) =>
      turn(Effect.map(
        core.exec(Command.withPath("STAT", path), path === undefined ? {} : { path }),
        publicReply
      )),
    command: (line) => command(core, line)
  }
}
