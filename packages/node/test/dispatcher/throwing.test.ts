/** Callbacks around a fiber that throw: observers, loggers, supervisors. */
import { Copas, Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeCopas } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { type Context, Effect, Layer, Logger, type Option, Supervisor } from "effect"

/** The uncaught exceptions of the process while `body` runs; the test runner's own listeners wait. */
const uncaughtBy = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<ReadonlyArray<string>, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const messages: Array<string> = []
      const others = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", (error) => messages.push(error.message))
      return { messages, others }
    }),
    ({ messages }) => Effect.as(Effect.zipRight(body, Effect.promise(() => new Promise(setImmediate))), messages),
    ({ others }) =>
      Effect.sync(() => {
        process.removeAllListeners("uncaughtException")
        for (const other of others) process.on("uncaughtException", other)
      })
  )

class Throwing extends Supervisor.AbstractSupervisor<void> {
  private readonly when: "start" | "end"
  private readonly seen = new WeakSet<object>()
  constructor(when: "start" | "end") {
    super()
    this.when = when
  }
  override readonly value = Effect.void
  override onStart<A, E, R>(_: Context.Context<R>, __: Effect.Effect<A, E, R>, ___: Option.Option<any>, fiber: object) {
    if (this.when === "start" && !this.seen.has(fiber)) {
      this.seen.add(fiber)
      throw new Error("thrown by the supervisor")
    }
  }
  override onEnd() {
    if (this.when === "end") throw new Error("thrown by the supervisor")
  }
}

/** What can throw around a fiber, outside of its effect. */
const throwers: Record<string, Effect.Effect<void>> = {
  "an observer that was added in the thread": Effect.withFiberRuntime((fiber) => {
    fiber.addObserver(() => {
      throw new Error("thrown by the observer")
    })
    return Effect.void
  }),
  "an observer of a thread that fails": Effect.withFiberRuntime((fiber) => {
    fiber.addObserver(() => {
      throw new Error("thrown by the observer")
    })
    return Effect.die("on purpose")
  }),
  "an observer of a thread with finalizers to run": Effect.withFiberRuntime((fiber) => {
    fiber.addObserver(() => {
      throw new Error("thrown by the observer")
    })
    return Effect.asVoid(Effect.forkScoped(Effect.never)) as Effect.Effect<void>
  }),
  "an observer in a finalizer": Effect.addFinalizer(() =>
    Effect.withFiberRuntime((fiber) => {
      fiber.addObserver(() => {
        throw new Error("thrown by the observer")
      })
      return Effect.void
    })
  ) as unknown as Effect.Effect<void>,
  "a logger": Effect.provide(
    Effect.log("anything"),
    Logger.replace(
      Logger.defaultLogger,
      Logger.make(() => {
        throw new Error("thrown by the logger")
      })
    )
  )
}

const networks: Record<string, Layer.Layer<Copas.Copas | Net.Net>> = {
  memory: Layer.provideMerge(Copas.layer, NetMemory.layer),
  Node: NodeCopas.layer
}

for (const [network, layer] of Object.entries(networks)) {
  describe(network, () => {
    for (const [what, thrower] of Object.entries(throwers)) {
      it.live(`C11 ${what} that throws costs no other thread anything, and the loop ends`, () =>
        Effect.gen(function*() {
          const done: Array<number> = []
          const messages = yield* uncaughtBy(
            Copas.run(Effect.gen(function*() {
              yield* Copas.setErrorHandler(() => Effect.void)
              for (let index = 0; index < 20; index += 1) {
                yield* Copas.addThread(
                  index % 5 === 2
                    ? thrower
                    : Effect.sync(() => done.push(index)).pipe(
                      Effect.zipLeft(Effect.yieldNow()),
                      Effect.zipRight(Effect.sync(() => done.push(index)))
                    )
                )
              }
            })).pipe(Effect.provide(layer))
          )
          expect(done.length).toBe(32)
          // A logger's exception becomes a defect of the thread that logs: nothing is thrown past the fiber.
          expect(messages.length).toBe(what === "a logger" ? 0 : 4)
        }))
    }

    for (const when of ["start", "end"] as const) {
      it.live(`C11 a supervisor that throws at a handler's ${when} leaves no connection and no thread behind`, () =>
        Effect.gen(function*() {
          const left = yield* Effect.gen(function*() {
            let counts: unknown
            yield* uncaughtBy(
              Copas.run(Effect.gen(function*() {
                yield* Copas.setErrorHandler(() => Effect.void)
                const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
                const server = yield* Copas.addServer(listener, (socket) => socket.send("hello")).pipe(
                  Effect.supervised(new Throwing(when))
                )
                yield* Effect.scoped(Effect.gen(function*() {
                  const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
                  yield* Effect.exit(socket.receiveAll())
                }))
                yield* Copas.removeServer(server)
                while ((yield* server.stats).active > 0) yield* Copas.step(1)
                counts = [(yield* server.stats).connections, (yield* Copas.status).threads.length]
              }))
            )
            return counts
          }).pipe(Effect.provide(layer))
          expect(left).toEqual([1, 1])
        }))
    }
  })
}
