/** Connecting, log-ins, transactions, resets and the end of sessions, interrupted after every number of steps. */
import { type Net, Tls, type TlsContext } from "@copas/core"
import { NetMemory, Sampling, TlsMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber, type Layer, Redacted, type Scope, Stream } from "effect"
import * as fs from "node:fs"
import { Message, Smtp, type SmtpSession } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { selfSigned } from "../ftp/selfSigned.js"
import { bytes } from "../ftp/support.js"
import { leavesNothing, message, until } from "./dialogue.js"

const yields = (count: number): Effect.Effect<void> => Effect.repeatN(Effect.yieldNow(), count)

/** On Node what a peer says comes with a turn of the event loop: every other step is one. */
const turns = (count: number): Effect.Effect<void> =>
  Effect.forEach(
    Array.from({ length: count }),
    (_, index) =>
      index % 2 === 0 ? Effect.yieldNow() : Effect.async<void>((resume) => {
        setImmediate(() => resume(Effect.void))
      }),
    { discard: true }
  )

interface Network {
  readonly name: string
  readonly layer: Layer.Layer<Net.Net>
  readonly walk: (steps: number) => Effect.Effect<void>
  /** Strides are longer by this. */
  readonly factor: number
  readonly identity: Effect.Effect<
    { readonly identity: TlsContext.Identity; readonly ca: TlsContext.Material },
    never,
    Scope.Scope
  >
}

const networks: ReadonlyArray<Network> = [
  {
    name: "in memory",
    layer: NetMemory.layer,
    walk: yields,
    factor: 1,
    identity: Effect.sync(() => TlsMemory.identity())
  },
  {
    name: "on Node",
    layer: NodeNet.layer,
    walk: turns,
    factor: 5,
    identity: Effect.map(selfSigned, ({ cert, key }) => {
      const certificate = fs.readFileSync(cert, "utf8")
      return { identity: { certificate, key: fs.readFileSync(key, "utf8") }, ca: certificate }
    })
  }
]

const started = (server: SmtpServer.Options = {}, client: Smtp.Defaults = {}) =>
  Effect.gen(function*() {
    const made = yield* SmtpServer.make(server)
    const smtp = yield* Smtp.make({ host: made.host, port: made.port, tls: "none", ...client })
    return { server: made, smtp }
  })

const idle = (server: SmtpServer.SmtpServer) => until(Effect.map(server.connections, ({ open }) => open === 0))

const whole = "A: b\r\n\r\nhello\r\n"
const content = bytes(`${"y".repeat(70)}\r\n`.repeat(3000))

const streamed = (to: string | ReadonlyArray<string>): Message.Message =>
  Either.getOrThrow(Message.raw(Stream.rechunk(Stream.make(content, content), 1), {
    envelope: { from: "a@a.test", to },
    body: "7bit"
  }))

/** Interrupts a send after more and more steps, until it is through before; then looks at what the server has. */
const everywhere = (
  { factor, walk }: Network,
  name: string,
  options: SmtpServer.Options,
  call: (session: SmtpSession.Session) => Effect.Effect<unknown, unknown>,
  /** What arrives, if anything does. */
  expected: string | undefined,
  stride: number
): Effect.Effect<number, unknown, Net.Net> =>
  Sampling.everyStep(name, (steps) =>
    leavesNothing(Effect.gen(function*() {
      const { server, smtp } = yield* started(options)
      const session = yield* smtp.connect()
      const fiber = yield* Effect.fork(call(session))
      yield* walk(steps)
      const isThrough = (yield* fiber.status)._tag === "Done"
      const exit = yield* Fiber.interrupt(fiber)
      const kept = (yield* server.messages).length
      expect(kept).toBeLessThanOrEqual(expected === undefined ? 0 : 1)
      if (Exit.isSuccess(exit) && expected !== undefined) expect(kept).toBe(1)
      // The session works on, or has ended: it never takes one reply for another.
      const after = yield* Effect.exit(session.send(message("last@b.test")))
      const isUsable = yield* session.isUsable
      expect(Exit.isSuccess(after)).toBe(isUsable)
      const messages = yield* server.messages
      expect(messages).toHaveLength(kept + (isUsable ? 1 : 0))
      for (const received of messages) {
        const isLast = received.envelope.recipients[0]!.address === "last@b.test"
        expect(new TextDecoder().decode(received.bytes)).toBe(isLast ? whole : expected)
      }
      return isThrough
    })), { stride: stride * factor })

const three = ["b@b.test", "c@b.test", "d@b.test"]
const text = new TextDecoder().decode(content)

