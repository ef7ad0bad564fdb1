import * as Effect from "effect/Effect"
import type { NetAddress } from "../../NetAddress.js"
import type { Failure } from "../../Transport.js"
import type { StreamSocket } from "../socket/streamSocket.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"

/** One attempt of a race; without a failure it is still under way, or it won. */
export interface Attempt {
  readonly address: NetAddress
  readonly socket: StreamSocket
  failure: Failure | undefined
}

/** RFC 8305, section 5: the recommended Connection Attempt Delay. */
const attemptDelay = 250

class Due extends Deadline {
  readonly expire: () => void
  constructor(expire: () => void) {
    super()
    this.expire = expire
  }
}

/**
 * Connects to the first of `addresses` that answers: the next attempt starts when one fails, or some time after it
 * (Happy Eyeballs). Each attempt is entered in `attempts` when it starts: the caller owns them all, and cuts those that
 * did not win. At `until`, a time of `deadlines`, it is given up.
 */
export const race = (
  attempts: Array<Attempt>,
  addresses: ReadonlyArray<NetAddress>,
  deadlines: Deadlines,
  until: number,
  open: (address: NetAddress) => StreamSocket
): Effect.Effect<StreamSocket, Failure> =>
  Effect.async<StreamSocket, Failure>((resume) => {
    let failed = 0
    // Decided or given up: no attempt may start any more, nobody would cut it.
    let isOver = false
    const over = (): void => {
      isOver = true
      if (next !== undefined) deadlines.cancel(next)
      if (end !== undefined) deadlines.cancel(end)
    }
    // Most races are run by one.
    const next = addresses.length > 1 ? new Due(() => start()) : undefined
    const end = until === Infinity ? undefined : new Due(() => {
      over()
      resume(Effect.fail({ reason: "TimedOut", cause: undefined }))
    })
    const start = (): void => {
      const address = addresses[attempts.length]
      if (isOver || address === undefined) return
      const socket = open(address)
      const attempt: Attempt = { address, socket, failure: undefined }
      attempts.push(attempt)
      const settle = (): void => {
        if (isOver) return
        if (socket.failure === undefined) {
          over()
          resume(Effect.succeed(socket))
          return
        }
        attempt.failure = socket.failure
        failed += 1
        if (failed === addresses.length) {
          over()
          resume(Effect.fail(attempts[0]!.failure ?? socket.failure))
        } else {
          start()
        }
      }
      if (socket.isConnected || socket.failure !== undefined) settle()
      else socket.onConnect(settle)
      if (!isOver && next !== undefined && attempts.length < addresses.length) {
        deadlines.schedule(next, deadlines.now() + attemptDelay)
      }
    }
    if (addresses.length === 0) {
      resume(Effect.fail({ reason: "HostNotFound", cause: new Error("the name has no address") }))
      return
    }
    if (end !== undefined) deadlines.schedule(end, until)
    start()
    return Effect.sync(over)
  })
