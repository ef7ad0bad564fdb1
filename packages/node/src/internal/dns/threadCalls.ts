/** Calls that hold a thread of libuv's pool until the system answers: getaddrinfo and getnameinfo cannot be taken back. */
import type { DnsError } from "@copas/core/DnsError"
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"

/**
 * How many such calls libuv runs at once: it gives slow work half of its threads, so that files are not held up
 * (`uv__work_submit`, `slow_work_thread_threshold`).
 */
export const threadsForLookups = (): number => {
  const threads = Number.parseInt(process.env["UV_THREADPOOL_SIZE"] ?? "", 10)
  return Number.isNaN(threads) ? 2 : Math.max(1, Math.min(threads, 1024) + 1 >> 1)
}

type Outcome<A> = Effect.Effect<A, DnsError>

/** One call, which everybody shares that asks the same while it runs. */
class Call {
  readonly key: string
  readonly begin: (done: (outcome: Outcome<unknown>) => void) => void
  readonly waiters = new Set<(outcome: Outcome<unknown> | undefined) => void>()
  isRunning = false

  constructor(key: string, begin: Call["begin"]) {
    this.key = key
    this.begin = begin
  }
}

/**
 * Runs at most `limit` calls at once; the others wait here, where they can be cancelled. Callers that ask the same share a
 * call. A call without callers keeps its thread until the system answers. If such calls hold every thread, the waiting
 * callers look names up without a thread, because they would wait for answers that nobody reads.
 */
export class ThreadCalls {
  private readonly limit: number
  private readonly byKey = new Map<string, Call>()
  private readonly waiting = new Set<Call>()
  private running = 0
  private abandoned = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** `instead` is the way without a thread. */
  call<A>(key: string, begin: (done: (outcome: Outcome<A>) => void) => void, instead: Outcome<A>): Outcome<A> {
    return suspendCancellable<A, DnsError>((resume) => {
      const waiter = (outcome: Outcome<unknown> | undefined): void => resume((outcome ?? instead) as Outcome<A>)
      const call = this.byKey.get(key) ?? this.add(key, begin as Call["begin"])
      if (call.isRunning && call.waiters.size === 0) this.abandoned -= 1
      call.waiters.add(waiter)
      this.next()
      return Effect.sync(() => this.leave(call, waiter))
    })
  }

  private add(key: string, begin: Call["begin"]): Call {
    const call = new Call(key, begin)
    this.byKey.set(key, call)
    this.waiting.add(call)
    return call
  }

  private leave(call: Call, waiter: (outcome: Outcome<unknown> | undefined) => void): void {
    if (!call.waiters.delete(waiter) || call.waiters.size > 0) return
    if (call.isRunning) {
      this.abandoned += 1
      this.next()
    } else {
      this.forget(call)
    }
  }

  private forget(call: Call): void {
    this.waiting.delete(call)
    this.byKey.delete(call.key)
  }

  private next(): void {
    for (const call of this.waiting) {
      if (this.running < this.limit) {
        this.start(call)
      } else if (this.abandoned === this.running) {
        this.forget(call)
        this.settle(call, undefined)
      } else {
        return
      }
    }
  }

  private start(call: Call): void {
    this.waiting.delete(call)
    call.isRunning = true
    this.running += 1
    call.begin((outcome) => {
      this.running -= 1
      if (call.waiters.size === 0) this.abandoned -= 1
      this.byKey.delete(call.key)
      this.settle(call, outcome)
      this.next()
    })
  }

  private settle(call: Call, outcome: Outcome<unknown> | undefined): void {
    const waiters = Array.from(call.waiters)
    call.waiters.clear()
    for (const waiter of waiters) waiter(outcome)
  }
}
