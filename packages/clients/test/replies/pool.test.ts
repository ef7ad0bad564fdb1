/** The pool by itself, with sessions that count what is done with them. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import * as Pool from "../../src/internal/replies/pool.js"

interface Session {
  readonly id: number
  isUsable: boolean
  resets: number
  checks: number
}

/** A pool, what is open now, and what was the most. */
const pooled = (
  options: Partial<Pool.Options<Session, string>> & { readonly whileOpening?: Effect.Effect<void, string> } = {}
) =>
  Effect.gen(function*() {
    const open = new Set<number>()
    let made = 0
    let most = 0
    const pool = new Pool.Pool<Session, string>({
      size: 2,
      checkAfter: 1000,
      open: Effect.acquireRelease(
        Effect.sync((): Session => {
          const session = { id: ++made, isUsable: true, resets: 0, checks: 0 }
          open.add(session.id)
          most = Math.max(most, open.size)
          return session
        }),
        ({ id }) => Effect.zipRight(Effect.yieldNow(), Effect.sync(() => open.delete(id)))
      ).pipe(Effect.tap(options.whileOpening ?? Effect.void)),
      isUsable: ({ session }) => session.isUsable,
      check: (session) => Effect.sync(() => session.checks++),
      reset: (session) => Effect.sync(() => session.resets++),
      ...options
    }, yield* Effect.scope)
    const use = <A>(f: (held: Pool.Held<Session>) => A) => Effect.scoped(Effect.map(pool.session, f))
    return { pool, use, open, most: () => most }
  })

const idOf = ({ session }: Pool.Held<Session>): number => session.id

describe("a pool of sessions", () => {
  it.scoped("C35 a session that comes back is reset and given out again, and tells how often it was", () =>
    Effect.gen(function*() {
      const { pool, use } = yield* pooled()
      expect(yield* use(({ session, uses }) => [session.id, session.resets, uses])).toEqual([1, 0, 0])
      expect(yield* use(({ session, uses }) => [session.id, session.resets, uses])).toEqual([1, 1, 1])
      expect(yield* pool.stats).toEqual({ open: 1, idle: 1 })
    }))

  it.scoped("C35 no more than its size are open, those being opened and those being closed included", () =>
    Effect.gen(function*() {
      const { most, open, pool, use } = yield* pooled({ whileOpening: Effect.yieldNow() })
      // Every third is not usable afterwards.
      const call = (number: number) => use(({ session }) => (session.isUsable = number % 3 !== 0))
      yield* Effect.forEach(Array.from({ length: 30 }, (_, number) => number), call, { concurrency: "unbounded" })
      expect(most()).toBe(2)
      expect(yield* pool.stats).toEqual({ open: open.size, idle: open.size })
    }))

  it.scoped("C35 who wants one more waits, and one who is interrupted meanwhile takes nothing", () =>
    Effect.gen(function*() {
      const { pool, use } = yield* pooled({ size: 1 })
      const scope = yield* Scope.make()
      const held = yield* Scope.extend(pool.session, scope)
      const [first, second] = [yield* Effect.fork(use(idOf)), yield* Effect.fork(use(idOf))]
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(second)).toBe(idOf(held))
    }))

  it.scoped("C35 one that was idle for long is looked at, and replaced if the look fails", () =>
    Effect.gen(function*() {
      let isAlive = true
      const { open, use } = yield* pooled({
        check: (session) => Effect.suspend(() => isAlive ? Effect.sync(() => session.checks++) : Effect.fail("dead"))
      })
      const checks = ({ session }: Pool.Held<Session>) => [session.id, session.checks]
      yield* use(idOf)
      yield* TestClock.adjust("1 seconds")
      expect(yield* use(checks)).toEqual([1, 0])
      yield* TestClock.adjust("1001 millis")
      expect(yield* use(checks)).toEqual([1, 1])
      isAlive = false
      yield* TestClock.adjust("2 seconds")
      expect(yield* use(checks)).toEqual([2, 0])
      expect([...open]).toEqual([2])
    }))

  it.scoped("C35 one that cannot be reset, or is not usable any more, is closed", () =>
    Effect.gen(function*() {
      const { open, use } = yield* pooled({ reset: ({ id }) => id === 1 ? Effect.fail("no") : Effect.void })
      yield* use(idOf)
      expect([...open]).toEqual([])
      yield* use(({ session }) => (session.isUsable = false))
      expect([...open]).toEqual([])
      let kept: Session | undefined
      yield* use(({ session }) => (kept = session))
      // It became unusable while it was idle: too old, for example.
      kept!.isUsable = false
      expect(yield* use(idOf)).toBe(4)
      expect([...open]).toEqual([4])
    }))

  it.scoped("C35 one that cannot be opened fails its caller alone, and takes no place", () =>
    Effect.gen(function*() {
      let isDown = true
      const { open, pool, use } = yield* pooled({
        size: 1,
        whileOpening: Effect.suspend(() => isDown ? Effect.fail("down") : Effect.void)
      })
      expect(yield* Effect.flip(use(idOf))).toBe("down")
      expect([...open]).toEqual([])
      isDown = false
      expect(yield* use(idOf)).toBe(2)
      expect(yield* pool.stats).toEqual({ open: 1, idle: 1 })
    }))

  it.scoped("C35 an interruption while one is opened closes it, and takes no place", () =>
    Effect.gen(function*() {
      const opening = yield* Deferred.make<void>()
      let isSlow = true
      const { open, use } = yield* pooled({
        size: 1,
        whileOpening: Effect.suspend(() =>
          isSlow ? Effect.zipRight(Deferred.succeed(opening, undefined), Effect.never) : Effect.void
        )
      })
      const fiber = yield* Effect.fork(use(idOf))
      yield* Deferred.await(opening)
      yield* Fiber.interrupt(fiber)
      expect([...open]).toEqual([])
      isSlow = false
      expect(yield* use(idOf)).toBe(2)
    }))

  it.scoped("C35 idle ones are closed on request, and those that are out are not", () =>
    Effect.gen(function*() {
      const { most, open, pool, use } = yield* pooled()
      yield* Effect.scoped(Effect.zipRight(pool.session, pool.session))
      expect([...open]).toEqual([1, 2])
      yield* pool.evict(({ session }) => session.id === 1)
      expect([...open]).toEqual([2])
      yield* Effect.scoped(Effect.zipRight(pool.session, pool.evict(() => true)))
      expect([...open]).toEqual([2])
      yield* Effect.all([pool.evict(() => true), use(idOf), use(idOf)], { concurrency: "unbounded" })
      expect(most()).toBe(2)
    }))

  it.effect("C35 its scope closes every session", () =>
    Effect.gen(function*() {
      const open = yield* Effect.scoped(Effect.gen(function*() {
        const { open, pool } = yield* pooled()
        yield* Effect.scoped(Effect.zipRight(pool.session, pool.session))
        expect(open.size).toBe(2)
        return open
      }))
      expect(open.size).toBe(0)
    }))
})
