/** The heap of deadlines against a simple model. */
import { Transport } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { PCGRandom } from "effect/Utils"
import { Deadline, forClock } from "../src/internal/time/deadlines.js"

class Noted extends Deadline {
  readonly name: number
  readonly onExpire: (deadline: Noted) => void
  constructor(name: number, onExpire: (deadline: Noted) => void) {
    super()
    this.name = name
    this.onExpire = onExpire
  }
  expire(): void {
    this.onExpire(this)
  }
}

it.effect("C17 deadlines expire at their time, in its order, however often they are moved and cancelled", () =>
  Effect.gen(function*() {
    const deadlines = forClock(yield* Effect.clock)
    for (const seed of Sampling.seeds({ short: 3, long: 20 })) {
      const random = new PCGRandom(seed)
      const begin = deadlines.now()
      const due = new Map<number, number>()
      const expired: Array<readonly [name: number, at: number]> = []
      const all = Array.from({ length: 60 }, (_, name) =>
        new Noted(name, (deadline) => {
          expired.push([deadline.name, deadlines.now()])
          due.delete(deadline.name)
        }))
      for (let round = 0; round < 40; round += 1) {
        for (let change = 0; change < 10; change += 1) {
          const deadline = all[random.integer(all.length)]!
          if (random.integer(4) === 0) {
            deadlines.cancel(deadline)
            due.delete(deadline.name)
          } else {
            const at = deadlines.now() + random.integer(200)
            deadlines.schedule(deadline, at)
            due.set(deadline.name, at)
          }
        }
        expect(deadlines.size, `seed ${seed}`).toBe(due.size)
        const expected = Array.from(due).filter(([, at]) => at <= deadlines.now() + 20)
        expired.length = 0
        yield* TestClock.adjust(20)
        yield* Effect.yieldNow()
        expect(expired.map(([name]) => name).sort(), `seed ${seed}`).toEqual(expected.map(([name]) => name).sort())
        const times = expired.map(([, at]) => at)
        expect(times).toEqual([...times].sort((a, b) => a - b))
        for (const [name, at] of expired) {
          expect(at, `seed ${seed}`).toBeGreaterThanOrEqual(new Map(expected).get(name)!)
        }
      }
      for (const deadline of all) deadlines.cancel(deadline)
      expect(deadlines.size).toBe(0)
      expect(deadlines.now()).toBeGreaterThanOrEqual(begin)
    }
  }))

it.effect("C17 one that schedules itself again when it expires comes again, and another one that is cancelled then does not come", () =>
  Effect.gen(function*() {
    const deadlines = forClock(yield* Effect.clock)
    let times = 0
    const victim = new Noted(1, () => {
      times += 100
    })
    const again = new Noted(0, (deadline) => {
      times += 1
      deadlines.cancel(victim)
      if (times < 3) deadlines.schedule(deadline, deadlines.now() + 10)
    })
    deadlines.schedule(again, deadlines.now() + 10)
    deadlines.schedule(victim, deadlines.now() + 10)
    yield* TestClock.adjust(100)
    yield* Effect.yieldNow()
    expect([times, deadlines.size]).toEqual([3, 0])
  }))

it.effect("C17 a timekeeper calls back once, with the time, and not what was taken back; its functions need no object", () =>
  Effect.gen(function*() {
    const { after, now } = Transport.timekeeper(yield* Effect.clock)
    const calls: Array<readonly [name: string, at: number]> = []
    const begin = now()
    after(10, (at) => calls.push(["first", at - begin]))
    const takeBack = after(10, (at) => calls.push(["taken back", at - begin]))
    after(20, (at) => calls.push(["second", at - begin]))
    takeBack()
    yield* TestClock.adjust(9)
    yield* Effect.yieldNow()
    expect(calls).toEqual([])
    for (let times = 0; times < 3; times += 1) {
      yield* TestClock.adjust(11)
      yield* Effect.yieldNow()
    }
    expect(calls.map(([name]) => name)).toEqual(["first", "second"])
    expect(calls.every(([, at]) => at >= 10)).toBe(true)
    expect(now() - begin).toBe(42)
  }))
