/** Type tests of threads, locks, semaphores, queues, timers and futures. */
import {
  Copas,
  Future,
  type Listener,
  Lock,
  Semaphore,
  type Server,
  type SocketError,
  type Thread,
  Timer,
  WorkQueue
} from "@copas/core"
import { Context, type Duration, Effect, type Option, type Scope } from "effect"
import { describe, expect, it } from "tstyche"

class Database
  extends Context.Tag("Database")<Database, { readonly put: (n: number) => Effect.Effect<void, "full"> }>()
{}

const put = (n: number) => Effect.flatMap(Database, (database) => database.put(n))
declare const lock: Lock.Lock
declare const thread: Thread.Thread
declare const listener: Listener.Listener
declare const semaphore: Semaphore.Semaphore
declare const queue: WorkQueue.WorkQueue<number>
declare const scope: Effect.Effect<Scope.Scope, never, Scope.Scope>

describe("locks and semaphores", () => {
  it("C28 a scoped lock asks for the scope, an unscoped one does not", () => {
    expect(lock.get()).type.toBe<
      Effect.Effect<Duration.Duration, Lock.LockTimeout | Lock.LockDestroyed, Scope.Scope>
    >()
    expect(lock.acquire()).type.toBe<Effect.Effect<Duration.Duration, Lock.LockTimeout | Lock.LockDestroyed>>()
    expect(lock.release).type.toBe<Effect.Effect<void, Lock.LockNotOwned | Lock.LockDestroyed>>()
  })

  it("C28 withLock adds the lock's errors to the effect's, data first and last", () => {
    type Expected = Effect.Effect<void, "full" | Lock.LockTimeout | Lock.LockDestroyed, Database>
    expect(lock.withLock(put(1))).type.toBe<Expected>()
    expect(Lock.withLock(put(1), lock)).type.toBe<Expected>()
    expect(put(1).pipe(Lock.withLock(lock))).type.toBe<Expected>()
  })

  it("C28 a time-out of one call can be an InvalidOption", () => {
    type Expected = Effect.Effect<
      void,
      "full" | Lock.LockTimeout | Lock.LockDestroyed | SocketError.InvalidOption,
      Database
    >
    expect(put(1).pipe(Lock.withLock(lock, { timeout: 0 }))).type.toBe<Expected>()
    expect(Lock.withLock(put(1), lock, { timeout: 0 })).type.toBe<Expected>()
    expect(lock.withLock(put(1), { timeout: 0 })).type.toBe<Expected>()
    expect(lock.acquire({ timeout: 0 })).type.toBe<
      Effect.Effect<Duration.Duration, Lock.LockTimeout | Lock.LockDestroyed | SocketError.InvalidOption>
    >()
  })

  it("C29 withPermits adds the semaphore's errors to the effect's", () => {
    type Expected = Effect.Effect<void, "full" | Semaphore.TakeError, Database>
    expect(semaphore.withPermits(put(1), 2)).type.toBe<Expected>()
    expect(put(1).pipe(Semaphore.withPermits(semaphore, 2))).type.toBe<Expected>()
    expect(semaphore.permits(2)).type.toBe<Effect.Effect<void, Semaphore.TakeError, Scope.Scope>>()
  })
})

describe("queues", () => {
  it("C30 a queue knows its items, and pushing another kind does not compile", () => {
    expect(queue.pop()).type.toBe<Effect.Effect<number, WorkQueue.QueueTimeout | WorkQueue.QueueDestroyed>>()
    expect(queue.pop({ timeout: 1 })).type.toBe<
      Effect.Effect<number, WorkQueue.QueueTimeout | WorkQueue.QueueDestroyed | SocketError.InvalidOption>
    >()
    expect(queue.poll).type.toBe<Effect.Effect<Option.Option<number>, WorkQueue.QueueDestroyed>>()
    expect(queue.push).type.not.toBeCallableWith("text")
    expect(WorkQueue.make<string>()).type.toBe<
      Effect.Effect<WorkQueue.WorkQueue<string>, SocketError.InvalidOption>
    >()
  })

  it("C30 a queue is neither wider nor narrower than its items", () => {
    expect<WorkQueue.WorkQueue<number>>().type.not.toBeAssignableTo<WorkQueue.WorkQueue<number | string>>()
    expect<WorkQueue.WorkQueue<number | string>>().type.not.toBeAssignableTo<WorkQueue.WorkQueue<number>>()
  })

  it("C30 a worker's services are asked for, except for the scope that each item has; its failures are not the caller's", () => {
    expect(queue.addWorker((n) => Effect.zipRight(scope, put(n)))).type.toBe<
      Effect.Effect<Thread.Thread<void>, WorkQueue.QueueDestroyed, Copas.Copas | Database>
    >()
  })
})

