/**
 * One control connection of the test server: reading commands, writing replies, and the transfer that is under way.
 */
import type * as Net from "@copas/core/Net"
import type { InetSocket, Socket } from "@copas/core/Socket"
import * as Tls from "@copas/core/Tls"
import type { ServerContext } from "@copas/core/TlsContext"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ChecksumAlgorithm } from "../../../FtpSession.js"
import type { RunningFiber } from "../../../internal/effect/fibers.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Quirks } from "../../FtpServer.js"
import type { Disk } from "./disk.js"

/** What all connections of a server share. */
export interface Shared {
  readonly disk: Disk
  readonly net: Net.Service
  readonly tls: ServerContext | undefined
  readonly users: { readonly [user: string]: string } | undefined
  readonly commands: Array<string>
  quirks: Quirks
  control: number
  data: number
}

export type Conversation = Effect.Effect<void, unknown>

/** A client that sends more commands than this while one waits for the end of the transfer is cut. */
const mostAhead = 100

export class Client {
  readonly shared: Shared
  readonly socket: InetSocket
  isSecure: boolean
  protectsData = false
  user: string | undefined = undefined
  isLoggedIn = false
  directory = "/"
  type: "A" | "I" = "A"
  /** MODE Z. */
  isCoded = false
  offset = 0
  renameFrom: string | undefined = undefined
  isOver = false
  /** Its answer to USER, since there are too many connections. */
  refusal: string | undefined = undefined
  /** The algorithm of HASH, once OPTS has set it. */
  hash: ChecksumAlgorithm | undefined = undefined
  /** PRET came, and no PASV or EPSV since. */
  isAnnounced = false
  /** How the next data connection comes about. */
  private arranged: Effect.Effect<Socket, unknown, Scope.Scope> | undefined = undefined
  private arrangedScope: Scope.CloseableScope | undefined = undefined
  private transfer: RunningFiber<void, unknown> | undefined = undefined
  /** NOOPs that are answered after the transfer. */
  private late = 0
  /** Commands that came while one waited for the end of the transfer. */
  private ahead: Array<string> = []

  constructor(shared: Shared, socket: InetSocket, isSecure: boolean) {
    this.shared = shared
    this.socket = socket
    this.isSecure = isSecure
    this.protectsData = isSecure
  }

  get quirks(): Quirks {
    return this.shared.quirks
  }

  // ---- commands and replies

  /** The next command. */
  get line(): Effect.Effect<string, unknown> {
    return Effect.suspend(() => {
      const line = this.ahead.shift()
      return line === undefined ? this.socket.receiveLine({ encoding: "latin1" }) : Effect.succeed(line)
    })
  }

