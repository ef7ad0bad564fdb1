/** Rounds of SMTP with nodemailer. */
import * as fs from "node:fs"
import { Readable } from "node:stream"
import { createTransport } from "nodemailer"
import { block, blocks, filename, recipient, sender, subject, text } from "../load/smtp-content.js"
import { rounds } from "./client-rounds.js"
import { connections, done, told } from "./smtp-rounds.js"

const transport = createTransport({
  host: "127.0.0.1",
  port: told.port,
  secure: told.isTls,
  ignoreTLS: !told.isTls,
  ...(told.isTls ? { tls: { ca: fs.readFileSync(told.ca), servername: "localhost" } } : {}),
  pool: true,
  maxConnections: connections,
  maxMessages: Infinity
})

const attachment = () =>
  Readable.from((function*() {
    for (let index = 0; index < blocks(told.size); index++) yield block(index)
  })())

const send = (number: number): Promise<unknown> =>
  transport.sendMail({
    from: sender,
    to: recipient,
    subject: subject(number),
    text,
    ...(told.size === 0 ? {} : { attachments: [{ filename, content: attachment() }] })
  })

await rounds(async () => {
  let next = 0
  // Twice as many as connections: none waits for a message.
  await Promise.all(Array.from({ length: 2 * connections }, async () => {
    while (next < told.messages) await send(next++)
  }))
  return done
})
