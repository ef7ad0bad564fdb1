/**
 * Which reply belongs to which command: every command that went out has its replies, in order, or the session ends.
 *
 * The ledger is pure. A command whose sender was interrupted stays in it, and its reply is entered like any other. So no
 * reply is ever taken for another command's: a reply that nobody is owed, that came before its command went out, or that
 * cannot be the answer to its command is a problem, and with it the session is given up.
 */
import { type Protocol, ProtocolViolation, ServiceUnavailable } from "../../ReplyError.js"
import * as Command from "./command.js"
import * as Reply from "./reply.js"

/** What is expected of the replies to a command. */
export interface Expectation {
  /** Whether a last reply with this code can be the command's. Default: any can. */
  readonly accepts?: ((code: number) => boolean) | undefined
  /** Whether a reply that comes while this command is the first is the one to `later`, which overtook it. */
  readonly yields?: ((reply: Reply.Reply, later: Exchange, self: Exchange) => boolean) | undefined
  /** Called with the last reply as soon as it is entered, also when nobody waits for it any more. */
  readonly onFinal?: ((reply: Reply.Reply) => void) | undefined
}

/** A command that went out, and what came of it. */
export interface Exchange {
  readonly command: Command.Command
  readonly expectation: Expectation
  /** The first reply of 1yz. */
  preliminary: Reply.Reply | undefined
  preliminaries: number
  /** The last reply: whatever is not 1yz. Of DATA it is the 354, of AUTH each 334. */
  final: Reply.Reply | undefined
}

export const exchange = (command: Command.Command, expectation: Expectation = {}): Exchange => ({
  command,
  expectation,
  preliminary: undefined,
  preliminaries: 0,
  final: undefined
})

export type Problem = ProtocolViolation | ServiceUnavailable

/** Whose ledger it is. */
export interface Origin {
  readonly protocol: Protocol
  readonly server: string
}

const mostPreliminaries = 16
/** The most replies that may wait unread beyond those that are owed. More come only from a peer that talks to itself. */
const mostSurplus = 1000

export class Ledger {
  private readonly origin: Origin
  /** Whether a reply that no command is owed can be dropped, since it can be nobody else's either. */
  private readonly isStray: (reply: Reply.Reply) => boolean
  private open: Array<Exchange> = []
  private arrived: Array<Reply.Reply> = []

  constructor(origin: Origin, isStray: (reply: Reply.Reply) => boolean = () => false) {
    this.origin = origin
    this.isStray = isStray
  }

  /** Hides the secrets of the command that is answered next, in what is no reply. */
  mask(text: string): string {
    const first = this.open[0]
    return first === undefined ? text : Command.hide(Command.secretsOf(first.command), text)
  }

  /** How many commands have not had their last reply. */
  get owed(): number {
    return this.open.length
  }

  /** How many replies wait to be entered. */
  get waiting(): number {
    return this.arrived.length
  }

  /** No reply is owed, and none waits to be entered. */
  get isQuiet(): boolean {
    return this.open.length === 0 && this.arrived.length === 0
  }

  /**
   * Enters commands that go out now: all of them or, with a problem, none. What has arrived until now is the answer to
   * earlier ones.
   */
  submit(exchanges: ReadonlyArray<Exchange>): Problem | undefined {
    const problem = this.enterAll()
    if (problem === undefined) this.open.push(...exchanges)
    return problem
  }

  /** Takes replies that came. They are entered one by one, each when somebody looks for it. */
  arrive(replies: ReadonlyArray<Reply.Reply>): Problem | undefined {
    for (const reply of replies) this.arrived.push(reply)
    return this.arrived.length > this.open.length + mostSurplus
      ? this.violation("replies come that nobody asked for", this.arrived[0]!)
      : undefined
  }

  /** The next reply that waits to be entered. The caller enters it, or knows whose it is. */
  take(): Reply.Reply | undefined {
    return this.arrived.shift()
  }

  /** Enters every reply that waits. */
  enterAll(): Problem | undefined {
    for (let reply = this.take(); reply !== undefined; reply = this.take()) {
      const problem = this.enter(reply)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  /** Enters a reply. */
  enter(given: Reply.Reply): Problem | undefined {
    const first = this.open[0]
    const secrets = first === undefined ? [] : Command.secretsOf(first.command)
    const reply = secrets.length > 0
      ? { ...given, lines: given.lines.map((line) => Command.hide(secrets, line)), rawLines: [] }
      : given
    // RFC 959, section 5.4, and RFC 5321, section 3.8: 421 ends the session, whatever it answers.
    if (reply.code === 421) {
      return new ServiceUnavailable({
        ...this.origin,
        command: Command.printable(first?.command ?? Command.make("wait")),
        code: reply.code,
        lines: reply.lines
      })
    }
    const isOwed = first !== undefined && first.expectation.accepts?.(reply.code) !== false
    if (!isOwed && this.isStray(reply)) return undefined
    if (first === undefined) return this.violation("a reply came that nobody asked for", reply)
    if (Reply.kind(reply) === "preliminary") {
      first.preliminary ??= reply
      first.preliminaries += 1
      return first.preliminaries > mostPreliminaries
        ? this.violation("preliminary replies do not end", reply)
        : undefined
    }
    const { yields } = first.expectation
    const index = yields === undefined
      ? 0
      : Math.max(0, this.open.findIndex((later) => later !== first && yields(reply, later, first)))
    const owner = this.open[index]!
    if (owner.expectation.accepts?.(reply.code) === false) {
      return this.violation(`the reply to ${owner.command.verb} is another command's`, reply)
    }
    this.open.splice(index, 1)
    owner.final = reply
    owner.expectation.onFinal?.(reply)
    return undefined
  }

  /** Nothing is owed any more, and what waits is dropped: the session has ended, or finds its way back by a marker. */
  clear(): void {
    this.open = []
    this.arrived = []
  }

  violation(what: string, reply: Reply.Reply): ProtocolViolation {
    return new ProtocolViolation({ ...this.origin, what, received: Reply.show(reply) })
  }
}
