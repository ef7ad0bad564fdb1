/** The stop of the tour about Unix-domain sockets. */
import { Copas, Net } from "@copas/core"
import { Effect } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Station } from "./station.js"

export const unix: Station = {
  title: "A Unix-domain socket",
  visit: Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "copas-tour-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    const path = join(folder, "echo.sock")
    const listener = yield* Net.listen({ path })
    const server = yield* Copas.addServer(
      listener,
      (socket) => socket.forEachLine((line) => socket.send(`${line}\n`)),
      { name: "unix" }
    )
    const socket = yield* Net.connect({ path })
    yield* socket.send("by a path\n")
    const answer = yield* socket.receiveLine()
    yield* socket.close
    yield* Copas.removeServer(server)
    return [`"${answer}" came back; the socket file is ${existsSync(path) ? "still there" : "gone again"}`]
  })
}
