/** What the tests of SMTP pools share: a pool on a server of its own, and messages with a number. */
import { Effect } from "effect"
import { SmtpPool } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { message } from "./dialogue.js"

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
  messages.map(({ bytes }) => Number(/^X-Number: (\d+)/.exec(new TextDecoder().decode(bytes))![1])).sort((a, b) =>
    a - b
  )

export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)
