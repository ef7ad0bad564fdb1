/** The rounds of an HTTP client that has effects. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { rounds } from "../rounds.js"
import { atOnce, big, checkBody, checkedDownload, done, heldBy, kind, requestsEach, smallUrl } from "./told.js"

export interface Client<E, R> {
  readonly get: (url: string) => Effect.Effect<Uint8Array, E, R>
  readonly download: (url: string, take: (chunk: Uint8Array) => void) => Effect.Effect<void, E, R>
  /** Begins a download and takes nothing but its first chunk. The scope ends it. */
  readonly stall: (url: string) => Effect.Effect<void, E, R | Scope.Scope>
}

/** A download that continues in the scope, and never past its first chunk; completes when that has come. */
export const stalled = <E, R>(
  download: (take: () => Effect.Effect<never>) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R | Scope.Scope> =>
  Effect.flatMap(
    Deferred.make<void, E>(),
    (first) =>
      download(() => Effect.zipRight(Deferred.succeed(first, undefined), Effect.never)).pipe(
        Effect.onError((cause) => Deferred.failCause(first, cause)),
        Effect.forkScoped,
        Effect.zipRight(Deferred.await(first))
      )
  )

const workers = Array.from({ length: atOnce })

const get = <E, R>(client: Client<E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let next = 0
    const worker = Effect.whileLoop({
      while: () => next < requestsEach,
      body: () => {
        const number = next++
        return Effect.map(client.get(smallUrl(number)), (body) => checkBody(number, body))
      },
      step: () => {}
    })
    return Effect.as(Effect.forEach(workers, () => worker, { concurrency: "unbounded", discard: true }), done)
  })

const download = <E, R>(client: Client<E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const checked = checkedDownload()
    return Effect.map(client.download(big, (chunk) => checked.take(chunk)), () => {
      checked.end()
      return done
    })
  })

const slow = <E, R>(client: Client<E, R>): Effect.Effect<number, E, R> =>
  Effect.scoped(Effect.flatMap(Effect.runtime<R | Scope.Scope>(), (runtime) => {
    const stall = Effect.forEach(workers, () => client.stall(big), { concurrency: "unbounded", discard: true })
    return Effect.promise(() => heldBy(() => Effect.runPromise(Effect.provide(stall, runtime))))
  }))

export const run = <E, R>(client: Client<E, R>): Effect.Effect<never, E, R> =>
  rounds(kind === "small" ? get(client) : kind === "download" ? download(client) : slow(client))
