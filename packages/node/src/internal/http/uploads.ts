/** Which connections carry a request whose body is not whole yet, as undici's diagnostics tell. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as DiagnosticsChannel from "node:diagnostics_channel"
import { SocketDuplex } from "./duplex.js"

const uploading = new WeakMap<object, SocketDuplex>()

const onHeaders = (message: unknown): void => {
  const { request, socket } = message as { readonly request: object; readonly socket: unknown }
  if (!(socket instanceof SocketDuplex)) return
  uploading.set(request, socket)
  socket.uploading(true)
}

const onBody = (message: unknown): void => {
  const { request } = message as { readonly request: object }
  uploading.get(request)?.uploading(false)
  uploading.delete(request)
}

/** These channels are the process's: one subscription serves all dispatchers. */
let subscribers = 0

const change = (by: number, what: "subscribe" | "unsubscribe"): void => {
  subscribers += by
  if (subscribers !== (by > 0 ? 1 : 0)) return
  DiagnosticsChannel[what]("undici:client:sendHeaders", onHeaders)
  DiagnosticsChannel[what]("undici:request:bodySent", onBody)
}

/** Tells connections of uploads for as long as the scope lasts. */
export const observe: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => change(1, "subscribe")),
  () => Effect.sync(() => change(-1, "unsubscribe"))
)
