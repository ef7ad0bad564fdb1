/**
 * Downloads: reading to the end, and being sure that it was the end.
 */
import { isEndOfConversation, type ReceiveError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { DownloadOptions, Failure, Path, Transferred } from "../../../FtpSession.js"
import * as Bytes from "../../text/bytes.js"
import * as Ascii from "../ascii.js"
import type { Running } from "../checksum.js"
import * as Command from "../command.js"
import type { CodingFault } from "../deflate.js"
import * as Beforehand from "./beforehand.js"
import * as Checksum from "./checksum.js"
import type { Conversation } from "./conversation.js"
import * as Presence from "./presence.js"
import * as Transfer from "./transfer.js"

export interface Download {
  /** The next bytes, or `undefined` once everything came and was found right. */
  readonly receive: Effect.Effect<Uint8Array | undefined, Failure>
  /** Gives back a chunk that will not be read again. */
  readonly recycle: (chunk: Uint8Array) => void
  /** What is known of the whole file's size. */
  readonly expected: Option.Option<number>
  readonly result: () => Transferred
}

/** From this many bytes on large reads pay. */
const smallest = 128 * 1024

/** So much a file may grow between its SIZE and its end. */
const mostGrowth = 64 * 1024

/** A small file comes in a read or two, and one more finds its end. */
const readsUnwatched = 4

class Downloading implements Download {
  readonly transfer: Transfer.Transfer
  readonly expected: Option.Option<number>
  private readonly text: Ascii.Transducer | undefined
  private readonly checksum: Running | undefined
  private isVerified = false
  private isEnded = false
  private reads = 0

  constructor(transfer: Transfer.Transfer, expected: Option.Option<number>, isText: boolean) {
    this.transfer = transfer
    this.expected = expected
    this.text = isText ? Ascii.fromNetwork() : undefined
    const { conversation, request } = transfer
    const isWhole = !isText && request.offset === 0 && request.command.verb === "RETR"
    this.checksum = isWhole ? Checksum.running(conversation) : undefined
  }

  result(): Transferred {
    return { path: this.transfer.pathShown, bytes: this.transfer.moved, verified: this.isVerified }
  }

  recycle(chunk: Uint8Array): void {
    // A converted chunk is another one, and is not known there.
    this.transfer.data.recycle(chunk)
  }

  get receive(): Effect.Effect<Uint8Array | undefined, Failure> {
    return Effect.suspend(() => this.isEnded ? Effect.succeed(undefined) : this.next)
  }

  private get next(): Effect.Effect<Uint8Array | undefined, Failure> {
    this.reads += 1
    const read = this.read
    return this.reads === readsUnwatched ? Effect.zipRight(this.transfer.startWatch, read) : read
  }

  private get read(): Effect.Effect<Uint8Array | undefined, Failure> {
    return Effect.matchEffect(this.transfer.wire.receive, {
      onSuccess: (chunk): Effect.Effect<Uint8Array | undefined, Failure> => {
        this.transfer.moved += chunk.length
        if (Option.isSome(this.expected) && this.total > this.expected.value + mostGrowth) return this.tooMuch
        this.checksum?.update(chunk)
        if (this.text === undefined) return Effect.succeed(chunk)
        const converted = this.text.push(chunk)
        return converted.length > 0 ? Effect.succeed(converted) : this.next
      },
      onFailure: (error): Effect.Effect<Uint8Array | undefined, Failure> =>
        error._tag === "CodingFault"
          ? this.miscoded(error)
          : isEndOfConversation(error)
          ? this.finish
          : error._tag === "SocketTimeout" && error.afterMillis < this.transfer.conversation.settings.dataMillis &&
              !this.transfer.isWatched
          // The server may have said why nothing comes: from here on it is listened to.
          ? Effect.zipRight(this.transfer.startWatch, this.read)
          // All of it is here: how the connection ended is no matter, if the server says that it was all.
          : error._tag !== "SocketTimeout" && Option.contains(this.expected, this.total)
          ? this.finish
          : this.broken(error)
    })
  }

  /** The data has ended. */
  private get finish(): Effect.Effect<Uint8Array | undefined, Failure> {
    const { transfer } = this
    return Effect.gen(this, function*() {
      // Some servers send the final reply only when this end is closed, too.
      yield* Effect.ignore(transfer.data.close)
      const final = yield* Effect.mapError(transfer.final, (error) => this.lost(error))
      if (transfer.isRefused(final)) {
        return yield* (final.code === 426 || transfer.moved > 0 && final.code === 451
          ? this.short(`the data ended, and the server said ${final.code}`, transfer.refusal(final))
          : transfer.refusal(final))
      }
      yield* this.verify
      yield* this.compare
      this.isEnded = true
      const rest = this.text?.end() ?? Bytes.empty
      return rest.length > 0 ? rest : undefined
    })
  }

  private get total(): number {
    return this.transfer.request.offset + this.transfer.moved
  }

  private get compare(): Effect.Effect<void, Failure> {
    const { checksum, transfer } = this
    if (checksum === undefined) return Effect.void
    return Effect.flatMap(
      Effect.mapError(
        Checksum.difference(transfer.conversation, transfer.request.path!, checksum),
        (error) => this.lost(error)
      ),
      Option.match({
        onNone: () => Effect.void,
        onSome: (difference) => Effect.fail(this.transfer.unknown(difference, undefined))
      })
    )
  }

  private get verify(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (Option.isNone(this.expected)) return Effect.void
      if (this.expected.value === this.total) {
        this.isVerified = true
        return Effect.void
      }
      // The file may have changed meanwhile, or a listing's size was out of date.
      const { path } = this.transfer.request
      const asked = Effect.mapError(this.transfer.conversation.trySize(path!), (error) => this.lost(error))
      return Effect.flatMap(asked, (size) => {
        const expected = Option.getOrElse(size, () => Option.getOrThrow(this.expected))
        if (expected === this.total) {
          this.isVerified = true
          return Effect.void
        }
        return Effect.fail(
          expected > this.total
            ? this.transfer.incomplete(expected, this.total, undefined)
            : this.transfer.unknown(
              `the data ended and the server said so, but the file has ${expected} bytes`,
              undefined
            )
        )
      })
    })
  }

  // ---- failures

  /** More comes than the file has: it would fill the disk. */
  private get tooMuch(): Effect.Effect<never, Failure> {
    const { conversation, request } = this.transfer
    const asked = Effect.suspend(() =>
      conversation.control.lost === undefined ? conversation.trySize(request.path!) : Effect.succeedNone
    )
    return Effect.zipRight(
      this.transfer.abort,
      Effect.flatMap(Effect.orElseSucceed(asked, () => Option.none<number>()), (size) =>
        Effect.fail(
          Option.exists(size, (size) => size >= this.total)
            ? this.transfer.incomplete(Option.getOrThrow(size), this.total, undefined)
            : this.transfer.unknown(
              `the file has ${Option.getOrThrow(Option.orElse(size, () => this.expected))} bytes, and more came`,
              undefined
            )
        ))
    )
  }

  /** The data connection broke. */
  private broken(error: ReceiveError): Effect.Effect<never, Failure> {
    const { transfer } = this
    return Effect.zipRight(
      transfer.abort,
      Effect.suspend(() => {
        const { final } = transfer.exchange
        // A 426 may be the answer to this side's ABOR: what broke the connection was before it.
        if (final === undefined || !transfer.isRefused(final) || final.code === 426) {
          return Effect.fail(this.short(error.message, error))
        }
        const refusal = transfer.refusal(final)
        return Effect.fail(
          final.code === 451 && transfer.moved > 0 ? this.short(`the server said ${final.code}`, refusal) : refusal
        )
      })
    )
  }

  /** What came is not MODE Z's, or is cut. */
  private miscoded({ cause, kind }: CodingFault): Effect.Effect<Uint8Array | undefined, Failure> {
    const { conversation, request } = this.transfer
    if (kind === "Truncated") {
      if (Option.contains(this.expected, this.total)) return this.finish
      const { final } = this.transfer.exchange
      const refusal = final !== undefined && this.transfer.isRefused(final) ? this.transfer.refusal(final) : cause
      return Effect.zipRight(
        this.transfer.abort,
        Effect.failSync(() => this.short("the data ended within its coding (MODE Z)", refusal))
      )
    }
    return Effect.zipRight(
      this.transfer.abort,
      new FtpError.DataNotDecoded({
        server: conversation.server,
        command: Command.printable(request.command),
        reason: kind === "Bomb" ? "Ratio" : "Corrupt",
        moved: this.transfer.moved,
        ratio: conversation.settings.modeZ!.ratio,
        ...(cause === undefined ? {} : { cause })
      })
    )
  }

  private lost(error: Failure): Failure {
    return Transfer.isLoss(error)
      ? this.short("the data ended, and the server's word that it was all did not come", error)
      : error
  }

  private short(lastKnown: string, cause: unknown): Failure {
    return Option.isSome(this.expected) && this.total < this.expected.value
      ? this.transfer.incomplete(this.expected.value, this.total, cause)
      : this.transfer.unknown(lastKnown, cause)
  }
}

