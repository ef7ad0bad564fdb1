// @effect/platform's own socket server, as its documentation has it: chunks are pushed at a handler, a write is an effect.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Socket from "@effect/platform/Socket"
import * as Effect from "effect/Effect"

type Handler = (socket: Socket.Socket) => Effect.Effect<void, Socket.SocketError>

const echo: Handler = (socket) =>
  Effect.scoped(Effect.flatMap(socket.writer, (write) => socket.run((chunk) => write(chunk))))

/** Cuts what comes into lines. `answer` runs in a fiber of its own for each chunk: the cutting has to come before it. */
const byLine = (
  answer: (lines: ReadonlyArray<string>, write: Write) => Effect.Effect<void, Socket.SocketError>
): Handler =>
(socket) =>
  Effect.scoped(Effect.gen(function*() {
    const write = yield* socket.writer
    const decoder = new TextDecoder()
    let rest = ""
    yield* socket.run((chunk) => {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n")
      rest = parts.pop() ?? ""
      return answer(parts, write)
    })
  }))

type Write = Effect.Effect.Success<Socket.Socket["writer"]>

const lines = byLine((lines, write) => Effect.forEach(lines, (line) => write(`${line}\n`), { discard: true }))

const storm = byLine((lines, write) =>
  lines.length === 0 ? Effect.void : Effect.zipRight(write(`${lines[0]}\n`), write(new Socket.CloseEvent()))
)

const mode = process.argv[2]
const handler = mode === "lines" ? lines : mode === "storm" ? storm : echo

const program = Effect.gen(function*() {
  const server = yield* NodeSocketServer.make({ host: "127.0.0.1", port: 0, backlog: 4096, noDelay: true })
  if (server.address._tag === "TcpAddress") console.log(`READY ${server.address.port}`)
  // A connection that the load resets, and one that closes, are both errors here; neither is news.
  return yield* server.run((socket) => Effect.ignore(handler(socket)))
})

NodeRuntime.runMain(Effect.scoped(program))
