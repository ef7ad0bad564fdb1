/**
 * What the test server sends and takes on data connections: files and listings.
 */
import type { Socket } from "@copas/core/Socket"
import { isEndOfConversation } from "@copas/core/SocketError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Deflate from "../../../internal/ftp/deflate.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { ByCommand } from "../../FtpServer.js"
import type { Client, Conversation } from "./client.js"
import * as Disk from "./disk.js"

/** What a command does with its argument. */
export type Handler = (client: Client, argument: string) => Conversation

/** The absolute path of an argument. */
export const at = (client: Client, argument: string): string => Disk.normalise(client.directory, argument)

const chunkSize = 16 * 1024

export const sendFile = (client: Client, data: Socket, bytes: Uint8Array): Effect.Effect<string, unknown> =>
  Effect.gen(function*() {
    const { chunkDelay, cutDownloadAfter: cut, endDownloadAfter: end, finalAfterClose } = client.quirks
    const text = client.type === "A" ? Bytes.fromBinary(Bytes.toBinary(bytes).replace(/\r?\n/g, "\r\n")) : bytes
    const coded = client.isCoded ? yield* Deflate.deflate(text) : text
    const all = coded.subarray(0, Math.min(cut ?? coded.length, end ?? coded.length))
    for (let position = 0; position < all.length; position += chunkSize) {
      if (chunkDelay !== undefined) yield* Effect.sleep(chunkDelay)
      yield* data.send(new Uint8Array(all.subarray(position, position + chunkSize)))
    }
    if (cut !== undefined && cut < coded.length) {
      yield* data.flush
      // What was sent is to arrive before the reset does.
      yield* Effect.yieldNow()
      yield* data.abort
      return "426 The data connection was cut"
    }
    yield* data.shutdown("send")
    if (finalAfterClose === true) yield* Effect.ignore(data.receive())
    return "226 That was all"
  })

export const receiveFile = (
  client: Client,
  data: Socket,
  path: string,
  before: Uint8Array
): Effect.Effect<string, unknown> =>
  Effect.gen(function*() {
    const { cutUploadAfter: cut = Infinity, loseOfUpload: lost = 0 } = client.quirks
    const { disk } = client.shared
    const now = new Date(yield* Clock.currentTimeMillis)
    const chunks: Array<Uint8Array> = []
    let count = 0
    const store = (drop: number): Effect.Effect<boolean> => {
      const bytes = Bytes.concat(chunks)
      const kept = bytes.subarray(0, Math.max(0, bytes.length - drop))
      const decoded = client.isCoded ? Deflate.inflate(kept) : Effect.succeed({ bytes: kept, isWhole: true })
      return Effect.map(decoded, ({ bytes, isWhole }) => {
        const all = Bytes.concat([before, bytes])
        disk.write(
          path,
          client.type === "A" ? Bytes.fromBinary(Bytes.toBinary(all).replaceAll("\r\n", "\n")) : all,
          now
        )
        return isWhole
      })
    }
    const loop: Effect.Effect<void, unknown> = Effect.flatMap(data.receive(), (chunk) => {
      chunks.push(chunk)
      count += chunk.length
      return count > cut ? Effect.fail("cut") : loop
    })
    const ended = yield* Effect.either(loop).pipe(Effect.onInterrupt(() => store(0)))
    const failure = ended._tag === "Left" ? ended.left : undefined
    if (isEndOfConversation(failure)) {
      const isWhole = yield* store(lost)
      return isWhole || lost > 0 ? "226 It is kept" : "426 It is not whole"
    }
    yield* store(Math.max(0, count - cut))
    yield* data.abort
    return "426 The data connection broke"
  })

export const store = (client: Client, path: string, before: Uint8Array): Conversation => {
  const { disk } = client.shared
  client.offset = 0
  if (disk.get(path)?.isDirectory === true || !disk.hasParent(path)) {
    return client.reply("553 It cannot be stored there")
  }
  return client.startTransfer((data) => receiveFile(client, data, path, before))
}

