/** The stop of the tour about HTTP. */
import { Body, Cookies, Http } from "@copas/clients"
import { HttpPeer } from "@copas/clients/testing"
import { Tls } from "@copas/core"
import { Effect, Redacted, Schedule, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { selfSigned } from "./certificate.js"
import type { Station } from "./station.js"

/** A small gzip that becomes 64 MiB of zeros. */
const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024))

export const http: Station = {
  title: "HTTP, against an embedded server",
  visit: Effect.gen(function*() {
    const lines: Array<string> = []
    const identity = yield* selfSigned
    const other = yield* HttpPeer.make({
      handler: ({ header }) => ({ body: header("authorization") ?? "no credentials" })
    })
    const asked = new Map<string, number>()
    const peer = yield* HttpPeer.make({
      tls: yield* Tls.server({ identity }),
      handler: ({ header, size, target }) => {
        const count = (asked.get(target) ?? 0) + 1
        asked.set(target, count)
        switch (target) {
          case "/login":
            return { status: 302, fields: { Location: "/home", "Set-Cookie": "id=7; Secure; HttpOnly" } }
          case "/away":
            return { status: 302, fields: { Location: `${other.url}/` } }
          case "/busy":
            return count < 3 ? { status: 503 } : { body: `after ${count} tries` }
          case "/cut":
            return { body: "0123456789", cut: -7 }
          case "/bomb":
            return { fields: { "Content-Encoding": "gzip" }, body: bomb }
          case "/upload":
            return { body: `${size} bytes` }
          default:
            return { body: header("cookie") ?? "no cookie" }
        }
      }
    })
    const url = `https://localhost:${peer.port}`
    const client = yield* Http.make({
      tls: { ca: identity.certificate },
      auth: { user: "ada", password: Redacted.make("secret") },
      cookies: yield* Cookies.jar()
    })

    lines.push(`a log-in by redirect and cookie: ${yield* client.text(`${url}/login`)}`)
    const { history, text } = yield* client.request(`${url}/home`)
    lines.push(`HTTPS, ${history.length} redirects, the jar's ${text}`)
    const away = yield* client.text({ url: `${url}/away`, redirect: "all" })
    lines.push(`another origin, which ${url.split(":")[0]} redirects to, gets: ${away}`)
    lines.push(
      `a server that is busy: ${yield* client.text(Http.retrying(Schedule.recurs(3))({ url: `${url}/busy` }))}`
    )

    const megabytes = Stream.repeatValue(new Uint8Array(64 * 1024)).pipe(Stream.take(256))
    const uploaded = yield* client.request({ url: `${url}/upload`, method: "PUT", body: Body.stream(megabytes) }).pipe(
      Effect.flatMap(({ whole }) => whole),
      Effect.scoped
    )
    lines.push(`an upload in chunks: the server counted ${uploaded.text}`)

    const cut = yield* Effect.flip(client.text(`${url}/cut`))
    lines.push(`an answer that is cut: ${cut._tag}: ${cut.message}`)
    const large = yield* Effect.flip(client.text(`${url}/bomb`))
    lines.push(`${bomb.length} bytes that become ${64 * 1024 * 1024}: ${large._tag}`)
    const forbidden = yield* Effect.flip(client.text({ url: "http://169.254.169.254/latest", addresses: "public" }))
    lines.push(`a URL of a user's that leads to the inside: ${forbidden._tag}, and nothing was sent`)
    return lines
  })
}
