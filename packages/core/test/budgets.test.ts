/** Interruption at every budget of operations, of everything that gives out items, permits or bytes. */
import type { Socket } from "@copas/core"
import { Copas, Lock, Net, Semaphore, Thread, Udp, WorkQueue } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FiberId, Layer, Option, Runtime, Scheduler, type Scope } from "effect"

/** Something that gives out a known number of things. */
interface Tool<A> {
  readonly take: Effect.Effect<A, unknown, Scope.Scope>
  /** How many things that were. */
  readonly weigh: (taken: A) => number
  /** How many are there once the taker has ended. */
  readonly left: Effect.Effect<number, unknown>
  /** Called between two turns of the taker: gives one thing. */
  readonly feed?: (() => void) | undefined
  /** How many fibers take, by turns. `Effect.all` would not do: at such budgets an interrupted one may never end. */
  readonly takers?: number
  /** What `left` and the taken ones come to. */
  readonly total: () => number
}

type Open<A> = Effect.Effect<Tool<A>, unknown, Net.Net | Scope.Scope>

const items = 30
const from = (least: number): ReadonlyArray<number> => Array.from({ length: 29 }, (_, index) => least + index)
const budgets = [...from(12), 64, 100, 511]
/** The dispatcher's scheduler lets a thread run for 1024 operations, whatever it allows; so budgets begin to count there. */
const budgetsInThreads = [...from(1024), 12, 64, 511]
/** Enough for a thread to run into its budget. */
const many = 500

const one = (): number => 1
const none = (): number => 0

const queue = (how: "pop" | "pop while it waits", count = items): Open<number> =>
  Effect.gen(function*() {
    const queue = yield* WorkQueue.make<number>({ timeout: "1 hour" })
    const isFed = how === "pop while it waits"
    const runSync = Runtime.runSync(yield* Effect.runtime())
    let pushed = 0
    const feed = (): void => {
      runSync(queue.push(pushed))
      pushed += 1
    }
    while (!isFed && pushed < count) feed()
    return { take: queue.pop(), weigh: one, left: queue.getSize, total: () => pushed, feed: isFed ? feed : undefined }
  })

const polling = (count = items): Open<Option.Option<number>> =>
  Effect.gen(function*() {
    const queue = yield* WorkQueue.make<number>()
    for (let item = 0; item < count; item += 1) yield* queue.push(item)
    return { take: queue.poll, weigh: (item) => Option.isSome(item) ? 1 : 0, left: queue.getSize, total: () => count }
  })

const semaphore = (how: "take" | "take while it waits" | "withPermits" | "permits", count = items) =>
  Effect.gen(function*() {
    const isFed = how === "take while it waits"
    const semaphore = yield* Semaphore.make({ max: 1000, start: isFed ? 0 : count, timeout: "1 hour" })
    const runSync = Runtime.runSync(yield* Effect.runtime())
    let given = isFed ? 0 : count
    const feed = (): void => {
      runSync(semaphore.give())
      given += 1
    }
    const rest = { left: semaphore.getCount, total: () => given, ...(isFed ? { feed } : {}) }
    if (how === "withPermits") return { take: semaphore.withPermits(Effect.void), weigh: none, ...rest }
    if (how === "permits") return { take: Effect.scoped(semaphore.permits()), weigh: none, ...rest }
    return { take: semaphore.take(), weigh: one, ...rest }
  })

const lock = (how: "withLock" | "get" | "acquire", reentrant: boolean) =>
  Effect.gen(function*() {
    const lock = yield* Lock.make({ timeout: "1 hour", reentrant })
    let isHeld = false
    const take: Effect.Effect<unknown, unknown> = how === "withLock"
      ? lock.withLock(reentrant ? lock.withLock(Effect.void) : Effect.void)
      : how === "get"
      ? Effect.scoped(lock.get())
      : Effect.flatMap(lock.acquire(), () => {
        isHeld = true
        return Effect.map(lock.release, () => {
          isHeld = false
        })
      })
    // Another fiber can have it, unless the taker learned that it has it.
    const isFree = Effect.isSuccess(lock.withLock(Effect.void, { timeout: 0 }))
    const left = Effect.map(isFree, (free) => free || isHeld ? items : 0)
    return { take, weigh: none, left, total: () => items }
  })

const listening = Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, backlog: 100 })
  return { listener, port: listener.port }
})

const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 0)))

/** A connection on which `data` waits to be read. */
const socket = <A>(
  data: string,
  read: (socket: Socket.Socket) => Effect.Effect<A, unknown>,
  weigh: (taken: A) => number
) =>
  Effect.gen(function*() {
    const { listener, port } = yield* listening
    const client = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
    const server = yield* listener.accept
    yield* client.send(data)
    while ((yield* server.stats).bytesReceived < data.length) yield* turn
    const left = Effect.map(server.stats, ({ receiveBuffered }) => receiveBuffered)
    return { take: read(server), weigh, left, total: () => data.length }
  })

