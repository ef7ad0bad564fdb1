/** Rounds of SMTP with this library. */
import { type Message, SmtpSession } from "@copas/clients"
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
  const sessions = yield* Effect.all(Array.from({ length: connections }, () =>
    SmtpSession.connect({
      host: "127.0.0.1",
      port: told.port,
      tls: told.isTls ? "implicit" : "none",
      ...(told.isTls ? { tlsContext: { ca: { path: told.ca } }, serverName: "localhost" } : {})
    })))
  return yield* rounds(Effect.suspend(() => {
    let next = 0
    return Effect.as(
      Effect.forEach(sessions, (session) =>
        Effect.whileLoop({
          while: () => next < told.messages,
          body: () => session.send(message(next++)),
          step: () => {}
        }), { concurrency: "unbounded", discard: true }),
      done
    )
  }))
})

Effect.runPromise(Effect.provide(Effect.scoped(program), NodeNet.layer)).catch((error: unknown) => {
  console.log(error)
  process.exit(1)
})
