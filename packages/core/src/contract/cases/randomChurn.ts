/** Random programs whose threads, handlers and error handlers pull the dispatcher in all directions at once. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import { hasEnded } from "../../internal/effect/fibers.js"
import { SeededRandom } from "../../internal/effect/random.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type * as Server from "../../Server.js"
import type { Socket } from "../../Socket.js"
import * as Thread from "../../Thread.js"
import { turn, until } from "./support.js"

type Act = Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope>

class Churn {
  private readonly random: SeededRandom
  private readonly servers: Array<Server.Server> = []
  private readonly listeners: Array<Listener.InetListener> = []
  private readonly kept: Array<Socket> = []
  private readonly threads: Array<Thread.Thread> = []
  /** Fibers that threads left behind. */
  leftBehind = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  private chance(oneIn: number): boolean {
    return this.random.integer(oneIn) === 0
  }

  private pick<A>(from: ReadonlyArray<A>): A | undefined {
    return from[this.random.integer(from.length)]
  }

  private oneOf(acts: ReadonlyArray<() => Act>): Act {
    return Effect.suspend(() => this.pick(acts)!())
  }

  private with<A>(from: ReadonlyArray<A>, use: (one: A) => Act): Act {
    const one = this.pick(from)
    return one === undefined ? Effect.void : use(one)
  }

  private get while(): Act {
    return this.oneOf([() => Effect.yieldNow(), () => turn, () => Thread.pause(1), () => Effect.void])
  }

  /** Does something to the others. `depth` is how far what it begins may continue beginning things. */
  private meddle(depth: number): Act {
    return this.oneOf([
      () => Copas.exit,
      () => Copas.cancelAll,
      () => this.with(this.servers, (one) => Copas.removeServer(one, { keepOpen: this.chance(2) })),
      () => this.with(this.listeners, (one) => one.close),
      () => this.with(this.threads, (one) => one.interrupt),
      () => this.with(this.threads, (one) => one.wakeup),
      () => this.with(this.kept, (one) => one.abort),
      () => this.chance(3) ? Copas.drain("5 millis") : Effect.void,
      () => this.chance(3) ? Copas.step("2 millis") : Effect.void,
      () => depth > 0 ? this.addThread(depth - 1) : Effect.void,
      () => depth > 0 ? this.addServer(depth - 1) : Effect.void,
      () => depth > 0 && this.chance(3) ? Copas.run(Effect.zipRight(this.while, this.meddle(0))) : Effect.void,
      () => this.visit,
      () => this.visit,
      () => this.visit
    ])
  }

  private end(depth: number): Act {
    return this.oneOf([
      () => Effect.void,
      () => Effect.fail("enough"),
      () => Effect.die("enough"),
      () => Effect.interrupt,
      () => Effect.never,
      () => Thread.pauseForever,
      () => Copas.waitForExit,
      () => Effect.raceFirst(Thread.pauseForever, Copas.waitForExit),
      () => Effect.ensuring(Effect.never, Effect.ignore(this.while)),
      () => Effect.ensuring(Effect.fail("enough"), Effect.zipRight(Effect.ignore(this.while), Effect.die("worse"))),
      () => Effect.ensuring(Effect.void, Effect.ignore(depth > 0 ? this.addThread(depth - 1) : Effect.void)),
      () => {
        this.leftBehind += 1
        const left = Effect.ignore(Effect.zipRight(this.while, this.meddle(0)))
        return Effect.forkDaemon(Effect.ensuring(left, Effect.sync(() => (this.leftBehind -= 1))))
      }
    ])
  }

  private get onError(): Effect.Effect<Thread.ErrorHandler, never, Copas.Copas | Net.Net | Scope.Scope> {
    return Effect.map(Effect.context<Copas.Copas | Net.Net | Scope.Scope>(), (context) => () =>
      Effect.provide(
        Effect.orDie(this.oneOf([
          () => Effect.void,
          () => Effect.die("a bad handler"),
          () => this.meddle(0),
          () => this.while,
          () => this.chance(4) ? Effect.never : Effect.void,
          () => Copas.drain("5 millis")
        ])),
        context
      ))
  }

  private addThread(depth: number): Act {
    return Effect.gen(this, function*() {
      const thread = yield* Copas.addThread(
        Effect.gen(this, function*() {
          if (this.chance(3)) yield* Effect.addFinalizer(() => Effect.ignore(this.while))
          yield* this.while
          yield* this.meddle(depth)
          yield* this.while
          return yield* this.end(depth)
        }),
        { onError: yield* this.onError }
      )
      this.threads.push(thread)
    })
  }

  private addServer(depth: number): Act {
    return Effect.gen(this, function*() {
      const known = this.chance(3) ? this.pick(this.listeners) : undefined
      const listener = known ?? (yield* Net.listen({ host: "127.0.0.1", port: 0, linger: this.chance(2) ? 0 : 3 }))
      this.listeners.push(listener)
      const handler = (socket: Socket): Act =>
        Effect.gen(this, function*() {
          if (this.chance(4)) this.kept.push(socket)
          yield* this.while
          if (!this.chance(3)) yield* socket.send(`${yield* socket.receiveLine()}\n`)
          if (this.chance(3)) yield* this.meddle(depth)
          return yield* this.end(0)
        })
      const server = yield* Copas.addServer(listener, handler, {
        maxConnections: 1 + this.random.integer(3),
        autoClose: !this.chance(4),
        onError: yield* this.onError
      })
      this.servers.push(server)
    })
  }

  /** A client, for a while. */
  private get visit(): Act {
    return this.with(this.listeners, (listener) =>
      Effect.timeoutOption(
        Effect.scoped(Effect.gen(this, function*() {
          const socket = yield* Net.connect({
            host: "127.0.0.1",
            port: listener.port,
            linger: this.chance(2) ? 0 : 2
          })
          if (!this.chance(4)) yield* socket.send("hello\n")
          if (!this.chance(3)) yield* socket.receiveLine()
          yield* this.while
        })),
        "5 millis"
      ))
  }

  get program(): Act {
    return Effect.gen(this, function*() {
      yield* this.addServer(1)
      for (let acts = 0; acts < 8; acts += 1) {
        yield* Effect.ignore(
          this.oneOf([() => this.addThread(2), () => this.addThread(2), () => this.addServer(2), () => this.visit])
        )
        yield* this.while
      }
      if (this.chance(4)) yield* Thread.pauseForever
    })
  }
}

/** Runs a random program to its end, which `cancelAll` brings about if nothing else does. */
export const churn = (seed: number): Effect.Effect<void, never, Copas.Copas | Net.Net> =>
  Effect.gen(function*() {
    const churn = new Churn(seed)
    const running = yield* Effect.forkDaemon(Effect.exit(Copas.run(churn.program)))
    const isOver = Effect.sync(() => hasEnded(running) && churn.leftBehind === 0)
    yield* until(Effect.gen(function*() {
      for (let turns = 0; turns < 20; turns += 1) {
        if (yield* isOver) break
        yield* turn
      }
      yield* Copas.cancelAll
      return yield* isOver
    }))
  })
