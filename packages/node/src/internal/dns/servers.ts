/** Asking name servers, one after the other, until one of them knows. */
import { DnsError, type DnsReason } from "@copas/core/DnsError"
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as NodeDns from "node:dns"
import { toDnsReason } from "../net/errno.js"

export interface Patience {
  /** Milliseconds for the first try of a server; each further one has twice the time of the one before. */
  readonly timeout: number
  readonly tries: number
}

export type Question<A> = (resolver: NodeDns.promises.Resolver) => Promise<A>

export const failure = (error: unknown, name: string, query: string): DnsError =>
  new DnsError({ reason: toDnsReason(error), name, query, cause: error })

/** Answers that any server would give. All others concern the server that was asked, so another one may know. */
const isAboutTheName = (reason: DnsReason): boolean =>
  reason === "NotFound" || reason === "NoData" || reason === "BadName"

/** The longest time that c-ares waits for a try (MAX_TIMEOUT). */
const longestTry = 5000

/** One resolver for each question, because cancelling takes back all questions of a resolver. */
const askOnce = <A>(
  server: string | undefined,
  timeout: number,
  name: string,
  query: string,
  question: Question<A>
): Effect.Effect<A, DnsError> =>
  suspendCancellable((resume) => {
    const resolver = new NodeDns.promises.Resolver({ timeout: Math.ceil(timeout), tries: 1 })
    if (server !== undefined) resolver.setServers([server])
    question(resolver).then(
      (answer) => resume(Effect.succeed(answer)),
      (error) => resume(Effect.fail(failure(error, name, query)))
    )
    return Effect.sync(() => resolver.cancel())
  })

/** One try of a server: it is asked again every 5 seconds until `timeout` has passed. */
const askOne = <A>(
  server: string | undefined,
  timeout: number,
  name: string,
  query: string,
  question: Question<A>
): Effect.Effect<A, DnsError> =>
  timeout <= longestTry
    ? askOnce(server, timeout, name, query, question)
    : Effect.catchIf(
      askOnce(server, longestTry, name, query, question),
      ({ reason }) => reason === "TimedOut",
      () => askOne(server, timeout - longestTry, name, query, question)
    )

/** True for what Node takes as a name server: a numeric address, with or without a port. */
export const isServer = (server: string): boolean => {
  try {
    new NodeDns.promises.Resolver().setServers([server])
    return true
  } catch {
    return false
  }
}

/** `undefined` stands for the system's configuration, if it cannot be listed server by server. */
const systemServers = (): ReadonlyArray<string | undefined> => {
  const servers = NodeDns.getServers()
  return servers.length > 1 && servers.every(isServer) ? servers : [undefined]
}

/** Ranks the failures: an answer says more than silence, and silence more than a server that could not be reached. */
const weight = ({ reason }: DnsError): number => reason === "Unreachable" ? 2 : reason === "TimedOut" ? 1 : 0

const giveUp = (failures: ReadonlyMap<string | undefined, DnsError>): DnsError => {
  const all = Array.from(failures.values())
  const telling = all.reduce((best, one) => weight(one) < weight(best) ? one : best)
  if (all.length === 1) return telling
  const { cause, name, query, reason } = telling
  const attempts = Array.from(failures, ([server, error]) => ({ server: server ?? "system", reason: error.reason }))
  return new DnsError({ reason, name, query, attempts, ...(cause === undefined ? {} : { cause }) })
}

/**
 * Asks each server in turn. A server that fails, refuses or answers nonsense is not asked again; a silent one is asked
 * again in the next round. (c-ares, as Node configures it, takes the first server's failure for the answer.)
 */
export const ask = <A>(
  servers: ReadonlyArray<string> | undefined,
  { timeout, tries }: Patience,
  name: string,
  query: string,
  question: Question<A>
): Effect.Effect<A, DnsError> =>
  Effect.gen(function*() {
    const failures = new Map<string | undefined, DnsError>()
    let silent = servers ?? systemServers()
    for (let round = 0; round < tries && silent.length > 0; round += 1) {
      const still: Array<string | undefined> = []
      for (const server of silent) {
        const outcome = yield* Effect.either(askOne(server, timeout * 2 ** round, name, query, question))
        if (outcome._tag === "Right") return outcome.right
        const error = outcome.left
        if (isAboutTheName(error.reason)) return yield* error
        failures.set(server, error)
        if (error.reason === "TimedOut") still.push(server)
      }
      silent = still
    }
    return yield* giveUp(failures)
  })
