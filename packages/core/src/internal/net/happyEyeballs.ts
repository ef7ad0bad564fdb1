/** Connecting to the first of several addresses that answers: RFC 8305, section 5. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { NetAddress } from "../../NetAddress.js"
import type { InvalidOption } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import { suspendCancellable } from "../effect/suspend.js"
import type { StreamSocket } from "../socket/streamSocket.js"
import { type Deadlines, Due } from "../time/deadlines.js"
import type { Candidates } from "./candidates.js"
import type { Permit } from "./permit.js"

/** Why an attempt failed: the platform's failure, or that `permit` refused the address. */
export type AttemptFailure = Failure | { readonly reason: "NotPermitted"; readonly cause?: undefined }

/**
 * One attempt of a race; without a failure it is still under way, or it won. An attempt that was not permitted has no
 * socket.
 */
export interface Attempt {
  readonly address: NetAddress
  readonly socket: StreamSocket | undefined
  failure: AttemptFailure | undefined
}

/** RFC 8305, section 5: the recommended Connection Attempt Delay. */
const attemptDelay = 250

/**
 * Connects to the first of `candidates` that answers: the next attempt starts when one fails, or some time after it
 * (Happy Eyeballs). Candidates that become known meanwhile join the race. Each attempt is entered in `attempts` when it
 * starts: the caller owns them all, and cuts those that did not win. At `until`, a time of `deadlines`, the race ends.
 * `permit` is asked about each address before it is tried.
 */
export const race = (
  attempts: Array<Attempt>,
  candidates: Candidates,
  deadlines: Deadlines,
  until: number,
  permit: Permit | undefined,
  open: (address: NetAddress) => StreamSocket
): Effect.Effect<StreamSocket, AttemptFailure | InvalidOption> =>
  suspendCancellable<StreamSocket, AttemptFailure | InvalidOption>((resume) => {
    let running = 0
    let startedAt = -Infinity
    // Decided or given up: no attempt may start any more, because nothing would cut it.
    let isOver = false
    const over = (): void => {
      isOver = true
      candidates.end()
      if (next !== undefined) deadlines.cancel(next)
      if (end !== undefined) deadlines.cancel(end)
    }
    // Most races are run by one.
    const next = candidates.mayBeSeveral ? new Due(() => step()) : undefined
    const end = until === Infinity ? undefined : new Due(() => {
      over()
      resume(Effect.fail({ reason: "TimedOut", cause: undefined }))
    })
    const step = (): void => {
      if (isOver) return
      for (let address = candidates.next(); address !== undefined; address = candidates.next()) {
        const permitted = permit === undefined ? Exit.succeed(true) : permit(address)
        if (Exit.isFailure(permitted)) {
          over()
          resume(Effect.failCause(permitted.cause))
          return
        }
        if (permitted.value) {
          start(address)
          return
        }
        attempts.push({ address, socket: undefined, failure: { reason: "NotPermitted" } })
      }
      if (running === 0 && candidates.isComplete) {
        over()
        // What was tried says more than what was not.
        const first = attempts.find(({ socket }) => socket !== undefined) ?? attempts[0]
        resume(Effect.fail(first?.failure ?? candidates.failure))
      }
    }
    const start = (address: NetAddress): void => {
      const socket = open(address)
      const attempt: Attempt = { address, socket, failure: undefined }
      attempts.push(attempt)
      running += 1
      startedAt = deadlines.now()
      const settle = (): void => {
        if (isOver) return
        if (socket.failure === undefined) {
          over()
          resume(Effect.succeed(socket))
          return
        }
        attempt.failure = socket.failure
        running -= 1
        step()
      }
      if (socket.isConnected || socket.failure !== undefined) settle()
      else socket.onConnect(settle)
      if (!isOver && next !== undefined && candidates.hasNext) deadlines.schedule(next, startedAt + attemptDelay)
    }
    candidates.onChange = () => {
      if (isOver) return
      if (running === 0) step()
      else if (candidates.hasNext && next !== undefined) deadlines.schedule(next, startedAt + attemptDelay)
    }
    if (end !== undefined) deadlines.schedule(end, until)
    step()
    return Effect.sync(over)
  })
