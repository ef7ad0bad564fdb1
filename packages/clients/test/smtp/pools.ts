/** What the tests of SMTP pools share: a pool on a server of its own, and messages with a number. */
import { Net, type Socket } from "@copas/core"
import { Effect } from "effect"
import { SmtpPool } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { makePeer } from "../scripted.js"
import { follow, message } from "./dialogue.js"

export const pooled = (server: SmtpServer.Options = {}, options: Partial<SmtpPool.PoolOptions> = {}) =>
  Effect.gen(function*() {
    const started = yield* SmtpServer.make(server)
    const pool = yield* SmtpPool.make({ host: started.host, port: started.port, tls: "none", ...options })
    return { server: started, pool }
  })

/** Message number so and so. */
export const numbered = (number: number) => message("b@b.test", `X-Number: ${number}\r\n\r\nhello\r\n`)

/** The numbers of the messages that arrived, in order. */
export const arrived = (messages: ReadonlyArray<SmtpServer.Message>): ReadonlyArray<number> =>
  messages.map(({ bytes }) => Number(/^X-Number: (\d+)/m.exec(new TextDecoder().decode(bytes))![1])).sort((a, b) =>
    a - b
  )

export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)

/** A server whose first connection follows the first script, and so on; gives how many there were, too. */
export const scriptedAll = (...scripts: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const listener = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    const seen = { total: 0 }
    const talk = (script: string, socket: Socket.Socket) =>
      Effect.zipRight(
        Effect.onError(follow(makePeer(socket), script), () => socket.abort),
        Effect.ignore(Effect.forever(socket.receive()))
      )
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(listener.accept, (socket) => {
      const script = scripts[seen.total]
      seen.total += 1
      return script === undefined ? socket.abort : Effect.forkScoped(talk(script, socket))
    })))
    return { where: { host: "127.0.0.1", port: listener.port, tls: "none" } as const, seen }
  })