const sendLines = (client: Client, lines: ReadonlyArray<string>): Conversation =>
  client.startTransfer((data) =>
    Effect.gen(function*() {
      const bytes = Bytes.fromBinary(lines.map((line) => `${line}\r\n`).join(""))
      const coded = client.isCoded ? yield* Deflate.deflate(bytes) : bytes
      yield* data.send(coded.subarray(0, client.quirks.endListingAfter))
      yield* data.shutdown("send")
      return "226 That was all"
    })
  )

const byCommand = <A extends string | number>(quirk: ByCommand<A> | undefined, verb: string): A | undefined =>
  typeof quirk === "object" ? (quirk as { readonly [verb: string]: A })[verb] : quirk

/** `path` is as the command has it. `itself` prints a directory as one that lies in another. */
const list = (
  client: Client,
  verb: string,
  path: string,
  lines: (path: string) => ReadonlyArray<string>,
  itself: (name: string, node: Disk.Node) => string
): Conversation => {
  const { quirks } = client
  const { disk } = client.shared
  const absolute = at(client, path)
  const node = disk.get(absolute)
  const refuse = (answer: "empty" | number): Conversation =>
    answer === "empty" ? sendLines(client, []) : client.reply(`${answer} ${path}: it cannot be listed`)
  const pathless = path === "" ? undefined : quirks.pathless?.[verb]
  if (pathless === "always" || (pathless === "blanks" && path.includes(" "))) return refuse(501)
  if (node === undefined) {
    return refuse((verb === "NLST" ? quirks.nlstMissing : undefined) ?? byCommand(quirks.listMissing, verb) ?? 550)
  }
  if (quirks.forbidden?.includes(absolute) === true) {
    const listForbidden = byCommand(quirks.listForbidden, verb) ?? 550
    return listForbidden === "itself" ? sendLines(client, [itself(Disk.nameOf(absolute), node)]) : refuse(listForbidden)
  }
  if (quirks.listEmpty !== undefined && node.isDirectory && disk.children(absolute).length === 0) {
    return refuse(quirks.listEmpty)
  }
  return sendLines(client, [...lines(absolute), ...(quirks.extraLines ?? [])])
}

export const listUnix: Handler = (client, argument) => {
  const all = client.quirks.listOptions !== false && /^-a(?: |$)/.test(argument)
  const { disk } = client.shared
  const print = client.quirks.list === "dos" ? Disk.dosLine : Disk.unixLine
  return list(client, "LIST", all ? argument.slice(3) : argument, (directory) => {
    const node = disk.get(directory)!
    if (!node.isDirectory) return [print(Disk.nameOf(directory), node)]
    const hides = client.quirks.hidesDotFiles === true && !all
    const own = all ? [print(".", node), print("..", node)] : []
    return own.concat(
      disk.children(directory).filter(([name]) => !hides || !name.startsWith(".")).map(([name, node]) =>
        print(name, node)
      )
    )
  }, print)
}

export const mlsd: Handler = (client, argument) => {
  // RFC 3659, section 7.2: it takes directories alone.
  if (client.shared.disk.get(at(client, argument))?.isDirectory === false) {
    return client.reply(`501 ${argument} is not a directory`)
  }
  return list(client, "MLSD", argument, (directory) => [
    `${Disk.facts(client.shared.disk.get(directory)!, "cdir")} .`,
    ...client.shared.disk.children(directory).map(([name, node]) => `${Disk.facts(node)} ${name}`)
  ], (name, node) => `${Disk.facts(node)} ${name}`)
}

export const nlst: Handler = (client, argument) => {
  const print = (name: string): string =>
    client.quirks.nlstWithDirectory === true && argument !== "" ? `${argument}/${name}` : name
  return list(
    client,
    "NLST",
    argument,
    (directory) => client.shared.disk.children(directory).map(([name]) => print(name)),
    (name) => name
  )
}
