/** Type tests of the FTP client: the errors and services in the types of its calls. */
import { Connector, Ftp, FtpError, type FtpSession } from "@copas/clients"
import type { Net } from "@copas/core"
import type { MessageTooLong, SocketClosed } from "@copas/core/SocketError"
import { Config, Effect, type Layer, Redacted, type Scope, type Sink, Stream } from "effect"
import type { ConfigError } from "effect/ConfigError"
import { describe, expect, it } from "tstyche"

class Missing {
  readonly _tag = "Missing"
}

describe("the FTP client", () => {
  it("C34 a call needs the client, a session the scope too", () => {
    expect(Ftp.get("ftp://a/b")).type.toBe<Effect.Effect<Uint8Array, Ftp.Failure | MessageTooLong, Ftp.Ftp>>()
    expect(Ftp.connect()).type.toBe<Effect.Effect<FtpSession.Session, Ftp.Failure, Ftp.Ftp | Scope.Scope>>()
    expect(Ftp.download("ftp://a/b")).type.toBe<Stream.Stream<Uint8Array, Ftp.Failure, Ftp.Ftp>>()
    expect(Ftp.upload("ftp://a/b")).type.toBe<
      Sink.Sink<FtpSession.Transferred, Uint8Array, never, Ftp.Failure, Ftp.Ftp>
    >()
  })

  it("C34 a stream that is put brings its error along", () => {
    expect(Ftp.put("ftp://a/b", Stream.fail(new Missing()))).type.toBe<
      Effect.Effect<FtpSession.Transferred, Ftp.Failure | Missing, Ftp.Ftp>
    >()
    expect(Ftp.put("ftp://a/b", "text")).type.toBe<Effect.Effect<FtpSession.Transferred, Ftp.Failure, Ftp.Ftp>>()
  })

  it("C34 an error that was handled is gone from the type", () => {
    const handled = Effect.catchTag(Ftp.list("ftp://a"), "NotFound", () => Effect.succeed([]))
    expect<Extract<Effect.Effect.Error<typeof handled>, FtpError.NotFound>>().type.toBe<never>()
    expect<Extract<Effect.Effect.Error<typeof handled>, SocketClosed>>().type.toBe<SocketClosed>()
  })

  it("S18 a password is redacted, and a configuration may be wrong", () => {
    expect(Ftp.layer).type.toBeCallableWith({ host: "a", password: Redacted.make("secret") })
    expect(Ftp.layer).type.not.toBeCallableWith({ host: "a", password: "secret" })
    expect(Ftp.layerConfig({ host: Config.string("HOST") })).type.toBe<Layer.Layer<Ftp.Ftp, ConfigError, Net.Net>>()
  })

  it("C34 whether to try again is asked of FTP's own errors", () => {
    expect(FtpError.canRetry).type.not.toBeCallableWith(new Missing())
    expect(Connector.direct).type.toBe<Connector.Connector>()
  })
})
