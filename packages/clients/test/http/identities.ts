/** Certificates for localhost that both networks take: a stand-in in memory, a real one on Node. */
import { Tls } from "@copas/core"
import { TlsMemory } from "@copas/core/testing"
import { Effect } from "effect"
import * as fs from "node:fs"
import { selfSigned } from "../ftp/selfSigned.js"

/** The server's context, and the authority that its clients have to trust, in PEM. */
export const identity = (network: string) =>
  Effect.gen(function*() {
    if (network === "in memory") {
      const made = TlsMemory.identity()
      return { tls: yield* Tls.server({ identity: made.identity }), ca: made.ca }
    }
    const { cert, key } = yield* selfSigned
    const tls = yield* Tls.server({ identity: { certificate: { path: cert }, key: { path: key } } })
    return { tls, ca: fs.readFileSync(cert, "utf8") }
  })