/** Whether the options of a transfer make sense. */
export const checkOffset = (what: string, offset: number): Effect.Effect<void, FtpError.InvalidArgument> =>
  Number.isSafeInteger(offset) && offset >= 0
    ? Effect.void
    : Effect.fail(
      new FtpError.InvalidArgument({
        protocol: "ftp",
        what,
        argument: String(offset),
        reason: "an offset is a whole number of bytes"
      })
    )

/** Begins a download; it is aborted when the scope ends before it does. */
export const open = (
  conversation: Conversation,
  path: Path,
  options: DownloadOptions = {},
  reuses = false
): Effect.Effect<Download, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const { offset = 0, size, type = "binary" } = options
    yield* checkOffset("RETR", offset)
    const command = Command.withPath("RETR", path)
    yield* Beforehand.checkCommand(conversation, command)
    yield* conversation.turns.scoped
    const isText = type === "text"
    const expected = isText || !conversation.settings.verify
      ? Option.none()
      : size === undefined
      ? yield* conversation.trySize(path)
      : Option.some(size)
    const isSmall = Option.exists(expected, (expected) => expected - offset < smallest)
    const transfer = yield* Transfer.open(conversation, {
      direction: "download",
      command,
      path,
      type: isText ? "A" : "I",
      offset,
      isSmall,
      // The memory to reuse is larger than a small file.
      reuses: reuses && !isSmall,
      look: Option.isSome(expected) && size === undefined
        ? Effect.succeed("exists")
        : Presence.look(conversation, path)
    })
    return new Downloading(transfer, expected, isText)
  })

/**
 * A listing: a download that no size is known of. It comes in whatever type stands, since changing it would cost two
 * round trips, and the line ends are all that differs.
 */
export const openListing = (
  conversation: Conversation,
  command: Command.Command,
  path: Path | undefined
): Effect.Effect<Download, Failure, Scope.Scope> =>
  Effect.map(
    Transfer.open(conversation, {
      direction: "download",
      command,
      path,
      type: conversation.type ?? "I",
      offset: 0,
      isSmall: true
    }),
    (transfer) => new Downloading(transfer, Option.none(), false)
  )
