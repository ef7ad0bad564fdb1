/** The body of a request that a pull gives, as undici takes it: an async iterator, and a fiber that pulls when asked. */
import type { Pull } from "@copas/core/HttpTransport"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type AnyFiber, type Env, interruptSoon, onExit, start, suspend } from "../effect/fibers.js"

/** What an upload reports. */
interface UploadEvents {
  /** The pull gave less or more than the length. */
  readonly wrongLength: (given: number) => void
  readonly failed: (cause: Cause.Cause<unknown>) => void
  /** All of it was handed over. */
  readonly ended: () => void
}

interface Asked {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void
  readonly reject: (error: Error) => void
}

const end = { done: true, value: undefined } as const

export class Upload implements AsyncIterableIterator<Uint8Array> {
  private readonly pull: Pull<unknown>
  private readonly length: number | undefined
  private readonly env: Env
  private readonly events: UploadEvents
  private fiber: AnyFiber | undefined = undefined
  private asked: Asked | undefined = undefined
  private demand: (() => void) | undefined = undefined
  private isStopped = false
  given = 0
  /** Nothing more comes from the pull. */
  hasEnded = false

  constructor(pull: Pull<unknown>, length: number | undefined, env: Env, events: UploadEvents) {
    this.pull = pull
    this.length = length
    this.env = env
    this.events = events
  }

  /** A chunk was handed over, and the connection has not asked for the next one. */
  get isStalled(): boolean {
    return this.fiber !== undefined && this.asked === undefined && !this.hasEnded && !this.isStopped
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.hasEnded && !this.isStopped) return Promise.resolve(end)
    return new Promise((resolve, reject) => {
      this.asked = { resolve, reject }
      if (this.isStopped) return
      if (this.fiber === undefined) this.begin()
      else this.demand?.()
    })
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.stop()
    return Promise.resolve(end)
  }

  private begin(): void {
    const one: Effect.Effect<void, unknown> = Effect.flatMap(this.pull, (chunk) => {
      if (chunk === undefined) return this.finish()
      if (chunk.length === 0) return one
      this.given += chunk.length
      if (this.length === undefined || this.given < this.length) return Effect.zipRight(this.give(chunk), one)
      return this.last(chunk)
    })
    const fiber = start(this.env, one)
    this.fiber = fiber
    onExit(fiber, (exit) => {
      if (Exit.isFailure(exit) && !this.isStopped) this.events.failed(exit.cause)
    })
  }

  /** The chunk that completes the length waits until the pull has ended: with it the server has a whole request. */
  private last(chunk: Uint8Array): Effect.Effect<void, unknown> {
    if (this.given > this.length!) return Effect.sync(() => this.events.wrongLength(this.given))
    return Effect.flatMap(this.pull, (more) => {
      if (more === undefined) return Effect.zipRight(this.give(chunk), this.finish())
      this.given += more.length
      return this.last(chunk)
    })
  }

  /** Hands a chunk over, and waits until the next one is asked for. */
  private give(chunk: Uint8Array): Effect.Effect<void> {
    return suspend((resume) => {
      this.demand = () => resume(Effect.void)
      const { asked } = this
      this.asked = undefined
      asked?.resolve({ done: false, value: chunk })
    })
  }

  private finish(): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.isStopped) return
      if (this.length !== undefined && this.given < this.length) {
        this.events.wrongLength(this.given)
        return
      }
      this.hasEnded = true
      this.events.ended()
      const { asked } = this
      this.asked = undefined
      asked?.resolve(end)
    })
  }

  /** No more is pulled or handed over. undici still waits for the next chunk, which `release` ends. */
  stop(): void {
    if (this.isStopped) return
    this.isStopped = true
    if (this.fiber !== undefined) interruptSoon(this.fiber)
  }

  /** The exchange has ended: undici's loop over the chunks ends, too. */
  release(): void {
    this.stop()
    const { asked } = this
    this.asked = undefined
    asked?.reject(new Error("the exchange has ended"))
  }
}