describe.each(networks)("interruption $name", (network) => {
  const extensions = (...lines: ReadonlyArray<string>): SmtpServer.Options => ({ extensions: lines })
  const calls: ReadonlyArray<
    readonly [
      string,
      SmtpServer.Options,
      (session: SmtpSession.Session) => Effect.Effect<unknown, unknown>,
      string | undefined,
      number
    ]
  > = [
    ["a send with PIPELINING", {}, (session) => session.send(message(three)), whole, 1],
    ["a send without PIPELINING", extensions("SIZE"), (session) => session.send(message(three)), whole, 3],
    ["a send to all or none", {}, (session) => session.send(message(three), { partial: "none" }), whole, 3],
    ["a send by BDAT", {}, (session) => session.send(message(three), { chunking: "prefer" }), whole, 1],
    ["a streamed send", {}, (session) => session.send(streamed(three)), text + text, 7],
    [
      "a streamed send by BDAT",
      {},
      (session) => session.send(streamed(three), { chunking: "prefer" }),
      text + text,
      7
    ],
    [
      "a send of which all recipients are refused",
      { quirks: { recipients: { "*": "550 5.1.1 no" }, goesAhead: true } },
      (session) => session.send(message(three)),
      undefined,
      1
    ],
    [
      "a transaction step by step",
      {},
      (session) =>
        Effect.scoped(Effect.gen(function*() {
          const transaction = yield* session.transaction({ from: "a@a.test" })
          yield* transaction.recipient("b@b.test")
          yield* transaction.data(whole)
        })),
      whole,
      1
    ],
    [
      "a transaction that is reset",
      {},
      (session) =>
        Effect.scoped(Effect.gen(function*() {
          const transaction = yield* session.transaction({ from: "a@a.test" })
          yield* transaction.recipient("b@b.test")
        })),
      undefined,
      1
    ]
  ]

  it.effect.each(calls)(
    "C35 interrupted at any step of %s, nobody gets it twice or in part, and the session is usable or gone",
    ([name, server, call, expected, stride]) => {
      const isRefused = server.quirks?.recipients !== undefined
      const options = isRefused
        ? { ...server, quirks: { ...server.quirks, recipients: Object.fromEntries(three.map((to) => [to, "550 no"])) } }
        : server
      return Effect.provide(
        Effect.gen(function*() {
          expect(yield* everywhere(network, name, options, call, expected, stride)).toBeGreaterThan(1)
        }),
        network.layer
      )
    }
  )

  it.effect("C35 an LMTP send, interrupted at any step", () =>
    Effect.provide(
      Sampling.everyStep("an LMTP send", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const { server, smtp } = yield* started({ protocol: "lmtp" }, { protocol: "lmtp" })
          const fiber = yield* Effect.fork(smtp.send(message(three)))
          yield* network.walk(steps)
          const isThrough = (yield* fiber.status)._tag === "Done"
          yield* Fiber.interrupt(fiber)
          yield* idle(server)
          expect((yield* server.messages).length).toBeLessThanOrEqual(1)
          return isThrough
        })), { stride: 3 * network.factor }),
      network.layer
    ))

  it.effect.each([["in clear", "none"], ["with STARTTLS", "starttls"], ["under TLS", "implicit"]] as const)(
    "C35 interrupted at any step of a one-shot send %s with a log-in, nothing is left open and nothing arrives twice",
    ([name, mode]) =>
      Effect.provide(
        Sampling.everyStep(`a one-shot send ${name}`, (steps) =>
          leavesNothing(Effect.gen(function*() {
            const made = yield* network.identity
            const tls = mode === "none" ? {} : {
              tls: yield* Tls.server({ identity: made.identity }),
              implicit: mode === "implicit"
            }
            const { server, smtp } = yield* started({ users: { ada: "password" }, ...tls }, {
              tls: mode,
              auth: { user: "ada", password: Redacted.make("password"), mechanisms: ["CRAM-MD5"] },
              ...(mode === "none" ? {} : { tlsContext: { ca: made.ca }, serverName: "localhost" })
            })
            const fiber = yield* Effect.fork(smtp.send(message()))
            yield* network.walk(steps)
            const isThrough = (yield* fiber.status)._tag === "Done"
            const exit = yield* Fiber.interrupt(fiber)
            yield* idle(server)
            const messages = yield* server.messages
            expect(messages.length).toBeLessThanOrEqual(1)
            if (Exit.isSuccess(exit)) expect(messages).toHaveLength(1)
            for (const received of messages) expect(new TextDecoder().decode(received.bytes)).toBe(whole)
            return isThrough
          })), { stride: 11 * network.factor }),
        network.layer
      )
  )
})
