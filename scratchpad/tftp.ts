// LuaSocket's tftp, with a server for it: reads a file over UDP, block by block (RFC 1350).
//
// npx tsx --conditions=copas-source scratchpad/tftp.ts serve <folder> [port]
// npx tsx --conditions=copas-source scratchpad/tftp.ts get <host> <port> <file>
// npx tsx --conditions=copas-source scratchpad/tftp.ts demo
import { Copas, type DatagramSocket, NetAddress, Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect } from "effect"

class TftpError extends Data.TaggedError("TftpError")<{ readonly message: string }> {}

// RFC 1350, section 5: the opcodes, and a block of 512 bytes; a shorter one is the last.
const codes = { read: 1, data: 3, acknowledge: 4, error: 5 }
const blockSize = 512
const tries = 5

const words = (...values: ReadonlyArray<number>): Uint8Array =>
  Uint8Array.from(values.flatMap((value) => [value >> 8 & 255, value & 255]))
const wordAt = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0)
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const join = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

/** Waits for an answer that `accept` likes; asks again while none comes. */
const exchange = <E>(
  ask: Effect.Effect<void, E>,
  socket: DatagramSocket.DatagramSocket,
  accept: (datagram: DatagramSocket.Datagram) => boolean
) => {
  const answer = Effect.repeat(socket.receiveFrom, { until: accept })
  return Effect.retry(Effect.zipRight(ask, Effect.timeout(answer, "1 second")), { times: tries }).pipe(
    Effect.catchTag("TimeoutException", () => new TftpError({ message: "the peer does not answer" }))
  )
}

const get = (host: string, port: number, file: string) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* Udp.bind()
    const parts: Array<Uint8Array> = []
    const isBlock = (number: number) => ({ data }: DatagramSocket.Datagram) =>
      wordAt(data, 0) === codes.error || (wordAt(data, 0) === codes.data && wordAt(data, 2) === number)
    const request = socket.sendTo(join(words(codes.read), ascii(file), Uint8Array.of(0), ascii("octet\0")), {
      host,
      port
    })
    let next = yield* exchange(request, socket, isBlock(1))
    // The server answers from a port of its own, which is the peer from now on.
    const peer = next.from
    for (let number = 1;; number += 1) {
      if (wordAt(next.data, 0) === codes.error) {
        return yield* new TftpError({ message: new TextDecoder().decode(next.data.subarray(4, -1)) })
      }
      parts.push(next.data.subarray(4))
      const acknowledge = socket.sendTo(words(codes.acknowledge, number & 0xffff), peer)
      if (next.data.length < 4 + blockSize) {
        yield* acknowledge
        return join(...parts)
      }
      const isNext = isBlock((number + 1) & 0xffff)
      next = yield* exchange(acknowledge, socket, (datagram) =>
        NetAddress.equals(datagram.from, peer) && isNext(datagram))
    }
  }))

/** Serves one request from a socket of its own. */
const send = (folder: string, request: DatagramSocket.Datagram) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* Udp.bind({ host: "127.0.0.1" })
    yield* socket.connect(request.from)
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = new TextDecoder().decode(request.data.subarray(2)).split("\0")[0] ?? ""
    const content = yield* Effect.either(fs.readFile(path.join(folder, path.basename(name))))
    if (content._tag === "Left") return yield* socket.send(join(words(codes.error, 1), ascii(`no file ${name}\0`)))
    for (let at = 0, number = 1; at <= content.right.length; at += blockSize, number += 1) {
      const block = join(words(codes.data, number & 0xffff), content.right.subarray(at, at + blockSize))
      yield* exchange(
        socket.send(block),
        socket,
        ({ data }) => wordAt(data, 0) === codes.acknowledge && wordAt(data, 2) === (number & 0xffff)
      )
    }
  }))

const serve = (folder: string, port: number) =>
  Effect.gen(function*() {
    const socket = yield* Udp.bind({ host: "127.0.0.1", port })
    const server = yield* Copas.addServer(socket, (socket) =>
      Effect.forever(Effect.flatMap(socket.receiveFrom, (request) =>
        wordAt(request.data, 0) === codes.read ? Copas.addThread(send(folder, request)) : Effect.void)), {
      name: "tftp"
    })
    yield* Console.log(`serving ${folder} on ${NetAddress.format(socket.localAddress)}`)
    return { server, port: socket.port }
  })

const demo = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const file = Uint8Array.from({ length: 5 * blockSize + 100 }, (_, index) => index % 251)
  yield* fs.writeFile(`${folder}/file.bin`, file)
  const { port, server } = yield* serve(folder, 0)
  const got = yield* get("127.0.0.1", port, "file.bin")
  yield* Console.log(`got ${got.length} bytes, ${Buffer.compare(got, file) === 0 ? "the same" : "others"}`)
  const missing = yield* Effect.flip(get("127.0.0.1", port, "missing.bin"))
  yield* Console.log(`and not: ${missing.message}`)
  yield* Copas.removeServer(server)
})

const [command, ...args] = process.argv.slice(2)
const program = command === "serve"
  ? serve(args[0] ?? ".", Number(args[1] ?? 6969))
  : command === "get"
  ? Effect.flatMap(
    get(args[0] ?? "127.0.0.1", Number(args[1] ?? 6969), args[2] ?? ""),
    (bytes) => Effect.sync(() => process.stdout.write(bytes))
  )
  : demo

Copas.run(program).pipe(
  Effect.provide([NodeCopas.layer, NodeContext.layer]),
  NodeRuntime.runMain
)