const line = "a line\n"
const lines = line.repeat(items)

/** A loop over what comes, which counts by itself. */
const looping = (loop: (socket: Socket.Socket, note: (size: number) => void) => Effect.Effect<void, unknown>) =>
  Effect.suspend(() => {
    let seen = 0
    return Effect.map(
      socket(lines, (server) =>
        loop(server, (size) => {
          seen += size
        }), none),
      (tool) => ({ ...tool, left: Effect.map(tool.left, (left) => left + seen) })
    )
  })

const datagrams = Effect.gen(function*() {
  const server = yield* Udp.bind({ host: "127.0.0.1" })
  const client = yield* Udp.bind({ host: "127.0.0.1" })
  for (let i = 0; i < items; i += 1) yield* client.sendTo("x", server.localAddress)
  while ((yield* server.stats).datagramsReceived < items) yield* turn
  return {
    take: server.receive(),
    weigh: one,
    left: Effect.map(server.stats, ({ queued }) => queued),
    total: () => items
  }
})

const accepting = Effect.gen(function*() {
  const { listener, port } = yield* listening
  for (let i = 0; i < items; i += 1) yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
  while ((yield* listener.stats).pending < items) yield* turn
  return {
    take: listener.accept,
    weigh: one,
    left: Effect.map(listener.stats, ({ pending }) => pending),
    total: () => items
  }
})

/** Lets some takers take, interrupts each after a number of its turns, and waits until all have ended. */
type Drive = (
  loop: Effect.Effect<never, unknown, Scope.Scope>,
  takers: number,
  turns: number,
  feed: (() => void) | undefined,
  context: string
) => Effect.Effect<void, unknown, Copas.Copas | Scope.Scope>

/** The takers are fibers outside of threads. */
const outside: Drive = (loop, takers, turns, feed, context) =>
  Effect.gen(function*() {
    const scheduler = new Scheduler.ControlledScheduler()
    const runtime = yield* Effect.runtime<Scope.Scope>()
    const options = { scheduler, immediate: false }
    const fibers = Array.from({ length: takers }, () => Runtime.runFork(runtime, loop, options))
    for (const fiber of fibers) {
      for (let i = 0; i < turns; i += 1) {
        feed?.()
        scheduler.step()
      }
      fiber.unsafeInterruptAsFork(FiberId.none)
      for (let i = 0; i < 1000 && fiber.unsafePoll() === null; i += 1) scheduler.step()
      assert.isNotNull(fiber.unsafePoll(), `the taker has ended: ${context}`)
    }
  })

/** The takers are threads, driven by another thread: a turn of each is a step of the dispatcher. */
const inThreads: Drive = (loop, takers, turns, feed) =>
  Copas.run(Effect.gen(function*() {
    const threads = yield* Effect.replicateEffect(Copas.addThread(loop), takers)
    for (const thread of threads) {
      for (let i = 0; i < turns; i += 1) {
        feed?.()
        yield* Effect.yieldNow()
      }
      yield* thread.interrupt
    }
  }))

/** Takes until it is interrupted after a number of its turns, and checks that nothing is lost; then another taker, if any. */
const interruptedAfter = <A>(open: Open<A>, drive: Drive, budget: number, turns: number) =>
  Effect.scoped(Effect.gen(function*() {
    const { feed, left, take, takers = 1, total, weigh } = yield* open
    let taken = 0
    const loop: Effect.Effect<never, unknown, Scope.Scope> = Effect.flatMap(take, (some) => {
      taken += weigh(some)
      return loop
    })
    const context = `budget ${budget}, interrupted after ${turns} turns`
    yield* drive(Effect.withMaxOpsBeforeYield(loop, budget), takers, turns, feed, context)
    assert.deepStrictEqual({ context, sum: taken + (yield* left) }, { context, sum: total() })
  }))

const several = <A>(open: Open<A>): Open<A> => Effect.map(open, (tool) => ({ ...tool, takers: 2 }))

const check = <A>(title: string, open: Open<A>, drive = outside) =>
  it.live(title, () =>
    Effect.gen(function*() {
      for (const budget of drive === outside ? budgets : budgetsInThreads) {
        yield* Sampling.forEachIn(
          `${title}, budget ${budget}, turns`,
          { to: drive === outside ? 26 : 8 },
          (turns) => interruptedAfter(open, drive, budget, turns)
        )
      }
    }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer))))

