/** The two servers of the tour. */
import type { Server, Socket } from "@copas/core"
import { Copas, Net } from "@copas/core"
import { Effect } from "effect"

/** Answers each line in capitals; "boom" makes the handler throw. */
const lineHandler = (socket: Socket.Socket) =>
  socket.forEachLine((line) => {
    if (line === "boom") throw new Error("this handler was asked to throw")
    return socket.send(`${line.toUpperCase()}\n`)
  })

/** Sends back what comes. */
const echoHandler = (socket: Socket.Socket) => socket.forEachChunk((chunk) => socket.send(chunk))

export interface Servers {
  readonly line: Server.Server
  readonly echo: Server.Server
  readonly linePort: number
  readonly echoPort: number
}

/** The two servers of the tour, on the given ports; 0 lets the system choose. */
export const startServers = (ports: { readonly line: number; readonly echo: number }) =>
  Effect.gen(function*() {
    const host = "127.0.0.1"
    const timeouts = { receive: "30 seconds", send: "30 seconds" } as const
    const lineListener = yield* Net.listen({ host, port: ports.line, backlog: 2048 })
    const echoListener = yield* Net.listen({ host, port: ports.echo, backlog: 2048 })
    const line = yield* Copas.addServer(lineListener, lineHandler, { name: "line", timeouts })
    const echo = yield* Copas.addServer(echoListener, echoHandler, { name: "echo", timeouts })
    return { line, echo, linePort: lineListener.port, echoPort: echoListener.port } satisfies Servers
  })
