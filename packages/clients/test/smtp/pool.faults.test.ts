/** SMTP pools over a network and a server that fail at random: every message is accounted for. */
import { Net } from "@copas/core"
import { NetMemory, Sampling, Simulation } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Logger, LogLevel, Option, Random, Scope } from "effect"
import { SmtpPool } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { arrived, numbered, pooled, upTo } from "./pools.js"

const simulated = <A, E>(
  use: Effect.Effect<A, E, Net.Net | NetMemory.NetMemory | Scope.Scope>,
  seed: number,
  options: NetMemory.Options = {}
): Effect.Effect<A, E | unknown> =>
  Simulation.run(
    Effect.provide(
      Effect.gen(function*() {
        const result = yield* Effect.scoped(use)
        expect(yield* Effect.flatMap(Net.Net, ({ sockets }) => sockets)).toHaveLength(0)
        return result
      }),
      NetMemory.layerWith(options)
    ).pipe(Logger.withMinimumLogLevel(LogLevel.None)),
    { seed, maxTime: "10 minutes" }
  )

/** What the callers know of each message, and what the server has. */
const account = (
  exits: ReadonlyArray<Exit.Exit<unknown, { readonly _tag: string }>>,
  messages: ReadonlyArray<SmtpServer.Message>
): void => {
  const numbers = arrived(messages)
  expect(new Set(numbers).size).toBe(numbers.length)
  for (const [number, exit] of exits.entries()) {
    const hasArrived = numbers.includes(number)
    if (Exit.isSuccess(exit)) expect([number, hasArrived]).toEqual([number, true])
    else if (!Cause.isInterrupted(exit.cause)) {
      const { _tag } = Option.getOrThrow(Cause.failureOption(exit.cause))
      if (_tag !== "DeliveryUnknown") expect([number, _tag, hasArrived]).toEqual([number, _tag, false])
    }
  }
}

const randomly = (most: number) => Effect.flatMap(Random.nextIntBetween(1, most), (millis) => Effect.sleep(millis))

describe("an SMTP pool where things fail", () => {
  it.effect("C35 connections are reset and callers interrupted at random: who was told yes has it once, and no has it not", () => {
    let sent = 0
    const runs = Sampling.forEachSeed({ short: 6, long: 100 }, (seed) =>
      simulated(
        Effect.gen(function*() {
          const { pool, server } = yield* pooled({}, { size: 4, maxMessages: 20, idle: "1 seconds" })
          const network = yield* NetMemory.NetMemory
          const resets = Effect.zipRight(
            randomly(600),
            Effect.flatMap(Random.nextBoolean, (isAll) =>
              network.resetConnections(
                isAll ? undefined : ({ client }) => client._tag === "InetAddress" && client.port % 3 === 0
              ))
          )
          yield* Effect.forkScoped(Effect.forever(resets))
          const fibers = yield* Effect.forEach(upTo(120), (number) =>
            Effect.zipRight(randomly(10), Effect.fork(pool.send(numbered(number)))))
          yield* Effect.forkScoped(Effect.forEach(
            fibers.filter((_, number) =>
              number % 7 === 0
            ),
            (fiber) => Effect.zipRight(randomly(30), Fiber.interrupt(fiber))
          ))
          const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
          yield* pool.drain
          account(exits, yield* server.messages)
          sent += exits.filter(Exit.isSuccess).length
        }),
        seed,
        { link: { latency: 5, jitter: 10 } }
      ))
    // In a seed with bad luck all tries to connect are reset.
    return Effect.map(runs, () => {
      if (!Sampling.isRepeat()) expect(sent).toBeGreaterThan(100)
    })
  })

  it.effect("C35 the server is restarted amid 1,000 messages: each is delivered once, or its sender knows that it is not certain", () =>
    Sampling.forEachSeed({ short: 2, long: 20 }, (seed) =>
      simulated(
        Effect.gen(function*() {
          const first = yield* Scope.make()
          const server = yield* Scope.extend(SmtpServer.make(), first)
          const pool = yield* SmtpPool.make({ host: server.host, port: server.port, tls: "none", size: 8 })
          const sends = yield* Effect.fork(
            Effect.forEach(upTo(1000), (number) => Effect.exit(pool.send(numbered(number))), { concurrency: 50 })
          )
          yield* Effect.sleep("400 millis")
          yield* Scope.close(first, Exit.void)
          yield* Effect.sleep("500 millis")
          const again = yield* SmtpServer.make({ port: server.port })
          const exits = yield* Fiber.join(sends)
          account(exits, [...(yield* server.messages), ...(yield* again.messages)])
          expect(exits.filter(Exit.isFailure).length).toBeLessThanOrEqual(8)
          expect((yield* again.messages).length).toBeGreaterThan(100)
          expect((yield* pool.stats).waiting).toBe(0)
        }),
        seed,
        { link: { latency: 5, jitter: 3 } }
      )))

  it.effect.each<readonly [string, SmtpServer.Quirks]>(
    ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"].map((phase) =>
      [phase, { endings: { [phase]: "silence" } }] as const
    )
  )("C35 a deadline around a send holds, whatever the pool waits for: silence at %s", ([phase, quirks]) =>
    simulated(
      Effect.gen(function*() {
        const { pool } = yield* pooled({ quirks }, { size: 1 })
        const exits = yield* Effect.forEach(upTo(3), (number) =>
          Effect.exit(Effect.timeout(pool.send(numbered(number)), "10 seconds")), { concurrency: "unbounded" })
        expect(exits.filter(Exit.isFailure)).toHaveLength(3)
        // After its content a message waits for the reply as long as `timeouts.close` allows.
        expect(yield* Clock.currentTimeMillis).toBe(phase === "DOT" ? 15_000 : 10_000)
      }),
      1
    ))
})
