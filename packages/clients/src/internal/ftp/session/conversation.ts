/**
 * What the parts of a session share: the control connection, what is known of the server, and whose turn it is.
 */
import type * as Net from "@copas/core/Net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import * as Reply from "../../replies/reply.js"
import * as Spans from "../../replies/spans.js"
import { Turns } from "../../replies/turns.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Command from "../command.js"
import * as Features from "../features.js"
import * as Refusal from "../refusal.js"
import * as Verbs from "../verbs.js"
import type { Control } from "./control.js"
import type { Settings } from "./settings.js"
import * as Spelling from "./spelling.js"

export interface ExecOptions {
  readonly path?: Command.Path | undefined
  /** Who logs in, if that is not the server's user. */
  readonly user?: string | undefined
  readonly onFinal?: ((reply: Reply.Reply) => void) | undefined
  /** A reply of 3yz is an answer, too. */
  readonly intermediate?: boolean | undefined
  /** What a look after a refusal has found. */
  readonly look?: Effect.Effect<"exists" | "absent" | undefined, Failure> | undefined
}

export class Conversation {
  readonly control: Control
  readonly settings: Settings
  readonly net: Net.Service
  readonly turns: Turns
  features: Features.Features = Features.none
  greeting: Reply.Reply = { code: 0, lines: [], rawLines: [] }
  isSecure = false
  /** All TLS connections of this session go by one key, so that data connections resume the control connection's. */
  readonly sessionKey: string
  /** The representation type as the server has it; unknown while a TYPE is under way. */
  type: "A" | "I" | undefined = undefined
  /** The server was told MODE Z, and took it. */
  isCoded = false
  /** A REST went out, and no transfer after it. */
  restPending = false
  /** The algorithm that HASH uses, once it was set; unknown while an OPTS is under way. */
  hash: string | undefined = undefined
  /** The way of data connections that worked. */
  mode: FtpError.DataMode | undefined = undefined
  /** The working directory may not be the one that the login began in. */
  hasMoved = false
  /** The working directory, once the server was asked: none where it does not tell. `undefined` after each move. */
  here: Option.Option<Answers.Pathname> | undefined = undefined
  /** The server has answered MLST with an entry, so its refusal says that there is none. */
  hasMlst = false
  /** The commands that have answered an empty directory with an empty list: their refusal says something else. */
  readonly listsEmpty = new Set<string>()
  /** The commands in whose listings the directory itself has stood: a listing without it is not one of a directory. */
  readonly showsSelf = new Set<string>()
  /** The commands that list the working directory alone, with a blank after them if only such paths trouble them. */
  readonly pathless = new Set<string>()
  /** Whether LIST takes `-a`. */
  dotFiles: boolean | undefined = undefined
  /** Set once a command was answered with "not known". */
  readonly unknown = new Set<string>()

  constructor(control: Control, settings: Settings, net: Net.Service) {
    this.control = control
    this.turns = new Turns(control, "a transfer")
    this.settings = settings
    this.net = net
    this.sessionKey = `ftp:${control.socket.id}`
  }

  get server(): string {
    return this.settings.server
  }

  /** A path as the bytes that name it. */
  raw(path: Command.Path): Uint8Array {
    return typeof path === "string" ? Option.getOrElse(this.settings.codec.encode(path), () => Bytes.empty) : path
  }

  /** A path as text, as results have it. */
  text(path: Command.Path): string {
    return typeof path === "string" ? path : this.settings.codec.decode(path)
  }

  // ---- commands

  refusal(reply: Reply.Reply, command: Command.Command, more?: Partial<Refusal.Context>): Refusal.Refusal {
    const refusal = Refusal.fromReply(reply, {
      server: this.server,
      command,
      user: this.settings.user,
      secure: this.isSecure,
      ...more
    })
    if (refusal._tag === "NotSupported" && refusal.code !== 504) this.unknown.add(command.verb)
    return refusal
  }

