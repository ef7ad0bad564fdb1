/** Asking for both families at once: what is waited for, what is given, what is taken back. */
import { DnsError } from "@copas/core/DnsError"
import { Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { bothFamilies } from "../../src/internal/net/bothFamilies.js"

const six = { host: "2001:db8::1", family: "IPv6" } as const
const four = { host: "192.0.2.1", family: "IPv4" } as const

type Answer = Effect.Effect<ReadonlyArray<typeof six | typeof four>, DnsError>

const failing = (reason: DnsError["reason"]): Answer =>
  Effect.fail(new DnsError({ reason, name: "a", query: "address" }))
const later = (answer: Answer, millis: number): Answer => Effect.delay(answer, millis)
const [knowsSix, knowsFour, none]: ReadonlyArray<Answer> = [
  Effect.succeed([six]),
  Effect.succeed([four]),
  Effect.succeed([])
]

/** The hosts found, or the reason of the failure, and after how many milliseconds. */
const asked = (ofSix: Answer, ofFour: Answer, region: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const found = yield* region(bothFamilies((family) => family === "IPv6" ? ofSix : ofFour)).pipe(
      Effect.match({
        onFailure: ({ reason }) => reason as string,
        onSuccess: (addresses) => addresses.map(({ host }) => host).join()
      })
    )
    return `${found} at ${yield* Clock.currentTimeMillis}`
  })

const rows: ReadonlyArray<readonly [what: string, ofSix: Answer, ofFour: Answer, expected: string]> = [
  ["IPv6 comes first, whichever answer does", later(knowsSix!, 30), knowsFour!, "2001:db8::1,192.0.2.1 at 30"],
  ["a family has 50 ms once the other has an address", Effect.never, later(knowsFour!, 10), "192.0.2.1 at 60"],
  ["an answer after the 50 ms is not waited for", knowsSix!, later(knowsFour!, 51), "2001:db8::1 at 50"],
  ["a family without an address does not hurry the other", none!, later(knowsFour!, 700), "192.0.2.1 at 700"],
  [
    "a family that fails does not hurry the other",
    failing("ServerFailure"),
    later(knowsFour!, 700),
    "192.0.2.1 at 700"
  ],
  ["a failure after an address is none", later(failing("ServerFailure"), 20), knowsFour!, "192.0.2.1 at 20"],
  ["of two failures the one that says more is given", failing("NoData"), failing("Refused"), "Refused at 0"],
  ["two that know of no record say so", failing("NoData"), failing("NoData"), "NoData at 0"],
  ["no address at all is an empty answer", none!, none!, " at 0"]
]

describe("both families", () => {
  for (const [what, ofSix, ofFour, expected] of rows) {
    it.effect(`S09 ${what}, in an uninterruptible region as well`, () =>
      Effect.gen(function*() {
        const plain = yield* Simulation.run(asked(ofSix, ofFour, (effect) => effect))
        const masked = yield* Simulation.run(asked(ofSix, ofFour, Effect.uninterruptible))
        assert.deepStrictEqual([plain, masked], [expected, expected])
      }))
  }

  it.effect("S09 interruption takes both questions back, at any step", () =>
    Effect.gen(function*() {
      for (let steps = 0; steps < 30; steps += 1) {
        let [begun, ended] = [0, 0]
        const question: Answer = Effect.suspend(() => {
          begun += 1
          return Effect.ensuring(
            Effect.never,
            Effect.sync(() => {
              ended += 1
            })
          )
        })
        const fiber = yield* Effect.fork(bothFamilies(() => question))
        for (let step = 0; step < steps; step += 1) yield* Effect.yieldNow()
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(ended, begun)
      }
    }))

  it.effect("S09 a defect of a question is the end of the look-up where nothing else is found", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(bothFamilies((family) => family === "IPv6" ? Effect.die("defect") : none!))
      assert.deepStrictEqual(exit, Exit.die("defect"))
    }))
})
