/** The two networks that the FTP tests run on, and the bytes that they send. */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { expect } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"

/** Both networks: what holds on one holds on the other. */
export const networks: ReadonlyArray<readonly [string, Layer.Layer<Net.Net>]> = [
  ["in memory", NetMemory.layer],
  ["on Node", NodeNet.layer]
]

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** So many bytes, no two neighbours alike. */
export const pattern = (length: number): Uint8Array => {
  // Not `Uint8Array.from` with a callback, which takes longer than most of the tests that send these bytes.
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index += 1) bytes[index] = index * 31 + (index >> 8)
  return bytes
}

/** Whether both have the same bytes. */
export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Lets the event loop go round once. */
export const turn: Effect.Effect<void> = Effect.async<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 0)
  return Effect.sync(() => clearTimeout(timer))
})

/** What comes from this machine mostly comes within a few turns. What takes longer is waited for without spinning. */
const quickTurns = 20

const quickTurn: Effect.Effect<void> = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** How many steps there are in a turn of the event loop: more than fibers take until they wait for the next turn. */
const stepsInTurn = 48

/**
 * Lets this many steps go by: whole turns of the event loop, and in the last one as often the other fibers' next step. A
 * connection comes with a turn, so by the fibers' steps alone nothing behind it is ever met.
 */
export const passing = (steps: number): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.replicateEffect(quickTurn, Math.floor(steps / stepsInTurn), { discard: true }),
    Effect.repeatN(Effect.yieldNow(), steps % stepsInTurn)
  )

/** Waits until `condition` holds. It costs no time of the clock. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> => {
  const from = (turns: number): Effect.Effect<void, E, R> =>
    Effect.flatMap(
      condition,
      (isTrue) => isTrue ? Effect.void : Effect.zipRight(turns < quickTurns ? quickTurn : turn, from(turns + 1))
    )
  return from(0)
}

/** A server and a session with it. */
export const connected = (
  server: FtpServer.Options = {},
  client: Ftp.Defaults = {}
): Effect.Effect<
  { readonly server: FtpServer.FtpServer; readonly session: FtpSession.Session },
  unknown,
  Net.Net | Scope.Scope
> =>
  Effect.gen(function*() {
    const started = yield* FtpServer.make(server)
    const ftp = yield* Ftp.make({ host: started.host, port: started.port, ...client })
    return { server: started, session: yield* ftp.connect() }
  })

/** Runs `use` in a scope of its own, and then finds every socket closed. */
export const leavesNothing = <A, E, R>(
  use: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Net.Net> =>
  Effect.gen(function*() {
    const result = yield* Effect.scoped(use)
    const net = yield* Net.Net
    yield* until(Effect.map(net.sockets, (sockets) => sockets.length === 0))
    expect(yield* net.sockets).toHaveLength(0)
    return result
  })
