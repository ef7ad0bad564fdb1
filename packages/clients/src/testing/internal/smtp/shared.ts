/**
 * What all connections of the test server share: what it was sent, its quirks, and who waits for either.
 */
import type * as Net from "@copas/core/Net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Primitives from "../../../internal/crypto/primitives.js"
import { now } from "../../../internal/effect/fibers.js"
import * as Keys from "../../../internal/smtp/sasl/keys.js"
import { cryptoOf } from "../../../internal/smtp/sasl/mechanisms.js"
import type { Message, Options, Quirks, Report } from "../../SmtpServer.js"
import { Changes } from "../changes.js"
import * as Reports from "./report.js"
import type { ServerContext } from "./sasl/exchange.js"

const defaultMemory = 256 * 1024 * 1024
/** RFC 7677, section 4: the least. */
const defaultRounds = 4096
const keysKept = 64
const mostTriplets = 10_000
/** What keeping a message or a command costs beside its bytes, about. */
const overhead = 100

export class Shared extends Changes {
  readonly options: Options
  readonly name: string
  /** What a log-in is judged by. */
  readonly accounts: Omit<ServerContext, "offered" | "channelBinding">
  quirks: Quirks
  readonly messages: Array<Message> = []
  readonly reports: Array<Report> = []
  commands: Array<string> = []
  open = 0
  total = 0
  most = 0
  private queued = 0
  private commandBytes = 0
  private messageBytes = 0
  private readonly memory: number
  /** When each triplet came first. */
  private readonly triplets = new Map<string, number>()

  constructor(options: Options, net: Net.Service) {
    super()
    this.options = options
    this.name = options.name ?? "mail.test"
    const tokens = new Map(Object.entries(options.tokens ?? {}))
    this.accounts = {
      host: this.name,
      users: new Map(Object.entries(options.users ?? {})),
      isToken: (user, token) => tokens.get(user) === token,
      crypto: cryptoOf(Primitives.make(net.crypto)),
      derive: Keys.cached(keysKept),
      rounds: options.rounds ?? defaultRounds,
      tokenRefusal: { status: "invalid_token", scope: "smtp" }
    }
    this.quirks = options.quirks ?? {}
    this.memory = options.memory ?? defaultMemory
  }

  /** A connection has opened or closed. */
  count(change: 1 | -1): void {
    this.open += change
    this.total += Math.max(0, change)
    this.most = Math.max(this.most, this.open)
  }

  nextQueueId(): string {
    this.queued += 1
    return this.queued.toString(36).toUpperCase().padStart(6, "0")
  }

  log(command: string): void {
    this.commands.push(command)
    this.commandBytes += command.length + overhead
    if (this.commandBytes <= this.memory) return
    // The older half goes.
    this.commands = this.commands.slice(Math.ceil(this.commands.length / 2))
    this.commandBytes = this.commands.reduce((sum, kept) => sum + kept.length + overhead, 0)
  }

  /** Whether there is room for a message of this size, beside what is under way. */
  hasRoom(size: number): boolean {
    return this.messageBytes + (this.options.keepsBytes === false ? 0 : size) + overhead <= this.memory
  }

  keep(message: Message): void {
    this.messages.push(message)
    this.messageBytes += message.bytes.length + JSON.stringify(message.envelope).length + overhead
    this.changed()
  }

  /** Keeps the report on a message, if there is to be one and there is room for it. */
  report(message: Message, replies: ReadonlyArray<string | undefined>, millis: number): void {
    const report = Reports.make(message, replies, this.name, millis)
    if (report === undefined || !this.hasRoom(report.bytes.length)) return
    this.reports.push(report)
    this.messageBytes += report.bytes.length + overhead
  }

  /** Whether this triplet came first less than `wait` ago, or comes first now. */
  isGrey(triplet: string, wait: Duration.DurationInput): Effect.Effect<boolean> {
    return Effect.map(now, (millis) => {
      const first = this.triplets.get(triplet)
      if (first === undefined) this.triplets.set(triplet, millis)
      // The first one that came goes.
      if (this.triplets.size > mostTriplets) this.triplets.delete(this.triplets.keys().next().value!)
      return millis - (first ?? millis) < Duration.toMillis(wait)
    })
  }
}