describe("timers", () => {
  it("C31 the callback gets params of the kind that was given", () => {
    expect(Timer.make({
      delay: 1,
      params: { n: 1 },
      callback: (_, { n }) => Effect.zipRight(scope, put(n))
    })).type.toBe<Effect.Effect<Timer.Timer, SocketError.InvalidOption, Copas.Copas | Database>>()
  })
})

describe("futures", () => {
  it("C32 a future has the value and the errors of its effect, and FutureCancelled", () => {
    const future = Future.add(Effect.as(put(1), "done"))
    expect(future).type.toBe<Effect.Effect<Future.Future<string, "full">, never, Copas.Copas | Database>>()
    expect<Effect.Effect.Success<typeof future>["get"]>().type.toBe<
      Effect.Effect<string, "full" | Future.FutureCancelled>
    >()
  })
})

describe("error handlers", () => {
  const handler: Thread.ErrorHandler<Database> = () => Effect.ignore(put(1))
  const scoped: Thread.ErrorHandler<Scope.Scope> = () => Effect.asVoid(scope)

  it("C11 the services of an error handler are asked for where it is given, except for the scope of each call", () => {
    expect(Copas.setErrorHandler(handler)).type.toBe<Effect.Effect<void, never, Copas.Copas | Database>>()
    expect(Copas.setErrorHandler(scoped)).type.toBe<Effect.Effect<void, never, Copas.Copas>>()
    expect(Copas.addThread(Effect.void, { onError: handler })).type.toBe<
      Effect.Effect<Thread.Thread<void, never>, never, Copas.Copas | Database>
    >()
    expect(Copas.addServer(listener, () => Effect.void, { onError: handler })).type.toBe<
      Effect.Effect<Server.Server, SocketError.InvalidOption | SocketError.ListenerClosed, Copas.Copas | Database>
    >()
    expect(Timer.make({ delay: 1, callback: () => Effect.void, onError: handler })).type.toBe<
      Effect.Effect<Timer.Timer, SocketError.InvalidOption, Copas.Copas | Database>
    >()
    expect(queue.addWorker(() => Effect.void, { onError: handler })).type.toBe<
      Effect.Effect<Thread.Thread<void>, WorkQueue.QueueDestroyed, Copas.Copas | Database>
    >()
    expect(thread.setErrorHandler(handler)).type.toBe<Effect.Effect<void, never, Database>>()
  })

  it("C11 without a handler, or with one that uses nothing, nothing more is asked for", () => {
    expect(Copas.addThread(Effect.void, { name: "a" })).type.toBe<
      Effect.Effect<Thread.Thread<void, never>, never, Copas.Copas>
    >()
    expect(Copas.addThread(Effect.void, { onError: () => Effect.void })).type.toBe<
      Effect.Effect<Thread.Thread<void, never>, never, Copas.Copas>
    >()
    expect(Copas.addServer(listener, () => Effect.void)).type.toBe<
      Effect.Effect<Server.Server, SocketError.InvalidOption | SocketError.ListenerClosed, Copas.Copas>
    >()
    expect(thread.setErrorHandler(undefined)).type.toBe<Effect.Effect<void>>()
  })

  it("C11 an error handler that is asked for needs no services", () => {
    expect(thread.errorHandler).type.toBe<Effect.Effect<Thread.ErrorHandler>>()
    expect(Copas.errorHandler).type.toBe<Effect.Effect<Thread.ErrorHandler, never, Copas.Copas>>()
  })
})
