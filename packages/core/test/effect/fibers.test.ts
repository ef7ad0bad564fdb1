/** What the seam says of a fiber, in each state that a fiber can be in. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FiberId } from "effect"
import * as Causes from "../../src/internal/effect/causes.js"
import * as Fibers from "../../src/internal/effect/fibers.js"
import { interruptibly, suspend, withFiber } from "../../src/internal/effect/suspend.js"

type Resume = (effect: Effect.Effect<void>) => void

/** A fiber that waits, and what wakes it. */
const waiting = Effect.gen(function*() {
  let wake: Resume | undefined
  const fiber = yield* Effect.fork(suspend<void>((resume) => {
    wake = resume
  }))
  yield* Effect.repeat(Effect.yieldNow(), { until: () => wake !== undefined })
  return { fiber, wake: () => wake!(Effect.void) }
})

describe("fibers from outside", () => {
  it.effect("a fiber is ready from its wake to its turn, and neither while it waits nor once it has ended", () =>
    Effect.gen(function*() {
      const { fiber, wake } = yield* waiting
      assert.isFalse(Fibers.isRunnable(fiber))
      wake()
      assert.isTrue(Fibers.isRunnable(fiber))
      yield* Fiber.join(fiber)
      assert.isFalse(Fibers.isRunnable(fiber))
    }))

  it.effect("a fiber is ready from an interruption to its turn, before its first turn, and while it has yielded", () =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting
      Fibers.interruptSoon(fiber)
      assert.isTrue(Fibers.isRunnable(fiber))
      assert.isTrue(Causes.wasInterrupted(yield* Fiber.await(fiber)))
      const yielding = yield* Effect.fork(Effect.forever(Effect.yieldNow()))
      for (let turns = 0; turns < 3; turns += 1) {
        assert.isTrue(Fibers.isRunnable(yielding))
        yield* Effect.yieldNow()
      }
      yield* Fiber.interrupt(yielding)
    }))

  it.effect("a fiber that runs is not ready: it has what it waited for", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* withFiber((fiber) => Effect.succeed(Fibers.isRunnable(fiber))))
      yield* Effect.yieldNow()
      assert.isFalse(yield* withFiber((fiber) => Effect.succeed(Fibers.isRunnable(fiber))))
    }))

  it.effect("its end is seen: before, after, and by a listener, unless that is taken back", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { fiber, wake } = yield* waiting
      const off = () => seen.push("off")
      Fibers.onExit(fiber, (exit) => seen.push(exit._tag))
      Fibers.onExit(fiber, off)
      Fibers.offExit(fiber, off)
      assert.isUndefined(Fibers.exitOf(fiber))
      assert.isFalse(Fibers.hasEnded(fiber))
      wake()
      yield* Fiber.join(fiber)
      assert.isTrue(Fibers.hasEnded(fiber))
      assert.isTrue(Exit.isSuccess(Fibers.exitOf(fiber)!))
      Fibers.onExit(fiber, () => seen.push("late"))
      assert.deepStrictEqual(seen, ["Success", "late"])
    }))

  it.effect("an interruption is seen where it cannot take effect, and whether it could", () =>
    Effect.gen(function*() {
      const regions: Array<boolean> = []
      const look = withFiber((fiber) => Effect.sync(() => regions.push(Fibers.isInterruptible(fiber))))
      yield* look
      yield* Effect.uninterruptible(Effect.zipRight(look, Effect.interruptible(look)))
      assert.deepStrictEqual(regions, [true, false, true])
      const inRegion: Array<boolean> = []
      const own = yield* Effect.fork(Effect.uninterruptible(withFiber((fiber) => {
        const note = Effect.sync(() => inRegion.push(Fibers.isInterrupted(fiber)))
        const interrupt = Effect.sync(() => Fibers.interruptSoon(fiber))
        return Effect.all([note, interrupt, Effect.yieldNow(), note])
      })))
      yield* Fiber.await(own)
      assert.deepStrictEqual(inRegion, [false, true])
      const { fiber } = yield* waiting
      assert.isFalse(Fibers.isInterrupted(fiber))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Fibers.isInterrupted(fiber))
    }))

  it.effect("what a fiber waits for is told: another fiber by number, nothing in particular, or no wait at all", () =>
    Effect.gen(function*() {
      const { fiber, wake } = yield* waiting
      const joining = yield* Effect.fork(Fiber.join(fiber))
      yield* Effect.repeat(Effect.yieldNow(), { until: () => !Fibers.isRunnable(joining) })
      assert.deepStrictEqual(yield* Fibers.endsAwaited(joining), [Fibers.numberOf(fiber)])
      assert.deepStrictEqual(yield* Fibers.endsAwaited(fiber), [])
      assert.isTrue(yield* Fibers.hasSettled(fiber))
      assert.isTrue(Fibers.numberOf(joining) > Fibers.numberOf(fiber))
      wake()
      yield* Fiber.join(joining)
      assert.isUndefined(yield* Fibers.endsAwaited(joining))
      assert.isTrue(yield* Fibers.hasSettled(joining))
    }))
})

