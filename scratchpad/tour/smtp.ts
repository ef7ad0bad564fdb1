/** The stop of the tour about SMTP. */
import { Smtp, type SmtpSession } from "@copas/clients"
import { SmtpServer } from "@copas/clients/testing"
import { Tls } from "@copas/core"
import { Effect, Either, Redacted, Stream } from "effect"
import { selfSigned } from "./certificate.js"
import type { Station } from "./station.js"

const from = "tour@example.test"

const names = ({ accepted, rejected }: SmtpSession.Receipt): string =>
  `${accepted.map(({ recipient }) => recipient).join(", ")}; refused: ${
    rejected.map(({ code, recipient }) => `${recipient} (${code})`).join(", ") || "nobody"
  }`

export const smtp: Station = {
  title: "SMTP, against an embedded server",
  visit: Effect.gen(function*() {
    const lines: Array<string> = []
    const identity = yield* selfSigned
    const server = yield* SmtpServer.make({
      tls: yield* Tls.server({ identity }),
      users: { ada: "secret" },
      quirks: { recipients: { "nobody@example.test": "550 5.1.1 No such user" } }
    })
    const client = yield* Smtp.make({
      host: server.host,
      port: server.port,
      tlsContext: { ca: identity.certificate },
      serverName: "localhost",
      auth: { user: "ada", password: Redacted.make("secret") }
    })

    const receipt = yield* client.send({
      from,
      to: ["charles@example.test", "nobody@example.test"],
      subject: "Grüße",
      text: "It works.\n.\nQUIT\n"
    })
    lines.push(`one call: ${receipt._tag}, accepted for ${names(receipt)}`)
    const [message] = yield* server.awaitMessages(1)
    const auth = (yield* server.commands).find((command) => command.startsWith("AUTH"))
    lines.push(`it went by STARTTLS and ${auth?.split(" ")[1]}, as one message of ${message?.size} bytes, dots and all`)

    const injected = yield* Effect.flip(
      client.send({ from, to: "x@example.test>\r\nRCPT TO:<all@example.test", text: "…" })
    )
    lines.push(`nothing becomes a command: ${injected._tag}`)

    yield* server.setQuirks({ endings: { DOT: "reset" } })
    const lost = yield* Effect.flip(client.send({ from, to: "charles@example.test", text: "Did it arrive?" }))
    if (lost._tag !== "DeliveryUnknown") return yield* lost
    yield* server.setQuirks({ endings: undefined })
    lines.push(`a reply that was lost after the last dot: ${lost._tag}, and it is not sent again`)

    const letters = Array.from(
      { length: 200 },
      (_, index) => ({ from, to: `reader-${index}@example.test`, text: "News" })
    )
    const pool = yield* client.pool({ size: 4 })
    const sent = yield* Stream.runCount(
      Stream.filter(pool.sendAll(Stream.fromIterable(letters)), ({ result }) => Either.isRight(result))
    )
    const { open } = yield* pool.stats
    lines.push(`a pool: ${sent} messages over ${open} connections; the server has ${(yield* server.messages).length}`)

    const refused = yield* Effect.flip(
      Smtp.make({
        host: server.host,
        port: server.port,
        tls: "none",
        auth: { user: "ada", password: Redacted.make("secret"), mechanisms: ["PLAIN"] }
      }).pipe(Effect.flatMap(({ verify }) => verify))
    )
    lines.push(`a typed error: ${refused._tag}: ${refused.message}`)
    return lines
  })
}
