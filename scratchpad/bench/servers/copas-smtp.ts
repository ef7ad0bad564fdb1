/** Rounds of SMTP with this library. */
import { type Message, SmtpPool } from "@copas/clients"
import { NodeNet } from "@copas/node"
import { Effect, Option, Stream } from "effect"
import { block, blocks, filename, recipient, sender, subject, text } from "../load/smtp-content.js"
import { rounds } from "./rounds.js"
import { connections, done, told } from "./smtp-rounds.js"

const attachment: Message.AttachmentOptions = {
  filename,
  size: told.size,
  content: Stream.unfold(
    0,
    (index) => index < blocks(told.size) ? Option.some([block(index), index + 1] as const) : Option.none()
  )
}

const message = (number: number): Message.MessageOptions => ({
  from: sender,
  to: recipient,
  subject: subject(number),
  text,
  ...(told.size === 0 ? {} : { attachments: [attachment] })
})

const program = Effect.gen(function*() {
  const pool = yield* SmtpPool.make({
    host: "127.0.0.1",
    port: told.port,
    size: connections,
    tls: told.isTls ? "implicit" : "none",
    ...(told.isTls ? { tlsContext: { ca: { path: told.ca } }, serverName: "localhost" } : {})
  })
  const numbers = Array.from({ length: told.messages }, (_, number) => number)
  // Twice as many as connections: none waits for a message.
  const round = Effect.forEach(numbers, (number) => pool.send(message(number)), {
    concurrency: 2 * connections,
    discard: true
  })
  return yield* rounds(Effect.as(round, done))
})

Effect.runPromise(Effect.provide(Effect.scoped(program), NodeNet.layer)).catch((error: unknown) => {
  console.log(error)
  process.exit(1)
})
