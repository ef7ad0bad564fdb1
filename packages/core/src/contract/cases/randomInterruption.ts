/** Random programs that are interrupted at random points. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import { interruptSoon, onExit, type RunningFiber } from "../../internal/effect/fibers.js"
import { SeededRandom } from "../../internal/effect/random.js"
import { suspend } from "../../internal/effect/suspend.js"
import * as Net from "../../Net.js"
import type { Socket } from "../../Socket.js"
import * as Thread from "../../Thread.js"

/** How a random program is interrupted: after a number of yields and turns, or of traced events. */
export type Mode = "yields" | "events"

const turn: Effect.Effect<void> = suspend<void>((resume) => {
  setTimeout(() => resume(Effect.void), 0)
})

const linger = "30 millis"

const step = (random: SeededRandom, socket: Socket): Effect.Effect<unknown, unknown> => {
  const steps: ReadonlyArray<() => Effect.Effect<unknown, unknown>> = [
    () => socket.send("a line\n"),
    () => socket.send("a line\n"),
    () => socket.send(new Uint8Array(1 + random.integer(300_000))),
    () => socket.receive(),
    () => socket.receiveLine({ maxLength: 1_000_000 }),
    () => socket.receiveExactly(1 + random.integer(100_000)),
    () => Effect.timeout(socket.receiveLine(), 1 + random.integer(3)),
    () => Effect.all([socket.receive(), socket.receive()], { concurrency: "unbounded" }),
    () => Effect.raceFirst(socket.receive(), turn),
    () => Effect.all([socket.send("one"), socket.send("two"), socket.flush], { concurrency: "unbounded" }),
    () => socket.flush,
    () => socket.shutdown("send"),
    () => socket.shutdown("receive"),
    () => socket.setTimeouts({ receive: 1 + random.integer(5), send: 1 + random.integer(5) }),
    () => socket.setTimeouts({ receive: null, send: null }),
    () => Thread.pause(random.integer(2)),
    () => turn,
    () => Effect.yieldNow(),
    () => socket.close,
    () => socket.abort,
    () => Effect.fail("enough"),
    () => Effect.die("enough")
  ]
  return steps[random.integer(steps.length)]!()
}

const conversation = (random: SeededRandom, socket: Socket): Effect.Effect<unknown, unknown> =>
  Effect.gen(function*() {
    const length = random.integer(12)
    const isCareful = random.integer(3) > 0
    for (let index = 0; index < length; index += 1) {
      const next = step(random, socket)
      yield* isCareful ? Effect.exit(next) : next
    }
  })

const client = (random: SeededRandom, port: number): Effect.Effect<unknown, unknown, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const socket = yield* Net.connect({
      host: random.integer(2) === 0 ? "127.0.0.1" : "localhost",
      // One in eight is refused.
      port: random.integer(8) === 0 ? 1 : port,
      linger,
      timeouts: random.integer(2) === 0 ? {} : { connect: random.integer(3), receive: 2, send: 2 }
    })
    yield* conversation(random, socket)
  })

/** A server or two, some clients, in threads and in the initializer: all of it by chance. */
const program = (random: SeededRandom): Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    for (let servers = random.integer(2); servers >= 0; servers -= 1) {
      const listener = yield* Net.listen({
        host: "127.0.0.1",
        port: 0,
        linger,
        highWaterMark: 1 + random.integer(100_000)
      })
      const port = listener.port
      if (random.integer(4) > 0) {
        const server = yield* Copas.addServer(listener, (socket) => conversation(random, socket), {
          autoClose: random.integer(4) > 0,
          onError: () => Effect.void
        })
        if (random.integer(3) === 0) {
          yield* Copas.addThread(
            Effect.zipRight(turn, Copas.removeServer(server, { keepOpen: random.integer(2) === 0 }))
          )
        }
      } else {
        yield* Copas.addThread(
          Effect.forever(Effect.scoped(Effect.flatMap(listener.accept, (socket) => conversation(random, socket)))),
          { onError: () => Effect.void }
        )
      }
      for (let clients = random.integer(4); clients > 0; clients -= 1) {
        yield* Copas.addThread(client(random, port), { onError: () => Effect.void })
      }
      if (random.integer(2) === 0) yield* Effect.exit(client(random, port))
      if (random.integer(6) === 0) yield* Copas.exit
    }
    yield* random.integer(2) === 0 ? Thread.pauseForever : Effect.never
  })

/** Runs a random program, and interrupts it at a random point; it has ended when this is done. */
export const interrupted = (seed: number, mode: Mode): Effect.Effect<void, never, Copas.Copas | Net.Net> =>
  Effect.gen(function*() {
    const random = new SeededRandom(seed)
    const points = random.integer(mode === "events" ? 40 : 400)
    const net = yield* Net.Net
    let fiber: RunningFiber<unknown, unknown> | undefined = undefined
    let left = points
    let isCut = false
    const cut = (): void => {
      isCut = true
      if (fiber !== undefined) interruptSoon(fiber)
    }
    const event = (): void => {
      left -= 1
      if (left === 0) cut()
    }
    if (mode === "events") {
      yield* net.trace(event)
      yield* Copas.trace(event)
    }
    fiber = yield* Effect.forkDaemon(Effect.exit(Copas.run(program(random))))
    if (isCut) cut()
    if (mode === "yields") {
      for (let index = 0; index < points; index += 1) yield* random.integer(5) > 0 ? Effect.yieldNow() : turn
      cut()
    } else {
      // If fewer events come, it is cut when nothing more happens.
      for (let quiet = 0, before = left; quiet < 30 && !isCut; quiet += 1) {
        if (left !== before) quiet = 0
        before = left
        yield* turn
      }
      cut()
    }
    const running = fiber
    yield* suspend<void>((resume) => {
      onExit(running, () => resume(Effect.void))
    })
    yield* net.trace(undefined)
    yield* Copas.trace(undefined)
  })

/** What is still there of the dispatcher and the network. */
export const left: Effect.Effect<ReadonlyArray<string>, never, Copas.Copas | Net.Net> = Effect.gen(function*() {
  const { servers, sockets, threads, timers } = yield* Copas.status
  return [
    ...threads.map(({ name, state }) => `thread ${name}, ${state}`),
    ...servers.map(({ name }) => `server ${name}`),
    ...sockets.map(({ name }) => `socket ${name}`),
    ...(timers === 0 ? [] : [`${timers} timers`])
  ]
})
