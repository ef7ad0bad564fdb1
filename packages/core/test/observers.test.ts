/** Sets of listeners, and listeners that throw, add and remove each other. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { observe, Observers } from "../src/internal/observers.js"

it("C27 a listener that another one removes while an event is shown does not see that event", () => {
  const observers = new Observers<number>()
  const seen: Array<string> = []
  observers.add((n) => {
    seen.push(`first ${n}`)
    observers.remove(second)
  })
  const second = observers.add((n) => {
    seen.push(`second ${n}`)
  })
  observers.show(1)
  expect(seen).toEqual(["first 1"])
})

it("C27 a listener that is added while an event is shown sees the next one, and one that removes itself sees no other", () => {
  const observers = new Observers<number>()
  const seen: Array<string> = []
  const once = observers.add((n) => {
    seen.push(`once ${n}`)
    observers.remove(once)
    observers.add((later) => {
      seen.push(`added ${later}`)
    })
  })
  observers.show(1)
  observers.show(2)
  expect(seen).toEqual(["once 1", "added 2"])
})

it("C27 whatever a listener throws or gives back, the others see the event", () => {
  const observers = new Observers<string>()
  const seen: Array<string> = []
  const hostile: ReadonlyArray<() => unknown> = [
    () => {
      throw new Error("an error")
    },
    () => {
      throw undefined
    },
    () => Promise.reject(new Error("later")),
    () => ({
      get then() {
        throw new Error("a getter")
      }
    }),
    () => ({
      then: () => {
        throw new Error("a then")
      }
    }),
    () => null
  ]
  for (const listener of hostile) observers.add(listener)
  observers.add((event) => {
    seen.push(event)
  })
  observers.show("shown")
  expect(seen).toEqual(["shown"])
})

it.effect("C27 the tracer is one slot, which takes no other listener's place, and a scope ends what it observed", () =>
  Effect.gen(function*() {
    const observers = new Observers<number>()
    const seen: Array<string> = []
    const note = (who: string) => (n: number): void => {
      seen.push(`${who} ${n}`)
    }
    expect(observers.isEmpty).toBe(true)
    observers.set(note("a"))
    observers.set(note("b"))
    yield* Effect.scoped(Effect.zipRight(
      observe(() => observers, note("c")),
      Effect.sync(() => observers.show(1))
    ))
    observers.set(undefined)
    observers.set(undefined)
    observers.show(2)
    expect(seen).toEqual(["b 1", "c 1"])
    expect(observers.isEmpty).toBe(true)
  }))
