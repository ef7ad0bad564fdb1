/** Type tests of the SMTP client: the errors and services in the types of its calls. */
import { Message, Smtp, SmtpError, type SmtpPool, type SmtpSession } from "@copas/clients"
import type { Net } from "@copas/core"
import type { SocketClosed } from "@copas/core/SocketError"
import { Config, Context, Effect, type Layer, Match, Redacted, type Scope, Stream } from "effect"
import type { ConfigError } from "effect/ConfigError"
import { describe, expect, it } from "tstyche"

class Missing {
  readonly _tag = "Missing"
}

class Disk extends Context.Tag("Disk")<Disk, { readonly read: Effect.Effect<Uint8Array, Missing> }>() {}

const letter = { from: "a@a.test", to: "b@b.test", text: "hello" } as const

describe("the SMTP client", () => {
  it("C35 a call needs the client, a session the scope too", () => {
    expect(Smtp.send(letter)).type.toBe<Effect.Effect<SmtpSession.Receipt, Smtp.Failure, Smtp.Smtp>>()
    expect(Smtp.connect()).type.toBe<
      Effect.Effect<SmtpSession.Session, SmtpSession.ConnectFailure, Smtp.Smtp | Scope.Scope>
    >()
    expect(Smtp.layer()).type.toBe<Layer.Layer<Smtp.Smtp, never, Net.Net>>()
    expect(Smtp.layerConfig({ host: Config.string("HOST") })).type.toBe<
      Layer.Layer<Smtp.Smtp, ConfigError, Net.Net>
    >()
  })

  it("C35 the errors and services of a message's contents reach the call", () => {
    const content = Stream.fromEffect(Effect.flatMap(Disk, (disk) => disk.read))
    expect(Smtp.send({ ...letter, attachments: [{ content }] })).type.toBe<
      Effect.Effect<SmtpSession.Receipt, Smtp.Failure | Missing, Smtp.Smtp | Disk>
    >()
    const raw = Message.raw(content, { envelope: { from: "a@a.test", to: "b@b.test" } })
    expect(Effect.flatMap(raw, (message) => Smtp.sendWithRetry(message))).type.toBe<
      Effect.Effect<SmtpSession.Receipt, Smtp.Failure | Missing, Smtp.Smtp | Disk>
    >()
  })

  it("C35 they are in the results of a pool's sendAll, and those of the stream in its type", () => {
    const content = Stream.fromEffect(Effect.flatMap(Disk, (disk) => disk.read))
    const pool = null as unknown as SmtpPool.Pool
    const numbered = { ...letter, number: 1, attachments: [{ content }] }
    expect(pool.sendAll(Stream.make(numbered))).type.toBe<
      Stream.Stream<SmtpPool.Result<typeof numbered, Missing>, never, Disk>
    >()
    expect(pool.sendAll(Stream.fail("source"))).type.toBe<Stream.Stream<SmtpPool.Result<never>, string>>()
    expect(pool.sendAll(Stream.make(letter))).type.toBe<Stream.Stream<SmtpPool.Result<typeof letter>>>()
    expect(pool.sendAll).type.not.toBeCallableWith(Stream.make({ number: 1 }))
    expect(pool.send({ ...letter, attachments: [{ content }] })).type.toBe<
      Effect.Effect<SmtpSession.Receipt, Smtp.Failure | Missing, Disk>
    >()
    expect(Smtp.layerPool({ host: "a" })).type.toBe<Layer.Layer<Smtp.Smtp, SmtpSession.ConnectFailure, Net.Net>>()
  })

  it("C35 a receipt is complete or partial, and a match has both", () => {
    const receipt = null as unknown as SmtpSession.Receipt
    expect(receipt._tag).type.toBe<"Complete" | "Partial">()
    expect(
      Match.value(receipt).pipe(Match.tag("Complete", () => 1), Match.tag("Partial", () => 2), Match.exhaustive)
    ).type.toBe<number>()
    const half = Match.value(receipt).pipe(Match.tag("Complete", () => 1))
    expect(Match.exhaustive).type.not.toBeCallableWith(half)
  })

  it("C35 a secret is redacted", () => {
    expect(Smtp.layer).type.toBeCallableWith({ host: "a", auth: { user: "a", password: Redacted.make("secret") } })
    expect(Smtp.layer).type.not.toBeCallableWith({ host: "a", auth: { user: "a", password: "secret" } })
    expect(Smtp.layer).type.not.toBeCallableWith({ host: "a", auth: { user: "a", token: "secret" } })
    expect(Smtp.layer).type.toBeCallableWith({
      host: "a",
      auth: { user: "a", token: Effect.succeed(Redacted.make("secret")) }
    })
  })

  it("C35 an error that was handled is gone from the type", () => {
    const handled = Effect.catchTag(Smtp.send(letter), "RecipientsRejected", () => Effect.succeed(undefined))
    expect<Extract<Effect.Effect.Error<typeof handled>, SmtpError.RecipientsRejected>>().type.toBe<never>()
    expect<Extract<Effect.Effect.Error<typeof handled>, SocketClosed>>().type.toBe<SocketClosed>()
    expect(SmtpError.canRetry(new Missing())).type.toBe<boolean>()
  })
})
