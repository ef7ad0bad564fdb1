/** A certificate for localhost that signs itself, and its key, made by openssl. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export interface Files {
  readonly cert: string
  readonly key: string
}

/** The files, in a directory that is there. */
export const selfSignedIn = (where: string): Files => {
  const [cert, key] = [path.join(where, "cert.pem"), path.join(where, "key.pem")]
  const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
  execFileSync("openssl", [...words.split(" "), ...names, "-keyout", key, "-out", cert], { stdio: "ignore" })
  return { cert, key }
}

/** The files, in a directory that lasts as long as the scope. */
export const selfSigned: Effect.Effect<Files, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "copas-ftp-tls-"))),
    (where) => Effect.sync(() => fs.rmSync(where, { recursive: true, force: true }))
  ),
  selfSignedIn
)
