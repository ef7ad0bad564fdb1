/** What the rounds of SMTP share: their arguments, and how many connections they use. */
import { mebibyte } from "./client-rounds.js"

const [mode, port, messages, size, ca] = process.argv.slice(2) as [string, string, string, string, string]

export const told = {
  port: Number(port),
  messages: Number(messages),
  /** Of the attachment; 0 in the rounds of small messages. */
  size: Number(size),
  isTls: mode.endsWith("-tls"),
  /** The sink's certificate, a file. */
  ca
}

export const connections = told.size === 0 ? 8 : 1

/** What a round does: messages, or MiB. */
export const done = told.size === 0 ? told.messages : told.size / mebibyte
