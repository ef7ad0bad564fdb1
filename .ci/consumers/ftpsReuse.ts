// A server that requires TLS session reuse on data connections, as vsftpd does, gets it. consumers.mjs makes the
// certificate.
import { Ftp } from "@copas/clients"
import { FtpServer } from "@copas/clients/testing"
import { Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { Effect } from "effect"

const program = Effect.gen(function*() {
  const identity = { certificate: { path: "certificate.pem" }, key: { path: "key.pem" } }
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const server = yield* FtpServer.make({
      files: { "/greeting.txt": "hello" },
      tls: yield* Tls.server({ identity, minVersion: version, maxVersion: version }),
      quirks: { requireResumption: true }
    })
    const session = yield* Ftp.connect({
      host: server.host,
      port: server.port,
      tls: "explicit",
      tlsContext: { ca: { path: "certificate.pem" } }
    })
    for (const _ of [1, 2, 3]) {
      const text = new TextDecoder().decode(yield* session.get("greeting.txt"))
      if (text !== "hello") return yield* Effect.dieMessage(`the file holds ${text}`)
    }
  }
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.timeout("20 seconds"),
    Effect.provide(Ftp.layer()),
    Effect.provide(NodeCopas.layer)
  )
)
