/**
 * Whole files: in memory, from and to the local disk, as streams and sinks.
 */
import { MessageTooLong } from "@copas/core/SocketError"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as FtpError from "../../../FtpError.js"
import type { DownloadOptions, Failure, Path, Transferred, UploadOptions } from "../../../FtpSession.js"
import * as Causes from "../../effect/causes.js"
import { pulled } from "../../effect/streams.js"
import { Gathering } from "../../gathering.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import { chosenName } from "../chosenName.js"
import * as Command from "../command.js"
import * as Beforehand from "./beforehand.js"
import type { Conversation } from "./conversation.js"
import * as Download from "./download.js"
import * as Presence from "./presence.js"
import * as Upload from "./upload.js"

const encoder = new TextEncoder()
const defaultMaxBytes = 256 * 1024 * 1024
/** What is read from a local file at once. */
const readSize = 512 * 1024

/** Runs `use` for every chunk until the download's verified end. */
const drain = <E, R>(
  download: Download.Download,
  use: (chunk: Uint8Array) => Effect.Effect<void, E, R>
): Effect.Effect<Transferred, Failure | E, R> => {
  const loop: Effect.Effect<void, Failure | E, R> = Effect.flatMap(
    download.receive,
    (chunk) => chunk === undefined ? Effect.void : Effect.zipRight(use(chunk), loop)
  )
  return Effect.map(loop, () => download.result())
}

/** Collects a download, bounded. */
export const collect = (
  conversation: Conversation,
  opened: Effect.Effect<Download.Download, Failure, Scope.Scope>,
  maxBytes = defaultMaxBytes,
  onBytes?: (count: number) => void
): Effect.Effect<Uint8Array, Failure | MessageTooLong> =>
  Effect.scoped(Effect.gen(function*() {
    const download = yield* opened
    const gathering = new Gathering(Option.getOrUndefined(download.expected))
    yield* drain(download, (chunk) => {
      onBytes?.(chunk.length)
      if (gathering.length + chunk.length > maxBytes) {
        return Effect.fail(new MessageTooLong({ operation: "receive", socket: conversation.server, limit: maxBytes }))
      }
      gathering.add(chunk)
      return Effect.void
    })
    return gathering.result
  }))

export const get = (
  conversation: Conversation,
  path: Path,
  options?: DownloadOptions & {
    readonly maxBytes?: number | undefined
    readonly onBytes?: ((count: number) => void) | undefined
  }
): Effect.Effect<Uint8Array, Failure | MessageTooLong> =>
  collect(conversation, Download.open(conversation, path, options), options?.maxBytes, options?.onBytes)

export const toStream = (
  opened: Effect.Effect<Download.Download, Failure, Scope.Scope>
): Stream.Stream<Uint8Array, Failure> =>
  Stream.unwrapScoped(
    Effect.map(opened, (download) => pulled(download.receive))
  )

export const toSink = (
  opened: Effect.Effect<Upload.Upload, Failure, Scope.Scope>
): Sink.Sink<Transferred, Uint8Array, never, Failure> =>
  Sink.unwrapScoped(Effect.map(opened, (upload) =>
    Sink.mapEffect(
      Sink.forEach((chunk: Uint8Array) => upload.send(chunk)),
      () => upload.finish
    )))

export const put = <E, R>(
  conversation: Conversation,
  path: Path,
  content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options?: UploadOptions
): Effect.Effect<Transferred, Failure | E, R> => {
  if (typeof content !== "string" && !(content instanceof Uint8Array)) {
    return Stream.run(content, toSink(Upload.open(conversation, path, options)))
  }
  const bytes = typeof content === "string" ? encoder.encode(content) : content
  return Effect.scoped(Effect.gen(function*() {
    const upload = yield* Upload.open(conversation, path, { size: bytes.length, ...options })
    if (bytes.length > 0) yield* upload.send(bytes)
    return yield* upload.finish
  }))
}

const renameFrom = (conversation: Conversation, path: Path): Effect.Effect<Reply.Reply, Failure> =>
  conversation.exec(Command.withPath("RNFR", path), { path, intermediate: true })

const renameTo = (conversation: Conversation, path: Path): Effect.Effect<Reply.Reply, Failure> =>
  conversation.exec(Command.withPath("RNTO", path), { path })

/** RNFR and RNTO. */
export const rename = (conversation: Conversation, from: Path, to: Path): Effect.Effect<void, Failure> =>
  Effect.asVoid(Effect.zipRight(renameFrom(conversation, from), renameTo(conversation, to)))

/**
 * Gives a whole file its own name, which another may have. Some servers do not rename onto a file that is there: then that
 * is removed first, which no refusal of RNFR asks for. `onRemoved` runs when the server has said that it is gone.
 */
export const publish = (
  conversation: Conversation,
  part: Path,
  path: Path,
  onRemoved: () => void = () => {}
): Effect.Effect<void, Failure> => {
  const remove = conversation.exec(Command.withPath("DELE", path), {
    path,
    onFinal: (reply) => {
      if (Reply.kind(reply) === "completion") onRemoved()
    }
  })
  return Effect.zipRight(
    renameFrom(conversation, part),
    Effect.catchIf(Effect.asVoid(renameTo(conversation, path)), Presence.isAnswer, (refused) =>
      Effect.zipRight(
        Effect.catchIf(remove, Presence.isAnswer, () => Effect.fail(refused)),
        rename(conversation, part, path)
      ))
  )
}

