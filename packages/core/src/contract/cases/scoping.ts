/** The scope of a thread: every operation that takes a scope does there what it does in a plain one. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as FiberMap from "effect/FiberMap"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Pool from "effect/Pool"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as RcMap from "effect/RcMap"
import * as RcRef from "effect/RcRef"
import * as Resource from "effect/Resource"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as ScopedCache from "effect/ScopedCache"
import * as ScopedRef from "effect/ScopedRef"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Copas from "../../Copas.js"
import { dial, type DispatcherCase, test } from "./dispatcherSupport.js"
import { listening, same, turn } from "./support.js"

type Note = (text: string) => void
type Use = (note: Note) => Effect.Effect<unknown, unknown, Scope.Scope>

const noting = (note: Note, text: string) => Effect.sync(() => note(text))

const released = (note: Note, name: string) =>
  Effect.acquireRelease(
    Effect.as(noting(note, `${name} acquired`), name),
    (_, exit) => noting(note, `${name} released after ${exit._tag}`)
  )

/** Runs until it is interrupted, and says so. */
const busy = (note: Note, name: string): Effect.Effect<never> =>
  Effect.onInterrupt(Effect.never, () => noting(note, `${name} interrupted`))

/** Forked fibers get their first turn. */
const begun = Effect.yieldNow({ priority: 1 })

class Tool extends Context.Tag("@copas/core/testing/scoping/Tool")<Tool, string>() {}

const tool = (note: Note): Layer.Layer<Tool> => Layer.scoped(Tool, released(note, "tool"))

const setting = FiberRef.unsafeMake("as it was")

const closeable = Effect.map(Effect.scope, (scope) => scope as Scope.CloseableScope)