describe("what is interrupted at any budget of operations loses nothing", () => {
  check("C30 pop loses no item", queue("pop"))
  check("C30 pop loses no item that comes while it waits", queue("pop while it waits"))
  check("C30 poll loses no item", polling())
  check("C29 take loses no permit", semaphore("take"))
  check("C29 take loses no permit that comes while it waits", semaphore("take while it waits"))
  check("C29 withPermits gives back what it took", semaphore("withPermits"))
  check("C29 permits come back with the scope", semaphore("permits"))
  check("C28 withLock leaves the lock free", lock("withLock", true))
  check("C28 withLock leaves a lock that is not re-entrant free", lock("withLock", false))
  check("C28 get leaves the lock free with its scope", lock("get", true))
  check("C28 acquire has the lock only when it says so", lock("acquire", true))
  check("C28 acquire has a lock that is not re-entrant only when it says so", lock("acquire", false))
  check("C21 receive loses no byte", socket(lines, (one) => one.receive({ maxBytes: 7 }), (bytes) => bytes.length))
  check("C20 receiveLine loses no line", socket(lines, (one) => one.receiveLine(), (text) => text.length + 1))
  check("C20 receiveExactly loses no byte", socket(lines, (one) => one.receiveExactly(7), (bytes) => bytes.length))
  check("S13 receiveUntil loses no record", socket(lines, (one) => one.receiveUntil("\n"), (bytes) => bytes.length + 1))
  check(
    "S13 forEachLine loses no line",
    looping((one, note) =>
      one.forEachLine((text) => {
        note(text.length + 1)
        return Effect.void
      })
    )
  )
  check(
    "S13 forEachChunk loses no byte",
    looping((one, note) =>
      one.forEachChunk((bytes) => {
        note(bytes.length)
        return Effect.void
      })
    )
  )
  check("C30 pop by several loses no item", several(queue("pop while it waits")))
  check(
    "C21 reads that take turns lose no line",
    several(socket(lines, (one) => one.receiveLine(), (text) => text.length + 1))
  )
  check("C23 receive loses no datagram", datagrams)
  check("S01 accept loses no connection", accepting)
})

describe("what is interrupted in a thread at any budget of operations loses nothing", () => {
  const checkInThreads = <A>(title: string, open: Open<A>): void => check(`${title} (in a thread)`, open, inThreads)

  checkInThreads("C30 pop loses no item", queue("pop", many))
  checkInThreads("C30 pop loses no item that comes while it waits", queue("pop while it waits"))
  checkInThreads("C30 pop by several loses no item", several(queue("pop while it waits")))
  checkInThreads("C30 poll loses no item", polling(many))
  checkInThreads("C29 take loses no permit", semaphore("take", many))
  checkInThreads("C29 take loses no permit that comes while it waits", semaphore("take while it waits"))
  checkInThreads("C29 take by several loses no permit", several(semaphore("take while it waits")))
  checkInThreads("C29 withPermits gives back what it took", semaphore("withPermits"))
  checkInThreads("C29 permits come back with the scope", semaphore("permits"))
  checkInThreads("C28 withLock leaves the lock free", lock("withLock", true))
  checkInThreads("C28 withLock by several leaves the lock free", several(lock("withLock", true)))
  checkInThreads("C28 withLock leaves a lock that is not re-entrant free", lock("withLock", false))
  checkInThreads("C28 get leaves the lock free with its scope", lock("get", true))
  checkInThreads("C28 acquire has the lock only when it says so", lock("acquire", true))
  checkInThreads("C28 acquire has a lock that is not re-entrant only when it says so", lock("acquire", false))
})

describe("what is interrupted at any budget of operations ends", () => {
  const ends = (title: string, program: Effect.Effect<unknown, unknown, Copas.Copas>) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const runtime = yield* Effect.runtime<Copas.Copas>()
        for (const budget of budgets) {
          yield* Sampling.forEachIn(`${title}, budget ${budget}, turns`, { to: 26 }, (turns) =>
            Effect.gen(function*() {
              const scheduler = new Scheduler.ControlledScheduler()
              const limited = Effect.withMaxOpsBeforeYield(program, budget)
              const fiber = Runtime.runFork(runtime, limited, { scheduler, immediate: false })
              for (let i = 0; i < turns; i += 1) scheduler.step()
              fiber.unsafeInterruptAsFork(FiberId.none)
              // Its threads are on the dispatcher's own run queue.
              for (let i = 0; i < 1000 && fiber.unsafePoll() === null; i += 1) {
                scheduler.step()
                yield* turn
              }
              const context = `budget ${budget}, interrupted after ${turns} turns`
              assert.isNotNull(fiber.unsafePoll(), `it has ended: ${context}`)
              const { counts, running, threads } = yield* Copas.status
              assert.deepStrictEqual({ context, threads, running, ready: counts.ready }, {
                context,
                threads: [],
                running: false,
                ready: 0
              })
            }))
        }
      }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer))))

  ends("C01 run ends and leaves no thread", Copas.run(Effect.zipRight(Copas.addThread(Effect.never), Effect.never)))
  ends("C01 run that has ended by itself ends so", Copas.run(Effect.as(Copas.addThread(Effect.void), 1)))
  ends(
    "C01 run in an uninterruptible region ends",
    Effect.uninterruptible(Copas.run(Copas.addThread(Thread.pauseForever)))
  )
  ends(
    "C26 drain ends and leaves no thread",
    Effect.ensuring(Effect.zipRight(Copas.addThread(Effect.never), Copas.drain("1 hour")), Copas.cancelAll)
  )
})
