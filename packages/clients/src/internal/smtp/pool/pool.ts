/**
 * A pool: messages, streams of messages, and sessions that are lent.
 */
import * as Net from "@copas/core/Net"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Message from "../../../Message.js"
import type { Pool, PoolOptions } from "../../../SmtpPool.js"
import type { ConnectFailure, Receipt, SendFailure, SendOptions } from "../../../SmtpSession.js"
import { makeParallel } from "../../effect/scopes.js"
import { count, millis } from "../../options.js"
import * as Showing from "../../showing.js"
import * as Observing from "../observing.js"
import * as Settings from "../options.js"
import * as Login from "../session/login.js"
import { Calls, type Restore } from "./calls.js"
import { Connections } from "./connections.js"
import * as Gauges from "./gauges.js"
import type { Limits } from "./held.js"
import { Rate } from "./rate.js"
import { results } from "./results.js"

type Failure = ConnectFailure | SendFailure

const sendBy = <E, R>(
  connections: Connections,
  limits: Limits,
  restore: Restore,
  given: Message.Message<E, R> | Message.MessageOptions<E, R>,
  options?: SendOptions
): Effect.Effect<Receipt, Failure | E, R> =>
  Effect.suspend((): Effect.Effect<Receipt, Failure | E, R> => {
    const made: Either.Either<Message.Message<E, R>, Failure> = Message.isMessage(given)
      ? Either.right(given as Message.Message<E, R>)
      : Message.make(given as Message.MessageOptions<E, R>)
    if (Either.isLeft(made)) return Effect.fail(made.left)
    const message = made.right
    const recipients = [options?.envelope?.to ?? message.envelope.to].flat().length
    const attempt = (isFirst: boolean): Effect.Effect<Receipt, Failure | E, R> =>
      Effect.flatMap(
        connections.with({ isMessage: true, isFirst }, restore, (lending, held) => {
          const { conversation } = held
          const { contents } = conversation
          if (held.isNew) return held.session.send(message, options)
          if (!held.hasRoom(recipients, limits)) {
            held.isSpent = true
            connections.takeBack(lending)
            return Effect.succeed(undefined)
          }
          return Effect.catchAll(held.session.send(message, options), (error) => {
            const isDead = conversation.channel.lost !== undefined && conversation.contents === contents
            if (!isDead) return Effect.fail(error)
            connections.takeBack(lending)
            return Effect.succeed(undefined)
          })
        }),
        (receipt) => receipt === undefined ? attempt(true) : Effect.succeed(receipt)
      )
    return attempt(false)
  })

export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* Settings.make(options)
    const size = yield* count("size", options.size, 4, 1)
    const { maxMessages = Infinity } = options
    if (maxMessages !== Infinity) yield* count("maxMessages", maxMessages, 1, 1)
    const { rate } = options
    const net = yield* Net.Net
    const scopes = { jobs: yield* makeParallel, sessions: yield* makeParallel }
    const limits = {
      maxMessages,
      maxAgeMillis: yield* millis("maxAge", options.maxAge, "10 minutes"),
      idleMillis: yield* millis("idle", options.idle, "30 seconds")
    }
    const connections = new Connections({
      size,
      limits,
      checkAfterMillis: yield* millis("checkAfter", options.checkAfter, "10 seconds"),
      patienceMillis: settings.closeMillis,
      backOffMillis: yield* millis("backOff", options.backOff, "1 minute"),
      rate: rate === undefined ? new Rate(Infinity, 0) : new Rate(
        yield* count("rate.messages", rate.messages, 1, 1),
        yield* millis("rate.per", rate.per, "1 minute")
      ),
      logsIn: settings.auth !== undefined,
      open: Effect.provideService(Login.connectWith(settings), Net.Net, net),
      onChange: Gauges.make(settings.server)
    }, scopes)
    const calls = new Calls(settings)
    yield* Effect.addFinalizer(() => connections.end(calls.close("the pool's scope has ended")))
    const watched = Observing.send(settings)
    const send: Pool["send"] = (message, options) =>
      watched(calls.call((restore) => sendBy(connections, limits, restore, message, options)))
    const pool: Pool & Showing.Shown = {
      ...Showing.of("@copas/clients/SmtpPool", () => ({ server: settings.server, size })),
      server: settings.server,
      size,
      send,
      sendAll: (messages, options) => results(messages, size, (message) => send(message, options)),
      session: Effect.map(Effect.zipRight(calls.scoped, connections.lent), ({ session }) => session),
      use: (f) =>
        calls.call((restore) =>
          connections.with(
            { isMessage: false, isFirst: false },
            restore,
            (_, held) => Effect.suspend(() => f(held.session))
          )
        ),
      stats: connections.stats,
      drain: Effect.zipRight(
        calls.notWithin,
        Effect.suspend(() => {
          const error = calls.close("the pool is drained")
          return Effect.zipRight(calls.quiet, connections.end(error))
        })
      )
    }
    return pool
  })
