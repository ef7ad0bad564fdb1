/**
 * STARTTLS and AUTH at the test server.
 */
import * as Tls from "@copas/core/Tls"
import * as Effect from "effect/Effect"
import type { Client, Conversation } from "./client.js"
import { longestLineOfAll } from "./envelope.js"
import * as Sasl from "./sasl/auth.js"
import * as Mechanisms from "./sasl/mechanisms.js"

/** RFC 3207, section 4. */
export const startTls = (client: Client, argument: string): Conversation =>
  Effect.gen(function*() {
    const { tls } = client.shared.options
    if (argument !== "") return yield* client.reply("501 5.5.4 It takes nothing")
    if (tls === undefined) return yield* client.reply("454 4.7.0 TLS is not available")
    // Whatever came in clear after it would be taken for what came under TLS.
    if (client.reader.hasMore) {
      yield* client.reply("503 5.5.1 More came after STARTTLS")
      return yield* client.end("close")
    }
    yield* client.reply("220 2.0.0 Go ahead")
    const ending = client.quirks.endings?.TLS
    client.phase = "TLS"
    if (ending !== undefined) return yield* client.end(ending)
    yield* Tls.upgrade(client.socket, tls)
    client.forget()
  })

const enhanced = { 235: "2.7.0", 334: "", 501: "5.5.2", 504: "5.5.4", 535: "5.7.8" }

/** RFC 4954, section 4. */
export const auth = (client: Client, argument: string): Conversation =>
  Effect.gen(function*() {
    const { extensions, isSecure, shared, transaction, user } = client
    const [, name, initial] = /^([A-Za-z0-9_-]{1,20})(?: ([^ ]+))?$/.exec(argument) ?? []
    if (user !== undefined) return yield* client.reply("503 5.5.1 You are logged in")
    if (transaction !== undefined) return yield* client.reply("503 5.5.1 A message is under way")
    if (shared.options.requireTls === true && !isSecure) return yield* client.reply("530 5.7.0 STARTTLS comes first")
    if (name === undefined) return yield* client.reply("501 5.5.4 A mechanism is what it takes, and a response")
    const context = {
      ...shared.accounts,
      offered: (extensions.get("AUTH") ?? "").toUpperCase().split(" "),
      channelBinding: client.channelBinding
    }
    let answer = yield* Sasl.begin(Mechanisms.all, context, name, initial)
    while (answer.code === 334) {
      client.phase = "CHALLENGE"
      yield* client.reply(`334 ${answer.text}`)
      const line = yield* client.reader.line(longestLineOfAll)
      client.phase = "AUTH"
      shared.log(line === "*" ? line : "AUTH ****")
      if (line === undefined) return yield* client.reply("500 5.5.6 The line is too long")
      answer = yield* answer.answer(line)
    }
    if (answer.code === 235) client.user = answer.user
    yield* client.reply(`${answer.code} ${enhanced[answer.code]} ${answer.text}`)
  })

/** A command as it may be shown: without what AUTH carries. */
export const hidden = (line: string): string => line.replace(/^(auth\s+\S+)\s.*/is, "$1 ****")
