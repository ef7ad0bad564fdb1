/** Which connections have a request under way, and which of those send a body, as undici's diagnostics tell. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as DiagnosticsChannel from "node:diagnostics_channel"

/** How many requests of a connection are under way, and how many of those send a body. */
interface UnderWay {
  awaited: number
  uploading: number
}

const byConnection = new WeakMap<object, UnderWay>()

const awaitedOn = Symbol("the connection that this request is awaited on")
const uploadingOn = Symbol("the connection that this request is being sent on")

/** undici's request. The marks stand on it: a weak map of all requests would cost a tenth of a small one, in collections. */
interface Request {
  [awaitedOn]?: UnderWay | undefined
  [uploadingOn]?: UnderWay | undefined
}

interface Message {
  readonly request: Request
  readonly socket: object
}

const listeners: ReadonlyArray<readonly [channel: string, listener: (message: unknown) => void]> = [
  ["undici:client:sendHeaders", (message) => {
    const { request, socket } = message as Message
    // undici sends a request again if its connection was lost before an answer.
    ended(request)
    const underWay = byConnection.get(socket)
    if (underWay === undefined) return
    underWay.awaited += 1
    underWay.uploading += 1
    request[awaitedOn] = underWay
    request[uploadingOn] = underWay
  }],
  ["undici:request:bodySent", (message) => sent((message as Message).request)],
  ["undici:request:trailers", (message) => ended((message as Message).request)],
  ["undici:request:error", (message) => ended((message as Message).request)]
]

const sent = (request: Request): void => {
  const underWay = request[uploadingOn]
  if (underWay === undefined) return
  underWay.uploading -= 1
  request[uploadingOn] = undefined
}

const ended = (request: Request): void => {
  const underWay = request[awaitedOn]
  if (underWay === undefined) return
  sent(request)
  underWay.awaited -= 1
  request[awaitedOn] = undefined
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
  byConnection.set(connection, { awaited: 0, uploading: 0 })
}

/**
 * Whether a connection awaits an answer: it has a request, and the server has to take what was sent of the body, or all of
 * it has been sent. undici reads all the time, also while it uploads and while it has no request.
 */
export const awaitsAnswer = (connection: object, unsent: number): boolean => {
  const underWay = byConnection.get(connection)
  return underWay !== undefined && underWay.awaited > 0 && (underWay.uploading === 0 || unsent > 0)
}
