/** A free port for a server that cannot choose one itself. */
import * as Effect from "effect/Effect"
import * as dgram from "node:dgram"
import * as net from "node:net"

/** Systems hand out ports from 16,000 on (Linux from 32,768 on): below, only servers that were configured so take one. */
const first = 10_000
const count = 6_000

let next = first + Math.floor(Math.random() * count)

const takes = (listen: (done: (isFree: boolean) => void) => void): Effect.Effect<boolean> =>
  Effect.async((resume) => listen((isFree) => resume(Effect.succeed(isFree))))

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.zipWith(
    takes((done) => {
      const server = net.createServer()
      server.on("error", () => done(false))
      server.listen(port, "127.0.0.1", () => server.close(() => done(true)))
    }),
    takes((done) => {
      const socket = dgram.createSocket("udp4")
      socket.on("error", () => {
        socket.close()
        done(false)
      })
      socket.bind(port, "127.0.0.1", () => socket.close(() => done(true)))
    }),
    (stream, datagrams) => stream && datagrams
  )

/**
 * Free for streams and for datagrams. A port that the system chose for a moment would be given to the next connection
 * that asks for one, before the server has it.
 */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = next
  next = first + (next + 1 - first) % count
  return Effect.flatMap(isFree(port), (free) => free ? Effect.succeed(port) : freePort)
})