  /**
   * Reads on while a command waits for the end of the transfer: otherwise nothing tells that the client has gone, and a
   * transfer whose data connection never comes would wait for it for good. It ends by failing.
   */
  private get readAhead(): Effect.Effect<never, unknown> {
    const next = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        restore(this.socket.receiveLine({ encoding: "latin1" })),
        (line) => this.ahead.push(line) > mostAhead ? Effect.fail("too many commands wait") : Effect.void
      )
    )
    return Effect.forever(next)
  }

  reply(text: string): Conversation {
    const { delay, multiline } = this.quirks
    const send = Effect.suspend(() => {
      const code = text.slice(0, 3)
      const whole = multiline === true && !text.includes("\n")
        ? `${code}-First\r\n999 no code, text\r\n ${code} neither\r\n${text}`
        : text.replaceAll("\n", "\r\n")
      return this.socket.send(Bytes.fromBinary(`${whole}\r\n`))
    })
    return delay === undefined ? send : Effect.delay(send, delay)
  }

  /** Like `reply`, but with nothing added to it. */
  say(text: string): Conversation {
    return this.socket.send(Bytes.fromBinary(text))
  }

  // ---- data connections

  /** Closes the listener of the last PASV or EPSV. Interrupted between its steps, it would leave it open for good. */
  get forget(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      const scope = this.arrangedScope
      this.arranged = undefined
      this.arrangedScope = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    }))
  }

  get end(): Effect.Effect<void> {
    return Effect.zipRight(
      Effect.suspend(() => this.transfer === undefined ? Effect.void : Fiber.interrupt(this.transfer)),
      this.forget
    )
  }

  listen(then: (port: number) => Conversation): Conversation {
    return Effect.gen(this, function*() {
      yield* this.forget
      const scope = yield* Scope.make()
      this.arrangedScope = scope
      const { host } = this.socket.localAddress
      const listener = yield* Scope.extend(this.shared.net.listen({ host, port: 0, linger: 0 }), scope)
      this.arranged = listener.accept
      yield* then(listener.port)
    })
  }

  connectTo(host: string, port: number): Conversation {
    return Effect.zipRight(
      this.forget,
      Effect.sync(() => {
        this.arranged = this.shared.net.connect({ host, port, linger: 0, timeouts: { connect: "5 seconds" } })
      })
    )
  }

  // ---- transfers

  /** Runs `use` on a data connection, behind a 150; other commands meanwhile are answered by `during`. */
  startTransfer(
    use: (data: Socket) => Effect.Effect<string, unknown>
  ): Conversation {
    return Effect.suspend(() => {
      const { arranged, arrangedScope } = this
      if (arranged === undefined) return Effect.interruptible(this.reply("425 Use EPSV or PASV first"))
      this.arranged = undefined
      this.arrangedScope = undefined
      return this.moveData(arranged, arrangedScope, use)
    }).pipe(Effect.uninterruptible)
  }

  private count(change: 1 | -1): Effect.Effect<void> {
    return Effect.sync(() => {
      this.shared.data += change
    })
  }

  /** Forks the transfer, which closes `scope` however early it is interrupted: before its first step, too. */
  private moveData(
    arranged: Effect.Effect<Socket, unknown, Scope.Scope>,
    scope: Scope.CloseableScope | undefined,
    use: (data: Socket) => Effect.Effect<string, unknown>
  ): Conversation {
    const moving = Effect.scoped(Effect.gen(this, function*() {
      const data = yield* arranged
      yield* Effect.acquireRelease(this.count(1), () => this.count(-1))
      if (this.protectsData && this.shared.tls !== undefined) {
        yield* Effect.onExit(
          Tls.upgrade(data, this.shared.tls),
          (exit) => Exit.isFailure(exit) && this.quirks.endsAtBrokenHandshake === true ? this.socket.abort : Effect.void
        )
        if (this.quirks.requireResumption === true && !Option.exists(data.tls, (tls) => tls.isResumed)) {
          return "522 SSL connection failed; session reuse required"
        }
      }
      return yield* use(data)
    }))
    const whole = (begun: Deferred.Deferred<void>) =>
      Effect.gen(this, function*() {
        yield* Deferred.await(begun)
        yield* this.reply("150 Here it comes")
        const outcome = yield* Effect.exit(moving)
        const final = this.quirks.final ?? (Exit.isSuccess(outcome) ? outcome.value : "426 The data connection broke")
        const times = final.startsWith("226") ? this.quirks.completions ?? 1 : 1
        for (let time = 0; time < times && final !== ""; time++) yield* this.reply(final)
        for (; this.late > 0; this.late--) yield* this.reply("200 Still here")
      }).pipe(
        Effect.interruptible,
        Effect.ensuring(Effect.suspend(() => scope === undefined ? Effect.void : Scope.close(scope, Exit.void))),
        Effect.ensuring(Effect.sync(() => {
          this.transfer = undefined
        }))
      )
    return Effect.gen(this, function*() {
      const begun = yield* Deferred.make<void>()
      this.transfer = yield* Effect.forkDaemon(whole(begun))
      yield* Deferred.succeed(begun, undefined)
    })
  }

  /** What may be said while a transfer runs. True when that was all. */
  during(verb: string): Effect.Effect<boolean, unknown> {
    const { transfer } = this
    if (transfer === undefined) return Effect.succeed(false)
    if (verb === "ABOR") return Effect.as(this.abort(transfer), true)
    if (verb !== "NOOP") return Effect.as(Effect.raceFirst(Fiber.await(transfer), this.readAhead), false)
    switch (this.quirks.noop ?? "at once") {
      case "at once":
        return Effect.as(this.reply("200 Still here"), true)
      case "behind":
        this.late += 1
        return Effect.succeed(true)
      case "swallowed":
        return Effect.succeed(true)
    }
  }

  private abort(transfer: RunningFiber<void, unknown>): Conversation {
    const { abort = "both" } = this.quirks
    return Effect.zipRight(
      Fiber.interrupt(transfer),
      abort === "silent"
        ? Effect.void
        : abort === "lone"
        ? this.reply("226 Aborted")
        : Effect.zipRight(this.reply("426 The transfer was aborted"), this.reply("226 Aborted"))
    )
  }
}