describe("interruptibly", () => {
  it.effect("what interrupts the wait, or fails it, is seen to once, uninterruptibly", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const see = (cause: Cause.Cause<string>) =>
        withFiber((fiber) => {
          seen.push(`${Causes.failureOf(cause) ?? "interrupted"} ${Fibers.isInterruptible(fiber)}`)
          return Effect.failCause(cause)
        })
      let isWaiting = false
      const wait = suspend<never>(() => {
        isWaiting = true
      })
      const fiber = yield* Effect.fork(interruptibly(wait, see))
      yield* Effect.repeat(Effect.yieldNow(), { until: () => isWaiting })
      assert.isTrue(Causes.wasInterrupted(yield* Fiber.interrupt(fiber)))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(interruptibly(Effect.fail("failed"), see))))
      assert.strictEqual(yield* interruptibly(Effect.succeed("value"), see), "value")
      assert.deepStrictEqual(seen, ["interrupted false", "failed false"])
    }))
})

describe("causes", () => {
  const [failed, died, interrupted] = [Cause.fail("failed"), Cause.die("died"), Cause.interrupt(FiberId.none)]
  const isFailed = (error: string) => error === "failed"

  it("a cause is made of expected failures, whatever was interrupted because of them, and of no defect", () => {
    assert.isTrue(Causes.isMadeOf(failed, isFailed))
    assert.isTrue(Causes.isMadeOf(Causes.together(failed, interrupted), isFailed))
    assert.isTrue(Causes.isMadeOf(Cause.sequential(failed, failed), isFailed))
    for (const cause of [Cause.empty, died, interrupted, Causes.together(failed, died), Cause.fail("other")]) {
      assert.isFalse(Causes.isMadeOf(cause, isFailed))
    }
    assert.isFalse(Causes.isMadeOf(Causes.together(failed, Cause.fail("other")), isFailed))
  })

  it("an interruption alone is told from one among other things", () => {
    assert.isTrue(Causes.isInterruption(interrupted))
    assert.isFalse(Causes.isInterruption(Causes.together(failed, interrupted)))
    assert.isTrue(Causes.hasInterruption(Causes.together(failed, interrupted)))
    assert.isFalse(Causes.hasInterruption(failed))
    assert.isTrue(Causes.wasInterrupted(Fibers.interruptedExit))
    assert.isFalse(Causes.wasInterrupted(Exit.void))
  })

  it("what finalizers fail with comes after the failure of what they finalize, and ends a success", () => {
    const [value, first, second] = [Exit.succeed(1), Exit.fail("first"), Exit.fail("second")]
    assert.strictEqual(Causes.followedBy(value, Exit.void), value)
    assert.strictEqual(Causes.followedBy(first, Exit.void), first)
    assert.deepStrictEqual(Causes.followedBy(value, second), second)
    const both = Causes.followedBy(first, second)
    assert.deepStrictEqual(Exit.isFailure(both) ? Causes.failuresOf(both.cause) : [], ["first", "second"])
  })

  it("the failures are given in their order", () => {
    const both = Cause.sequential(failed, Cause.fail("then"))
    assert.deepStrictEqual(Causes.failuresOf(both), ["failed", "then"])
    assert.strictEqual(Causes.failureOf(both), "failed")
    assert.isUndefined(Causes.failureOf(died))
  })
})