/** What a file is called while it is not whole. */
const temporary = (conversation: Conversation, path: Path): Effect.Effect<Uint8Array> =>
  Effect.map(
    chosenName,
    (name) => Bytes.concat([conversation.raw(path), Bytes.fromBinary(`.${name}.part`)])
  )

export const replace = <E, R>(
  conversation: Conversation,
  path: Path,
  content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options?: Pick<UploadOptions, "type" | "size">
): Effect.Effect<Transferred, Failure | E, R> =>
  Effect.gen(function*() {
    yield* Beforehand.checkCommand(conversation, Command.withPath("STOR", path))
    const part = yield* temporary(conversation, path)
    const shown = conversation.text(path)
    // From then on the part is all that there is of the file.
    let isRemoved = false
    const published = publish(conversation, part, path, () => {
      isRemoved = true
    })
    // In its turn, which begins when a DELE of the old file that was interrupted has its reply.
    const discard = conversation.turns.turn(
      Effect.suspend(() => isRemoved ? Effect.void : conversation.send(Command.withPath("DELE", part)))
    )
    const done = yield* Effect.onError(
      Effect.zipLeft(put(conversation, part, content, options), conversation.turns.turn(published)),
      () => Effect.suspend(() => conversation.control.lost === undefined ? Effect.ignore(discard) : Effect.void)
    )
    return { ...done, path: shown }
  })

// ---- local files

const localSize = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<Option.Option<number>, PlatformError> =>
  Effect.map(fs.stat(path), (info) => Option.some(Number(info.size))).pipe(
    Effect.catchIf(Causes.isNotFound, () => Effect.succeedNone)
  )

const longer = (conversation: Conversation, what: string, argument: string, by: string): FtpError.InvalidArgument =>
  new FtpError.InvalidArgument({
    protocol: "ftp",
    what,
    argument: Bytes.show(argument),
    reason: `${by}; it is not a part of it`
  })

export const downloadFile = (
  conversation: Conversation,
  path: Path,
  localPath: string,
  options: Omit<DownloadOptions, "offset"> & {
    readonly resume?: boolean | undefined
    readonly onBytes?: ((count: number) => void) | undefined
  } = {}
): Effect.Effect<Transferred, Failure | PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* Beforehand.checkCommand(conversation, Command.withPath("RETR", path))
    const resume = options.resume === true && options.type !== "text"
    const offset = resume ? Option.getOrElse(yield* localSize(fs, localPath), () => 0) : 0
    let { size } = options
    if (offset > 0) {
      size ??= Option.getOrUndefined(yield* conversation.turns.turn(conversation.trySize(path)))
      if (size !== undefined && size < offset) {
        return yield* longer(
          conversation,
          "resuming a download",
          localPath,
          `the local file has ${offset} bytes, the server's ${size}`
        )
      }
      const shown = conversation.text(path)
      // REST to a file's end is an error on some servers.
      if (size === offset) return { path: shown, bytes: 0, verified: true }
    }
    const sized = size === undefined ? {} : { size }
    // The server goes first: nothing local is touched for a file that cannot be had.
    return yield* Effect.scoped(Effect.gen(function*() {
      const download = yield* Download.open(conversation, path, { ...options, ...sized, offset }, true)
      const file = yield* fs.open(localPath, { flag: offset > 0 ? "a" : "w" })
      return yield* drain(download, (chunk) => {
        options.onBytes?.(chunk.length)
        return Effect.map(file.writeAll(chunk), () => download.recycle(chunk))
      })
    }))
  })

export const uploadFile = (
  conversation: Conversation,
  localPath: string,
  path: Path,
  options: Pick<UploadOptions, "type"> & {
    readonly resume?: boolean | undefined
    readonly onBytes?: ((count: number) => void) | undefined
  } = {}
): Effect.Effect<Transferred, Failure | PlatformError, FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* Beforehand.checkCommand(conversation, Command.withPath("STOR", path))
    const file = yield* fs.open(localPath, { flag: "r" })
    const size = Number((yield* file.stat).size)
    const resume = options.resume === true && options.type !== "text"
    const offset = resume ? Option.getOrElse(yield* conversation.turns.turn(conversation.trySize(path)), () => 0) : 0
    const shown = conversation.text(path)
    if (offset > size) {
      return yield* longer(
        conversation,
        "resuming an upload",
        shown,
        `the server's file has ${offset} bytes, the local one ${size}`
      )
    }
    if (offset > 0 && offset === size) return { path: shown, bytes: 0, verified: true }
    if (offset > 0) yield* file.seek(FileSystem.Size(offset), "start")
    const upload = yield* Upload.open(conversation, path, { type: options.type, offset, size: size - offset })
    // Two buffers in turn: one is read into while the other goes out. Fresh ones would keep the collector busy.
    const buffers = [new Uint8Array(readSize), new Uint8Array(readSize)] as const
    const loop = (index: 0 | 1): Effect.Effect<void, Failure | PlatformError> =>
      Effect.flatMap(file.read(buffers[index]), (read) => {
        const count = Number(read)
        if (count === 0) return Effect.void
        options.onBytes?.(count)
        // When no more waits than this one, the other has gone out, and may be read into.
        return upload.send(buffers[index].subarray(0, count)).pipe(
          Effect.zipRight(upload.drainTo(count)),
          Effect.zipRight(loop(index === 0 ? 1 : 0))
        )
      })
    yield* loop(0)
    return yield* upload.finish
  }))
