/**
 * Uploads: sending to the end, and being sure that it has arrived.
 */
import type { SendError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path, Transferred, UploadOptions } from "../../../FtpSession.js"
import type * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Ascii from "../ascii.js"
import type { Running } from "../checksum.js"
import * as Command from "../command.js"
import * as Beforehand from "./beforehand.js"
import * as Checksum from "./checksum.js"
import type { Conversation } from "./conversation.js"
import { checkOffset } from "./download.js"
import * as Transfer from "./transfer.js"

export interface Upload {
  readonly send: (chunk: Uint8Array) => Effect.Effect<void, Failure>
  /** Waits until at most this many sent bytes wait for the system: the memory of those before may be reused. */
  readonly drainTo: (bytes: number) => Effect.Effect<void, Failure>
  /** Ends the file, and finds out whether the server has it all. */
  readonly finish: Effect.Effect<Transferred, Failure>
}

interface Plan {
  readonly isText: boolean
  /** How much of the file was there before, where it is known. */
  readonly base: Option.Option<number>
  /** How many bytes are to come, where it is known. */
  readonly size: number | undefined
  readonly isUnique: boolean
}

/** How many bytes go out without a watch: the server has no time to stop so short a transfer. */
const mostUnwatched = 64 * 1024

class Uploading implements Upload {
  readonly transfer: Transfer.Transfer
  private readonly plan: Plan
  private readonly text: Ascii.Transducer | undefined
  private readonly checksum: Running | undefined

  constructor(transfer: Transfer.Transfer, plan: Plan) {
    this.transfer = transfer
    this.plan = plan
    this.text = plan.isText ? Ascii.toNetwork() : undefined
    const isWhole = !plan.isText && transfer.request.offset === 0 && transfer.request.command.verb !== "APPE"
    this.checksum = isWhole ? Checksum.running(transfer.conversation) : undefined
  }