  /** Sends a command whose turn it is, and awaits its last reply. */
  exec(command: Command.Command, options: ExecOptions = {}): Effect.Effect<Reply.Reply, Failure> {
    const more = {
      ...(options.path === undefined ? {} : { path: options.path }),
      ...(options.user === undefined ? {} : { user: options.user })
    }
    const sent = this.send(command, options.onFinal)
    return sent.pipe(
      Effect.flatMap((reply): Effect.Effect<Reply.Reply, Failure> => {
        const kind = Reply.kind(reply)
        if (kind === "completion" || (kind === "intermediate" && options.intermediate === true)) {
          return Effect.succeed(reply)
        }
        if (kind === "intermediate" || kind === "protected") {
          return Effect.fail(
            new FtpError.ProtocolViolation({
              protocol: "ftp",
              server: this.server,
              what: `the reply to ${command.verb} is not an answer to it`,
              received: Reply.show(reply)
            })
          )
        }
        const ambiguous = options.look !== undefined && Refusal.isAmbiguous(reply.code)
        const found = ambiguous
          ? Effect.orElseSucceed(options.look!, () => undefined)
          : Effect.succeed(undefined)
        return Effect.flatMap(
          found,
          (found): Effect.Effect<Reply.Reply, Failure> =>
            Effect.fail(this.refusal(reply, command, found === undefined ? more : { ...more, found }))
        )
      })
    )
  }

  /** The last reply, whatever it is. */
  send(
    command: Command.Command,
    onFinal?: (reply: Reply.Reply) => void
  ): Effect.Effect<Reply.Reply, Failure> {
    return Effect.zipRight(Spelling.settle(this, command), this.sendOnce(command, onFinal))
  }

  private sendOnce(
    command: Command.Command,
    onFinal?: (reply: Reply.Reply) => void
  ): Effect.Effect<Reply.Reply, Failure> {
    const submit = this.control.submit(command, onFinal === undefined ? {} : { onFinal })
    // With each run: the Effect of `cdup`, for one, is made once.
    const submitted = Verbs.is(command.verb, "moves")
      ? Effect.suspend(() => {
        this.hasMoved = true
        this.here = undefined
        return submit
      })
      : submit
    return Effect.flatMap(
      submitted,
      (exchange) => Effect.mapError(this.control.await(exchange), (error) => this.afterSending(command, error))
    ).pipe(
      Spans.command("ftp", this.settings, command)
    )
  }

  /** A session that is lost after a command went out leaves open what became of it. */
  afterSending(
    command: Command.Command,
    error: Failure,
    known: { readonly lastKnown?: string; readonly moved?: number; readonly path?: string } = {}
  ): Failure {
    const isLoss = error._tag === "SocketClosed" || error._tag === "SocketBroken" || error._tag === "SocketTimeout"
    if (!isLoss || Verbs.is(command.verb, "looks")) return error
    const { lastKnown = "it was sent, and no reply came", moved, path } = known
    return new FtpError.OutcomeUnknown({
      server: this.server,
      command: Command.printable(command),
      lastKnown,
      cause: error,
      ...(moved === undefined ? {} : { moved }),
      ...(path === undefined ? {} : { path })
    })
  }

  /** TYPE, unless the server has it already. */
  setType(type: "A" | "I"): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (this.type === type) return Effect.void
      this.type = undefined
      return Effect.asVoid(
        this.exec(Command.make("TYPE", type), {
          onFinal: (reply) => {
            if (Reply.kind(reply) === "completion") this.type = type
          }
        })
      )
    })
  }

  /** SIZE in TYPE I, where the server knows it; none when it does not say. */
  trySize(path: Command.Path): Effect.Effect<Option.Option<number>, Failure> {
    return Effect.suspend(() => {
      if (this.unknown.has("SIZE")) return Effect.succeedNone
      return Effect.zipRight(this.setType("I"), this.send(Command.withPath("SIZE", path))).pipe(
        Effect.map((reply) => {
          if (reply.code === 500 || reply.code === 502) this.unknown.add("SIZE")
          return reply.code === 213 ? sizeOf(reply) : Option.none()
        })
      )
    })
  }
}

const sizeOf = (reply: Reply.Reply): Option.Option<number> => Option.getRight(Answers.parseSize(reply))