/** Every kind of operation that takes a scope. */
const uses: Readonly<Record<string, Use>> = {
  "nothing": () => Effect.succeed("done"),
  "the scope itself": (note) =>
    Effect.map(Effect.scope, (scope) => {
      note(String([Scope.ScopeTypeId in scope, Scope.CloseableScopeTypeId in scope]))
      note(String(["strategy" in scope, "fork" in scope, "close" in scope, "addFinalizer" in scope]))
    }),
  "Effect.addFinalizer": (note) => Effect.addFinalizer((exit) => noting(note, `finalizer after ${exit._tag}`)),
  "Scope.addFinalizer": (note) =>
    Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, noting(note, "finalizer"))),
  "Scope.addFinalizerExit": (note) =>
    Effect.flatMap(
      Effect.scope,
      (scope) => Scope.addFinalizerExit(scope, (exit) => noting(note, `finalizer after ${exit._tag}`))
    ),
  "finalizers run last in, first out": (note) =>
    Effect.forEach(["a", "b", "c"], (name) => Effect.addFinalizer(() => noting(note, name))),
  "a finalizer that dies": (note) =>
    Effect.zipRight(
      Effect.addFinalizer(() => noting(note, "the one before it")),
      Effect.addFinalizer(() => Effect.die("finalizer"))
    ),
  "a failure, and a finalizer that dies": (note) =>
    Effect.zipRight(
      Effect.addFinalizer((exit) => Effect.zipRight(noting(note, exit._tag), Effect.die("finalizer"))),
      Effect.fail("failure")
    ),
  "a finalizer cannot be interrupted": (note) =>
    Effect.addFinalizer(() => Effect.checkInterruptible((is) => noting(note, `interruptible ${is}`))),
  "a finalizer sees the fiber references as they were left": (note) =>
    Effect.zipRight(
      Effect.flatMap(Effect.scope, (scope) =>
        Scope.addFinalizerExit(scope, () =>
          Effect.flatMap(FiberRef.get(setting), (value) => noting(note, value)))),
      FiberRef.set(setting, "as it is now")
    ),
  "a failure": (note) => Effect.zipRight(released(note, "a"), Effect.fail("failure")),
  "a defect": (note) => Effect.zipRight(released(note, "a"), Effect.die("defect")),
  "an interruption": (note) => Effect.zipRight(released(note, "a"), Effect.interrupt),
  "Effect.acquireReleaseInterruptible": (note) =>
    Effect.acquireReleaseInterruptible(noting(note, "acquired"), (exit) => noting(note, `released after ${exit._tag}`)),
  "Effect.withEarlyRelease": (note) =>
    Effect.flatMap(
      Effect.withEarlyRelease(released(note, "a")),
      ([release]) => Effect.zipRight(release, noting(note, "released early"))
    ),
  "Effect.using": (note) => Effect.using(released(note, "a"), () => noting(note, "used")),
  "Effect.forkScoped": (note) => Effect.zipRight(Effect.forkScoped(busy(note, "child")), begun),
  "Effect.forkScoped, of what ends before the scope": (note) =>
    Effect.flatMap(Effect.forkScoped(noting(note, "child")), Fiber.join),
  "Effect.forkIn": (note) =>
    Effect.flatMap(Effect.scope, (scope) => Effect.zipRight(Effect.forkIn(busy(note, "child"), scope), begun)),
  "Effect.forkIn a scope forked from it": (note) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      yield* Effect.forkIn(busy(note, "child"), scope)
      yield* begun
    }),
  "Scope.fork, closed early": (note) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      yield* Scope.addFinalizer(scope, noting(note, "inner"))
      yield* Scope.close(scope, Exit.void)
      note("closed")
    }),
  "Scope.fork, closed with it": (note) =>
    Effect.gen(function*() {
      const outer = yield* Effect.scope
      yield* Scope.addFinalizer(outer, noting(note, "outer"))
      for (const strategy of [ExecutionStrategy.sequential, ExecutionStrategy.parallel]) {
        const scope = yield* Scope.fork(outer, strategy)
        yield* Scope.addFinalizerExit(scope, (exit) => noting(note, `${scope.strategy._tag} after ${exit._tag}`))
      }
    }),
  "Scope.extend": (note) => Effect.flatMap(Effect.scope, (scope) => Scope.extend(released(note, "a"), scope)),
  "Scope.use": (note) =>
    Effect.flatMap(
      closeable,
      (scope) => Effect.zipRight(Scope.use(released(note, "a"), scope), noting(note, "after the use"))
    ),
  "Scope.close, and what is added afterwards": (note) =>
    Effect.gen(function*() {
      const scope = yield* closeable
      yield* Effect.addFinalizer(() => noting(note, "before"))
      yield* Scope.close(scope, Exit.fail("early"))
      note("closed")
      yield* Scope.addFinalizerExit(scope, (exit) => noting(note, `late, after ${exit._tag}`))
      yield* Scope.close(scope, Exit.void)
      const fiber = yield* Effect.forkIn(Effect.never, scope)
      note((yield* Fiber.await(fiber))._tag)
      const inner = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      yield* Scope.addFinalizer(inner, noting(note, "inner, at once"))
    }),
  "Effect.parallelFinalizers": (note) =>
    Effect.parallelFinalizers(Effect.zip(released(note, "a"), released(note, "b"))),
  "Effect.sequentialFinalizers": (note) =>
    Effect.sequentialFinalizers(Effect.zip(released(note, "a"), released(note, "b"))),
  "Effect.finalizersMask": (note) =>
    Effect.finalizersMask(ExecutionStrategy.parallel)((restore) => restore(released(note, "a"))),
  "Effect.scopedWith within it": (note) =>
    Effect.scopedWith((scope) => Scope.addFinalizer(scope, noting(note, "inner"))),
  "Effect.scoped within it": (note) => Effect.zipRight(Effect.scoped(released(note, "a")), noting(note, "after")),
  "Layer.build": (note) =>
    Effect.flatMap(Layer.build(tool(note)), (context) => noting(note, Context.get(context, Tool))),
  "Layer.buildWithScope": (note) =>
    Effect.flatMap(
      Effect.scope,
      (scope) =>
        Effect.flatMap(Layer.buildWithScope(tool(note), scope), (context) => noting(note, Context.get(context, Tool)))
    ),
  "Layer.toRuntime": (note) =>
    Effect.flatMap(Layer.toRuntime(tool(note)), (runtime) => noting(note, Runtime.runSync(runtime, Tool))),
  "Layer.memoize": (note) =>
    Effect.flatMap(Layer.memoize(tool(note)), (layer) => Effect.zipRight(Layer.build(layer), Layer.build(layer))),
  "Effect.provide of a layer": (note) =>
    Effect.provide(Effect.flatMap(Tool, (name) => noting(note, `used ${name}`)), tool(note)),
  "FiberSet": (note) =>
    Effect.gen(function*() {
      const set = yield* FiberSet.make<never, never>()
      yield* FiberSet.run(set, busy(note, "child"))
      yield* begun
    }),
  "FiberMap": (note) =>
    Effect.gen(function*() {
      const map = yield* FiberMap.make<string, never, never>()
      yield* FiberMap.run(map, "a", busy(note, "child"))
      yield* begun
    }),
  "FiberHandle": (note) =>
    Effect.gen(function*() {
      const handle = yield* FiberHandle.make<never, never>()
      yield* FiberHandle.run(handle, busy(note, "child"))
      yield* begun
    }),
  "PubSub.subscribe": (note) =>
    Effect.gen(function*() {
      const netState = yield* PubSub.unbounded<string>()
      const subscription = yield* PubSub.subscribe(netState)
      yield* PubSub.publish(netState, "news")
      note(yield* Queue.take(subscription))
      yield* Effect.addFinalizer(() => Effect.map(Queue.isShutdown(subscription), (is) => note(`shut down ${is}`)))
    }),
  "SubscriptionRef.changes": (note) =>
    Effect.gen(function*() {
      const ref = yield* SubscriptionRef.make("first")
      const pull = yield* Stream.toPull(ref.changes)
      note(String(yield* Effect.map(pull, (chunk) => [...chunk].join())))
    }),
  "Stream.toPull": (note) =>
    Effect.flatMap(
      Stream.toPull(Stream.ensuring(Stream.make(1, 2), noting(note, "the stream's finalizer"))),
      (pull) => Effect.map(pull, (chunk) => note([...chunk].join()))
    ),
  "Stream.toQueue": (note) =>
    Effect.flatMap(
      Stream.toQueue(Stream.make(1, 2)),
      (queue) => Effect.map(Queue.take(queue), (take) => note(String(take)))
    ),
  "Stream.broadcast": (note) =>
    Effect.flatMap(
      Stream.broadcast(Stream.make(1, 2), 2, 4),
      (streams) =>
        Effect.forEach(streams, (stream) => Effect.map(Stream.runCollect(stream), (all) => note([...all].join())), {
          concurrency: "unbounded"
        })
    ),
  "Stream.share": (note) =>
    Effect.flatMap(
      Stream.share(Stream.make(1, 2), { capacity: 4 }),
      (stream) => Effect.map(Stream.runCollect(stream), (all) => note([...all].join()))
    ),
  "Stream.runScoped in it": (note) => Stream.runForEachScoped(Stream.make(1, 2), (n) => noting(note, String(n))),
  "Mailbox.fromStream": (note) =>
    Effect.gen(function*() {
      const mailbox = yield* Mailbox.fromStream(Stream.make("a"))
      note(yield* mailbox.take)
    }),
  "RcRef": (note) =>
    Effect.gen(function*() {
      const ref = yield* RcRef.make({ acquire: released(note, "a") })
      yield* Effect.scoped(RcRef.get(ref))
      note(yield* RcRef.get(ref))
    }),
  "RcMap": (note) =>
    Effect.gen(function*() {
      const map = yield* RcMap.make({ lookup: (key: string) => released(note, key) })
      note(yield* RcMap.get(map, "a"))
    }),
  "ScopedRef": (note) =>
    Effect.gen(function*() {
      const ref = yield* ScopedRef.fromAcquire(released(note, "a"))
      yield* ScopedRef.set(ref, released(note, "b"))
      note(yield* ScopedRef.get(ref))
    }),
  "ScopedCache": (note) =>
    Effect.gen(function*() {
      const cache = yield* ScopedCache.make({
        capacity: 2,
        timeToLive: "1 hours",
        lookup: (key: string) => released(note, key)
      })
      note(yield* cache.get("a"))
    }),
  "Pool": (note) =>
    Effect.gen(function*() {
      const pool = yield* Pool.make({ acquire: released(note, "a"), size: 1 })
      note(yield* Pool.get(pool))
    }),
  "Resource.manual": (note) =>
    Effect.gen(function*() {
      const resource = yield* Resource.manual(released(note, "a"))
      yield* Resource.refresh(resource)
      note(yield* Resource.get(resource))
    }),
  "Effect.locallyScoped": (note) =>
    Effect.zipRight(
      Effect.locallyScoped(setting, "for the scope"),
      Effect.flatMap(FiberRef.get(setting), (value) => noting(note, value))
    ),
  "Effect.annotateLogsScoped": (note) =>
    Effect.zipRight(
      Effect.annotateLogsScoped({ a: "b" }),
      Effect.map(FiberRef.get(FiberRef.currentLogAnnotations), (all) =>
        note(String([...all].some(([key]) => key === "a"))))
    ),
  "Effect.makeSpanScoped": (note) =>
    Effect.flatMap(Effect.makeSpanScoped("span"), (span) => Effect.addFinalizer(() => noting(note, span.status._tag))),
  "Effect.withSpanScoped": (note) =>
    Effect.flatMap(Effect.withSpanScoped(Effect.currentSpan, "span"), (span) => noting(note, span.name))
}

const endOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isSuccess(exit)
    ? "success"
    : [
      exit.cause._tag,
      ...Cause.failures(exit.cause),
      ...Cause.defects(exit.cause),
      Cause.isInterrupted(exit.cause)
    ].join()

const plain = (use: Use): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const notes: Array<string> = []
    // On a fiber of its own, as a thread is: what it leaves in fiber references is nobody else's.
    const fiber = yield* Effect.forkDaemon(Effect.scoped(Effect.suspend(() => use((text) => notes.push(text)))))
    const exit = yield* Fiber.await(fiber)
    yield* turn
    return [...notes, endOf(exit)]
  })

const inThread = (use: Use): Effect.Effect<ReadonlyArray<string>, never, Copas.Copas> =>
  Effect.gen(function*() {
    const notes: Array<string> = []
    const thread = yield* Copas.addThread(Effect.suspend(() => use((text) => notes.push(text))), {
      onError: () => Effect.void
    })
    const exit = yield* thread.await
    yield* turn
    return [...notes, endOf(exit)]
  })

const isSilent = new Set(["nothing"])

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  ...Object.entries(uses).map(([name, use]) =>
    test(
      `C07 a thread's scope is a scope in full: ${name} does what it does in a plain one`,
      Effect.gen(function*() {
        const expected = yield* plain(use)
        if (!isSilent.has(name)) same(expected.length > 1, true, "the plain scope shows something")
        const seen = yield* Copas.run(inThread(use))
        same(seen, expected, "what happened in the thread")
      })
    )
  ),
  test(
    "C09 a handler's scope is a scope in full: each operation does what it does in a plain one",
    Copas.run(Effect.gen(function*() {
      const listener = yield* listening()
      const names = Object.keys(uses)
      const seen: Record<string, Array<string>> = {}
      const expected: Record<string, ReadonlyArray<string>> = {}
      for (const name of names) expected[name] = yield* plain(uses[name]!)
      const server = yield* Copas.addServer(
        listener,
        (socket) =>
          Effect.flatMap(socket.receiveLine(), (name) => {
            const notes = seen[name] = [] as Array<string>
            return uses[name]!((text) => notes.push(text))
          }),
        { onError: () => Effect.void }
      )
      for (const name of names) {
        yield* Effect.scoped(Effect.gen(function*() {
          const client = yield* dial(listener)
          yield* client.send(`${name}\n`)
          yield* Effect.exit(client.receive())
        }))
        yield* turn
        // How the thread ended is seen in the case before; here the peer alone is told.
        same(seen[name], expected[name]!.slice(0, -1), `what happened with ${name}`)
      }
      yield* Copas.removeServer(server)
    }))
  ),
  test(
    "C07 a scope that its thread never used is closed with the thread's end, for a fiber that still has it",
    Effect.gen(function*() {
      const notes: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        for (const end of [Effect.void, Effect.fail("failure")]) {
          const scopes: Array<Scope.Scope> = []
          const thread = yield* Copas.addThread(
            Effect.zipRight(Effect.map(Effect.scope, (scope) => scopes.push(scope)), end),
            { onError: () => Effect.void }
          )
          yield* thread.await
          yield* Scope.addFinalizerExit(scopes[0]!, (exit) => noting((text) => notes.push(text), exit._tag))
          const late = yield* Effect.forkIn(Effect.never, scopes[0]!)
          notes.push((yield* Fiber.await(late))._tag)
        }
      }))
      same(notes, ["Success", "Failure", "Failure", "Failure"], "how late users find it")
    })
  )
]
