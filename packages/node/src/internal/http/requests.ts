/** Which connections have a request under way, and which of those send a body, as undici's diagnostics tell. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as DiagnosticsChannel from "node:diagnostics_channel"

/** The requests of a connection. */
interface UnderWay {
  readonly awaited: Set<object>
  readonly uploading: Set<object>
}

const byConnection = new WeakMap<object, UnderWay>()
const byRequest = new WeakMap<object, UnderWay>()

interface Message {
  readonly request: object
  readonly socket: object
}

const listeners: ReadonlyArray<readonly [channel: string, listener: (message: unknown) => void]> = [
  ["undici:client:sendHeaders", (message) => {
    const { request, socket } = message as Message
    const underWay = byConnection.get(socket)
    if (underWay === undefined) return
    byRequest.set(request, underWay)
    underWay.awaited.add(request)
    underWay.uploading.add(request)
  }],
  ["undici:request:bodySent", (message) => {
    const { request } = message as Message
    byRequest.get(request)?.uploading.delete(request)
  }],
  ["undici:request:trailers", (message) => ended(message as Message)],
  ["undici:request:error", (message) => ended(message as Message)]
]

const ended = ({ request }: Message): void => {
  const underWay = byRequest.get(request)
  underWay?.awaited.delete(request)
  underWay?.uploading.delete(request)
}

/** These channels are the process's: one subscription serves all dispatchers. */
let subscribers = 0

const change = (by: number, what: "subscribe" | "unsubscribe"): void => {
  subscribers += by
  if (subscribers !== (by > 0 ? 1 : 0)) return
  for (const [channel, listener] of listeners) DiagnosticsChannel[what](channel, listener)
}

/** Keeps the requests of connections for as long as the scope lasts. */
export const observe: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => change(1, "subscribe")),
  () => Effect.sync(() => change(-1, "unsubscribe"))
)

/** Keeps the requests of this connection, which has none yet. */
export const track = (connection: object): void => {
  byConnection.set(connection, { awaited: new Set(), uploading: new Set() })
}

/**
 * Whether a connection awaits an answer: it has a request, and the server has to take what was sent of the body, or all of
 * it has been sent. undici reads all the time, also while it uploads and while it has no request.
 */
export const awaitsAnswer = (connection: object, unsent: number): boolean => {
  const underWay = byConnection.get(connection)
  return underWay !== undefined && underWay.awaited.size > 0 && (underWay.uploading.size === 0 || unsent > 0)
}