  send(chunk: Uint8Array): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      const { exchange } = this.transfer
      if (exchange.final !== undefined) return this.cutShort(undefined)
      const bytes = this.text === undefined ? chunk : this.text.push(chunk)
      this.checksum?.update(bytes)
      const isSmall = this.transfer.moved + bytes.length <= mostUnwatched
      this.transfer.moved += bytes.length
      const send = Effect.catchAll(this.transfer.wire.send(bytes), (error) => this.cutShort(error))
      return isSmall ? send : Effect.zipRight(this.transfer.startWatch, send)
    })
  }

  drainTo(bytes: number): Effect.Effect<void, Failure> {
    const { data } = this.transfer
    return Effect.flatMap(
      data.stats,
      ({ sendBuffered }) =>
        sendBuffered <= bytes ? Effect.void : Effect.catchAll(data.flush, (error) => this.cutShort(error))
    )
  }

  get finish(): Effect.Effect<Transferred, Failure> {
    const { transfer } = this
    return Effect.gen(this, function*() {
      const rest = this.text?.end() ?? Bytes.empty
      if (rest.length > 0) yield* this.send(rest)
      // All was sent. If the connection broke since, the server's word and SIZE decide whether it arrived.
      const broken = yield* Effect.catchAll(
        Effect.as(transfer.wire.end, undefined),
        (error) => error._tag === "SocketTimeout" ? this.cutShort(error) : Effect.succeed(error)
      )
      // Under TLS some servers close before they reply and some after, so neither is waited for first.
      const final = yield* Effect.mapError(
        transfer.dataTls === "none"
          ? transfer.final
          : Effect.map(
            Effect.all([Effect.ignore(transfer.data.close), transfer.final], { concurrency: "unbounded" }),
            ([, reply]) => reply
          ),
        (error) => this.lost(error)
      )
      if (transfer.isRefused(final)) return yield* this.refused(final)
      const { conversation, request } = transfer
      const name = this.plan.isUnique ? this.uniqueName(final) : Option.none()
      const path = Option.match(name, { onNone: () => request.path, onSome: ({ rawPath }) => rawPath })
      const shown = Option.match(name, { onNone: () => transfer.pathShown, onSome: ({ path }) => path })
      const done = { path: shown, bytes: transfer.moved }
      // Keep-alives that were never answered end the session, and do not fail a transfer that the server confirmed.
      const canVerify = !this.plan.isText && conversation.settings.verify && path !== undefined &&
        conversation.control.lost === undefined
      const verified = canVerify && (yield* this.verify(path, shown))
      if (canVerify && this.checksum !== undefined) {
        const compared = Checksum.difference(conversation, path, this.checksum)
        const difference = yield* Effect.mapError(compared, (error) => this.lost(error, undefined, shown))
        if (Option.isSome(difference)) return yield* this.transfer.unknown(difference.value, undefined, shown)
      }
      return broken === undefined || verified
        ? { ...done, verified }
        : yield* this.transfer.unknown(broken.message, broken, shown)
    })
  }

  private uniqueName(final: Reply.Reply): Option.Option<Answers.Pathname> {
    const { conversation, exchange } = this.transfer
    const first = exchange.preliminary === undefined
      ? Option.none()
      : Answers.uniqueName(exchange.preliminary, conversation.settings.codec)
    return Option.orElse(first, () => Answers.uniqueName(final, conversation.settings.codec))
  }

  private verify(path: Path, shown: string): Effect.Effect<boolean, Failure> {
    const asked = Effect.mapError(
      this.transfer.conversation.trySize(path),
      (error) => this.lost(error, "the server said it is complete, and its word on the size did not come", shown)
    )
    return Effect.flatMap(asked, (size) => {
      if (Option.isNone(size)) return Effect.succeed(false)
      const total = Option.getOrElse(this.plan.base, () => 0) + this.transfer.moved
      if (size.value === total) return Effect.succeed(true)
      // A file that was appended to may have been any length, but not a negative one.
      if (size.value > total && Option.isNone(this.plan.base)) return Effect.succeed(false)
      return Effect.fail(
        size.value < total
          ? this.transfer.incomplete(total, size.value, undefined, shown)
          : this.transfer.unknown(
            `the server said it is complete, but has ${size.value} bytes instead of ${total}`,
            undefined,
            shown
          )
      )
    })
  }

  // ---- failures

  /** The server stopped it: the final reply says why, if there is one. */
  private cutShort(error: SendError | undefined): Effect.Effect<never, Failure> {
    const { transfer } = this
    return Effect.zipRight(
      transfer.abort,
      Effect.suspend((): Effect.Effect<never, Failure> => {
        const { final } = transfer.exchange
        return final !== undefined && transfer.isRefused(final) && final.code !== 426
          ? Effect.fail(transfer.refusal(final))
          : this.arrived(this.plan.size, error?.message ?? "the server ended it before it was complete", error)
      })
    )
  }

  /** A refusal after all was sent. */
  private refused(final: Reply.Reply): Effect.Effect<never, Failure> {
    return final.code === 426
      ? this.arrived(
        this.transfer.moved,
        `all was sent, and the server said ${final.code} ${Bytes.show(final.lines.join(" / "), 100)}`,
        this.transfer.refusal(final)
      )
      : Effect.fail(this.transfer.refusal(final))
  }

  /** Finds out how much of the file the server has. */
  private arrived(
    size: number | undefined,
    lastKnown: string,
    cause: unknown
  ): Effect.Effect<never, Failure> {
    const { conversation, request } = this.transfer
    const { base } = this.plan
    if (
      conversation.control.lost !== undefined || this.plan.isText || request.path === undefined || Option.isNone(base)
    ) {
      return Effect.fail(this.transfer.unknown(lastKnown, cause))
    }
    return conversation.trySize(request.path).pipe(
      Effect.orElseSucceed(() => Option.none<number>()),
      Effect.flatMap((has) => {
        if (Option.isNone(has)) return Effect.fail(this.transfer.unknown(lastKnown, cause))
        const total = size === undefined ? undefined : base.value + size
        return Effect.fail(
          total !== undefined && has.value < total
            ? this.transfer.incomplete(total, has.value, cause)
            : this.transfer.unknown(`${lastKnown}; the server's file has ${has.value} bytes`, cause)
        )
      })
    )
  }

  private lost(
    error: Failure,
    lastKnown = "all was sent, and the server's word that it has it did not come",
    path = this.transfer.pathShown
  ): Failure {
    return Transfer.isLoss(error)
      ? this.transfer.unknown(lastKnown, error, path)
      : error
  }
}

const verbs = { replace: "STOR", append: "APPE", unique: "STOU" } as const

/** Begins an upload; it is aborted when the scope ends before `finish` has. */
export const open = (
  conversation: Conversation,
  path: Path,
  options: UploadOptions = {}
): Effect.Effect<Upload, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const { mode = "replace", offset = 0, type = "binary" } = options
    yield* checkOffset(verbs[mode], offset)
    if (offset > 0 && mode !== "replace") {
      return yield* new FtpError.InvalidArgument({
        protocol: "ftp",
        what: verbs[mode],
        argument: String(offset),
        reason: "an offset goes with the mode \"replace\" alone"
      })
    }
    // STOU takes no name (RFC 959); the server chooses one in the working directory.
    const command = mode === "unique" ? Command.make("STOU") : Command.withPath(verbs[mode], path)
    yield* Beforehand.checkCommand(conversation, command)
    yield* conversation.turns.scoped
    const isText = type === "text"
    const base = mode === "append"
      ? isText || !conversation.settings.verify ? Option.none() : yield* conversation.trySize(path)
      : Option.some(offset)
    const transfer = yield* Transfer.open(conversation, {
      direction: "upload",
      command,
      path: mode === "unique" ? undefined : path,
      type: isText ? "A" : "I",
      offset
    })
    return new Uploading(transfer, { isText, base, size: options.size, isUnique: mode === "unique" })
  })
