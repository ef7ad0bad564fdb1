/** Keeps a request's body until its length is known: CGI tells a script the length before the first byte (RFC 3875, 4.1.2). */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as crypto from "node:crypto"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { CgiRefused } from "../../CgiError.js"

/** A body and where it is: in memory, or in a file that has no name any more and is read from its beginning. */
export interface Spooled {
  readonly length: number
  readonly kept: Uint8Array | fs.FileHandle
}

/** What is kept in memory; more goes to a file. */
const mostInMemory = 65_536

/** The system's error. */
export class SpoolFault {
  readonly _tag = "SpoolFault"
  readonly code: string
  readonly cause: unknown

  constructor(code: string, cause: unknown) {
    this.code = code
    this.cause = cause
  }
}

const attempt = <A>(make: () => Promise<A>): Effect.Effect<A, SpoolFault> =>
  Effect.tryPromise({
    try: make,
    catch: (cause) => new SpoolFault((cause as NodeJS.ErrnoException).code ?? "UNKNOWN", cause)
  })

/** Only this process and its children can reach it. */
const nameless = Effect.acquireRelease(
  attempt(async () => {
    const name = path.join(tmpdir(), `copas-cgi-${crypto.randomBytes(16).toString("hex")}`)
    const handle = await fs.open(name, "wx+", 0o600)
    await fs.unlink(name)
    return handle
  }),
  (handle) => Effect.promise(() => handle.close())
)

/** Takes all parts. The file closes with the scope. */
export const spool = <E>(
  parts: Effect.Effect<ReadonlyArray<Uint8Array> | undefined, E>,
  most: number
): Effect.Effect<Spooled, E | CgiRefused | SpoolFault, Scope.Scope> =>
  Effect.gen(function*() {
    // Copied together: kept one by one, parts of a byte would take hundreds of bytes each.
    const memory = Buffer.allocUnsafeSlow(mostInMemory)
    let file: fs.FileHandle | undefined
    let length = 0
    while (true) {
      const come = yield* parts
      if (come === undefined) return { length, kept: file ?? memory.subarray(0, length) }
      const bytes = come.length === 1 ? come[0]! : Buffer.concat(come)
      const position = length
      length += bytes.length
      if (length > most) {
        return yield* new CgiRefused({ status: 413, why: `the body has more than ${most} bytes` })
      }
      if (length <= mostInMemory) {
        memory.set(bytes, position)
        continue
      }
      if (file === undefined) {
        const opened: fs.FileHandle = file = yield* nameless
        yield* attempt(() => writeAll(opened, memory.subarray(0, position), 0))
      }
      const opened = file
      yield* attempt(() => writeAll(opened, bytes, position))
    }
  })

/** By position, so that the descriptor's own stays at the beginning: the script reads from there. */
const writeAll = async (file: fs.FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}
