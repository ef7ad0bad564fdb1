/** Servers of Node's own, for what speaks HTTP over this library's sockets. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type * as NodeNet from "node:net"

export interface TestServer {
  readonly port: number
  /** Connections that there ever were. */
  readonly connections: () => number
  readonly open: () => number
  /** Waits until the server has no connection any more. */
  readonly awaitNone: Effect.Effect<void>
}

export const serve = (
  handler: Http.RequestListener,
  tls?: Https.ServerOptions
): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: Http.Server; readonly shown: TestServer }>((resume) => {
        const server = tls === undefined ? Http.createServer(handler) : Https.createServer(tls, handler)
        let connections = 0
        const open = new Set<NodeNet.Socket>()
        const waiting: Array<() => void> = []
        server.on("connection", (socket: NodeNet.Socket) => {
          connections += 1
          open.add(socket)
          socket.on("close", () => {
            open.delete(socket)
            if (open.size === 0) { for (const told of waiting.splice(0)) told() }
          })
        })
        const awaitNone = Effect.async<void>((resume) => {
          if (open.size === 0) resume(Effect.void)
          else waiting.push(() => resume(Effect.void))
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as NodeNet.AddressInfo
          const shown = { port, connections: () => connections, open: () => open.size, awaitNone }
          resume(Effect.succeed({ server, shown }))
        })
      }),
      ({ server }) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ shown }) => shown
  )
